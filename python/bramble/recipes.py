"""Recipes: runs of presets on all images they are for (results/recipes/), how accurate they are, and how soon.

Accuracies are 0 to 1, those of test images; seconds are T_time.
"""
from __future__ import annotations

import pandas as pd

from .files import Results
from .study import over_repeats, plus_minus

# What of a preset one may change at the command line: runs that differ in it are no repeats of each other.  Not the data: it is
# named by where it is on a machine.
SETTINGS = ["model", "rounds", "local-epochs", "local-steps", "average-every", "keep-momentum", "deal", "batch", "lr", "lr-start", "lr-final",
            "schedule", "milestones", "gamma", "warmup", "optimizer", "momentum", "nesterov", "beta1", "beta2", "epsilon",
            "muon-lr", "muon-momentum", "muon-dense", "weight-decay", "decoupled", "label-smoothing", "ema", "lookahead",
            "tail-average", "clip-norm", "augment", "normalise", "validate", "target-accuracy", "tta"]


def recipe_runs(results: Results) -> pd.DataFrame:
    """The complete runs of presets on all their images, measured ones, of one worker or of none beside rank 0.

    With a column `recipe`: the preset, and where its runs differ in a setting what that is: "resnet8, lr 0.1".
    """
    runs = results.runs
    if not {"config.preset", "config.limit-train", "nodes"} <= set(runs):
        return runs.iloc[:0].assign(recipe="")
    right = runs.complete.astype(bool) & (runs["config.preset"] != "none") & (runs["config.limit-train"] == 0) & (runs.nodes == 1)
    runs = runs[right & (runs.simulated == "")] if "simulated" in runs else runs[right]
    named = [part.assign(recipe=_names(preset, part)) for preset, part in runs.groupby("config.preset")]
    return pd.concat(named) if named else runs.assign(recipe="")


def _names(preset: str, runs: pd.DataFrame) -> pd.Series:
    names = pd.Series(preset, runs.index)
    for setting in SETTINGS:
        values = runs.get(f"config.{setting}", pd.Series(dtype=object)).dropna()  # older files do not have all
        if values.nunique() > 1:
            names[values.index] += values.map(lambda value: f", {setting} {f'{value:g}' if isinstance(value, float) else value}")
    return names


def recipes(results: Results) -> pd.DataFrame:
    """A row per preset (`recipe` of recipe_runs), the soonest first: preset, model, runs, accuracy, accuracy_sd, accuracy_tta, accuracy_tta_sd
    (NaN without --tta), t_time_s; means and sample standard deviations over the runs.
    """
    rows = []
    for preset, part in recipe_runs(results).groupby("recipe"):
        tta = part.accuracy_tta if "accuracy_tta" in part else pd.Series(float("nan"), part.index)
        rows.append({"preset": preset, "model": part["config.model"].iloc[0], "runs": len(part), "accuracy": part.accuracy.mean(),
                     "accuracy_sd": part.accuracy.std(), "accuracy_tta": tta.mean(), "accuracy_tta_sd": tta.std(),
                     "t_time_s": part.t_time_s.mean()})
    columns = ["preset", "model", "runs", "accuracy", "accuracy_sd", "accuracy_tta", "accuracy_tta_sd", "t_time_s"]
    return pd.DataFrame(rows, columns=columns).sort_values("t_time_s", ignore_index=True)


def recipe_curves(results: Results) -> pd.DataFrame:
    """A row per preset and tested round: preset, round, t_end_s (seconds of training until then), accuracy, low and high (of its runs)."""
    runs = recipe_runs(results).rename(columns={"recipe": "preset"}).reindex(columns=["file", "preset"])
    tests = results.tests.merge(runs, on="file").dropna(subset=["accuracy"])
    tests = tests.merge(results.rounds[["file", "round", "t_end_s"]], on=["file", "round"])
    return over_repeats(tests.groupby(["preset", "round"]), ["t_end_s"])


def recipe_table(results: Results) -> pd.DataFrame:
    """The same as `recipes`, as texts for people."""
    table = recipes(results)
    return pd.DataFrame({
        "preset": table.preset, "model": table.model, "runs": table.runs,
        "test accuracy, %": [plus_minus(row.accuracy, row.accuracy_sd, 1, 100) for row in table.itertuples()],
        "with --tta, %": [plus_minus(row.accuracy_tta, row.accuracy_tta_sd, 1, 100) for row in table.itertuples()],
        "minutes": [f"{t / 60:.1f}" for t in table.t_time_s]})
