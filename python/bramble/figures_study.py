"""The figures of a study: the paper's 7 to 12, and what it could not see, from `read_study`.

Every function takes the study, and draws narrow (panels below one another) where asked to; what is not in the study
leaves an empty panel that says so.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import study
from .files import Results
from .look import (BLACK, BLUE, GREEN, GREY, HERE, ON, ORANGE, PAPER_WHITE, PURPLE, RED, SKY, THEIRS, YELLOW, below, draw,
                   empty, figure_legend, label_points, panels, styled, whole_ticks)
from .paper import PAPER, PAPER_ACCURACY, PAPER_CROSSING


@dataclass
class Tables:
    """What the figures are drawn from: cases of the paper's two tables, here and there, and of other sets."""
    nodes: pd.DataFrame
    cores: pd.DataFrame
    nodes_paper: pd.DataFrame
    cores_paper: pd.DataFrame
    strong: pd.DataFrame
    weak: pd.DataFrame


def complete(results: Results) -> pd.DataFrame:
    """The runs of a study that came to their end."""
    return results.runs[results.runs.complete.astype(bool)]


def tables(results: Results) -> Tables:
    """The cases of a study, with means and deviations over their repeats."""
    runs = results.runs
    papers = [PAPER[PAPER["set"] == name] for name in ("table1", "table2")]
    return Tables(study.cases(study.of_table(runs, "table1"), "1:2"), study.cases(study.of_table(runs, "table2"), "3:1"),
                  papers[0], papers[1], *(study.cases(study.in_set(complete(results), name), "1:1")
                                          for name in ("strong", "weak")))


# ---- figures 7 and 8 ----------------------------------------------------------------------------


@styled
def plot_time(results: Results, narrow: bool = False) -> Figure:
    """Figure 7: T_time and W_time over the nodes, here and in the paper."""
    t = tables(results)
    fig, axes = panels("Here", "Paper", narrow=narrow)
    for ax, table in zip(axes, (t.nodes, t.nodes_paper)):
        if table.empty:
            empty(ax)
            continue
        n = table.nodes.to_numpy(float)
        curve = np.linspace(n.min(), n.max(), 100)
        ax.plot(curve, table.t_time_s.iloc[0] * n[0] / curve, color=GREY, linestyle=":", marker="",
                label="ideal: T of the base / N")
        draw(ax, n, table, "t_time_s", color=BLUE, marker="o", linestyle="-", label="T_time")
        draw(ax, n, table, "w_time_s", color=ORANGE, marker="D", linestyle="--", markersize=5, label="W_time")
        ax.set(xlabel="nodes N (two cores each)", ylabel="time (s)", ylim=(0, 1.06 * table.t_time_s.max()))
        whole_ticks(ax.xaxis)
        ax.legend()
    return fig


@styled
def plot_shares(results: Results, narrow: bool = False) -> Figure:
    """Figure 8: the shares of work and overhead over the nodes, here and in the paper."""
    t = tables(results)
    fig, axes = panels("Here", "Paper", narrow=narrow, sharey=True)
    for ax, table in zip(axes, (t.nodes, t.nodes_paper)):
        if table.empty:
            empty(ax)
            continue
        digits = 1 if table is t.nodes else 0
        work, overhead = 100 * table.work_fraction, 100 * table.overhead_fraction
        ax.bar(table.nodes, work, width=0.6, color=SKY, edgecolor=ON, linewidth=0.7, label="W% work")
        ax.bar(table.nodes, overhead, bottom=work, width=0.6, color=RED, edgecolor=ON, linewidth=0.7, hatch="///",
               label="O% overhead")
        for n, w, o in zip(table.nodes, work, overhead):
            ax.text(n, w / 2, f"W {w:.{digits}f} %", ha="center", va="center", color=ON)
            ax.text(n, w + o + 1.5, f"O {o:.{digits}f} %", ha="center", va="bottom")
        ax.set(xlabel="nodes N (two cores each)", ylabel="share of T_time (%)", ylim=(0, 118), yticks=range(0, 101, 20))
        whole_ticks(ax.xaxis)
        ax.grid(axis="x", visible=False)
    below(axes[1], 2)
    return fig


# ---- figure 9 -----------------------------------------------------------------------------------


def crossing_sources(results: Results) -> dict[str, pd.DataFrame]:
    """The runs from which the crossing is extrapolated, by title: Table 1's, and those of strong scaling."""
    found = {"Here, Table 1": study.of_table(results.runs, "table1"),
             "Here, strong scaling": study.in_set(complete(results), "strong")}
    return {title: part for title, part in found.items() if part.nodes.nunique() > 1}


def _draw_crossing(ax: Axes, table: pd.DataFrame, found: Optional[np.ndarray], end: float) -> None:
    n = table.nodes.to_numpy(float)
    x = np.geomspace(1, end, 200)
    (a, b), (c, d) = study.fit_power(n, table.w_time_s), study.fit_linear(n, table.o_time_s)
    line = c + d * x
    ax.plot(n, table.w_time_s, color=ORANGE, marker="D", linestyle="", label="W_time")
    ax.plot(x, a * x**-b, color=ORANGE, linestyle="--", marker="", label=f"W ≈ {a:.4g} s / N$^{{{b:.2f}}}$")
    some = table.o_time_s.to_numpy() > 0
    ax.plot(n[some], table.o_time_s[some], color=RED, marker="v", linestyle="", label="O_time")
    ax.plot(x[line > 0], line[line > 0], color=RED, linestyle="-.", marker="", label=f"O ≈ {study.line_text(c, d, ' · N')}")
    if found is not None:
        low, middle, high = np.quantile(found, [0.05, 0.5, 0.95], method="lower")
        if np.isfinite(low):
            ax.axvspan(low, min(high, end), color=GREEN, alpha=0.2, linewidth=0, label="they meet (90 % of draws)")
        if np.isfinite(middle):
            ax.axvline(middle, color=GREEN, linewidth=1)
            ax.text(middle, 0.98, f" N ≈ {middle:g}", transform=ax.get_xaxis_transform(), va="top")
    ax.set(xscale="log", yscale="log", xlabel="nodes N", ylabel="time (s)", xlim=(0.9, end))
    ax.set_xticks([t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if t <= end])
    ax.minorticks_off()
    ax.xaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_major_formatter("{x:g}")


@styled
def plot_crossing(results: Results, narrow: bool = False) -> Figure:
    """Figure 9: where overhead, extrapolated, overtakes work: a power law and a line, with draws of the repeats."""
    paper, sources = tables(results).nodes_paper, crossing_sources(results)
    found = {title: study.crossings(part) for title, part in sources.items()}
    ends = [q for f in found.values() for q in np.quantile(f, [0.05, 0.95], method="lower") if np.isfinite(q)]
    end = float(np.clip(1.5 * max(ends, default=32), 40, study.LIMIT))
    titles = [*(list(sources) or ["Here"]), "Paper"]
    fig, axes = panels(*titles, narrow=narrow, size=(4.2 * len(titles), 4.2))
    if not sources:
        empty(axes[0])
    for ax, (title, part) in zip(axes, sources.items()):
        _draw_crossing(ax, study.cases(part), found[title], end)
    _draw_crossing(axes[-1], paper, None, end)
    axes[-1].axvspan(*PAPER_CROSSING, color=GREEN, alpha=0.2, linewidth=0, label="they meet, says the paper")
    for ax in axes:
        if ax.lines:
            below(ax, 2, fontsize=8)
    return fig


# ---- figures 10 to 12 ---------------------------------------------------------------------------


@styled
def plot_cores(results: Results, narrow: bool = False) -> Figure:
    """Figure 10: T_time over the cores of three nodes, with three curves through it."""
    t = tables(results)
    fig, axes = panels("Here", "Paper", narrow=narrow, size=(9, 4))
    looks = {"linear": (GREEN, "-."), "exponential": (RED, "--"), "a + b/C": (BLACK, ":")}
    for ax, table in zip(axes, (t.cores, t.cores_paper)):
        if len(table) < 3:
            empty(ax, "it takes three cases")
            continue
        x = np.linspace(table.cores.min(), table.cores.max(), 200)
        for name, (curve, formula, r2) in study.verdict_curve(table.cores, table.t_time_s)[1].items():
            ax.plot(x, curve(x), color=looks[name][0], linestyle=looks[name][1], marker="",
                    label=f"{formula}   (R² = {r2:.3f})")
        draw(ax, table.cores, table, "t_time_s", color=BLUE, marker="o", linestyle="", label="T_time")
        ax.set(xlabel="cores C of three nodes", ylabel="time (s)", ylim=(0, 1.3 * table.t_time_s.max()))
        whole_ticks(ax.xaxis)
        ax.legend(fontsize=8, loc="upper right")
    return fig


@styled
def plot_speedup(results: Results, narrow: bool = False) -> Figure:
    """Figure 11: speedup by nodes and by cores, beside the ideal, here and in the paper."""
    t = tables(results)
    fig, axes = panels("Here", "Paper", narrow=narrow, sharex=True, sharey=True)
    for ax, (by_nodes, by_cores) in zip(axes, ((t.nodes, t.cores), (t.nodes_paper, t.cores_paper))):
        ax.plot([1, 6], [1, 6], color=GREY, linestyle=":", marker="")
        ax.text(4.5, 5.0, "ideal", color=GREY, ha="right")
        for table, column, colour, marker, line in ((by_cores, "cores", BLUE, "o", "-"), (by_nodes, "nodes", RED, "s", "--")):
            if table.empty:
                continue
            x = table[column] / table[column].iloc[0]
            draw(ax, x, table, "speedup", color=colour, marker=marker, linestyle=line)
            ax.annotate(f"by {column}: {table.speedup.iloc[-1]:.2f}", (x.iloc[-1], table.speedup.iloc[-1]),
                        textcoords="offset points", xytext=(6, -16) if column == "nodes" else (4, -60), color=colour,
                        fontweight="bold", ha="left" if column == "nodes" else "right")
        ax.set(xlabel="times the nodes, or the cores, of the base", ylabel="speedup S", xlim=(0.8, 6.4), ylim=(0, 6.6))
    return fig


def draw_accuracy(ax: Axes, t: Tables) -> None:
    """The accuracy of every case in a panel, beside the paper's."""
    mean, sd = PAPER_ACCURACY
    ax.axhspan(100 * (mean - sd), 100 * (mean + sd), color=ORANGE, alpha=0.25, linewidth=0, label="paper: 57 ± 1.7 %")
    ticks: list[tuple[str, float]] = []
    at = 0.0
    for title, table, paper in (("Table 1", t.nodes, t.nodes_paper), ("Table 2", t.cores, t.cores_paper)):
        order = list(dict.fromkeys([*paper.case, *table.case]))
        place = {case: at + k for k, case in enumerate(order)}
        label: dict[str, Any] = {} if at else {"label": "here, mean ± sd"}
        scaled = table.assign(accuracy=100 * table.accuracy, accuracy_sd=100 * table.accuracy_sd)
        draw(ax, [place[c] - 0.12 for c in table.case], scaled, "accuracy", color=BLUE, marker="o", linestyle="", **label)
        ax.plot([place[c] + 0.12 for c in paper.case], 100 * paper.accuracy, **dict(THEIRS, linestyle=""),
                **({} if at else {"label": "paper"}))
        ax.text(at + (len(order) - 1) / 2, 1.02, title, transform=ax.get_xaxis_transform(), ha="center", fontweight="bold")
        ticks += place.items()
        at += len(order) + 0.6
    ax.set(xticks=[x for _, x in ticks], xticklabels=[case for case, _ in ticks], xlabel="case N:C",
           ylabel="test accuracy (%)")
    bottom, top = ax.get_ylim()
    ax.set_ylim(min(bottom, 53), max(top, 62))
    ax.grid(axis="x", visible=False)


@styled
def plot_accuracy(results: Results, narrow: bool = False) -> Figure:
    """Figure 12: the accuracy of every case, beside the paper's and its mean."""
    fig, (ax,) = panels("", narrow=narrow, size=(9, 3.8))
    draw_accuracy(ax, tables(results))
    below(ax, 2 if narrow else 3)
    return fig


# ---- beyond the paper ---------------------------------------------------------------------------

PART_LOOKS = {"pack": (ORANGE, ""), "average": (RED, "..."), "wire": (RED, "..."), "wait": (YELLOW, "///"),
              "server": (PURPLE, "\\\\\\"), "other": ("#bbbbbb", "")}


def parts_by_case(results: Results, part: pd.DataFrame) -> pd.DataFrame:
    """The parts of the overhead as shares of T_time (%), a row per case."""
    parts = study.overhead_parts(results, part)
    index = part.set_index("file")
    shares = 100 * parts.div(index.t_time_s, axis=0)
    names = index.label.where(index.label != "", index.case).rename("case")
    order = index.assign(name=names).sort_values(["cores", "nodes", "label"]).name.unique()
    return shares.groupby(names).mean().loc[order]


def overhead_groups(results: Results) -> dict[str, pd.DataFrame]:
    """Shares of the overhead's parts by title: the paper's two tables, and strong scaling, where there are runs."""
    groups = {"Table 1": study.of_table(results.runs, "table1"), "Table 2": study.of_table(results.runs, "table2"),
              "Strong scaling": study.in_set(complete(results), "strong")}
    return {title: parts_by_case(results, part) for title, part in groups.items() if len(part)}


def _draw_parts(ax: Axes, shares: pd.DataFrame, xlabel: str = "share of T_time (%)") -> None:
    """Stacked bars, a case a bar; what is below zero (rounding of clocks) is not drawn."""
    left = np.zeros(len(shares))
    for name in shares:
        width = shares[name].clip(lower=0).to_numpy()
        ax.barh(range(len(shares)), width, left=left, height=0.7, color=PART_LOOKS[name][0], hatch=PART_LOOKS[name][1],
                edgecolor=ON, linewidth=0.6, label=name)
        left += width
    for k, total in enumerate(left):
        ax.text(total, k, f" {total:.2f} %" if total < 0.995 else f" {total:.1f} %", va="center")
    ax.set(yticks=range(len(shares)), yticklabels=shares.index, xlabel=xlabel, ylabel="case N:C",
           xlim=(0, 1.25 * max(left.max(), 1e-9)))
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)


@styled
def plot_overhead(results: Results, narrow: bool = False) -> Figure:
    """Where the overhead goes: packing, wire, waiting, server, by case."""
    shares = overhead_groups(results)
    most = max(map(len, shares.values()), default=3)
    titles = list(shares) or ["Overhead"]
    fig, axes = panels(*titles, narrow=narrow, size=(3.6 * len(titles) + 0.4, 1.4 + 0.36 * most))
    if not shares:
        empty(axes[0], "no complete run")
        return fig
    for ax, table in zip(axes, shares.values()):
        _draw_parts(ax, table)
    figure_legend(fig, axes[0], 3 if narrow else 6)
    return fig


def efficiency_series(results: Results) -> dict[str, tuple[pd.DataFrame, str, str, str, str]]:
    """Tables of two cases or more whose efficiency is told: title -> table, what grows, colour, marker, line."""
    t = tables(results)
    series = {"nodes, here": (t.nodes, "nodes", BLUE, "o", "-"), "nodes, paper": (t.nodes_paper, "nodes", SKY, "o", "--"),
              "cores, here": (t.cores, "cores", RED, "s", "-"), "cores, paper": (t.cores_paper, "cores", ORANGE, "s", "--"),
              "nodes, here (strong scaling)": (t.strong, "nodes", GREEN, "^", "-")}
    return {title: how for title, how in series.items() if len(how[0]) > 1}


@styled
def plot_efficiency(results: Results, narrow: bool = False) -> Figure:
    """Speedup as a share of the ideal, and the serial fraction after Karp and Flatt."""
    fig, axes = panels("Efficiency", "Karp-Flatt fraction", narrow=narrow, size=(9, 3.8))
    for label, (table, column, colour, marker, line) in efficiency_series(results).items():
        p = (table[column] / table[column].iloc[0]).to_numpy()
        look = dict(color=colour, marker=marker, linestyle=line, markerfacecolor=PAPER_WHITE if "paper" in label else colour)
        axes[0].plot(p, 100 * table.speedup / p, label=label, **look)
        axes[1].plot(p, study.karp_flatt(table.speedup, p), label=label, **look)
    axes[0].axhline(100, color=GREY, linestyle=":", marker="")
    axes[0].set(xlabel="p: times the nodes, or cores, of the base", ylabel="S / p (%)")
    axes[0].set_ylim(min(70, axes[0].get_ylim()[0]), max(104, axes[0].get_ylim()[1]))
    axes[1].axhline(0, color=GREY, linestyle=":", marker="")
    axes[1].set(xlabel="p: times the nodes, or cores, of the base", ylabel="serial fraction")
    for ax in axes:
        whole_ticks(ax.xaxis)
    figure_legend(fig, axes[0], 1 if narrow else 3)
    return fig


def _draw_strong(ax: Axes, strong: pd.DataFrame) -> None:
    top = strong.nodes.max()
    ax.plot([1, top], [1, top], color=GREY, linestyle=":", marker="", label="ideal")
    draw(ax, strong.nodes, strong, "speedup", **HERE, label="here")
    label_points(ax, strong.nodes[1:], strong.speedup[1:], [f"{s:.2f}" for s in strong.speedup[1:]], below=True)
    ax.set(xlabel="nodes N (one core each)", ylabel="speedup S", xlim=(0.5, top + 0.7), ylim=(0, top + 0.7))
    whole_ticks(ax.xaxis)
    ax.legend()


def _draw_weak(ax: Axes, weak: pd.DataFrame) -> None:
    draw(ax, weak.nodes, weak, "t_time_s", **HERE, label="T_time")
    ax.axhline(weak.t_time_s.iloc[0], color=GREY, linestyle=":", marker="", label="ideal")
    label_points(ax, weak.nodes, weak.t_time_s, [f"{100 * s:.0f} %" for s in weak.speedup])
    ax.set(xlabel="nodes N, images in proportion", ylabel="time (s); labels: efficiency", xlim=(0.5, weak.nodes.max() + 0.5),
           ylim=(0, 1.3 * weak.t_time_s.max()))
    whole_ticks(ax.xaxis)
    ax.legend(loc="lower right")


def scaling_titles(results: Results) -> list[str]:
    """Which of the sets strong, weak and averaging have runs enough to draw."""
    t, rules = tables(results), study.in_set(complete(results), "averaging")
    there = {"Strong scaling": len(t.strong) > 1, "Weak scaling": len(t.weak) > 1, "Averaging rules": len(rules) > 0}
    return [title for title, has in there.items() if has]


@styled
def plot_scaling(results: Results, narrow: bool = False) -> Figure:
    """Strong and weak scaling, and averaging rules, as far as there are runs of these sets."""
    t, shown = tables(results), scaling_titles(results)
    if not shown:
        fig, axes = panels("Scaling", narrow=narrow)
        empty(axes[0], "no runs of strong or weak scaling, or of averaging rules")
        return fig
    fig, axes = panels(*shown, narrow=narrow, size=(max(4.4 * len(shown), 6), 3.8))
    for ax, title in zip(axes, shown):
        if title == "Strong scaling":
            _draw_strong(ax, t.strong)
        elif title == "Weak scaling":
            _draw_weak(ax, t.weak)
        else:
            rules = study.in_set(complete(results), "averaging")
            _draw_parts(ax, parts_by_case(results, rules), "overhead: share of T_time (%)")
            ax.set_ylabel("")
            below(ax, 3, fontsize=8)
    return fig
