"""Many clients on few workers (--clients): what they come to does not depend on who trains them (docs/methods.md)."""
import h5py
import numpy as np
import pytest
from numpy_net import Recipe, read_images, train
from runs import LINEAR, NORMS, SMALL, Run, largest_error, write_model

SHARDS = [33, 21, 12, 40, 28]
ALL = ["rounds/images", "rounds/loss", "rounds/accuracy", "rounds/lr", "test/loss", "test/accuracy", "test/confusion"]
CASES = {
    "plain": ["--average-every", 2, "--keep-momentum", "--schedule", "linear"],
    "momentum within a round": ["--average-every", 2, "--nesterov", "--augment", "flip,crop:2"],
    "moments": ["--optimizer", "adamw", "--lr", 0.001, "--keep-momentum", "--tail-average", 0.5, "--average-every", 2],
    "norms": ["--server-optimizer", "nesterov", "--batch", 7],
    "FedNova": ["--normalize-steps", "--local-epochs", 2],
    "SCAFFOLD": ["--control-variates", "--participation", 0.7],
    "one a round": ["--control-variates", "--participation", 0.1],
    "median": ["--aggregate", "median"],
    "FedBN": ["--local-statistics", "--batch", 7, "--participation", 0.7, "--average-every", 2],
    "privacy": ["--clip-update", 0.05, "--noise", 0.1],
    "krum": ["--aggregate", "multikrum:1", "--proximal", 0.1],
}


def same(a, b):
    return [name for name in ALL if not np.array_equal(a[name], b[name], equal_nan=True)] + \
        [name for name in a.weights if not np.array_equal(a.weights[name], b.weights[name])]


@pytest.mark.parametrize("case", CASES)
def test_bits_do_not_depend_on_the_workers(bramble, pictures, case):
    """Five clients on five, two and one: the first run has no such option."""
    model = write_model(bramble.folder, NORMS if case in ("norms", "FedBN") else SMALL)[0]
    options = ["--data", pictures, *model, "--shards", ",".join(map(str, SHARDS)), "--batch", 8, "--lr", 0.02, "--rounds", 3,
               "--threads", 1, *CASES[case]]
    apart = Run(bramble.train(6, *options, out="apart.h5"))
    assert np.isfinite(apart["test/loss"]).all()
    for ranks in [3, 1]:
        together = Run(bramble.train(ranks, *options, "--clients", 5, out=f"{ranks}.h5"))
        assert same(apart, together) == []
        assert (together["rounds/ranks/images"].sum(axis=1) == apart["rounds/images"]).all()
        assert (together["shards/labels"].sum(axis=0) == apart["shards/labels"].sum(axis=0)).all()
        assert (together["rounds/ranks/steps"].sum(axis=1) == apart["rounds/ranks/steps"].sum(axis=1)).all()


@pytest.mark.parametrize("recipe", [Recipe(control_variates=True, local_epochs=2), Recipe(average_every=2)])
def test_against_numpy(bramble, pictures, tmp_path, recipe):
    recipe.batch, recipe.rounds, recipe.lr = 8, 3, 0.02
    start, net, w = write_model(tmp_path, SMALL)
    run = Run(bramble.train(3, "--data", pictures, *start, "--shards", ",".join(map(str, SHARDS)), "--threads", 1, "--clients", 5,
                            *recipe.arguments()))
    history = train(net, w, *read_images(pictures), SHARDS, recipe)
    error, where = largest_error(run.weights, history.rounds[-1])
    assert error < 2e-4, where


@pytest.mark.parametrize("kept, method", [("variate", ["--control-variates", "--partition", "classes:3"]),
                                          ("v", ["--keep-momentum", "--average-every", 2, "--partition", "classes:3"]),
                                          ("local", ["--local-statistics", "--batch", 7])])
def test_goes_on(bramble, pictures, kept, method):
    """Each client has its states again, whoever trains it now."""
    model = write_model(bramble.folder, NORMS if kept == "local" else LINEAR)[0]
    options = ["--data", pictures, *model, "--batch", 8, "--limit-train", 120, "--threads", 1, "--rounds", 4,
               "--participation", 0.7, "--clients", 7, *method]
    whole = Run(bramble.train(3, *options, "--checkpoint", "c.h5", "--checkpoint-every", 2, out="whole.h5"))
    for ranks in [3, 1]:
        resumed = Run(bramble.train(ranks, "--resume", "c.h5.previous", "--checkpoint", f"{ranks}.ck", out=f"{ranks}.h5"))
        assert resumed.n_done == 4 and same(whole, resumed) == []
    with h5py.File(bramble.folder / "c.h5") as file:
        rows = file["checkpoint"][kept][()]
    assert len(rows) == 7 and len({row.tobytes() for row in rows}) == 7


def test_one_sends_rubbish(bramble, pictures):
    """Whom a median, or Krum, does not mind; and one whose weights are no longer finite is left out, or named."""
    options = ["--data", pictures, *write_model(bramble.folder, LINEAR)[0], "--batch", 8, "--lr", 0.02, "--rounds", 2, "--threads", 1,
               "--limit-train", 500, "--clients", 5]
    env = {"BRAMBLE_TEST_FAULT": "rubbish:3"}
    assert Run(bramble.train(3, *options, out="mean.h5", env=env))["test/loss"][-1] > 10
    for rule in ["trimmed:1", "krum:1"]:
        assert Run(bramble.train(3, *options, "--aggregate", rule, out=f"{rule[0]}.h5", env=env))["test/loss"][-1] < 6
    env = {"BRAMBLE_TEST_FAULT": "nan:4:1:0"}
    skipped = [Run(bramble.train(ranks, *options, "--on-nan", "skip", out=f"{ranks}.h5", env=env)) for ranks in [6, 3]]
    assert same(*skipped) == [] and skipped[1]["rounds/images"].tolist() == [500, 400]
    done = bramble(3, "train", *options, "--out", "x.h5", env=env)
    assert done.returncode == 2 and "round 2, client 4, rank" in done.stderr


@pytest.mark.parametrize("ranks, options, words", [
    (3, "--clients 1", ["--clients 1", "2 workers", "start fewer ranks"]),
    (3, "--clients 101 --limit-train 100", ["--clients 101", "100 training images"]),
    (1, "--clients 3 --shards 5,5", ["2 sizes for 3 clients"]),
    (3, "--clients 6 --average gather", ["--average gather", "6 clients on 2 workers", "allreduce"]),
    (3, "--clients 6 --sync gradients", ["--sync gradients", "6 clients are on 2 workers", "7 ranks"]),
    (1, "--clients 6 --aggregate krum:2", ["--aggregate krum:2", "at least 7 clients", "6 take part"]),
    (1, "--clients 6 --min-workers 7", ["--min-workers 7", "6 clients"]),
])
def test_bad_input(bramble, pictures, ranks, options, words):
    done = bramble(ranks, "train", "--data", pictures, "--rounds", 1, "--threads", 1, "--out", "x.h5", *options.split())
    lines = [line for line in done.stderr.splitlines() if line.startswith("bramble: ") and "warning" not in line]
    assert done.returncode == 2 and len(lines) == 1 and all(word in lines[0] for word in words), done.stderr
    assert not (bramble.folder / "x.h5").exists()


def test_average_that_can(bramble, pictures):
    """Several clients of a worker are added up before they travel: the file says by which rule."""
    options = ["--data", pictures, *write_model(bramble.folder, LINEAR)[0], "--limit-train", 60, "--rounds", 1, "--threads", 1]
    told = {(ranks, rule): Run(bramble.train(ranks, *options, "--clients", 4, *rule, out=f"{ranks}{len(rule)}.h5"))
            for ranks in [5, 3] for rule in [(), ("--average", "allreduce")]}
    assert [run.config["average"].decode() for run in told.values()] == ["gather", "allreduce", "reduce", "allreduce"]
    first, *others = told.values()
    assert all(same(first, other) == [] for other in others)
