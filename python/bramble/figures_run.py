"""The figures of one run, from `read_run`: curves, timeline, confusion, filters, temperature, examples."""
from __future__ import annotations

from typing import Optional

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .files import Run, phases
from .look import (BLUE, NARROW, ON, ORANGE, PHASE_COLOURS, PHASE_HATCHES, RED, empty, figure_legend, panels,
                   plain, plt, styled, whole_ticks)
from .net import predict

PIECES = 40      # a timeline's: of long runs several rounds are one piece
MOST_CLASSES = 30  # that a confusion matrix writes numbers for
MOST_FILTERS = 32


@styled
def plot_curves(run: Run, narrow: bool = False) -> Figure:
    """Loss and accuracy over the passes, in training and on the test images."""
    fig, axes = panels("Loss", "Accuracy", narrow=narrow)
    rounds, tests = run.rounds, run.tests
    x, xlabel = ((rounds.passes, "passes over the training images") if "passes" in rounds else
                 (rounds["round"] + 1, "rounds"))
    for ax, name, scale in ((axes[0], "loss", 1), (axes[1], "accuracy", 100)):
        if len(rounds) and name in rounds:
            ax.plot(x, rounds[name] * scale, color=ORANGE, marker="D", linestyle="--", markersize=4,
                    label=f"training, at last {rounds[name].iloc[-1] * scale:.3g}")
        if len(tests) and name in tests:
            ax.plot(x[tests["round"]], tests[name] * scale, color=BLUE, marker="o", linestyle="-", markersize=4.5,
                    label=f"test, at last {tests[name].iloc[-1] * scale:.3g}")
        ax.set(xlabel=xlabel, ylabel="cross-entropy (nats)" if scale == 1 else "share of images (%)")
        whole_ticks(ax.xaxis)
        if ax.has_data():
            ax.legend()
        else:
            empty(ax, "no round is finished yet")
    return fig


def _phase_look(name: str) -> dict:
    return dict(color=PHASE_COLOURS.get(name, "#999999"), hatch=PHASE_HATCHES.get(name, ""), edgecolor=ON)


def _draw_rank(ax: Axes, rank: int, rows: pd.DataFrame, names: list[str], used: list[str], step: int) -> None:
    start = 0.0
    for _, some in rows.groupby(rows["round"] // step):
        for name in names:
            width = some[name].sum()
            if name in used and width > 0:
                ax.barh(rank, width, left=start, height=0.72, linewidth=0, **_phase_look(name))
            start += width


@styled
def plot_timeline(run: Run, narrow: bool = False) -> Figure:
    """A bar for each rank, a piece for each phase of each round: where the time went."""
    ranks, names = run.ranks, phases(run.ranks)
    n_ranks = max(ranks["rank"].nunique(), 1) if "rank" in ranks else 1
    fig, (ax,) = panels("", size=(NARROW if narrow else 9.5, 1.5 + 0.42 * n_ranks + 0.5 * narrow))
    if not len(ranks) or "rank" not in ranks:
        empty(ax, "no round is finished yet")
        return fig
    used = [name for name in names if ranks[name].sum() > 0.002 * ranks[names].to_numpy().sum() / n_ranks]
    for rank, rows in ranks.groupby("rank"):
        _draw_rank(ax, rank, rows, names, used, -(-len(run.rounds) // PIECES))
    for name in used:
        ax.barh(0, 0, linewidth=0, label=name[:-2], **_phase_look(name))
    roles = run.roles()
    ax.set(xlabel="time since the first step (s)", yticks=range(n_ranks), ylim=(n_ranks - 0.5, -0.5), xlim=(0, None),
           yticklabels=[f"{rank} {roles.get(rank, '')}" for rank in range(n_ranks)], ylabel="rank")
    ax.grid(axis="y", visible=False)
    figure_legend(fig, ax, 3 if narrow else max(len(used), 1))
    return fig


def confusion_shares(run: Run) -> Optional[np.ndarray]:
    """The confusion matrix as shares of the true class (%), or None before the first test."""
    if run.confusion is None or not run.confusion.sum() > 0:
        return None
    return 100 * run.confusion / np.maximum(run.confusion.sum(axis=1, keepdims=True), 1)


def classes_of(run: Run, n: int) -> list[str]:
    """Names of the classes, numbers where the file has none."""
    return list(run.class_names) if len(run.class_names) == n else [str(k) for k in range(n)]


@styled
def plot_confusion(run: Run, narrow: bool = False) -> Figure:
    """What the model says of the test images of each true class, in percent."""
    share = confusion_shares(run)
    fig, (ax,) = panels("", size=(NARROW, 4.4) if narrow else (7.2, 6.2))
    if share is None:
        empty(ax, "no model was tested yet")
        return fig
    classes = [plain(name) for name in classes_of(run, len(share))]
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=100)
    for i, j in np.ndindex(*share.shape if len(share) <= MOST_CLASSES else (0,)):
        ax.text(j, i, f"{share[i, j]:.0f}", ha="center", va="center", fontsize=6.5 if narrow else 8,
                color="#ffffff" if share[i, j] > 55 else ON, fontweight="bold" if i == j else "normal")
    if len(share) <= MOST_CLASSES:
        ax.set(xticks=range(len(classes)), yticks=range(len(classes)))
        ax.set_xticklabels(classes, rotation=45, ha="right")
        ax.set_yticklabels(classes)
    ax.set(xlabel="what the model says", ylabel="true class")
    ax.grid(False)
    ax.spines[:].set_visible(False)
    if not narrow:
        fig.colorbar(image, ax=ax, label="share of the true class (%)", shrink=0.8)
    return fig


def first_filters(run: Run) -> Optional[np.ndarray]:
    """The first convolution's weights on colour images, [filters][3][rows][columns], or None."""
    return next((w for name, w in run.weights.items()
                 if name.endswith(".weight") and w.ndim == 4 and w.shape[1] == 3 and w.shape[2] > 1), None)


@styled
def plot_filters(run: Run, narrow: bool = False) -> Figure:
    """The filters of the first convolution as small pictures: grey is 0, all on one scale."""
    first = first_filters(run)
    if first is None:
        fig, (ax,) = panels("")
        empty(ax, "the file has no weights of a convolution on colour images")
        return fig
    n = min(len(first), MOST_FILTERS)
    columns = min(n, 4 if narrow else 8)
    lines = -(-n // columns)
    fig, axes = plt.subplots(lines, columns, figsize=(1.1 * columns, 1.25 * lines), squeeze=False)
    limit = np.abs(first).max() or 1.0
    for k, ax in enumerate(axes.ravel()):
        ax.axis("off")
        if k < n:
            ax.imshow(0.5 + 0.5 * first[k].transpose(1, 2, 0) / limit, interpolation="nearest")
            ax.set_title(k, fontsize=8, fontweight="normal", loc="center")
    return fig


SENSORS = {"temperature_c": "temperature (°C)", "clock_mhz": "clock (MHz)"}


def told_by_sensors(run: Run) -> list[str]:
    """Which columns of sensors have a number at all."""
    return [name for name in SENSORS if name in run.ranks and run.ranks[name].notna().any()]


@styled
def plot_temperature(run: Run, narrow: bool = False) -> Figure:
    """Temperature and clock of every rank over the rounds, as far as the machines tell them."""
    told = told_by_sensors(run)
    fig, axes = panels(*[""] * max(len(told), 1), narrow=narrow, size=(4.5 * max(len(told), 1), 3.4))
    if not told:
        empty(axes[0], "these machines tell neither temperature nor clock")
        return fig
    for ax, name in zip(axes, told):
        for rank, rows in run.ranks.groupby("rank"):
            ax.plot(rows["round"] + 1, rows[name], label=f"rank {rank}", markersize=4)
        if name == "temperature_c":
            ax.axhspan(80, 85, color=RED, alpha=0.15, linewidth=0)
            ax.text(1, 80.2, "a Raspberry Pi slows down", fontsize=8, va="bottom")
        ax.set(xlabel="round", ylabel=SENSORS[name])
        whole_ticks(ax.xaxis)
    figure_legend(fig, axes[0], 3 if narrow else 6)
    return fig


@styled
def plot_examples(run: Run, images: np.ndarray, labels: np.ndarray, narrow: bool = False) -> Figure:
    """Of each class the image the model is surest of, and the one it is surest of and wrong.

    images: bytes [n][3][rows][columns]; labels: [n].  UnknownLayer where the run's model is not known here.
    """
    p = predict(run.model_text, run.weights, images, normalise=run.config.get("normalise", "half"))
    guess, sure, classes = p.argmax(axis=1), p.max(axis=1), [plain(name) for name in classes_of(run, p.shape[1])]
    fig, axes = plt.subplots(2, len(classes), figsize=(1.05 * len(classes), 3.1), squeeze=False)
    for line, right in enumerate((True, False)):
        for c, ax in enumerate(axes[line]):
            some = np.flatnonzero((labels == c) & ((guess == c) == right))
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            if len(some):
                k = some[sure[some].argmax()]
                ax.imshow(images[k].transpose(1, 2, 0), interpolation="nearest")
                ax.set_title(classes[c] if right else f"{classes[c]},\nsaid: {classes[guess[k]]}", fontsize=8,
                             fontweight="normal", loc="center")
                ax.set_xlabel(f"{100 * sure[k]:.0f} %", fontsize=8)
    axes[0, 0].set_ylabel("right")
    axes[1, 0].set_ylabel("wrong")
    return fig
