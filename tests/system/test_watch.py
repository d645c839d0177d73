"""bramble watch: it follows a run from its result file, and ends with it."""
import os
import pty
import re
import subprocess
import time

import pytest
from conftest import BRAMBLE, WAIT_S
from runs import Run
from test_progress import WITHIN

LINE = re.compile(r"round (\d+)/(\d+)  [\d.]+ s  \d+ images/s  loss [\d.]+(  test accuracy [\d.]+ % \(round \d+\))?"
                  r"  \d+ (s|min) left")


def start(bramble, line, **more):
    return subprocess.Popen(list(map(str, line)), cwd=bramble.folder, env=bramble.env, text=True,
                            stdin=subprocess.DEVNULL, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more})


def training(bramble, pictures, rounds, ranks=3):
    return start(bramble, bramble.command(ranks, "train", "--quiet", "--data", pictures, "--rounds", rounds,
                                          "--threads", 1, "--out", "out.h5"))


def ended(process, timeout=WAIT_S):
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def rounds_of(lines):
    matches = [LINE.fullmatch(line) for line in lines if not WITHIN.fullmatch(line)]
    assert all(matches), lines
    return [int(match[1]) for match in matches]


def test_follows_a_run(bramble, pictures):
    """Begun before there is a file, it tells every round once and in order, and how the run ended."""
    watch = start(bramble, [BRAMBLE, "watch", "--patience", 60, "out.h5"])
    status, _, err = ended(training(bramble, pictures, 30))
    assert status == 0, err
    status, out, err = ended(watch)
    assert status == 0 and re.fullmatch(r"bramble: out\.h5: is not there yet; waiting for [56]\d s \(--patience\)\n", err)
    *lines, last = out.splitlines()
    assert rounds_of(lines) == list(range(1, 31))
    s = Run(bramble.folder / "out.h5").summary
    assert last == (f"the run has come to its end: 30 rounds in {s['t_time_s']:.1f} s, "
                    f"test accuracy {100 * s['accuracy']:.2f} %")
    again = bramble(1, "watch", "out.h5")
    assert again.returncode == 0 and again.stdout.splitlines()[-1] == last
    assert rounds_of(again.stdout.splitlines()[:-1]) == list(range(1, 31))


def test_a_killed_run(bramble, pictures):
    """Its rounds, while it goes on; then that nobody goes on with it."""
    run = training(bramble, pictures, 100000, ranks=1)
    with open(bramble.folder / "shown", "w+") as shown:
        watch = start(bramble, [BRAMBLE, "watch", "--patience", 3, "out.h5"], stdout=shown)
        while watch.poll() is None and not os.fstat(shown.fileno()).st_size:
            time.sleep(0.1)
        time.sleep(4)
        assert watch.poll() is None, "it goes on as long as the run does, whatever its patience"
        run.kill()
        run.wait()
        status, _, err = ended(watch)
        out = (bramble.folder / "shown").read_text()
    assert status == 1
    *waiting, last = err.splitlines()  # it is not silent for seconds
    assert waiting[-1].startswith("bramble: out.h5: nobody writes it; waiting for ")
    assert re.fullmatch(r"bramble: out\.h5: the run has stopped after (\d+) of 100000 rounds: .*", last)
    run = Run(bramble.folder / "out.h5")
    assert rounds_of(out.splitlines()) == list(range(1, run.n_done + 1))
    assert f"after {run.n_done} of" in err


@pytest.mark.parametrize("name, says", [("nowhere.h5", "No such file"), ("text.h5", "no HDF5 file")])
def test_no_result_file(bramble, name, says):
    (bramble.folder / "text.h5").write_text("text")
    done = bramble(1, "watch", "--patience", 0.5, name)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"bramble: {name}: ") and says in done.stderr and done.stderr.count("\n") == 1


def test_a_full_disk(bramble, pictures):
    bramble.train(1, "--data", pictures, "--rounds", 1, "--limit-train", 50)
    with open("/dev/full", "w") as full:
        done = bramble.run(bramble.command(1, "watch", "out.h5"), stdout=full)
    assert done.returncode == 1 and "stdout" in done.stderr


def test_one_live_line_on_a_terminal(bramble, pictures):
    run = training(bramble, pictures, 20)
    master, slave = pty.openpty()
    watch = start(bramble, [BRAMBLE, "watch", "--patience", 60, "out.h5"], stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 4096):
            shown += piece
    except OSError:  # what Linux says when the other end is closed
        pass
    os.close(master)
    assert ended(run)[0] == 0 and watch.wait(60) == 0
    waiting, live, last, rest = shown.decode().replace("\r\n", "\n").split("\n")
    assert "is not there yet; waiting for" in waiting
    states = live.split("\r")
    assert states[0] == "" and rest == "" and last.startswith("the run has come to its end: 20 rounds")
    numbers = [int(re.match(r"round (\d+)/20 ", state)[1]) for state in states[1:] if not WITHIN.fullmatch(state.rstrip())]
    assert numbers and numbers == sorted(set(numbers)) and numbers[-1] == 20
