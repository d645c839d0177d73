#!/usr/bin/python3
"""Write what PyTorch's optimizers, schedules and losses make of the paper's net: tests/data/optimizers.h5.

usage: tests/data/optimizers.py BRAMBLE OUT.h5      (needs PyTorch, as pytorch.py, which tells of images and weights)

20 steps in double precision, a batch of 32 each, in the order of the files.  Each group has, as attribute `options`,
what Bramble is given for the same:
  /NAME/lr, /NAME/loss   of each step
  /NAME/final/TENSOR     weights at the end, every k-th value as in pytorch.h5; attributes: norm and largest magnitude
Muon is written out here (torch.optim.Muon keeps no norm of the weights); weight decay apart from the gradient, too.
"""
import math
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch.optim import lr_scheduler as schedules

from pytorch import BATCH, copy, logits, start

STEPS = 20


def rising_linear(sgd):
    """Over 5 steps to the highest, then in a straight line to a tenth of it."""
    return schedules.SequentialLR(sgd, [schedules.LinearLR(sgd, 1 / 5, 1, 4), schedules.LinearLR(sgd, 1, 0.1, 15)], [5])


# name: options of Bramble, optimizer of parameters, schedule of an optimizer, label smoothing, norm, decoupled decay
CASES = {
    "nesterov": ("--lr 0.05 --nesterov --momentum 0.9 --weight-decay 0.01 --schedule linear --warmup 5 --lr-final 0.1",
                 lambda w: torch.optim.SGD(w, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01), rising_linear, 0, 0, 0),
    "clipped": ("--lr 0.3 --momentum 0.8 --weight-decay 0.02 --decoupled --clip-norm 0.2 --schedule step --milestones 5,12 "
                "--gamma 0.3", lambda w: torch.optim.SGD(w, lr=0.3, momentum=0.8),
                lambda o: schedules.MultiStepLR(o, [5, 12], 0.3), 0, 0.2, 0.02),
    "adamw": ("--optimizer adamw --lr 0.004 --weight-decay 0.1 --schedule onecycle --lr-final 4e-6",
              lambda w: torch.optim.AdamW(w, lr=0.004, weight_decay=0.1),
              lambda o: schedules.OneCycleLR(o, 0.004, STEPS, cycle_momentum=False), 0, 0, 0),
    "smoothed": ("--optimizer adamw --lr 0.002 --beta1 0.8 --beta2 0.95 --epsilon 1e-4 --label-smoothing 0.2 --clip-norm 0.1 "
                 "--schedule cosine --lr-final 0.1",
                 lambda w: torch.optim.AdamW(w, lr=0.002, betas=(0.8, 0.95), eps=1e-4, weight_decay=0),
                 lambda o: schedules.CosineAnnealingLR(o, STEPS, 0.0002), 0.2, 0.1, 0),
    "muon": ("--optimizer muon --lr 0.1 --momentum 0.85 --muon-lr 0.2 --muon-momentum 0.6 --label-smoothing 0.1 "
             "--weight-decay 0.001 --schedule triangle --warmup 5 --lr-start 0.2 --lr-final 0.2", lambda w: Muon(w, 0.1, False),
             lambda o: schedules.CyclicLR(o, 0.02, 0.1, 5, 15, cycle_momentum=False), 0.1, 0, 0),
    "muon-dense": ("--optimizer muon --muon-dense --lr 0.1 --momentum 0.85 --muon-lr 0.2 --muon-momentum 0.6 --weight-decay 0.001 "
                   "--schedule linear --warmup 5 --lr-final 0.1", lambda w: Muon(w, 0.1, True), rising_linear, 0, 0, 0),
}


def orthogonal(u):
    a, b, c = 3.4445, -4.7750, 2.0315
    x = u / (u.norm() + 1e-7)
    x = x.T if x.shape[0] > x.shape[1] else x
    for _ in range(3):
        g = x @ x.T
        x = a * x + (b * g + c * g @ g) @ x
    return x.T if u.shape[0] > u.shape[1] else x


class Muon(torch.optim.SGD):
    """Convolutions' weights by Muon, with twice the learning rate; the rest by Nesterov's SGD.  dense: all matrices but the last."""

    def __init__(self, w, lr, dense):
        w = list(w)
        self.matrices = [x for x in w if x.ndim > 1][:-1] if dense else [x for x in w if x.ndim == 4]
        self.speeds = [torch.zeros_like(x) for x in self.matrices]
        super().__init__([x for x in w if all(x is not y for y in self.matrices)], lr=lr, momentum=0.85, nesterov=True, weight_decay=0.001)

    @torch.no_grad()
    def step(self):
        for x, v in zip(self.matrices, self.speeds):
            v.mul_(0.6).add_(x.grad)
            u = x.grad + 0.6 * v
            x.mul_(math.sqrt(len(x)) / x.norm())
            x.sub_(2 * self.param_groups[0]["lr"] * orthogonal(u.reshape(len(u), -1)).reshape(x.shape))
        super().step()

    def zero_grad(self):
        super().zero_grad()
        for x in self.matrices:
            x.grad = None


def train(case, init, x, y):
    """Learning rate and loss of each step, and the weights they lead to."""
    _, make, schedule, smoothing, norm, decay = case
    w = copy(init)
    optimizer = make(w.values())
    rates, found = schedule(optimizer), {"lr": [], "loss": []}
    for first in range(0, STEPS * BATCH, BATCH):
        optimizer.zero_grad()
        loss = F.cross_entropy(logits(w, x[first:first + BATCH]), y[first:first + BATCH], label_smoothing=smoothing)
        loss.backward()
        if norm:
            torch.nn.utils.clip_grad_norm_(w.values(), norm)
        lr = optimizer.param_groups[0]["lr"]
        with torch.no_grad():
            for value in w.values():
                value.mul_(1 - lr * decay)
        optimizer.step()
        rates.step()
        found["lr"].append(lr)
        found["loss"].append(loss.item())
    for name, value in w.items():
        found["final/" + name] = value.detach().numpy()
    return found


def compute(sets, init, precision):
    x, y = (torch.tensor(a, dtype=precision if a.ndim > 1 else torch.long) for a in sets[:2])
    init = {name: torch.tensor(value, dtype=precision) for name, value in init.items()}
    return {name: train(case, init, x, y) for name, case in CASES.items()}


def write(path, all):
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs.update(about=__doc__, torch=str(torch.__version__), batch=BATCH)
        for case, found in all.items():
            file.require_group(case).attrs["options"] = CASES[case][0]
            for name, value in found.items():
                value = np.asarray(value)
                kept = value.ravel()[::max(1, value.size // 200) | 1] if "/" in name else value
                data = file.create_dataset(f"{case}/{name}", data=kept.astype(np.float32 if "/" in name else np.float64))
                data.attrs.update(norm=np.linalg.norm(value), largest=abs(value).max())


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        sets, init = start(Path(sys.argv[1]).resolve(), Path(folder))
    found = compute(sets, init, torch.double)
    for case, single in compute(sets, init, torch.float).items():
        worst = {kind: max(np.linalg.norm(np.subtract(value, found[case][name])) / np.linalg.norm(found[case][name])
                           for name, value in single.items() if name.startswith(kind)) for kind in ("loss", "final")}
        print(f"{case:10} single precision differs by", *(f"{kind} {value:.1e}" for kind, value in worst.items()))
    write(sys.argv[2], found)


if __name__ == "__main__":
    main()
