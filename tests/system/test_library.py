"""libbramble as `make install` leaves it: programs and Python link with it, and it shows nothing but bramble.h."""
import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import BRAMBLE, BUILD, PRESET, ROOT, WAIT_S
from runs import MIXED, NORMS, Run, write_model
from test_make import make

sys.path.insert(0, str(ROOT / "python"))
from bramble import native  # noqa: E402

pytestmark = pytest.mark.skipif(PRESET in ("asan", "tsan", "memcheck", "coverage"), reason="such a library is never installed")

HEADER = (ROOT / "include/bramble.h").read_text()
ABI = re.search(r"^#define BRAMBLE_ABI (\d+)$", HEADER, re.M)[1]
PUBLIC = set(re.findall(r"^BRAMBLE_API [^;(]*\b(bramble_\w+)\(", HEADER, re.M))
SONAME = f"libbramble.so.{ABI}"
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror"]


def run(line, cwd, **how):
    done = subprocess.run([*map(str, line)], cwd=cwd, text=True, capture_output=True, timeout=WAIT_S, stdin=subprocess.DEVNULL, **how)
    print("$", *line, done.stdout, done.stderr, sep="\n")
    return done


def told(line, cwd=ROOT, **how):
    done = run(line, cwd, **how)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Tree:
    """What was installed, and how programs are built with it."""

    def __init__(self, prefix):
        self.prefix, self.lib = prefix, prefix / "lib"
        self.env = {**os.environ, "PKG_CONFIG_PATH": str(self.lib / "pkgconfig"), "LD_LIBRARY_PATH": str(self.lib)}

    def flags(self, *options):
        return told(["pkg-config", *options, "bramble"], env=self.env).split()

    def build(self, name, how):
        """examples/NAME.c as docs/library.md says; the program's path."""
        program = self.prefix / f"{name}-{how}"
        source = self.prefix / f"share/bramble/examples/{name}.c"
        link = self.flags("--libs") if how == "shared" else \
            ["-L" + str(self.lib), "-l:libbramble.a", *(word for word in self.flags("--libs", "--static") if word != "-lbramble")]
        told(["cc", *STRICT, "-o", program, source, *self.flags("--cflags"), *link])
        return program


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    assert (BUILD / "lib" / SONAME).exists(), f"{SONAME} is not built: make PRESET={PRESET} lib"
    prefix = tmp_path_factory.mktemp("installed")
    done = make("-o", "all", "-o", "lib", "install", f"PREFIX={prefix}", f"PRESET={PRESET}")
    assert done.returncode == 0, done.stderr
    return Tree(prefix)


@pytest.fixture(scope="module")
def images(pictures):
    """Of the small data set: (training images, labels, test images, labels)."""
    def read(*names):
        rows = np.concatenate([np.fromfile(pictures / name, np.uint8).reshape(-1, 3073) for name in names])
        return rows[:, 1:].reshape(-1, 3, 32, 32).copy(), rows[:, 0].astype(np.uint16)
    return (*read(*(f"data_batch_{k}.bin" for k in range(1, 6))), *read("test_batch.bin"))


@pytest.fixture(scope="module")
def trained(tree, pictures, tmp_path_factory):
    """What examples/train.c saves, and what it printed."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "all.bin").write_bytes(b"".join((pictures / f"data_batch_{k}.bin").read_bytes() for k in range(1, 6)))
    line = [tree.build("train", "shared"), ROOT / "models/paper.ini", "all.bin", "model.h5"]
    return folder / "model.h5", told(line, folder, env=tree.env)


@pytest.fixture(scope="module")
def model(tree, trained):
    with native.Model(trained[0], library_path=tree.lib / SONAME, threads=2) as model:
        yield model


def ppm(path, image):
    path.write_bytes(b"P6\n32 32\n255\n" + image.transpose(1, 2, 0).tobytes())
    return path


# ---- the examples ---------------------------------------------------------------------------------


def test_a_program_trains(trained, bramble, pictures):
    path, printed = trained
    losses = [float(loss) for loss in re.findall(r"^batch \d+: loss ([\d.]+), accuracy [\d.]+$", printed, re.M)]
    assert len(losses) == 2 and losses[-1] < losses[0]
    done = bramble(1, "test", path, "--data", pictures, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["accuracy"] > 0.12
    run = Run(bramble.train(1, "--data", pictures, "--init", path, "--limit-train", 32, "--rounds", 1, "--threads", 1))
    assert run["rounds/loss"][0] < losses[0]
    assert bramble(1, "info", path).returncode == 0


def test_a_program_predicts(tree, trained, model, images, tmp_path):
    """Both kinds of library say the same, and what Python says."""
    shown, labels = images[2][:5], images[3]
    files = [ppm(tmp_path / f"{k}.ppm", image).name for k, image in enumerate(shown)]
    texts = [told([tree.build("predict", how), trained[0], *files], tmp_path, env=tree.env) for how in ("shared", "static")]
    assert texts[0] == texts[1]
    shares = model.predict(shown)
    best = shares.argmax(axis=1)
    assert texts[0].splitlines() == [f"{file}: {model.classes[c]}, {share[c]:.4f}" for file, c, share in zip(files, best, shares)]
    for line, why in [([], "usage: predict"), ([trained[0], "nothing.ppm"], "no PPM file"), (["nothing.h5", files[0]], "nothing.h5: cannot")]:
        done = run([tree.prefix / "predict-shared", *line], tmp_path, env=tree.env)
        assert done.returncode == 2 and why in done.stderr and len(done.stderr.splitlines()) == 1


def test_the_static_library_needs_no_file_of_ours(tree):
    loaded = told(["readelf", "-d", tree.build("predict", "static")])
    assert "libbramble" not in loaded and "NEEDED" in loaded


@pytest.mark.parametrize("standard", ["c99", "c11", "c++11"])
def test_the_header_stands_alone(tree, standard, tmp_path):
    if standard.startswith("c++") and not shutil.which("c++"):
        pytest.skip("no C++ compiler")
    (tmp_path / "a.c").write_text("#include <bramble.h>\nint main(void) { return bramble_abi() != BRAMBLE_ABI; }\n")
    program = tmp_path / "a"
    compiler = ["c++", "-x", "c++"] if standard.startswith("c++") else ["cc"]
    told([*compiler, f"-std={standard}", "-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-o", program, tmp_path / "a.c", "-x", "none",
          *tree.flags("--cflags", "--libs")])
    told([program], env=tree.env)
    included = told(["cc", "-M", *tree.flags("--cflags"), tmp_path / "a.c"])
    assert str(ROOT / "include") not in included


# ---- what it shows --------------------------------------------------------------------------------


def test_nothing_but_the_header_is_seen(tree):
    assert len(PUBLIC) > 25 and {"bramble_load", "bramble_predict", "bramble_train"} <= PUBLIC
    seen = [line.split()[-1] for line in told(["nm", "-D", "--defined-only", tree.lib / SONAME]).splitlines()]
    assert set(seen) == {f"{name}@@BRAMBLE_{ABI}" for name in PUBLIC} | {f"BRAMBLE_{ABI}"}
    seen = [line.split()[-1] for line in told(["nm", "-g", "--defined-only", tree.lib / "libbramble.a"]).splitlines() if " T " in line or " D " in line]
    assert set(seen) == PUBLIC


def test_is_named_by_its_abi(tree):
    dynamic = told(["readelf", "-dW", tree.lib / SONAME])
    assert f"Library soname: [{SONAME}]" in dynamic
    assert os.readlink(tree.lib / "libbramble.so") == SONAME
    assert tree.flags("--modversion") == [(ROOT / "VERSION").read_text().strip()]
    assert f"BRAMBLE_{ABI} {{" in (ROOT / "src/api/bramble.map").read_text()


def test_is_hardened_and_needs_no_mpi(tree):
    dynamic, segments = (told(["readelf", "-W", option, tree.lib / SONAME]) for option in ("-d", "-l"))
    assert not re.search(r"RPATH|RUNPATH|TEXTREL", dynamic) and re.search(r"\(FLAGS\).*\bBIND_NOW\b", dynamic)
    assert "GNU_RELRO" in segments and re.search(r"GNU_STACK .* RW +0x", segments)
    needed = " ".join(re.findall(r"Shared library: \[(\S+)\]", dynamic))
    assert "libhdf5" in needed and not re.search("mpi|jansson|libz", needed)


def test_ends_no_process_and_prints_nothing(tree):
    """Of what could: the child that reads or writes a file ends with _exit, and asserts of our own remain."""
    wanted = {line.split()[-1].split("@")[0] for line in told(["nm", "-D", "--undefined-only", tree.lib / SONAME]).splitlines()}
    assert {"fork", "_exit"} <= wanted
    assert wanted & {"exit", "abort", "quick_exit", "stdout", "stderr", "printf", "puts", "putchar", "perror", "__printf_chk",
                     "__vprintf_chk", "syslog", "signal_handler"} == set()


def test_processes_share_nothing(tree):
    """Memory that changes and is not a model's: HDF5's reasons and version, in the child that reads or writes a file; and
    "here", the world (base/world.h), which a simulator alone would set, before main."""
    lines = told(["objdump", "-t", BUILD / "lib" / SONAME]).splitlines()
    found = [re.match(r"[0-9a-f]+ .{5}.[OfF ] (\.t?(?:data|bss)\S*)\s+([0-9a-f]+) +(?:\.hidden )?(\S+)$", line) for line in lines]
    changing = {re.sub(r"\.\d+$", "", line[3]) for line in found if line and int(line[2], 16) > 0 and "rel.ro" not in line[1]}
    assert changing - {"completed"} <= {"last_cause", "asked", "text", "here"} and "asked" in changing  # completed: the C library's


# ---- what it computes -----------------------------------------------------------------------------


def test_classifies_as_bramble_test_does(bramble, trained, model, images, pictures):
    done = bramble(1, "test", trained[0], "--data", pictures, "--json")
    about = json.loads(done.stdout)
    shares, labels = model.predict(images[2]), images[3]
    assert shares.dtype == np.float32 and np.abs(shares.sum(axis=1) - 1).max() < 1e-5
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (labels, shares.argmax(axis=1)), 1)
    assert confusion.tolist() == about["confusion"]
    loss = -np.log(shares[np.arange(len(labels)), labels].astype(float)).mean()
    assert loss == pytest.approx(about["loss"], rel=1e-5)
    logits = model.logits(images[2])
    expected = np.exp(logits.astype(float) - logits.max(axis=1, keepdims=True))
    assert np.abs(expected / expected.sum(axis=1, keepdims=True) - shares).max() < 1e-6


@pytest.mark.parametrize("net, optimizer, options", [
    (MIXED, "sgd", {"lr": 0.02, "nesterov": 1, "weight-decay": 0.001}),
    (NORMS, "adamw", {"lr": 0.003, "beta2": 0.99, "label-smoothing": 0.1}),
    (NORMS, "muon", {"lr": 0.01, "muon-lr": 0.05, "muon-dense": 1, "clip-norm": 0.5}),
], ids=["branches and dropout, sgd", "norms, adamw", "norms, muon"])
def test_trains_to_the_bits_of_the_program(tree, bramble, images, pictures, tmp_path, net, optimizer, options):
    """An epoch in the files' order, the last batch smaller, from the same first weights."""
    n, batch, seed = 85, 32, 7
    (tmp_path / "net.ini").write_text(net)
    words = [word for name, value in options.items() for word in ([f"--{name}"] if name in ("nesterov", "muon-dense") else [f"--{name}", value])]
    start = Run(bramble.train(1, "--data", pictures, "--model", tmp_path / "net.ini", "--order", "sequential", "--limit-train", n, "--batch", batch,
                              "--rounds", 1, "--seed", seed, "--threads", 1, "--optimizer", optimizer, *words))
    at = native.library(tree.lib / SONAME)
    err, pointer = native._Error(), ctypes.c_void_p
    at.bramble_new.restype, at.bramble_new.argtypes = pointer, [ctypes.c_char_p, ctypes.c_uint64, ctypes.POINTER(native._Error)]
    at.bramble_train.restype = at.bramble_set_optimizer.restype = ctypes.c_bool
    at.bramble_train.argtypes = [pointer, pointer, pointer, ctypes.c_size_t, pointer, ctypes.POINTER(native._Error)]
    at.bramble_set_optimizer.argtypes = [pointer, ctypes.c_char_p, ctypes.POINTER(native._Error)]
    model = at.bramble_new(os.fsencode(tmp_path / "net.ini"), seed, err)
    assert model, err.text
    assert at.bramble_set_optimizer(model, optimizer.encode(), err), err.text
    for name, value in {**options, "seed": seed, "threads": 2}.items():
        assert at.bramble_set(model, name.encode(), value, err), err.text
    for first in range(0, n, batch):
        shown, labels = (np.ascontiguousarray(part[first:min(first + batch, n)]) for part in images[:2])
        assert at.bramble_train(model, shown.ctypes.data, labels.ctypes.data, len(labels), None, err), err.text
    flat = np.empty(at.bramble_weights(model), np.float32)
    at.bramble_get_weights(model, flat.ctypes.data)
    part, k = native._Tensor(), 0
    while at.bramble_tensor_at(model, k, part):
        theirs = start["model/" + part.name.decode()].ravel()
        assert flat[part.offset:part.offset + part.count].tobytes() == theirs.tobytes(), part.name
        k += 1
    assert k > 5
    at.bramble_free(model)


# ---- from Python ----------------------------------------------------------------------------------


def test_python_knows_the_model(model, trained):
    assert (model.name, model.shape, model.normalisation, len(model.classes)) == ("paper", (3, 32, 32), "half", 10)
    run = Run(trained[0])
    weights = model.weights()
    assert list(weights)[:2] == ["conv1.weight", "conv1.bias"] and weights["fc3.weight"].shape == (10, 84)
    for name, value in weights.items():
        assert (run[f"model/{name}"] == value).all(), name


def test_python_is_told(tree, model, images, tmp_path):
    where = tree.lib / SONAME
    with pytest.raises(native.Error, match="nothing.h5: cannot be opened") as told:
        native.Model(tmp_path / "nothing.h5", library_path=where)
    assert told.value.kind == 2
    with pytest.raises(TypeError, match="uint8, not float32"):
        model.predict(images[2].astype(np.float32))
    with pytest.raises(ValueError, match=r"\(n, 3, 32, 32\)"):
        model.predict(images[2][0])
    with pytest.raises(OSError):
        native.library(tmp_path / "libnothing.so.0")
    assert model.predict(images[2][:0]).shape == (0, 10)


def test_python_takes_any_layout(model, images):
    straight = model.predict(images[2])
    assert (model.predict(np.asfortranarray(images[2])) == straight).all()
    assert (model.predict(images[2][::-2]) == straight[::-2]).all()


def test_python_may_use_threads(tree, trained, model, images):
    """One model by two threads, and one each: the same shares."""
    straight = model.predict(images[2])
    with native.Model(trained[0], library_path=tree.lib / SONAME, threads=1) as other, ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(which.predict, images[2]) for which in (model, other, model, other)]
        assert all((job.result() == straight).all() for job in jobs)
        other.close()
        with pytest.raises(ValueError, match="closed"):
            other.predict(images[2])


# ---- under valgrind -------------------------------------------------------------------------------


@pytest.mark.long
def test_valgrind_has_nothing_to_say(trained, images, tmp_path):
    if not shutil.which("valgrind"):
        pytest.skip("no valgrind: tools/install-packages checks")
    left_out = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PREFIX", "PRESET", "B", "CC", "CFLAGS")
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    subprocess.run(["make", "-j2", "PRESET=memcheck", "lib"], cwd=ROOT, env=env, check=True, timeout=1800, stdout=subprocess.DEVNULL)
    lib, program = ROOT / "build/memcheck/lib", tmp_path / "predict"
    told(["cc", "-o", program, ROOT / "examples/predict.c", f"-I{ROOT}/include", lib / SONAME])
    picture = ppm(tmp_path / "a.ppm", images[2][0])
    line = ["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible",
            f"--suppressions={ROOT}/tests/checks/valgrind.supp", program, trained[0], picture]
    assert "a.ppm: " in told(line, tmp_path, env={**os.environ, "LD_LIBRARY_PATH": str(lib)})
