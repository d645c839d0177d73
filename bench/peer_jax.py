#!/usr/bin/python3
"""Training steps in JAX, to compare with: of the net of a result file, compiled by XLA for the processor.

usage: peer_jax.py THREADS RESULT.h5

then, for each line `B SECONDS [bf16]` on stdin, prints images/s at batch B; pixels have their channels side by side, which XLA
has kernels for.  bf16: images and weights are rounded for each step, weights are kept as float32.
"""
import os
import sys
import time
from pathlib import Path

os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:int(sys.argv[1])])  # XLA takes as many threads as it finds cores
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
import bramble
from bramble.net import conv_padding, read_graph, state_dict

KINDS = {}


def kind(function):
    KINDS[function.__name__.strip("_")] = function
    return function


@kind
def conv(layer, own, x):
    y = lax.conv_general_dilated(x, own["weight"], [layer.whole("stride", 1)] * 2, conv_padding(layer, x.shape[1:3]),
                                 rhs_dilation=[layer.whole("dilation", 1)] * 2, feature_group_count=layer.whole("groups", 1),
                                 dimension_numbers=("NHWC", "OIHW", "NHWC"))
    return y + own["bias"] if "bias" in own else y


@kind
def dense(layer, own, x):
    y = x.transpose(0, 3, 1, 2).reshape(len(x), -1) @ own["weight"].T
    return (y + own["bias"] if "bias" in own else y)[:, None, None, :]


def windows(layer, x, start, how):
    side, padding = layer.whole("window"), layer.whole("padding", 0)
    step = layer.whole("stride", side)
    return lax.reduce_window(x, np.array(start, x.dtype)[()], how, (1, side, side, 1), (1, step, step, 1),
                             ((0, 0), (padding, padding), (padding, padding), (0, 0)))


@kind
def maxpool(layer, own, x):
    return windows(layer, x, -jnp.inf, lax.max)


@kind
def avgpool(layer, own, x):
    return windows(layer, x, 0, lax.add) / layer.whole("window") ** 2


@kind
def globalpool(layer, own, x):
    return x.mean((1, 2), keepdims=True)


@kind
def batchnorm(layer, own, x):
    mean = x.mean((0, 1, 2))
    y = (x - mean) * lax.rsqrt(((x - mean) ** 2).mean((0, 1, 2)) + layer.real("eps", 1e-5))
    return y * own.get("weight", 1) + own.get("bias", 0)


@kind
def gelu(layer, own, x):
    return jax.nn.gelu(x, approximate=layer.word("form", "erf") == "tanh")


@kind
def scale(layer, own, x):
    return x * (own["weight"] if "weight" in own else layer.real("factor"))


@kind
def relu(layer, own, x):
    return jax.nn.relu(x)


@kind
def silu(layer, own, x):
    return jax.nn.silu(x)


@kind
def concat(layer, own, *x):
    return jnp.concatenate(x, axis=3)


@kind
def add(layer, own, *x):
    return sum(x[1:], x[0])


def logits(graph, weights, images):
    """images: [n][height][width][channels]."""
    values = {"image": images}
    for layer in graph.layers:
        own = {name.rpartition(".")[2]: w for name, w in weights.items() if name.rpartition(".")[0] == layer.name}
        values[layer.name] = KINDS[layer.kind](layer, own, *(values[name] for name in layer.inputs))
    return values[graph.layers[-1].name].reshape(len(images), -1)


def loss(graph, weights, images, labels):
    each = jax.nn.log_softmax(logits(graph, weights, images).astype(jnp.float32))
    return -jnp.take_along_axis(each, labels[:, None], 1).mean()


def step_of(graph, bf16):
    """SGD with momentum, as one compiled function."""
    def rounded(x):
        return x.astype(jnp.bfloat16) if bf16 else x

    def step(weights, momentum, images, labels):
        g = jax.grad(lambda w: loss(graph, {name: rounded(v) for name, v in w.items()}, rounded(images), labels))(weights)
        momentum = {name: 0.9 * momentum[name] + g[name] for name in g}
        return {name: weights[name] - 1e-3 * momentum[name] for name in g}, momentum
    return jax.jit(step, donate_argnums=(0, 1))


def measure(graph, weights, step, batch, seconds):
    """Images a second."""
    channels, height, width = graph.input
    images = jax.random.normal(jax.random.key(0), (batch, height, width, channels))
    labels = jax.random.randint(jax.random.key(1), (batch,), 0, graph.classes)
    weights = {name: jnp.array(w) for name, w in weights.items()}
    momentum = {name: jnp.zeros_like(w) for name, w in weights.items()}
    steps, start = -3, 0.0  # the first three warm up
    while True:
        if steps == 0:
            start = time.perf_counter()
        if steps > 0 and time.perf_counter() - start > seconds:
            return steps * batch / (time.perf_counter() - start)
        weights, momentum = step(weights, momentum, images, labels)
        jax.block_until_ready(weights)
        steps += 1


def main():
    run = bramble.read_run(sys.argv[2])
    graph = read_graph(run.model_text)
    trained = {f"{layer.name}.{suffix}" for layer in graph.layers for suffix in layer.weights()[0]}
    weights = {name: np.asarray(w) for name, w in state_dict(run).items() if name in trained}
    steps = {bf16: step_of(graph, bf16) for bf16 in (False, True)}
    for line in sys.stdin:
        batch, seconds, *how = line.split()
        print(measure(graph, weights, steps["bf16" in how], int(batch), float(seconds)), flush=True)


if __name__ == "__main__":
    main()
