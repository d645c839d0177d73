"""Optimizers, schedules, smoothed labels and clipped gradients are PyTorch's; gradients averaged are one worker's.

tests/data/optimizers.h5 has PyTorch's numbers; tests/data/optimizers.py tells what is in it, and made it.
"""
import shlex

import h5py
import numpy as np
import pytest
from conftest import ROOT
from runs import LINEAR, Run, SMALL, averaging_rules, differences, relative_l2, write_model

with h5py.File(ROOT / "tests/data/optimizers.h5") as FILE:
    CASES = {name: shlex.split(group.attrs["options"]) for name, group in FILE.items()}
STATES = ["--keep-momentum", "--schedule", "onecycle", "--lr-final", 0.01, "--clip-norm", 0.5, "--label-smoothing", 0.1, "--batch", 8]
ALL = {"sgd": ["--lr", 0.05, "--nesterov", "--weight-decay", 0.01], "adamw": ["--lr", 0.002, "--weight-decay", 0.1],
       "muon": ["--lr", 0.05, "--muon-lr", 0.1, "--muon-dense"]}


def kept(weights):
    return {name: value.ravel()[::max(1, value.size // 200) | 1] for name, value in weights.items()}


@pytest.mark.parametrize("case", CASES)
def test_pytorch(bramble, case):
    """Each step's rate and loss, and where 20 steps lead to;."""
    with h5py.File(ROOT / "tests/data/optimizers.h5") as file:
        lr, loss = file[case]["lr"][()], file[case]["loss"][()]
        final = {name: value[()] for name, value in file[case]["final"].items()}
    with h5py.File(ROOT / "tests/data/pytorch.h5") as file:
        init = {name: value[()] for name, value in file["init"].items()}
    run = Run(bramble.train(1, "--data", "synthetic:640", "--order", "sequential", "--batch", 32, "--local-steps", 1, "--rounds",
                            lr.size, "--eval-every", lr.size, "--limit-test", 10, "--keep-momentum", "--threads", 1,
                            *CASES[case]))
    assert run["rounds/lr"] == pytest.approx(lr, rel=1e-12)
    assert abs(run["rounds/loss"] - loss).max() < 1e-5
    moved, wanted = ({name: w[name] - init[name] for name in init} for w in (kept(run.weights), final))
    assert relative_l2(moved, wanted) < 1e-3


@pytest.mark.parametrize("optimizer", ALL)
def test_states_go_on(bramble, pictures, optimizer):
    """A run that went on is the run that never stopped; without what the optimizer keeps it would not be."""
    options = ["--data", pictures, *write_model(bramble.folder, SMALL)[0], "--limit-train", 100, "--threads", 1, "--optimizer",
               optimizer, *ALL[optimizer], *STATES, "--rounds", 4, "--average-every", 2, "--ema", 0.5]
    expected = Run(bramble.train(3, *options, "--checkpoint", "c.h5", "--checkpoint-every", 2, out="whole.h5"))
    resumed = Run(bramble.train(3, "--resume", "c.h5.previous", "--checkpoint", "d.h5", out="resumed.h5"))
    assert resumed.n_done == 4 and differences(expected, resumed) == []
    dropped = Run(bramble.train(3, *options, "--no-keep-momentum", out="dropped.h5"))
    assert "fc1.weight" in differences(expected, dropped)
    fewer = bramble(2, "train", "--quiet", "--resume", "c.h5.previous", "--checkpoint", "e.h5", "--out", "fewer.h5")
    assert fewer.returncode == 0, fewer.stderr
    assert Run(bramble.folder / "fewer.h5").n_done == 4


@pytest.mark.parametrize("optimizer", ALL)
def test_gradients_of_all(bramble, pictures, optimizer):
    """Three workers, a third of the images each in every step, take the steps of one with all, to rounding."""
    options = ["--data", pictures, *write_model(bramble.folder, SMALL)[0], "--limit-train", 96, "--limit-test", 20, "--threads",
               1, "--optimizer", optimizer, *ALL[optimizer], *STATES, "--rounds", 5, "--local-epochs", 4]
    one = Run(bramble.train(1, *options, "--batch", 96, out="one.h5"))
    many = Run(bramble.train(4, *options, "--batch", 32, "--sync", "gradients", out="many.h5"))
    others = Run(bramble.train(4, *options, "--batch", 32, out="others.h5"))
    assert abs(one["rounds/loss"] - many["rounds/loss"]).max() < 2e-5
    assert np.array_equal(one["rounds/lr"], many["rounds/lr"])
    near, far = (relative_l2(run.weights, one.weights) for run in (many, others))
    assert near < 1e-3 and far > 10 * near


@pytest.mark.parametrize("images", [91, 73])
@pytest.mark.parametrize("optimizer", ALL)
def test_gradients_of_a_batch(bramble, pictures, optimizer, images):
    """Three workers share out the batches of one order, as DistributedSampler deals it, the last of an epoch too, of which
    some may have nothing; the mixed-in image is the next of the whole batch."""
    options = ["--data", pictures, *write_model(bramble.folder, SMALL)[0], "--limit-train", images, "--limit-test", 20, "--threads",
               1, "--optimizer", optimizer, *ALL[optimizer], *STATES, "--rounds", 3, "--sync", "gradients", "--augment", "flip,mixup:0.4"]
    one = Run(bramble.train(1, *options, "--batch", 24, out="one.h5"))
    many = Run(bramble.train(4, *options, "--batch", 8, out="many.h5"))
    shards = Run(bramble.train(4, *options, "--batch", 8, "--deal", "shuffled", out="shards.h5"))
    assert abs(one["rounds/loss"] - many["rounds/loss"]).max() < 2e-5
    assert np.array_equal(one["rounds/lr"], many["rounds/lr"])
    near, far = (relative_l2(run.weights, one.weights) for run in (many, shards))
    assert near < 1e-3 and far > 10 * near
    assert one["rounds/images"].tolist() == many["rounds/images"].tolist()


def test_gradients_have_the_same_bits(bramble, pictures):
    """For every rule, thread count, and after a break; shards are uneven, so some workers wait while others step."""
    options = ["--data", pictures, *write_model(bramble.folder, SMALL)[0], "--shards", "60,3,29", "--sync", "gradients",
               "--optimizer", "adamw", *ALL["adamw"], *STATES, "--rounds", 3, "--average-every", 4, "--tail-average", 0.7]
    expected = Run(bramble.train(4, *options, "--threads", 1, "--checkpoint", "c.h5", "--checkpoint-every", 2, out="whole.h5"))
    assert list(expected["rounds/ranks/images"][0, 1:]) == [60, 3, 29]
    assert list(expected["rounds/ranks/steps"][0, 1:]) == [8, 1, 4]
    for k, rule in enumerate(averaging_rules()):
        run = Run(bramble.train(4, *options, "--threads", 1 + k % 2, "--average", rule, out=f"{rule}.h5"))
        assert differences(expected, run) == []
    resumed = Run(bramble.train(4, "--resume", "c.h5.previous", "--checkpoint", "d.h5", out="resumed.h5"))
    assert differences(expected, resumed) == []
    with h5py.File(bramble.folder / "c.h5") as file:  # there is one of each
        assert file["checkpoint/exp_avg"].shape == file["checkpoint/w"].shape and file["checkpoint/age"].shape == (1,)
        assert file["checkpoint/age"][0] == 24


def test_a_worker_without_a_gradient_is_left_out(bramble, pictures):
    options = ["--data", pictures, *write_model(bramble.folder, SMALL)[0], "--limit-train", 60, "--batch", 5, "--lr", 0.01,
               "--rounds", 2, "--threads", 1, "--sync", "gradients"]
    env = {"BRAMBLE_TEST_FAULT": "nan:2:1:1"}
    done = bramble(3, "train", "--quiet", *options, "--on-nan", "skip", "--out", "skip.h5", env=env)
    assert done.returncode == 0, done.stderr
    run = Run(bramble.folder / "skip.h5")
    assert run["rounds/ranks/skipped"].sum() == 1 and all(np.isfinite(value).all() for value in run.weights.values())
    done = bramble(3, "train", "--quiet", *options, "--out", "stop.h5", env=env)
    assert done.returncode == 2 and "round 2, rank 2" in done.stderr and "training has diverged" in done.stderr


def test_lookahead(bramble, pictures):
    """A step, then back to a point between; averages of gradients count as often as those of weights do."""
    options = ["--data", pictures, *write_model(bramble.folder, LINEAR)[0], "--limit-train", 40, "--batch", 10, "--lr", 0.01,
               "--threads", 1, "--rounds", 2, "--average-every", 2, "--keep-momentum"]
    plain = Run(bramble.train(1, *options, out="plain.h5"))
    run = Run(bramble.train(1, *options, "--lookahead", 0.8, out="lookahead.h5"))
    same = Run(bramble.train(1, *options, "--lookahead", 0.8, "--sync", "gradients", out="gradients.h5"))
    assert differences(run, same, but=("rounds/loss",)) == []
    assert relative_l2(run.weights, plain.weights) > 1e-4


def test_moving_average(bramble, pictures):
    """The model is the moving average of the averages; training is not concerned."""
    options = ["--data", pictures, *write_model(bramble.folder, LINEAR)[0], "--limit-train", 40, "--batch", 5, "--lr", 0.01,
               "--threads", 1]
    means = [Run(bramble.train(2, *options, "--rounds", n, out=f"{n}.h5")).weights for n in (1, 2, 3)]
    run = Run(bramble.train(2, *options, "--rounds", 3, "--ema", 0.75, out="ema.h5"))
    for name, value in run.weights.items():
        want = means[0][name]
        for mean in means[1:]:
            want = 0.75 * want + 0.25 * mean[name]
        assert value == pytest.approx(want, rel=1e-5, abs=1e-7)
