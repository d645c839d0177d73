"""bramble export and import: bit for bit there and back, read by others' packages, refused where it does not fit."""
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import datasets
import h5py
import numpy as np
import pytest
from conftest import BRAMBLE, BUILD, ROOT, WAIT_S
from exchanged import EVERY_MODEL, anybodys, describes, good, same_bits, train_small, weights_of
from state_files import pack_safetensors, read_safetensors

FORMATS = ["safetensors", "npz", "h5"]
SHAPES = {"conv1.weight": (2, 1, 3, 3), "conv1.bias": (2,), "norm1.weight": (2,), "norm1.bias": (2,),
          "norm1.running_mean": (2,), "norm1.running_var": (2,), "norm1.num_batches_tracked": (), "fc.weight": (3, 24),
          "fc.bias": (3,)}
COUNTER = "norm1.num_batches_tracked"


def state_of(path):
    """What a file that was written holds, by somebody else's reader, and what is said beside it."""
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as file:
            assert file.testzip() is None
            about = json.loads(file.comment)
        return dict(np.load(path)), about
    with h5py.File(path) as file:
        return {name: values[()] for name, values in file.items()}, {name: text.decode() for name, text in file.attrs.items()}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A trained model with a batch norm, and the images it was trained on."""
    folder = tmp_path_factory.mktemp("small")
    run = train_small(folder, "0.4/0.2")
    for suffix in FORMATS:
        good(run(1, "export", "run.h5", f"state.{suffix}"))
    write_state(folder / "x.npz", some_state())
    good(run(1, "import", "x.npz", "other.h5", "--model", "small.ini"))
    return folder


@pytest.fixture
def here(small, bramble):
    """A folder of the test's own with these."""
    shutil.copytree(small, bramble.folder, dirs_exist_ok=True)
    return bramble


@pytest.mark.parametrize("model", EVERY_MODEL)
def test_there_and_back(bramble, model):
    data = "synthetic:10"
    if model == "fashion":
        data = "grey.npz"
        images, labels = datasets.some(20, 28, 28, classes=10)
        np.savez(bramble.folder / data, images=images, labels=labels)
    run = bramble.train(1, "--model", model, "--data", data, "--rounds", 1, "--batch", 10, "--limit-test", 1, "--reestimate", 0,
                        out="run.h5")
    weights = weights_of(run)
    for suffix in FORMATS:
        good(bramble(1, "export", run, f"state.{suffix}"))
        state, about = state_of(bramble.folder / f"state.{suffix}")
        counters = {name: values for name, values in state.items() if values.dtype == "int64"}
        same_bits(weights, {name: values for name, values in state.items() if name not in counters})
        assert set(counters) == {re.sub(r"running_var$", "num_batches_tracked", name) for name in weights if "running_var" in name}
        assert all(values == 0 and values.shape == () for values in counters.values())
        text, normalise, classes = describes(run)
        assert (about["model"].encode(), about["normalise"].encode()) == (text, normalise)
        assert [name.encode() for name in json.loads(about["class_names"])] == classes
        good(bramble(1, "import", f"state.{suffix}", f"{suffix}.h5"))
        same_bits(weights, weights_of(bramble.folder / f"{suffix}.h5"))
        assert describes(bramble.folder / f"{suffix}.h5") == describes(run)
        with h5py.File(bramble.folder / f"{suffix}.h5") as file:
            assert file["config"].attrs["imported"].decode() == f"state.{suffix}"


def test_the_same_model_gives_the_same_file(here):
    for suffix in FORMATS:
        good(here(1, "import", f"state.{suffix}", "again.h5", "--force"))
        good(here(1, "export", "again.h5", f"b.{suffix}"))
        assert (here.folder / f"state.{suffix}").read_bytes() == (here.folder / f"b.{suffix}").read_bytes()


def test_what_is_imported_is_a_result_file(here):
    good(here(1, "import", "state.npz", "again.h5"))
    tests = [json.loads(good(here(1, "test", path, "--data", "data.npz", "--json")).stdout) for path in ("run.h5", "again.h5")]
    assert {**tests[0], "file": ""} == {**tests[1], "file": ""}
    told = json.loads(here(1, "info", "--json", "again.h5").stdout)
    assert told["config"]["imported"] == "state.npz" and told["rounds_done"] == 0 and told["complete"]
    runs = [here.train(1, "--model", "small.ini", "--data", "data.npz", "--rounds", 1, "--batch", 4, "--init", path, "--threads", 1,
                       *more, out=f"on-{path}") for path, *more in (["run.h5"], ["again.h5"], ["state.h5", "--normalise", "0.4/0.2"])]
    for run in runs[1:]:
        same_bits(weights_of(runs[0]), weights_of(run))
        assert describes(runs[0]) == describes(run)
    for command in ("report", "watch"):
        done = here(1, command, "again.h5")
        assert done.returncode == 2 and "imported" in done.stderr and done.stderr.count("\n") == 1
    done = here(1, "report", "again.h5", "run.h5")
    assert done.returncode == 0 and "again.h5: left out: it was imported" in done.stderr and "nan" not in done.stdout.split("\n")[0]



# ---- others' files -----------------------------------------------------------------------------------------------


def some_state(kind="f4", seed=1):
    random = np.random.default_rng(seed)
    state = {name: (random.standard_normal(shape) * 3).astype(kind) for name, shape in SHAPES.items()}
    return {**state, COUNTER: np.array(17)}


def write_state(path, state, types=None):
    if path.suffix == ".safetensors":
        path.write_bytes(pack_safetensors(state, types=types))
    elif path.suffix == ".npz":
        np.savez_compressed(path, **state)
    else:
        with h5py.File(path, "w") as file:
            for name, values in state.items():
                file.create_dataset(name, data=values)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_numbers_of_other_sizes(here, suffix, kind):
    state = some_state(kind)
    write_state(here.folder / f"x.{suffix}", state)
    good(here(1, "import", f"x.{suffix}", "x-result.h5", "--model", "small.ini"))
    del state[COUNTER]
    same_bits({name: values.astype("f4") for name, values in state.items()}, weights_of(here.folder / "x-result.h5"))


def test_bfloat16(here):
    state = some_state()
    floats = [name for name in state if name != COUNTER]
    cut = {name: (state[name].view("<u4") >> 16).astype("<u2") for name in floats}
    write_state(here.folder / "x.safetensors", {**state, **cut}, dict.fromkeys(floats, "BF16"))
    good(here(1, "import", "x.safetensors", "x.h5", "--model", "small.ini"))
    same_bits({name: (cut[name].astype("<u4") << 16).view("<f4") for name in floats}, weights_of(here.folder / "x.h5"))


def test_what_belongs_to_a_model_that_comes_alone(here):
    """A model file gives the net alone, a result file classes and normalisation, too."""
    write_state(here.folder / "x.npz", some_state())
    good(here(1, "import", "x.npz", "a.h5", "--model", "small.ini", "--normalise", "0.5/0.25"))
    good(here(1, "import", "x.npz", "b.h5", "--model", "run.h5"))
    good(here(1, "import", "x.npz", "c.h5", "--model", "small.ini"))
    said = [describes(here.folder / name) for name in ("a.h5", "b.h5", "c.h5")]
    assert [normalise for _, normalise, _ in said] == [b"0.5/0.25", describes(here.folder / "run.h5")[1], b"half"]
    assert said[0][2] == [b"class 0", b"class 1", b"class 2"] and said[1] == describes(here.folder / "run.h5")


# ---- mistakes ----------------------------------------------------------------------------------------------------


def without(state, name):
    return {key: values for key, values in state.items() if key != name}


# What is put into bad.npz, or NULL; the line; what it says.
MISTAKES = {
    "missing": (without(some_state(), "fc.bias"), "import bad.npz out.h5 --model small.ini", ["bad.npz", "no fc.bias"]),
    "more": ({**some_state(), "fc2.bias": np.zeros(3, "f4")}, "import bad.npz out.h5 --model small.ini", ["bad.npz", "has fc2.bias"]),
    "turned": ({**some_state(), "fc.weight": np.zeros((24, 3), "f4")}, "import bad.npz out.h5 --model small.ini",
               ["fc.weight", "24 x 3", "3 x 24"]),
    "type": ({**some_state(), "fc.bias": np.zeros(3, "i4")}, "import bad.npz out.h5 --model small.ini", ["fc.bias", "<i4"]),
    "infinite": ({**some_state(), "fc.bias": np.full(3, 1e300)}, "import bad.npz out.h5 --model small.ini", ["fc.bias", "infinite"]),
    "no model": (some_state(), "import bad.npz out.h5", ["bad.npz", "--model"]),
    "normalise": (None, "import state.npz out.h5 --normalise half", ["--normalise half", "0.4"]),
    "normalise of two": (None, "import state.npz out.h5 --model other.h5", ["state.npz", "0.4", "other.h5", "half"]),
    "channels": (some_state(), "import bad.npz out.h5 --model small.ini --normalise 0.5,0.5/1,1", ["0.5,0.5/1,1", "1"]),
    "measured": (some_state(), "import bad.npz out.h5 --model small.ini --normalise measured", ["measured"]),
    "there": (None, "import state.npz run.h5", ["run.h5: exists", "--force"]),
    "itself": (None, "import run.h5 run.h5 --force", ["run.h5"]),
    "export there": (None, "export run.h5 state.npz", ["state.npz: exists", "--force"]),
    "export itself": (None, "export run.h5 ./run.h5 --force", ["run.h5", "another name"]),
    "suffix": (None, "export run.h5 run.pt", ["run.pt", ".safetensors, .npz"]),
    "no result": (None, "export state.npz out.npz", ["state.npz", "no HDF5 file"]),
    "folder": (None, "export run.h5 nowhere/out.npz", ["nowhere/out.npz", "no such folder"]),
    "one": (None, "export run.h5", ["expected RESULT.h5"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(here, name):
    state, line, says = MISTAKES[name]
    if state:
        np.savez(here.folder / "bad.npz", **state)
    before = {path.name: path.read_bytes() for path in here.folder.iterdir()}
    done = here(1, *line.split())
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1 and done.stderr.startswith("bramble: ")
    assert all(word in done.stderr for word in says)
    assert {path.name: path.read_bytes() for path in here.folder.iterdir()} == before


def test_pickles_are_refused(here):
    import pickle
    with zipfile.ZipFile(here.folder / "new.pt", "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({"a": 1}))
    (here.folder / "old.pth").write_bytes(pickle.dumps(0x1950a86a20f9469cfc6c, protocol=2))
    for name in ("new.pt", "old.pth"):
        done = here(1, "import", name, "out.h5", "--model", "small.ini")
        assert done.returncode == 2 and done.stderr.count("\n") == 1
        assert f'safetensors.torch.save_file(torch.load("{name}", weights_only=True), "model.safetensors")' in done.stderr


def test_no_room(bramble):
    """What the disk refuses in the middle leaves nothing behind, and what stood there stands there."""
    bramble.train(1, "--data", "synthetic:10", "--rounds", 1, "--limit-test", 1, out="run.h5")
    good(bramble(1, "export", "run.h5", "run.onnx"))
    (bramble.folder / "other.onnx").write_bytes(anybodys(bramble.folder / "run.onnx"))  # brings a model file of its own
    for name in ("out.npz", "out.h5", "there.ini"):
        (bramble.folder / name).write_text("before")
    before = sorted(path.name for path in bramble.folder.iterdir())
    n_bytes = 4 * 62006 + 500  # of the weights alone, which are read
    for line in ("export run.h5 out.safetensors", "export run.h5 out.npz", "export run.h5 out.h5", "export run.h5 out.onnx",
                 "import run.h5 out.h5", "import other.onnx new.h5", "import other.onnx there.h5"):
        done = bramble.run(bramble.command(1, *line.split(), "--force", below=["prlimit", f"--fsize={n_bytes}"]))
        assert done.returncode == 1 and done.stderr.count("\n") == 1 and "cannot be written" in done.stderr, done.stderr
        assert sorted(path.name for path in bramble.folder.iterdir()) == before
        assert {(bramble.folder / name).read_text() for name in ("out.npz", "out.h5", "there.ini")} == {"before"}


# ---- the packages of others, and the page ------------------------------------------------------------------------


def environment(folder):
    return dict(os.environ, PYTHONPATH=str(folder), PATH=f"{BRAMBLE.parent}:{os.environ['PATH']}")


@pytest.fixture(scope="module")
def packages():
    """A folder with the package safetensors, put there once where it can be had."""
    folder = BUILD / "python-packages"
    if not (folder / "safetensors").is_dir():
        done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--retries", "0",
                               "--timeout", "20", "--target", folder, "safetensors"], text=True, capture_output=True, timeout=WAIT_S)
        if done.returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            pytest.skip(f"the package safetensors cannot be installed: {(done.stderr.splitlines() or ['no word'])[-1]}")
    return folder


def test_the_package_reads_and_writes_the_same(here, packages):
    subprocess.run([sys.executable, "-c", "from safetensors import safe_open\nfrom safetensors.numpy import load_file, save_file\n"
                    "with safe_open('state.safetensors', 'numpy') as file: about = file.metadata()\n"
                    "save_file(load_file('state.safetensors'), 'theirs.safetensors', metadata=about)"],
                   cwd=here.folder, env=environment(packages), check=True, timeout=WAIT_S)
    same_bits(read_safetensors(here.folder / "theirs.safetensors")[0], read_safetensors(here.folder / "state.safetensors")[0])
    good(here(1, "import", "theirs.safetensors", "again.h5"))
    same_bits(weights_of(here.folder / "run.h5"), weights_of(here.folder / "again.h5"))
    assert describes(here.folder / "run.h5") == describes(here.folder / "again.h5")


BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$", (ROOT / "docs/exchange.md").read_text(), re.M | re.S)
BLOCKS = [block for block in BLOCKS if "import onnxruntime" not in block[1]]  # test_onnx.py runs it
NET = """import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)
"""


def follow(bramble, blocks, packages):
    """The page's blocks one after the other, beside a run of the paper's net."""
    (bramble.folder / "bramble").symlink_to(BRAMBLE)
    bramble.train(1, "--data", "synthetic:10", "--rounds", 1, "--limit-test", 1, out="run.h5")
    for kind, text in blocks:
        if kind == "sh":
            text = "set -e\n" + re.sub(r"^(\./bramble \w+ [^#\n]*?)( +#.*)?$", r"\1 --force", text, flags=re.M)
        line = ["bash", "-c", text] if kind == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(line, cwd=bramble.folder, env=environment(packages), text=True, capture_output=True, timeout=WAIT_S)
        assert done.returncode == 0, f"{text}{done.stdout}{done.stderr}"


def test_the_page_without_pytorch(bramble):
    blocks = [block for block in BLOCKS if "torch" not in block[1] and "tuned" not in block[1] or block[1].startswith("./bramble export")]
    assert len(blocks) >= 3
    follow(bramble, blocks, "")
    changed, weights = weights_of(bramble.folder / "changed.h5"), weights_of(bramble.folder / "run.h5")
    assert changed.pop("fc3.bias").tobytes() != weights.pop("fc3.bias").tobytes()
    same_bits(changed, weights)


@pytest.mark.long
def test_the_page_with_pytorch(bramble, packages):
    """PyTorch's load_state_dict takes what was exported, and what it gives comes back, without one renaming."""
    if subprocess.run([sys.executable, "-c", "import torch"], capture_output=True).returncode != 0:
        pytest.skip("PyTorch is not installed")
    (bramble.folder / "net.py").write_text(NET)
    subprocess.run([sys.executable, "-c", "import torch, net; torch.save(net.Net().state_dict(), 'model.pt')"], cwd=bramble.folder, check=True)
    follow(bramble, BLOCKS, packages)
    same_bits(weights_of(bramble.folder / "tuned.h5"), weights_of(bramble.folder / "run.h5"))
    good(bramble(1, "import", "model.safetensors", "model.h5", "--model", "paper"))
