#!/usr/bin/python3
"""simulation.py - measured runs beside the same on a simulated cluster (docs/simulation.md)

usage: bench/simulation.py [--link RATE] FILE.h5...

Hosts are as fast as `bramble plan` fits them to all files together; RATE is the link they were measured with (1gbit).
Every case is simulated with --replay, the options of its first file and synthetic images, which take as long; a case
whose workers have no whole number of cores is left out.  Prints a table for that page.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
SAME = ("model", "rounds", "local-epochs", "local-steps", "average-every", "batch", "average", "sync")


def told(*words):
    done = subprocess.run(list(map(str, words)), text=True, stdout=subprocess.PIPE)
    if done.returncode:
        sys.exit(f"simulation: {' '.join(map(str, words[:3]))} has failed")
    return json.loads(done.stdout)


def main():
    files = sys.argv[1:]
    link = "1gbit"
    if files[:1] == ["--link"]:
        link, files = files[1], files[2:]
    if not files or files[0].startswith("-"):
        print(__doc__, end="", file=sys.stderr)
        return 2
    cases = {}
    for file in files:
        run = told(HOME / "bramble", "info", "--json", file)
        cases.setdefault((run["summary"]["nodes"], run["summary"]["cores"]), []).append(run)
    print("| case | T measured | T simulated | error | O% measured, simulated |\n|---|---:|---:|---:|---|")
    for (n, c), runs in sorted(cases.items()):
        if c % n == 0:
            compare(n, c, runs, link, files)
    return 0


def compare(n, c, runs, link, files):
    config, first = runs[0]["config"], runs[0]["summary"]
    images = round(first["images_per_s"] * first["t_time_s"] / int(config["rounds"]) / int(config["local-epochs"]))
    with tempfile.TemporaryDirectory() as folder:
        options = [word for name in SAME for word in ("--" + name, config.get(name, "")) if config.get(name)]
        out = told(HOME / "jobs/simulate", n, "--replay", "--from", *files, "--link", link, "--", *options, "--threads", c // n,
                   "--data", "synthetic:", "--limit-train", images, "--limit-test", 100, "--out", f"{folder}/run.h5", "--json", "--quiet")
    t, o = (sum(run["summary"][name] for run in runs) / len(runs) for name in ("t_time_s", "o_time_s"))
    print(f"| {n}:{c} | {t:.2f} | {out['t_time_s']:.2f} | {100 * (out['t_time_s'] / t - 1):+.1f} % "
          f"| {100 * o / t:.1f}, {100 * out['overhead_fraction']:.1f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
