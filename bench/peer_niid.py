#!/usr/bin/env python3
"""What a cell of Flower's baseline niid_bench takes with Flower's simulation and PyTorch, to compare with.

usage: peer_niid.py DATA [plain]

The cell is FedAvg over ten even shards of CIFAR-10: 50 rounds of ten local passes, batch 64, learning rate 0.01, momentum
0.9, weight decay 1e-5; each picture is cropped (4, border reflected) and mirrored by chance, one by one with torchvision
as the baseline does it, or not at all (plain: what the rest takes).  Two clients at a time, one thread each.  Measured are
rounds of one and of two local passes; prints `one two cell`, seconds, where cell = 50 (one + 9 (two - one)).
"""
import functools
import os
import sys
import time

import flwr
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from cifar import tensors
from peer_flower import begin, set_weights, simulate, weights_of
from peer_torch import Net, step

DATA, PLAIN = os.environ.get("NIID_DATA"), "NIID_PLAIN" in os.environ  # clients are processes of their own
CLIENTS, PASSES = 10, [1, 1, 2, 1, 2, 1, 2]  # local passes of each round; the first starts the clients up
CHANGED = transforms.Compose([transforms.ToPILImage(), transforms.Pad(4, padding_mode="reflect"),
                              transforms.RandomCrop(32), transforms.RandomHorizontalFlip(), transforms.ToTensor()])


class Shard(Dataset):
    def __init__(self, k):
        x, y = tensors(DATA, [f"data_batch_{i}.bin" for i in range(1, 6)])
        self.x, self.y = (x[k::CLIENTS] + 1) / 2, y[k::CLIENTS]

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return (self.x[i] if PLAIN else CHANGED(self.x[i])), self.y[i]


@functools.cache  # a process keeps the shards of all clients that it has been
def shard_of(k):
    return Shard(k)


class Client(flwr.client.NumPyClient):
    def __init__(self, k):
        torch.set_num_threads(1)
        self.net, self.shard = Net(), shard_of(k)

    def fit(self, parameters, config):
        set_weights(self.net, parameters)
        sgd = torch.optim.SGD(self.net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-5)
        for _ in range(config["passes"]):
            for x, y in DataLoader(self.shard, batch_size=64, shuffle=True):
                step(self.net, sgd, x, y)
        return weights_of(self.net), len(self.shard), {}


def main():
    ends = []
    simulate(CLIENTS, len(PASSES), lambda *_: ends.append(time.perf_counter()), lambda number: {"passes": PASSES[number - 1]}, Client)
    took = [(passes, end - start) for passes, start, end in list(zip(PASSES, ends, ends[1:]))[1:]]
    one, two = (sorted(seconds for passes, seconds in took if passes == n)[1] for n in (1, 2))
    print(f"{one:.2f} {two:.2f} {50 * (one + 9 * (two - one)):.0f}")


if __name__ == "__main__":
    begin(NIID_DATA=os.path.abspath(sys.argv[1]), **({"NIID_PLAIN": ""} if sys.argv[2:] == ["plain"] else {}))
    import peer_niid  # by its name, so that clients find what they are made of
    peer_niid.main()
