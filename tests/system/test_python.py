"""The Python package: result files read, nets as PyTorch computes them, state_dicts, and what is no result file."""
import importlib
import inspect
import os
import pkgutil
import re
import shutil
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest
from conftest import ROOT, WAIT_S

sys.path.insert(0, str(ROOT / "python"))
import bramble as package  # noqa: E402
from bramble import net  # noqa: E402

KEPT = ROOT / "results/paper-emulated/table1-3-6-r1.h5"
MODELS = sorted((ROOT / "models").glob("*.ini"))
NETS = [(file, name) for file in ("pytorch_nets", "pytorch_kinds", "pytorch_layers")
        for name in h5py.File(ROOT / f"tests/data/{file}.h5")]
try:
    import torch
except ImportError:
    torch = None
needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed (Debian's python3-torch)")


def text_of(value):
    return value.decode() if isinstance(value, bytes) else value


def random_state(text, seed=1):
    """Weights of a model file's net, drawn; statistics as they may be.  Shapes come of a pass with zeros."""
    draw, graph, state = np.random.default_rng(seed), net.read_graph(text), {}
    shapes = {"image": (1, *graph.input)}
    for layer in graph.layers:
        inputs = [shapes[name] for name in layer.inputs]
        channels = inputs[0][1]
        if layer.kind == "conv":
            k, filters = layer.whole("kernel"), layer.whole("filters")
            own = {"weight": (filters, channels // layer.whole("groups", 1), k, k), "bias": (filters,)}
        elif layer.kind == "dense":
            own = {"weight": (layer.whole("units"), int(np.prod(inputs[0]))), "bias": (layer.whole("units"),)}
        else:
            own = {suffix: (channels,) for suffix in ("weight", "bias", "running_mean", "running_var")}
        mine = {}
        for suffix in sum(layer.weights(), []):
            value = draw.normal(size=own[suffix]).astype(np.float32) / np.sqrt(max(np.prod(own[suffix][1:]), 1))
            mine[suffix] = np.abs(value) + np.float32(0.5) if suffix == "running_var" else value.astype(np.float32)
            state[f"{layer.name}.{suffix}"] = mine[suffix]
        y = net.KINDS[layer.kind](layer, mine, *(np.zeros(shape, np.float32) for shape in inputs))
        shapes[layer.name] = y.shape
    return state


def with_model(path, text, state):
    """A copy of a kept run, with another model."""
    shutil.copy(KEPT, path)
    with h5py.File(path, "r+") as file:
        for name, value in list(file["model"].items()):
            if value.dtype == np.float32 or name == "ini":
                del file[f"model/{name}"]
        file["model/ini"] = text
        for name, value in state.items():
            file[f"model/{name}"] = value
    return path


# ---- what others compute ----------------------------------------------------------------------------------


@pytest.mark.parametrize("file, name", NETS)
def test_forward_is_pytorchs(file, name):
    """Nets of all kinds of layers, with the numbers PyTorch has given for them."""
    with h5py.File(ROOT / f"tests/data/{file}.h5") as all_nets:
        of = all_nets[name]
        weights, expected = ("final", "tested") if "tested" in of else ("w", "logits")
        found = net.logits(net.read_graph(text_of(of.attrs["model"])), {k: v[()] for k, v in of[weights].items()}, of["x"][()])
        assert np.abs(found - of[expected][()]).max() < 1e-5


def test_all_kinds_are_compared():
    kinds = set()
    for file, name in NETS:
        with h5py.File(ROOT / f"tests/data/{file}.h5") as all_nets:
            kinds |= {layer.kind for layer in net.read_graph(text_of(all_nets[name].attrs["model"])).layers}
    registry = (ROOT / "models/README.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)` \| ", registry.split("## Kinds and settings")[1].split("`init` says")[0], re.M))
    assert kinds == set(net.KINDS) == documented - {"same"}


@needs_torch
@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_to_torch(path, tmp_path):
    """The same logits as in numpy, under the same names; what state_dict gives can be loaded."""
    text = path.read_text()
    run = package.read_run(with_model(tmp_path / "run.h5", text, random_state(text)))
    module = package.to_torch(run)
    state = {name: torch.from_numpy(value) for name, value in package.state_dict(run).items()}
    assert list(module.state_dict()) == list(state) and not module.training
    module.load_state_dict(state)
    images = np.random.default_rng(2).integers(0, 256, (3, *net.read_graph(text).input)).astype(np.uint8)
    x = package.normalise(run, images)
    expected = net.logits(net.read_graph(text), run.weights, x)
    with torch.no_grad():
        assert np.abs(module(torch.from_numpy(x)).numpy() - expected).max() < 1e-4 * max(1, np.abs(expected).max())
    module.train()(torch.from_numpy(x)).sum().backward()
    assert all(p.grad is not None for p in module.parameters())


@needs_torch
def test_a_name_that_pytorch_keeps(tmp_path):
    text = "[model]\nname = t\ninput = 3 32 32\nclasses = 10\n[train]\nkind = dense\nunits = 10\n"
    with pytest.raises(package.UnknownLayer, match=r"\[train\]"):
        package.to_torch(with_model(tmp_path / "run.h5", text, random_state(text)))


# ---- weights and images -----------------------------------------------------------------------------------


def test_state_dict_is_pytorchs(tmp_path):
    """Names, shapes and order; num_batches_tracked behind each batch norm's statistics."""
    state = package.state_dict(KEPT)
    assert list(state) == [f"{layer}.{part}" for layer in ("conv1", "conv2", "fc1", "fc2", "fc3") for part in ("weight", "bias")]
    assert state["fc1.weight"].shape == (120, 400) and sum(value.size for value in state.values()) == 62006
    text = (ROOT / "models/resnet8.ini").read_text()
    state = package.state_dict(with_model(tmp_path / "run.h5", text, random_state(text)))
    names = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(state)[2:7] == [f"norm1.{name}" for name in names] and state["norm1.num_batches_tracked"].dtype == np.int64


def test_a_file_without_weights():
    with pytest.raises(ValueError, match="no weights"):
        package.state_dict(ROOT / "results/paper-emulated/table1-1-2-r1.h5")


def test_normalise():
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2) * 10
    assert np.allclose(net.normalise_as("half", images), (images / 255 - 0.5) / 0.5, atol=1e-6)
    mean, deviation = np.array([0.4, 0.5, 0.6]), np.array([0.1, 0.2, 0.3])
    expected = (images / 255 - mean[:, None, None]) / deviation[:, None, None]
    assert np.allclose(net.normalise_as("0.4,0.5,0.6/0.1,0.2,0.3", images), expected, atol=1e-5)
    with pytest.raises(ValueError, match="not known here"):
        net.normalise_as("odd", images)


@pytest.mark.parametrize("text, says", [
    ("[model]\ninput = 3 2 2\nclasses = 2\n[a]\nkind = magic\n", r"\[a\] kind = magic: not known"),
    ("[model]\ninput = 3 2 2\nclasses = 2\n[a]\nkind = relu\ninput = b\n", "no layer above"),
    ("[model]\ninput = 3 2\nclasses = 2\n[a]\nkind = relu\n", "no model file"),
    ("[model]\ninput = 3 2 2\nclasses = 2\n", "without layers"), ("nothing", "no model file"), ("", "no model file")])
def test_models_that_are_none(text, says):
    with pytest.raises(package.UnknownLayer, match=says):
        package.read_graph(text)


# ---- files that are none ----------------------------------------------------------------------------------


def huge(file):
    file.attrs["format"] = "bramble"
    file.create_dataset("rounds/loss", (1 << 40,), "f8", chunks=(1024,))


def linked(file):
    file.attrs["format"] = "bramble"
    file["summary/complete"] = 1
    file["summary/other"] = h5py.ExternalLink("other.h5", "/x")


def elsewhere(file):
    file.attrs["format"] = "bramble"
    file.create_dataset("summary/other", (4,), "f8", external=[("/etc/passwd", 0, 32)])


def endless(file):
    file.attrs["format"] = "bramble"
    file.create_group("a")
    file["a/b"] = file["a"]


def odd_shapes(file):
    file.attrs["format"] = "bramble"
    file["rounds/n_done"] = "many"


@pytest.mark.parametrize("make, says", [(lambda file: None, "no result file"), (huge, "more than a result file can"),
                                        (linked, "is a link"), (elsewhere, "lies in another file"), (endless, "more groups"),
                                        (odd_shapes, "")])
def test_no_result_file(make, says, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        make(file)
    with pytest.raises(ValueError, match=says):
        package.read_run(tmp_path / "x.h5")
    (tmp_path / "torn.h5").write_bytes(KEPT.read_bytes()[:3000])
    skipped = package.read_study(tmp_path).skipped
    assert list(skipped.file) == ["torn.h5", "x.h5"] and skipped.why.all()


def test_damaged_files(tmp_path):
    """Bytes overwritten here and there: an error of those promised, or told of by check_files, where HDF5 crashes."""
    draw, whole = np.random.default_rng(5), np.frombuffer((ROOT / "results/strong-emulated/strong-1-1-r1.h5").read_bytes(), np.uint8)
    paths = [tmp_path / f"{k}.h5" for k in range(40)]
    for path in paths:
        damaged = whole.copy()
        damaged[draw.integers(0, min(len(whole), 20000), 8)] = draw.integers(0, 256, 8)
        path.write_bytes(damaged.tobytes())
    bad = package.check_files(paths)
    assert all(re.fullmatch(r"a damaged file: reading it ends with signal \d+", why) for why in bad.values())
    raised = 0
    for path in paths:
        try:
            str(path) in bad or package.read_run(path)
        except (OSError, ValueError):
            raised += 1
    assert 0 < raised < len(paths)


def test_a_file_that_ends_its_reader(tmp_path, monkeypatch):
    """The second of three, as HDF5 does it over some files."""
    def read(path):
        if path.endswith("b.h5"):
            os.kill(os.getpid(), signal.SIGSEGV)
    monkeypatch.setattr(package.files, "read_run", read)
    assert package.check_files(["a.h5", "b.h5", "c.h5"]) == {"b.h5": "a damaged file: reading it ends with signal 11"}
    assert package.check_files(["a.h5", "c.h5"]) == {}


# ---- the package ------------------------------------------------------------------------------------------


def modules():
    names = [found.name for found in pkgutil.iter_modules(package.__path__)]
    assert {"files", "study", "net", "torch_net"} <= set(names)
    return [importlib.import_module(f"bramble.{name}") for name in names if name != "torch_net" or torch]


def test_everything_has_types_and_a_word():
    """Docstrings and annotations of all that has a public name (py.typed tells checkers so)."""
    bad = []
    for module in modules():
        own = [thing for name, thing in vars(module).items() if not name.startswith("_")
               and getattr(thing, "__module__", "") == module.__name__ and callable(thing)]
        for thing in own:
            if not thing.__doc__ and getattr(thing, "__name__", "") != "<lambda>":
                bad.append(f"{module.__name__}.{thing.__name__} is not explained")
            if inspect.isfunction(thing) and thing.__name__ != "<lambda>":
                signature = inspect.signature(inspect.unwrap(thing))
                if signature.return_annotation is signature.empty or any(
                        p.annotation is p.empty for p in signature.parameters.values()):
                    bad.append(f"{module.__name__}.{thing.__name__} is not typed")
    assert bad == [] and (ROOT / "python/bramble/py.typed").exists()


def test_what_is_promised_is_there():
    assert len(package.__all__) == len(set(package.__all__)) > 30
    assert all(hasattr(package, name) for name in package.__all__ if name != "to_torch" or torch)
    with pytest.raises(AttributeError):
        package.nothing
    documented = set(re.findall(r"\bbramble\.(\w+)\(", (ROOT / "python/README.md").read_text()))
    assert documented <= set(package.__all__)


def test_reading_loads_no_matplotlib():
    code = "import sys, bramble; bramble.read_run; assert not {'matplotlib', 'torch'} & set(sys.modules)"
    subprocess.run(["/usr/bin/python3", "-c", code], check=True, timeout=WAIT_S, env={**os.environ, "PYTHONPATH": str(ROOT / "python")})


def test_page_of_the_package(tmp_path):
    """The examples of python/README.md, as they stand there."""
    (tmp_path / "results").symlink_to(ROOT / "results")
    found = re.findall(r"^```python\n(.*?)^```$", (ROOT / "python/README.md").read_text(), re.M | re.S)
    assert len(found) == 2
    more = "import numpy, torch\nbytes_of_images, other_run = numpy.zeros((2, 3, 32, 32), numpy.uint8), run\n" + found[1]
    done = subprocess.run(["/usr/bin/python3", "-c", found[0] + (more if torch else "")], cwd=tmp_path, text=True, capture_output=True,
                          timeout=WAIT_S, env={**os.environ, "PYTHONPATH": str(ROOT / "python"), "MPLBACKEND": "Agg"})
    assert (done.returncode, done.stderr) == (0, "") and "table1-1-2-r1.h5" in done.stdout
    assert {"study.png", "timeline.png"} <= set(os.listdir(tmp_path))


def test_pip_installs_it(tmp_path):
    """From a copy, since setuptools leaves what it builds beside the sources."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "VERSION"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "python", source / "python", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    env = {**{k: v for k, v in os.environ.items() if not k.startswith("PIP_")}, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(["/usr/bin/python3", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
                           "--no-build-isolation", "--root-user-action=ignore", "--target", tmp_path / "there", source],
                          text=True, capture_output=True, env=env, timeout=2 * WAIT_S)
    assert done.returncode == 0, done.stderr
    there = tmp_path / "there"
    assert {path.name for path in (there / "bramble").glob("*.py*")} >= {path.name for path in (ROOT / "python/bramble").glob("*.py*")}
    assert list(there.glob(f"bramble-{(ROOT / 'VERSION').read_text().strip()}.dist-info"))
