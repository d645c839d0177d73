"""Figures of runs that differ in how they average (methods.py): accuracy against rounds, seconds and bytes; who had what.

Every function takes the study, or the run, and draws narrow (panels below one another) where asked to.
"""
from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .files import Results, Run
from .look import (BLACK, BLUE, GREEN, NARROW, ON, ORANGE, PURPLE, RED, SKY, empty, figure_legend, panels, plain, plt, styled,
                   whole_ticks)
from .methods import curves, methods, several

LOOKS = [(BLUE, "o", "-"), (RED, "s", "--"), (GREEN, "^", "-."), (ORANGE, "D", ":"), (PURPLE, "v", "-"), (SKY, "P", "--"),
         (BLACK, "X", "-.")]
MOST_LINES, MARKS = len(LOOKS), 8  # more methods cannot be told apart; marks on a line
MOST_PANELS = 12
NO_METHODS = "no runs that differ in how they average, or share images out"
MOST_HOLDERS = 64  # that a heat map has lines for
MOST_CLASSES = 30  # that it names


def _grid(titles: Sequence[str], narrow: bool, **kwargs: Any) -> tuple[Figure, list[Axes]]:
    """Panels in lines of three at most, or below one another."""
    columns = 1 if narrow else min(len(titles), 3)
    lines = -(-len(titles) // columns)
    width = NARROW if narrow else {1: 7.0, 2: 9.0}.get(columns, 11.0)
    fig, axes = plt.subplots(lines, columns, squeeze=False, figsize=(width, 3.2 * lines), **kwargs)
    for k, ax in enumerate(axes.ravel()):
        if k < len(titles):
            ax.set_title(plain(titles[k]))
            ax.tick_params(labelbottom=True, labelleft=True)
        else:
            ax.set_visible(False)
    return fig, list(axes.ravel()[:len(titles)])


def draw_curves(ax: Axes, part: pd.DataFrame, by: str, column: str, scale: float, names: Sequence[str],
                labels: Optional[dict[str, str]] = None) -> None:
    """Accuracy of rows of over_repeats() against a column, a line for each name in `by`; where repeats differ, a band from
    the lowest to the highest.
    """
    for name, (colour, marker, line) in zip(names, LOOKS):
        one = part[part[by] == name].dropna(subset=[column, "accuracy"])
        if one.empty:
            continue
        x = scale * one[column]
        ax.plot(x, 100 * one.accuracy, color=colour, marker=marker, linestyle=line, markersize=4.5, markevery=max(len(one) // MARKS, 1),
                label=plain(labels[name]) if labels else None)
        if (one.high > one.low).any():
            ax.fill_between(x, 100 * one.low, 100 * one.high, color=colour, alpha=0.18, linewidth=0)


def _plot_against(results: Results, column: str, scale: float, xlabel: str, narrow: bool) -> Figure:
    table = curves(results) if several(results) else None
    if table is None or table[column].isna().all():
        fig, axes = panels("", narrow=narrow)
        empty(axes[0], NO_METHODS if table is None else "these files do not tell")
        return fig
    names, partitions = list(table.method.unique()), list(table.partition.unique())[:MOST_PANELS]
    fig, axes = _grid(partitions, narrow, sharey=True)
    for ax, partition in zip(axes, partitions):
        draw_curves(ax, table[table.partition == partition], "method", column, scale, names)
        ax.set(xlabel=xlabel, ylabel="test accuracy (%)", xlim=(0, None))
        whole_ticks(ax.xaxis)
    for name, (colour, marker, line) in zip(names, LOOKS):
        axes[0].plot([], [], color=colour, marker=marker, linestyle=line, markersize=4.5, label=plain(name))
    if len(names) > MOST_LINES:
        axes[0].plot([], [], linestyle="", marker="", label=f"not shown: {len(names) - MOST_LINES} more")
    figure_legend(fig, axes[0], 1 if narrow else 4)
    return fig


@styled
def plot_methods(results: Results, narrow: bool = False) -> Figure:
    """Test accuracy against rounds: a panel for each way to share the images out, a line for each method."""
    return _plot_against(results, "round", 1, "round", narrow)


@styled
def plot_methods_time(results: Results, narrow: bool = False) -> Figure:
    """Test accuracy against the seconds of training (T_time so far), as `plot_methods` does against rounds."""
    return _plot_against(results, "t_end_s", 1, "time (s)", narrow)


@styled
def plot_methods_bytes(results: Results, narrow: bool = False) -> Figure:
    """Test accuracy against the bytes that all ranks have sent to average."""
    return _plot_against(results, "bytes", 1e-6, "sent to average (MB)", narrow)


# ---- who has which images -----------------------------------------------------------------------


def labels_of(run: Run) -> Optional[pd.DataFrame]:
    """Training images of each class (column) by client (row: from 1), where there are clients, else by worker (row: rank).

    Which of the two is the index's name.  None where the file does not tell.
    """
    if run.client_labels is not None:
        counts, who = run.client_labels, pd.RangeIndex(1, len(run.client_labels) + 1, name="client")
    elif run.labels is not None and len(run.labels) == len(run.machine) and {"rank", "is_worker"} <= set(run.machine):
        workers = run.machine.is_worker.to_numpy() == 1
        counts, who = run.labels[workers], pd.Index(run.machine["rank"][workers], name="worker")
    else:
        return None
    n = counts.shape[1]
    names = list(run.class_names) if len(run.class_names) == n else [str(k) for k in range(n)]
    return None if (counts < 0).any() else pd.DataFrame(counts, index=who, columns=names)


def _draw_labels(ax: Axes, table: Optional[pd.DataFrame]) -> None:
    if table is None or table.empty:
        empty(ax, "the file does not tell who had which images")
        ax.grid(False)
        return
    shown = table.iloc[:MOST_HOLDERS]
    most = max(shown.to_numpy().max(), 1)
    ax.imshow(shown, cmap="Blues", vmin=0, vmax=most, aspect="auto", interpolation="nearest")
    if shown.size <= 160:
        for (i, j), n in np.ndenumerate(shown.to_numpy()):
            ax.text(j, i, "" if n == 0 else n if n < 10000 else f"{n / 1000:.0f}k", ha="center", va="center", fontsize=6.5,
                    color="#ffffff" if n > 0.55 * most else ON)
    if len(shown) <= 20:
        ax.set_yticks(range(len(shown)), [str(name) for name in shown.index])
    else:  # places are not numbers where a server trains nothing
        places = np.linspace(0, len(shown) - 1, 6).astype(int)
        ax.set_yticks(places, [str(shown.index[k]) for k in places])
    if shown.shape[1] <= MOST_CLASSES:
        ax.set_xticks(range(shown.shape[1]), [plain(name) for name in shown.columns], rotation=45, ha="right")
    name = "client" if table.index.name == "client" else "worker's rank"
    ax.set(ylabel=name if len(shown) == len(table) else f"{name}, {len(shown)} of {len(table)}")
    ax.grid(False)
    ax.spines[:].set_visible(False)


@styled
def plot_labels(run: Run, narrow: bool = False) -> Figure:
    """How many training images of each class every worker or client of a run had: a heat map, classes by these."""
    table = labels_of(run)
    n = 1 if table is None else min(len(table), MOST_HOLDERS)
    fig, (ax,) = panels("", size=(NARROW if narrow else 7.2, 1.6 + min(0.3 * n, 6.4)))
    _draw_labels(ax, table)
    return fig


def first_of_partitions(results: Results) -> dict[str, str]:
    """A file of each way to share the images out, by its name: they are the same for all methods with one seed."""
    table = methods(results).drop_duplicates("partition")
    return dict(zip(table.partition, table.file))


@styled
def plot_partitions(results: Results, narrow: bool = False) -> Figure:
    """The same for a study: a heat map for each way to share the images out, of its first run."""
    if not several(results):
        fig, axes = panels("", narrow=narrow)
        empty(axes[0], NO_METHODS)
        return fig
    files = dict(list(first_of_partitions(results).items())[:MOST_PANELS])
    fig, axes = _grid(list(files), narrow)
    for ax, file in zip(axes, files.values()):
        _draw_labels(ax, labels_of(results.run(file)))
    return fig
