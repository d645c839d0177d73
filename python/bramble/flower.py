"""What Flower's baseline niid_bench reports, beside runs with its recipe (jobs/cases/niid.ini)."""
from __future__ import annotations

import numpy as np
import pandas as pd

from .files import Results
from .methods import method_of, n_clients, partition_of

# CIFAR-10, ten workers, 50 rounds of ten local epochs; of each configuration the best accuracy of all rounds, mean and
# standard deviation over its seeds, in percent, as the table in the baseline's README has them.
FLOWER_METHODS = ["FedAvg", "FedProx", "SCAFFOLD", "FedNova"]
_TABLE = {
    "even": [(71.32, 0.33), (71.26, 1.18), (71.66, 1.13), (70.69, 1.14)],
    "dirichlet:0.5": [(62.47, 0.43), (65.63, 0.08), (68.08, 0.96), (63.89, 1.40)],
    "classes:3": [(59.11, 0.87), (59.20, 1.18), (61.00, 0.91), (57.83, 0.42)],
    "classes:2": [(51.17, 1.09), (50.44, 0.79), (49.42, 2.18), (46.90, 0.66)],
    "classes:1": [(10.00, 0.00), (12.71, 0.96), (10.00, 0.00), (10.00, 0.00)]}
FLOWER = pd.DataFrame([(partition, method, mean / 100, sd / 100) for partition, row in _TABLE.items()
                       for method, (mean, sd) in zip(FLOWER_METHODS, row)],
                      columns=["partition", "method", "flower", "flower_sd"])
NEAR = 0.02  # what counts as the same: two points


def _of_the_recipe(results: Results) -> pd.DataFrame:
    """Complete runs with the baseline's numbers: file, method, partition."""
    runs = results.runs
    wanted = {"config.rounds": 50, "config.local-epochs": 10, "config.batch": 64, "config.lr": 0.01}
    right = n_clients(runs) == 10
    for name, value in wanted.items():
        right &= pd.to_numeric(runs.get(name, pd.Series(np.nan, runs.index)), errors="coerce") == value
    runs = runs[right & runs.complete.astype(bool)]
    names = [method_of(run).split()[0] for _, run in runs.iterrows()]
    return pd.DataFrame({"file": runs.file, "method": names, "partition": partition_of(runs)})


def beside_flower(results: Results) -> pd.DataFrame:
    """A row per cell of Flower's table, in its order: partition, method, flower, flower_sd, runs, last, best, round.

    last and best are accuracies of the last and of the best model, means over the runs (NaN without one), round the
    best's, from 1; difference is best minus Flower's, which is a best one, too.
    """
    files = _of_the_recipe(results)
    tests = results.tests.merge(files[["file", "partition", "method"]], on="file").dropna(subset=["accuracy"])
    rows = []
    for (partition, method), part in tests.groupby(["partition", "method"]):
        by_file = part.groupby("file")
        best = part.loc[by_file.accuracy.idxmax()]
        rows.append((partition, method, len(best), by_file.accuracy.last().mean(), best.accuracy.mean(), best["round"].mean() + 1))
    ours = pd.DataFrame(rows, columns=["partition", "method", "runs", "last", "best", "round"])
    table = FLOWER.merge(ours, on=["partition", "method"], how="left")
    table["runs"] = table.runs.fillna(0).astype(int)
    table["difference"] = table.best - table.flower
    return table


def flower_table(results: Results) -> pd.DataFrame:
    """The same as texts: of each cell what is here, best (last), and Flower's."""
    table = beside_flower(results)
    table["text"] = [(f"{100 * row.best:.1f} ({100 * row.last:.1f})" if row.runs else "–") + f" | {100 * row.flower:.1f}"
                     for row in table.itertuples()]
    shown = table.pivot(index="partition", columns="method", values="text")
    return shown.loc[list(_TABLE), FLOWER_METHODS].rename_axis(index="best (last) | Flower's best, %", columns=None)


def verdict_flower(results: Results) -> str:
    """How many of Flower's cells are here, and which of them are more than two points from its numbers."""
    table = beside_flower(results)
    here = table[table.runs > 0]
    if here.empty:
        return "No verdict: no run with the recipe of Flower's baseline is here (`jobs/study niid` makes them)."
    far = here[here.difference.abs() > NEAR]
    said = f"{len(here)} of {len(table)} cells are here, {len(here) - len(far)} of them within two points of Flower's"
    if far.empty:
        return said + "."
    return said + "; farther are " + ", ".join(f"{row.method} on {row.partition} ({100 * row.difference:+.1f})" for row in far.itertuples()) + "."
