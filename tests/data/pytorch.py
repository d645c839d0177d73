#!/usr/bin/python3
"""Write what PyTorch computes for the paper's net: tests/data/pytorch.h5, for which Bramble is tested.

usage: tests/data/pytorch.py BRAMBLE OUT.h5      (needs PyTorch: Debian's python3-torch; the tests do not)

Images and first weights are those of `bramble train --data synthetic:640 --seed 1`.  Preprocessing is
x = (byte / 255 - 0.5) / 0.5, the loss the mean cross-entropy; SGD has lr 0.1, momentum 0.9, batches of 32 in
the order of the files.  All is computed in double precision; what single precision comes to is printed, and
says how close one can be.  A second pass would make differences in rounding a thousand times as large.
  /init/NAME                            the first weights
  /step/logits, /step/loss, /step/grad/NAME   one forward and backward pass over the first batch
  /sgd/loss, /sgd/final/NAME, /sgd/test_accuracy   a pass over all images
  /fedavg/loss [round][worker][step], /fedavg/final/NAME, /fedavg/test_accuracy
                                        two rounds, shards in file order, velocity zeroed in each; the new
                                        weights are the mean weighted by the shards' images
Of each tensor every k-th value is kept, k = n / 200 of n values, made odd: elements 0, k, 2 k, ...; its attributes
are the norm and the largest magnitude of all.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import torch
import torch.nn.functional as F

BATCH, SHARDS, LR, MOMENTUM = 32, (200, 216, 224), 0.1, 0.9


def start(bramble, folder):
    """Images and labels of training and test, and the first weights, as Bramble makes them."""
    n = sum(SHARDS)
    subprocess.run([bramble, "data", "synth", folder / "set", str(n), "--seed", "1"], check=True)
    subprocess.run([bramble, "train", "--quiet", "--data", f"synthetic:{n}", "--seed", "1", "--rounds", "1", "--lr", "0",
                    "--model", "paper", "--out", folder / "init.h5"], check=True)
    sets = []
    for pattern in ("data_batch_*.bin", "test_batch.bin"):
        raw = np.concatenate([np.fromfile(path, np.uint8) for path in sorted((folder / "set").glob(pattern))])
        raw = raw.reshape(-1, 3073)
        sets += [(raw[:, 1:].reshape(-1, 3, 32, 32) / 255 - 0.5) / 0.5, raw[:, 0].astype(np.int64)]
    with h5py.File(folder / "init.h5") as file:
        names = [f"{layer}.{kind}" for layer in ("conv1", "conv2", "fc1", "fc2", "fc3") for kind in ("weight", "bias")]
        return sets, {name: file["model/" + name][()] for name in names}


def logits(w, x):
    x = F.max_pool2d(F.relu(F.conv2d(x, w["conv1.weight"], w["conv1.bias"])), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, w["conv2.weight"], w["conv2.bias"])), 2)
    x = F.relu(F.linear(torch.flatten(x, 1), w["fc1.weight"], w["fc1.bias"]))
    x = F.relu(F.linear(x, w["fc2.weight"], w["fc2.bias"]))
    return F.linear(x, w["fc3.weight"], w["fc3.bias"])


def copy(w):
    return {name: value.detach().clone().requires_grad_() for name, value in w.items()}


def train(w, x, y):
    """Steps from w, which is changed; the loss of each."""
    sgd, losses = torch.optim.SGD(w.values(), lr=LR, momentum=MOMENTUM), []
    for first in range(0, len(x), BATCH):
        sgd.zero_grad()
        loss = F.cross_entropy(logits(w, x[first:first + BATCH]), y[first:first + BATCH])
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    return losses


def accuracy(w, x, y):
    return (logits(w, x).argmax(1) == y).double().mean().item()


def compute(sets, init, precision):
    """All numbers by name."""
    x, y, x_test, y_test = (torch.tensor(a, dtype=precision if a.ndim > 1 else torch.long) for a in sets)
    init = {name: torch.tensor(value, dtype=precision) for name, value in init.items()}
    w, found = copy(init), {}

    def keep(group, tensors):
        found.update({f"{group}/{name}": value.detach().numpy() for name, value in tensors.items()})

    keep("init", init)
    out = logits(w, x[:BATCH])
    loss = F.cross_entropy(out, y[:BATCH])
    loss.backward()
    found.update({"step/logits": out.detach().numpy(), "step/loss": loss.item()})
    keep("step/grad", {name: value.grad for name, value in w.items()})

    w = copy(init)
    found["sgd/loss"] = train(w, x, y)
    found["sgd/test_accuracy"] = accuracy(w, x_test, y_test)
    keep("sgd/final", w)

    server, losses = init, np.full((2, len(SHARDS), -(-max(SHARDS) // BATCH)), np.nan)
    for turn in range(2):
        total, first = {name: 0 for name in init}, 0
        for k, n in enumerate(SHARDS):
            w = copy(server)
            row = train(w, x[first:first + n], y[first:first + n])
            losses[turn, k, :len(row)] = row
            total = {name: total[name] + w[name].detach() * (n / sum(SHARDS)) for name in w}
            first += n
        server = total
    found.update({"fedavg/loss": losses, "fedavg/test_accuracy": accuracy(server, x_test, y_test)})
    keep("fedavg/final", server)
    return found


def write(path, found):
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs.update(about=__doc__, torch=str(torch.__version__), batch=BATCH, shards=SHARDS, lr=LR,
                          momentum=MOMENTUM)
        for name, value in found.items():
            value = np.asarray(value)
            is_tensor = name.endswith((".weight", ".bias"))
            kept = value.ravel()[::max(1, value.size // 200) | 1] if is_tensor else value
            data = file.create_dataset(name, data=kept.astype(np.float32))
            if is_tensor:
                data.attrs.update(norm=np.linalg.norm(value), largest=abs(value).max())


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        sets, init = start(Path(sys.argv[1]).resolve(), Path(folder))
    found = compute(sets, init, torch.double)
    for name, value in compute(sets, init, torch.float).items():
        print(f"{name:24} single precision differs by {np.nanmax(abs(np.subtract(value, found[name]))):.1e}"
              f" of {np.nanmax(np.abs(found[name])):.1e}")
    write(sys.argv[2], found)


if __name__ == "__main__":
    main()
