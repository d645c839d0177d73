"""bramble plan: predicts a number of workers it has not seen; what it says, and what it refuses.

The runs in tests/data/plan were measured on emulated hosts (README.md there): nothing here is timed.
"""
import gzip
import json
import shutil

import h5py
import pytest
from conftest import ROOT

KEPT = ROOT / "tests" / "data" / "plan"
# Setting: speed of its links in Mbit/s, cases N:C, and the case that is left out and predicted.
SETTINGS = {"table1": (1000, ["1-2", "2-4", "3-6"], "2-4"),
            "link100": (100, ["1-1", "2-2", "3-3", "5-5"], "3-3"),
            "link10": (10, ["1-1", "2-2", "3-3", "5-5"], "3-3")}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The kept runs as result files: {setting: {case: path}}."""
    folder = tmp_path_factory.mktemp("runs")
    found = {}
    for setting, (_, cases, _) in SETTINGS.items():
        for case in cases:
            path = folder / f"{setting}-{case}.h5"
            path.write_bytes(gzip.decompress((KEPT / f"{path.name}.gz").read_bytes()))
            found.setdefault(setting, {})[case] = path
    return found


def plan(bramble, files, *options):
    done = bramble(1, "plan", "--json", *options, *files)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def row(found, nodes):
    assert [r["nodes"] for r in found["rows"]] == list(range(1, 65))
    return found["rows"][nodes - 1]


@pytest.mark.parametrize("setting", SETTINGS)
def test_leave_one_out(bramble, runs, setting):
    link, cases, out = SETTINGS[setting]
    rest = [runs[setting][case] for case in cases if case != out]
    truth, = plan(bramble, [*rest, runs[setting][out]], "--link-measured", link)["measured"][-1:]
    found = row(plan(bramble, rest, "--link-measured", link), truth["nodes"])
    assert found["t_time_s"] == pytest.approx(truth["t_time_s"], rel=0.1)
    assert found["overhead_fraction"] == pytest.approx(truth["overhead_fraction"], abs=0.05)


def test_a_slow_network_is_told_from_a_fast_one(bramble, runs):
    """Overhead overtakes work at 4 workers or so with 10 Mbit/s, later with 100, and not soon with 1000."""
    from_ = {}
    for setting, (link, _, _) in SETTINGS.items():
        found = plan(bramble, runs[setting].values(), "--link-measured", link)
        from_[setting] = found["overhead_exceeds_work_from"] or 65
        assert found["next_saves_under_5_percent_from"] <= 20
        best = found["changes"][0]
        if setting == "link10":
            assert best["what"] == "links ten times as fast" and best["saving_low"] > 0.3
        if setting == "table1":
            assert best["what"] == "twice the cores on every node"
        assert [c["t_time_s"] for c in found["changes"]] == sorted(c["t_time_s"] for c in found["changes"])
    assert from_["link10"] in (3, 4, 5) and from_["link10"] < from_["link100"] < 12 < from_["table1"]


def test_what_is_asked(bramble, runs):
    """Options change the prediction the way they must; the same call says the same."""
    files = list(runs["link100"].values())
    base = plan(bramble, files, "--link-measured", 100)
    assert base == plan(bramble, files, "--link-measured", 100)
    t_s = {name: row(plan(bramble, files, "--link-measured", 100, *options), 8)["t_time_s"] for name, options in {
        "slow": ["--link", 10], "same": ["--link", 100], "fast": ["--link", 1000], "cores": ["--cores", 2],
        "often": ["--local-steps", 10], "rarely": ["--local-epochs", 6], "slices": ["--average", "slices"]}.items()}
    now = row(base, 8)
    assert t_s["slow"] > now["t_time_s"] == t_s["same"] > t_s["fast"]
    assert t_s["often"] > now["t_time_s"] > t_s["rarely"]
    assert t_s["slices"] == now["t_time_s_by_rule"]["slices"] < now["t_time_s"]
    assert now["t_time_s"] - t_s["cores"] == pytest.approx((now["w_time_s"] + now["wait_s"]) / 2)
    for r in base["rows"]:
        parts = sum(r[name] for name in ("w_time_s", "wait_s", "serve_s", "wire_s", "pack_s"))
        assert r["t_time_s"] == pytest.approx(parts) and min(r["wait_s"], r["serve_s"], r["wire_s"], r["pack_s"]) >= 0
        assert r["t_time_s"] == pytest.approx(r["t_time_s_by_rule"]["gather"])
        assert r["t_time_s_low"] < r["t_time_s_high"]
    assert plan(bramble, files, "--link-measured", 100, "--nodes", 2)["planned"]["nodes"] == 2


def test_text(bramble, runs):
    done = bramble(1, "plan", *runs["table1"].values())
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and max(map(len, lines)) <= 120
    table = next(k for k, line in enumerate(lines) if line.split()[:3] == ["N", "T", "s"])
    assert [int(line.split()[0]) for line in lines[table + 1:table + 13]] == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
    for words in ("overhead takes", "saves less than 5 %", "another node", "bootstrap"):
        assert words in done.stdout


def test_many_nodes(bramble, runs):
    """As many rows as nodes are asked about, and those up to 64 are what they are without."""
    few, many = plan(bramble, runs["table1"].values()), plan(bramble, runs["table1"].values(), "--nodes", 200)
    assert [r["nodes"] for r in many["rows"]] == list(range(1, 201)) and many["rows"][:64] == few["rows"]
    lines = bramble(1, "plan", "--nodes", 200, *runs["table1"].values()).stdout.splitlines()
    table = next(k for k, line in enumerate(lines) if line.split()[:3] == ["N", "T", "s"])
    shown = [int(line.split()[0]) for line in lines[table + 1:lines.index("", table)]]
    assert shown[-4:] == [64, 96, 128, 192]
    done = bramble(1, "plan", "--nodes", 1025, *runs["table1"].values())
    assert done.returncode == 2 and "from 0 to 1024" in done.stderr


def changed(path, to, host=None, slower=1):
    """A copy of a run in which all ranks had one host, or took longer."""
    shutil.copy(path, to)
    with h5py.File(to, "r+") as file:
        if host:
            file["machine/host"][:] = host.encode()
        file["rounds/t_end_s"][:] *= slower
        for name, column in file["rounds/ranks"].items():
            if name.endswith("_s"):
                column[:] *= slower
    return to


def test_runs_on_one_host(bramble, runs, tmp_path):
    """They tell of no network: it is said, nothing is said of faster links, and --link is refused."""
    files = [changed(path, tmp_path / path.name, "here") for path in runs["link100"].values()]
    found = plan(bramble, files)
    assert found["model"]["one_host"] == "here" and found["model"]["link_byte_s"] is None
    assert found["planned"]["link_ratio"] is None
    assert len(found["changes"]) == 4 and not [c for c in found["changes"] if "links" in c["what"]]
    assert found["rows"] == plan(bramble, files, "--link-measured", 10)["rows"]
    text = bramble(1, "plan", *files).stdout
    assert "All ranks had one host, here: no network was measured." in text and "links" not in text
    for words, says in ((["--link", 100, *files], "--link 100: all ranks"), ([*files, runs["link100"]["2-2"]], "one kind")):
        done = bramble(1, "plan", *words)
        assert done.returncode == 2 and done.stdout == "" and says in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1
    found = plan(bramble, runs["link100"].values())
    assert found["model"]["one_host"] is None and len(found["changes"]) == 5


def test_rough(bramble, runs, tmp_path):
    """Where the model does not describe the runs, predictions have two digits and no fine intervals."""
    files = list(runs["link100"].values())
    good = bramble(1, "plan", *files, "--link-measured", 100).stdout
    assert "ROUGH" not in good and "90 % interval)" in good and "about" not in good
    files[1] = changed(files[1], tmp_path / "slow.h5", slower=2.5)
    found = plan(bramble, files, "--link-measured", 100)
    assert found["model"]["rough"] and found["model"]["largest_error"] > 0.3
    assert all(0 <= r["t_time_s_low"] < r["t_time_s_high"] for r in found["rows"])
    lines = bramble(1, "plan", *files, "--link-measured", 100).stdout.splitlines()
    assert [line for line in lines if line.startswith("ROUGH") and "slow.h5" in line]
    assert max(map(len, lines)) <= 120 + len(str(tmp_path))
    table = next(k for k, line in enumerate(lines) if line.split()[:3] == ["N", "T", "s"])
    for line, n in zip(lines[table + 1:table + 13], [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]):
        t_s = line.split()[1]
        assert len(t_s.replace(".", "").strip("0")) <= 2 and float(t_s) == pytest.approx(
            row(found, n)["t_time_s"], rel=0.06)
    assert not [line for line in lines if " to " in line and "%" in line]


def test_runs_of_one_round(bramble, pictures, tmp_path):
    """Of which nobody knows how rounds vary."""
    files = [bramble.train(ranks, "--data", pictures, "--rounds", 1, "--threads", 1, out=f"{ranks}.h5") for ranks in (2, 3)]
    done = bramble(1, "plan", *files)
    assert done.returncode == 0 and "between nodes" in done.stdout and "nan" not in done.stdout
    text = bramble(1, "plan", files[1]).stdout
    assert "1 core a node, averaged by gather, 1 time\n" in text and "Fitted to 1 run\n" in text


def test_refuses(bramble, runs, tmp_path):
    one, two = runs["link100"]["1-1"], runs["table1"]["2-4"]
    (tmp_path / "bad.h5").write_bytes(b"no result")
    for words, says in (([one], "two or more workers"), ([two, runs["link100"]["2-2"]], "--batch"),
                        (["bad.h5"], "bad.h5"), (["--local-steps", 2, "--local-epochs", 2, two], "exclude"),
                        (["--nodes", 1025, two], "--nodes")):
        done = bramble(1, "plan", *words)
        assert done.returncode == 2 and done.stdout == "" and says in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1
