"""Training computes what PyTorch does: against files of its numbers for the paper's net.

`synthetic` is tests/data/pytorch.h5, of images and weights that Bramble makes itself; tests/data/pytorch.py tells
what is in it.  `cifar10` is of real images, where BRAMBLE_REFERENCE names such a file with whole tensors and
BRAMBLE_DATA the images; /sgd goes on for 200 steps there.  Float32 results agree to rounding in one step; after some 120
steps differences in rounding grow fast: the same 200 steps in float64 end 8e-3 away from that file (single losses,
and the norm of the weights), PyTorch itself with two threads 5e-3.  Hence tight limits for 100 steps, wide ones
for 200, narrower ones for means.
"""
import os

import h5py
import numpy as np
import pytest
from conftest import ROOT
from runs import Run, averaging_rules, largest_error, relative_l2


class Reference:
    """A file of numbers, by name, and the options with which Bramble starts where PyTorch did."""

    def __init__(self, path, n_images, start, is_whole):
        self.n_images, self.start, self.is_whole = n_images, start, is_whole
        with h5py.File(path) as file:
            self.values = dict(file.attrs)
            file.visititems(lambda name, item: self.values.update({name: item[()]})
                            if isinstance(item, h5py.Dataset) else None)

    def __getitem__(self, name):
        return self.values[name]

    def tensors(self, group):
        return {name.split("/")[-1]: value for name, value in self.values.items() if name.startswith(group + "/")}

    def kept(self, weights):
        """Of each tensor the values that the file has."""
        if self.is_whole:
            return weights
        return {name: value.ravel()[::max(1, value.size // 200) | 1] for name, value in weights.items()}

    def options(self, **more):
        given = {"order": "sequential", "threads": 1, "batch": self["batch"], "lr": self.values.get("lr", 0.01),
                 "momentum": self.values.get("momentum", 0.9), **more}
        return [*self.start, *(word for name, value in given.items() for word in ("--" + name.replace("_", "-"), value))]


@pytest.fixture(scope="module", params=["synthetic", "cifar10"])
def reference(request):
    if request.param == "synthetic":
        return Reference(ROOT / "tests/data/pytorch.h5", 640, ["--data", "synthetic:640", "--seed", 1], False)
    path = os.environ.get("BRAMBLE_REFERENCE")
    if not path:
        pytest.skip("BRAMBLE_REFERENCE does not name the file of PyTorch's numbers for real images")
    folder = request.getfixturevalue("cifar10")
    return Reference(path, 10000, ["--data", folder, "--init", os.path.abspath(path) + ":/init"], True)


def test_one_step(bramble, reference):
    """The loss, and through a step with a learning rate of 1 and no momentum the gradient of every tensor."""
    run = Run(bramble.train(1, *reference.options(limit_train=reference["batch"], limit_test=100, rounds=1, lr=1,
                                                  momentum=0)))
    assert run["rounds/loss"][0] == pytest.approx(reference["step/loss"], rel=1e-5)
    after = reference.kept(run.weights)
    gradient = {name: value - after[name] for name, value in reference.tensors("init").items()}
    assert largest_error(gradient, reference.tensors("step/grad")) < (1e-5, "")


def test_many_steps(bramble, reference):
    expected = reference["sgd/loss"]
    run = Run(bramble.train(1, *reference.options(limit_train=reference.n_images, rounds=expected.size, local_steps=1,
                                                  eval_every=expected.size), "--keep-momentum"))
    error = abs(run["rounds/loss"] - expected)
    assert error[:100].max() < 1e-5
    assert error.max() < 2e-2
    assert error.mean() < 1e-3
    assert relative_l2(reference.kept(run.weights), reference.tensors("sgd/final")) < 2e-2
    assert run.summary["accuracy"] == pytest.approx(reference["sgd/test_accuracy"], abs=0.01)


@pytest.mark.parametrize("rule", averaging_rules())
def test_two_federated_rounds(bramble, reference, rule):
    shards, batch = [int(n) for n in reference["shards"]], int(reference["batch"])
    run = Run(bramble.train(len(shards) + 1, *reference.options(shards=",".join(map(str, shards)), average=rule, rounds=2)))
    table, losses = reference["fedavg/loss"], np.zeros((2, len(shards)))
    for k, n in enumerate(shards):  # the mean over the images; the last batch may be smaller
        images = np.minimum(batch, n - np.arange(0, n, batch))
        losses[:, k] = table[:, k, :images.size] @ images / n
    assert np.array_equal(run["rounds/ranks/images"][:, 1:], [shards] * 2)
    assert abs(run["rounds/ranks/loss"][:, 1:] - losses).max() < 1e-3
    assert relative_l2(reference.kept(run.weights), reference.tensors("fedavg/final")) < 1e-2
    assert run.summary["accuracy"] == pytest.approx(reference["fedavg/test_accuracy"], abs=0.01)
