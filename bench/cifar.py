"""CIFAR-10's .bin files as tensors, for the programs that Bramble is compared with."""
import os

import numpy
import torch


def tensors(folder, names):
    """Images as floats from -1 to 1, [n][3][32][32], and labels."""
    rows = numpy.concatenate([numpy.fromfile(os.path.join(folder, name), dtype=numpy.uint8).reshape(-1, 3073)
                              for name in names])
    images = rows[:, 1:].reshape(-1, 3, 32, 32).astype(numpy.float32) / 127.5 - 1.0
    return torch.from_numpy(images), torch.from_numpy(rows[:, 0].astype(numpy.int64))
