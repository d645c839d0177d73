"""A simulated cluster: jobs/simulate runs the program as it is, under SimGrid, with the seconds of a platform."""
import json
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from conftest import BRAMBLE, ROOT, WAIT_S
from runs import SMALL

SIMULATE = ROOT / "jobs/simulate"
DATA = ("--data", "synthetic:", "--limit-train", "600", "--limit-test", "64", "--rounds", "2", "--batch", "16", "--lr", "0.05")
FLOPS = 7.49e9  # of a core of a Pi 4, in jobs/simulate
needs_simgrid = pytest.mark.skipif(not shutil.which("smpirun"), reason="SimGrid is not installed: tools/install-packages simgrid")


@pytest.fixture(scope="module")
def library():
    """The program that SimGrid runs."""
    done = subprocess.run(["make", "-s", "PRESET=simgrid", "simgrid"], cwd=ROOT, text=True, capture_output=True,
                          env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "CC", "B")})
    assert done.returncode == 0, done.stderr


@pytest.fixture
def simulate(library, tmp_path):
    (tmp_path / "small.ini").write_text(SMALL)

    def run(workers, *options, train=(), out="run.h5"):
        words = [SIMULATE, str(workers), *options, "--", *DATA, "--model", "small.ini", "--force", "--out", out, *train]
        return subprocess.run(words, cwd=tmp_path, text=True, capture_output=True, timeout=WAIT_S,
                              env=dict(os.environ, BRAMBLE=str(BRAMBLE)))
    return run


def times(path):
    """Everything in seconds from the first step on, of every rank and round, and the model."""
    with h5py.File(path) as file:
        rows = {name: column[:] for name, column in file["rounds/ranks"].items()}
        rows |= {name: file["summary"][name][()] for name in ("t_time_s", "w_time_s", "o_wire_s", "t_start_s")}
        weights = {name: w[:] for name, w in file["model"].items() if w.dtype == np.float32}
        return rows, weights, {name: value.decode() for name, value in file["build"].attrs.items()}


def good(done):
    assert done.returncode == 0, done.stderr
    return done


def flops_of(path):
    told = subprocess.run([BRAMBLE, "info", "--json", "--model", path], text=True, capture_output=True, check=True).stdout
    return json.loads(told)["flops_step"]


@needs_simgrid
def test_four_nodes(simulate, tmp_path):
    """Work takes what the platform's speed says, the same every time, and weights are those of a real run, to the last bit."""
    done = good(simulate(4, "--spread", "0", train=("--threads", "1"), out="a.h5"))
    assert "SIMULATED by           SimGrid 3." in done.stdout
    good(simulate(4, "--spread", "0", train=("--threads", "1"), out="b.h5"))
    (a, weights, build), (b, _, _) = times(tmp_path / "a.h5"), times(tmp_path / "b.h5")
    assert all(np.array_equal(a[name], b[name], equal_nan=True) for name in a)
    assert build["simulated"].startswith("SimGrid 3.") and build["simulated"].endswith(", pi4, 1000 Mbit/s, 100 us")
    assert a["w_time_s"] == pytest.approx(2 * 150 * flops_of(tmp_path / "small.ini") / FLOPS, rel=1e-6)
    assert 0 < a["o_wire_s"] < a["t_time_s"] - a["w_time_s"]
    real = subprocess.run(["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "5", BRAMBLE, "train", *DATA, "--model",
                           "small.ini", "--threads", "1", "--out", "real.h5"], cwd=tmp_path, text=True, capture_output=True,
                          timeout=WAIT_S, env=dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1"))
    assert real.returncode == 0, real.stderr
    measured = times(tmp_path / "real.h5")
    assert weights and all(np.array_equal(w, measured[1][name]) for name, w in weights.items())
    assert "simulated" not in measured[2]


@needs_simgrid
@pytest.mark.parametrize("sync", ["weights", "gradients"])
def test_what_an_optimizer_takes(simulate, tmp_path, sync):
    """Muon's products, three times X X', its square and their product with X, in each of ten steps a round."""
    taken = {}
    for optimizer in (("sgd",), ("muon",), ("muon", "--muon-dense")):
        good(simulate(4, "--spread", "0", "--replay", train=("--threads", "1", "--sync", sync, "--optimizer", *optimizer)))
        rows, weights, _ = times(tmp_path / "run.h5")
        taken[optimizer] = rows["w_time_s"]
    matrices = {name: w.reshape(len(w), -1).shape for name, w in weights.items() if w.ndim > 1}
    *_, answer = (name for name in matrices if weights[name].ndim == 2)
    steps = 2 * -(-150 // 16)

    def seconds(names):
        return steps * sum(6 * (2 * max(matrices[name]) * min(matrices[name]) ** 2 + min(matrices[name]) ** 3) for name in names) / FLOPS
    convolutions = [name for name in matrices if weights[name].ndim == 4]
    assert taken["muon",] - taken["sgd",] == pytest.approx(seconds(convolutions), rel=1e-4)
    assert taken["muon", "--muon-dense"] - taken["sgd",] == pytest.approx(seconds(matrices.keys() - {answer}), rel=1e-4)
    assert seconds(convolutions) < seconds(matrices.keys() - {answer})


@needs_simgrid
def test_every_averaging_rule(simulate, tmp_path):
    """Ten ranks, no power of two: the same bits, and each its own time on the wire."""
    found = {}
    for rule in ("gather", "reduce", "allreduce", "slices", "tree"):
        good(simulate(9, train=("--threads", "1", "--average", rule), out=f"{rule}.h5"))
        found[rule] = times(tmp_path / f"{rule}.h5")
    first = found["gather"][1]
    assert all(np.array_equal(w, first[name]) for _, weights, _ in found.values() for name, w in weights.items())
    assert len({rows["o_wire_s"] for rows, _, _ in found.values()}) == 5


@needs_simgrid
def test_more_workers_than_agree_directly(simulate, tmp_path):
    """Seventy: they agree by way of the server, and its pieces of the data set are larger."""
    good(simulate(70, train=("--limit-train", "1400", "--batch", "20", "--threads", "1")))
    rows, weights, _ = times(tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5") as file:
        assert (file["shards/labels"][1:].sum(axis=1) == 20).all()
    assert (rows["images"][:, 1:] == 20).all() and weights and all(np.isfinite(w).all() for w in weights.values())


@needs_simgrid
@pytest.mark.long
def test_a_hundred_and_twenty_eight_workers(simulate, tmp_path):
    """As real processes that share this machine's cores, they come to the bits of as many simulated hosts: dealing, agreeing,
    averaging, and a file with all their rows."""
    few = ("--limit-train", "1280", "--batch", "5", "--threads", "1")
    good(simulate(128, train=few, out="paper.h5"))
    done = subprocess.run(["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "129", BRAMBLE, "train", *DATA, "--model", "small.ini",
                           *few, "--out", "real.h5"], cwd=tmp_path, text=True, capture_output=True, timeout=4 * WAIT_S,
                          env=dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1"))
    good(done)
    (rows, weights, _), (on_paper, simulated, _) = times(tmp_path / "real.h5"), times(tmp_path / "paper.h5")
    assert weights and all(np.array_equal(w, simulated[name]) for name, w in weights.items())
    assert rows["images"].shape == (2, 129) and (rows["images"][:, 1:] == 10).all() and (on_paper["images"] == rows["images"]).all()


@needs_simgrid
def test_what_a_platform_changes(simulate, tmp_path):
    """Faster cores, slower links, threads, one slow host, racks, and computing left out, each against the same run."""
    cases = {"base": ((), ()), "pi5": (("--platform", "pi5"), ()), "link": (("--link", "10mbit"), ()), "threads": ((), ("--threads", "4")),
             "slow": (("--slow", "pi2:0.5"), ()), "racks": (("--racks", "2:0.1"), ()), "switch": (("--switch", "0.5"), ()),
             "replay": (("--replay",), ())}
    found = {}
    for name, (options, train) in cases.items():
        good(simulate(4, "--spread", "0", *options, train=("--threads", "1", *train) if not train else train, out=f"{name}.h5"))
        found[name] = times(tmp_path / f"{name}.h5")
    base = found["base"][0]
    w, wire = ({name: rows[column] for name, (rows, _, _) in found.items()} for column in ("w_time_s", "o_wire_s"))
    assert w["pi5"] == pytest.approx(base["w_time_s"] * FLOPS / 24e9) and w["threads"] == pytest.approx(base["w_time_s"] / 4)
    assert w["slow"] == pytest.approx(base["w_time_s"] * 5 / 4) and w["link"] == pytest.approx(base["w_time_s"])
    assert min(wire["link"], wire["racks"], wire["switch"]) > 1.5 * wire["base"]
    assert found["slow"][0]["wait_s"][0, 1] > 0.8 * base["w_time_s"] / 2 > found["slow"][0]["wait_s"][0, 2]
    rows, _, build = found["replay"]
    assert all(np.array_equal(rows[name], base[name], equal_nan=True) for name in base if name not in ("loss", "accuracy"))
    assert build["simulated"].endswith("replayed") and not rows["loss"][0, 1]


@needs_simgrid
def test_a_host_fails(simulate, tmp_path):
    """The run ends at that moment, with one line; from its checkpoint it goes on with the others, and T is that of all rounds."""
    whole = good(simulate(4, train=("--threads", "1", "--rounds", "6", "--checkpoint", "whole.ckpt.h5"), out="whole.h5"))
    with h5py.File(tmp_path / "whole.h5") as file:
        start_s, ends_s = file["summary/t_start_s"][()], file["rounds/t_end_s"][:]
    moment = f"{start_s + (ends_s[2] + ends_s[3]) / 2:.6f}"
    cut = simulate(4, "--fail", f"pi3@{moment}", train=("--threads", "1", "--rounds", "6", "--checkpoint", "kept.h5", "--quiet"))
    assert (cut.returncode, cut.stdout) == (1, "") and cut.stderr.count("\n") == 1
    assert cut.stderr.startswith(f"bramble: pi3 has failed, {moment} s after the simulated start")
    with h5py.File(tmp_path / "run.h5") as file:
        assert np.array_equal(file["rounds/t_end_s"][:], [*ends_s[:3], np.nan, np.nan, np.nan], equal_nan=True)
    resumed = subprocess.run([SIMULATE, "3", "--", "--resume", "kept.h5", "--quiet"], cwd=tmp_path, text=True, capture_output=True,
                             timeout=WAIT_S, env=dict(os.environ, BRAMBLE=str(BRAMBLE)))
    good(resumed)
    with h5py.File(tmp_path / "run.h5") as file:
        then_s, t_s = file["rounds/t_end_s"][:], file["summary/t_time_s"][()]
    assert len(then_s) == 6 and np.array_equal(then_s[:3], ends_s[:3]) and t_s == pytest.approx(then_s[-1])
    assert (np.diff(then_s)[2:] > 1.1 * np.diff(ends_s)[2:]).all()  # three do the work of four
    late = good(simulate(4, "--fail", "pi3@1000", train=("--threads", "1", "--rounds", "6"), out="late.h5"))
    assert late.stdout.replace("late.h5", "whole.h5") == whole.stdout


@needs_simgrid
def test_readers_tell_it(simulate, bramble, tmp_path):
    """A simulated run is told from a measured one by all that read it, and never averaged or planned with one."""
    good(simulate(2, train=("--checkpoint", "kept.h5", "--json"), out="a.h5"))
    good(bramble(3, "train", *DATA, "--model", "small.ini", "--threads", "1", "--quiet", "--out", "real.h5",
                 "--checkpoint", "real-kept.h5"))
    how = times(tmp_path / "a.h5")[2]["simulated"]

    def told(*words):
        return good(bramble(1, *words)).stdout
    assert json.loads(told("info", "--json", "a.h5"))["simulated"] == how
    assert json.loads(told("test", "--json", "a.h5", *DATA[:2], "--limit-test", "10"))["simulated"] == how
    assert json.loads(told("plan", "--json", "a.h5"))["model"]["simulated"] == how and "SIMULATED" in told("plan", "a.h5")
    both = json.loads(told("report", "--format", "json", "a.h5", "real.h5"))
    assert [(row["simulated"], row["repeats"], row["speedup"]) for row in both] == [("", 1, 1.0), (how, 1, 1.0)]
    assert "no, measured" in told("report", "a.h5", "real.h5") and how in told("report", "a.h5")
    for kind in ("--rounds", "--ranks"):
        assert f"simulated: {how}\n" in told("report", kind, "a.h5")
        assert {row["simulated"] for row in json.loads(told("report", kind, "--format", "json", "a.h5"))} == {how}
    told("report", "--trace", "t.json", "a.h5")
    assert '"simulated: pi1"' in (tmp_path / "t.json").read_text()
    page = tmp_path / "page.html"
    for out in (page, tmp_path / "figure.svg"):
        subprocess.run([ROOT / "python/bramble-plot", tmp_path / "a.h5", "-o", out], check=True, timeout=WAIT_S, stdout=subprocess.DEVNULL)
        assert "imulated, not measured" in out.read_text().replace("</strong>", "")
    sys.path.insert(0, str(ROOT / "python"))
    import bramble as package
    assert package.read_run(tmp_path / "a.h5").simulated == how and package.read_study(tmp_path / "a.h5").simulated == how
    drawn = subprocess.run([ROOT / "python/bramble-plot", "a.h5", "real.h5", "-o", "both.html"], cwd=tmp_path, text=True,
                           capture_output=True, timeout=WAIT_S)
    assert drawn.returncode == 2 and "some runs were measured, others simulated" in drawn.stderr and drawn.stderr.count("\n") == 1
    mixed = bramble(1, "plan", "a.h5", "real.h5")
    assert mixed.returncode == 2 and "plan from runs of one kind" in mixed.stderr and mixed.stderr.count("\n") == 1
    for_real = bramble(1, "train", "--resume", "kept.h5", "--rounds", "3")
    assert for_real.returncode == 2 and f"was simulated by {how}" in for_real.stderr and for_real.stderr.count("\n") == 1
    on_paper = simulate(2, train=("--resume", "real-kept.h5", "--rounds", "3"))
    assert on_paper.returncode == 2 and "was measured, not simulated" in on_paper.stderr and on_paper.stderr.count("\n") == 1


PLATFORM = """<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="c" prefix="node" suffix="" radical="0-2" speed="1Gf" bw="125MBps" lat="50us"/>
</platform>
"""


@needs_simgrid
def test_a_platform_of_ones_own(simulate, tmp_path):
    (tmp_path / "own.xml").write_text(PLATFORM)
    good(simulate(2, "--platform", "own.xml"))
    rows, _, build = times(tmp_path / "run.h5")
    assert build["simulated"].endswith(", own.xml")
    assert rows["w_time_s"] == pytest.approx(2 * 300 * flops_of(tmp_path / "small.ini") / 1e9, rel=1e-6)


@needs_simgrid
@pytest.mark.parametrize("words, says", [
    ([], "see `jobs/simulate help`"), (["4"], "expected -- "), (["--", "--force"], "number of workers"), (["0", "--"], "0: unknown"),
    (["4", "--platform", "pi9", "--"], "pi9: unknown: expected pi4, pi5"), (["4", "--platform", "no.xml", "--"], "No such file"),
    (["4", "--platform", "text.xml", "--"], "is no XML"), (["3", "--platform", "own.xml", "--"], "need 4 hosts: own.xml has 3"),
    (["2", "--platform", "spoilt.xml", "--"], "cannot parse number:fast"),
    (["2", "--platform", "own.xml", "--link", "1gbit", "--"], "--link and --platform FILE.xml"),
    (["4", "--link", "fast", "--"], "--link fast: expected a rate"), (["4", "--latency", "3", "--"], "--latency 3: expected a time"),
    (["4", "--slow", "pi9:2", "--"], "pi0 to pi4"), (["4", "--slow", "pi1:0", "--"], "FACTOR from"), (["4", "--spread", "1", "--"], "0 to 0.2"),
    (["4", "--fail", "pi2", "--"], "expected HOST@SECONDS, HOST one of pi0 to pi4"), (["4", "--fail", "pi5@1", "--"], "HOST one of pi0 to pi4"),
    (["4", "--fail", "pi1@0", "--"], "SECONDS above 0"), (["2", "--platform", "own.xml", "--fail", "pi1@1", "--"], "HOST one of node0 to node2"),
    (["4", "--racks", "x", "--"], "--racks x"), (["4", "--racks", "2", "--switch", "2", "--"], "choose one"), (["4", "--switch", "-1", "--"], "--switch -1"),
    (["4", "--from", "--"], "--from: a file is missing"), (["4", "--from", "text.xml", "--"], "text.xml"), (["4", "--from", "no.json", "--"], "No such file"),
    (["4", "--from", "own.json", "--"], "bramble doctor --json"), (["4", "--link"], "expected -- "), (["4", "--", "--model", "a b"], "cannot pass on a blank"),
    (["4", "--", "--threads", "5"], "a simulated host has 4 cores"),
    (["2", "--platform", "own.xml", "--", "--threads", "2"], "a simulated host has 1 core, and"), (["4", "--", "--seed", "x"], "--seed x: expected"),
    (["4", "--", "--cfg=a:b"], "SimGrid would take it"), (["4", "--", "--help"], "SimGrid would take it"),
])
def test_mistakes(library, tmp_path, words, says):
    (tmp_path / "own.xml").write_text(PLATFORM)
    (tmp_path / "spoilt.xml").write_text(PLATFORM.replace("125MBps", "fast"))
    (tmp_path / "text.xml").write_text("no XML")
    (tmp_path / "own.json").write_text("{}")
    data = ("--data", "synthetic:", "--limit-train", "64", "--limit-test", "64") if "--" in words else ()
    done = subprocess.run([SIMULATE, *words, *data], cwd=tmp_path, text=True, capture_output=True, timeout=WAIT_S,
                          env=dict(os.environ, BRAMBLE=str(BRAMBLE)))
    if not words:
        assert done.returncode == 0 and done.stdout.startswith("simulate - train on a simulated cluster")
        return
    assert (done.returncode, done.stdout) == (2, "") and says in done.stderr and done.stderr.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"own.xml", "spoilt.xml", "text.xml", "own.json"}
