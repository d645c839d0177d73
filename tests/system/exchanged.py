"""What the tests of export and import share: the models, a small one that was trained, and what is asked of files."""
import datasets
import h5py
import numpy as np
import pytest
from conftest import ROOT, Runner

CHEAP = {"paper", "resnet8"}
EVERY_MODEL = [pytest.param(name, marks=[] if name in CHEAP else pytest.mark.long)
               for name in sorted(path.stem for path in (ROOT / "models").glob("*.ini"))]
# What a graph of ONNX has no words for (a comment, a learning rate, dropout) beside what it has.
SMALL = """; naïve
[model]
name = small
input = 1 6 5
classes = 3
[conv1]
kind = conv
filters = 2
kernel = 3
[norm1]
kind = batchnorm
lr = 2
[gelu1]
kind = gelu
[drop]
kind = dropout
[fc]
kind = dense
units = 3
"""


def train_small(folder, normalise):
    """data.npz, small.ini and run.h5 in a folder; what runs the program there."""
    images, labels = datasets.some(12, 6, 5, classes=3)
    np.savez(folder / "data.npz", images=images, labels=labels)
    (folder / "small.ini").write_text(SMALL)
    run = Runner(folder)
    run.train(1, "--model", "small.ini", "--data", "data.npz", "--rounds", 2, "--batch", 4, "--normalise", normalise, "--threads", 1,
              out="run.h5")
    return run


def anybodys(path):
    """Our ONNX file, as if another program had written it: metadata is no word of ours then."""
    data = path.read_bytes()
    assert data.count(b"\x12\x07Bramble") == 1
    return data.replace(b"\x12\x07Bramble", b"\x12\x07another")


def good(done):
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done


def weights_of(path):
    """What stands under /model of a result file."""
    with h5py.File(path) as file:
        return {name: values[()] for name, values in file["model"].items() if values.dtype == "float32"}


def describes(path):
    """Model file, normalisation and names of classes in a result file."""
    with h5py.File(path) as file:
        return file["model/ini"][()], file["config"].attrs["normalise"], [bytes(name) for name in file["test/class_names"][:]]


def same_bits(some, others):
    assert set(some) == set(others)
    for name, values in some.items():
        assert values.shape == others[name].shape and values.tobytes() == others[name].tobytes(), name
