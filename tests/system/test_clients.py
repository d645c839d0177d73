"""Many clients on few workers (--clients): what they come to does not depend on who trains them (docs/methods.md)."""
import json
import sys

import h5py
import numpy as np
import pytest
from conftest import ROOT
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
    (1, "--clients 60 --limit-train 60 --eval-clients 0.2", ["--eval-clients 0.2", "client 1", "single image"]),
    (1, "--eval-clients 1", ["--eval-clients 1", "0 to 0.9"]),
])
def test_bad_input(bramble, pictures, ranks, options, words):
    done = bramble(ranks, "train", "--data", pictures, "--rounds", 1, "--threads", 1, "--out", "x.h5", *options.split())
    lines = [line for line in done.stderr.splitlines() if line.startswith("bramble: ") and "warning" not in line]
    assert done.returncode == 2 and len(lines) == 1 and all(word in lines[0] for word in words), done.stderr
    assert not (bramble.folder / "x.h5").exists()


def test_own_images(bramble, pictures):
    """Clients of one class each: their own weights know it, on images they have not seen; the file, the report and the Python
    package tell the same, whoever trains them."""
    options = ["--data", pictures, *write_model(bramble.folder, LINEAR)[0], "--batch", 8, "--lr", 0.02, "--rounds", 3, "--threads", 1,
               "--limit-train", 300, "--clients", 7, "--partition", "classes:1", "--eval-clients", 0.25, "--participation", 0.6,
               "--eval-every", 2]
    run, alone = (Run(bramble.train(ranks, *options, out=f"{ranks}.h5")) for ranks in [3, 1])
    names = ["images", "loss", "accuracy", "steps", "test_accuracy", "own_accuracy"]
    with h5py.File(bramble.folder / "3.h5") as file:
        assert set(file["rounds/clients"]) == set(names) and set(file["clients"]) == {"rank", "test_images", "labels"}
        units = {f"| `{name}` | {column.attrs['unit']} |" for group in ("clients", "rounds/clients") for name, column in file[group].items()}
    lines = (ROOT / "docs" / "results.md").read_text().split("## `/clients`")[1].split("## `/progress`")[0].splitlines()
    assert {"|".join(line.split("|")[:3]) + "|" for line in lines if line.startswith("| `")} == units
    assert all(np.array_equal(run[f"rounds/clients/{name}"][:3], alone[f"rounds/clients/{name}"][:3], equal_nan=True) for name in names)
    part = {name: run[f"rounds/clients/{name}"][:3] for name in names}
    trained, labels, tests = part["images"] > 0, run["clients/labels"], run["clients/test_images"]
    assert (trained.sum(axis=1) == 4).all() and (part["images"] == np.where(trained, labels.sum(axis=1), 0)).all()
    assert (labels.sum(axis=0) == run["shards/labels"].sum(axis=0)).all() and ((labels > 0).sum(axis=1) == 1).all()
    assert (tests == np.floor(0.25 * (labels.sum(axis=1) + tests) + 0.5)).all()
    assert np.isnan(part["test_accuracy"]).all(axis=1).tolist() == [True, False, False]
    assert (np.isnan(part["own_accuracy"]) == ~trained)[1:].all() and np.nanmean(part["own_accuracy"]) > 0.9
    assert np.isfinite(part["test_accuracy"][1:]).all() and part["test_accuracy"][-1].min() < 0.5
    assert np.allclose(np.nansum(part["loss"] * part["images"], axis=1), run["rounds/loss"] * run["rounds/images"])
    rows = json.loads(bramble(1, "report", "--clients", "--format", "json", "3.h5").stdout)
    assert [row["test_accuracy"] for row in rows] == pytest.approx(part["test_accuracy"][-1].tolist())
    assert [row["images"] for row in rows] == labels.sum(axis=1).tolist() and [row["rounds"] for row in rows] == trained.sum(axis=0).tolist()
    told = bramble(1, "report", "--clients", "3.h5").stdout.splitlines()
    assert told[0] == "7 clients, 3 rounds"
    line = next(line for line in told if line.startswith("average on own images"))
    spread = [*np.quantile(part["test_accuracy"][-1], [0, 0.25, 0.5, 0.75, 1]), part["test_accuracy"][-1].mean()]
    assert [float(word) for word in line.split()[-6:]] == pytest.approx([100 * x for x in spread], abs=0.006)
    told = [run.summary[f"accuracy_clients_{name}"] for name in ("min", "q1", "median", "q3", "max")]
    assert told == pytest.approx(spread[:5])
    sys.path.insert(0, str(ROOT / "python"))
    import bramble as package
    frame = package.read_run(bramble.folder / "3.h5").clients
    assert len(frame) == 21 and np.array_equal(frame.own_accuracy, part["own_accuracy"].ravel(), equal_nan=True)
    assert frame[frame["round"] == 0]["rank"].tolist() == run["clients/rank"].tolist()
    shared = json.loads(bramble(1, "report", "--labels", "--format", "json", "3.h5").stdout)
    assert [row["images"] for row in shared] == labels.ravel().tolist() and shared[-1]["client"] == 7
    assert bramble(1, "report", "--labels", "3.h5").stdout.splitlines()[-1].split()[:2] == ["7", str(run["clients/rank"][-1])]
    plain = bramble.train(1, *options[:12], out="plain.h5")
    done = bramble(1, "report", "--clients", "plain.h5")
    assert np.isnan(Run(plain).summary["accuracy_clients_median"]) and done.returncode == 2 and "plain.h5: has no rows of clients" in done.stderr


def test_one_client_tests_itself(bramble, pictures):
    """Of a single client the average is its own; a run that goes on has the rows of both starts, and more workers."""
    options = ["--data", pictures, *write_model(bramble.folder, LINEAR)[0], "--batch", 8, "--threads", 1, "--limit-train", 200]
    one = Run(bramble.train(2, *options, "--rounds", 2, "--eval-clients", 0.2, out="one.h5"))
    assert np.array_equal(one["rounds/clients/test_accuracy"], one["rounds/clients/own_accuracy"]) and one["clients/test_images"] == [40]
    whole = Run(bramble.train(1, *options, "--rounds", 4, "--clients", 3, "--eval-clients", 0.1, "--checkpoint", "c.h5",
                              "--checkpoint-every", 2, out="whole.h5"))
    resumed = Run(bramble.train(3, "--resume", "c.h5.previous", "--checkpoint", "d.h5", out="resumed.h5"))
    for name in ["images", "loss", "test_accuracy", "own_accuracy"]:
        assert np.array_equal(whole[f"rounds/clients/{name}"], resumed[f"rounds/clients/{name}"], equal_nan=True)
    assert np.isfinite(whole["rounds/clients/own_accuracy"]).all() and resumed["clients/rank"].tolist() == [1, 2, 1]


def test_average_that_can(bramble, pictures):
    """Several clients of a worker are added up before they travel: the file says by which rule."""
    options = ["--data", pictures, *write_model(bramble.folder, LINEAR)[0], "--limit-train", 60, "--rounds", 1, "--threads", 1]
    told = {(ranks, rule): Run(bramble.train(ranks, *options, "--clients", 4, *rule, out=f"{ranks}{''.join(rule)}.h5"))
            for ranks in [5, 3] for rule in [(), ("--average", "allreduce"), ("--average", "tree")]}
    assert [run.config["average"].decode() for run in told.values()] == ["gather", "allreduce", "tree", "reduce", "allreduce", "tree"]
    first, *others = told.values()
    assert all(same(first, other) == [] for other in others)
