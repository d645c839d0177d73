"""bramble export and import of ONNX: there and back to the bit, others' graphs as model files, onnxruntime's numbers."""
import os
import re
import shutil
import subprocess
import sys

import datasets
import numpy as np
import pytest
from conftest import BUILD, ROOT, WAIT_S
from exchanged import EVERY_MODEL, anybodys, describes, good, same_bits, train_small, weights_of

PICTURES = 1000
TOLERANCE = 1e-5  # of the largest logit


def refused(done, *words):
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    run = train_small(folder, "0.5/0.25")
    good(run(1, "export", "run.h5", "run.onnx"))
    (folder / "other.onnx").write_bytes(anybodys(folder / "run.onnx"))
    return folder


@pytest.fixture
def here(small, bramble):
    shutil.copytree(small, bramble.folder, dirs_exist_ok=True)
    return bramble


def test_there_and_back(here):
    """Our own file holds the model file, too, with what a graph has no words for."""
    good(here(1, "import", "run.onnx", "again.h5"))
    same_bits(weights_of(here.folder / "again.h5"), weights_of(here.folder / "run.h5"))
    assert describes(here.folder / "again.h5") == describes(here.folder / "run.h5")
    assert not (here.folder / "again.ini").exists()
    good(here(1, "export", "again.h5", "again.onnx"))
    assert (here.folder / "again.onnx").read_bytes() == (here.folder / "run.onnx").read_bytes()


def test_a_graph_becomes_a_model_file(here):
    good(here(1, "import", "other.onnx", "new.h5"))
    text, normalise, _ = describes(here.folder / "new.h5")
    assert (here.folder / "new.ini").read_bytes() == text and b"dropout" not in text and b"kind = gelu" in text
    assert normalise == b"0.5/0.25"
    same_bits(weights_of(here.folder / "new.h5"), weights_of(here.folder / "run.h5"))
    lines = [good(here(1, "test", path, "--data", "data.npz")).stdout.replace(path, "") for path in ("run.h5", "new.h5")]
    assert lines[0] == lines[1]
    here.train(1, "--model", "./new.ini", "--data", "data.npz", "--rounds", 1, "--batch", 4, "--init", "new.h5", "--threads", 1, out="on.h5")


def test_a_graph_fits_into_a_model_that_is_there(here):
    good(here(1, "import", "other.onnx", "new.h5", "--model", "run.h5"))
    assert not (here.folder / "new.ini").exists()
    same_bits(weights_of(here.folder / "new.h5"), weights_of(here.folder / "run.h5"))
    assert describes(here.folder / "new.h5") == describes(here.folder / "run.h5")


def test_mistakes(here):
    data = (here.folder / "other.onnx").read_bytes()
    (here.folder / "strange.onnx").write_bytes(data.replace(b"\x04Conv", b"\x04Fold"))
    (here.folder / "cut.onnx").write_bytes(data[:-100])
    (here.folder / "text.onnx").write_text("[model]\n")
    (here.folder / "npz.onnx").write_bytes((here.folder / "data.npz").read_bytes())
    (here.folder / "taken.ini").write_text("mine")
    before = sorted(path.name for path in here.folder.iterdir())
    refused(here(1, "import", "strange.onnx", "out.h5"), "strange.onnx: node conv1: the operator Fold")
    refused(here(1, "import", "cut.onnx", "out.h5"), "cut.onnx", "damaged")
    refused(here(1, "import", "text.onnx", "out.h5"), "text.onnx")
    refused(here(1, "import", "npz.onnx", "out.h5"), "npz.onnx", "not what its name says")
    refused(here(1, "import", "other.onnx", "taken.h5"), "taken.ini: exists", "--force")
    refused(here(1, "export", "run.h5", "run.onnx"), "run.onnx: exists", "--force")
    assert sorted(path.name for path in here.folder.iterdir()) == before
    assert (here.folder / "taken.ini").read_text() == "mine"


# ---- onnxruntime -------------------------------------------------------------------------------------------------

RUN = """
import sys
import numpy as np
import onnx, onnxruntime
path, images, out = sys.argv[1:]
model = onnx.load(path)
onnx.checker.check_model(model, full_check=True)
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
shape = session.get_inputs()[0].shape
assert shape[0] == "N" and session.get_outputs()[0].name == "logits" and session.get_inputs()[0].name == "input"
about = session.get_modelmeta().custom_metadata_map
assert {"model", "normalise", "class_names", "input", "program"} <= set(about)
pixels = np.fromfile(images, np.uint8).reshape(-1, *shape[1:]).astype(np.float32)
session.run(["logits"], {"input": pixels})[0].tofile(out)
"""


@pytest.fixture(scope="module")
def packages():
    """A folder with the packages onnx and onnxruntime, put there once where they can be had."""
    folder = BUILD / "python-onnx"
    if not (folder / "onnxruntime").is_dir():
        done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--retries", "0", "--timeout", "20",
                               "--target", folder, "onnx", "onnxruntime"], text=True, capture_output=True, timeout=WAIT_S)
        if done.returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            pytest.skip(f"the packages onnx and onnxruntime cannot be installed: {(done.stderr.splitlines() or ['no word'])[-1]}")
    return dict(os.environ, PYTHONPATH=str(folder))


def run_page(folder, packages, shape):
    """The page's own lines, where the images have the shape that they speak of."""
    lines = re.search(r"^```python\n([^`]*import onnxruntime\n.*?)^```$", (ROOT / "docs/exchange.md").read_text(), re.M | re.S)[1]
    if str(shape)[1:-1] in lines:
        done = subprocess.run([sys.executable, "-c", lines], cwd=folder, env=packages, check=True, text=True, stdout=subprocess.PIPE,
                              timeout=WAIT_S)
        assert done.stdout.count("'") == 4, done.stdout  # names of two classes


def pictures(channels, height, width):
    """Half of them noise, half with something in them: light from one corner to the other, and a spot."""
    random = np.random.default_rng(5)
    y, x = np.mgrid[0:1:height * 1j, 0:1:width * 1j]
    slope, spot = random.uniform(-200, 200, (PICTURES, channels, 2, 1, 1)), random.uniform(0, 1, (PICTURES, channels, 3, 1, 1))
    made = 128 + slope[:, :, 0] * (x - 0.5) + slope[:, :, 1] * (y - 0.5)
    made += 200 * (spot[:, :, 2] - 0.5) * (np.hypot(x - spot[:, :, 0], y - spot[:, :, 1]) < 0.3)
    made[::2] = random.uniform(0, 256, made[::2].shape)
    return made.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("model", EVERY_MODEL)
def test_onnxruntime_gives_the_same(bramble, packages, model):
    data = "synthetic:40"
    if model == "fashion":
        data = "grey.npz"
        images, labels = datasets.some(50, 28, 28, classes=10)
        np.savez(bramble.folder / data, images=images, labels=labels)
    bramble.train(1, "--model", model, "--data", data, "--rounds", 1, "--batch", 10, "--limit-test", 1, "--reestimate", 0,
                  "--normalise", "measured", out="run.h5")
    good(bramble(1, "export", "run.h5", "run.onnx"))
    shape = (1, 28, 28) if model == "fashion" else (3, 32, 32)
    pictures(*shape).tofile(bramble.folder / "images")
    run_page(bramble.folder, packages, shape)
    subprocess.run([sys.executable, "-c", RUN, "run.onnx", "images", "theirs"], cwd=bramble.folder, env=packages, check=True, timeout=WAIT_S)
    ours = subprocess.run([BUILD / "tests/logits_driver", "run.h5", "images", str(PICTURES)], cwd=bramble.folder, check=True,
                          stdout=subprocess.PIPE, timeout=WAIT_S).stdout
    ours, theirs = np.frombuffer(ours, "f4").reshape(PICTURES, -1), np.fromfile(bramble.folder / "theirs", "f4").reshape(PICTURES, -1)
    assert ours.shape == theirs.shape == (PICTURES, 10) and np.ptp(ours) > 0
    assert np.abs(ours - theirs).max() <= TOLERANCE * np.abs(ours).max()
