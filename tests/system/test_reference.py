"""Training computes what PyTorch does: against a file of its numbers for the paper's net on CIFAR-10.

BRAMBLE_REFERENCE names the file: /init, /step, /sgd and /fedavg as its attribute `about` tells.  It holds
float32 results, so one step agrees to rounding.  After some 120 steps differences in rounding grow fast: the
same 200 steps in float64 end 8e-3 away from the file (single losses, and the norm of the weights), PyTorch
itself with two threads 5e-3.  Hence tight limits for 100 steps, wide ones for 200, narrower ones for means.
"""
import os

import h5py
import numpy as np
import pytest
from runs import Run, averaging_rules, largest_error, relative_l2


@pytest.fixture(scope="module")
def reference():
    path = os.environ.get("BRAMBLE_REFERENCE")
    if not path:
        pytest.skip("BRAMBLE_REFERENCE does not name the file of PyTorch's numbers")
    with h5py.File(path) as file:
        values = {name: value for name, value in file.attrs.items()}
        file.visititems(lambda name, item: values.update({name: item[()]})
                        if isinstance(item, h5py.Dataset) else None)
    return dict(values, path=os.path.abspath(path))


def tensors(reference, group):
    return {name.split("/")[-1]: value for name, value in reference.items() if name.startswith(group + "/")}


def options(reference, cifar10, **more):
    given = {"data": cifar10, "init": reference["path"] + ":/init", "order": "sequential", "threads": 1,
             "batch": reference["batch"], **more}
    return [word for name, value in given.items() for word in ("--" + name.replace("_", "-"), value)]


def test_one_step(bramble, cifar10, reference):
    """The loss, and through a step with a learning rate of 1 and no momentum the gradient of every tensor."""
    run = Run(bramble.train(1, *options(reference, cifar10, limit_train=reference["batch"], limit_test=100,
                                        rounds=1, lr=1, momentum=0)))
    assert run["rounds/loss"][0] == pytest.approx(reference["step/loss"], rel=1e-5)
    gradient = {name: value - run.weights[name] for name, value in tensors(reference, "init").items()}
    assert largest_error(gradient, tensors(reference, "step/grad")) < (1e-5, "")


def test_two_hundred_steps(bramble, cifar10, reference):
    expected = reference["sgd/loss"]
    run = Run(bramble.train(1, *options(reference, cifar10, limit_train=10000, rounds=expected.size, local_steps=1,
                                        lr=0.01, momentum=0.9, eval_every=expected.size), "--keep-momentum"))
    error = abs(run["rounds/loss"] - expected)
    assert error[:100].max() < 1e-5
    assert error.max() < 2e-2
    assert error.mean() < 1e-3
    assert relative_l2(run.weights, tensors(reference, "sgd/final")) < 2e-2
    assert run.summary["accuracy"] == pytest.approx(reference["sgd/test_accuracy"], abs=0.01)


@pytest.mark.parametrize("rule", averaging_rules())
def test_two_federated_rounds(bramble, cifar10, reference, rule):
    shards, batch = [int(n) for n in reference["shards"]], int(reference["batch"])
    run = Run(bramble.train(len(shards) + 1, *options(
        reference, cifar10, shards=",".join(map(str, shards)), average=rule, rounds=2, lr=0.01, momentum=0.9)))
    table, losses = reference["fedavg/loss"], np.zeros((2, len(shards)))
    for k, n in enumerate(shards):  # the mean over the images; the last batch may be smaller
        images = np.minimum(batch, n - np.arange(0, n, batch))
        losses[:, k] = table[:, k, :images.size] @ images / n
    assert np.array_equal(run["rounds/ranks/images"][:, 1:], [shards] * 2)
    assert abs(run["rounds/ranks/loss"][:, 1:] - losses).max() < 1e-3
    assert relative_l2(run.weights, tensors(reference, "fedavg/final")) < 1e-2
    assert run.summary["accuracy"] == pytest.approx(reference["fedavg/test_accuracy"], abs=0.01)
