"""Progress on stderr: a line a round in a file, one live line on a terminal, nothing with --quiet."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest
from conftest import WAIT_S

N_ROUNDS = 6
LINE = re.compile(r"round (\d+)/6  [\d.]+ s  \d+ images/s  loss \d\.\d{4}"
                  r"(  test accuracy \d+\.\d\d % \(round (\d+)\))?  \d+ (s|min) left")
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
    lines = [LINE.fullmatch(line) for line in done.stderr.splitlines()]
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
    states = [LIVE.fullmatch(state.rstrip()) for state in states]
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
