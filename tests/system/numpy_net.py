"""The oracle of the system tests: nets, SGD and federated rounds in plain numpy, in float64.

Written from the descriptions (model files, the manual, torch.optim.SGD), not from the C code, and with
another method: a convolution is a matrix product over unfolded patches (im2col).
"""
import configparser
import math
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

PIXELS = 3072


def read_images(folder, split="train"):
    """Images as floats in -1..1, [n][3][32][32], and labels, of all CIFAR-10-form files of a split."""
    files = sorted(Path(folder).glob("data_batch_*.bin" if split == "train" else "test_batch.bin"))
    raw = np.concatenate([np.fromfile(file, np.uint8) for file in files]).reshape(-1, 1 + PIXELS)
    return (raw[:, 1:] / 255.0 - 0.5).reshape(-1, 3, 32, 32) / 0.5, raw[:, 0].astype(int)


# ---- layers: forward returns the output and what backward needs; backward the gradient of the input -------


def unfold(x, size, stride):
    """[n][c][h][w] -> [n][rows][columns][c][size][size]: the patch under every place of a window."""
    windows = sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    return windows.transpose(0, 2, 3, 1, 4, 5)


class Conv:
    def __init__(self, name, shape, filters, kernel, stride=1, padding=0):
        self.name, self.kernel, self.stride, self.padding = name, kernel, stride, padding
        side = [(n + 2 * padding - kernel) // stride + 1 for n in shape[1:]]
        self.out = (filters, *side)
        self.shapes = {"weight": (filters, shape[0], kernel, kernel), "bias": (filters,)}

    def forward(self, x, weight, bias):
        p = self.padding
        padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        patches = unfold(padded, self.kernel, self.stride)
        n, rows, columns = patches.shape[:3]
        matrix = patches.reshape(n * rows * columns, -1)
        y = matrix @ weight.reshape(len(weight), -1).T + bias
        return y.reshape(n, rows, columns, -1).transpose(0, 3, 1, 2), (matrix, padded.shape)

    def backward(self, gy, saved, weight, bias):
        matrix, padded_shape = saved
        n, filters, rows, columns = gy.shape
        flat = gy.transpose(0, 2, 3, 1).reshape(-1, filters)
        grads = {"weight": (flat.T @ matrix).reshape(weight.shape), "bias": flat.sum(axis=0)}
        patches = (flat @ weight.reshape(filters, -1)).reshape(n, rows, columns, *weight.shape[1:])
        gx = np.zeros(padded_shape)
        for i in range(self.kernel):
            for j in range(self.kernel):
                at = (slice(None), slice(None), slice(i, i + rows * self.stride, self.stride),
                      slice(j, j + columns * self.stride, self.stride))
                gx[at] += patches[..., i, j].transpose(0, 3, 1, 2)
        p = self.padding
        return (gx[:, :, p:-p, p:-p] if p else gx), grads


class Relu:
    def __init__(self, name, shape):
        self.name, self.out, self.shapes = name, shape, {}

    def forward(self, x):
        return np.maximum(x, 0), x > 0

    def backward(self, gy, positive):
        return gy * positive, {}


class MaxPool:
    def __init__(self, name, shape, window, stride=None, padding=0):
        self.name, self.window, self.stride, self.padding, self.shapes = name, window, stride or window, padding, {}
        self.out = (shape[0], *((n + 2 * padding - window) // self.stride + 1 for n in shape[1:]))

    def forward(self, x):
        p = self.padding
        x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=-np.inf)
        windows = unfold(x, self.window, self.stride).transpose(0, 3, 1, 2, 4, 5)
        windows = windows.reshape(*windows.shape[:4], -1)
        return windows.max(axis=-1), (x.shape, windows.argmax(axis=-1))

    def backward(self, gy, saved):
        shape, choice = saved
        gx, (rows, columns) = np.zeros(shape), gy.shape[2:]
        for k in range(self.window ** 2):
            i, j = divmod(k, self.window)
            at = (slice(None), slice(None), slice(i, i + rows * self.stride, self.stride),
                  slice(j, j + columns * self.stride, self.stride))
            gx[at] += gy * (choice == k)
        p = self.padding
        return (gx[:, :, p:-p, p:-p] if p else gx), {}


class Dense:
    def __init__(self, name, shape, units):
        self.name, self.out = name, (units,)
        self.shapes = {"weight": (units, int(np.prod(shape))), "bias": (units,)}

    def forward(self, x, weight, bias):
        flat = x.reshape(len(x), -1)
        return flat @ weight.T + bias, (flat, x.shape)

    def backward(self, gy, saved, weight, bias):
        flat, shape = saved
        return (gy @ weight).reshape(shape), {"weight": gy.T @ flat, "bias": gy.sum(axis=0)}


class Pointwise:
    """y = f(x), with f's derivative."""

    def __init__(self, name, shape, form="erf"):
        self.name, self.out, self.shapes, self.form = name, shape, {}, form

    def forward(self, x):
        return self.value(x)

    def backward(self, gy, slope):
        return gy * slope, {}


class Tanh(Pointwise):
    def value(self, x):
        return np.tanh(x), 1 - np.tanh(x) ** 2


class Silu(Pointwise):
    def value(self, x):
        s = 1 / (1 + np.exp(-x))
        return x * s, s + x * s * (1 - s)


class Gelu(Pointwise):
    def value(self, x):
        if self.form == "erf":
            p = (1 + np.vectorize(math.erf)(x / np.sqrt(2))) / 2
            return x * p, p + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
        c = np.sqrt(2 / np.pi)
        t, inner = np.tanh(c * (x + 0.044715 * x ** 3)), c * (1 + 3 * 0.044715 * x * x)
        return x * (1 + t) / 2, (1 + t) / 2 + x / 2 * (1 - t * t) * inner


def by_channel(w, x):
    return np.reshape(w, (1, -1) + (1,) * (x.ndim - 2))


def sum_for(w, terms):
    """Terms, an array like the input, added up to the shape of the weights."""
    return terms.sum(axis=tuple(k for k in range(terms.ndim) if k != 1 or w.size == 1)).reshape(w.shape)


class Prelu:
    def __init__(self, name, shape, slopes="one"):
        self.name, self.out, self.shapes = name, shape, {"weight": (shape[0] if slopes == "channels" else 1,)}

    def forward(self, x, weight):
        return np.where(x > 0, x, by_channel(weight, x) * x), x

    def backward(self, gy, x, weight):
        return np.where(x > 0, gy, by_channel(weight, x) * gy), {"weight": sum_for(weight, np.where(x > 0, 0, gy * x))}


class Scale:
    def __init__(self, name, shape, factor=None):
        self.name, self.out, self.factor = name, shape, factor
        self.shapes = {} if factor is not None else {"weight": (shape[0],)}

    def forward(self, x, weight=None):
        return x * (self.factor if weight is None else by_channel(weight, x)), x

    def backward(self, gy, x, weight=None):
        if weight is None:
            return gy * self.factor, {}
        return gy * by_channel(weight, x), {"weight": (gy * x).sum(axis=tuple(k for k in range(x.ndim) if k != 1))}


def threefry(key, counter, rounds=13):
    """Threefry-4x32 of Salmon and others, SC 2011, of arrays of counters."""
    turns = [(10, 26), (11, 21), (13, 27), (23, 5), (6, 20), (17, 11), (25, 10), (18, 20)]
    key = [np.uint32(k) for k in key]
    key.append(np.bitwise_xor.reduce(key + [np.uint32(0x1BD11BDA)]))
    x = [np.asarray(c, np.uint32) + k for c, k in zip(counter, key)]
    for r in range(rounds):
        for (a, b), by in zip(((0, 3), (2, 1)) if r % 2 else ((0, 1), (2, 3)), turns[r % 8]):
            x[a] = x[a] + x[b]
            x[b] = (x[b] << np.uint32(by) | x[b] >> np.uint32(32 - by)) ^ x[a]
        if r % 4 == 3:
            x = [x[k] + key[(r // 4 + 1 + k) % 5] + np.uint32(r // 4 + 1 if k == 3 else 0) for k in range(4)]
    return np.stack(np.broadcast_arrays(*x), axis=-1)


class Dropout:
    """In training, as Net.gradient says by `chance`: (seed, epoch, numbers of the images in the whole training set)."""

    def __init__(self, name, shape, p=0.5):
        self.name, self.out, self.shapes, self.below, self.chance = name, shape, {}, int(p * 65536 + 0.5), None

    def forward(self, x):
        if self.chance is None:
            return x, None
        seed, epoch, numbers = self.chance
        words = threefry([seed & 0xffffffff, seed >> 32, 0x64726f70, 0],
                         [np.arange(-(-x[0].size // 8))[None], np.asarray(numbers)[:, None], epoch, self.number])
        halves = np.stack([words & 0xffff, words >> 16], axis=-1).reshape(len(x), -1)[:, :x[0].size].reshape(x.shape)
        factor = np.where(halves >= self.below, 65536 / (65536 - self.below), 0)
        return x * factor, factor

    def backward(self, gy, factor):
        return gy if factor is None else gy * factor, {}


class Add:
    def __init__(self, name, *shapes):
        self.name, self.out, self.shapes = name, shapes[0], {}

    def forward(self, *x):
        return sum(x), len(x)

    def backward(self, gy, n):
        return (gy,) * n, {}


class Multiply(Add):
    def forward(self, a, b):
        return a * b, (a, b)

    def backward(self, gy, saved):
        return (gy * saved[1], gy * saved[0]), {}


class Concat:
    def __init__(self, name, *shapes):
        self.name, self.shapes, self.ends = name, {}, np.cumsum([shape[0] for shape in shapes])
        self.out = (int(self.ends[-1]), *shapes[0][1:])

    def forward(self, *x):
        return np.concatenate(x, axis=1), None

    def backward(self, gy, _):
        return tuple(np.split(gy, self.ends[:-1], axis=1)), {}


class Split:
    def __init__(self, name, shape, half):
        self.name, self.shapes, n = name, {}, shape[0] // 2
        self.out, self.part = (n, *shape[1:]), slice(0, n) if half == "first" else slice(n, 2 * n)

    def forward(self, x):
        return x[:, self.part], x.shape

    def backward(self, gy, shape):
        gx = np.zeros(shape)
        gx[:, self.part] = gy
        return gx, {}


class AveragePool:
    """Padding counts as zeros."""

    def __init__(self, name, shape, window, stride=None, padding=0):
        self.name, self.window, self.stride, self.padding, self.shapes = name, window, stride or window, padding, {}
        self.out = (shape[0], *((n + 2 * padding - window) // self.stride + 1 for n in shape[1:]))

    def forward(self, x):
        p = self.padding
        padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        return unfold(padded, self.window, self.stride).mean(axis=(4, 5)).transpose(0, 3, 1, 2), padded.shape

    def backward(self, gy, padded_shape):
        gx, (rows, columns), p = np.zeros(padded_shape), gy.shape[2:], self.padding
        for k in range(self.window ** 2):
            i, j = divmod(k, self.window)
            gx[:, :, i:i + rows * self.stride:self.stride, j:j + columns * self.stride:self.stride] += gy
        gx /= self.window ** 2
        return (gx[:, :, p:-p, p:-p] if p else gx), {}


class GlobalPool:
    def __init__(self, name, shape):
        self.name, self.out, self.shapes = name, (shape[0], 1, 1), {}

    def forward(self, x):
        return x.mean(axis=(2, 3), keepdims=True), x.shape

    def backward(self, gy, shape):
        return np.broadcast_to(gy / (shape[2] * shape[3]), shape), {}


class Norm:
    """What all have in common: x is made [sets of numbers that are normalised together][...] and back."""

    def __init__(self, name, shape, eps="1e-5", scale="yes", bias="yes"):
        self.name, self.eps = name, float(eps)
        self.out = shape if len(shape) == 3 else (*shape, 1, 1)
        self.shapes = {suffix: (self.out[0],) for suffix, has in (("weight", scale), ("bias", bias)) if has == "yes"}

    def affine(self, normal, w):
        weight, bias = w.get("weight", np.ones(self.out[0])), w.get("bias", np.zeros(self.out[0]))
        return normal * weight[:, None, None] + bias[:, None, None]

    def normalise(self, x):
        """Mean and variance along self.axes of x, split as self.split says."""
        parts = x.reshape(self.split(x))
        mean, variance = parts.mean(axis=self.axes, keepdims=True), parts.var(axis=self.axes, keepdims=True)
        return (parts - mean) / np.sqrt(variance + self.eps), mean, variance

    def forward(self, x, **w):
        x = x.reshape(len(x), *self.out)
        normal, _, variance = self.normalise(x)
        return self.affine(normal.reshape(x.shape), w), (normal, variance)

    def backward(self, gy, saved, **w):
        normal, variance = saved
        shape, gy = gy.shape, gy.reshape(len(gy), *self.out)
        grads = {"weight": (gy * normal.reshape(gy.shape)).sum(axis=(0, 2, 3)), "bias": gy.sum(axis=(0, 2, 3))}
        g = (gy * w.get("weight", np.ones(self.out[0]))[:, None, None]).reshape(normal.shape)
        mean, product = (part.mean(axis=self.axes, keepdims=True) for part in (g, g * normal))
        gx = (g - mean - normal * product) / np.sqrt(variance + self.eps)
        return gx.reshape(shape), {suffix: grads[suffix] for suffix in grads if suffix in self.shapes}


class LayerNorm(Norm):
    axes = 1

    def split(self, x):
        return x.shape


class GroupNorm(Norm):
    axes = (2, 3, 4)

    def __init__(self, name, shape, groups, **settings):
        super().__init__(name, shape, **settings)
        self.groups = groups

    def split(self, x):
        return (len(x), self.groups, -1, *x.shape[2:])


class BatchNorm(Norm):
    """Keeps running statistics; `measured` says what they come nearer to with a step, and how far."""
    axes = (0, 2, 3)

    def __init__(self, name, shape, momentum="0.1", **settings):
        super().__init__(name, shape, **settings)
        self.momentum, self.measured = float(momentum), {}
        self.shapes.update(running_mean=(self.out[0],), running_var=(self.out[0],))

    def split(self, x):
        return x.shape

    def forward(self, x, training=False, **w):
        x = x.reshape(len(x), *self.out)
        if not training:
            mean, variance = (w[suffix][:, None, None] for suffix in ("running_mean", "running_var"))
            return self.affine((x - mean) / np.sqrt(variance + self.eps), w), None
        normal, mean, variance = self.normalise(x)
        n = x.size // self.out[0]
        self.measured = {"running_mean": (mean.ravel(), self.momentum),
                         "running_var": (variance.ravel() * n / (n - 1), self.momentum)}
        return self.affine(normal, w), (normal, variance)


KINDS = {"add": Add, "avgpool": AveragePool, "batchnorm": BatchNorm, "concat": Concat, "conv": Conv, "dense": Dense,
         "dropout": Dropout, "gelu": Gelu, "globalpool": GlobalPool, "groupnorm": GroupNorm, "layernorm": LayerNorm,
         "maxpool": MaxPool, "multiply": Multiply, "prelu": Prelu, "relu": Relu, "scale": Scale, "silu": Silu, "split": Split,
         "tanh": Tanh}


def setting(text):
    """A whole number, any number, or a word."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            pass
    return text


# ---- the net ----------------------------------------------------------------------------------------------


class Net:
    """A net from the text of a model file; weights are a dict {"conv1.weight": array, ...}."""

    def __init__(self, text):
        ini = configparser.ConfigParser(inline_comment_prefixes=(";",))
        ini.read_string(text)
        shape = tuple(int(n) for n in ini["model"]["input"].split())
        self.layers, shapes, above = [], {"image": shape}, "image"
        for number, name in enumerate(name for name in ini.sections() if name != "model"):
            settings = dict(ini[name])
            kind, inputs = KINDS[settings.pop("kind")], settings.pop("input", above).replace(",", " ").split()
            layer = kind(name, *(shapes[other] for other in inputs), **{k: setting(v) for k, v in settings.items()})
            layer.inputs, layer.number = inputs, number
            self.layers.append(layer)
            shapes[name], above = layer.out, name

    def shapes(self):
        return {f"{layer.name}.{suffix}": shape
                for layer in self.layers for suffix, shape in layer.shapes.items()}

    @staticmethod
    def _own(layer, w):
        return {suffix: w[f"{layer.name}.{suffix}"] for suffix in layer.shapes}

    def logits(self, w, x, saved=None, chance=None):
        made = {"image": x}
        for layer in self.layers:
            layer.chance = chance
            training = {"training": True} if saved is not None and isinstance(layer, BatchNorm) else {}
            made[layer.name], mine = layer.forward(*(made[name] for name in layer.inputs), **training, **self._own(layer, w))
            if saved is not None:
                saved.append(mine)
        return made[self.layers[-1].name]

    def gradient(self, w, x, labels, chance=None):
        """Sum of the losses, hits, and the gradient of the mean loss; chance: see Dropout."""
        saved = []
        logits = self.logits(w, x, saved, chance)
        p, losses = softmax(logits, labels)
        hits = (logits.argmax(axis=1) == labels).sum()
        p[np.arange(len(x)), labels] -= 1
        return losses.sum(), hits, self.backward(w, p / len(x), saved)

    def backward(self, w, g, saved):
        """Gradients of the weights from that of the logits and what the layers have saved."""
        g, grads = {self.layers[-1].name: g}, {}
        for layer, mine in zip(self.layers[::-1], saved[::-1]):
            back, own = layer.backward(g[layer.name], mine, **self._own(layer, w))
            for name, part in zip(layer.inputs, back if isinstance(back, tuple) else (back,)):
                g[name] = g.get(name, 0) + part
            grads.update({f"{layer.name}.{suffix}": value for suffix, value in own.items()})
        return grads

    def measured(self):
        """Of the last gradient: {name of a statistic: (the batch's, how far it goes towards it)}."""
        return {f"{layer.name}.{suffix}": pair for layer in self.layers
                for suffix, pair in getattr(layer, "measured", {}).items()}

    def remeasure(self, w, x):
        """w with the statistics of images x that pass in groups of 64, each normalised by its own."""
        sums = {}
        for first in range(0, len(x), 64):
            group = x[first:first + 64]
            self.logits(w, group, [])
            measured = {name: value for name, (value, _) in self.measured().items()}
            for name, value in measured.items():
                term = value + measured[name[:-3] + "mean"] ** 2 if name.endswith("_var") else value
                sums[name] = sums.get(name, 0) + term * len(group) / len(x)
        for name in sums:
            if name.endswith("_var"):
                sums[name] = sums[name] - sums[name[:-3] + "mean"] ** 2
        return {**w, **sums}

    def evaluate(self, w, x, labels):
        """Mean loss, accuracy, and [class][guess] counts."""
        logits = self.logits(w, x)
        guesses = logits.argmax(axis=1)
        confusion = np.zeros((logits.shape[1],) * 2, int)
        np.add.at(confusion, (labels, guesses), 1)
        return softmax(logits, labels)[1].mean(), (guesses == labels).mean(), confusion


def shares(logits):
    """Softmax: [image][class]."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax(logits, labels):
    """Probabilities, and the cross-entropy of each image."""
    p = shares(logits)
    return p, -np.log(p[np.arange(len(p)), labels])


# ---- federated rounds -------------------------------------------------------------------------------------


@dataclass
class Recipe:
    """Options of `bramble train` by their names, with its defaults; images in file order."""
    rounds: int = 1
    batch: int = 32
    lr: float = 0.001
    momentum: float = 0.9
    nesterov: bool = False
    keep_momentum: bool = False
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup: float = 0.0
    local_epochs: int = 1
    local_steps: int = 0
    average_every: int = 0
    tail_average: float = 0.0
    aggregate: str = "mean"
    proximal: float = 0.0
    normalize_steps: bool = False
    control_variates: bool = False
    local_statistics: bool = False
    clip_update: float = 0.0
    server_optimizer: str = "none"
    server_lr: float = 0.0
    server_momentum: float = 0.9
    server_beta2: float = 0.99
    server_tau: float = 0.001
    seed: int = 1
    reestimate: int = 0

    def arguments(self):
        given = ["--order", "sequential"]
        for field in fields(self):
            value, name = getattr(self, field.name), "--" + field.name.replace("_", "-")
            if field.name in ("local_epochs", "local_steps"):
                given += [name, value] if value and (field.name[6:] == "steps") == (self.local_steps > 0) else []
            elif field.type is bool:
                given += [name] if value else []
            elif field.name == "seed":
                given += [name, value] if value != field.default else []
            else:
                given += [name, value]
        return given


class Worker:
    """A shard, the place in it, and the state of torch.optim.SGD; see(epoch) gives its images."""

    def __init__(self, see, labels, recipe, first=0):
        self.see, self.labels, self.recipe, self.first = see, labels, recipe, first
        self.x, self.epoch = see(0), 0
        self.place = self.taken = 0
        self.velocity = self.anchor = None
        self.push = self.way = 0.0
        self.shift, self.norms = None, {}
        epoch = -(-len(labels) // recipe.batch)  # the last, smaller batch counts
        self.steps = recipe.local_steps or recipe.local_epochs * epoch

    def rate(self):
        """A rise in a straight line, reaching lr with the last step of the warm-up; then a fall to 0."""
        r, warm, all_steps = self.recipe, self.recipe.warmup * self.steps, self.recipe.rounds * self.steps
        if self.taken < warm:
            return r.lr * min((self.taken + 1) / warm, 1)
        done = (self.taken - warm) / (all_steps - warm) if all_steps > warm else 0
        return r.lr * {"constant": 1, "linear": 1 - done, "cosine": (1 + np.cos(np.pi * done)) / 2}[r.schedule]

    def step(self, net, w):
        """One batch; changes w, returns images, loss sum, hits, learning rate."""
        r, lr = self.recipe, self.rate()
        if self.place == len(self.labels):
            self.place, self.epoch = 0, self.epoch + 1
            self.x = self.see(self.epoch)
        at = slice(self.place, self.place + r.batch)
        x, labels = self.x[at], self.labels[at]
        chance = r.seed, self.epoch, self.first + self.place + np.arange(len(x))
        self.place += len(x)
        self.taken += 1
        loss, hits, grads = net.gradient(w, x, labels, chance)
        first, self.velocity = self.velocity is None, self.velocity or {}
        for name, g in grads.items():
            g = g + r.weight_decay * w[name]
            g = g + self.shift[name] if self.shift else g
            g = g + r.proximal * (w[name] - self.anchor[name]) if r.proximal else g
            v = self.velocity[name] = g if first else r.momentum * self.velocity[name] + g
            w[name] = w[name] - lr * (g + r.momentum * v if r.nesterov else v)
        self.push = r.momentum * self.push + 1
        self.way += lr * (1 + r.momentum * self.push if r.nesterov else self.push)
        for name, (value, rate) in net.measured().items():
            w[name] = w[name] + rate * (value - w[name])
        return np.array([len(x), loss, hits, lr])


class Server:
    """What everyone goes on from: Reddi et al., arXiv:2003.00295, and Flower's bias correction for Adam."""

    RATE = {"none": 1, "momentum": 1, "nesterov": 0.7, "adam": 0.1, "adam-paper": 0.1, "yogi": 0.01, "adagrad": 0.1}

    def __init__(self, recipe):
        self.recipe, self.kind, self.t, self.m = recipe, recipe.server_optimizer, 0, 0
        self.v = recipe.server_tau ** 2 if self.kind == "adam-paper" else 0

    def step(self, before, mean):
        statistics = {name: value for name, value in mean.items() if ".running_" in name}  # no weights: as they are
        steps = {name: mean[name] - before[name] for name in mean if name not in statistics}
        flat = self.direction(np.concatenate([step.ravel() for step in steps.values()]))
        ends = np.cumsum([step.size for step in steps.values()])
        return {**statistics, **{name: before[name] + flat[end - step.size:end].reshape(step.shape)
                                 for (name, step), end in zip(steps.items(), ends)}}

    def direction(self, d):
        r, kind, self.t = self.recipe, self.kind, self.t + 1
        rate, beta1, beta2 = r.server_lr or self.RATE[kind], r.server_momentum, r.server_beta2
        if kind == "none":
            return d
        if kind in ("momentum", "nesterov"):
            self.m = beta1 * self.m + d
            return rate * (d + beta1 * self.m if kind == "nesterov" else self.m)
        self.m = d if kind == "adagrad" else beta1 * self.m + (1 - beta1) * d
        if kind == "adagrad":
            self.v = self.v + d * d
        elif kind == "yogi":
            self.v = self.v - (1 - beta2) * d * d * np.sign(self.v - d * d)
        else:
            self.v = beta2 * self.v + (1 - beta2) * d * d
        if kind == "adam":
            rate *= np.sqrt(1 - beta2 ** (self.t + 1)) / (1 - beta1 ** (self.t + 1))
        return rate * self.m / (np.sqrt(self.v) + r.server_tau)


@dataclass
class History:
    rounds: list           # after each: the weights of its model
    images: np.ndarray     # [round][worker]
    loss: np.ndarray       # [round][worker], means over the images
    accuracy: np.ndarray   # [round][worker]
    steps: np.ndarray      # [round][worker]
    lr: np.ndarray         # [round], of the last worker's last step

    def mean(self, values):
        """Of all workers, by images."""
        return (values * self.images).sum(axis=1) / self.images.sum(axis=1)


def average(weights, images):
    share = np.array(images) / sum(images)
    mean = {name: sum(s * w[name] for s, w in zip(share, weights)) for name in weights[0]}
    for name in [name for name in mean if name.endswith(".running_var")]:
        means = name[:-3] + "mean"  # the variance of all is that within and that between
        mean[name] += sum(s * w[means] ** 2 for s, w in zip(share, weights)) - mean[means] ** 2
    return mean


def clipped(before, w, norm):
    """Of the way from before to w no more than a length of norm."""
    length = np.sqrt(sum(((w[name] - x) ** 2).sum() for name, x in before.items()))
    return {name: x + min(1, norm / length) * (w[name] - x) for name, x in before.items()}


def normalized(before, weights, images, ways):
    """FedNova: x - (sum p_i a_i) sum p_i (x - y_i) / a_i."""
    share, ways = np.array(images) / sum(images), np.array(ways)
    return {name: x - (share @ ways) * sum(p * (x - w[name]) / a for p, w, a in zip(share, weights, ways))
            for name, x in before.items()}


def vary(before, results, workers):
    """SCAFFOLD, option II: c_i becomes the round's mean gradient, c the mean of all c_i."""
    trained = [name for name in before if ".running_" not in name]
    for worker, w in zip(workers, results):
        worker.own = {name: (before[name] - w[name]) / worker.way - (worker.shift[name] if worker.shift else 0) for name in trained}
    common = {name: np.mean([worker.own[name] for worker in workers], axis=0) for name in trained}
    for worker in workers:
        worker.shift = {name: common[name] - worker.own[name] for name in trained}


def robust(rule, weights, images):
    """Instead of the mean: of each weight the median, or the mean without both ends; one or the best by Krum's scores."""
    name, _, bad = rule.partition(":")
    bad, n, share = int(bad or 0), len(weights), np.array(images) / sum(images)
    if name in ("median", "trimmed"):
        cut = (n - 1) // 2 if name == "median" else bad
        return {key: np.sort([w[key] for w in weights], axis=0)[cut:n - cut].mean(axis=0) for key in weights[0]}
    flat = np.array([np.concatenate([w[key].ravel() for key in w if ".running_" not in key]) for w in weights])
    distances = ((flat[:, None] - flat[None]) ** 2).sum(axis=2)
    scores = [np.sort(np.delete(row, i))[:n - bad - 2].sum() for i, row in enumerate(distances)]
    best = np.argsort(scores)[:1 if name == "krum" else n - bad]
    return {key: sum(share[i] * weights[i][key] for i in best) / share[best].sum() for key in weights[0]}


def train(net, w, x, labels, shards, recipe, combine=None):
    """Federated rounds: worker k has the next shards[k] images; the mean is weighted by images seen.

    With average_every, rounds are cut into parts of at most so many steps, as many parts for every worker as
    the one with the most steps needs, and as even as whole steps allow.  The model of a round is the last
    average, or the mean of the last share of them.  x may be a function of the epoch.  combine(w, results, images), of
    somebody else's making, may take the place of the average and all behind it.
    """
    see = x if callable(x) else lambda epoch: x
    workers = [Worker(lambda epoch, at=slice(end - n, end): see(epoch)[at], labels[end - n:end], recipe, end - n)
               for n, end in zip(shards, np.cumsum(shards))]
    most = max(worker.steps for worker in workers)
    parts = -(-most // recipe.average_every) if recipe.average_every else 1
    books = np.zeros((recipe.rounds, len(shards), 4))
    rates, rounds = np.zeros(recipe.rounds), []
    w = {name: np.asarray(value, float) for name, value in w.items()}
    server, norms = Server(recipe), {name.rpartition(".")[0] for name in w if name.endswith(".running_var")}
    for r in range(recipe.rounds):
        for worker in workers:
            if not recipe.keep_momentum:
                worker.velocity = None
            worker.push = worker.way = 0
        averages = []
        for part in range(parts):
            results, seen = [], np.zeros((len(workers), 3))
            for k, worker in enumerate(workers):
                worker.anchor = w
                mine, from_, to = {**w, **worker.norms}, worker.steps * part // parts, worker.steps * (part + 1) // parts
                for _ in range(from_, to):
                    *values, rates[r] = worker.step(net, mine)
                    seen[k] += values
                results.append(mine)
                books[r, k, 3] += to - from_
            counted = seen[:, 0]
            if recipe.clip_update:  # all count alike
                results, counted = [clipped(w, mine, recipe.clip_update) for mine in results], np.ones(len(workers))
            if recipe.aggregate != "mean":
                mean = robust(recipe.aggregate, results, counted)
            elif recipe.normalize_steps:
                mean = normalized(w, results, seen[:, 0], [worker.way for worker in workers])
            else:
                mean = average(results, counted)
            if recipe.control_variates:
                vary(w, results, workers)
            w = combine(w, results, counted) if combine else server.step(w, mean)
            if recipe.local_statistics:  # FedBN: workers go on from their own, the model has the mean
                for worker, mine in zip(workers, results):
                    worker.norms = {name: mine[name] for name in mine if name.rpartition(".")[0] in norms}
                w.update((name, mean[name]) for name in worker.norms)
            averages.append(w)
            books[r, :, :3] += seen
        tail = averages[int((1 - recipe.tail_average) * parts):] or [w]
        model = average(tail, [1] * len(tail))
        if recipe.reestimate and (len(workers) > 1 and parts < most or recipe.tail_average):
            model = net.remeasure(model, x[np.arange(recipe.reestimate) * sum(shards) // recipe.reestimate])
        rounds.append(model)
    images = books[:, :, 0]
    return History(rounds, images, books[:, :, 1] / images, books[:, :, 2] / images, books[:, :, 3], rates)
