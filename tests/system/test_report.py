"""What bramble report and info say of runs: cases, their spread, parts of the overhead; rounds and ranks; the timeline."""
import csv
import io
import json
import re
import statistics

import pytest
from conftest import Runner
from runs import Run

SUMMARY = {"t_time_s", "w_time_s", "o_time_s", "work_fraction", "overhead_fraction", "speedup", "accuracy",
           "accuracy_tta", "accuracy_validation",
           "images_per_s", "nodes", "cores", "repeats"}
PARTS = ["pack", "wire", "wait", "serve", "other"]
MEANS = ["t_time_s", "w_time_s", "o_time_s", "accuracy", "loss", "images_per_s", "nodes", "cores", "bytes_sent",
         "t_start_s", "t_start_mpi_s", "t_start_data_s", *(f"o_{part}_s" for part in PARTS)]


@pytest.fixture(scope="module")
def study(tmp_path_factory, pictures):
    """Case 1:1 twice, 2:2 and 1:2 once: the files, and their summaries by case."""
    bramble = Runner(tmp_path_factory.mktemp("study"))
    options = ["--data", pictures, "--limit-train", 100, "--limit-test", 50, "--rounds", 2, "--lr", 0.01]
    jobs = [("1:1", 2, 1, 1), ("2:2", 3, 1, 1), ("1:1", 2, 1, 2), ("1:2", 2, 2, 1)]
    cases, files = {}, []
    for k, (case, ranks, threads, seed) in enumerate(jobs):
        files.append(bramble.train(ranks, *options, "--threads", threads, "--seed", seed, out=f"{k}.h5"))
        cases.setdefault(case, []).append(Run(files[-1]).summary)
    return files, cases


def expected_report(cases, base):
    """What the report should say of each case."""
    rows, base_t_s = {}, statistics.mean(s["t_time_s"] for s in cases[base])
    for case, found in cases.items():
        row = {name: statistics.mean(s[name] for s in found) for name in MEANS}
        t_s = row["t_time_s"]
        row.update(accuracy_tta=None, accuracy_validation=None)
        row.update(repeats=len(found), work_fraction=row["w_time_s"] / t_s, overhead_fraction=row["o_time_s"] / t_s)
        samples = {"t_time_std_s": [s["t_time_s"] for s in found], "w_time_std_s": [s["w_time_s"] for s in found],
                   "overhead_fraction_std": [s["overhead_fraction"] for s in found],
                   "speedup_std": [base_t_s / s["t_time_s"] for s in found],
                   "accuracy_std": [s["accuracy"] for s in found]}
        row.update({name: statistics.stdev(values) if len(found) > 1 else None for name, values in samples.items()})
        more, speedup = int(case[2]) / int(base[2]), base_t_s / t_s
        serial = (1 / speedup - 1 / more) / (1 - 1 / more) if more > 1 else None
        rows[case] = {**row, "speedup": speedup, "efficiency": speedup / more, "serial_fraction": serial}
    return rows


def check_report(rows, expected):
    assert list(rows) == ["1:1", "1:2", "2:2"], "sorted by nodes, then cores"
    for case, row in rows.items():
        assert set(row) == set(expected[case]) | {"case", "simulated"}
        for name, value in expected[case].items():
            assert row[name] == (value if value is None else pytest.approx(value, rel=1e-6, abs=1e-12)), (case, name)


@pytest.mark.parametrize("base", ["1:1", "2:2"])
def test_report(bramble, study, base):
    files, cases = study
    expected = expected_report(cases, base)
    given = [] if base == "1:1" else ["--base", base]
    printed = json.loads(bramble(1, "report", "--format", "json", *given, *files).stdout)
    assert all(isinstance(row[name], int) for row in printed for name in ("nodes", "cores", "repeats"))
    check_report({row["case"]: row for row in printed}, expected)
    lines = csv.DictReader(io.StringIO(bramble(1, "report", "--format", "csv", *given, *files).stdout))
    check_report({row["case"]: {name: float(value) if value and name != "case" else None
                                for name, value in row.items()} for row in lines}, expected)
    check_tables(bramble(1, "report", *given, *files).stdout, expected)


def shown_as(word, value):
    return word == "-" if value is None else abs(float(word) - value) <= 0.51 * 10.0 ** -len(word.partition(".")[2])


def check_tables(text, expected):
    assert max(map(len, text.splitlines())) <= 110
    head, *lines, empty, parts_head, a, b, c = text.splitlines()
    assert head.split() == ["N:C", "runs", "T_time", "s", "W_time", "s", "W%", "O%", "S", "E%", "e", "Acc", "%",
                            "images/s"]
    assert empty == "" and parts_head.split()[:8] == ["N:C", *(part + "%" for part in PARTS), "sent", "MB"]
    assert [line.split()[0] for line in lines] == [line.split()[0] for line in (a, b, c)] == ["1:1", "1:2", "2:2"]
    for line, parts in zip(lines, (a, b, c), strict=True):
        case, *words = re.sub(r"\+-[\d.]+", " ", line).split()
        row = expected[case]
        shown = [
            row["repeats"], row["t_time_s"], row["w_time_s"], 100 * row["work_fraction"],
            100 * row["overhead_fraction"], row["speedup"], 100 * row["efficiency"], row["serial_fraction"],
            100 * row["accuracy"], row["images_per_s"]]
        assert all(shown_as(word, value) for word, value in zip(words, shown, strict=True))
        deviations = [row["t_time_std_s"], row["w_time_std_s"], row["overhead_fraction_std"], row["speedup_std"],
                      row["accuracy_std"]]
        factors = [1, 1, 100, 1, 100]
        found = re.findall(r"\+-([\d.]+)", line)
        assert len(found) == (5 if row["repeats"] > 1 else 0)
        assert all(shown_as(word, factor * value) for word, value, factor in zip(found, deviations, factors))
        shown = [*(100 * row[f"o_{part}_s"] / row["t_time_s"] for part in PARTS), row["bytes_sent"] / 1e6,
                 row["t_start_s"]]
        assert all(shown_as(word, value) for word, value in zip(parts.split()[1:], shown, strict=True))


def test_report_warns_of_other_options(bramble, study, pictures):
    """Of options that make another training of it; not of seed, threads or where the results go."""
    files, _ = study
    assert bramble(1, "report", *files).stderr == ""
    other = bramble.train(2, "--data", pictures, "--limit-train", 100, "--limit-test", 40, "--rounds", 2, "--lr", 0.02,
                          "--case", "1:5", "--force")
    done = bramble(1, "report", *files, other)
    assert done.stderr == ("bramble: the runs also differ in --limit-test, --lr; to tell them apart: "
                           "--by case,limit-test,lr\n") and done.returncode == 0
    assert bramble(1, "report", "--by", "case,limit-test,lr", *files, other).stderr == ""
    done = bramble(1, "report", "--by", "limit-test,lr", *files, other)
    assert done.stderr == "bramble: the runs also differ in N:C; to tell them apart: --by limit-test,lr,case\n"


def test_report_by_any_option(bramble, study, pictures):
    """Cases by values of options, in their order, in every format; without N:C where runs differ in it."""
    files, cases = study
    options = ["--data", pictures, "--limit-train", 100, "--limit-test", 50, "--rounds", 2, "--threads", 1]
    files = [*files, bramble.train(2, *options, "--lr", 0.002, "--nesterov", out="slow.h5"),
             bramble.train(2, *options, "--lr", 0.1, "--shards", "60", "--local-steps", 1, out="fast.h5")]
    t_s = [Run(file).summary["t_time_s"] for file in files]
    done = bramble(1, "report", "--by", "lr", "--format", "json", *files)
    rows = json.loads(done.stdout)
    assert [(row["lr"], row["repeats"], row["nodes"], row["cores"]) for row in rows] == [
        (0.002, 1, 1, 1), (0.01, 4, None, None), (0.1, 1, 1, 1)]
    assert rows[1]["t_time_s"] == pytest.approx(statistics.mean(t_s[:4]))
    assert rows[2]["speedup"] == pytest.approx(t_s[4] / t_s[5])
    rows = json.loads(bramble(1, "report", "--by", "lr", "--base", "0.1", "--format", "json", *files).stdout)
    assert [row["speedup"] for row in rows] == pytest.approx(
        [t_s[5] / t for t in (t_s[4], statistics.mean(t_s[:4]), t_s[5])])
    keys = "nesterov,shards,case,lr"
    rows = json.loads(bramble(1, "report", "--by", keys, "--format", "json", *files).stdout)
    expected = [(False, "", "1:1", 0.01), (False, "", "1:2", 0.01), (False, "", "2:2", 0.01), (False, "60", "1:1", 0.1),
                (True, "", "1:1", 0.002)]
    assert [tuple(row[name] for name in keys.split(",")) for row in rows] == expected
    lines = list(csv.DictReader(io.StringIO(bramble(1, "report", "--by", keys, "--format", "csv", *files).stdout)))
    assert list(lines[0])[:7] == [*keys.split(","), "nodes", "cores", "repeats"]
    assert [tuple(line[name] for name in keys.split(",")) for line in lines] == [
        (str(a).lower(), b, c, f"{d:g}") for a, b, c, d in expected]
    text = bramble(1, "report", "--by", "case,lr", *files).stdout.splitlines()
    assert text[0].split()[:3] == ["N:C", "lr", "runs"] == text[7].split()[:2] + ["runs"]
    assert [line.split()[:3] for line in text[1:6]] == [["1:1", "0.002", "1"], ["1:1", "0.01", "2"], ["1:1", "0.1", "1"],
                                                        ["1:2", "0.01", "1"], ["2:2", "0.01", "1"]]


def test_values_with_commas(bramble, pictures):
    """In CSV they stand between quotes, and --base takes them as they are."""
    files = [bramble.train(3, "--data", pictures, "--limit-train", 100, "--rounds", 1, "--threads", 1, "--shards", shards,
                           out=f"{k}.h5") for k, shards in enumerate(("50,50", "20,80"))]
    lines = list(csv.DictReader(io.StringIO(
        bramble(1, "report", "--by", "case,shards", "--base", "2:2,50,50", "--format", "csv", *files).stdout)))
    assert [line["shards"] for line in lines] == ["20,80", "50,50"] and float(lines[1]["speedup"]) == 1


# ---- rounds and ranks -------------------------------------------------------------------------------------


def rows_of(bramble, *words):
    """The rows of --rounds or --ranks, from JSON and from CSV, which must agree."""
    rows = json.loads(bramble(1, "report", "--format", "json", *words).stdout)
    lines = list(csv.DictReader(io.StringIO(bramble(1, "report", "--format", "csv", *words).stdout)))
    assert len(rows) == len(lines)
    for row, line in zip(rows, lines):
        assert list(row) == list(line)
        for name, value in row.items():
            assert line[name] == ("" if value is None else value) if isinstance(value, str) or value is None else \
                float(line[name]) == pytest.approx(value, rel=1e-8)
    return rows


def test_rounds(bramble, study):
    files, _ = study
    run = Run(files[1])
    rows = rows_of(bramble, "--rounds", *files[:2])
    assert [(row["file"], row["round"]) for row in rows] == [(str(file), k) for file in files[:2] for k in (1, 2)]
    for name in ("t_end_s", "passes", "lr", "loss", "accuracy"):
        assert [row[name] for row in rows[2:]] == pytest.approx(list(run[f"rounds/{name}"]), rel=1e-9)
    assert [row["test_accuracy"] for row in rows[2:]] == pytest.approx(list(run["test/accuracy"]))
    assert [row["test_loss"] for row in rows[2:]] == pytest.approx(list(run["test/loss"]))
    ends = run["rounds/t_end_s"]
    assert [row["images_per_s"] for row in rows[2:]] == pytest.approx([100 / ends[0], 100 / (ends[1] - ends[0])])
    assert [row["validation_accuracy"] for row in rows] == [None] * 4
    text = bramble(1, "report", "--rounds", files[1]).stdout.splitlines()
    assert text[0].split()[:3] == ["round", "time", "s"] and "val." not in text[0] and len(text) == 3
    assert [line.split()[0] for line in text[1:]] == ["1", "2"] and f"{100 * run['test/accuracy'][1]:.2f}" in text[2]


def test_ranks(bramble, study):
    """A line a rank, with sums over the rounds; with --rounds one for each round too; also while a run goes on."""
    files, _ = study
    run = Run(files[1])
    phases, names = run.phases()
    each = rows_of(bramble, "--ranks", "--rounds", files[1])
    assert [(row["round"], row["rank"]) for row in each] == [(r, k) for r in (1, 2) for k in range(3)]
    sums = rows_of(bramble, "--ranks", files[1])
    assert [(row["rank"], row["role"], row["host"]) for row in sums] == [
        (k, "worker" if k else "server", run["machine/host"][k].decode()) for k in range(3)]
    for j, name in enumerate(names):
        assert [row[f"{name}_s"] for row in each] == pytest.approx(list(phases[:, :, j].flat), abs=1e-9)
        assert [row[f"{name}_s"] for row in sums] == pytest.approx(list(phases[:, :, j].sum(axis=0)), abs=1e-9)
    assert [row["images"] for row in sums] == [0, 100, 100] and "round" not in sums[0]
    assert [row["loss"] for row in sums[1:]] == pytest.approx(list(run["rounds/ranks/loss"][1, 1:]))
    assert sums[0]["loss"] is None
    text = bramble(1, "report", "--ranks", files[1]).stdout.splitlines()
    assert len(text) == 4 and max(map(len, text)) <= 120 and [line.split()[0] for line in text[1:]] == ["0", "1", "2"]
    assert text[0].split() == ["rank", "role", "host", "images", "loss", "train", "input", "wait", "serve", "pack", "wire",
                               "eval", "output", "other", "s"]
    both = bramble(1, "report", "--ranks", *files[:2]).stdout.split("\n\n")
    assert [part.splitlines()[0] for part in both] == [str(file) for file in files[:2]]


def test_report_without_the_base(bramble, study):
    done = bramble(1, "report", "--base", "4:4", *study[0])
    assert done.returncode == 2 and "4:4" in done.stderr and done.stdout == ""


def test_info(bramble, study):
    files, _ = study
    run, told = Run(files[1]), json.loads(bramble(1, "info", "--json", files[1]).stdout)
    assert (told["complete"], told["rounds_done"], told["rounds_planned"]) == (True, 2, 2)
    assert {name: value.decode() for name, value in run.config.items()} == told["config"]
    assert {name: list(value.shape) for name, value in run.weights.items()} == told["weights"]
    assert set(told["summary"]) >= SUMMARY and len(told["hosts"]) == 3
    assert told["simd"] == [name.decode() for name in run["machine/simd"]] and told["fused"] == list(run["machine/fused"])
    text = bramble(1, "info", files[1]).stdout
    assert all(word in text for word in ("conv1.weight", "[6,3,5,5]", "limit-train", "complete"))
    about = json.loads(bramble(1, "info", "--json").stdout)
    assert {"version", "compiler", "simd", "vector_width", "mpi", "hdf5", "cores", "binding"} <= set(about)


# ---- the timeline -----------------------------------------------------------------------------------------


def test_trace(bramble, pictures, tmp_path):
    """Every phase of the file stands in it once, with its length, in its rank's round, and none overlaps."""
    run = Run(bramble.train(3, "--data", pictures, "--rounds", 3, "--average-every", 4, "--threads", 1))
    done = bramble(1, "report", "--trace", "out.json", "out.h5")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    events = json.loads((tmp_path / "out.json").read_text())["traceEvents"]
    names = {(event["name"], event.get("tid")): event["args"]["name"] for event in events if event["ph"] == "M"}
    assert names == {("process_name", None): run["machine/host"][0].decode(), ("thread_name", 0): "rank 0, server",
                     ("thread_name", 1): "rank 1, worker", ("thread_name", 2): "rank 2, worker"}
    slices = [event for event in events if event["ph"] == "X"]
    assert {event["pid"] for event in slices} == {0} and len(slices) + len(names) == len(events)
    phases, phase_names = run.phases()
    for rank in range(3):
        mine = [event for event in slices if event["tid"] == rank]
        rounds = [event for event in mine if event["name"].startswith("round ")]
        assert [event["name"] for event in rounds] == ["round 0", "round 1", "round 2"]
        first = [*map(mine.index, rounds), len(mine)]
        ends = [0, *(event["ts"] + event["dur"] for event in rounds)]
        for k, whole in enumerate(rounds):
            assert whole["ts"] == pytest.approx(max(ends[k], 1e6 * run["rounds/t_end_s"][k - 1] if k else 0), abs=0.1)
            parts = mine[first[k] + 1:first[k + 1]]
            found = {event["name"]: event["dur"] / 1e6 for event in parts}
            expected = {name: t for name, t in zip(phase_names, phases[k, rank]) if t > 0}
            assert found == pytest.approx(expected, abs=1e-6) and len(found) == len(parts)
            at = [whole["ts"], *(event["ts"] + event["dur"] for event in parts)]
            assert [event["ts"] for event in parts] == pytest.approx(at[:-1], abs=0.1)
            assert at[-1] == pytest.approx(ends[k + 1], abs=0.1)
            assert whole["args"]["images"] == run["rounds/ranks/images"][k, rank]
    order = [event["name"] for event in slices if event["tid"] == 1][1:]
    assert order[:order.index("round 1")] == ["input", "train", *["wait"] * ("wait" in order), "serve", "pack", "wire",
                                              "other"]


def test_trace_refuses(bramble, study, tmp_path):
    files, _ = study
    result = tmp_path / "run.h5"
    result.write_bytes(files[0].read_bytes())
    for words, says in ((["run.h5", "run.h5"], ".json"), (["a.json", "run.h5", files[1]], "one run"),
                        (["a.json", "nowhere.h5"], "nowhere.h5")):
        done = bramble(1, "report", "--trace", *words)
        assert done.returncode == 2 and says in done.stderr and len(done.stderr.splitlines()) == 1
    done = bramble(1, "report", "--trace", "nowhere/a.json", "run.h5")
    assert done.returncode == 1 and "nowhere/a.json" in done.stderr
    assert result.read_bytes() == files[0].read_bytes() and list(tmp_path.iterdir()) == [result]
