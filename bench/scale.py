#!/usr/bin/python3
"""scale.py - strong and weak scaling on simulated Pis, for every averaging rule: results/simulated/ (docs/simulation.md)

usage: bench/scale.py strong|weak FILE.csv NODES... [-- SIMULATE OPTIONS]

Adds a row for each rule and number of nodes that FILE.csv does not have yet.  The study's net on Pi 4s of four cores, two
passes with an average each: strong over 50,000 images that all share, weak over 50,000 a node.  Workers do not
compute (--replay).
"""
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
RULES = ("gather", "reduce", "allreduce", "slices")
COLUMNS = ("scaling", "average", "nodes", "cores", "t_time_s", "w_time_s", "overhead_fraction", "o_pack_s", "o_wire_s", "o_wait_s",
           "o_serve_s", "o_other_s", "images_per_s", "bytes_sent", "t_start_s", "simulated")
LENGTHS = {"strong": lambda n: ("--limit-train", "50000"),
           "weak": lambda n: ("--limit-train", str((64 if n < 700 else 32) * n), "--local-steps", "1563")}


def main():
    words = sys.argv[1:]
    extra = words[words.index("--") + 1:] if "--" in words else []
    words = words[:words.index("--")] if "--" in words else words
    if len(words) < 3 or words[0] not in LENGTHS or not all(word.isdigit() for word in words[2:]):
        print(__doc__, end="", file=sys.stderr)
        return 2
    kind, path = words[0], Path(words[1])
    done = {(row["scaling"], row["average"], row["nodes"]) for row in csv.DictReader(path.open())} if path.exists() else set()
    if not done:
        path.write_text(",".join(COLUMNS) + "\n")
    for n in words[2:]:
        for rule in RULES if n != "1" else RULES[:1]:
            if (kind, rule, n) in done:
                continue
            with tempfile.TemporaryDirectory() as folder:
                run = subprocess.run([HOME / "jobs/simulate", n, "--replay", *extra, "--", "--preset", "paper", "--rounds", "2", *LENGTHS[kind](int(n)),
                                      "--average", rule, "--data", "synthetic:", "--limit-test", "100", "--quiet", "--json", "--out", f"{folder}/run.h5"],
                                     text=True, stdout=subprocess.PIPE)
            if run.returncode:
                return run.returncode
            told = {**json.loads(run.stdout), "scaling": kind, "average": rule}
            with path.open("a", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow([f"{told[name]:.6g}" if isinstance(told[name], float) else told[name] for name in COLUMNS])
    return 0


if __name__ == "__main__":
    sys.exit(main())
