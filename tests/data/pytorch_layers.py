#!/usr/bin/python3
"""Write what PyTorch makes of small nets with norms and poolings: tests/data/pytorch_layers.h5.

Apart from a gradient (pytorch_nets.py has the other kinds'): what steps lead to, running statistics, and a test by them.

usage: tests/data/pytorch_layers.py OUT.h5      (needs PyTorch; the tests do not)

All is computed in double precision, from numbers that are floats.  For each net:
  attributes model, lr, momentum, steps   the model file; of torch.optim.SGD
  x [n][channels][height][width], labels
  init/NAME            first weights and statistics
  logits, loss, grad/NAME   of one forward and backward pass in training
  final/NAME           after some steps with the same images
  tested               logits then, in evaluation
To add a kind: its line in KINDS, and a net.
"""
import configparser
import sys

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

IMAGES, LR, MOMENTUM, STEPS = 7, 0.05, 0.9, 3
HEAD = "[model]\nname = t\ninput = {}\nclasses = 5\n"
NETS = {
    "batch norm": ("2 7 5", """
        c conv filters=6 kernel=3; b batchnorm; r relu; p maxpool window=3 stride=2 padding=1;
        d conv filters=4 kernel=2; e batchnorm scale=no momentum=0.4 eps=1e-3; s relu; f dense units=5"""),
    "batch norm of features": ("3 4 3", """
        g dense units=9; b batchnorm eps=0.1; r relu; h dense units=6; n batchnorm scale=no bias=no eps=0.1;
        f dense units=5"""),
    "group norm": ("2 8 7", """
        c conv filters=6 kernel=3; n groupnorm groups=2; r relu; d conv filters=9 kernel=3; m groupnorm groups=9 eps=1e-3;
        a avgpool window=3 stride=1 padding=1; o groupnorm groups=1 bias=no eps=1e-2; f dense units=5"""),
    "layer norm": ("3 6 7", """
        c conv filters=5 kernel=4 padding=2; n layernorm; p avgpool window=2; m layernorm scale=no eps=1e-2; r relu;
        d conv filters=8 kernel=3; o layernorm; g globalpool; f dense units=5"""),
    "pooling": ("2 9 8", """
        p maxpool window=3 stride=2 padding=1; c conv filters=7 kernel=3; r relu; a avgpool window=2 stride=1 padding=1;
        q maxpool window=2 stride=1; d conv filters=5 kernel=1; g globalpool"""),
}


class Pixels(nn.Module):
    """Layer norm over the channels of each pixel."""

    def __init__(self, channels, eps, scale, bias):
        super().__init__()
        self.channels, self.eps = channels, eps
        self.weight = nn.Parameter(torch.ones(channels)) if scale else None
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def forward(self, x):
        return F.layer_norm(x.movedim(1, -1), (self.channels,), self.weight, self.bias, self.eps).movedim(-1, 1)


def without(module, scale, bias):
    if not scale:
        module.weight = None
    if not bias:
        module.bias = None
    return module


def batchnorm(shape, s):
    kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
    return without(kind(shape[0], float(s.get("eps", 1e-5)), float(s.get("momentum", 0.1))), *affine(s))


def affine(s):
    return s.get("scale", "yes") == "yes", s.get("bias", "yes") == "yes"


def pool(kind, s):
    window = int(s["window"])
    return kind(window, int(s.get("stride", window)), int(s.get("padding", 0)))


KINDS = {
    "conv": lambda shape, s: nn.Conv2d(shape[0], int(s["filters"]), int(s["kernel"]), int(s.get("stride", 1)),
                                       int(s.get("padding", 0))),
    "dense": lambda shape, s: nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), int(s["units"]))),
    "relu": lambda shape, s: nn.ReLU(),
    "maxpool": lambda shape, s: pool(nn.MaxPool2d, s),
    "avgpool": lambda shape, s: pool(nn.AvgPool2d, s),
    "globalpool": lambda shape, s: nn.AdaptiveAvgPool2d(1),
    "batchnorm": batchnorm,
    "groupnorm": lambda shape, s: without(nn.GroupNorm(int(s["groups"]), shape[0], float(s.get("eps", 1e-5))), *affine(s)),
    "layernorm": lambda shape, s: Pixels(shape[0], float(s.get("eps", 1e-5)), *affine(s)),
}


def text_of(shape, layers):
    """A model file: name, kind and settings of each layer."""
    sections = [layer.split() for layer in layers.split(";")]
    return HEAD.format(shape) + "".join("\n".join([f"[{name}]", f"kind = {kind}", *settings, ""])
                                        for name, kind, *settings in sections)


class Net(nn.Module):
    def __init__(self, text):
        super().__init__()
        ini = configparser.ConfigParser()
        ini.read_string(text)
        shape = tuple(int(n) for n in ini["model"]["input"].split())
        self.layers = nn.ModuleDict()
        for name in ini.sections()[1:]:
            self.layers[name] = KINDS[ini[name]["kind"]](shape, ini[name])
            shape = self.layers[name].eval()(torch.zeros(1, *shape)).shape[1:]

    def forward(self, x):
        for layer in self.layers.values():
            x = layer(x)
        return torch.flatten(x, 1)


def name_of(key):
    """Ours of layers.NAME.weight, layers.NAME.1.weight."""
    _, layer, *_, suffix = key.split(".")
    return f"{layer}.{suffix}"


def floats(draw, *shape):
    return torch.tensor(draw.uniform(-1, 1, shape).astype(np.float32), dtype=torch.double)


def compute(text, draw):
    net = Net(text).double()
    for key, value in net.state_dict().items():
        if value.is_floating_point():
            start = floats(draw, *value.shape)
            value.copy_(start.abs() + 0.5 if key.endswith("_var") else start)
    shape = [int(n) for n in text.split("input = ")[1].split("\n")[0].split()]
    x, labels = floats(draw, IMAGES, *shape), torch.tensor(draw.integers(0, 5, IMAGES))
    found = {"x": x, "labels": labels}

    def keep(group, items):
        found.update({f"{group}/{name_of(key)}": value.detach().clone() for key, value in items
                      if value.is_floating_point()})

    keep("init", net.state_dict().items())
    net.train()
    sgd = torch.optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM)
    for step in range(STEPS):
        sgd.zero_grad()
        logits = net(x)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        if step == 0:
            found.update({"logits": logits.detach(), "loss": loss.detach().reshape(1)})
            keep("grad", ((key, value.grad) for key, value in net.named_parameters()))
        sgd.step()
    keep("final", net.state_dict().items())
    found["tested"] = net.eval()(x).detach()
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    with h5py.File(sys.argv[1], "w", libver="latest") as file:
        file.attrs.update(about=__doc__, torch=str(torch.__version__))
        for k, (name, (shape, layers)) in enumerate(NETS.items()):
            text = text_of(shape, layers)
            group = file.create_group(name)
            group.attrs.update(model=np.bytes_(text), lr=LR, momentum=MOMENTUM, steps=STEPS)
            for key, value in compute(text, np.random.default_rng(k)).items():
                group.create_dataset(key, data=value.numpy().astype(np.float32))


main()
