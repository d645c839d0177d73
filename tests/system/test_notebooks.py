"""notebooks/: the modules they read result files and judge with, and both executed on a small real study."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import BRAMBLE, ROOT, SLOW, WAIT_S, Runner
from numpy_net import Net, read_images, softmax
from runs import ODD, PAPER, SMALL, random_weights

sys.path.insert(0, str(ROOT / "python"))
import bramble as reader  # noqa: E402  (`bramble` is the fixture that runs the program)
from bramble import flower, methods, net, study  # noqa: E402

SKIP = None
try:
    import ipykernel  # noqa: F401
    import matplotlib  # noqa: F401
    if not shutil.which("jupyter-nbconvert", path="/usr/bin"):
        SKIP = "jupyter-nbconvert is not installed: tools/install-packages notebooks"
except ImportError as problem:
    SKIP = f"{problem}: tools/install-packages notebooks"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures):
    """Two cases, two repeats of each; of the last only the first two rounds, and it is not complete."""
    folder = tmp_path_factory.mktemp("study")
    run = Runner(folder)
    common = ["--data", pictures, "--rounds", 2, "--threads", 2, "--limit-test", 100, "--batch", 20]
    for name, ranks, seed in (("table1-1-2-r1", 2, 1), ("table1-1-2-r2", 2, 2), ("table1-2-4-r1", 3, 1)):
        run.train(ranks, *common, "--seed", seed, out=f"{name}.h5")
    break_off(folder / "table1-2-4-r1.h5", folder / "table1-2-4-r2.h5")
    (folder / "torn.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    return folder


def break_off(whole, part):
    """What is left of a run that was killed after its first round."""
    shutil.copy(whole, part)
    with h5py.File(part, "r+") as file:
        file["rounds/n_done"][()] = 1
        file["rounds/loss"][1:] = np.nan
        for name, value in file["summary"].items():
            value[()] = 0 if name == "complete" else np.nan


@pytest.fixture(scope="module")
def results(folder):
    return reader.read_study(folder)


# ---- reading ----------------------------------------------------------------------------------------------


def test_a_folder(results, folder):
    runs = results.runs.set_index("file")
    assert list(runs.index) == [f"table1-{case}.h5" for case in ("1-2-r1", "1-2-r2", "2-4-r1", "2-4-r2")]
    assert list(runs.case) == ["1:2", "1:2", "2:4", "2:4"] and set(runs["set"]) == {"table1"}
    assert list(runs.complete) == [True, True, True, False] and list(runs.rounds_done) == [2, 2, 2, 1]
    assert list(runs["config.batch"]) == [20] * 4 and runs["config.lr"].dtype == float
    assert list(results.skipped.file) == ["torn.h5"] and results.skipped.why.all()
    assert len(results.rounds) == 7 and len(results.machine) == 2 + 2 + 3 + 3
    assert len(results.ranks) == 2 * 2 * 2 + 3 * 3 and list(results.tests.groupby("file").size()) == [2, 2, 2, 1]
    with h5py.File(folder / "table1-2-4-r1.h5") as file:
        rows = results.ranks[(results.ranks.file == "table1-2-4-r1.h5") & (results.ranks["rank"] == 2)]
        assert list(rows.train_s) == list(file["rounds/ranks/train_s"][:, 2])
        assert runs.t_time_s["table1-2-4-r1.h5"] == file["summary/t_time_s"][()]


def test_one_file(results, folder):
    run = results.run("table1-1-2-r1.h5")
    assert run.case == "1:2" and run.complete and run.confusion.sum() == 100 and len(run.class_names) == 10
    assert {name: value.shape for name, value in run.weights.items()} == Net(run.model_text).shapes()
    assert len(reader.read_study(folder / "table1-1-2-r1.h5").runs) == 1
    with pytest.raises(FileNotFoundError):
        reader.read_study(folder / "missing")


def test_more_rounds_than_classes(bramble, pictures):
    run = reader.read_run(bramble.train(1, "--data", pictures, "--rounds", 12, "--limit-train", 8, "--limit-test", 8, "--eval-every", 5))
    assert list(run.tests["round"]) == [4, 9, 11] and len(run.rounds) == 12 and len(run.class_names) == 10
    assert list(run.tests) == ["round", "accuracy", "loss"]


def test_columns_come_and_go(folder, tmp_path):
    """Files of other versions: what is missing is NaN, what is new is there, phases stay phases."""
    sub = tmp_path / "mine"
    sub.mkdir()
    shutil.copy(folder / "table1-1-2-r1.h5", sub / "old.h5")
    shutil.copy(folder / "table1-1-2-r1.h5", sub / "new.h5")
    with h5py.File(sub / "old.h5", "r+") as file:
        for name in ("machine/cpu", "rounds/ranks/clock_mhz", "rounds/passes", "summary/images_per_s", "test", "build", "model"):
            del file[name]
    with h5py.File(sub / "new.h5", "r+") as file:
        file["rounds/ranks/dance_s"] = np.ones_like(file["rounds/ranks/train_s"])
        file["summary/joy"] = 7.0
    both = reader.read_study(tmp_path)
    runs = both.runs.set_index("file")
    assert set(runs["set"]) == {"mine"} and runs.joy["mine/new.h5"] == 7
    assert np.isnan(runs.joy["mine/old.h5"]) and np.isnan(runs.images_per_s["mine/old.h5"])
    assert both.ranks.dance_s.notna().sum() == 4 and reader.phases(both.ranks)[-1] == "dance_s"
    assert both.run("mine/old.h5").weights == {} and both.run("mine/old.h5").confusion is None


def test_no_result_file(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    found = reader.read_study(tmp_path)
    assert len(found.runs) == 0 and list(found.skipped.why) == ["no result file of bramble"]


# ---- numbers ----------------------------------------------------------------------------------------------


def test_the_papers_numbers_agree_with_each_other():
    """As printed: every share and speedup follows from its times, but for the O% of 3:6, which is 0.155."""
    for _, table in reader.PAPER.groupby("set"):
        assert np.allclose(table.t_time_s.iloc[0] / table.t_time_s, table.speedup, atol=0.006)
        assert np.allclose(table.w_time_s / table.t_time_s, table.work_fraction, atol=0.0055)
        odd = np.abs(table.o_time_s / table.t_time_s - table.overhead_fraction) > 0.0055
        assert list(table.case[odd]) == ["3:6"]


def test_cases(results):
    table = study.cases(study.of_table(results.runs, "table1"), "1:2").set_index("case")
    files = results.runs.set_index("file").t_time_s
    times = [files[f"table1-1-2-r{k}.h5"] for k in (1, 2)]
    assert list(table.repeats) == [2, 1]  # the incomplete run does not count
    assert table.t_time_s["1:2"] == pytest.approx(np.mean(times))
    assert table.t_time_s_sd["1:2"] == pytest.approx(np.std(times, ddof=1))
    assert table.speedup["2:4"] == pytest.approx(np.mean(times) / files["table1-2-4-r1.h5"])
    parts = study.overhead_parts(results, results.runs[results.runs.complete])
    whole = results.runs.set_index("file").o_time_s.reindex(parts.index)
    assert np.allclose(parts.sum(axis=1), whole, atol=1e-6)


def test_cases_are_those_of_the_report(bramble, folder, results):
    """Means and ± of the notebook and of bramble report are the same numbers."""
    files = [results.paths[file] for file in results.runs.file[results.runs.complete]]
    report = {row["case"]: row for row in json.loads(bramble(1, "report", "--format", "json", *files).stdout)}
    table = study.cases(study.of_table(results.runs, "table1"), "1:2").set_index("case")
    names = {"t_time_s_sd": "t_time_std_s", "w_time_s_sd": "w_time_std_s", "overhead_fraction_sd": "overhead_fraction_std",
             "speedup_sd": "speedup_std", "accuracy_sd": "accuracy_std"}
    for case, row in report.items():
        for name in (*study.MEASURES, *names, "speedup", "repeats"):
            expected, found = row[names.get(name, name)], table[name][case]
            assert np.isnan(found) if expected is None else found == pytest.approx(expected, rel=1e-9, abs=1e-12), (case, name)


def test_ticks_are_whole_numbers():
    """Also where there is one case: nodes 0.96, 0.975 are none."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    for x in ([1], [1, 2], [1, 2, 3], list(range(1, 30))):
        fig, ax = plt.subplots()
        ax.plot(x, x)
        reader.whole_ticks(ax.xaxis)
        low, high = ax.get_xlim()
        shown = [tick for tick in ax.get_xticks() if low <= tick <= high]
        plt.close(fig)
        assert shown and all(tick == round(tick) for tick in shown), (x, shown)


def test_steps_in_sequence(results, folder):
    """Of a worker, not of all together: half as many with two."""
    steps = study.steps_in_sequence(results)
    with h5py.File(folder / "table1-1-2-r1.h5") as file:
        assert steps["table1-1-2-r1.h5"] == file["rounds/ranks/steps"][:, 1].sum()


def test_what_the_kept_results_say_of_accuracy():
    """Nodes cost accuracy with the study's recipe, and none with jobs/cases/accuracy.ini; in steps lies why."""
    table1, recipe = reader.read_study(ROOT / "results" / "paper-emulated"), reader.read_study(ROOT / "results" / "accuracy")
    nodes, more = study.cases(study.of_table(table1.runs, "table1"), "1:2"), study.cases(recipe.runs, "1:1")
    assert list(more.case) == ["1:1", "2:2", "3:3"] and list(more.repeats) == [3, 3, 3]
    assert study.change_of_accuracy(nodes) == -1 and study.change_of_accuracy(more) == 0
    steps = study.steps_in_sequence(table1).filter(like="table1-")
    assert steps["table1-1-2-r1.h5"] == 25000 and steps["table1-3-6-r1.h5"] < 25000 / 2.9
    steps = study.steps_in_sequence(recipe)
    assert (steps >= 25000).all() and (steps < 1.1 * 25000).all()


def test_karp_flatt():
    serial = 0.1
    assert study.karp_flatt([1 / (serial + (1 - serial) / 4), 1], [4, 1])[0] == pytest.approx(serial)
    assert np.isnan(study.karp_flatt(1, 1))


def test_fits():
    x = np.array([1.0, 2, 3, 5])
    assert study.fit_linear(x, 3 - 2 * x) == pytest.approx((3, -2))
    assert study.fit_exponential(x, 5 * np.exp(-0.3 * x)) == pytest.approx((5, 0.3))
    assert study.fit_power(x, 7 * x**-0.9) == pytest.approx((7, 0.9))
    text, fits = study.verdict_curve(x, 4 + 8 / x)
    assert "a + b/C:" in text and fits["a + b/C"][2] == pytest.approx(1) and fits["linear"][2] < 0.99
    assert "straight line" in study.verdict_curve(x, 9 - x)[0] and "an exponential" in study.verdict_curve(x, np.exp(-x))[0]


def test_crossing():
    n = np.array([1.0, 2, 3])
    assert study.crossing(n, 1000 / n, 10.5 * n) == 10  # sqrt(1000 / 10.5) = 9.8
    assert study.crossing(n, 1000 / n, 0 * n) == np.inf
    paper = reader.PAPER[reader.PAPER.set == "table1"]
    assert study.crossing(paper.nodes, paper.w_time_s, paper.o_time_s, study.fit_exponential) == 5  # the paper's 4 to 5


@pytest.mark.parametrize("overhead, words", [(30.0, "as in the paper"), (10.0, "later than in the paper"),
                                             (120.0, "earlier than in the paper"), (1e-4, "beyond 1000 nodes, if ever")])
def test_verdict_on_the_crossing(overhead, words):
    """W = 1000 / N; O = overhead N with a spread of 1 %."""
    runs = pd.DataFrame([(n, 1000 / n, overhead * n * (1 + 0.01 * k)) for n in (1, 2, 3) for k in (-1, 0, 1)],
                        columns=["nodes", "w_time_s", "o_time_s"])
    if overhead == 30.0:
        runs.o_time_s *= 2  # meets at sqrt(1000 / 60) = 4.1, so 5
    assert words in study.verdict_crossing(study.crossings(runs), 3)


def table_of(t, o=0.0, accuracy=0.57, nodes=(1, 2, 3), per_node=2):
    """A table of cases as `cases` makes it, from the times of two equal repeats each."""
    rows = [(n, per_node * n, f"{n}:{per_node * n}", tn, tn * (1 - on), tn * on, 1 - on, on, an)
            for n, tn, on, an in zip(nodes, t, np.broadcast_to(o, len(t)), np.broadcast_to(accuracy, len(t)))]
    runs = pd.DataFrame(rows * 2, columns=["nodes", "cores", "case", "t_time_s", "w_time_s", "o_time_s", "work_fraction",
                                           "overhead_fraction", "accuracy"])
    return study.cases(runs)


CORES = table_of([9, 4, 3, 2], nodes=(1, 2, 3, 4), per_node=1).assign(nodes=3)


@pytest.mark.parametrize("verdict, arguments, words", [
    (study.verdict_speedup, (table_of([900, 450, 300]), "table1"), ["Adding nodes pays more", "3.00", "2.42"]),
    (study.verdict_speedup, (table_of([900, 460, 372]), "table1"), ["Adding nodes pays as much"]),
    (study.verdict_speedup, (table_of([900, 600, 500]), "table1"), ["Adding nodes pays less", "60 %"]),
    (study.verdict_speedup, (table_of([900, 400, 200]), "table1"), ["more than ideal"]),
    (study.verdict_speedup, (table_of([900]), "table1"), ["No verdict"]),
    (study.verdict_overhead, (table_of([9, 5, 3], [0, 0.01, 0.02]),), ["grows", "2.0 %", "9 times less"]),
    (study.verdict_overhead, (table_of([9, 5, 3], [0.01, 0.01, 0.01]),), ["does not grow"]),
    (study.verdict_overhead, (table_of([9, 5, 3], [0.3, 0.3, 0.2]),), ["shrinks", "about as much"]),
    (study.verdict_overhead, (table_of([9, 5, 3], [0, 0.2, 0.4]),), ["2.2 times as much"]),
    (study.verdict_accuracy, (table_of([9, 5, 3]), CORES), [
        "**Nodes cost no accuracy, cores cost no accuracy here.**", "Every case is within", "All reach 57 %"]),
    (study.verdict_accuracy, (table_of([9, 5, 3], accuracy=[0.657, 0.623, 0.589]), CORES, [25000, 8336]), [
        "**Nodes cost accuracy, cores cost no accuracy here.**", "65.7 ± 0.0, 62.3 ± 0.0, 58.9 ± 0.0 % with 1, 2, 3 nodes",
        "8,336 steps one after the other instead of 25,000", "57.0 % with 1 to 4 cores"]),
    (study.verdict_accuracy, (table_of([9, 5, 3], accuracy=[0.657, 0.623, 0.589]), CORES, [25000, 25000]), [
        "**Nodes cost accuracy", "as many, so the reason is another"]),
    (study.verdict_accuracy, (table_of([9, 5, 3], accuracy=[0.5, 0.57, 0.6]), CORES[:0]), ["**Nodes add accuracy",
                                                                                    "1 of 3 cases are below", "1 above"]),
    (study.verdict_accuracy, (table_of([9], accuracy=0.6), CORES[:1]), ["No verdict: it takes two numbers of nodes"]),
    (study.verdict_accuracy, (table_of([9, 5, 3], accuracy=0.5), CORES[:0]), ["**Nodes cost no accuracy here.**",
                                                                             "Every case is below", "3 of 3 miss 57 %"]),
    (study.verdict_nodes_or_cores, (table_of([9, 4.5, 3]), table_of([9, 8, 7])), ["nodes give more speedup than cores"]),
    (study.verdict_nodes_or_cores, (table_of([9, 8, 7]), table_of([9, 4.5, 3])), ["Cores give more speedup than nodes"]),
    (study.verdict_nodes_or_cores, (table_of([9, 4.5, 3]), table_of([9, 4.5, 3])), ["as much speedup as cores"]),
    (study.verdict_parts, (pd.Series({"wire": 1.0, "wait": 3.0}),), ["largest part of the overhead is wait, 75 %"]),
    (study.verdict_parts, (pd.Series({"wire": 0.0, "wait": 0.0}),), ["no overhead"]),
    (study.verdict_serial, ([1, 2, 4], [np.nan, 0.01, 0.05]), ["it grows"]),
    (study.verdict_serial, ([1, 2, 4], [np.nan, 0.05, 0.01]), ["it shrinks"]),
    (study.verdict_serial, ([1, 2, 4], [np.nan, 0.05, 0.05]), ["about the same"])])
def test_verdicts_follow_the_numbers(verdict, arguments, words):
    text = verdict(*arguments)
    assert [word for word in words if word not in text] == [], text


@pytest.mark.parametrize("text", [PAPER, SMALL, ODD])
def test_forward_pass(text, pictures):
    """The same probabilities as the oracle of the other system tests."""
    w = random_weights(Net(text))
    images, labels = reader.read_test_images(pictures, 20)
    x, expected_labels = read_images(pictures, "test")
    logits = Net(text).logits({name: value.astype(float) for name, value in w.items()}, x[:20])
    assert np.allclose(reader.predict(text, w, images, chunk=7), softmax(logits, labels)[0], atol=1e-5)
    assert list(labels) == list(expected_labels[:20])


def test_predictions_are_those_of_the_run(results, pictures):
    run = results.run("table1-2-4-r1.h5")
    images, labels = reader.read_test_images(pictures, 100)
    guesses = reader.predict(run.model_text, run.weights, images).argmax(axis=1)
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (labels, guesses), 1)
    assert np.abs(confusion - run.confusion).sum() <= 2  # one image may stand on the edge between two classes


# ---- the notebooks ----------------------------------------------------------------------------------------


def cells(path):
    return json.loads(Path(path).read_text())["cells"]


def words_of(path):
    """All texts among the outputs of a notebook, which must not contain an error."""
    texts = []
    for cell in cells(path):
        for output in cell.get("outputs", []):
            assert output["output_type"] != "error", output
            assert output.get("name") != "stderr", output["text"]
            data = output.get("data", {"text/plain": output.get("text", "")})
            texts += ["".join(data[kind]) for kind in ("text/markdown", "text/html") if kind in data]
    return "\n".join(texts)


def n_pictures(path):
    return sum("image/png" in output.get("data", {}) for cell in cells(path) for output in cell.get("outputs", []))


def execute(*words, timeout=300, **variables):
    """Run tools/run-notebooks; whatever it started ends with it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("BRAMBLE_")}
    process = subprocess.Popen([ROOT / "tools/run-notebooks", *words], env={**env, **{k: str(v) for k, v in variables.items()}},
                               text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               start_new_session=True)
    try:
        out, err = process.communicate(timeout=timeout * SLOW)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.mark.skipif(SKIP is not None, reason=str(SKIP))
def test_executed(folder, results, pictures, tmp_path):
    """The folder reached by a link; temporary files where a socket's name would be too long."""
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / ("x" * 95)).mkdir()
    done = execute(tmp_path / "link", TMPDIR=tmp_path / ("x" * 95), BRAMBLE_DATA=pictures, BRAMBLE_RUN=folder / "table1-2-4-r1.h5")
    assert done.returncode == 0, done.stderr
    paper, run = folder / "paper.ipynb", folder / "run.ipynb"
    text = words_of(paper)
    table = study.cases(study.of_table(results.runs, "table1"), "1:2")
    for words in ("4 result files, 3 of complete runs", "`table1-2-4-r2.h5` is incomplete", "`torn.h5` was skipped",
                  study.verdict_speedup(table, "table1"), study.verdict_overhead(table), "Can nodes cost no accuracy?",
                  f"here became {table.speedup[1]:.2f}", "largest part of the overhead", "No verdict: it takes both tables",
                  "| question | paper | here |", "936.3"):
        assert words in text, words
    assert n_pictures(paper) >= 8
    text = words_of(run)
    for words in ("`table1-2-4-r1.h5`: case 2:4, 2 rounds, complete", "Training took rank", "first 6 filters",
                  "Asked here about the first 120 test images"):
        assert words in text, words
    assert n_pictures(run) >= 5
    text = words_of(folder / "plan.ipynb")
    for words in ("3 runs", "Planned: 1200 images on nodes of 2 cores", "the most is saved by", "Overhead takes more time"):
        assert words in text, words
    assert "no network was measured" in text  # all ranks were here
    assert n_pictures(folder / "plan.ipynb") == 3
    text = words_of(folder / "methods.ipynb")
    assert "3 of complete runs" in text and "No two of them differ" in text and "No verdict: no run with the recipe" in text
    for path in (paper, run, folder / "plan.ipynb", folder / "methods.ipynb"):
        assert path.stat().st_size < 1.5e6
        assert str(folder) not in path.read_text() and str(pictures) not in path.read_text()


def said_by(name, results):
    """What a notebook's code says of a folder, run without a kernel."""
    code = "\n".join("".join(cell["source"]) for cell in cells(ROOT / "notebooks" / f"{name}.ipynb") if cell["cell_type"] == "code")
    done = subprocess.run(["/usr/bin/python3", "-c", code.replace("display(Markdown(text))", "print(text)")], text=True,
                          cwd=ROOT / "notebooks", env={**os.environ, "MPLBACKEND": "Agg", "BRAMBLE_RESULTS": str(results),
                                                       "BRAMBLE": str(BRAMBLE), "PYTHONDONTWRITEBYTECODE": "1"},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT_S)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.skipif(SKIP is not None, reason=str(SKIP))
def test_plan_without_runs_that_fit(folder, tmp_path):
    """A folder with one run is no failure: the notebook says what is missing."""
    shutil.copy(folder / "table1-1-2-r1.h5", tmp_path)
    assert "two or more workers" in said_by("plan", tmp_path)


@pytest.mark.skipif(SKIP is not None, reason=str(SKIP))
def test_methods_that_are_kept():
    """Two ways to share out, seven methods each; what is concluded is that of the numbers."""
    said, results = said_by("methods", ROOT / "results" / "methods"), reader.read_study(ROOT / "results" / "methods")
    study_of = reader.read_study(*(results.paths[file] for file in results.runs.file[results.runs.set == "methods"]))
    assert methods.verdict_methods(study_of) in said and flower.verdict_flower(results) in said
    assert "SCAFFOLD 2.00" in said and "Unlike images cost" in said and "DP-FedAvg S 0.1 C 1" in said
    assert said.count("commonest class") >= 2


@pytest.mark.skipif(SKIP is not None, reason=str(SKIP))
def test_scale():
    """Where overhead overtakes work is computed from the rows kept here, and what was simulated is said to be."""
    code = "\n".join("".join(cell["source"]) for cell in cells(ROOT / "notebooks" / "scale.ipynb") if cell["cell_type"] == "code")
    done = subprocess.run(["/usr/bin/python3", "-c", code.replace("display(Markdown(text))", "print(text)").replace("display(shown)", "print(shown)")],
                          text=True, cwd=ROOT / "notebooks", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT_S,
                          env={**os.environ, "MPLBACKEND": "Agg", "BRAMBLE": str(BRAMBLE), "PYTHONDONTWRITEBYTECODE": "1"})
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("Simulated: SimGrid 3.")
    found = dict(re.findall(r"- Simulated Pi 4s, (\w+): overhead overtakes work at (\d+) nodes", done.stdout))
    assert 8 < int(found["gather"]) < int(found["slices"]) < 256 and int(found["allreduce"]) >= 100


def test_nothing_to_execute_on(tmp_path):
    done = execute(BRAMBLE_RESULTS=tmp_path)
    assert done.returncode == 2 and re.fullmatch(r"run-notebooks: .*: no result files there: .*\n", done.stderr)


@pytest.mark.parametrize("words", [["a", "b"], ["--wrong"]])
def test_what_is_no_folder(words):
    done = execute(*words)
    assert done.returncode == 2 and done.stderr.startswith(f"run-notebooks: {' '.join(words)}: expected one folder")
    assert execute("--help").stdout.startswith("run-notebooks [FOLDER]: ")


@pytest.mark.parametrize("name", ["paper", "run", "plan", "methods", "scale"])
def test_what_is_kept_in_the_repository(name):
    """Small, without errors, without names of the machine it was executed on."""
    path = ROOT / "notebooks" / f"{name}.ipynb"
    words_of(path)
    assert path.stat().st_size < 1.5e6
    notebook = json.loads(path.read_text())
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    executed = [bool(cell["execution_count"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(executed) or not any(executed), "all cells or none"
    assert not any(cell["metadata"] for cell in notebook["cells"])
    texts = [json.dumps(cell["source"]) + json.dumps([o for o in cell.get("outputs", []) if "image/png" not in o.get("data", {})])
             for cell in notebook["cells"]]
    assert not re.search(r"/(home|root|tmp|mnt|media)/|" + re.escape(str(ROOT)), "".join(texts))
