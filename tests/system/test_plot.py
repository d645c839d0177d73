"""bramble-plot: figures and pages of result files, and one line for each mistake."""
import contextlib
import html.parser
import io
import os
import re
import shutil
import subprocess
import sys

import browser
import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import BRAMBLE, ROOT, WAIT_S

sys.path.insert(0, str(ROOT / "python"))
import bramble as package  # noqa: E402
from bramble import plotting, study  # noqa: E402

PEERS = ROOT / "results/peers"
STUDY, RUN = ROOT / "results/paper-emulated", ROOT / "results/paper-emulated/table1-3-6-r1.h5"
PLOT = ROOT / "python/bramble-plot"
MAN = (ROOT / "docs/bramble-plot.1").read_text()


def plot(folder, *words, **env):
    """The program in this process, which starts ten times as fast."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        for name, value in {"BRAMBLE": str(BRAMBLE), **env}.items():
            patch.setenv(name, value)
        try:
            status = plotting.main(list(map(str, words)))
        except SystemExit as left:
            status = left.code
    done = subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())
    print("$ bramble-plot", *words, done.stdout, done.stderr, sep="\n")
    return done


def test_as_a_program(tmp_path):
    """Also from elsewhere, by a link; a mistake is one line there too."""
    (tmp_path / "plot").symlink_to(PLOT)
    for words, status in (([RUN, "-o", "x.svg"], 0), (["none.h5"], 2)):
        done = subprocess.run([tmp_path / "plot", *words], cwd=tmp_path, text=True, capture_output=True, stdin=subprocess.DEVNULL,
                              timeout=2 * WAIT_S, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        assert (done.returncode, done.stdout.count("\n") + done.stderr.count("\n")) == (status, 1), done.stderr
    assert (tmp_path / "x.svg").read_bytes().startswith(b"<?xml")


class Page(html.parser.HTMLParser):
    """Pictures, headings and links of a page; nothing may be fetched or run."""

    def __init__(self, path):
        super().__init__()
        self.text = path.read_text()
        self.images, self.open, self.ids, self.links, self.sources = [], [], set(), set(), 0
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        assert tag not in ("script", "link", "iframe", "object") and not any(name.startswith("on") for name in a)
        self.ids |= {a["id"]} if "id" in a else set()
        if tag == "a":
            self.links.add(a["href"])
        if tag == "img":
            self.images.append(a)
        if tag == "source":
            self.sources += 1
            assert a["srcset"].startswith("data:image/svg+xml;base64,")
        if tag not in ("meta", "img", "source", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def check(path):
    page = Page(path)
    assert page.open == [] and page.links == {f"#{name}" for name in page.ids}
    assert len(page.images) == page.sources
    assert all(image["src"].startswith("data:image/svg+xml;base64,") and len(image["alt"]) > 20 for image in page.images)
    assert 'name="viewport"' in page.text and "prefers-color-scheme: dark" in page.text and '<html lang="en">' in page.text
    return page


@pytest.fixture(scope="module")
def study_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    done = plot(folder, STUDY)
    assert (done.returncode, done.stdout, done.stderr) == (0, "paper-emulated.html\n", "")
    return folder / "paper-emulated.html"


def test_a_study_as_a_page(study_page):
    """All figures with alternative texts, the tables, and verdicts that are those of the notebooks."""
    page = check(study_page)
    results = package.read_study(STUDY)
    nodes = study.cases(study.of_table(results.runs, "table1"), "1:2")
    assert len(page.images) == 11 and page.text.count("<table") == 5
    for text in (study.verdict_speedup(nodes, "table1"), study.verdict_overhead(nodes)):
        assert text.split("**")[1] in page.text and text.split("**")[2].strip()[:60] in page.text
    assert "27 result files, 27 of complete runs" in page.text and "2205.5" in page.text
    assert "Overhead takes more time than work from" in page.text
    assert str(ROOT) not in page.text


@browser.needs_chromium
def test_pages_in_a_browser(study_page, tmp_path):
    assert plot(tmp_path, RUN, "-o", "x.html").returncode == 0
    for page in (study_page, tmp_path / "x.html"):
        browser.check_narrow(tmp_path, page.as_uri())


def test_a_study_without_the_paper(odd):
    """Runs of other cases have their table; what cannot be read is left out, and told of."""
    for k in (1, 2):
        shutil.copy(ROOT / f"results/accuracy/accuracy-1-1-r{k}.h5", odd)
    done = plot(odd, odd, "-o", "x.html")
    assert done.returncode == 0 and done.stderr.count(": skipped: ") == 3
    text = check(odd / "x.html").text
    assert "other.h5" in text and "<td>1:1</td>" in text and "No plan: " in text and "Table 1" not in text


@pytest.mark.parametrize("words, start", [
    ((STUDY, "-o", "x.png"), b"\x89PNG"), ((RUN, "-o", "x.png", "--figure", "timeline", "--dpi", 60), b"\x89PNG"),
    ((RUN, "-o", "x.pdf"), b"%PDF"), ((STUDY, "-o", "x.svg", "--figure", "plan", "--narrow"), b"<?xml")])
def test_kinds_of_files(words, start, tmp_path):
    done = plot(tmp_path, *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{words[2]}\n", "")
    data = (tmp_path / words[2]).read_bytes()
    assert data.startswith(start) and len(data) > 5000 and os.listdir(tmp_path) == [words[2]]
    assert (tmp_path / words[2]).stat().st_mode & 0o777 == 0o666 & ~os.umask(os.umask(0o22))
    if start == b"%PDF":
        assert data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") == len(plotting.OF_RUN)


def test_the_same_figure_is_the_same_file():
    """What `make figures` writes changes when the results do."""
    import matplotlib
    matplotlib.use("Agg")
    from bramble.page import svg_of
    results = package.read_study(STUDY)
    first, second = (svg_of(package.plot_overview(results)) for _ in range(2))
    assert first == second and b"prefers-color-scheme: dark" in first
    shares = study.cases(study.of_table(results.runs, "table1"), "1:2").overhead_fraction
    assert f">{100 * shares.iloc[-1]:.1f} %<".encode() in first


def test_the_picture_in_readme():
    """It has the numbers of the kept results, and so has its alternative text; another matplotlib draws other curves."""
    nodes = study.cases(study.of_table(package.read_study(STUDY).runs, "table1"), "1:2").iloc[-1]
    picture, readme = (ROOT / "docs/study.svg").read_text(), (ROOT / "README.md").read_text()
    alt = re.search(r"!\[([^]]*)\]\(docs/study\.svg\)", readme)[1]
    from bramble.figures_overview import accuracy_over_time
    ends = accuracy_over_time(package.read_study(STUDY, PEERS)).groupby("program", sort=False).t_s.last()
    for text in (f"{100 * nodes.overhead_fraction:.1f} %", f"{nodes.speedup:.2f}", "18 %", "2.42", *(f"{t:.0f} s" for t in ends)):
        assert f">{text}<" in picture and text in alt, text
    assert len(picture) < 100000 and "prefers-color-scheme: dark" in picture


def test_a_run_that_was_broken_off(tmp_path):
    """No round done yet, no test: its page says so."""
    (tmp_path / "run.h5").write_bytes(RUN.read_bytes())
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        file["rounds/n_done"][()] = 0
        file["summary/complete"][()] = 0
        file["test/confusion"][...] = 0
    assert plot(tmp_path, "run.h5").returncode == 0
    text = check(tmp_path / "run.html").text
    assert "No round is finished yet" in text and "incomplete" in text
    done = plot(tmp_path, "run.h5", "run.h5", "-o", "x.png")
    assert done.returncode == 2 and "no complete run" in done.stderr


def test_names_from_files_are_no_markup(tmp_path):
    """Options, hosts and classes with signs of HTML and of formulas."""
    (tmp_path / "run.h5").write_bytes(RUN.read_bytes())
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        names = file["test/class_names"][:]
        names[0], names[1], names[2] = b"<b>$x_{$", b"a\x01b\"'", b"n" * 200
        del file["test/class_names"]
        file["test/class_names"] = [name if isinstance(name, bytes) else name.encode() for name in names]
        file["config"].attrs["model"] = np.bytes_(b"<script>alert(1)</script>")
    assert plot(tmp_path, "run.h5").returncode == 0
    text = check(tmp_path / "run.html").text
    assert "&lt;script&gt;" in text
    import xml.etree.ElementTree as tree
    import base64
    for svg in re.findall(r'data:image/svg\+xml;base64,([\w+/=]+)', text):
        tree.fromstring(base64.b64decode(svg))


# ---- ways to average ------------------------------------------------------------------------------------------------


def made(folder, label, repeat, accuracy, labels, **config):
    """A result file of three workers, four rounds: a kept one with other numbers."""
    path = folder / f"niid-3-6-{label}-r{repeat}.h5"
    shutil.copy(ROOT / "results/paper-emulated/table1-3-6-r2.h5", path)
    with h5py.File(path, "r+") as file:
        n = len(accuracy)
        file["rounds/n_done"][()] = n
        file["test/accuracy"][:n], file["test/accuracy"][n:] = accuracy, np.nan
        file["summary/accuracy"][()] = accuracy[-1]
        file["rounds/t_end_s"][:n] = 10.0 * (1 + np.arange(n))
        file["rounds/ranks/bytes_sent"][:n] = 1e6 if "control_variates" not in config else 2e6
        file.create_group("shards")["labels"] = np.vstack([np.zeros(10, int), labels])
        for name, value in config.items():
            file["config"].attrs[name.replace("_", "-")] = np.bytes_(str(value))
    return path


@pytest.fixture(scope="module")
def unlike(tmp_path_factory):
    """FedAvg twice and SCAFFOLD on alike and on unlike workers, and FedProx on unlike ones."""
    folder = tmp_path_factory.mktemp("unlike") / "niid"
    folder.mkdir()
    even, two = np.full((3, 10), 500), np.repeat(np.eye(5, dtype=int)[:3] * 2500, 2, axis=1)
    for partition, labels, base in (("even", even, 0.5), ("classes:2", two, 0.2)):
        name = partition[:4]
        made(folder, name + "Avg", 1, base + np.array([0, 0.1, 0.1, 0.12]), labels, partition=partition)
        made(folder, name + "Avg", 2, base + np.array([0, 0.1, 0.1, 0.14]), labels, partition=partition)
        made(folder, name + "Scaffold", 1, base + np.array([0, 0.1, 0.2, 0.3]), labels, partition=partition, control_variates="true")
    made(folder, "clasProx", 1, 0.2 + np.array([0, 0.1, 0.2, 0.31]), two, partition="classes:2", proximal=0.01)
    return folder


def test_methods_are_told_apart(unlike):
    """Names by options, curves against what they cost, the spread of repeats, and a verdict that knows of chance."""
    from bramble import methods
    results = package.read_study(unlike)
    assert methods.several(results) and not methods.several(package.read_study(STUDY))
    table = methods.methods(results)
    assert list(table.partition.unique()) == ["even", "classes:2"]
    assert set(table.method) == {"FedAvg", "SCAFFOLD", "FedProx 0.01"}
    curves = methods.curves(results).set_index(["partition", "method", "round"])
    at = curves.loc["even", "FedAvg", 4]
    assert np.allclose(at[["t_end_s", "bytes", "accuracy", "low", "high"]].astype(float), [40, 4 * 4e6, 0.63, 0.62, 0.64])
    assert curves.loc["classes:2", "SCAFFOLD", 2].bytes == 2 * 8e6
    shown = methods.accuracy_table(results)
    assert shown.loc["even", "FedAvg"] == "63.0 ± 1.4" and shown.loc["even", "FedProx 0.01"] == "–"
    verdict = methods.verdict_methods(results)
    assert "even: SCAFFOLD is ahead with 80.0 %" in verdict and "classes:2: FedProx 0.01 is ahead with 51.0 %" in verdict


def test_what_hides_a_worker_is_in_the_name(unlike, tmp_path):
    from bramble import methods, privacy
    even = np.full((3, 10), 500)
    made(tmp_path, "a", 1, [0.1, 0.2], even, partition="even", clip_update=0.5)
    made(tmp_path, "b", 1, [0.1, 0.2], even, partition="even", clip_update=0.5, noise=0.01, participation=0.7)
    made(tmp_path, "c", 1, [0.1, 0.2], even, partition="even", local_statistics="true", clip_update=0, noise=0)
    results = package.read_study(tmp_path)
    assert list(methods.methods(results).method) == ["clipped to 0.5", "DP-FedAvg S 0.01 C 0.5", "FedBN"]
    run = results.runs.iloc[1]
    assert privacy.in_round(run) == (3, 2)
    assert privacy.in_round(pd.concat([run, pd.Series({"config.clients": 20})])) == (20, 14)
    pytest.importorskip("dp_accounting")
    assert privacy.epsilon(1000, 10, 1.0, 50, 1e-4) == pytest.approx((0.847, 8.37), rel=1e-2)
    assert privacy.epsilon_of(run, 0.1) == privacy.epsilon(3, 2, 0.01, 2, 0.1)


def test_odd_files_are_drawn_as_far_as_they_tell(unlike, tmp_path):
    """Labels of no use, options that are no numbers, columns that are missing."""
    even = np.full((3, 10), 500)
    paths = [made(tmp_path, label, 1, [0.1, 0.2], even, partition="even", proximal=mu) for label, mu in (("a", "much"), ("b", "0.1"))]
    with h5py.File(paths[0], "r+") as file:
        del file["shards/labels"], file["rounds/t_end_s"], file["rounds/ranks/bytes_sent"]
        file["shards/labels"] = np.full((4, 10), b"many")
    with h5py.File(paths[1], "r+") as file:
        del file["machine/rank"], file["test/accuracy"]
    done = plot(tmp_path, tmp_path, "-o", "x.html")
    assert (done.returncode, done.stderr) == (0, "") and "FedProx much" in check(tmp_path / "x.html").text
    for path in paths:
        assert len(package.plot_labels(package.read_run(path)).axes[0].texts) == 1


def test_who_had_what_is_drawn_by_client(bramble, tmp_path):
    """Where there are clients: the rows of bramble report --labels, not one of the worker that trained them all."""
    path = tmp_path / bramble.train(1, "--data", "synthetic:200", "--limit-test", 10, "--rounds", 1, "--batch", 8, "--threads", 1,
                                    "--clients", 70, "--partition", "classes:2")
    done = bramble(1, "report", "--labels", "--format", "csv", path)
    rows = pd.read_csv(io.StringIO(done.stdout)).pivot(index="client", columns="class", values="images")
    ax = package.plot_labels(package.read_run(path)).axes[0]
    names = [tick.get_text() for tick in ax.get_xticklabels()]
    assert np.array_equal(ax.images[0].get_array(), rows[names].head(64)) and rows.shape == (70, 10)
    assert ax.get_ylabel() == "client, 64 of 70" and ax.get_yticklabels()[0].get_text() == "1"
    assert plot(tmp_path, path, "-o", "x.html").returncode == 0
    assert "A client has " in (tmp_path / "x.html").read_text()


def test_beside_flower(unlike, tmp_path):
    """Of each cell the best and the last accuracy, of runs with the baseline's recipe alone."""
    from bramble import flower
    assert "no run with the recipe" in flower.verdict_flower(package.read_study(unlike))
    two = np.repeat(np.eye(5, dtype=int)[:3] * 2500, 2, axis=1)
    recipe = {"rounds": 50, "local_epochs": 10, "batch": 64, "lr": 0.01}
    for label, seen, options in (("avg", [0.3, 0.52, 0.5], {"partition": "classes:2"}),
                                 ("prox", [0.3, 0.4, 0.45], {"partition": "classes:2", "proximal": 0.01}),
                                 ("other", [0.9, 0.9, 0.9], {"partition": "classes:2", "batch": 32})):
        with h5py.File(made(tmp_path, label, 1, seen, two, **{**recipe, **options}), "r+") as file:
            file["summary/nodes"][()] = 10
    results = package.read_study(tmp_path)
    table = flower.beside_flower(results).set_index(["partition", "method"])
    assert len(table) == 20 and table.runs.sum() == 2
    at = table.loc["classes:2", "FedAvg"]
    assert np.allclose(at[["best", "last", "round", "difference"]].astype(float), [0.52, 0.5, 2, 0.0083])
    assert flower.flower_table(results).loc["classes:2", "FedAvg"] == "52.0 (50.0) | 51.2"
    assert flower.verdict_flower(results) == ("2 of 20 cells are here, 1 of them within two points of Flower's; farther are "
                                              "FedProx on classes:2 (-5.4).")


def test_settings_that_differ_are_in_the_name(unlike, tmp_path):
    """Two runs of a method with other rates are two methods; one that differs from another method alone is none."""
    from bramble import methods
    even = np.full((3, 10), 500)
    for k, rate in enumerate((0.01, 0.1), 1):
        made(tmp_path, f"a{k}", 1, [0.1, 0.2], even, partition="even", lr=rate)
    made(tmp_path, "b", 1, [0.1, 0.2], even, partition="even", lr=0.3, server_optimizer="adam")
    assert set(methods.methods(package.read_study(tmp_path)).method) == {"FedAvg, lr 0.01", "FedAvg, lr 0.1", "FedAdam"}


def test_a_study_of_methods_as_a_page(unlike, tmp_path):
    done = plot(tmp_path, unlike, "-o", "x.html")
    assert (done.returncode, done.stderr) == (0, "")
    text = check(tmp_path / "x.html").text
    for words in ("Methods of averaging", "Methods against time", "Methods against bytes", "Who had which images", "63.0 ± 1.4",
                  "SCAFFOLD is ahead", "classes:2: a worker has 2 of 10 classes"):
        assert words in text, words


def test_what_the_figures_of_methods_show(unlike):
    """Lines from the files' numbers; marks and lines tell methods apart; the heat maps are the files' tables."""
    import matplotlib
    matplotlib.use("Agg")
    results = package.read_study(unlike)
    figure = package.plot_methods_bytes(results)
    line = figure.axes[0].lines[1]
    assert figure.axes[0].get_title(loc="left") == "even" and np.allclose(line.get_xydata(), [[8, 50], [16, 60], [24, 70], [32, 80]])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["FedAvg", "SCAFFOLD", "FedProx 0.01"]
    maps = package.plot_partitions(results, narrow=True).axes
    assert np.array_equal(maps[1].images[0].get_array(), np.repeat(np.eye(5, dtype=int)[:3] * 2500, 2, axis=1))
    assert len(package.plot_labels(results.run(results.runs.file[0])).axes[0].get_yticks()) == 3
    for empty in (package.plot_methods(package.read_study(STUDY)), package.plot_labels(package.read_run(RUN))):
        assert len(empty.axes) == 1 and len(empty.axes[0].texts) == 1


# ---- other programs ---------------------------------------------------------------------------------------------------


def test_accuracy_over_time_beside_another_program(tmp_path):
    """Means over the seeds of all, in the figure, the overview and the page; one recipe, as the files say."""
    import json

    import matplotlib
    matplotlib.use("Agg")
    from bramble.figures_overview import accuracy_over_time
    results, ours = package.read_study(PEERS), package.read_study(PEERS).runs
    table = accuracy_over_time(results)
    files = [json.loads(path.read_text()) for path in sorted(PEERS.glob("*.json"))]
    assert [told["program"] for told in files] == ["Flower", "PyTorch"]
    for told in files:
        passes = len(told["runs"][0]["t_s"])
        theirs = table[table.program == f"{told['program']} {told['version']}"].iloc[-1]
        assert np.isclose(theirs.t_s, np.mean([run["t_s"][-1] for run in told["runs"]]))
        assert theirs.low == min(run["accuracy"][-1] for run in told["runs"]) <= theirs.accuracy <= theirs.high
        assert len(ours) == len(told["runs"])
        for option, value in told["recipe"].items():
            if option not in ("layout", "images"):
                assert (ours[f"config.{'rounds' if option == 'passes' else option}"] == value).all(), option
    assert list(table.groupby("program", sort=False).size()) == [passes] * 3
    assert np.isclose(table[table.program == "Bramble"].t_s.iloc[-1], ours.t_time_s.mean(), rtol=1e-3)
    lines = package.plot_peers(results).axes[0].lines
    assert [len(line.get_xdata()) for line in lines] == [passes] * 3
    assert len(package.plot_overview(package.read_study(STUDY, PEERS)).axes) == 4
    for results in (package.read_study(STUDY), package.read_study(PEERS / "training-1-2-r1.h5")):
        assert len(package.plot_peers(results).axes[0].texts) == 1
    assert plot(tmp_path, PEERS, "-o", "x.html").returncode == 0
    assert "Beside other programs" in check(tmp_path / "x.html").text


@pytest.mark.parametrize("text, why", [
    ("[1, 2]", None), ("{", None), ("[" * 5000, None), ('{"format": "other"}', None), ('{"format": "bramble peer"}', "damaged"),
    ('{"format": "bramble peer", "runs": []}', "damaged"),
    ('{"format": "bramble peer", "program": ["P"], "version": "1", "processor": "x", "instructions": "y", "threads": 2, "runs": []}',
     "damaged"),
    ('{"format": "bramble peer", "program": "P", "version": "1", "processor": "x", "instructions": "y", "threads": 2, "runs": '
     '[{"seed": 1, "t_s": [1, 2], "accuracy": [0.5]}]}', "as many seconds"),
    ('{"format": "bramble peer", "program": "P", "version": "1", "processor": "x", "instructions": "y", "threads": 2, "runs": '
     '[{"seed": 1, "t_s": [1], "accuracy": [NaN]}]}', "accuracies from 0 to 1")])
def test_files_of_other_programs(text, why, tmp_path):
    """What is no such file is nobody's; a damaged one is named, and left out."""
    shutil.copy(PEERS / "training-1-2-r1.h5", tmp_path)
    (tmp_path / "x.json").write_text(text)
    results = package.read_study(tmp_path)
    assert len(results.runs) == 1 and results.peers.empty
    assert list(results.skipped.file) == (["x.json"] if why else []) and (not why or why in results.skipped.why[0])


# ---- mistakes ---------------------------------------------------------------------------------------------


@pytest.fixture
def odd(tmp_path):
    """A folder with what is no result file."""
    (tmp_path / "text.h5").write_text("text")
    (tmp_path / "there.png").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.html").mkdir()
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    (tmp_path / "torn.h5").write_bytes(RUN.read_bytes()[:3000])
    return tmp_path


@pytest.mark.parametrize("words, says", [
    (["none.h5"], "none.h5: no such file or folder"), (["text.h5"], "text.h5: "), (["other.h5"], "other.h5: no result file of bramble"),
    (["torn.h5"], "torn.h5: "), (["empty"], "empty: no result files"), ([RUN, "text.h5", "-o", "x.png"], "text.h5: "),
    ([RUN, "-o", "x.gif"], "x.gif: expected a name that ends with .html, .pdf, .png, .svg"), ([RUN, "-o", "x"], "x: expected a name"),
    ([RUN, "-o", "there.png"], "there.png: exists already: --force replaces it"), ([RUN, "-o", "no/x.png"], "there is no folder no"),
    ([RUN, "-o", "folder.html", "--force"], "folder.html: is no ordinary file"), ([RUN, "--figure", "curves"], "a page has all figures"),
    ([RUN, "-o", "x.png", "--figure", "time"], "--figure time: expected one of curves, timeline"),
    ([STUDY, "-o", "x.png", "--figure", "filters"], "--figure filters: expected one of overview"),
    ([RUN, "-o", "x.png", "--dpi", "7"], "--dpi 7: expected"), ([RUN, "-o", "x.png", "--dpi", "many"], "--dpi"),
    ([], "required: RESULT"), ([RUN, "--wrong"], "--wrong")])
def test_mistakes(words, says, odd):
    """One line, status 2, and no file touched."""
    before = {path: path.stat().st_mtime_ns for path in odd.iterdir()}
    done = plot(odd, *words)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith("bramble-plot: ") and says in done.stderr
    assert {path: path.stat().st_mtime_ns for path in odd.iterdir()} == before


def test_force_replaces(odd):
    assert plot(odd, RUN, "-o", "there.png", "--force", "--figure", "filters").returncode == 0
    assert (odd / "there.png").read_bytes().startswith(b"\x89PNG")


def test_a_full_disk(tmp_path):
    """The environment's failure is status 1, and leaves nothing."""
    done = plot(tmp_path, RUN, "-o", "/proc/x.png")
    assert done.returncode == 1 and done.stderr.startswith("bramble-plot: ") and done.stderr.count("\n") == 1


# ---- what is written about it -----------------------------------------------------------------------------


def test_manual_help_and_completion_agree(tmp_path):
    help_text = plot(tmp_path, "--help").stdout
    options = set(re.findall(r"--([a-z]+)", help_text))
    assert options == set(re.findall(r"^\.It .*Fl -([a-z]+)", MAN, re.M)) == {"out", "figure", "narrow", "dpi", "force", "help"}
    completion = (ROOT / "tools/completion-plot.bash").read_text()
    assert all(f"--{name}" in completion for name in options)
    for name in plotting.OF_STUDY + plotting.OF_RUN:
        assert re.search(rf"\b{name}\b", MAN) and re.search(rf"\b{name}\b", completion) and name in help_text
        assert callable(getattr(package, f"plot_{name}"))
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", ROOT / "docs/bramble-plot.1"], text=True, capture_output=True)
    assert lint.stdout == ""
