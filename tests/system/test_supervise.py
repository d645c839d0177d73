"""jobs/supervise: when it takes a run for one that hangs, what it reads, and what it says of mistakes."""
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from importlib.machinery import SourceFileLoader

import pytest
from conftest import BRAMBLE, SLOW
from faults import SUPERVISE, Supervised, command
from runs import Run
from test_kill import ranks_of, rounds_done, wait_for

QUICK = ["--local-steps", 5000, "--eval-every", 1, "--checkpoint-every", 1]


@pytest.fixture(scope="module")
def supervise():
    """The script as a module."""
    loader = SourceFileLoader("supervise", str(SUPERVISE))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("supervise", loader))
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


# ---- how long a run may be quiet -----------------------------------------------------------------------------


def test_a_long_round_after_a_resume(bramble, pictures, tmp_path):
    """The test that is done again is written at once, and is not the end of a round."""
    done = bramble.run(command(bramble, pictures, *map(str, QUICK), rounds=3))
    assert done.returncode == 0, done.stderr
    before = (tmp_path / "out.h5").stat().st_ino
    run = Supervised(bramble, command(bramble, pictures, *map(str, QUICK), "--stall", "1000", rounds=6), "--patience", 3 * SLOW,
                     "--first-round", 600)
    try:
        wait_for(lambda: (tmp_path / "out.h5").stat().st_ino != before)
        worker = ranks_of(tmp_path)[1]
        os.kill(worker, signal.SIGSTOP)
        assert rounds_done(tmp_path / "out.h5") < 6
        time.sleep(0.5)
        os.utime(tmp_path / "out.h5")  # as when the test of the round before is written, late enough to be seen
        time.sleep(12 * SLOW)
        os.kill(worker, signal.SIGCONT)
        assert run.end() == 0, run.all()
    finally:
        run.process.kill()
    assert run.words() == []
    result = Run(tmp_path / "out.h5")
    assert result.n_done == 6 and result.summary["complete"] == 1


def test_limits(supervise, monkeypatch, tmp_path):
    """Only ends of rounds count, and a test takes its time too: the first one, and the one behind the last round."""
    told, clock = {}, [1000.0]

    class Told:
        out, checkpoint = tmp_path / "out.h5", tmp_path / "c.h5"

        def saved(self):
            return 4, 4

        def look_into(self, path):
            assert path == self.out
            return told

        def place(self, name):
            return name
    monkeypatch.setattr(supervise.time, "monotonic", lambda: clock[0])
    job = supervise.Job(Told(), ["true"], {"patience": 10, "first-round": 600})

    def later(seconds, **news):
        """The file is written to after so long; how long it may be quiet then, and is."""
        clock[0] += seconds
        told.update(news)
        Told.out.write_text("")
        os.utime(Told.out, ns=(0, int(clock[0] * 1e9)))
        quiet_s = job.quiet_s()
        return job.limit_s(), quiet_s
    assert (job.limit_s(), job.quiet_s()) == (20, 0)
    assert later(15, rounds_done=4, rounds_tested=3, rounds_planned=9, complete=False) == (600, 0)
    assert later(5, rounds_tested=4) == (600, 5)  # the test that was done again
    assert later(18, rounds_done=5) == (600, 0)  # a round without a new test
    assert later(2) == (600, 2)
    assert later(28, rounds_done=6, rounds_tested=5) == (130, 0)
    assert later(5, rounds_tested=6) == (130, 5)
    assert later(5, rounds_done=9) == (600, 0)  # the last test
    assert later(5, progress={"images": 64}) == (600, 0) and later(5) == (600, 5)
    assert later(50, rounds_tested=9, complete=True) == (20, 55)
    job.process.wait()


def test_a_sign_of_life_within_a_round(bramble, pictures, tmp_path):
    """Images that are done are seen by `bramble info`, long before the round ends."""
    line = command(bramble, pictures, "--local-steps", "10000000", "--average-every", "0", rounds=1)

    def images():
        told = bramble.run([str(BRAMBLE), "info", "--json", "out.h5"])
        return (json.loads(told.stdout).get("progress", {}).get("images") or 0) if told.returncode == 0 else 0
    with subprocess.Popen(line, cwd=tmp_path, env=bramble.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as run:
        try:
            first = wait_for(images)
            assert wait_for(lambda: images() > first) and rounds_done(tmp_path / "out.h5") == 0
        finally:
            run.terminate()


# ---- what is read --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, more", [("ascii", b""), ("latin", b"# auf dem B\xfcro-Schrank\n"), ("mark", b"\xef\xbb\xbf"),
                                        ("windows", b"\r\n")])
def test_hostfiles_from_anywhere(bramble, pictures, tmp_path, name, more):
    """A byte order mark, another encoding, another end of line: the same hosts."""
    (tmp_path / name).write_bytes(more + b"localhost slots=3" + (b"\r\n" if name == "windows" else b"\n"))
    line = command(bramble, pictures, rounds=2)
    line[1:1] = ["--hostfile", name]
    run = Supervised(bramble, line)
    assert run.end() == 0 and run.words() == [], run.all()


def test_paths_in_a_configuration(bramble, pictures, tmp_path):
    """`out` and `checkpoint` may stand there, or come from the checkpoint; options may be short."""
    (tmp_path / "my.ini").write_text("[train]\nout = out.h5 ; the result\ncheckpoint: c.h5\n")
    line = command(bramble, pictures, rounds=2)
    for option in ("--out", "--checkpoint"):
        at = line.index(option)
        line[at:at + 2] = []
    for more in (["--config=my.ini"], ["--conf", "my.ini"], ["--resume", "c.h5", "--rounds", 4], ["--ou=b.h5", "--resu=c.h5", "--rounds", 4]):
        run = Supervised(bramble, [*map(str, line + more)])
        assert run.end() == 0 and run.words() == [], run.all()
    assert Run(tmp_path / "out.h5").n_done == 4
    assert sorted(path.name for path in tmp_path.glob("*.h5")) == ["b.h5", "c.h5", "init.h5", "out.h5"]


def test_ranks_in_another_folder(bramble, pictures, tmp_path):
    """mpirun --wdir: the result and the checkpoint are there, and a run that is done is not done again."""
    (tmp_path / "there").mkdir()
    bramble.folder = tmp_path / "there"
    line = command(bramble, pictures, rounds=2)
    line[1:1] = ["--wdir", "there"]
    bramble.folder = tmp_path
    for _ in range(2):
        run = Supervised(bramble, line)
        assert run.end() == 0 and run.words() == [], run.all()
    assert sorted(path.name for path in (tmp_path / "there").glob("*.h5")) == ["c.h5", "init.h5", "out.h5"]


HOSTS = "one slots=4\ntwo slots=4 max-slots=8\nthree slots=4\n"


@pytest.mark.parametrize("words, ranks", [
    ([], 8), (["--map-by", "ppr:1:node:pe=4"], 2), (["-map-by", "PPR:3:node"], 6), (["--map-by=ppr:2:socket"], 6),
    (["-npernode", "1"], 2), (["-N", "2"], 4), (["--pernode"], 2), (["--mca", "rmaps_base_mapping_policy", "ppr:1:node"], 2)])
def test_ranks_without_a_host(supervise, tmp_path, words, ranks):
    """No more than mpirun takes, which has an option for it."""
    (tmp_path / "hosts").write_text(HOSTS)
    (tmp_path / "my.ini").write_text("case = 9:9\nlr = 0.1\nshards = 1,2\n")
    lost = supervise.Command(["mpirun", "--hostfile", str(tmp_path / "hosts"), *words, "-n", "9", str(BRAMBLE), "train", "--out",
                              "out.h5", "--config", str(tmp_path / "my.ini"), "--case", "9:9"])
    line = lost.line(["two"], str(tmp_path), 15, False)
    supervise_run = sys.modules["supervise_run"]
    assert supervise_run.value_of(line, "-n") == str(ranks)
    assert (tmp_path / "hosts").read_text() == "one slots=4\nthree slots=4\n"
    assert (tmp_path / "config.ini").read_text() == "lr = 0.1\n" and "--case" not in line


# ---- mistakes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--restarts", "\u00b2"], ["--restarts", "\u0663"], ["--restarts", "+3"], ["--restarts", "1_0"],
                                   ["--restarts", ""], ["--restarts="], ["--patience", "nan"], ["--patience", "0"], ["-r", "3"]])
def test_numbers(bramble, words):
    done = subprocess.run([SUPERVISE, *words, "mpirun", "bramble", "train", "--out", "x"], cwd=bramble.folder, env=bramble.env,
                          capture_output=True, text=True, timeout=30 * SLOW)
    assert done.returncode == 2 and done.stderr.startswith(f"supervise: {words[0].rstrip('=')}") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("name, text", [("option", b"-oProxyCommand=touch${IFS}pwned slots=1\n"), ("bytes", b"B\xfcro\n"),
                                        ("folder", None), ("missing", None)])
def test_hostfiles_that_are_none(bramble, tmp_path, name, text):
    """A word that ssh would take for an option least of all."""
    if text:
        (tmp_path / name).write_bytes(text)
    elif name == "folder":
        (tmp_path / name).mkdir()
    done = subprocess.run([SUPERVISE, "mpirun", "--hostfile", name, "bramble", "train", "--out", "x"], cwd=tmp_path,
                          env=bramble.env, capture_output=True, text=True, timeout=30 * SLOW)
    assert done.returncode == 2 and done.stderr.startswith(f"supervise: {name}: ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("case", ["no mpirun", "agent", "no folder", "full"])
def test_no_traceback(bramble, tmp_path, case):
    env, line = dict(bramble.env), [SUPERVISE, "mpirun", "bramble", "train", "--out", "x.h5"]
    if case == "no mpirun":
        env["PATH"] = str(tmp_path)
    elif case == "agent":
        env["OMPI_MCA_plm_rsh_agent"] = "ssh 'half a word"
    elif case == "no folder":
        line[-1] = "x" * 300
    else:
        line[1:] = ["--help"]
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(line, cwd=tmp_path, env=env, stdout=full, stderr=subprocess.PIPE, text=True, timeout=30 * SLOW)
    said = done.stderr
    assert done.returncode in (1, 2) and said.startswith("supervise: ") and said.count("\n") == 1, said


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>&1 | true"])
def test_closed_descriptors(bramble, pictures, tmp_path, closed):
    """A run does not need somebody who listens, and nothing it says gets into a file."""
    line = command(bramble, pictures, rounds=2)
    at = line.index("train") - 1
    line[at:at] = ["sh", "-c", 'yes "a line of many" | head -n 20000 >&2; exec "$0" "$@"']  # more than a pipe holds
    script = f'"$0" "$@" {closed}' if "|" not in closed else f'set -o pipefail; "$0" "$@" {closed}'
    done = subprocess.run(["bash", "-c", script, SUPERVISE, *line], cwd=tmp_path, env=bramble.env, capture_output=True,
                          text=True, timeout=120 * SLOW)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done
    assert Run(tmp_path / "out.h5").summary["complete"] == 1


def test_lines_of_its_own(bramble, tmp_path):
    """Also behind a launcher whose last words have no end, as Open MPI 5's at times."""
    (tmp_path / "mpirun").write_text('#!/bin/sh\nprintf "half a line" >&2\nexit 7\n')
    (tmp_path / "mpirun").chmod(0o755)
    done = subprocess.run([SUPERVISE, "--restarts", "0", "./mpirun", "bramble", "train", "--out", "x.h5"], cwd=tmp_path,
                          env=bramble.env, capture_output=True, text=True, timeout=30 * SLOW)
    lines = done.stderr.splitlines()
    assert done.returncode != 0 and lines[0] == "half a line" and lines[1].startswith("supervise: "), done
