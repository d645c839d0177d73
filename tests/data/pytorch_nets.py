#!/usr/bin/python3
"""Write what PyTorch computes for small nets of all kinds of layers: tests/data/pytorch_nets.h5.

usage: tests/data/pytorch_nets.py OUT.h5        (needs PyTorch; the tests do not)

Each net is a model file and, beside it, the same in PyTorch's words: a function of the images and of the weights by name.
All is computed in double precision.  A group for each net:
  model (attribute)     the model file
  x [n][c][h][w], labels [n]
  w/NAME                weights, and statistics: drawn anew, not what a net would start from
  logits, loss          of a forward pass in training; the loss is the mean cross-entropy
  g/NAME                gradients of the loss; of a statistic what the batch measured
What only an input's gradient shows is seen by a 1x1 convolution in front.
"""
import re
import sys

import h5py
import numpy as np
import torch
import torch.nn.functional as F

N_IMAGES = 19
FRONT = "[front]\nkind = conv\nfilters = {0}\nkernel = 1\n"


def front(x, w):
    return F.conv2d(x, w["front.weight"], w["front.bias"])


def one_conv(settings, channels=3, **how):
    """A net of a 1x1 convolution and one of these settings, whose outputs are the logits."""
    pads = how.pop("pads", None)

    def net(x, w):
        x = front(x, w)
        x = F.pad(x, pads) if pads else x
        return F.conv2d(x, w["c.weight"], w.get("c.bias"), **how)

    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    return FRONT.format(channels) + "[c]\nkind = conv\n" + lines, net


def dense_no_bias(x, w):
    return F.linear(torch.flatten(front(x, w), 1), w["f.weight"])


# name: shape of the images, sections of the model file, the same in PyTorch's words
NETS = {
    "conv-same": ((3, 7, 6), *one_conv({"filters": 4, "kernel": 3, "padding": "same"}, padding="same")),
    "conv-same-even": ((2, 5, 7), *one_conv({"filters": 3, "kernel": 4, "padding": "same"}, 2, padding="same")),
    # as Keras does it, and ONNX calls SAME_UPPER: the odd one of the zeros comes last
    "conv-same-stride": ((2, 8, 7), *one_conv({"filters": 3, "kernel": 3, "stride": 2, "padding": "same"}, 2, stride=2,
                                              pads=(1, 1, 0, 1))),
    "conv-no-bias": ((2, 6, 5), *one_conv({"filters": 3, "kernel": 3, "bias": "no"}, 2)),
    "depthwise": ((5, 9, 6), *one_conv({"filters": 5, "kernel": 3, "padding": 1, "groups": 5, "bias": "no"}, 5, padding=1,
                                       groups=5)),
    "depthwise-7": ((3, 9, 8), *one_conv({"filters": 3, "kernel": 7, "padding": "same", "groups": 3}, padding=3, groups=3)),
    "depthwise-dilated": ((2, 11, 9), *one_conv({"filters": 2, "kernel": 7, "padding": "same", "groups": 2, "dilation": 3},
                                                2, padding=9, groups=2, dilation=3)),
    "grouped": ((6, 9, 8), *one_conv({"filters": 10, "kernel": 4, "stride": 2, "groups": 2, "padding": 1}, 6, stride=2,
                                     groups=2, padding=1)),
    "dilated": ((2, 8, 7), *one_conv({"filters": 5, "kernel": 3, "dilation": 2, "padding": 2}, 2, dilation=2, padding=2)),
    "dense-no-bias": ((2, 3, 5), FRONT.format(2) + "[f]\nkind = dense\nunits = 7\nbias = no\n", dense_no_bias),
}


def tensors_of(text, shape):
    """Names and shapes of the weights that the nets above have."""
    channels, found = shape[0], {}
    side = list(shape[1:])
    for name, body in re.findall(r"\[(\w+)\]\n([^\[]*)", text):
        of = dict(line.split(" = ") for line in body.strip().split("\n"))
        if of["kind"] == "conv":
            filters, k = int(of["filters"]), int(of["kernel"])
            found[name + ".weight"] = (filters, channels // int(of.get("groups", 1)), k, k)
            if of.get("bias") != "no":
                found[name + ".bias"] = (filters,)
            channels = filters
        elif of["kind"] == "dense":
            found[name + ".weight"] = (int(of["units"]), channels * side[0] * side[1])
            if of.get("bias") != "no":
                found[name + ".bias"] = (int(of["units"]),)
    return found


def keep(group, name, value):
    group.create_dataset(name, data=value, compression="gzip" if value.size > 1000 else None)


def write_net(group, shape, sections, net, random):
    def draw(dims):  # -1 .. 1 in few steps: the file stays small
        return (random.integers(-16, 17, dims) / 16).astype(np.float32)

    x, drawn = draw((N_IMAGES, *shape)), {name: draw(dims) for name, dims in tensors_of(sections, shape).items()}
    w = {name: torch.tensor(value, dtype=torch.double, requires_grad=True) for name, value in drawn.items()}
    logits = torch.flatten(net(torch.tensor(x, dtype=torch.double), w), 1)
    labels = random.integers(0, logits.shape[1], N_IMAGES)
    loss = F.cross_entropy(logits, torch.tensor(labels))
    loss.backward()
    group.attrs["model"] = (f"[model]\nname = t\ninput = {shape[0]} {shape[1]} {shape[2]}\n"
                            f"classes = {logits.shape[1]}\n{sections}")
    for name, value in {"x": x, "labels": labels.astype(np.uint16), "logits": logits.detach().numpy(),
                        "loss": loss.item()}.items():
        keep(group, name, np.asarray(value, None if name == "labels" else np.float32))
    for name in drawn:
        keep(group, "w/" + name, drawn[name])
        keep(group, "g/" + name, w[name].grad.numpy().astype(np.float32))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    with h5py.File(sys.argv[1], "w", libver=("v110", "v110")) as file:
        file.attrs.update(about=__doc__, torch=str(torch.__version__))
        for number, (name, net) in enumerate(NETS.items()):
            write_net(file.create_group(name), *net, np.random.default_rng(number))


main()
