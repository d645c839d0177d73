"""What is kept of the presets' recipes (results/recipes/), and what README.md says of them."""
import re
import sys

import numpy as np
import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "python"))
import bramble as package  # noqa: E402
from bramble.page_study import study_page  # noqa: E402
from bramble.recipes import SETTINGS, recipe_curves, recipe_table  # noqa: E402

RECIPES = sorted((ROOT / "results/recipes").glob("*.h5"))


def settings_of(bramble, preset):
    """What a preset sets, as `bramble train --help` says it."""
    text = " ".join(bramble(1, "train", "--help").stdout.split())
    told = re.search(rf"Preset {preset}, .*?: ([a-z-]+ = .*?)(?= Preset | Examples:|$)", text)[1]
    return dict(re.findall(r"([a-z0-9-]+) = (.*?)(?=, [a-z0-9-]+ = |$)", told))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_kept_run_is_of_the_preset(bramble, path):
    """On all images, with every setting that the preset has today."""
    run = package.read_run(path)
    preset = path.stem.rsplit("-", 1)[0]
    assert run.complete and (run.config["preset"], run.config["limit-train"], run.config["validate"]) == (preset, "0", "0")
    settings = settings_of(bramble, preset)
    assert len(settings) > 3 and set(settings) <= {"data", "eval-every", *SETTINGS}
    if settings.pop("normalise", None) == "measured":  # the file has what was measured
        assert re.fullmatch(r"[\d.,]+/[\d.,]+", run.config["normalise"])
    assert {name: run.config[name] for name in settings} == settings


def test_the_table_is_that_of_the_runs():
    """README.md's table of presets: accuracy, with --tta, minutes: means and deviations of the kept runs."""
    said = re.findall(r"^\| `(\w+)` \| .*? \| (\d*) \| (.*?) \| (.*?) \| (.*?) \|", (ROOT / "README.md").read_text(), re.M)
    table = recipe_table(package.read_study(ROOT / "results/recipes"))
    kept = table[["preset", "runs", "test accuracy, %", "with --tta, %", "minutes"]].astype(str)
    assert len(kept) >= 2 and sorted(said) == sorted(kept.itertuples(index=False, name=None))


def test_curves():
    """A line a preset and tested round, means over its runs, in the figure and the page."""
    import matplotlib
    matplotlib.use("Agg")
    results = package.read_study(ROOT / "results/recipes")
    curves = recipe_curves(results)
    for preset, part in curves.groupby("preset"):
        runs = results.runs[results.runs["config.preset"] == preset]
        assert np.isclose(part.accuracy.iloc[-1], runs.accuracy.mean()) and np.isclose(part.t_end_s.iloc[-1], runs.t_time_s.mean(), rtol=1e-2)
        assert part.low.iloc[-1] == runs.accuracy.min() and part.high.iloc[-1] == runs.accuracy.max()
    assert len(package.plot_recipes(results).axes[0].lines) == curves.preset.nunique()
    assert ">Presets<" in study_page(results, "recipes")
    assert "no runs" in package.plot_recipes(package.read_study(ROOT / "results/methods")).axes[0].texts[0].get_text()


def test_a_changed_setting_is_no_repeat():
    """Runs of a preset that differ in a setting are not averaged, and each says what it was."""
    results = package.read_study(ROOT / "results/recipes")
    runs = results.runs
    runs["config.lr"] = runs["config.lr"].astype(object)
    changed = (runs["config.preset"] == "lenet") & (runs["config.seed"] == 1)
    before = runs.loc[changed, "config.lr"].iloc[0]
    runs.loc[changed, "config.lr"] = 0.125
    table = recipe_table(results).set_index("preset")
    assert {name: row.runs for name, row in table.iterrows() if "lenet" in name} == {f"lenet, lr {before}": 2, "lenet, lr 0.125": 1}
    assert "resnet8" in table.index and table.runs["resnet8"] == 3
    assert set(recipe_curves(results).preset) == set(table.index)
