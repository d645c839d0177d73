"""The study in one figure, and accuracy over time: beside other programs, and of presets."""
from __future__ import annotations

from itertools import cycle
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figures_methods import draw_curves
from .figures_study import Tables, complete, draw_accuracy, tables
from .files import Results
from .look import BLUE, GREY, HERE, NARROW, RED, THEIRS, draw, empty, figure_legend, label_points, panels, plain, plt, styled, whole_ticks
from .recipes import recipe_curves
from .study import in_set, over_repeats

TRAINING = "training"  # the set of Bramble's runs that stand beside other programs' (peers.py): the same net and recipe


# ---- beside other programs ----------------------------------------------------------------------


def accuracy_over_time(results: Results) -> pd.DataFrame:
    """A row per program and pass: program, seconds of training t_s, accuracy, low and high (of its runs), means over runs.

    Empty where either Bramble's runs or another program's are not there.
    """
    files = in_set(complete(results), TRAINING).file
    if results.peers.empty or not len(files):
        return pd.DataFrame(columns=["program", "passes", "t_s", "accuracy", "low", "high"])
    ours = results.tests[results.tests.file.isin(files)].merge(results.rounds, on=["file", "round"], suffixes=("", "_training"))
    ours = pd.DataFrame({"program": "Bramble", "passes": ours.passes.round(3), "t_s": ours.t_end_s, "accuracy": ours.accuracy})
    theirs = results.peers.assign(program=results.peers.program + " " + results.peers.version)
    return over_repeats(pd.concat([ours, theirs[list(ours)]]).groupby(["program", "passes"], sort=False), ["t_s"])


def _draw_over_time(ax: Axes, results: Results, table: pd.DataFrame) -> None:
    looks = [HERE, THEIRS, dict(color=GREY, marker="^", linestyle=":")]
    for (program, part), look in zip(table.groupby("program", sort=False), looks):
        ax.plot(part.t_s, 100 * part.accuracy, **look, label=plain(program))
        ax.fill_between(part.t_s, 100 * part.low, 100 * part.high, color=look["color"], alpha=0.2, linewidth=0)
        label_points(ax, part.t_s.tail(1), 100 * part.high.tail(1), [f"{part.t_s.iloc[-1]:.0f} s"], color=look["color"], fontweight="bold")
    about = results.peers.iloc[0]
    threads = f"{about.threads} core{'s' if str(about.threads) != '1' else ''}"
    ax.set(xlabel=f"seconds of training, {plain(threads)}, {plain(about.instructions)}", ylabel="test accuracy (%)", xlim=(0, None))
    ax.set_ylim(top=100 * table.high.max() + 3)
    ax.legend(loc="lower right")


@styled
def plot_peers(results: Results, narrow: bool = False) -> Figure:
    """Test accuracy over the seconds of training, with the same net and recipe, by Bramble and by other programs."""
    fig, (ax,) = panels("", size=(NARROW, 3.6) if narrow else (7, 4))
    table = accuracy_over_time(results)
    if table.empty:
        empty(ax, "no runs of another program beside runs of the set training")
    else:
        _draw_over_time(ax, results, table)
    return fig


# ---- presets ------------------------------------------------------------------------------------


@styled
def plot_recipes(results: Results, narrow: bool = False) -> Figure:
    """Test accuracy over the minutes of training by preset, and by other programs where their files are there."""
    fig, (ax,) = panels("", size=(NARROW, 3.8) if narrow else (7, 4.2))
    table = recipe_curves(results)
    if table.empty:
        empty(ax, "no runs of presets on all their images")
        return fig
    last = table.groupby("preset").last().sort_values("t_end_s")
    draw_curves(ax, table, "preset", "t_end_s", 1 / 60, list(last.index),
                {preset: f"{preset}, {100 * accuracy:.1f} %" for preset, accuracy in last.accuracy.items()})
    for ((program, _), part), line in zip(results.peers.groupby(["program", "version"]), cycle(["-", ":", "--"])):
        means = part.groupby("passes")[["t_s", "accuracy"]].mean()
        ax.plot(means.t_s / 60, 100 * means.accuracy, color=GREY, marker=".", linestyle=line, linewidth=1,
                label=plain(f"{program}, the study's net, {100 * means.accuracy.iloc[-1]:.1f} %"))
    ax.set(xscale="log", xlabel="minutes of training", ylabel="test accuracy (%)", ylim=(40, 100))
    ax.xaxis.set_major_formatter("{x:g}")
    figure_legend(fig, ax, 1 if narrow else 2)
    return fig


# ---- all in one ---------------------------------------------------------------------------------


def _beside(ax: Axes, here: pd.DataFrame, paper: pd.DataFrame, column: str, scale: float) -> None:
    draw(ax, here.nodes, here, column, scale, **HERE, label="Bramble")
    ax.plot(paper.nodes, scale * paper[column], **THEIRS, label="the study")
    whole_ticks(ax.xaxis)
    ax.set_xlim(0.7, max(3.0, paper.nodes.max()) + 0.6)


def _draw_overhead(ax: Axes, t: Tables) -> None:
    _beside(ax, t.nodes, t.nodes_paper, "overhead_fraction", 100)
    for table, colour, digits in ((t.nodes_paper, RED, 0), (t.nodes, BLUE, 1)):
        last = table.tail(1)
        label_points(ax, last.nodes, 100 * last.overhead_fraction,
                     [f"{100 * o:.{digits}f} %" for o in last.overhead_fraction], color=colour, fontweight="bold")
    ax.set(xlabel="nodes (two cores each)", ylim=(-1, 23))
    ax.legend(loc="upper left")


def _draw_speedup(ax: Axes, t: Tables) -> None:
    ax.plot([1, 3], [1, 3], color=GREY, linestyle=":", marker="", label="ideal")
    _beside(ax, t.nodes, t.nodes_paper, "speedup", 1)
    for table, colour in ((t.nodes, BLUE), (t.nodes_paper, RED)):
        last = table.tail(1)
        label_points(ax, last.nodes + 0.27, last.speedup - 0.12, [f"{s:.2f}" for s in last.speedup], color=colour,
                     fontweight="bold")
    ax.set(xlabel="nodes (two cores each)", ylim=(0.7, 3.4))
    ax.legend(loc="upper left")


def _draw_cases(ax: Axes, t: Tables, columns: int) -> None:
    draw_accuracy(ax, t)
    ax.set(ylabel="", xlabel="case: nodes:cores")
    for text in list(ax.texts):  # the titles of the tables would stand in the panel's own
        text.remove()
    handles, names = ax.get_legend_handles_labels()
    words = {"here, mean ± sd": "Bramble, mean ± sd", "paper": "the study", "paper: 57 ± 1.7 %": "the study: 57 ± 1.7 %"}
    ax.legend(handles, [words[name] for name in names], loc="upper right", ncol=columns, fontsize=8)
    ax.set_ylim(53, 72)


@styled
def plot_overview(results: Results, narrow: bool = False) -> Figure:
    """The study in one figure: overhead and speedup over the nodes, accuracy of all cases, beside the paper; and accuracy
    over time beside other programs, where such runs are there.
    """
    t, over_time = tables(results), accuracy_over_time(results)
    titles = {"overhead": "Overhead, % of the time", "speedup": "Speedup over one node", "time": "Accuracy over time",
              "cases": "Accuracy of all cases, %"}
    if over_time.empty:
        del titles["time"]
    if narrow:
        shape: Any = [[name] for name in titles]
        size, kwargs = (NARROW, 3.3 * len(titles)), {}
    elif over_time.empty:
        shape, size, kwargs = [list(titles)], (11.0, 3.3), {"width_ratios": [1, 1, 1.6]}
    else:
        shape, size, kwargs = [["overhead", "speedup", "time"], ["cases"] * 3], (11.0, 6.4), {}
    fig, axes = plt.subplot_mosaic(shape, figsize=size, **kwargs)
    for name, title in titles.items():
        axes[name].set_title(title)
    _draw_overhead(axes["overhead"], t)
    _draw_speedup(axes["speedup"], t)
    if not over_time.empty:
        _draw_over_time(axes["time"], results, over_time)
    _draw_cases(axes["cases"], t, 1 if narrow else 3)
    return fig
