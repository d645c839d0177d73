"""Ten rounds of server optimizers and robust aggregates beside Flower's own strategies, where flwr is installed.

python3 -m venv build/flower && build/flower/bin/pip install flwr==1.42.0; or BRAMBLE_TEST_FLOWER names a Python that has it.
"""
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, WAIT_S
from numpy_net import Recipe, read_images, train
from runs import SMALL, Run, largest_error, write_model

PYTHON = Path(os.environ.get("BRAMBLE_TEST_FLOWER") or ROOT / "build/flower/bin/python")
SHARDS = [33, 21, 12, 40, 28]
COMMON = {"batch": 8, "rounds": 10, "lr": 0.02}
# Flower's strategy and what it is told, and what our options call the same; momentum begins alike in both
CASES = {
    "momentum": ("FedAvgM", {"server_learning_rate": 0.8, "server_momentum": 0.7}, {"server_lr": 0.8, "server_momentum": 0.7}),
    "adam": ("FedAdam", {"eta": 0.01}, {"server_lr": 0.01}),
    "yogi": ("FedYogi", {"eta": 0.01, "beta_2": 0.9}, {"server_lr": 0.01, "server_beta2": 0.9}),
    "adagrad": ("FedAdagrad", {"eta": 0.01}, {"server_lr": 0.01}),
    "median": ("FedMedian", {}, {}),
    "trimmed:1": ("FedTrimmedAvg", {"beta": 0.2}, {}),
    "krum:1": ("Krum", {"num_malicious_nodes": 1}, {}),
}


def recipe_of(case):
    kind = "server_optimizer" if CASES[case][2] else "aggregate"
    return {**COMMON, kind: case, **CASES[case][2]}


@pytest.fixture(scope="module")
def flower(tmp_path_factory, pictures):
    """The weights that Flower's strategies come to, by case; one process for all."""
    if subprocess.run([PYTHON, "-c", "import flwr"], capture_output=True).returncode != 0 if PYTHON.exists() else True:
        pytest.skip(f"no flwr for {PYTHON}: {__doc__.splitlines()[2]}")
    folder = tmp_path_factory.mktemp("flower")
    _, net, w = write_model(folder, SMALL)
    np.savez(folder / "first.npz", **w)
    (folder / "images").symlink_to(pictures)
    (folder / "cases.json").write_text(json.dumps([[case, *CASES[case][:2], recipe_of(case), SHARDS] for case in CASES]))
    done = subprocess.run([PYTHON, ROOT / "tests/system/flower.py", folder], capture_output=True, text=True, timeout=WAIT_S,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0, done.stderr
    return {case: dict(np.load(folder / f"{case}.npz")) for case in CASES}


@pytest.mark.parametrize("case", CASES)
def test_ten_rounds(bramble, pictures, flower, case):
    start, net, w = write_model(bramble.folder, SMALL)
    run = Run(bramble.train(6, "--data", pictures, *start, "--shards", ",".join(map(str, SHARDS)), "--threads", 1,
                            *Recipe(**recipe_of(case)).arguments()))
    error, where = largest_error(run.weights, flower[case])
    assert error < 1e-3, where
    plain = train(net, w, *read_images(pictures), SHARDS, Recipe(**COMMON))
    assert largest_error(flower[case], plain.rounds[-1])[0] > 5e-3, "the case would not tell"
