#!/usr/bin/python3
"""3x3 same-padded convolutions in PyTorch, to compare with.

usage: peer_torch_conv.py THREADS CHANNELS SIDE BATCH     prints seconds: forward, and both gradients
"""
import sys
import time

import torch
from torch import nn


def best(act, repeats=7):
    act()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    threads, channels, side, batch = map(int, sys.argv[1:])
    torch.set_num_threads(threads)
    conv = nn.Conv2d(channels, channels, 3, padding=1)
    x = torch.randn(batch, channels, side, side, requires_grad=True)
    g = torch.randn(batch, channels, side, side)

    def forward():
        with torch.no_grad():
            conv(x)

    y = conv(x)
    both = best(lambda: torch.autograd.grad(y, [x, conv.weight, conv.bias], g, retain_graph=True))
    print(best(forward), both)


main()
