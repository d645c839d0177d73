"""What `bramble plan` predicts from a study, asked of the program and drawn beside what was measured."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .files import Results
from .look import BLACK, BLUE, ON, PAPER_WHITE, PHASE_COLOURS, PHASE_HATCHES, RED, SKY, panels, styled

TICKS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
SHOWN = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
PARTS = {"work": ("w_time_s", "train_s"), "wait": ("wait_s", "wait_s"), "serve": ("serve_s", "serve_s"),
         "wire": ("wire_s", "wire_s"), "pack": ("pack_s", "pack_s")}
WAIT_S = 120


class NoPlan(Exception):
    """Why there is no plan, in a line."""


def find_program() -> Optional[str]:
    """The program: $BRAMBLE, a checkout's own, or the one that is installed; None where there is none."""
    checkout = Path(__file__).resolve().parents[2] / "bramble"
    beside = Path(__file__).resolve().parents[4] / "bin" / "bramble" if len(Path(__file__).resolve().parents) > 4 else checkout
    for name in (os.environ.get("BRAMBLE"), str(checkout), str(beside), shutil.which("bramble")):
        if name and os.path.isfile(name) and os.access(name, os.X_OK):
            return name
    return None


def ask_plan(results: Results, *options: Any, program: Optional[str] = None) -> dict[str, Any]:
    """What `bramble plan --json` says of the complete runs of a study, with these options; NoPlan where it cannot."""
    program = program or find_program()
    if program is None:
        raise NoPlan("the program bramble was not found: put it into the PATH, or name it in BRAMBLE")
    files = [str(results.paths[name]) for name in results.runs.file[results.runs.complete.astype(bool)]]
    if not files:
        raise NoPlan("there is no complete run")
    try:
        done = subprocess.run([program, "plan", "--json", *map(str, options), *files], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=WAIT_S)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise NoPlan(f"{program}: {problem}") from None
    if done.returncode:
        folders = sorted({f"{path.parent}/" for path in results.paths.values()}, key=len, reverse=True)
        said = done.stderr.strip()
        for folder in folders:
            said = said.replace(folder, "")
        raise NoPlan(said)
    return json.loads(done.stdout)


def plan_rows(found: dict[str, Any]) -> pd.DataFrame:
    """A row for each number of nodes that was planned."""
    rows = pd.DataFrame(found["rows"]).set_index("nodes")
    ends = [name for name in rows if name.endswith(("_low", "_high"))]
    rows[ends] = rows[ends].astype(float)  # a rough plan has none
    return rows


def plan_ticks(ax: Axes) -> None:
    """An axis of the nodes that are drawn."""
    ax.set_xscale("log")
    ticks = [n for n in TICKS if n <= ax.dataLim.x1]
    ax.set_xticks(ticks, labels=[str(n) for n in ticks])
    ax.minorticks_off()


@styled
def plot_plan(found: dict[str, Any], narrow: bool = False) -> Figure:
    """T, O% and S over the nodes as predicted, with 90 % intervals, and what was measured."""
    rows, measured = plan_rows(found), pd.DataFrame(found["measured"])
    here = measured[np.isclose(measured.cores, found["planned"]["cores"])]
    base = here.t_time_s[here.nodes == 1].mean()
    fig, axes = panels("T_time, s", "O%", "S", narrow=narrow, size=(12, 3.6))
    for ax, name, scale, points in zip(axes, ("t_time_s", "overhead_fraction", "speedup"), (1, 100, 1),
                                       (here.t_time_s, 100 * here.overhead_fraction, base / here.t_time_s)):
        ax.fill_between(rows.index, scale * rows[name + "_low"], scale * rows[name + "_high"], color=SKY, alpha=0.4,
                        linewidth=0, label="90 % interval")
        ax.plot(rows.index, scale * rows[name], color=BLUE, marker="", linestyle="-", label="predicted")
        ax.plot(here.nodes, points, color=RED, marker="s", linestyle="", markerfacecolor=PAPER_WHITE, label="measured")
        ax.set_xlabel("nodes N")
        plan_ticks(ax)
    axes[0].set_yscale("log")
    axes[2].plot(rows.index, rows.index, color=BLACK, linestyle=":", marker="", linewidth=1, label="N")
    axes[2].set_yscale("log")
    axes[0].legend()
    axes[2].legend()
    return fig


@styled
def plot_plan_parts(found: dict[str, Any], narrow: bool = False) -> Figure:
    """What the predicted time is made of: work, waiting, the server, the wire, packing."""
    few = plan_rows(found).loc[SHOWN]
    fig, (ax,) = panels("Predicted share of T", narrow=narrow)
    bottom = np.zeros(len(few))
    for label, (column, phase) in PARTS.items():
        share = 100 * few[column] / few.t_time_s
        ax.bar(few.index.astype(str), share, bottom=bottom, color=PHASE_COLOURS[phase], hatch=PHASE_HATCHES.get(phase),
               edgecolor=ON, linewidth=0, label=label)
        bottom += share
    ax.set(xlabel="nodes N", ylabel="%")
    if narrow:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=3)
    else:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def nodes_text(found: dict[str, Any], name: str) -> str:
    """A number of nodes of the plan with its interval, in words."""
    low, high = (found[f"{name}_{end}"] for end in ("low", "high"))
    many = f"over {found['rows'][-1]['nodes']}"
    return f"{found[name] or many} nodes (90 % interval: {low or many} to {high or many})"
