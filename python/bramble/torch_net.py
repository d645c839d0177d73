"""A run's net as a module of PyTorch, layer by layer as in its model file."""
from __future__ import annotations

from typing import Any, Callable, Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .files import PathLike, Run, read_run
from .net import Graph, Layer, UnknownLayer, conv_padding, read_graph, state_dict


def _planes(x: Tensor) -> Tensor:
    return x if x.ndim == 4 else x[:, :, None, None]


def _by_channel(w: Tensor, x: Tensor) -> Tensor:
    return w.reshape(1, -1, *[1] * (x.ndim - 2))


def _conv(layer: Layer, own: Any, x: Tensor) -> Tensor:
    (top, bottom), (left, right) = conv_padding(layer, x.shape[2:])
    return F.conv2d(F.pad(x, (left, right, top, bottom)), own.weight, own.bias, layer.whole("stride", 1), 0,
                    layer.whole("dilation", 1), layer.whole("groups", 1))


def _pool(how: Callable) -> Callable:
    def pool(layer: Layer, own: Any, x: Tensor) -> Tensor:
        window = layer.whole("window")
        return how(x, window, layer.whole("stride", window), layer.whole("padding", 0))
    return pool


def _batchnorm(layer: Layer, own: Any, x: Tensor) -> Tensor:
    if own.training:
        own.num_batches_tracked += 1
    return F.batch_norm(_planes(x), own.running_mean, own.running_var, own.weight, own.bias, own.training,
                        layer.real("momentum", 0.1), layer.real("eps", 1e-5))


def _groupnorm(layer: Layer, own: Any, x: Tensor) -> Tensor:
    return F.group_norm(_planes(x), layer.whole("groups"), own.weight, own.bias, layer.real("eps", 1e-5))


def _layernorm(layer: Layer, own: Any, x: Tensor) -> Tensor:
    x = _planes(x).permute(0, 2, 3, 1)
    return F.layer_norm(x, x.shape[3:], own.weight, own.bias, layer.real("eps", 1e-5)).permute(0, 3, 1, 2)


def _scale(layer: Layer, own: Any, x: Tensor) -> Tensor:
    return x * (layer.real("factor") if own.weight is None else _by_channel(own.weight, x))


def _multiply(layer: Layer, own: Any, a: Tensor, b: Tensor) -> Tensor:
    return a * b


KINDS: dict[str, Callable] = {
    "conv": _conv, "dense": lambda layer, own, x: F.linear(x.flatten(1), own.weight, own.bias),
    "maxpool": _pool(F.max_pool2d), "avgpool": _pool(F.avg_pool2d),
    "globalpool": lambda layer, own, x: x.mean(dim=(2, 3), keepdim=True),
    "batchnorm": _batchnorm, "groupnorm": _groupnorm, "layernorm": _layernorm,
    "relu": lambda layer, own, x: F.relu(x), "prelu": lambda layer, own, x: F.prelu(x, own.weight),
    "gelu": lambda layer, own, x: F.gelu(x, approximate="tanh" if layer.word("form", "erf") == "tanh" else "none"),
    "silu": lambda layer, own, x: F.silu(x), "tanh": lambda layer, own, x: torch.tanh(x),
    "dropout": lambda layer, own, x: F.dropout(x, layer.real("p", 0.5), own.training),
    "scale": _scale, "add": lambda layer, own, *x: sum(x[1:], x[0]), "multiply": _multiply,
    "concat": lambda layer, own, *x: torch.cat(x, dim=1),
    "split": lambda layer, own, x: x.chunk(2, dim=1)[0 if layer.word("half", "first") == "first" else 1]}


class TorchLayer(nn.Module):
    """One layer of a model file, with its weights under the names of a state_dict."""

    weight: Optional[nn.Parameter]
    bias: Optional[nn.Parameter]
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, layer: Layer, state: dict[str, Tensor]):
        super().__init__()
        trained, kept = layer.weights()
        for suffix in ("weight", "bias"):
            mine = suffix in trained
            self.register_parameter(suffix, nn.Parameter(state[f"{layer.name}.{suffix}"]) if mine else None)
        for suffix in [*kept, *["num_batches_tracked"] * bool(kept)]:
            self.register_buffer(suffix, state[f"{layer.name}.{suffix}"])
        self._layer = layer

    def forward(self, *x: Tensor) -> Tensor:
        return KINDS[self._layer.kind](self._layer, self, *x)


class TorchNet(nn.Module):
    """The net of a model file: normalised images [n][channels][height][width] to logits [n][classes]."""

    def __init__(self, graph: Graph, state: dict[str, Tensor]):
        super().__init__()
        self._graph = graph
        for layer in graph.layers:
            if hasattr(self, layer.name):
                raise UnknownLayer(f"[{layer.name}]: PyTorch keeps that name for itself: call the layer otherwise")
            self.add_module(layer.name, TorchLayer(layer, state))

    def forward(self, images: Tensor) -> Tensor:
        values = {"image": images}
        for layer in self._graph.layers:
            values[layer.name] = self.get_submodule(layer.name)(*(values[name] for name in layer.inputs))
        return values[self._graph.layers[-1].name].flatten(1)


def to_torch(run: "Run | PathLike") -> TorchNet:
    """A run's net with its weights, in eval mode; `bramble.normalise` makes its images of bytes.

    Its state_dict() has the names and shapes of the result file, so that its load_state_dict takes what
    `bramble.state_dict` gives.  ValueError when the file has no weights, UnknownLayer when its model is not known.
    """
    run = run if isinstance(run, Run) else read_run(run)
    state = {name: torch.from_numpy(value.copy()) for name, value in state_dict(run).items()}
    return TorchNet(read_graph(run.model_text), state).eval()
