#!/usr/bin/python3
"""Train the paper's net by Bramble, by PyTorch and by Flower's simulation, in turns, with one recipe: accuracy over time,
for `make figures`.

usage: bench/training.py [--out FOLDER] [--seeds N] [--passes N] [--images N] [--python FILE]

Writes FOLDER/training-1-T-rSEED.h5, Bramble's result files without their weights, one rank with T threads each, and
FOLDER/pytorch.json and flower.json (python/bramble/peers.py).  With Flower T clients of one thread take a share of the images
each and are averaged after every pass.  CIFAR-10 from BRAMBLE_DATA or data/; PyTorch and Flower from build/peers-flower, which
pip makes, or with the interpreter that --python names.  Nothing else should run meanwhile.
"""
import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from bench import ENV, FLOWER, ROOT, python_with

BATCH, LR, MOMENTUM = 32, 0.01, 0.9
PEERS = {"pytorch": ("PyTorch", "bench/peer_torch_train.py"), "flower": ("Flower", "bench/peer_flower.py")}


def bramble(out, data, args, seed):
    line = ["./bramble", "train", "--data", data, "--model", "paper", "--batch", BATCH, "--lr", LR, "--momentum", MOMENTUM,
            "--keep-momentum", "--rounds", args.passes, "--threads", args.threads, "--seed", seed, "--case", f"1:{args.threads}",
            "--quiet", "--force", "--out", out / f"training-1-{args.threads}-r{seed}.h5"]
    line += ["--limit-train", args.images] if args.images else []
    subprocess.run(list(map(str, line)), cwd=ROOT, env=ENV, check=True, stdout=subprocess.DEVNULL)


def peer(file, python, data, args, seed):
    line = [python, file, data, args.threads, args.passes, BATCH, LR, MOMENTUM, seed]
    line += [args.images] if args.images else []
    done = subprocess.run(list(map(str, line)), cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return {"seed": seed, **json.loads(done.stdout)}


def described(program, file, args, runs):
    """The file that tells all runs of another program."""
    info = json.loads(subprocess.run(["./bramble", "info", "--json"], cwd=ROOT, env=ENV, check=True, text=True,
                                     stdout=subprocess.PIPE).stdout)
    first = runs[0]
    return {"format": "bramble peer", "program": program, "version": first["version"], "processor": info["cpu"],
            "instructions": info["simd"], "threads": args.threads,
            "command": f"{file} DATA " + " ".join(map(str, (args.threads, args.passes, BATCH, LR, MOMENTUM, "SEED"))),
            "recipe": {"model": "paper", "batch": BATCH, "lr": LR, "momentum": MOMENTUM, "passes": args.passes,
                       "images": args.images or 50000, "layout": first.get("layout", "contiguous_format")},
            "about": "t_s: seconds of training until the end of each pass, without tests; accuracy: of all test images, then",
            "runs": [{name: run[name] for name in ("seed", "t_s", "accuracy")} for run in runs]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "results/peers")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--passes", type=int, default=10)
    parser.add_argument("--images", type=int, default=0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--python")
    args = parser.parse_args()
    data = os.path.abspath(os.environ.get("BRAMBLE_DATA", ROOT / "data"))
    python = args.python or python_with(*FLOWER)
    if not python:
        print("bench/training.py: no PyTorch and Flower: it needs python3-venv and the network, for pip", file=sys.stderr)
        return 1
    args.out.mkdir(parents=True, exist_ok=True)
    runs = {name: [] for name in PEERS}
    for seed in range(1, args.seeds + 1):
        bramble(args.out, data, args, seed)
        for name, (_, file) in PEERS.items():
            runs[name].append(peer(file, python, data, args, seed))
    subprocess.run([ROOT / "tools/publish-results", args.out], check=True)
    for name, (program, file) in PEERS.items():
        (args.out / f"{name}.json").write_text(json.dumps(described(program, file, args, runs[name]), indent=1) + "\n")
    print(f"written to {args.out}")
    return 0


sys.exit(main())
