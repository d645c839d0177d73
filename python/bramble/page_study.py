"""A study as one page of HTML: figures, tables and verdicts."""
from __future__ import annotations

from typing import Callable, Optional

import pandas as pd

from . import methods, recipes, study
from .figures_methods import (first_of_partitions, labels_of, plot_methods, plot_methods_bytes, plot_methods_time,
                              plot_partitions)
from .figures_overview import accuracy_over_time, plot_overview, plot_peers, plot_recipes
from .figures_plan import NoPlan, ask_plan, nodes_text, plan_rows, plot_plan, plot_plan_parts
from .figures_study import (complete, crossing_sources, efficiency_series, overhead_groups, plot_accuracy, plot_cores,
                            plot_crossing, plot_efficiency, plot_overhead, plot_scaling, plot_shares,
                            plot_speedup, plot_time, scaling_titles, tables)
from .files import Results
from .page import figure_html, page_html, paragraph, section, simulated_note, table_html, words

OPTIONS_SHOWN = ["preset", "model", "rounds", "local-epochs", "average-every", "batch", "lr", "momentum", "average",
                 "limit-train", "seed"]


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
    text += simulated_note(results.simulated)
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


def _peer_sections(results: Results) -> list[tuple[str, str]]:
    """Accuracy over time beside other programs, where there are such runs."""
    table = accuracy_over_time(results)
    if table.empty:
        return []
    last = table.groupby("program", sort=False).last()
    text = "; ".join(f"{name}: {100 * row.accuracy:.1f} % after {row.t_s:.3g} s" for name, row in last.iterrows()) + "."
    about = results.peers.iloc[0]
    return [section("Beside other programs", figure_html(plot_peers, f"Test accuracy over the seconds of training. {text}", results),
                    paragraph(f"{text} With the same net and recipe, means over the seeds, on {about.threads} cores of: {about.processor} "
                              f"({about.instructions})."))]


def _recipe_sections(results: Results) -> list[tuple[str, str]]:
    """Presets side by side, where there are several."""
    table = recipes.recipes(results)
    if len(table) < 2:
        return []
    text = "; ".join(f"{row.preset}: {100 * row.accuracy:.1f} % after {row.t_time_s / 60:.3g} min" for row in table.itertuples()) + "."
    return [section("Presets", figure_html(plot_recipes, f"Test accuracy over the minutes of training by preset. {text}", results),
                    table_html(recipes.recipe_table(results), "Presets", index=False))]


def _method_sections(results: Results) -> list[tuple[str, str]]:
    """Where runs differ in how they average, or in how images are shared out."""
    if not methods.several(results):
        return []
    verdict, last = methods.verdict_methods(results), methods.last_accuracy(results)
    sent = last.groupby("method", sort=False).bytes.mean().dropna()
    told = "; ".join(f"{name}: {value / 1e6:.4g} MB" for name, value in sent.items())
    found = [
        section("Methods of averaging", figure_html(plot_methods, f"Test accuracy against rounds. {verdict}", results),
                table_html(methods.accuracy_table(results), "Accuracy by method and partition"), paragraph(verdict)),
        section("Methods against time", figure_html(plot_methods_time, "Test accuracy against seconds of training, "
                                                    f"{last.t_time_s.min():.4g} to {last.t_time_s.max():.4g} s in all.", results))]
    if told:
        found.append(section("Methods against bytes", figure_html(
            plot_methods_bytes, f"Test accuracy against what was sent to average. In all {told}.", results),
            paragraph(f"Sent to average, mean over the runs: {told}.")))
    shared = {name: labels_of(results.run(file)) for name, file in first_of_partitions(results).items()}
    said = "; ".join(f"{name}: a {table.index.name} has {(table > 0).sum(axis=1).mean():.3g} of {table.shape[1]} classes on average"
                     for name, table in shared.items() if table is not None)
    if said:
        found.append(section("Who had which images", figure_html(
            plot_partitions, f"Heat maps of training images by class. {said}.", results), paragraph(said + ".")))
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
                   figure_html(plot_plan, f"Predicted time, overhead and speedup for 1 to {rows.index[-1]} nodes: speedup {rows.speedup.iloc[-1]:.1f} at "
                                          f"{rows.index[-1]} nodes. {told}", found), paragraph(told),
                   figure_html(plot_plan_parts, "Predicted shares of work, waiting, server, wire and packing: at "
                                                f"{rows.index[-1]} nodes overhead is {100 * rows.overhead_fraction.iloc[-1]:.0f} %.", found),
                   paragraph(f"What one change would save at {found['planned']['nodes']} nodes:"),
                   table_html(table, "Changes and what they save"))


def one_or_many(values: pd.Series) -> str:
    """The values of a column, each once."""
    texts = sorted({f"{v:g}" if isinstance(v, float) else str(v) for v in values.dropna()})
    return ", ".join(texts[:6]) + (", ..." if len(texts) > 6 else "")


def options_section(results: Results) -> tuple[str, str]:
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
    return section("Options and machines", paragraph("Options and machines of the complete runs; several values differ between runs."),
                   table_html(pd.Series(rows, dtype=object), "Options and machines", is_words=True))


def study_page(results: Results, title: str) -> str:
    """The page of a study.  ValueError when no run is complete."""
    if not len(complete(results)):
        raise ValueError("no complete run")
    every = section("All cases", table_html(cases_table(results), "All cases", index=False))
    return page_html(title, introduction(results), [*_paper_sections(results), *_more_sections(results), *_peer_sections(results), *_recipe_sections(results),
                                                    *_method_sections(results), plan_section(results), every, options_section(results)])
