#!/usr/bin/python3
"""CIFAR-10 in the order of the shards that Flower's baseline niid_bench draws, to train on the same.

usage: peer_niid_shards.py DATA OUT [K]    with K classes a worker; without, by Dirichlet's distribution, 0.5

Writes OUT, a folder of .bin files with worker 1's training images first, and prints how many each of ten workers has:
bramble train --data OUT --deal contiguous --shards THAT.  As the baseline draws them, with NumPy and its seed 42.
Dirichlet: of each class in turn the workers get shares, but for those who have a tenth of all images already.
Classes: the worker's number and others drawn; those who have a class share it evenly.
"""
import shutil
import sys
from pathlib import Path

import numpy as np

WORKERS, CLASSES, ALPHA, SEED, LEAST = 10, 10, 0.5, 42, 10


def by_dirichlet(labels):
    """The images of each worker."""
    random = np.random.default_rng(SEED)
    while True:
        owned = [np.empty(0, int) for _ in range(WORKERS)]
        for label in range(CLASSES):
            images = np.flatnonzero(labels == label)
            random.shuffle(images)
            shares = random.dirichlet(np.full(WORKERS, ALPHA)) * [len(own) < len(labels) / WORKERS for own in owned]
            cuts = (np.cumsum(shares / shares.sum()) * len(images)).astype(int)[:-1]
            owned = [np.append(own, more) for own, more in zip(owned, np.split(images, cuts))]
        if min(map(len, owned)) >= LEAST:
            return owned


def by_classes(labels, k):
    """The images of each worker."""
    random = np.random.default_rng(SEED)
    theirs = []
    for worker in range(WORKERS):
        mine = [worker % CLASSES]
        while len(mine) < k:
            more = random.choice(CLASSES, 1)[0]
            mine += [more] if more not in mine else []
        theirs.append(mine)
    owned = [np.empty(0, int) for _ in range(WORKERS)]
    for label in range(CLASSES):
        images = np.flatnonzero(labels == label)
        random.shuffle(images)
        owners = [worker for worker, mine in enumerate(theirs) if label in mine]
        for worker, part in zip(owners, np.array_split(images, len(owners))):
            owned[worker] = np.append(owned[worker], part)
    return owned


def main():
    data, out = map(Path, sys.argv[1:3])
    rows = np.concatenate([np.fromfile(data / f"data_batch_{k}.bin", np.uint8).reshape(-1, 3073) for k in range(1, 6)])
    owned = by_classes(rows[:, 0], int(sys.argv[3])) if sys.argv[3:] else by_dirichlet(rows[:, 0])
    out.mkdir(exist_ok=True)
    for k, part in enumerate(np.split(rows[np.concatenate(owned)], 5), 1):
        part.tofile(out / f"data_batch_{k}.bin")
    for name in ("test_batch.bin", "batches.meta.txt"):
        shutil.copy(data / name, out)
    print(",".join(str(len(own)) for own in owned))


main()
