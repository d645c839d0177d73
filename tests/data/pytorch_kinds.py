#!/usr/bin/python3
"""Write what PyTorch computes for small nets of all kinds of layers: tests/data/pytorch_kinds.h5.

usage: tests/data/pytorch_kinds.py OUT.h5      (needs PyTorch: Debian's python3-torch; the tests do not)

Nets with branches and what is done element by element, from their model files alone; the groups are those that
tests/data/pytorch_nets.py describes, and tests/unit/test_nets_pytorch.c reads both.  Dropout drops nothing here: PyTorch
draws other numbers.
"""
import configparser
import sys

import h5py
import numpy as np
import torch
import torch.nn.functional as F

IMAGES, CLASSES = 9, 3


def layer(name, kind, **settings):
    return f"[{name}]\nkind = {kind}\n" + "".join(f"{key} = {value}\n" for key, value in settings.items())


def conv(name, filters, **settings):
    return layer(name, "conv", filters=filters, kernel=3, padding=1, **settings)


def net(shape, *layers):
    return f"[model]\nname = t\ninput = {shape}\nclasses = {CLASSES}\n" + "".join(layers)


DENSE = layer("fc", "dense", units=CLASSES)
NETS = {
    **{f"{kind}{number}": net("1 3 5", conv("c", 3), layer("l", kind, **settings), conv("d", 2), DENSE)
       for number, (kind, settings) in enumerate([
           ("relu", {}), ("tanh", {}), ("silu", {}), ("gelu", {}), ("gelu", {"form": "erf"}), ("gelu", {"form": "tanh"}),
           ("prelu", {}), ("prelu", {"slopes": "channels"}), ("scale", {}), ("scale", {"factor": -0.37}),
           ("dropout", {"p": 0})])},
    "dense": net("3 1 7", layer("e", "dense", units=9), layer("p", "prelu", slopes="channels"), layer("g", "gelu"),
                 layer("s", "scale"), DENSE),
    "residual": net("2 3 5", conv("a", 4), layer("r", "relu"), conv("b", 4), layer("s", "add", input="b, r"),
                    layer("t", "relu"), DENSE),
    "four": net("3 3 5", conv("a", 3), conv("b", 3), conv("c", 3), layer("s", "add", input="c, image, a, b"),
                layer("t", "tanh"), layer("u", "add", input="t, s, b"), layer("v", "relu"), DENSE),
    "gate": net("2 5 3", conv("a", 6), layer("l", "split", half="first"), layer("r", "split", input="a", half="second"),
                layer("t", "silu", input="l"), layer("m", "multiply", input="t, r"), DENSE),
    "branches": net("2 3 3", conv("a", 3), conv("b", 1, input="image"), layer("g", "gelu", input="a"),
                    layer("k", "concat", input="g, b, image"), layer("p", "prelu", slopes="channels"),
                    layer("q", "concat", input="p, b, k, a"), conv("d", 2), DENSE),
    "scaled": net("3 3 5", conv("a", 4), layer("q", "scale"), conv("b", 4, input="a"), layer("s", "add", input="b, q"),
                  layer("g", "gelu", form="tanh"), layer("p", "maxpool", window=2), DENSE,
                  layer("z", "scale", factor=0.1111111)),
}

RUN = {
    "conv": lambda x, w, s: F.conv2d(x, w["weight"], w["bias"], padding=int(s["padding"])),
    "dense": lambda x, w, s: F.linear(torch.flatten(x, 1), w["weight"], w["bias"]),
    "maxpool": lambda x, w, s: F.max_pool2d(x, int(s["window"])),
    "relu": lambda x, w, s: F.relu(x),
    "tanh": lambda x, w, s: torch.tanh(x),
    "silu": lambda x, w, s: F.silu(x),
    "gelu": lambda x, w, s: F.gelu(x, approximate="tanh" if s.get("form") == "tanh" else "none"),
    "prelu": lambda x, w, s: F.prelu(x, w["weight"]),
    "scale": lambda x, w, s: x * (float(s["factor"]) if "factor" in s else
                                  w["weight"].reshape(1, -1, *[1] * (x.dim() - 2))),
    "dropout": lambda x, w, s: F.dropout(x, float(s["p"])),
    "add": lambda *x: sum(x[:-2]),
    "multiply": lambda a, b, w, s: a * b,
    "concat": lambda *x: torch.cat(x[:-2], dim=1),
    "split": lambda x, w, s: x.chunk(2, dim=1)[s["half"] == "second"],
}


def weights_of(kind, settings, shape, draw):
    """New weights of a layer by their suffix; shape: of its input, without the images."""
    sizes = {"conv": lambda: {"weight": (int(settings["filters"]), shape[0], 3, 3), "bias": (int(settings["filters"]),)},
             "dense": lambda: {"weight": (int(settings["units"]), int(np.prod(shape))), "bias": (int(settings["units"]),)},
             "prelu": lambda: {"weight": (shape[0] if settings.get("slopes") == "channels" else 1,)},
             "scale": lambda: {} if "factor" in settings else {"weight": (shape[0],)}}
    return {suffix: torch.tensor(draw.uniform(-0.7, 0.7, size).astype(np.float32).astype(float), requires_grad=True)
            for suffix, size in sizes.get(kind, dict)().items()}


def compute(text, draw):
    """All numbers of a net by name."""
    ini = configparser.ConfigParser()
    ini.read_string(text)
    shape = [int(n) for n in ini["model"]["input"].split()]
    x = draw.uniform(-1, 1, (IMAGES, *shape)).astype(np.float32)
    labels = draw.integers(0, CLASSES, IMAGES)
    made, above, all_weights = {"image": torch.tensor(x, dtype=torch.double)}, "image", {}
    for name in ini.sections()[1:]:
        s = dict(ini[name])
        inputs = [made[other.strip()] for other in s.pop("input", above).split(",")]
        own = weights_of(s["kind"], s, inputs[0].shape[1:], draw)
        all_weights.update({f"{name}.{suffix}": value for suffix, value in own.items()})
        made[name], above = RUN[s["kind"]](*inputs, own, s), name
    loss = F.cross_entropy(made[above], torch.tensor(labels))
    loss.backward()
    return {"x": x, "labels": labels.astype(np.int32),
            "logits": made[above].detach().numpy(), "loss": loss.item(),
            **{f"w/{name}": value.detach().numpy() for name, value in all_weights.items()},
            **{f"g/{name}": value.grad.numpy() for name, value in all_weights.items()}}


def write(file, path, value):
    """A dataset whose values stand in its header."""
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.COMPACT)
    group, name = path.rsplit("/", 1)
    data = h5py.h5d.create(file.require_group(group).id, name.encode(), h5py.h5t.py_create(value.dtype),
                           h5py.h5s.create_simple(value.shape) if value.shape else h5py.h5s.create(h5py.h5s.SCALAR), layout)
    data.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(value))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    with h5py.File(sys.argv[1], "w", libver="latest") as file:
        file.attrs.update(about=__doc__, torch=str(torch.__version__))
        for seed, (name, text) in enumerate(NETS.items()):
            file.create_group(name).attrs["model"] = text
            for part, value in compute(text, np.random.default_rng(seed)).items():
                value = np.asarray(value)
                write(file, f"{name}/{part}", value.astype(np.float32) if value.dtype == float else value)


main()
