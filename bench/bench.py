#!/usr/bin/python3
"""Measure Bramble against what it wants to reach, print one table and write it as JSON.

usage: bench/bench.py [--threads T] [--out FILE.json] [--peers]

Uses ./bramble and build/native/bench-*; CIFAR-10 from BRAMBLE_DATA or data/, else files of as many synthetic images (then
without the time to 57 %).  --peers compares whole nets with the current PyTorch and JAX, and the paper's with Flower, where
pip can fetch them; whole nets, steps of the paper's net by themselves and single layers with the PyTorch of
/usr/bin/python3, Debian's, if it has one.  Ratios are taken within one run, pair by pair where two programs are compared;
nothing else should run meanwhile.
"""
import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/native"
ENV = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")


def run(*line, **more):
    return subprocess.run(list(map(str, line)), cwd=ROOT, env=ENV, check=True, text=True,
                          stdout=subprocess.PIPE, **more).stdout


class Table:
    def __init__(self):
        self.rows = []

    def add(self, figure, value, unit, reach=None, least=True):
        """reach: a bound the value should be above (least) or below; None: just a figure."""
        value = value if value is None else float(value)  # not numpy's, for JSON
        met = None if reach is None or value is None else (value >= reach if least else value <= reach)
        self.rows.append(dict(figure=figure, value=value, unit=unit, reach=reach,
                              bound="at least" if least else "at most", met=met))
        if value is None:
            print(f"{figure:<62} {unit}", flush=True)
            return
        want = "" if reach is None else f"{'>=' if least else '<='} {reach:g}"
        verdict = {None: "", True: "met", False: "NOT MET"}[met]
        print(f"{figure:<62} {value:10.3f} {unit:<10} {want:>9} {verdict}", flush=True)


def mpirun(ranks, *args):
    with tempfile.TemporaryDirectory() as folder:
        out = run("mpirun", "--oversubscribe", "--bind-to", "none", "-n", ranks, "./bramble", "train",
                  "--quiet", "--json", "--out", f"{folder}/run.h5", *args)
        import h5py
        with h5py.File(f"{folder}/run.h5") as file:
            n = int(file["rounds/n_done"][()])
            ranks_of = {name: column[:n] for name, column in file["rounds/ranks"].items()}
        return json.loads(out), ranks_of


def steps(batch, threads, seconds=0.3, model="paper"):
    """Images/s of bare training steps."""
    return float(run(BUILD / "bench-kernels", "--threads", threads, "--step", batch, "--seconds", seconds,
                     "--model", f"models/{model}.ini"))


# Of the peak, by batch: the paper's step.
MEDIANS = {8: 0.55, 16: 0.75, 32: 0.80, 512: 0.80}


def kernels(table, threads):
    with tempfile.TemporaryDirectory() as folder:
        run(BUILD / "bench-kernels", "--threads", threads, "--json", f"{folder}/kernels.json")
        rows = json.loads(Path(f"{folder}/kernels.json").read_text())
    share = {(row["name"], row["what"]): row for row in rows if "what" in row}
    all_threads = f"{threads} thread{'s' if threads > 1 else ''}"
    table.add(f"training step, batch 32, {all_threads}: share of the FMA peak", share["step, batch 32", all_threads]["share"], "", 0.60)
    for batch, reach in MEDIANS.items():
        table.add(f"  batch {batch}: median of the repetitions", share[f"step, batch {batch}", all_threads]["median_share"], "", reach)
    for row in rows:
        if row["name"].startswith(("5x5", "dilated", "stride", "depthwise", "pointwise", "8 groups")):
            limit, gflops = limit_of(row, rows, threads)
            table.add(f"{row['name']} {row['what']}: share of its limit, {limit}", row["gflops"] / gflops, "", 0.60)
        if row["name"].startswith("conv 3x3"):
            table.add(f"{row['name']} {row['what']}: share of the peak", row["share"], "", conv_reach(row))
        if row["name"].startswith("vgg-small"):
            table.add(f"{row['name']}, {row['what']}: share of the peak", row["share"], "", 1.60)
    return rows


def elementwise(table):
    """Activations, norms, pooling, sums: the worse of arrays in the second cache and of larger ones."""
    with tempfile.TemporaryDirectory() as folder:
        run(BUILD / "bench-elementwise", "--json", f"{folder}/elementwise.json")
        rows = json.loads(Path(f"{folder}/elementwise.json").read_text())
    for name in dict.fromkeys(row["name"] for row in rows):
        row = min((row for row in rows if row["name"] == name), key=lambda row: row["share"])
        table.add(f"{name}, arrays of {row['bytes'] >> 10} kB: share of its limit, {row['limit']}", row["share"], "", 0.60)


def limit_of(row, rows, threads):
    """Arithmetic, or moving what is read and written, at the speed measured with a size next to a thread's part."""
    part = row["bytes"] / threads
    moving = "read" if row["what"] == "weight gradient" else "copy"
    memory = min((other for other in rows if other["name"] == moving), key=lambda other: abs(math.log(other["bytes"] / part)))
    gflops = 1e-9 * row["flops"] / row["bytes"] * memory["bytes_per_s"]
    if gflops > row["peak_gflops"]:
        return "arithmetic", row["peak_gflops"]
    return f"bytes at {memory['bytes_per_s'] / 1e9:.0f} GB/s", gflops


def conv_reach(row):
    """Of the peak of the direct algorithm: Winograd's has fewer multiply-adds."""
    forward, weights = (1.40, 1.00) if "3x3 32 x" in row["name"] else (1.80, 1.30)
    both = 2 / (1 / forward + 1 / weights)
    return round({"forward": forward, "weight gradient": weights, "both gradients": both}[row["what"]], 2)


def scaling(table, threads):
    pairs = [steps(32, threads) / steps(32, 1) for _ in range(7)]
    table.add(f"step at batch 32: {threads} threads over 1", statistics.median(pairs), "x",
              0.95 * threads)


DEBIANS = "/usr/bin/python3"


def has_torch(python):
    return subprocess.run([python, "-c", "import torch, h5py, pandas"], capture_output=True).returncode == 0


def torch(table, threads, rows):
    if not has_torch(DEBIANS):
        table.add("Debian's PyTorch", None, "skipped: apt-get install python3-torch")
        return
    peer = subprocess.Popen([DEBIANS, "bench/peer_torch.py", str(threads)], cwd=ROOT, text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def theirs(batch):
        peer.stdin.write(f"{batch} 1.0\n")
        peer.stdin.flush()
        return float(peer.stdout.readline())

    ratios = {}
    for batch in (4, 32, 512):
        pairs = [(steps(batch, threads), theirs(batch)) for _ in range(5)]
        ratios[batch] = statistics.median(a / b for a, b in pairs)
        table.add(f"PyTorch's step, batch {batch}", statistics.median(b for _, b in pairs), "images/s")
        table.add(f"Bramble's step, batch {batch}", statistics.median(a for a, _ in pairs), "images/s")
    peer.stdin.close()
    peer.wait()
    table.add("Bramble over PyTorch, batch 32", ratios[32], "x", 10)
    table.add("Bramble over PyTorch, at its best batch", min(ratios[32], ratios[512]), "x", 7)
    table.add("Bramble over PyTorch, batch 4", ratios[4], "x", 5)
    for channels, side in ((32, 32), (64, 32), (128, 16), (256, 8)):
        times = run(DEBIANS, "bench/peer_torch_conv.py", threads, channels, side, 32).split()
        name = f"conv 3x3 {channels} x {side} x {side}"
        for what, t_s in zip(("forward", "both gradients"), times):
            ours = next(row["t_s"] for row in rows if (row["name"], row.get("what")) == (name, what))
            table.add(f"{name} {what}: Bramble over PyTorch", float(t_s) / ours, "x", 1)


def python_with(name, *packages):
    """The interpreter of build/NAME, a virtual environment made when missing; None where pip cannot."""
    folder = ROOT / "build" / name
    python = folder / "bin/python"
    if not (folder / ".complete").exists():
        try:
            run("/usr/bin/python3", "-m", "venv", "--clear", folder, stderr=subprocess.DEVNULL, timeout=60)
            run(python, "-m", "pip", "install", "-q", *packages, stderr=subprocess.DEVNULL, timeout=1200)
            (folder / ".complete").touch()
        except (subprocess.SubprocessError, OSError):
            return None
    return python


# A virtual environment with Flower's simulation and PyTorch, for python_with.
FLOWER = ("peers-flower", "torch", "torchvision", "flwr[simulation]==1.42.0")

# Float32, and bfloat16, which computes with less: the best that any of these does counts.  Debian 12 has PyTorch 1.13, which does
# not compile.
PEERS = {"float32": (("torch", ""), ("torch", "channels_last"), ("torch", "compile"), ("torch", "channels_last compile"), ("jax", ""),
                     ("debian-torch", ""), ("debian-torch", "channels_last")),
         "bf16": (("torch", "bf16"), ("torch", "channels_last bf16"), ("torch", "bf16 compile"), ("torch", "channels_last bf16 compile"),
                  ("jax", "bf16"))}
PROGRAMS = {"torch": "peer_torch.py", "jax": "peer_jax.py", "debian-torch": "peer_torch.py"}
NETS = {"paper": (4, 8, 16, 32, 512), "vgg-small": (128,), "resnet20": (128,), "airbench94": (128,)}


def peak(threads):
    """FLOP/s of so many cores, multiply-adds alone."""
    return 1e9 * threads * float(run(BUILD / "bench-kernels", "--peak", "--seconds", 0.3))


def start_peers(pythons, threads, result):
    """{name: process} of the programs that take a line `B SECONDS HOW` and say images/s."""
    return {name: subprocess.Popen([python, f"bench/{PROGRAMS[name]}", str(threads), result], cwd=ROOT, text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for name, python in pythons.items()}


def kinds_of(names):
    """Those of which any of these peers does one."""
    return [kind for kind, asked in PEERS.items() if any(name in names for name, _ in asked)]


def best_of(peers, kind, batch):
    """(images/s, who and how) of the fastest."""
    found = []
    for name, how in PEERS[kind]:
        if name in peers:
            peers[name].stdin.write(f"{batch} 2.0 {how}\n")
            peers[name].stdin.flush()
            found.append((float(peers[name].stdout.readline()), f"{name} {how}".strip()))
    return max(found)


def net(table, threads, model, pythons):
    """Whole training steps of a model, beside those of PyTorch and JAX where they are."""
    flops = json.loads(run("./bramble", "info", "--model", model, "--json"))["flops_step"]
    kinds = kinds_of(pythons)
    with tempfile.TemporaryDirectory() as folder:
        if pythons:
            run("./bramble", "train", "--quiet", "--model", model, "--data", "synthetic:64", "--limit-test", 10, "--batch", 16,
                "--rounds", 1, "--out", f"{folder}/net.h5", stderr=subprocess.DEVNULL)
        peers = start_peers(pythons, threads, f"{folder}/net.h5")
        for batch in NETS[model]:
            turns = [(steps(batch, threads, 1.0, model), peak(threads), {kind: best_of(peers, kind, batch) for kind in kinds})
                     for _ in range(3)]
            ours = statistics.median(images for images, *_ in turns)
            table.add(f"{model}, batch {batch}: Bramble's step", ours, "images/s")
            table.add("  share of the FMA peak", statistics.median(flops * images / most for images, most, _ in turns), "")
            for kind in kinds:
                them = sorted(turn[kind] for *_, turn in turns)[1]
                table.add(f"  the fastest peer's, {kind}: {them[1]}", them[0], "images/s")
                table.add(f"  Bramble over it, {kind}",
                          statistics.median(images / turn[kind][0] for images, _, turn in turns), "x", REACH.get((model, batch, kind)))
        for peer in peers.values():
            peer.stdin.close()
            peer.wait()


REACH = {("paper", 4, "float32"): 6, ("vgg-small", 128, "float32"): 2.3, ("vgg-small", 128, "bf16"): 1.3,
         ("resnet20", 128, "float32"): 2, ("resnet20", 128, "bf16"): 1.2,
         ("airbench94", 128, "float32"): 2.1, ("airbench94", 128, "bf16"): 1.3}


def find_peers(table):
    """{name: interpreter} of those that are here or that pip can fetch."""
    found = {name: python_with(folder, name, "h5py", "pandas") for name, folder in (("torch", "peers"), ("jax", "peers-jax"))}
    found["debian-torch"] = DEBIANS if has_torch(DEBIANS) else None
    for name, python in found.items():
        title, module = {"torch": ("PyTorch", "torch"), "jax": ("JAX", "jax"), "debian-torch": ("Debian's PyTorch", "torch")}[name]
        version = run(python, "-c", f"import {module}; print({module}.__version__)").strip() if python else ""
        table.add(f"{title} {version}".strip(), None, "the fastest of all peers and layouts counts" if python else "not here")
    return {name: python for name, python in found.items() if python}


def nets(table, threads, peers):
    """What a user waits for stands first."""
    pythons = find_peers(table) if peers else {}
    for model in NETS:
        net(table, threads, model, pythons)


def flower(table, data, ours):
    python = python_with(*FLOWER)
    if not python:
        table.add("Flower", None, "skipped: needs python3-venv and the network, for pip")
        return
    told = json.loads(run(python, "bench/peer_flower.py", data, 2, 20, 16, 0.01, 0.9, 1, "--target", 0.57,
                          stderr=subprocess.DEVNULL, timeout=900))
    theirs = told["t_s"][-1] if told["accuracy"][-1] >= 0.57 else math.nan
    table.add(f"time to 57 % of Flower {told['version']}, 2 clients x 1 thread, {len(told['t_s'])} rounds", theirs, "s")
    table.add("time to 57 %: Bramble's over Flower's and PyTorch's", ours / theirs, "x", 0.05, least=False)


def runs(table, data, real):
    ratios = []
    for _ in range(3):
        epoch, _ = mpirun(1, "--preset", "paper", "--rounds", 1, "--data", data)
        ratios.append(steps(32, int(epoch["cores"]), 1.0) / epoch["images_per_s"])
    table.add("an epoch end to end over its bare steps", statistics.median(ratios), "x", 1.05, least=False)
    summary, ranks = mpirun(4, "--preset", "paper", "--rounds", 3, "--threads", 1, "--data", data)
    worker = ranks["train_s"][1:, 1:].mean() + ranks["input_s"][1:, 1:].mean()
    table.add("evaluation of the test set over a third of an epoch",
              float(ranks["evaluate_s"][1:, 0].mean() / worker), "x", 0.3, least=False)
    table.add("start to first step, 4 ranks", summary["t_start_s"], "s", 1.0, least=False)
    table.add("server's CPU use while it waits", summary["server_cpu_fraction"], "", 0.02, least=False)
    table.add("overhead at 3 workers, one average per epoch", summary["overhead_fraction"], "")
    bare = json.loads(run("mpirun", "--oversubscribe", "--bind-to", "none", "-n", 4,
                          BUILD / "bench-average"))
    rss = ranks["peak_rss_bytes"].max(axis=0) - bare["mpi_rss_bytes"]
    table.add("memory of a worker beyond Open MPI's, a third of CIFAR-10", rss[1:].max() / 1e6, "MB",
              51.2 + 25, least=False)
    table.add("memory of the server beyond Open MPI's", rss[0] / 1e6, "MB", 51.2 + 25, least=False)
    for rule in ("gather", "slices", "allreduce", "reduce"):
        table.add(f"averaging over 3 workers by {rule}, over a bare MPI_Allreduce", bare[rule] / bare["bare"],
                  "x", 2 if rule in ("gather", "allreduce") else None, least=False)
    if real:
        t_s = []
        for _ in range(3):
            summary, _ = mpirun(3, "--preset", "fast", "--threads", 1, "--target-accuracy", 0.57,
                                "--data", data)
            t_s.append(summary["t_time_s"])
        table.add("time to 57 %, preset fast, 2 workers x 1 thread", statistics.median(t_s), "s", 2.75,
                  least=False)
        return statistics.median(t_s)
    return None


def binary(table):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(BUILD / "bramble", f"{folder}/bramble")
        run("strip", f"{folder}/bramble")
        table.add("stripped program", os.path.getsize(f"{folder}/bramble") / 1000, "kB")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", default="results/bench.json")
    parser.add_argument("--peers", action="store_true")
    args = parser.parse_args()
    folder = os.environ.get("BRAMBLE_DATA", "data")
    real = subprocess.run(["./bramble", "data", "check", folder], cwd=ROOT, capture_output=True).returncode == 0
    table = Table()
    if not real:
        table.add("CIFAR-10", None, "not here (make data): synthetic images instead")
    nets(table, args.threads, args.peers)
    rows = kernels(table, args.threads)
    elementwise(table)
    if args.threads > 1:
        scaling(table, args.threads)
    if args.peers:
        torch(table, args.threads, rows)
    else:
        table.add("PyTorch", None, "skipped: make bench-peers compares with it")
    with tempfile.TemporaryDirectory() as made:
        if not real:  # once: what is measured reads images, and draws none
            run("./bramble", "data", "synth", f"{made}/data")
        t_target_s = runs(table, folder if real else f"{made}/data", real)
    if args.peers and real:
        flower(table, folder, t_target_s)
    binary(table)
    info = json.loads(run("./bramble", "info", "--json"))
    Path(ROOT / args.out).parent.mkdir(exist_ok=True)
    Path(ROOT / args.out).write_text(json.dumps(dict(machine=info, figures=table.rows, kernels=rows),
                                                indent=1) + "\n")
    print(f"written to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
