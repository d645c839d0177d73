"""A run as one page of HTML."""
from __future__ import annotations

import numpy as np
import pandas as pd

from .figures_methods import labels_of, plot_labels
from .figures_run import (classes_of, confusion_shares, first_filters, plot_confusion, plot_curves, plot_filters,
                          plot_temperature, plot_timeline, told_by_sensors)
from .files import Run, phases
from .page import figure_html, page_html, paragraph, section, simulated_note, table_html


def run_facts(run: Run) -> pd.Series:
    """The run in single numbers, in words."""
    def tell(name: str, scale: float = 1, digits: int = 2, unit: str = "") -> str:
        value = run.summary.get(name, np.nan)
        return f"{value * scale:.{digits}f}{unit}" if np.isfinite(value) else "–"

    return pd.Series({
        "case N:C (nodes:cores of the workers)": run.case, "test accuracy": tell("accuracy", 100, 2, " %"),
        "test loss": tell("loss", 1, 4), "T_time": tell("t_time_s", unit=" s"), "W_time": tell("w_time_s", unit=" s"),
        "W% work": tell("work_fraction", 100, 1, " %"), "O% overhead": tell("overhead_fraction", 100, 1, " %"),
        "images/s": tell("images_per_s", 1, 0), "start-up, before T_time": tell("t_start_s", unit=" s"),
        "server's CPU use, of a core": tell("server_cpu_fraction", 100, 1, " %")})


def curves_text(run: Run) -> str:
    """Where loss and accuracy have come to."""
    if not len(run.rounds):
        return "No round is finished yet."
    text = f"Training loss {run.rounds.loss.iloc[-1]:.3f} after {len(run.rounds)} rounds"
    return text + (f"; test accuracy {100 * run.tests.accuracy.iloc[-1]:.1f} %, at best {100 * run.tests.accuracy.max():.1f} %."
                   if len(run.tests) else ".")


def timeline_text(run: Run) -> str:
    """Which phases take how much of each rank's time."""
    names = phases(run.ranks)
    if not len(run.ranks) or "rank" not in run.ranks:
        return "No round is finished yet."
    sums, roles = run.ranks.groupby("rank")[names].sum(), run.roles()
    said = []
    for rank, row in sums.iterrows():
        shares = (100 * row / max(row.sum(), 1e-12)).sort_values(ascending=False).head(2)
        said.append(f"rank {rank} ({roles.get(rank, '?')}): " + ", ".join(f"{name[:-2]} {share:.0f} %" for name, share in shares.items()))
    return "; ".join(said[:8]) + ("; and so on." if len(said) > 8 else ".")


def confusion_text(run: Run) -> str:
    """Which classes are known best and least, and what is taken for what."""
    share = confusion_shares(run)
    if share is None:
        return "No model was tested yet."
    right, classes = np.diag(share), classes_of(run, len(share))
    i, j = np.unravel_index((share - np.diag(right)).argmax(), share.shape)
    return (f"Best known: {classes[right.argmax()]} ({right.max():.0f} %); least: {classes[right.argmin()]} ({right.min():.0f} %). Taken "
            f"for something else most often: {classes[i]}, {share[i, j]:.0f} % of them for {classes[j]}.")


def run_page(run: Run, title: str) -> str:
    """The page of one run, also of one that goes on or was broken off."""
    state = "complete" if run.complete else "**incomplete**: it was ended early, or goes on"
    parts = [section("Loss and accuracy", figure_html(plot_curves, curves_text(run), run), paragraph(curves_text(run))),
             section("Where the time went", paragraph("A bar is a rank, a coloured piece what one phase took in one round."),
                     figure_html(plot_timeline, timeline_text(run), run), paragraph(timeline_text(run)))]
    if confusion_shares(run) is not None:
        parts.append(section("Confusion", figure_html(plot_confusion, confusion_text(run), run), paragraph(confusion_text(run))))
    shared = labels_of(run)
    if shared is not None and len(shared) > 1:
        who = shared.index.name
        text = (f"A {who} has {(shared > 0).sum(axis=1).mean():.3g} of {shared.shape[1]} classes on average, and "
                f"{shared.sum(axis=1).min()} to {shared.sum(axis=1).max()} images.")
        parts.append(section("Who had which images", figure_html(plot_labels, f"A heat map of training images by {who} and class. {text}",
                                                                 run), paragraph(text)))
    first = first_filters(run)
    if first is not None:
        text = (f"{len(first)} filters of {first.shape[2]} x {first.shape[3]} pixels, on one scale of ±{np.abs(first).max():.2f}; "
                "grey is 0.")
        parts.append(section("First filters", figure_html(plot_filters, text, run), paragraph(text)))
    told = told_by_sensors(run)
    if told:
        text = "; ".join(f"{name}: {run.ranks[name].min():.0f} to {run.ranks[name].max():.0f}" for name in told) + "."
        parts.append(section("Temperature and clock", figure_html(plot_temperature, text, run)))
    machine = run.machine.dropna(axis=1, how="all")
    options = pd.Series({name: value for name, value in run.config.items() if value != ""}, dtype=object)
    parts.append(section("Machines and options", table_html(machine, "Machines", index=False),
                         table_html(options, "Options", is_words=True),
                         table_html(pd.Series(run.build, dtype=object), "Build", is_words=True)))
    intro = [*simulated_note(run.simulated), paragraph(f"Case {run.case}, {len(run.rounds)} rounds, {state}."), table_html(run_facts(run), "The run in numbers", is_words=True)]
    return page_html(title, intro, parts)
