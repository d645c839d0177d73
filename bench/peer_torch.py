#!/usr/bin/python3
"""Training steps of the paper's net in PyTorch, to compare with.

usage: peer_torch.py THREADS     then, for each line `B SECONDS` on stdin, prints images/s at batch B
"""
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


def main():
    torch.set_num_threads(int(sys.argv[1]))
    net = Net()
    sgd = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    for line in sys.stdin:
        batch, seconds = int(line.split()[0]), float(line.split()[1])
        x, y = torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
        steps, start = -3, 0.0  # the first three warm up
        while True:
            if steps == 0:
                start = time.perf_counter()
            if steps > 0 and time.perf_counter() - start > seconds:
                break
            sgd.zero_grad()
            F.cross_entropy(net(x), y).backward()
            sgd.step()
            steps += 1
        print(steps * batch / (time.perf_counter() - start), flush=True)


if __name__ == "__main__":
    main()
