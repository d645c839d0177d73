"""What a model file may say, seen from outside: layers that are frozen, filters made of images, `bramble info --model`."""
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from numpy.lib.stride_tricks import sliding_window_view
from numpy_net import read_images
from runs import HEAD, Run

sys.path.insert(0, str(ROOT / "python"))
import bramble as package  # noqa: E402

MODELS = sorted(path.stem for path in (ROOT / "models").glob("*.ini"))
WHITENING = HEAD + """
[white]
kind = conv
filters = 24
kernel = 2
init = whitening
trained = 1
[relu]
kind = relu
[pool]
kind = maxpool
window = 4
[still]
kind = dense
units = 12
trained = no
[fc]
kind = dense
units = 10
lr = 0.5
"""


def whitened(folder):
    """The definition, with numpy's eigenvectors; their signs are free."""
    x = read_images(folder)[0]
    patches = sliding_window_view(x, (2, 2), axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5).reshape(-1, 12)
    values, vectors = np.linalg.eigh(patches.T @ patches / len(patches))
    return (vectors / np.sqrt(values + 5e-4)).T[::-1]


def test_filters_that_whiten(bramble, pictures, tmp_path):
    """The same wherever they are made; they stay, while their biases are trained for an epoch, and others as they should."""
    (tmp_path / "net.ini").write_text(WHITENING)
    options = ["--data", pictures, "--model", "./net.ini", "--batch", 50, "--seed", 3]
    first = Run(bramble.train(1, *options, "--rounds", 1, "--lr", 0, out="first.h5")).weights
    one = Run(bramble.train(1, *options, "--rounds", 1, "--lr", 0.05, out="one.h5")).weights
    two = Run(bramble.train(1, *options, "--rounds", 2, "--lr", 0.05, out="two.h5")).weights
    shared = Run(bramble.train(3, *options, "--rounds", 1, "--lr", 0.05, out="shared.h5")).weights
    w, want = first["white.weight"].reshape(24, 12), whitened(pictures)
    assert np.array_equal(w[:12], -w[12:])
    for k in range(12):
        assert min(abs(w[k] - want[k]).max(), abs(w[k] + want[k]).max()) < 1e-3 * abs(want[k]).max()
    for later in (one, two):
        for name in ("white.weight", "still.weight", "still.bias"):
            assert np.array_equal(later[name], first[name])
        assert all(not np.array_equal(later[name], first[name]) for name in ("white.bias", "fc.weight", "fc.bias"))
    assert np.array_equal(one["white.bias"], two["white.bias"]) and not np.array_equal(one["fc.bias"], two["fc.bias"])
    # equal weights of two workers meet as multiples of 2^-40
    assert abs(shared["white.weight"] - first["white.weight"]).max() < 1e-6


def test_the_algorithm_of_each_layer(bramble, tmp_path):
    """As the model file says, or the shape; in the result file, and what readers show of it."""
    (tmp_path / "net.ini").write_text(HEAD + "[a]\nkind = conv\nfilters = 16\nkernel = 3\npadding = 1\nalgorithm = f2\n"
                                      "[b]\nkind = conv\nfilters = 16\nkernel = 3\n[c]\nkind = conv\nfilters = 16\nkernel = 5\n"
                                      "[d]\nkind = conv\nfilters = 4\nkernel = 5\n[e]\nkind = conv\nfilters = 4\nkernel = 3\n"
                                      "[pool]\nkind = maxpool\nwindow = 4\n[fc]\nkind = dense\nunits = 10\n")
    path = bramble.train(1, "--data", "synthetic:60", "--model", "./net.ini", "--limit-train", 30, "--limit-test", 10, "--rounds", 1)
    want = {"a.weight": "f2", "b.weight": "f4", "c.weight": "f2", "d.weight": "direct", "e.weight": "direct"}
    assert package.read_run(path).algorithms == want
    assert json.loads(bramble(1, "info", path, "--json").stdout)["algorithms"] == want


# weights, statistics, millions of multiplications of a forward pass: as their authors, and PyTorch, count them
SIZES = {"paper": (62006, 0, 0.652), "vgg-small": (234986, 0, None), "resnet8": (78186, 480, 12.50),
         "tiny": (98906, 864, 32.42), "resnet20": (269722, 1376, 40.6), "airbench94": (1971640, 2304, 118.15)}


def of_model(bramble, *args):
    done = bramble(1, "info", "--model", *args)
    assert done.returncode == 0 and not done.stderr
    return done.stdout


@pytest.mark.parametrize("name", MODELS)
def test_what_is_told_of_a_model(bramble, name):
    told, dot = json.loads(of_model(bramble, ROOT / f"models/{name}.ini", "--json")), \
        of_model(bramble, ROOT / f"models/{name}.ini", "--dot")
    sections = [line[1:line.index("]")] for line in (ROOT / f"models/{name}.ini").read_text().splitlines() if line[:1] == "["]
    assert list(told["layers"]) == sections[1:] and told["model"] == name
    assert told["weights"] == sum(layer["weights"] for layer in told["layers"].values())
    assert dot.count("label=") == len(sections) + 1 and dot.count(" -> ") == sum(
        len(layer["input"]) for layer in told["layers"].values())


@pytest.mark.parametrize("name", SIZES)
def test_sizes(bramble, name):
    told, (weights, statistics, products) = json.loads(of_model(bramble, name, "--json")), SIZES[name]
    assert (told["weights"], told["statistics"]) == (weights, statistics)
    assert products is None or abs(told["flops_forward"] / 2e6 / products - 1) < 2e-3


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
@pytest.mark.parametrize("name", MODELS)
def test_the_picture_of_a_model(bramble, name):
    dot = of_model(bramble, ROOT / f"models/{name}.ini", "--dot")
    drawn = subprocess.run(["dot", "-Tsvg"], input=dot, text=True, capture_output=True, timeout=60, check=False)
    assert drawn.returncode == 0 and not drawn.stderr and "</svg>" in drawn.stdout
    assert drawn.stdout.count('class="edge"') == dot.count(" -> ")


@pytest.mark.parametrize("args, says", [
    (["--dot"], "--dot goes with --model"), (["--model", "paper", "--dot", "--json"], "without --json"),
    (["--model", "paper", "x.h5"], "--model paper: a result file is named, too"),
    (["--model", "./none.ini"], "./none.ini: cannot be opened"), (["--model", "none"], "there is no models/none.ini")])
def test_wrong_questions(bramble, args, says):
    done = bramble(1, "info", *args)
    assert done.returncode == 2 and done.stdout == "" and says in done.stderr and done.stderr.count("\n") == 1
