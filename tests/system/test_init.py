"""Where a run starts and where its results go: --init, --out, --force."""
import re
import subprocess
from datetime import datetime, timedelta, timezone

import h5py
import numpy as np
import pytest
from conftest import WAIT_S
from runs import PAPER, Net, Run, differences, random_weights, write_weights

STILL = ["--limit-train", 8, "--rounds", 1, "--lr", 0, "--threads", 1]  # a run that leaves the weights as they are


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_going_on_from_an_earlier_run(bramble, pictures):
    """Two rounds and two more are four, to the last bit."""
    options = ["--data", pictures, "--limit-train", 101, "--batch", 16, "--lr", 0.02, "--order", "sequential"]
    whole = Run(bramble.train(3, *options, "--rounds", 4, out="whole.h5"))
    first = Run(bramble.train(3, *options, "--rounds", 2, out="first.h5"))
    second = Run(bramble.train(3, *options, "--rounds", 2, "--init", "first.h5", out="second.h5"))
    assert same(second.weights, whole.weights) and not same(second.weights, first.weights)
    assert np.array_equal(np.concatenate([first["rounds/loss"], second["rounds/loss"]]), whole["rounds/loss"])


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("group, option", [("/", "w.h5"), ("/", "w.h5:/"), ("/epoch 5/best", "w.h5:/epoch 5/best"),
                                           ("/model", "w.h5"), ("/model", "w.h5:/model")])
def test_file_and_group(bramble, pictures, tmp_path, ranks, group, option):
    w = random_weights(Net(PAPER), seed=11)
    if group == "/model":  # goes before what stands at the root
        write_weights(tmp_path / "w.h5", random_weights(Net(PAPER), seed=12))
    write_weights(tmp_path / "w.h5", w, group)
    run = Run(bramble.train(ranks, "--data", pictures, *STILL, "--init", option))
    if ranks > 2:  # the mean of two equal weights goes through fixed-point numbers, multiples of 2^-40
        assert all(abs(run.weights[name] - w[name]).max() < 2 ** -39 for name in w)
    else:
        assert same(run.weights, w)
    assert run.config["init"].decode() == option


def test_doubles(bramble, pictures, tmp_path):
    """Weights that another program saved as 64-bit numbers."""
    w = random_weights(Net(PAPER), seed=11)
    write_weights(tmp_path / "w.h5", {name: value.astype(float) for name, value in w.items()})
    assert same(Run(bramble.train(1, "--data", pictures, *STILL, "--init", "w.h5")).weights, w)


def test_weights_of_a_group_can_be_tested(bramble, pictures, tmp_path):
    write_weights(tmp_path / "w.h5", random_weights(Net(PAPER)), "/a")
    run = Run(bramble.train(1, "--data", pictures, *STILL, "--init", "w.h5:/a"))
    done = bramble(1, "test", "w.h5:/a", "--model", "paper", "--data", pictures)
    assert done.returncode == 0 and f"{100 * run.summary['accuracy']:.2f} %" in done.stdout


# ---- the result file --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ranks", [1, 3])
def test_existing_file_stays_without_force(bramble, pictures, tmp_path, ranks):
    path = bramble.train(ranks, "--data", pictures, *STILL, "--seed", 1)
    before = path.read_bytes()
    done = bramble(ranks, "train", "--data", pictures, *STILL, "--seed", 2, "--out", path.name)
    assert done.returncode == 2 and "--force" in done.stderr and path.read_bytes() == before
    first = Run(path)
    second = Run(bramble.train(ranks, "--data", pictures, *STILL, "--seed", 2, "--force"))
    assert "fc1.weight" in differences(first, second)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name], "nothing else is left behind"


def test_init_from_the_file_that_is_replaced(bramble, pictures):
    before = Run(bramble.train(2, "--data", pictures, *STILL, "--seed", 5))
    after = Run(bramble.train(2, "--data", pictures, *STILL, "--init", "out.h5", "--force"))
    assert same(before.weights, after.weights) and after.config["init"] == b"out.h5"


def test_default_names_of_one_second(bramble, pictures, tmp_path):
    """Several runs at once, with nothing named: each has a file of its own."""
    line = bramble.command(1, "train", "--quiet", "--data", pictures, *STILL)
    started = [subprocess.Popen(line, cwd=tmp_path, env=bramble.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True) for _ in range(6)]
    said = [one.communicate(timeout=WAIT_S)[0] for one in started]
    assert [one.returncode for one in started] == 6 * [0], said
    names = [entry.name for entry in tmp_path.iterdir()]
    assert len(names) == 6 and all(Run(tmp_path / name).summary["complete"] == 1 for name in names)
    assert sorted(names) == sorted(text.split("results in")[1].strip() for text in said)


def test_default_name(bramble, pictures, tmp_path):
    start = datetime.now(timezone.utc).replace(microsecond=0)
    done = bramble(1, "train", "--data", pictures, *STILL)
    assert done.returncode == 0
    name, = [entry.name for entry in tmp_path.iterdir()]
    date = re.fullmatch(r"bramble-(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)\.h5", name)
    stamp = datetime.strptime(date[1], "%Y-%m-%dT%H-%M-%SZ").replace(tzinfo=timezone.utc)
    assert start <= stamp <= start + timedelta(minutes=2)
    assert name in done.stdout
    with h5py.File(tmp_path / name) as file:
        assert file["summary/complete"][()] == 1
