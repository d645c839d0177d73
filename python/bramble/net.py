"""Models: the graph of a model file, its forward pass in numpy, and weights under PyTorch's names.

For pictures of what a model says, and to compare with; the program itself is what tests and predicts at speed.
All kinds of layers of models/README.md are known, as they are in a test (dropout hands on, batch norm uses its running
statistics); Winograd's algorithms and the ways weights begin change nothing here.
"""
from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .files import PathLike, Run, read_run

SHAPE = (3, 32, 32)  # channels, height, width of a CIFAR-10 image
# What says how a layer begins, is trained or computed, and nothing of what it computes.
APART = {"kind", "input", "init", "trained", "lr", "weight-decay", "algorithm"}


class UnknownLayer(ValueError):
    """A model file with a kind of layer that this package does not know, or what is no model file."""


# ---- the graph ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layer:
    """A section of a model file: kind, the names of the layers it reads ("image": the input), other settings."""
    name: str
    kind: str
    inputs: tuple[str, ...]
    settings: Mapping[str, str]

    def whole(self, name: str, default: Optional[int] = None) -> int:
        return int(self._text(name, default))

    def real(self, name: str, default: Optional[float] = None) -> float:
        return float(self._text(name, default))

    def word(self, name: str, default: str) -> str:
        return self.settings.get(name, default)

    def has(self, name: str) -> bool:
        """A setting of yes or no, yes where nothing is said."""
        return self.settings.get(name, "yes") == "yes"

    def _text(self, name: str, default: object) -> str:
        if name not in self.settings and default is None:
            raise UnknownLayer(f"[{self.name}]: kind = {self.kind} without {name}")
        return str(self.settings.get(name, default))

    def weights(self) -> tuple[list[str], list[str]]:
        """The names behind "LAYER." of what is trained, and of what is kept beside it."""
        if self.kind in ("conv", "dense"):
            return ["weight"] + ["bias"] * self.has("bias"), []
        if self.kind in ("batchnorm", "groupnorm", "layernorm"):
            return (["weight"] * self.has("scale") + ["bias"] * self.has("bias"),
                    ["running_mean", "running_var"] if self.kind == "batchnorm" else [])
        return (["weight"] if self.kind == "prelu" or self.kind == "scale" and "factor" not in self.settings else []), []


@dataclass(frozen=True)
class Graph:
    """A model file: its name, the shape of an image (channels, height, width), classes, layers in order."""
    name: str
    input: tuple[int, int, int]
    classes: int
    layers: tuple[Layer, ...]


def read_graph(text: str) -> Graph:
    """The graph of a model file's text (models/README.md).  UnknownLayer where it is none, or has unknown kinds."""
    ini = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None)
    try:
        ini.read_string(text)
        model = ini["model"]
        channels, height, width = (int(n) for n in model["input"].split())
        classes = int(model["classes"])
    except (configparser.Error, KeyError, ValueError) as problem:
        raise UnknownLayer(f"no model file: {problem}") from None
    layers: list[Layer] = []
    known = {"image"}
    for name in ini.sections():
        if name == "model":
            continue
        section = ini[name]
        kind = section.get("kind", "")
        if kind not in KINDS:
            raise UnknownLayer(f"[{name}] kind = {kind}: not known here; known are {', '.join(sorted(KINDS))}")
        inputs = tuple(section.get("input", layers[-1].name if layers else "image").replace(",", " ").split())
        if not set(inputs) <= known:
            raise UnknownLayer(f"[{name}] input = {', '.join(inputs)}: no layer above has that name")
        layers.append(Layer(name, kind, inputs, {key: value for key, value in section.items() if key not in APART}))
        known.add(name)
    if not layers:
        raise UnknownLayer("a model file without layers")
    return Graph(model.get("name", ""), (channels, height, width), classes, tuple(layers))


def same_padding(side: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Zeros before and behind with padding = same: the odd one comes behind."""
    total = max((-(-side // stride) - 1) * stride + (kernel - 1) * dilation + 1 - side, 0)
    return total // 2, total - total // 2


def conv_padding(layer: Layer, sides: Sequence[int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """((above, below), (left, right)): zeros around a convolution's input of these sides."""
    if layer.settings.get("padding") != "same":
        p = layer.whole("padding", 0)
        return (p, p), (p, p)
    how = layer.whole("kernel"), layer.whole("stride", 1), layer.whole("dilation", 1)
    return same_padding(sides[0], *how), same_padding(sides[1], *how)


# ---- weights ------------------------------------------------------------------------------------


def _as_run(run: "Run | PathLike") -> Run:
    return run if isinstance(run, Run) else read_run(run)


def state_dict(run: "Run | PathLike") -> dict[str, np.ndarray]:
    """A run's weights as PyTorch's state_dict has them, in its order: {"conv1.weight": array, ...}.

    Statistics of batch norm stand behind its weights, with num_batches_tracked (0: result files do not count).
    ValueError when the file has no weights, UnknownLayer when its model is not known here.
    """
    run = _as_run(run)
    if not run.weights:
        raise ValueError(f"{run.name}: the file has no weights")
    state: dict[str, np.ndarray] = {}
    for layer in read_graph(run.model_text).layers:
        trained, kept = layer.weights()
        for name in (f"{layer.name}.{suffix}" for suffix in trained + kept):
            if name not in run.weights:
                raise ValueError(f"{run.name}: the file has no {name}, which its model asks for")
            state[name] = run.weights[name]
        if layer.kind == "batchnorm":
            state[f"{layer.name}.num_batches_tracked"] = np.array(0, np.int64)
    return state




def normalise(run: "Run | PathLike", images: np.ndarray) -> np.ndarray:
    """Images as bytes [n][channels][height][width] as the floats that the run's net takes."""
    how = _as_run(run).config.get("normalise", "half")
    return normalise_as(how, images)


def normalise_as(how: str, images: np.ndarray) -> np.ndarray:
    """The same by the text of the option: "half", or "M1,M2,.../D1,D2,..."."""
    x = np.asarray(images).astype(np.float32)
    if how in ("", "half"):
        return x / np.float32(127.5) - 1
    try:
        mean, deviation = (np.array(part.split(","), np.float32) for part in how.split("/"))
        return (x / 255 - mean[:, None, None]) / deviation[:, None, None]
    except ValueError:
        raise ValueError(f"normalise = {how}: not known here") from None


# ---- layers: f(layer, weights by suffix, inputs...) ----------------------------------------------


def _windows(x: np.ndarray, size: int, stride: int, dilation: int = 1) -> np.ndarray:
    """[n][c][h][w] -> [n][c][rows][columns][size][size]."""
    reach = (size - 1) * dilation + 1
    windows: Any = sliding_window_view(x, (reach, reach), axis=(2, 3))  # type: ignore[call-overload]
    return windows[:, :, ::stride, ::stride, ::dilation, ::dilation]


def _conv(layer: Layer, w: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    weight, groups = w["weight"], layer.whole("groups", 1)
    x = np.pad(x, ((0, 0), (0, 0), *conv_padding(layer, x.shape[2:])))
    windows = _windows(x, layer.whole("kernel"), layer.whole("stride", 1), layer.whole("dilation", 1))
    parts = [np.tensordot(part, own, axes=((1, 4, 5), (1, 2, 3)))
             for part, own in zip(np.split(windows, groups, axis=1), np.split(weight, groups))]
    y = np.concatenate(parts, axis=3).transpose(0, 3, 1, 2)
    return y + w["bias"][:, None, None] if "bias" in w else y


def _dense(layer: Layer, w: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    y = x.reshape(len(x), -1) @ w["weight"].T
    return y + w["bias"] if "bias" in w else y


def _pool(how: Callable, fill: float) -> Callable:
    def pool(layer: Layer, w: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
        window, p = layer.whole("window"), layer.whole("padding", 0)
        x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=fill)
        return how(_windows(x, window, layer.whole("stride", window)), axis=(4, 5))
    return pool


def _planes(x: np.ndarray) -> np.ndarray:
    """Also of a dense layer's outputs: planes of one pixel."""
    return x if x.ndim == 4 else x[:, :, None, None]


def _affine(w: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    x = x * w["weight"][:, None, None] if "weight" in w else x
    return x + w["bias"][:, None, None] if "bias" in w else x


def _batchnorm(layer: Layer, w: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    mean, variance = (w[suffix][:, None, None] for suffix in ("running_mean", "running_var"))
    return _affine(w, (_planes(x) - mean) / np.sqrt(variance + layer.real("eps", 1e-5)))


def _moments(layer: Layer, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + layer.real("eps", 1e-5))


def _groupnorm(layer: Layer, w: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    x = _planes(x)
    parts = x.reshape(len(x), layer.whole("groups"), -1, *x.shape[2:])
    return _affine(w, _moments(layer, parts, (2, 3, 4)).reshape(x.shape))


def _layernorm(layer: Layer, w: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    return _affine(w, _moments(layer, _planes(x), (1,)))


def _by_channel(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.reshape(w, (1, -1) + (1,) * (x.ndim - 2))


def erf(x: np.ndarray) -> np.ndarray:
    """The error function to 1.5e-7: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - series * np.exp(-x * x))


def _gelu(layer: Layer, w: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    if layer.word("form", "erf") == "erf":
        return x * (1 + erf(x / np.sqrt(2))) / 2
    return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3))) / 2


def _scale(layer: Layer, w: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    return x * (_by_channel(w["weight"], x) if "weight" in w else layer.real("factor"))


def _split(layer: Layer, w: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    return np.split(x, 2, axis=1)[0 if layer.word("half", "first") == "first" else 1]


KINDS: dict[str, Callable] = {
    "conv": _conv, "dense": _dense, "maxpool": _pool(np.max, -np.inf), "avgpool": _pool(np.mean, 0.0),
    "globalpool": lambda layer, w, x: x.mean(axis=(2, 3), keepdims=True),
    "batchnorm": _batchnorm, "groupnorm": _groupnorm, "layernorm": _layernorm,
    "relu": lambda layer, w, x: np.maximum(x, 0),
    "prelu": lambda layer, w, x: np.where(x > 0, x, _by_channel(w["weight"], x) * x),
    "gelu": _gelu, "tanh": lambda layer, w, x: np.tanh(x),
    "silu": lambda layer, w, x: x / (1 + np.exp(-np.clip(x, -80, None))),
    "dropout": lambda layer, w, x: x, "scale": _scale, "split": _split,
    "add": lambda layer, w, *x: sum(x[1:], x[0]), "multiply": lambda layer, w, a, b: a * b,
    "concat": lambda layer, w, *x: np.concatenate(x, axis=1)}


# ---- the forward pass ---------------------------------------------------------------------------


def logits(graph: Graph, weights: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """What the last layer gives, [n][classes], for normalised images x."""
    values = {"image": x}
    last = {name: k for k, layer in enumerate(graph.layers) for name in layer.inputs}  # who reads it last
    for k, layer in enumerate(graph.layers):
        own = {suffix: weights[f"{layer.name}.{suffix}"] for suffix in sum(layer.weights(), [])}
        values[layer.name] = KINDS[layer.kind](layer, own, *(values[name] for name in layer.inputs))
        for name in layer.inputs:
            if last[name] == k:
                values.pop(name, None)
    y = values[graph.layers[-1].name]
    return y.reshape(len(y), -1)


def predict(model_text: str, weights: Mapping[str, np.ndarray], images: np.ndarray, chunk: int = 100,
            normalise: str = "half") -> np.ndarray:
    """Probabilities [n][classes] of images given as bytes, by the model of an INI text (models/README.md).

    normalise: the run's option of that name, run.config["normalise"].
    """
    graph = read_graph(model_text)
    out = []
    for at in range(0, len(images), chunk):
        y = logits(graph, weights, normalise_as(normalise, images[at:at + chunk]))
        e = np.exp(y - y.max(axis=1, keepdims=True))
        out.append(e / e.sum(axis=1, keepdims=True))
    return np.concatenate(out) if out else np.empty((0, graph.classes), np.float32)


# ---- pictures -----------------------------------------------------------------------------------


def read_test_images(folder: PathLike, n: Optional[int] = None) -> tuple[np.ndarray, np.ndarray]:
    """The first n test images of a folder with CIFAR-10's binary files: bytes [n][3][32][32], labels [n]."""
    records = np.fromfile(Path(folder) / "test_batch.bin", np.uint8).reshape(-1, 1 + np.prod(SHAPE))[:n]
    return records[:, 1:].reshape(-1, *SHAPE), records[:, 0].astype(int)
