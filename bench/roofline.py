#!/usr/bin/python3
"""Draw the roofline of the kernels from a result of `make bench`.

usage: bench/roofline.py [results/bench.json [docs/roofline.png]]

Across: operations per byte that a pass must read and write at least, its images and weights once.  Up: what
was reached.  The roofs are the measured peak of multiply-adds and the measured speed of reading from each
level of memory.  Operations are those of direct sums: Winograd's convolutions do fewer, and may lie above the
peak.  Source: S. Williams, A. Waterman, D. Patterson, Communications of the ACM 52(4), 2009.
"""
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parent.parent
MEMORIES = ("level-1 cache", "level-2 cache", "level-3 cache", "main memory")
NET = ("conv1", "conv2", "fc1", "fc2", "fc3")  # the paper's
COLOURS = {"forward": "#0072B2", "weight gradient": "#D55E00", "both gradients": "#009E73"}
MARKERS = {"forward": "o", "weight gradient": "s", "both gradients": "^"}
WINOGRAD = ("f2", "f4")


def draw_point(axes, row):
    intensity, by_winograd = row["flops"] / row["bytes"], row.get("algorithm") in WINOGRAD
    axes.plot(intensity, row["gflops"], "*" if by_winograd else MARKERS[row["what"]], color=COLOURS[row["what"]],
              markersize=9 if by_winograd else 6, markerfacecolor=None if row["name"] in NET else "none")
    if row["what"] == "forward" and row["name"] in NET:
        axes.annotate(row["name"], (intensity, row["gflops"]), textcoords="offset points", xytext=(5, -11), fontsize=8)


def picture(rows):
    """Of the kernels in a result."""
    points = [row for row in rows if "flops" in row]
    reads = sorted((row for row in rows if row["name"] == "read"), key=lambda row: row["bytes"])
    peak = max(row["peak_gflops"] for row in points)
    figure, axes = plt.subplots(figsize=(8, 5), dpi=110)
    x = [0.25, 2000]
    for read, name in zip(reads, MEMORIES):
        speed = read["bytes_per_s"] / 1e9
        knee = peak / speed
        axes.plot([x[0], knee], [x[0] * speed, peak], color="0.55", linewidth=1)
        axes.annotate(f"{name} {speed:.0f} GB/s", (x[0] * 1.15, x[0] * 1.15 * speed), color="0.3", fontsize=8,
                      rotation=35, rotation_mode="anchor", va="bottom")
    axes.plot(x, [peak, peak], color="black", linewidth=1)
    axes.annotate(f"multiply-adds {peak:.0f} GFLOP/s", (x[1] * 0.95, peak * 1.04), ha="right", fontsize=8)
    for row in points:
        draw_point(axes, row)
    for what, colour in COLOURS.items():
        axes.plot([], [], MARKERS[what], color=colour, label=what)
    axes.plot([], [], "o", color="0.4", markerfacecolor="none", label="hollow: 1x1 to 7x7, 32 to 256 channels")
    axes.plot([], [], "*", color="0.4", markerfacecolor="none", markersize=9, label="stars: by Winograd, counted as direct sums")
    reached = [row["gflops"] for row in points]
    axes.set(xscale="log", yscale="log", xlim=x, ylim=(min(4, *reached) / 1.2, max(peak, *reached) * 1.5),
             xlabel="operations per byte", ylabel="GFLOP/s")
    axes.legend(loc="lower right", fontsize=8)
    axes.grid(True, which="major", color="0.9")
    figure.tight_layout()
    return figure


def main():
    source = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "results/bench.json")
    target = Path(sys.argv[2] if len(sys.argv) > 2 else ROOT / "docs/roofline.png")
    picture(json.loads(source.read_text())["kernels"]).savefig(target)
    print(f"written to {target}")


if __name__ == "__main__":
    main()
