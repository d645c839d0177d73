"""A study, or a run, as one page of HTML: figures, tables and verdicts, nothing loaded from elsewhere.

Every figure stands in it twice, with panels side by side and, for a narrow window, below one another; both turn dark
where the reader's system is.
"""
from __future__ import annotations

import base64
import html
import io
import re
from typing import Any, Callable, Optional, Union

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import study
from .figures_plan import NoPlan, ask_plan, nodes_text, plan_rows, plot_plan, plot_plan_parts
from .figures_run import (classes_of, confusion_shares, first_filters, plot_confusion, plot_curves, plot_filters,
                          plot_temperature, plot_timeline, told_by_sensors)
from .figures_study import (complete, crossing_sources, efficiency_series, overhead_groups, plot_accuracy, plot_cores,
                            plot_crossing, plot_efficiency, plot_overhead, plot_overview, plot_scaling, plot_shares,
                            plot_speedup, plot_time, scaling_titles, tables)
from .files import Results, Run, phases
from .look import BLUE, GRID, INK, PAPER_WHITE, mpl, plt

# Light colour -> dark colour, of figures and of the page around them.
DARK = {INK: "#e8e6e3", PAPER_WHITE: "#16181c", GRID: "#3a3d42", BLUE: "#3d9be0"}
OPTIONS_SHOWN = ["preset", "model", "rounds", "local-epochs", "average-every", "batch", "lr", "momentum", "average",
                 "limit-train", "seed"]
NARROW_PX = 640

CSS = """
:root { color-scheme: light dark; --ink: %s; --paper: %s; --line: %s; --link: #0060a0; }
@media (prefers-color-scheme: dark) { :root { --ink: %s; --paper: %s; --line: %s; --link: #7cc4ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .4rem; border-top: 1px solid var(--line); padding-top: 1.2rem; }
p, li { max-width: 46rem; overflow-wrap: anywhere; }
a { color: var(--link); }
nav ul { padding: 0; margin: 0; list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
figure { margin: 1rem 0; }
figure img { display: block; max-width: 100%%; height: auto; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .45rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, .words td { text-align: left; }
.words td, .words th { white-space: normal; overflow-wrap: anywhere; }
footer { margin-top: 3rem; font-size: .875rem; }
""" % (INK, PAPER_WHITE, GRID, DARK[INK], DARK[PAPER_WHITE], DARK[GRID])


# ---- pieces of HTML -----------------------------------------------------------------------------


def words(text: str) -> str:
    """Text with **bold** and `code` as HTML; all else stands for itself."""
    safe = html.escape(text)
    safe = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", safe)
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", safe)


def bare(text: str) -> str:
    """The same without marks, for alternative texts."""
    return re.sub(r"\*\*|`", "", text)


def paragraph(text: str) -> str:
    """A paragraph, where there is a text."""
    return f"<p>{words(text)}</p>" if text else ""


def svg_of(figure: Figure, salt: str = "bramble") -> bytes:
    """A figure as SVG that turns dark with the reader's system; the same figure gives the same bytes."""
    out = io.BytesIO()
    figure.draw_without_rendering()  # the layout once, not with each drawing
    figure.set_layout_engine("none")
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(out, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    rules = "".join(f'[style*="{name}: {light}"]{{{name}:{dark} !important}}'
                    for light, dark in ((light.lower(), dark) for light, dark in DARK.items()) for name in ("fill", "stroke"))
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>".encode()
    return re.sub(rb"(<svg [^>]*>)", rb"\1" + style.replace(b"\\", rb"\\"), out.getvalue(), count=1)


def _picture(figure: Figure) -> tuple[str, float, float]:
    """A figure as an address for HTML, with its size in pixels; the figure is closed."""
    svg = svg_of(figure)
    plt.close(figure)
    sides = re.search(rb'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    width, height = (float(n) for n in sides.groups()) if sides else (600.0, 300.0)
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode(), width * 4 / 3, height * 4 / 3


def figure_html(plot: Callable[..., Figure], alt: str, *what: Any) -> str:
    """A figure for wide and for narrow windows, with its alternative text."""
    wide, width, height = _picture(plot(*what))
    narrow, narrow_width, narrow_height = _picture(plot(*what, narrow=True))
    return (f'<figure><picture><source media="(max-width: {NARROW_PX}px)" srcset="{narrow}" width="{narrow_width:.0f}" '
            f'height="{narrow_height:.0f}"><img src="{wide}" width="{width:.0f}" height="{height:.0f}" '
            f'alt="{html.escape(bare(alt), quote=True)}"></picture></figure>')


def table_html(frame: Union[pd.DataFrame, pd.Series], title: str, is_words: bool = False, index: bool = True) -> str:
    """A table that scrolls by itself where it is wider than the window."""
    frame = frame.to_frame("") if isinstance(frame, pd.Series) else frame
    kind = "words" if is_words else "numbers"
    text = frame.to_html(border=0, classes=kind, index=index, na_rep="–", float_format=lambda x: f"{x:.4g}", index_names=False)
    return f'<div class="scroll" role="region" aria-label="{html.escape(title, quote=True)}" tabindex="0">{text}</div>'


def section(title: str, *pieces: str) -> tuple[str, str]:
    """A part of the page: its heading, and what stands below."""
    return title, "\n".join(piece for piece in pieces if piece)


def page_html(title: str, intro: list[str], sections: list[tuple[str, str]]) -> str:
    """The whole page."""
    links = "".join(f'<li><a href="#part{k}">{html.escape(name)}</a></li>' for k, (name, _) in enumerate(sections))
    parts = "\n".join(f'<section aria-labelledby="part{k}"><h2 id="part{k}">{html.escape(name)}</h2>\n{text}</section>'
                      for k, (name, text) in enumerate(sections))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{html.escape(title)}</title>
<style>{CSS}</style>
</head>
<body>
<main>
<h1>{html.escape(title)}</h1>
{chr(10).join(intro)}
<nav aria-label="Parts of this page"><ul>{links}</ul></nav>
{parts}
<footer>Made by bramble-plot.</footer>
</main>
</body>
</html>
"""


# ---- a study ------------------------------------------------------------------------------------


def ends(table: pd.DataFrame, column: str, form: Callable[[float], str]) -> str:
    """First and last number of a column with their cases: 87.3 s with 1:2, 29.5 s with 3:6."""
    rows = table.iloc[[0, -1]] if len(table) > 1 else table
    return ", ".join(f"{form(value)} with {case}" for case, value in zip(rows.case, rows[column]))


def _seconds(value: float) -> str:
    return f"{value:.4g} s"


def _both(here: pd.DataFrame, paper: pd.DataFrame, column: str, form: Callable[[float], str]) -> str:
    parts = [f"{where}: {ends(table, column, form)}" for where, table in (("here", here), ("in the paper", paper)) if len(table)]
    return "; ".join(parts) + "."


def introduction(results: Results) -> list[str]:
    """What was read, and what was not."""
    runs = results.runs
    n = int(runs.complete.astype(bool).sum()) if len(runs) else 0
    text = [paragraph(f"{len(runs)} result files, {n} of complete runs. N:C is a case of N nodes with C cores together; T_time the "
                      "wall time of training, W_time the time spent training, O the rest; ± the sample standard deviation over "
                      "repeats. The paper is the study that Bramble follows, on four Raspberry Pi 4.")]
    left = [f"`{file}`: incomplete, and left out" for file in runs.file[~runs.complete.astype(bool)]] if len(runs) else []
    left += [f"`{row.file}`: skipped, {row.why}" for row in results.skipped.itertuples()]
    if left:
        text.append("<ul>" + "".join(f"<li>{words(line)}</li>" for line in left) + "</ul>")
    return text


def cases_table(results: Results) -> pd.DataFrame:
    """A row per set and case: runs, T, shares, speedup within the set, accuracy."""
    rows = []
    done = complete(results)
    for name, part in done.groupby(["set", "label"], sort=False):
        for row in study.cases(part).itertuples():
            rows.append({"set": " ".join(filter(None, name)) or "–", "N:C": row.case, "runs": row.repeats,
                         "T_time, s": study.plus_minus(row.t_time_s, row.t_time_s_sd, 2),
                         "O%": study.plus_minus(row.overhead_fraction, row.overhead_fraction_sd, 1, 100),
                         "S": f"{row.speedup:.2f}",
                         "images/s": f"{row.images_per_s:.0f}" if "images_per_s" in done else "–",
                         "Acc, %": study.plus_minus(row.accuracy, row.accuracy_sd, 1, 100)})
    return pd.DataFrame(rows)


def steps_of(results: Results, table: pd.DataFrame) -> Optional[list[float]]:
    """Steps one after the other in the runs of Table 1's first and last case, where they are known."""
    part = study.of_table(results.runs, "table1")
    if not len(table) or "steps" not in results.ranks:
        return None
    means = study.steps_in_sequence(results).reindex(part.file).groupby(part.case.to_numpy()).mean()
    return means.reindex([table.case.iloc[0], table.case.iloc[-1]]).tolist()


def _paper_sections(results: Results) -> list[tuple[str, str]]:
    t, found = tables(results), []
    accuracy = study.verdict_accuracy(t.nodes, t.cores, steps_of(results, t.nodes))
    if len(t.nodes):
        speedup, overhead = study.verdict_speedup(t.nodes, "table1"), study.verdict_overhead(t.nodes)
        alt = f"Three panels. {speedup} {overhead} {study.beside_paper_accuracy(pd.concat([t.nodes, t.cores]))}"
        found += [
            section("Beside the paper", figure_html(plot_overview, alt, results), paragraph(overhead), paragraph(accuracy)),
            section("Table 1: more nodes", paragraph(speedup), table_html(study.beside_paper(t.nodes, "table1"), "Table 1")),
            section("Figure 7: time over nodes", figure_html(plot_time, "T_time over the nodes, " + _both(
                t.nodes, t.nodes_paper, "t_time_s", _seconds), results)),
            section("Figure 8: work and overhead", figure_html(plot_shares, "Shares of overhead, " + _both(
                t.nodes, t.nodes_paper, "overhead_fraction", study.percent), results), paragraph(overhead))]
    sources = crossing_sources(results)
    if sources:
        verdicts = [f"{title}: {study.verdict_crossing(study.crossings(part), part.nodes.max())}" for title, part in sources.items()]
        found.append(section("Figure 9: where overhead overtakes work", figure_html(
            plot_crossing, "W_time and O_time over the nodes on logarithmic axes, extended until they meet. " + " ".join(verdicts),
            results), *map(paragraph, verdicts)))
    if len(t.cores):
        text = study.verdict_curve(t.cores.cores, t.cores.t_time_s)[0] if len(t.cores) > 2 else "no curve: it takes three cases"
        found += [
            section("Table 2: more cores", paragraph(study.verdict_speedup(t.cores, "table2")),
                    table_html(study.beside_paper(t.cores, "table2"), "Table 2")),
            section("Figure 10: time over cores", figure_html(plot_cores, "T_time over the cores of three nodes, " + _both(
                t.cores, t.cores_paper, "t_time_s", _seconds), results), paragraph(f"T_time over cores is {text}."))]
    if len(t.nodes) or len(t.cores):
        pay = study.verdict_nodes_or_cores(t.nodes, t.cores)
        found += [
            section("Figure 11: speedup", figure_html(plot_speedup, f"Speedup by nodes and by cores beside the ideal. {pay}", results),
                    paragraph(pay)),
            section("Figure 12: accuracy", figure_html(plot_accuracy, f"Test accuracy of every case. {accuracy}", results),
                    paragraph(accuracy))]
    return found


def _more_sections(results: Results) -> list[tuple[str, str]]:
    found = []
    shares = overhead_groups(results)
    if shares:
        text = " ".join(f"{title}, {part.index[-1]}: {study.verdict_parts(part.iloc[-1])}" for title, part in shares.items())
        found.append(section("Where the overhead goes", figure_html(
            plot_overhead, f"Overhead of each case by its parts. {text}", results), paragraph(text)))
    series = efficiency_series(results)
    if any("here" in title for title in series):
        told = "; ".join(f"{title}: {100 * table.speedup.iloc[-1] * table[column].iloc[0] / table[column].iloc[-1]:.0f} % at "
                         f"{table.case.iloc[-1]}" for title, (table, column, *_) in series.items())
        found.append(section("Efficiency and serial fraction", figure_html(
            plot_efficiency, f"Efficiency, speedup as a share of the ideal: {told}.", results), paragraph(f"Efficiency: {told}.")))
    shown = scaling_titles(results)
    if shown:
        found.append(section("Beyond the paper", figure_html(plot_scaling, f"{', '.join(shown)}: numbers are in the table of all "
                                                             "cases.", results)))
    return found


def plan_section(results: Results) -> tuple[str, str]:
    """What `bramble plan` says of the paper's cases, or of all runs where there are none; or why it says nothing."""
    runs = results.runs
    of_paper = runs[runs["set"].isin(["table1", "table2"])]
    asked = Results(of_paper if len(of_paper) else runs, results.rounds, results.ranks, results.tests, results.machine,
                    results.skipped, results.paths)
    try:
        found = ask_plan(asked)
    except NoPlan as why:
        return section("Would another node pay?", paragraph(f"No plan: {why}"))
    rows = plan_rows(found)
    told = (f"Overhead takes more time than work from {nodes_text(found, 'overhead_exceeds_work_from')}; the next node saves less than "
            f"5 % from {nodes_text(found, 'next_saves_under_5_percent_from')}.")
    changes = pd.DataFrame(found["changes"]).set_index("what")
    table = pd.DataFrame({"T_time, s": changes.t_time_s.round(2), "saves, % of T": (100 * changes.saving).round(1)})
    rough = "**Rough:** the model does not describe these runs, so take it as a guess." if found["model"]["rough"] else ""
    return section("Would another node pay?", paragraph(rough),
                   figure_html(plot_plan, f"Predicted time, overhead and speedup for 1 to 64 nodes: speedup {rows.speedup.iloc[-1]:.1f} at "
                                          f"{rows.index[-1]} nodes. {told}", found), paragraph(told),
                   figure_html(plot_plan_parts, "Predicted shares of work, waiting, server, wire and packing: at "
                                                f"{rows.index[-1]} nodes overhead is {100 * rows.overhead_fraction.iloc[-1]:.0f} %.", found),
                   paragraph(f"What one change would save at {found['planned']['nodes']} nodes:"),
                   table_html(table, "Changes and what they save"))


def one_or_many(values: pd.Series) -> str:
    """The values of a column, each once."""
    texts = sorted({f"{v:g}" if isinstance(v, float) else str(v) for v in values.dropna()})
    return ", ".join(texts[:6]) + (", ..." if len(texts) > 6 else "")


def methods_section(results: Results) -> tuple[str, str]:
    """Options and machines of the runs."""
    runs = complete(results)
    rows = {name: one_or_many(runs[f"config.{name}"]) for name in OPTIONS_SHOWN if f"config.{name}" in runs}
    machine = results.machine[results.machine.file.isin(runs.file)]
    for title, column, scale in (("processor", "cpu", 1), ("instructions", "simd", 1), ("cores allowed to a rank", "cpu_quota", 1),
                                 ("threads of a rank", "threads", 1), ("main memory of a host, GiB", "memory_bytes", 2**-30)):
        if column in machine and machine[column].notna().any():
            rows[title] = one_or_many(machine[column] if scale == 1 else (machine[column] * scale).round(1))
    for title, column in (("version", "build.version"), ("compiler", "build.compiler"), ("MPI", "build.mpi")):
        if column in runs:
            rows[title] = one_or_many(runs[column])
    return section("Methods", paragraph("Options and machines of the complete runs; several values differ between runs."),
                   table_html(pd.Series(rows, dtype=object), "Options and machines", is_words=True))


def study_page(results: Results, title: str) -> str:
    """The page of a study.  ValueError when no run is complete."""
    if not len(complete(results)):
        raise ValueError("no complete run")
    every = section("All cases", table_html(cases_table(results), "All cases", index=False))
    return page_html(title, introduction(results), [*_paper_sections(results), *_more_sections(results), plan_section(results),
                                                    every, methods_section(results)])


# ---- a run --------------------------------------------------------------------------------------


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
    intro = [paragraph(f"Case {run.case}, {len(run.rounds)} rounds, {state}."), table_html(run_facts(run), "The run in numbers", is_words=True)]
    return page_html(title, intro, parts)
