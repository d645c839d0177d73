"""Result files read by other programs: h5py, SWMR readers, h5dump, pandas; and docs/results.md."""
import json
import os
import re
import subprocess

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import BUILD, ROOT, WAIT_S

WRITER = BUILD / "tests" / "test_record"  # with BRAMBLE_TEST_WRITER it writes a run as it is told to
DOCUMENT = (ROOT / "docs" / "results.md").read_text()
N_ROUNDS, N_RANKS = 5, 3


class Run:
    """A run of N_ROUNDS rounds at most, which goes on round by round and is then finished."""

    def __init__(self, path):
        assert WRITER.exists(), f"{WRITER} is missing: make unit"
        self.path = path
        self.process = subprocess.Popen([WRITER], env=dict(os.environ, BRAMBLE_TEST_WRITER=str(path)),
                                        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == "created\n"

    def step(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def finish(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=WAIT_S) == 0
        return self.path


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run.h5")
    yield run
    run.process.kill()
    run.process.wait()


@pytest.fixture
def finished(run):
    for _ in range(N_ROUNDS):
        run.step()
    return run.finish()


def datasets(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({"/" + name: dict(item.attrs)})
                        if isinstance(item, h5py.Dataset) else None)
    return found


def dump(path):
    return subprocess.run(["h5dump", "-H", path], capture_output=True, text=True)


def test_plain_readers_of_a_running_run(run):
    for n in range(N_ROUNDS + 1):
        with h5py.File(run.path) as file:
            assert file["rounds/n_done"][()] == n
            assert list(file["rounds/t_end_s"][:n]) == [1000.0 * (k + 1) for k in range(n)]
            assert not (file["rounds/t_end_s"][n:] == file["rounds/t_end_s"][n:]).any()  # NaN
            assert file["summary/complete"][()] == 0
        done = dump(run.path)
        assert done.returncode == 0, done.stderr
        if n < N_ROUNDS:
            assert run.step() == n + 1


@pytest.mark.parametrize("options", [{"libver": "latest", "swmr": True}, {"swmr": True}, {}])
def test_readers_that_stay(run, options):
    """One open file sees row after row; refresh() is all it takes."""
    with h5py.File(run.path, "r", **options) as file:
        n_done, ends, waits = file["rounds/n_done"], file["rounds/t_end_s"], file["rounds/ranks/wait_s"]
        for n in range(1, N_ROUNDS + 1):
            assert run.step() == n
            for dataset in (n_done, ends, waits):
                dataset.refresh()
            assert n_done[()] == n
            assert ends[n - 1] == 1000.0 * n
            assert list(waits[n - 1]) == [1000.0 * n + 100 * (rank + 1) + 3 for rank in range(N_RANKS)]
        run.finish()
        complete = file["summary/complete"]
        assert complete[()] == 1


def test_writers_are_refused_meanwhile(run):
    with pytest.raises(OSError):
        h5py.File(run.path, "r+")
    assert run.step() == 1
    run.finish()
    with h5py.File(run.path, "r+") as file:
        file["config"].attrs["note"] = "after the run all is allowed"


def test_killed(run):
    run.step()
    run.step()
    run.process.kill()
    run.process.wait()
    assert dump(run.path).returncode == 0
    with h5py.File(run.path) as file:
        assert file["rounds/n_done"][()] == 2
        assert file["rounds/t_end_s"][1] == 2000.0


def test_texts(finished):
    with h5py.File(finished) as file:
        assert file.attrs["format"] == b"bramble"
        assert file.attrs["format_version"] == 1
        assert file["config"].attrs["average"] == b"reduce"
        assert file["config"].attrs["out"].decode() == 'a file; "quoted"\n\u00e9'
        assert list(file["machine/host"].asstr()) == ["head", "node1", "node2"]
        assert file["model/ini"].asstr()[()] == "[model]\nname = small\n"
        assert list(file["model"]) == ["round", "ini", "conv1.weight", "conv1.bias", "fc.weight"]
        assert list(file["config"].attrs) == ["rounds", "out", "average", "comment"]


def test_units_and_abouts(finished):
    for name, attributes in datasets(finished).items():
        assert set(attributes) == {"unit", "about"} | ({"algorithm"} if name == "/model/conv1.weight" else set()), name
        assert isinstance(attributes["unit"], str) and attributes["unit"], name
        assert isinstance(attributes["about"], str) and attributes["about"].endswith("."), name


def test_document_names_every_dataset(finished):
    """The tables of docs/results.md and the file hold the same datasets, with the same units."""
    documented = {}
    for section in re.split(r"^## ", DOCUMENT, flags=re.M)[1:]:
        if section.startswith("The file of `bramble doctor`"):
            continue  # another kind of file: test_doctor.py
        group = section.splitlines()[0].strip("`")
        for name, unit in re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, flags=re.M):
            documented[f"{group}/{name}"] = unit.strip()
    written = {name: attributes["unit"] for name, attributes in datasets(finished).items()
               if not re.fullmatch(r"/model/.*\.(weight|bias)", name)}
    resumed = {name for name in documented if name.startswith("/interruptions/")}  # test_checkpoint.py
    clients = {name for name in documented if name.startswith(("/clients/", "/rounds/clients/"))}  # test_clients.py
    assert len(resumed) == 5 and len(clients) == 9
    assert {name: unit for name, unit in documented.items() if name not in resumed | clients} == written


@pytest.mark.parametrize("number, language, text",
                         [(k, *found) for k, found in
                          enumerate(re.findall(r"^```(\w+)\n(.*?)^```", DOCUMENT, flags=re.M | re.S))])
def test_document_snippets(finished, monkeypatch, number, language, text):
    monkeypatch.chdir(finished.parent)
    if language == "python":
        exec(compile(text, f"results.md, snippet {number}", "exec"), {})
    else:
        done = subprocess.run(["sh", "-e", "-c", text], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_pandas(finished):
    with h5py.File(finished) as file:
        n = file["rounds/n_done"][()]
        rounds = pd.DataFrame({name: column[:n] for name, column in file["rounds"].items()
                               if isinstance(column, h5py.Dataset) and column.ndim == 1})
        assert rounds.shape == (N_ROUNDS, 6)
        assert rounds["t_end_s"].tolist() == [1000.0 * (k + 1) for k in range(N_ROUNDS)]
        assert rounds.notna().all(axis=None)


def test_no_control_characters(bramble):
    """What a file says cannot colour the terminal or move its cursor."""
    path = bramble.train(1, "--data", "synthetic:60", "--limit-test", 10, "--rounds", 1, "--batch", 8, "--threads", 1)
    with h5py.File(path, "r+") as file:
        file["config"].attrs["data"] = np.bytes_(b"x\x1b[31m\x07\x7f")
        file["model"].create_dataset("\x1b]0;name", shape=(6,), dtype="f4")
        file["machine/host"][0] = b"\x1b[2J"
    shown = bramble(1, "info", path).stdout
    assert "x?[31m??" in shown and "?]0;name" in shown
    assert [c for c in shown if c < " " and c != "\n" or c == "\x7f"] == []
    assert "\x1b" not in bramble(1, "info", "--json", path).stdout


def test_what_is_empty_is_left_out(bramble):
    """A measured run is simulated by nothing, and an option that was not given has no line; nor has a group of nothing."""
    path = bramble.train(1, "--data", "synthetic:60", "--limit-test", 10, "--rounds", 1, "--batch", 8, "--threads", 1)
    with h5py.File(path, "r+") as file:
        for tensor in file["model"].values():
            tensor.attrs.pop("algorithm", None)
    shown, told = bramble(1, "info", path).stdout, json.loads(bramble(1, "info", "--json", path).stdout)
    assert told["simulated"] == told["config"]["resume"] == "" and told["algorithms"] == {}
    names = {line.split()[0] for line in shown.splitlines()}
    assert not re.search(" $", shown, re.M) and {"complete", "weights", "seed"} <= names and not {"simulated", "resume", "algorithms"} & names


def test_a_group_of_a_result_file(bramble, pictures):
    """FILE.h5:/model has the description of FILE.h5."""
    out = bramble.train(1, "--data", pictures, "--rounds", 1, "--threads", 1, out="run.h5")
    plain, group = (bramble(1, "test", name, "--data", pictures) for name in (out, f"{out}:/model"))
    assert group.returncode == 0, group.stderr
    assert group.stdout == plain.stdout


def test_read_once_under_mpirun(bramble, pictures):
    """What only reads files is said by one process, whatever the number that were started."""
    out = bramble.train(1, "--data", pictures, "--rounds", 1, "--threads", 1, out="run.h5")
    for words in (["info", "--json", out], ["report", "--format", "json", out], ["test", "--json", out, "--data", pictures]):
        alone, together = bramble(1, *words), bramble(3, *words)
        assert together.returncode == 0 and together.stdout == alone.stdout
    wrong = bramble(3, "info", "none.h5")
    assert wrong.returncode == 2 and wrong.stderr.count("bramble: ") == 1
    told = json.loads(bramble(1, "info", "--json", out).stdout)
    assert told["model_round"] == 0 and told["config"]["stall"] == "60"


def test_a_doctors_file(bramble, tmp_path):
    """info shows its tables; what wants a training says what the file is.  Damaged, it is refused or read, never trusted."""
    assert bramble(1, "doctor", "--data", "synthetic:50", "--threads", 1, "--out", "d.h5").returncode in (0, 1)
    told = json.loads(bramble(1, "info", "--json", "d.h5").stdout)
    with h5py.File(tmp_path / "d.h5") as file:
        doctor = file["doctor"]
        assert {name: value.decode() for name, value in doctor.attrs.items() if isinstance(value, bytes)}.items() <= told.items()
        for table, columns in doctor.items():
            assert told[table].keys() == columns.keys()
            for name, column in columns.items():
                values = [value.decode() if isinstance(value, bytes) else None if value != value else value for value in column[:]]
                assert told[table][name] == pytest.approx(values) if column.dtype.kind == "f" and None not in values else \
                    told[table][name] == values, name
        sentence = doctor["findings/text"][0].decode()
    assert sentence in bramble(1, "info", "d.h5").stdout
    for words in (["report", "d.h5"], ["watch", "d.h5"], ["plan", "d.h5"], ["test", "d.h5", "--data", "synthetic:50"]):
        done = bramble(1, *words)
        assert done.returncode == 2 and "d.h5: is a file of bramble doctor" in done.stderr and len(done.stderr.splitlines()) == 1
    done = bramble(1, "train", "--data", "synthetic:50", "--init", "d.h5", "--out", "x.h5")
    assert done.returncode == 2 and "d.h5: is a file of bramble doctor and has no weights" in done.stderr
    whole, draw = (tmp_path / "d.h5").read_bytes(), np.random.default_rng(3)
    for turn in range(20):
        spoilt = bytearray(whole)
        for at in draw.integers(0, len(whole), 30):
            spoilt[at] = draw.integers(256)
        (tmp_path / "e.h5").write_bytes(spoilt)
        done = bramble(1, "info", "e.h5")
        assert done.returncode in (0, 2) and len(done.stderr.splitlines()) == (done.returncode == 2), (turn, done)
