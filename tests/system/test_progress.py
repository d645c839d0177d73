"""Progress on stderr: a line a round in a file, one live line on a terminal, nothing with --quiet."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

import h5py
import pytest
from conftest import WAIT_S
from runs import LINEAR, write_model
from test_kill import ranks_of

N_ROUNDS = 6
LINE = re.compile(r"round (\d+)/6  [\d.]+ s  \d+ images/s  loss \d\.\d{4}"
                  r"(  test accuracy \d+\.\d\d % \(round (\d+)\))?  \d+ (s|min) left")
WITHIN = re.compile(r"round (\d+)/(\d+), (testing )?\d+ %  ([\d.]+ s  )?\d+ images/s(  loss [\d.]+)?"
                    r"(  test (accuracy )?[\d.]+ %( \(round \d+\))?)?(  \d+ (s|min) left)?")
LIVE = re.compile(r"round (\d+)/6  \d+ images/s  loss \d\.\d{4}(  test \d+\.\d\d %)?  \d+ (s|min) left")


def arguments(pictures, *more):
    return ["train", "--data", pictures, "--limit-train", 64, "--rounds", N_ROUNDS, "--threads", 1, "--out", "out.h5",
            *more]


@pytest.mark.parametrize("ranks", [1, 3])
def test_quiet(bramble, pictures, ranks):
    done = bramble(ranks, *arguments(pictures, "--quiet"))
    assert done.returncode == 0 and done.stderr == "" and "test accuracy" in done.stdout


@pytest.mark.parametrize("ranks", [1, 3])
def test_one_line_a_round(bramble, pictures, ranks):
    done = bramble(ranks, *arguments(pictures))
    lines = [LINE.fullmatch(line) for line in done.stderr.splitlines() if not WITHIN.fullmatch(line)]
    assert all(lines) and [int(line[1]) for line in lines] == list(range(1, N_ROUNDS + 1))
    for line in lines:  # a server tests a model while the next round goes on, a rank alone before
        assert line[3] is None or int(line[1]) - 1 <= int(line[3]) <= int(line[1])
    assert lines[-1][3] is not None
    assert "round" not in done.stdout.replace("(6 rounds)", "")


@pytest.mark.parametrize("ranks", [1, 3])
def test_json_has_stdout_for_itself(bramble, pictures, ranks):
    done = bramble(ranks, *arguments(pictures, "--json"))
    assert done.stdout.startswith("{") and done.stdout.endswith("}\n")
    assert len(done.stderr.splitlines()) == N_ROUNDS


# ---- on a terminal ----------------------------------------------------------------------------------------


def read_until(terminal, pattern):
    shown = b""
    while not re.search(pattern, shown):
        assert select.select([terminal], [], [], WAIT_S)[0], shown
        shown += os.read(terminal, 4096)
    return shown.decode()


@pytest.mark.parametrize("ranks", [1, 3])
def test_within_a_round(bramble, tmp_path, ranks):
    """Long before the first round is done: how much of it, on the terminal, in the file and in watch."""
    ours, theirs = pty.openpty()
    options = write_model(tmp_path, LINEAR)[0]
    line = bramble.command(ranks, "train", "--data", "synthetic:100", *options, "--lr", 1e-5, "--rounds", 2, "--local-steps",
                           100000000, "--threads", 1, "--out", "out.h5")
    with subprocess.Popen(line, cwd=tmp_path, env=bramble.env, stderr=theirs, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL) as process:
        os.close(theirs)
        try:
            shown = read_until(ours, rb"round 1/2, \d+ %.*\r.*round 1/2, \d+ %")
            with h5py.File(tmp_path / "out.h5") as file:
                now = {name: value[()] for name, value in file["progress"].items()}
                assert file["rounds/n_done"][()] == 0
            assert now["round"] == 0 and 0 < now["images"] < now["round_images"] and now["t_s"] > 0
            told = json.loads(bramble(1, "info", "--json", "out.h5").stdout)
            assert told["progress"]["round"] == 0 and told["progress"]["images"] >= now["images"], "what supervise goes by"
            watch = subprocess.Popen(bramble.command(1, "watch", "out.h5"), cwd=tmp_path, env=bramble.env, text=True,
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            assert WITHIN.fullmatch(watch.stdout.readline().rstrip()), "within half a second or two, not at the end of the round"
            watch.kill()
            watch.communicate()
        finally:
            for pid in ranks_of(tmp_path).values():
                os.kill(pid, signal.SIGUSR1)
            try:
                while os.read(ours, 4096):
                    pass
            except OSError:  # all that write there are gone
                pass
    os.close(ours)
    assert WITHIN.fullmatch(shown.split("\r")[1].rstrip())


@pytest.mark.parametrize("ranks", [1, 3])
def test_the_last_test_is_announced(bramble, tmp_path, ranks):
    """What is left counts the tests that everything waits for, and while one goes on it is said."""
    shown = on_terminal(bramble, ranks, ["train", "--data", "synthetic:60000", "--limit-train", 20, "--rounds", 1, "--threads", 1,
                                         "--out", "out.h5"], 100)
    states = [state.rstrip() for state in shown[:-1].split("\r")[1:]]
    if ranks > 1:
        assert re.fullmatch(r"round 1/1  \d+ images/s  loss [\d.]+  [1-9]\d* (s|min) left", states[0]), states
    assert all(WITHIN.fullmatch(state) and "testing" in state for state in states[ranks > 1:len(states) - (ranks == 1)])


def on_terminal(bramble, ranks, args, columns):
    """Run with stderr on a terminal of that width; what arrived there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(bramble.command(ranks, *args), cwd=bramble.folder, env=bramble.env, stderr=theirs,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # all that write there are gone
                break
            if not piece:
                break
            shown += piece
        process.communicate(timeout=WAIT_S)
    os.close(ours)
    assert process.returncode == 0
    return shown.decode().replace("\r\n", "\n")


def screen(text):
    """What stands on the terminal in the end: what follows a carriage return overwrites."""
    lines = []
    for line in text.split("\n"):
        cells = []
        for piece in line.split("\r"):
            cells[:len(piece)] = piece
        lines.append("".join(cells).rstrip())
    return lines


@pytest.mark.parametrize("ranks", [1, 3])
def test_one_live_line_on_a_terminal(bramble, pictures, ranks):
    shown = on_terminal(bramble, ranks, arguments(pictures), 80)
    assert shown.count("\n") == 1 and shown.endswith("\n"), "one line, and what comes next gets its own"
    first, *states = shown[:-1].split("\r")
    assert first == "" and all(len(state) < 80 for state in states)
    states = [LIVE.fullmatch(state.rstrip()) for state in states if not WITHIN.fullmatch(state.rstrip())]
    assert all(states) and [int(state[1]) for state in states] == list(range(1, N_ROUNDS + 1))
    last, rest = screen(shown)
    assert LIVE.fullmatch(last)[1] == str(N_ROUNDS) and rest == "", "no remains of longer lines"


@pytest.mark.parametrize("ranks", [1, 3])
def test_live_line_fits_a_narrow_terminal(bramble, pictures, ranks):
    shown = on_terminal(bramble, ranks, arguments(pictures), 30)
    assert shown.count("\n") == 1
    assert {len(state) for state in shown[:-1].split("\r")} == {0, 29}, "wrapped lines cannot be overwritten"


@pytest.mark.parametrize("ranks", [1, 3])
def test_quiet_on_a_terminal(bramble, pictures, ranks):
    assert on_terminal(bramble, ranks, arguments(pictures, "--quiet"), 80) == ""
