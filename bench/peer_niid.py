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
import torch.nn.functional as F
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from cifar import tensors
from peer_torch import Net

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
        names = self.net.state_dict()
        self.net.load_state_dict({name: torch.tensor(value) for name, value in zip(names, parameters)})
        sgd = torch.optim.SGD(self.net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-5)
        for _ in range(config["passes"]):
            for x, y in DataLoader(self.shard, batch_size=64, shuffle=True):
                sgd.zero_grad()
                F.cross_entropy(self.net(x), y).backward()
                sgd.step()
        return [value.numpy() for value in self.net.state_dict().values()], len(self.shard), {}


def client_of(context):
    return Client(int(context.node_config["partition-id"])).to_client()


class Mean(FedAvg):
    def aggregate_fit(self, number, results, failures):
        if failures:
            raise RuntimeError(failures[0])
        return super().aggregate_fit(number, results, failures)


def main():
    ends = []

    def server(context):
        initial = ndarrays_to_parameters([value.numpy() for value in Net().state_dict().values()])
        strategy = Mean(fraction_evaluate=0.0, min_fit_clients=CLIENTS, min_available_clients=CLIENTS,
                          initial_parameters=initial, evaluate_fn=lambda *_: ends.append(time.perf_counter()),
                          on_fit_config_fn=lambda number: {"passes": PASSES[number - 1]})
        return ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=len(PASSES)))

    flwr.simulation.run_simulation(
        server_app=ServerApp(server_fn=server), client_app=flwr.client.ClientApp(client_fn=client_of),
        num_supernodes=CLIENTS, backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0}})
    took = [(passes, end - start) for passes, start, end in list(zip(PASSES, ends, ends[1:]))[1:]]
    one, two = (sorted(seconds for passes, seconds in took if passes == n)[1] for n in (1, 2))
    print(f"{one:.2f} {two:.2f} {50 * (one + 9 * (two - one)):.0f}")


if __name__ == "__main__":
    os.environ.update(NIID_DATA=os.path.abspath(sys.argv[1]), PYTHONPATH=os.path.dirname(os.path.abspath(__file__)),
                      RAY_USAGE_STATS_ENABLED="0", FLWR_TELEMETRY_ENABLED="0")
    if sys.argv[2:] == ["plain"]:
        os.environ["NIID_PLAIN"] = "1"
    import peer_niid  # by its name, so that clients find what they are made of
    peer_niid.main()
