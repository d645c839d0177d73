#!/usr/bin/env python3
"""Train the paper's net on CIFAR-10 in PyTorch, to compare with: after every pass the seconds so far and the accuracy.

usage: peer_torch_train.py DATA THREADS PASSES BATCH LR MOMENTUM SEED [IMAGES]    (the first IMAGES of the training images)

Prints JSON: version, layout, t_s and accuracy, a number for each pass.  As in PyTorch's tutorial: eager mode, float32, SGD;
the images are made floats before the clock starts, all at once, and tests are off the clock.  Of the two layouts of memory
the one that trains faster counts: 50 steps of each are tried first.
"""
import json
import sys
import time

import torch

from cifar import tensors
from peer_torch import Net, accuracy, step


def made(layout, lr, momentum, seed):
    torch.manual_seed(seed)
    net = Net().to(memory_format=layout)
    return net, torch.optim.SGD(net.parameters(), lr=lr, momentum=momentum)


def faster_layout(x, y, batch, lr, momentum):
    """Of the turns of each layout the best counts."""
    took = {torch.contiguous_format: [], torch.channels_last: []}
    for _ in range(3):
        for layout, times in took.items():
            net, sgd = made(layout, lr, momentum, 0)
            some = x[:batch].to(memory_format=layout)
            start = time.perf_counter()
            for _ in range(50):
                step(net, sgd, some, y[:batch])
            times.append(time.perf_counter() - start)
    return min(took, key=lambda layout: min(took[layout]))


def main():
    folder, threads, passes, batch, lr, momentum, seed = sys.argv[1:8]
    torch.set_num_threads(int(threads))
    lr, momentum, batch = float(lr), float(momentum), int(batch)
    x, y = tensors(folder, [f"data_batch_{k}.bin" for k in range(1, 6)])
    n = int(sys.argv[8]) if len(sys.argv) > 8 else len(x)
    x, y = x[:n], y[:n]
    test = tensors(folder, ["test_batch.bin"])
    layout = faster_layout(x, y, batch, lr, momentum)
    x = x.to(memory_format=layout)
    net, sgd = made(layout, lr, momentum, int(seed))
    spent, t_s, accuracies = 0.0, [], []
    for _ in range(int(passes)):
        start = time.perf_counter()
        for some in torch.randperm(len(x)).split(batch):
            step(net, sgd, x[some], y[some])
        spent += time.perf_counter() - start
        t_s.append(round(spent, 4))
        accuracies.append(accuracy(net, *test))
    print(json.dumps(dict(version=torch.__version__.split("+")[0], layout=str(layout).removeprefix("torch."), t_s=t_s,
                          accuracy=accuracies)))


main()
