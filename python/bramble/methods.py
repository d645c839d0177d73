"""Runs that differ in how they average, and in how their images are shared out: names, curves, tables, a verdict.

Accuracies are 0 to 1, seconds those of T_time, bytes what all ranks sent to average.
"""
from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .files import Results
from .study import over_repeats, plus_minus

OUTER = {"momentum": "FedAvgM", "adam": "FedAdam", "yogi": "FedYogi", "adagrad": "FedAdagrad"}
# Options that make another run of the same method, shown where they differ between the runs that are compared.
SETTINGS = ["clients", "average", "average-every", "rounds", "local-epochs", "local-steps", "participation", "server-lr", "server-momentum",
            "lookahead", "tail-average", "keep-momentum", "optimizer", "batch", "lr", "momentum", "weight-decay", "schedule",
            "augment", "model", "limit-train"]
KINDS = ["even", "dirichlet", "sorted", "classes"]
FORMER = {"average": "gather", "partition": "even"}  # what files that do not tell were made with


def _is(run: pd.Series, option: str, *none: str) -> bool:
    """Whether an option was set to something else than nothing."""
    value = run.get(f"config.{option}", np.nan)
    return value == value and value != 0 and str(value) not in ("", "false", "none", *none)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def method_of(run: pd.Series) -> str:
    """A run's way of averaging in words, from a row of `Results.runs`: FedAvg, SCAFFOLD, FedProx 0.01 + FedAdam, ..."""
    words = [f"FedProx {_short(run['config.proximal'])}"] if _is(run, "proximal") else []
    words += ["SCAFFOLD"] if _is(run, "control-variates") else []
    words += ["FedNova"] if _is(run, "normalize-steps") else []
    words += ["FedBN"] if _is(run, "local-statistics") else []
    if _is(run, "noise"):
        words += [f"DP-FedAvg S {_short(run['config.noise'])} C {_short(run['config.clip-update'])}"]
    elif _is(run, "clip-update"):
        words += [f"clipped to {_short(run['config.clip-update'])}"]
    outer = run.get("config.server-optimizer")
    words += [OUTER.get(str(outer), str(outer))] if _is(run, "server-optimizer") else []
    words += [str(run["config.aggregate"])] if _is(run, "aggregate", "mean") else []
    words += [str(run["config.sync"])] if _is(run, "sync", "weights") else []
    return " + ".join(words) or "FedAvg"


def n_clients(runs: pd.DataFrame) -> pd.Series:
    """Of each run, how many have a shard and a part in the average: workers, unless they train several each (--clients)."""
    asked = pd.to_numeric(runs.get("config.clients", pd.Series(0, runs.index)), errors="coerce").fillna(0)
    return runs.nodes.where(asked == 0, asked)


def partition_of(runs: pd.DataFrame) -> pd.Series:
    """How each run's images were shared out: even, dirichlet:0.5, ..."""
    return _column(runs, "partition").astype(str)


def _column(runs: pd.DataFrame, option: str) -> pd.Series:
    column = runs.get(f"config.{option}", pd.Series(np.nan, runs.index, dtype=object))
    return column.astype(object).where(column.notna(), FORMER.get(option, ""))


def _methods_of_set(runs: pd.DataFrame) -> pd.DataFrame:
    """The methods of a set's runs, or nothing where they do not differ."""
    table = pd.DataFrame({"file": runs.file, "method": [method_of(run) for _, run in runs.iterrows()],
                          "partition": partition_of(runs), "case": runs.case})
    if runs.case.nunique() > 1:
        table["partition"] += ", " + table.case
    words = table.method.copy()
    for option in SETTINGS:
        values = _column(runs, option).astype(str)
        differ = values.groupby([table.partition, words]).nunique().groupby("method").max() > 1
        table["method"] += np.where(words.map(differ), f", {option} " + values, "")
    differ = (table.groupby("partition").method.nunique().max() > 1
              or table.groupby(["method", "case"]).partition.nunique().max() > 1)
    return table.sort_values("partition", key=lambda names: names.map(_likeness), kind="stable") if differ else table.iloc[:0]


def methods(results: Results) -> pd.DataFrame:
    """A row per complete run of those sets of cases whose runs differ in how they average, or share images out: file,
    method, partition, case.

    method has the settings behind it in which runs of one method on one partition differ; partition has behind it the case
    N:C where the runs of its set are of several, and the set where there are several sets.
    """
    runs = results.runs[results.runs.complete.astype(bool)]
    found = {name: table for name, table in ((name, _methods_of_set(part)) for name, part in runs.groupby("set", sort=False))
             if len(table)}
    if not found:
        return pd.DataFrame(columns=["file", "method", "partition", "case"])
    if len(found) > 1:
        found = {name: table.assign(partition=f"{name}: " + table.partition) for name, table in found.items()}
    return pd.concat(found.values(), ignore_index=True)


def _likeness(partition: str) -> tuple[int, float, str]:
    """Sorts partitions: all alike first, and the more unlike the workers of a kind are, the later."""
    kind, _, number = partition.split(",")[0].partition(":")
    try:
        return KINDS.index(kind), -float(number or 0), partition
    except ValueError:
        return len(KINDS), 0.0, partition


def several(results: Results) -> bool:
    """Whether there is anything to compare."""
    return len(methods(results)) > 0


def curves(results: Results) -> pd.DataFrame:
    """Accuracy against what it cost: a row per method, partition and tested round, mean over the repeats.

    method, partition, round (from 1), t_end_s, bytes (sent since the start, NaN where files do not tell), accuracy, and
    low and high, the lowest and the highest of the repeats.
    """
    table = methods(results)
    rounds, tests = results.rounds.reindex(columns=["file", "round", "t_end_s"]), results.tests.reindex(columns=["file", "round", "accuracy"])
    ranks = results.ranks
    sent = (ranks.groupby(["file", "round"]).bytes_sent.sum(min_count=1).groupby("file").cumsum().rename("bytes").reset_index()
            if "bytes_sent" in ranks else pd.DataFrame(columns=["file", "round", "bytes"]))
    rows = table.merge(tests, on="file").merge(rounds, on=["file", "round"])
    rows = rows.merge(sent, on=["file", "round"], how="left")
    rows["round"] += 1
    groups = rows.groupby(["partition", "method", "round"], sort=False)
    return over_repeats(groups, ["t_end_s", "bytes"])


def last_accuracy(results: Results) -> pd.DataFrame:
    """A row per partition and method: runs, accuracy (mean of the last models'), its sd, t_time_s, bytes."""
    runs = methods(results).drop(columns="case").merge(results.runs, on="file")
    if "bytes_sent" not in runs:
        runs["bytes_sent"] = np.nan
    groups = runs.groupby(["partition", "method"], sort=False)
    return pd.DataFrame({"runs": groups.size(), "accuracy": groups.accuracy.mean(), "accuracy_sd": groups.accuracy.std(ddof=1),
                         "t_time_s": groups.t_time_s.mean(), "bytes": groups.bytes_sent.mean()}).reset_index()


def accuracy_table(results: Results) -> pd.DataFrame:
    """The last accuracies as texts (%, mean ± sd), a row per partition, a column per method."""
    last = last_accuracy(results)
    last["text"] = [plus_minus(row.accuracy, row.accuracy_sd, 1, 100) for row in last.itertuples()]
    table = last.pivot(index="partition", columns="method", values="text").fillna("–")
    return table.loc[last.partition.unique(), last.method.unique()].rename_axis(index="Acc, %", columns=None)


def verdict_methods(results: Results) -> str:
    """Which method comes to the highest accuracy on each partition, and how far it is from the others."""
    said = []
    for partition, part in last_accuracy(results).groupby("partition", sort=False):
        part = part[part.accuracy.notna()].sort_values("accuracy", ascending=False)
        if len(part) < 2:
            continue
        first, second = part.iloc[0], part.iloc[1]
        sd = np.hypot(*(np.nan_to_num(float(row.accuracy_sd)) for row in (first, second)))
        ahead = first.accuracy - second.accuracy > max(2 * sd, 0.005)
        said.append(f"{partition}: {first.method} {'is ahead' if ahead else 'is highest, within what may be chance'} with "
                    f"{100 * first.accuracy:.1f} %, {second.method} {100 * second.accuracy:.1f} %, the last of {len(part)} "
                    f"{100 * part.accuracy.iloc[-1]:.1f} %")
    return "; ".join(said) + "." if said else "No verdict: it takes two methods on the same partition."
