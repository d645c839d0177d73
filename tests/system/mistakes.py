"""What users do wrong, run and judged: one clear line, the right status, nothing left behind."""
import hashlib
import itertools
import re
import shlex
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bad_files import missing_disk
from conftest import WAIT_S, Runner

AT_ONCE = 8      # runs; most of a run is waiting
ALL, SOME, ALONE = (1, 2, 4), (1, 3), (1,)
IN_TURN = ()     # one of ALL, another for the next mistake
USER, ENVIRONMENT = 2, 1

# What mpirun, or MPI without it, has to say about a status other than 0, and about signals;
# libevent within Open MPI 5's now and then that a descriptor was closed before.
OF_MPIRUN = re.compile(r"^-{50,}\n.*?^-{50,}\n|^(mpirun|\(null\)): [^\n]*\n|\0|^\[\S+:\d+\] PMIX ERROR: [^\n]*\n|"
                       r"^\[warn\] Epoll [^\n]*\n", re.M | re.S)


@dataclass(frozen=True)
class Mistake:
    """A command line, {bad} standing for the folder of bad_files.py, and what must come of it."""
    name: str
    line: str   # arguments of bramble
    says: tuple  # texts in the message: the culprit, what to do
    status: int = USER
    ranks: tuple = IN_TURN  # ALL for one of every way through the program
    env: dict = field(default_factory=dict, compare=False)
    files: tuple = ()     # of the folder {bad}, copied to the folder of the run
    leaves: tuple = ()    # files which a run that got so far may leave
    memory: int = 0       # bytes of address space, when limited
    prints: bool = False  # may have results on stdout before it fails

    def command(self, runner, bad, ranks):
        below = ["prlimit", f"--as={self.memory}"] if self.memory else []
        return runner.command(ranks, *shlex.split(self.line.format(bad=bad)), below=below)


def fingerprints(folder):
    """Every name below a folder with what the file holds, but of what is no regular file."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            if path.is_file() else "" for path in sorted(Path(folder).rglob("*"))}


def own_lines(stderr):
    """But for a word on the machine, which is no larger than it is."""
    return [line for line in OF_MPIRUN.sub("", stderr).splitlines()
            if line.strip() and not re.match(r"bramble: warning: \d+ workers on ", line)]


@dataclass
class Outcome:
    line: list
    done: object
    before: dict
    after: dict


def attempt(mistake, ranks, bad, runner):
    """Run it in a folder of its own."""
    folder = runner.folder
    for name in mistake.files:
        (folder / name).write_bytes((bad / name).read_bytes())
    line = mistake.command(runner, bad, ranks)
    before = fingerprints(folder)
    done = runner.run(line, WAIT_S, mistake.env)
    return Outcome(line, done, before, fingerprints(folder))


def judge(mistake, outcome):
    done = outcome.done
    print("$", shlex.join(outcome.line), done.stdout, done.stderr, f"status {done.returncode}",
          sep="\n")
    lines = own_lines(done.stderr)
    assert len(lines) == 1 and lines[0].startswith("bramble: "), "not one line"
    for text in mistake.says:
        assert text in lines[0], f"the message does not say {text!r}"
    assert not re.search(r"[^.]\.$|[! ]$", lines[0]), "untidy end"
    assert done.returncode == mistake.status
    assert mistake.prints or not done.stdout, "results on stdout"
    for name in mistake.leaves:
        outcome.after.pop(name, None)
        outcome.before.pop(name, None)
    assert outcome.after == outcome.before, "files were left behind or changed"


class Attempts:
    """All that the selected tests are going to ask for, a few at a time in the background."""

    def __init__(self, wanted, bad, folders):
        self.pool = ThreadPoolExecutor(AT_ONCE)
        self.outcomes = {}
        for number, (mistake, ranks) in enumerate(wanted):
            folder = folders / f"{number}-{mistake.name}-{ranks}"
            folder.mkdir()
            if not missing_disk(bad, mistake.line):
                self.outcomes[mistake, ranks] = self.pool.submit(attempt, mistake, ranks, bad, Runner(folder))

    def judge(self, mistake, ranks):
        if (mistake, ranks) not in self.outcomes:
            pytest.skip("file systems cannot be mounted here")
        judge(mistake, self.outcomes[mistake, ranks].result())

    def finish(self):
        """Wait for all of them."""
        wait(self.outcomes.values())

    def close(self):
        self.pool.shutdown(wait=True, cancel_futures=True)


def each(*lists):
    """Parameters for pytest: every mistake at its numbers of ranks."""
    turns = itertools.cycle(ALL)
    return [(mistake, n) for mistakes in lists for mistake in mistakes
            for n in mistake.ranks or (next(turns),)]


def name_of(value):
    return value.name if isinstance(value, Mistake) else str(value)
