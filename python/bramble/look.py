"""How figures look, and what several of them need."""
from __future__ import annotations

import functools
from typing import Any, Callable, Optional, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's colours, told apart by the colour-blind; markers and lines differ too, for print.
ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PURPLE = (
    "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
# Three that a page in the dark turns round (page.py), so no other thing may have them; text on a colour is ON.
INK, PAPER_WHITE, GRID = "#1a1a1a", "#fefefe", "#dcdcdc"
ON, GREY, BLACK = "#111111", "#808080", INK
HERE: dict[str, Any] = dict(color=BLUE, marker="o", linestyle="-")
THEIRS: dict[str, Any] = dict(color=RED, marker="s", linestyle="--", markerfacecolor=PAPER_WHITE)
PHASE_COLOURS = {"train_s": BLUE, "input_s": SKY, "pack_s": ORANGE, "average_s": RED, "wire_s": RED, "wait_s": YELLOW,
                 "serve_s": PURPLE, "evaluate_s": GREEN, "output_s": BLACK, "other_s": "#999999"}
PHASE_HATCHES = {"wait_s": "///", "wire_s": "...", "average_s": "...", "evaluate_s": "xxx", "serve_s": "\\\\\\"}

STYLE: dict[str, Any] = {
    "figure.figsize": (9, 3.6), "figure.dpi": 100, "figure.facecolor": PAPER_WHITE, "savefig.facecolor": PAPER_WHITE,
    "axes.facecolor": "none", "figure.constrained_layout.use": True, "axes.grid": True, "axes.axisbelow": True,
    "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.titlecolor": INK, "text.color": INK, "xtick.color": INK,
    "ytick.color": INK, "grid.color": GRID, "grid.linewidth": 0.7, "axes.spines.top": False, "axes.spines.right": False,
    "axes.titlesize": 11, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.labelsize": 10, "font.size": 10,
    "legend.frameon": False, "legend.fontsize": 9, "lines.markersize": 6, "lines.linewidth": 1.6, "errorbar.capsize": 3,
    "axes.prop_cycle": (cycler(color=[BLUE, RED, GREEN, ORANGE, PURPLE, SKY, BLACK])
                        + cycler(marker=["o", "s", "^", "D", "v", "P", "X"])
                        + cycler(linestyle=["-", "--", "-.", ":", "-", "--", "-."]))}
NARROW = 4.4  # inches: a figure with its panels below one another, for a telephone


def style() -> None:
    """Set matplotlib's defaults: white ground, thin grid, no box, series told apart without colour."""
    mpl.rcParams.update(STYLE)


def styled(plot: Callable[..., Figure]) -> Callable[..., Figure]:
    """A function that draws, whatever matplotlib's defaults are."""
    @functools.wraps(plot)
    def wrapped(*args: Any, **kwargs: Any) -> Figure:
        with mpl.rc_context(STYLE):
            fig = plot(*args, **kwargs)
            note_simulated(fig, args[0] if args else None)
            return fig
    return wrapped


def note_simulated(fig: Figure, of: Any) -> None:
    """Below a figure of runs, of one, or of a plan: that nothing of it was measured."""
    how = of.get("model", {}).get("simulated", "") if isinstance(of, dict) else getattr(of, "simulated", "")
    if how:
        fig.supxlabel(f"simulated, not measured: {plain(how)}", fontsize=8, color=RED, x=0.01, ha="left")


def panels(*titles: str, narrow: bool = False, size: Optional[tuple[float, float]] = None,
           **kwargs: Any) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each title, side by side, or below one another where it is narrow.

    size: width and height of the wide figure, in inches.
    """
    width, height = size or (9, 3.6)
    shape = (len(titles), 1) if narrow else (1, len(titles))
    if narrow:
        width, height = NARROW, max(height, 3.0) * len(titles)
    fig, axes = plt.subplots(*shape, squeeze=False, figsize=(width, height), **kwargs)
    for ax, title in zip(axes.ravel(), titles):
        ax.set_title(title)
        ax.tick_params(labelbottom=True, labelleft=narrow or ax is axes.ravel()[0] or not kwargs.get("sharey"))
    return fig, list(axes.ravel())


def plain(text: str) -> str:
    """A name from a file as matplotlib shows it letter by letter: no formula, nothing unprintable, not too long."""
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return (shown if len(shown) <= 40 else shown[:39] + "…").replace("$", r"\$")


def empty(ax: Axes, why: str = "no runs of these cases") -> None:
    """Say in a panel why there is nothing in it."""
    ax.text(0.5, 0.5, why, ha="center", va="center", transform=ax.transAxes, color=GREY)


def below(ax: Axes, columns: int, **kwargs: Any) -> None:
    """The legend of a panel, below it."""
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=columns, **kwargs)


def figure_legend(fig: Figure, ax: Axes, columns: int) -> None:
    """The legend of the first panel, below the figure."""
    handles, labels = ax.get_legend_handles_labels()
    fig.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncol=columns)


def draw(ax: Axes, x: Sequence[float], table: pd.DataFrame, column: str, scale: float = 1, **look: Any) -> Any:
    """A series with the standard deviations of its repeats as bars, where there are any."""
    sd = table[column + "_sd"] * scale if column + "_sd" in table else table[column] * np.nan
    return ax.errorbar(x, table[column] * scale, yerr=sd.fillna(0) if sd.notna().any() else None, **look)


def whole_ticks(axis: Any) -> None:
    """Ticks of an axis (ax.xaxis) at whole numbers only, also where it shows a single one."""
    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def label_points(ax: Axes, x: Sequence[float], y: Sequence[float], texts: Sequence[str], below: bool = False,
                 **kwargs: Any) -> None:
    """Write a text above (or below) each point."""
    for xi, yi, text in zip(x, y, texts):
        ax.annotate(text, (xi, yi), xytext=(0, -8 if below else 8), textcoords="offset points", ha="center",
                    va="top" if below else "bottom", fontsize=9, **kwargs)
