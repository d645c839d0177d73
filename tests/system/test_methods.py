"""What stands in the mean's place, and what holds workers together (docs/methods.md), against numpy."""
import json

import h5py
import numpy as np
import pytest
from numpy_net import Recipe, read_images, train
from runs import LINEAR, NORMS, SMALL, Run, differences, largest_error, write_model

SHARDS = [33, 21, 12, 40, 28]
CASES = {
    "median": Recipe(aggregate="median", average_every=3),
    "trimmed": Recipe(aggregate="trimmed:2"),
    "krum": Recipe(aggregate="krum:1", server_optimizer="momentum", server_momentum=0.5),
    "multikrum": Recipe(aggregate="multikrum:1"),
    "proximal": Recipe(proximal=2.0, average_every=3),
    "normalize": Recipe(normalize_steps=True, local_epochs=2),
    "normalize, nesterov": Recipe(normalize_steps=True, nesterov=True, server_optimizer="nesterov"),
    "local": Recipe(local_statistics=True, average_every=2),
    "local, nesterov": Recipe(local_statistics=True, server_optimizer="nesterov"),
    "clip": Recipe(clip_update=0.1, average_every=3),
    "clip, nesterov": Recipe(clip_update=0.2, server_optimizer="nesterov"),
    "variates": Recipe(control_variates=True),
    "variates, nesterov, falling": Recipe(control_variates=True, nesterov=True, schedule="linear", local_epochs=2),
}


@pytest.mark.parametrize("case", CASES)
def test_against_numpy(bramble, pictures, tmp_path, case):
    recipe = CASES[case]
    recipe.batch, recipe.rounds, recipe.lr = 7 if recipe.local_statistics else 8, 3, 0.02  # no batch of one image
    start, net, w = write_model(tmp_path, NORMS if recipe.local_statistics else SMALL)
    shards = ",".join(map(str, SHARDS))
    run = Run(bramble.train(6, "--data", pictures, *start, "--shards", shards, "--threads", 1, *recipe.arguments()))
    images = read_images(pictures)
    history = train(net, w, *images, SHARDS, recipe)
    error, where = largest_error(run.weights, history.rounds[-1])
    assert error < 2e-4, where
    plain = train(net, w, *images, SHARDS, Recipe(batch=recipe.batch, rounds=3, lr=0.02, average_every=recipe.average_every,
                                                  local_epochs=recipe.local_epochs, nesterov=recipe.nesterov, schedule=recipe.schedule,
                                                  server_optimizer=recipe.server_optimizer, server_momentum=recipe.server_momentum))
    assert largest_error(history.rounds[-1], plain.rounds[-1])[0] > 2e-3, "the case would not tell"


@pytest.mark.parametrize("sync", ["weights", "gradients"])
def test_one_sends_rubbish(bramble, pictures, sync):
    """With a worker of noise the mean learns nothing; a median, or Krum, does as without it."""
    options = ["--data", pictures, *write_model(bramble.folder, LINEAR)[0], "--batch", 8, "--lr", 0.02, "--rounds", 2, "--threads", 1,
               "--limit-train", 500, "--sync", sync]
    env = {"BRAMBLE_TEST_FAULT": "rubbish:3"}
    loss = {}
    for name in ["mean", "median", "trimmed:1", "krum:1", "multikrum:1"]:
        out = f"{name[:-2]}.h5" if ":" in name else f"{name}.h5"
        loss[name] = Run(bramble.train(6, *options, "--aggregate", name, out=out, env=env))["test/loss"][-1]
    sound = Run(bramble.train(6, *options, out="sound.h5"))["test/loss"][-1]
    assert loss.pop("mean") > 10
    assert loss.pop("krum:1") < sound + 3, "one worker's, with a fifth of the images"
    assert max(loss.values()) < sound + 0.5, loss


def test_participation(bramble, pictures):
    """So many workers a round, others each time; who sits out comes back where it would have been."""
    options = ["--data", pictures, *write_model(bramble.folder, LINEAR)[0], "--batch", 8, "--limit-train", 250, "--threads", 1]
    run = Run(bramble.train(6, *options, "--rounds", 8, "--participation", 0.5, "--min-workers", 1, "--schedule", "linear",
                            "--checkpoint", "c.h5", "--checkpoint-every", 4, out="part.h5"))
    images = run["rounds/ranks/images"][:, 1:]
    assert ((images > 0).sum(axis=1) == 2).all() and (images.sum(axis=1) == 100).all()
    assert len({tuple(row > 0) for row in images}) > 2
    resumed = Run(bramble.train(6, "--resume", "c.h5.previous", "--checkpoint", "d.h5", out="resumed.h5"))
    assert differences(run, resumed) == []
    least = Run(bramble.train(6, *options, "--rounds", 1, "--participation", 0.1, "--min-workers", 3, out="least.h5"))
    assert (least["rounds/ranks/images"] > 0).sum() == 3


def test_same_length_is_fedavg(bramble, pictures):
    """Where all take as many steps, FedNova is FedAvg, bit by bit."""
    options = ["--data", pictures, *write_model(bramble.folder, LINEAR)[0], "--batch", 8, "--limit-train", 96, "--threads", 1, "--rounds", 2]
    plain = Run(bramble.train(4, *options, out="plain.h5"))
    other = Run(bramble.train(4, *options, "--normalize-steps", out="nova.h5"))
    assert all(np.array_equal(plain.weights[name], other.weights[name]) for name in plain.weights)


def test_variates_go_on(bramble, pictures):
    """A run that went on is the run that never stopped; variates of the worker and of all are in its checkpoint."""
    options = ["--data", pictures, *write_model(bramble.folder, LINEAR)[0], "--batch", 8, "--limit-train", 96, "--threads", 1,
               "--rounds", 4, "--partition", "classes:3", "--participation", 0.7]
    expected = Run(bramble.train(4, *options, "--control-variates", "--checkpoint", "c.h5", "--checkpoint-every", 2, out="whole.h5"))
    resumed = Run(bramble.train(4, "--resume", "c.h5.previous", "--checkpoint", "d.h5", out="resumed.h5"))
    assert resumed.n_done == 4 and differences(expected, resumed) == []
    without = Run(bramble.train(4, *options, out="without.h5"))
    assert "fc1.weight" in differences(expected, without)


def flat(weights):
    return np.concatenate([w.ravel() for name, w in sorted(weights.items())]).astype(float)


def test_noise(bramble, pictures):
    """What comes to the mean of m updates is normal, with deviation S C / m, and a function of seed and round alone."""
    start, _, w = write_model(bramble.folder, SMALL)
    options = ["--data", pictures, *start, "--batch", 8, "--limit-train", 96, "--threads", 1, "--participation", 0.7, "--clip-update", 0.3]
    deviation = 0.3 * 1.5 / 2
    clean = Run(bramble.train(4, *options, "--rounds", 1, "--lr", 0.02, out="clean.h5"))
    noisy = flat(Run(bramble.train(4, *options, "--rounds", 1, "--lr", 0.02, "--noise", 1.5, out="noisy.h5")).weights)
    z = (noisy - flat(clean.weights)) / deviation
    n = len(z)
    assert abs(z.mean()) < 5 / np.sqrt(n) and abs(z.std() - 1) < 5 / np.sqrt(2 * n) and abs((z ** 4).mean() - 3) < 5 * np.sqrt(96 / n)
    assert abs(np.corrcoef(z[1:], z[:-1])[0, 1]) < 5 / np.sqrt(n)
    assert np.mean(np.abs(z) > 2) == pytest.approx(0.0455, abs=5 * np.sqrt(0.0455 / n))
    still = [*options, "--noise", 1.5, "--lr", 1e-30]  # only the noise moves
    once = Run(bramble.train(4, *still, "--rounds", 1, "--average", "slices", out="once.h5"))
    expected = Run(bramble.train(4, *still, "--rounds", 3, "--checkpoint", "c.h5", "--checkpoint-every", 1, out="noise.h5"))
    other = Run(bramble.train(4, *still, "--rounds", 1, "--seed", 2, out="other.h5"))
    resumed = Run(bramble.train(4, "--resume", "c.h5.previous", "--checkpoint", "d.h5", out="resumed.h5"))
    assert resumed.n_done == 3 and differences(expected, resumed) == []
    first, rest, others = (flat(run) - flat(before) for run, before in
                           ((once.weights, w), (expected.weights, once.weights), (other.weights, w)))
    assert np.abs(first / deviation - z).max() < 1e-4, "the same numbers, whatever was trained"
    assert rest.std() == pytest.approx(np.sqrt(2) * deviation, rel=0.05)
    assert max(abs(np.corrcoef(first, them)[0, 1]) for them in (rest, others)) < 5 / np.sqrt(n)


def test_noise_needs_no_statistics(bramble, pictures):
    done = bramble(4, "train", "--data", pictures, *write_model(bramble.folder, NORMS)[0], "--clip-update", 1, "--noise", 1)
    assert done.returncode == 2 and "--noise: model small has batchnorm" in done.stderr and done.stderr.count("bramble:") == 1


def test_local_goes_on(bramble, pictures):
    """Each worker's batch norm is in the checkpoint, its scale and shift as well: n numbers of each; a run that went on
    is the run that never stopped, also where one has had no part in a round or its weights are lost."""
    options = ["--data", pictures, *write_model(bramble.folder, NORMS)[0], "--batch", 8, "--limit-train", 96, "--threads", 1,
               "--rounds", 4, "--partition", "classes:3", "--participation", 0.7, "--lr", 0.05, "--on-nan", "skip"]
    env = {"BRAMBLE_TEST_FAULT": "nan:1:0:0"}
    expected = Run(bramble.train(4, *options, "--local-statistics", "--checkpoint", "c.h5", "--checkpoint-every", 2, out="whole.h5", env=env))
    resumed = Run(bramble.train(4, "--resume", "c.h5.previous", "--checkpoint", "d.h5", out="resumed.h5"))
    assert resumed.n_done == 4 and differences(expected, resumed) == []
    with h5py.File(bramble.folder / "c.h5") as file:
        local = file["checkpoint/local"][()]
    assert local.shape == (3, 4 * 6 + 3 * 6) and len(np.unique(local, axis=0)) == 3
    without = Run(bramble.train(4, *options, out="without.h5", env=env))
    assert "conv1.weight" in differences(expected, without), "own norms are trained with"


@pytest.mark.parametrize("rule", ["even", "dirichlet:0.3", "classes:2"])
def test_who_has_what(bramble, pictures, rule):
    """The file, the report and `data partition` tell the same, and it is what the workers have seen."""
    options = ["--data", pictures, *write_model(bramble.folder, LINEAR)[0], "--rounds", 1, "--threads", 1, "--partition", rule]
    run = Run(bramble.train(4, *options, "--seed", 5, out="run.h5"))
    labels = run["shards/labels"]
    assert (labels[0] == 0).all() and (labels.sum(axis=1) == run["rounds/ranks/images"][0]).all()
    told = bramble(1, "data", "partition", "--workers", 3, "--partition", rule, "--seed", 5, "--json", pictures)
    assert json.loads(told.stdout)["labels"] == labels[1:].tolist()
    rows = json.loads(bramble(1, "report", "--labels", "--format", "json", "run.h5").stdout)
    assert [row["images"] for row in rows] == labels[1:].ravel().tolist()
    drawn = bramble(1, "report", "--labels", "run.h5").stdout.splitlines()
    counted = [[int(word.strip(".+#")) for word in line.split()[2:]] for line in drawn[1:]]
    assert [line[1:] for line in counted] == labels[1:].tolist() and [line[0] for line in counted] == labels[1:].sum(axis=1).tolist()
