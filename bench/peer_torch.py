#!/usr/bin/python3
"""Training steps in PyTorch, to compare with: of the paper's net, or of the net of a result file.

usage: peer_torch.py THREADS [RESULT.h5]

then, for each line `B SECONDS [channels_last] [bf16] [compile]` on stdin, prints images/s at batch B: float32 in PyTorch's
own layout, or pixels with all their channels side by side; bf16: autocast; compile: by torch.compile, which takes a while
for each new batch before anything is measured.
"""
import sys
import time
from pathlib import Path

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


def step(net, sgd, x, y):
    sgd.zero_grad()
    F.cross_entropy(net(x), y).backward()
    sgd.step()


def accuracy(net, x, y):
    with torch.no_grad():
        return sum(int((net(x[k:k + 500]).argmax(1) == y[k:k + 500]).sum()) for k in range(0, len(x), 500)) / len(x)


def net_of(words):
    """The net, and the shape of its images."""
    if not words:
        return Net(), (3, 32, 32)
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
    import bramble
    from bramble.net import read_graph
    run = bramble.read_run(words[0])
    return bramble.to_torch(run).train(), read_graph(run.model_text).input


def measure(net, shape, batch, seconds, layout, bf16):
    """Images a second."""
    net = net.to(memory_format=layout)
    sgd = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=1e-3, momentum=0.9)
    x, y = torch.randn(batch, *shape).to(memory_format=layout), torch.randint(0, 10, (batch,))
    steps, start = -3, 0.0  # the first three warm up
    while True:
        if steps == 0:
            start = time.perf_counter()
        if steps > 0 and time.perf_counter() - start > seconds:
            return steps * batch / (time.perf_counter() - start)
        sgd.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = F.cross_entropy(net(x), y)
        loss.backward()
        sgd.step()
        steps += 1


def main():
    torch.set_num_threads(int(sys.argv[1]))
    net, shape = net_of(sys.argv[2:])
    compiled = None
    for line in sys.stdin:
        batch, seconds, *how = line.split()
        layout = torch.channels_last if "channels_last" in how else torch.contiguous_format
        if "compile" in how and compiled is None:
            torch._dynamo.config.recompile_limit = 64  # beyond it nothing is compiled any more, without a word
            compiled = torch.compile(net, dynamic=False)
        print(measure(compiled if "compile" in how else net, shape, int(batch), float(seconds), layout, "bf16" in how), flush=True)


if __name__ == "__main__":
    main()
