"""The forward pass of a model file in numpy, and CIFAR-10's test images: for pictures of what a model says."""
import configparser
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

SHAPE = (3, 32, 32)  # channels, height, width of a CIFAR-10 image


def read_test_images(folder, n=None):
    """The first n test images of a folder with CIFAR-10's binary files: bytes [n][3][32][32], labels [n]."""
    records = np.fromfile(Path(folder) / "test_batch.bin", np.uint8).reshape(-1, 1 + np.prod(SHAPE))[:n]
    return records[:, 1:].reshape(-1, *SHAPE), records[:, 0].astype(int)


def _windows(x, size, stride):
    return sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]


def _layer(kind, s, x, weight, bias):
    if kind == "relu":
        return np.maximum(x, 0)
    if kind == "maxpool":
        return _windows(x, s["window"], s.get("stride", s["window"])).max(axis=(4, 5))
    if kind == "dense":
        return x.reshape(len(x), -1) @ weight.T + bias
    if kind == "conv":
        p = s.get("padding", 0)
        x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        y = np.tensordot(_windows(x, s["kernel"], s.get("stride", 1)), weight, axes=((1, 4, 5), (1, 2, 3)))
        return y.transpose(0, 3, 1, 2) + bias[:, None, None]
    raise ValueError(f"kind = {kind}: not known here")


def predict(model_text, weights, images, chunk=500):
    """Probabilities [n][classes] of images given as bytes, by the model of an INI text (models/README.md)."""
    ini = configparser.ConfigParser(inline_comment_prefixes=(";", "#"))
    ini.read_string(model_text)
    out = []
    for at in range(0, len(images), chunk):
        x = images[at:at + chunk].astype(np.float32) / 127.5 - 1
        for name in ini.sections():
            if name != "model":
                settings = {k: int(v) for k, v in ini[name].items() if k != "kind"}
                x = _layer(ini[name]["kind"], settings, x, weights.get(f"{name}.weight"), weights.get(f"{name}.bias"))
        e = np.exp(x - x.max(axis=1, keepdims=True))
        out.append(e / e.sum(axis=1, keepdims=True))
    return np.concatenate(out)
