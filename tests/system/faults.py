"""Faults at random moments: a rank is killed or stopped, jobs/supervise goes on, and no bit is lost."""
import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path

from conftest import ROOT, SLOW, WAIT_S
from runs import LINEAR, Run, differences, write_model
from test_kill import ranks_of, rounds_done, wait_for

SUPERVISE = ROOT / "jobs" / "supervise"
PATIENCE = 6  # seconds; a rank that hangs is noticed after two of them or little more
FIRST_ROUND = 12
N_RANKS = 3
ROUNDS = 16
# Not over before there is a checkpoint and somebody has seen it.  Many steps, not many rounds: where others use the cores,
# every message waits for its turn.
LONG, LONG_STEPS = 12, 6000


def command(bramble, pictures, *more, ranks=N_RANKS, rounds=ROUNDS, steps=150):
    options = write_model(Path(bramble.folder), LINEAR)[0]
    return bramble.command(ranks, "train", "--quiet", "--data", pictures, *options, "--limit-train", 300, "--limit-test", 20,
                           "--batch", 4, "--local-steps", steps, "--average-every", steps // 2, "--lr", 1e-3, "--keep-momentum",
                           "--rounds", rounds, "--threads", 1, "--eval-every", 5, "--checkpoint-every", 2,
                           "--checkpoint", "c.h5", "--out", "out.h5", *more)


class Supervised:
    """A run under jobs/supervise, and when it said what."""

    def __init__(self, bramble, line, *options, start=(SUPERVISE,)):
        self.said = []  # (moment, line)
        self.began = time.monotonic()
        self.process = subprocess.Popen([*map(str, start), "--patience", str(PATIENCE * SLOW), "--first-round",
                                         str(FIRST_ROUND * SLOW), *map(str, options), *line], cwd=bramble.folder,
                                        env=bramble.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True, errors="replace")
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.said.append((time.monotonic(), line.rstrip()))

    def words(self):
        """What the supervisor said, a line each."""
        return [line for _, line in self.said if line.startswith("supervise: ")]

    def text(self):
        return "\n".join(line for _, line in self.said)

    def all(self):
        return "\n".join(f"{when - self.began:.1f} s: {line}" for when, line in self.said)

    def end(self, timeout=WAIT_S):
        """Its status; it must end by itself."""
        try:
            self.process.wait(timeout)
        finally:
            self.process.terminate()
            self.reader.join(timeout=20)
        return self.process.returncode

    def restarted_after(self, moment):
        """Seconds from a moment to the next restart, or None."""
        return next((when - moment for when, line in self.said if when >= moment and "; restart " in line), None)


def long_command(bramble, pictures, *more):
    return command(bramble, pictures, *more, rounds=LONG, steps=LONG_STEPS)


def reference(bramble, line):
    """The run that never stopped."""
    done = bramble.run(line)
    assert done.returncode == 0, done.stderr
    return Run(Path(bramble.folder) / "out.h5")


def once_saved(find, checkpoint):
    """The process of a run that find() tells, None while it is not there, as soon as there is a checkpoint.

    That follows the rounds when the disk is ready, and to find a process takes as long as some rounds: so it comes first."""
    pid = wait_for(find)
    wait_for(lambda: rounds_done(checkpoint) >= 2)
    return pid


def one_fault(bramble, pictures, seed, expected):
    """SIGKILL or SIGSTOP to one rank at a moment that follows from the seed; returns what happened.

    The moment is so many rounds and a bit, not a time: how fast a run is depends on what else the machine does."""
    draw = random.Random(seed)
    number, victim = draw.choice([signal.SIGKILL, signal.SIGSTOP]), draw.randrange(N_RANKS)
    rounds = max(-1, draw.randrange(-4, ROUNDS - 1))  # -1: while it starts
    delay = draw.uniform(0, 0.5 if rounds < 0 else 0.05)
    folder = Path(bramble.folder)
    run = Supervised(bramble, command(bramble, pictures))
    hit = None
    try:
        wait_for(lambda: run.process.poll() is not None or rounds_done(folder / "out.h5") >= rounds)
        time.sleep(delay)
        while run.process.poll() is None and not hit:  # not there yet when it has just begun
            pid = ranks_of(folder).get(victim)
            try:
                if pid:
                    os.kill(pid, number)
                    hit = time.monotonic()
            except ProcessLookupError:
                pass
            time.sleep(0.01)
        status = run.end()
    except (subprocess.TimeoutExpired, AssertionError):  # of wait_for
        status = None
    finally:
        run.process.kill()
    left = ranks_of(folder)
    broken = run.restarted_after(hit) if hit else None
    return {"seed": seed, "signal": number.name, "rank": victim, "rounds": rounds, "delay": delay,
            "hit": hit is not None, "status": status, "restart_s": broken,
            "restarts": sum("; restart " in line for line in run.words()), "left": sorted(left),
            "differences": differences(expected, Run(folder / "out.h5")) if status == 0 else None, "said": run.all()}


def good(outcome):
    """No bit lost, nothing left behind, no hang of more than 30 s."""
    return outcome["status"] == 0 and outcome["differences"] == [] and not outcome["left"] and \
        (outcome["restart_s"] or 0) < 30 * SLOW
