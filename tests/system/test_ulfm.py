"""Open MPI 5 with fault tolerance: a worker dies, its images go to the others, and training goes on.

    make openmpi5 && python3 -m pytest tests/system/test_ulfm.py
"""
import os
import random
import re
import signal
import struct
import subprocess
import time
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import PRESET, ROOT, WAIT_S
from runs import LINEAR, Run, averaging_rules, write_model
from test_checkpoint import SLOW_DISK
from test_kill import ranks_of, rounds_done, wait_for

BINARIES = ROOT / "build" / "openmpi5" / "bin"
TOLERANT = ROOT / "build" / "ulfm" / "bramble"
NOTICE_S = 30  # at most, until the others go on
CROWDED = re.compile(r"bramble: warning: \d workers on ")  # of a machine with fewer cores

pytestmark = pytest.mark.skipif(not TOLERANT.exists() or PRESET != "native",
                                reason="no program with Open MPI 5: `make openmpi5` builds it")


class Job:
    """A training under Open MPI 5's mpirun; ranks can be killed at a given round."""

    def __init__(self, runner, pictures, ranks, *more, rounds=12, start=(), env=None):
        self.folder = Path(runner.folder)
        env = dict(runner.env, **(env or {}), PATH=f"{BINARIES}:{os.environ['PATH']}", PRTE_ALLOW_RUN_AS_ROOT="1",
                   PRTE_ALLOW_RUN_AS_ROOT_CONFIRM="1", TMPDIR="/tmp")
        options = write_model(self.folder, LINEAR)[0]
        line = [*map(str, start), "mpirun", *([] if start else ["--with-ft", "ulfm"]), "--oversubscribe", "--bind-to", "none",
                "-n", str(ranks), str(TOLERANT), "train", "--quiet", "--data", pictures, *options, "--limit-train", 300,
                "--limit-test", 20, "--batch", 4, "--local-steps", 400, "--average-every", 20, "--lr", 1e-3, "--rounds", rounds,
                "--threads", 1, "--eval-every", 3, "--out", "out.h5", *more]
        self.line = list(map(str, line))
        print("$", " ".join(self.line))
        self.process = subprocess.Popen(self.line, cwd=self.folder, env=env, text=True, errors="replace",
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def kill(self, rank, rounds=None, file="out.h5"):
        """SIGKILL as soon as a file has so many rounds, or the rank is there."""
        if rounds is not None:
            wait_for(lambda: self.process.poll() is not None or rounds_done(self.folder / file) >= rounds)
        pid = wait_for(lambda: ranks_of(self.folder, TOLERANT).get(rank))
        os.kill(pid, signal.SIGKILL)
        return time.monotonic()

    def end(self):
        """Status; what Bramble said, a line each."""
        try:
            out, said = self.process.communicate(timeout=WAIT_S)
        finally:
            self.process.kill()
        print(out, said)
        return self.process.returncode, [line for line in said.replace("\0", "").splitlines()  # which mpirun puts in at times
                                         if line.startswith("bramble: ") and not CROWDED.match(line)]


def lose_momentum(path, worker):
    """In a checkpoint: that of a worker (from 0) is lost, and the mean of the others' stands for it, at the end."""
    mark, n_bytes, _ = struct.unpack("<8sQQ", path.read_bytes()[-24:])
    with h5py.File(path, "r+") as file:
        v = file["checkpoint/v"]
        left = np.delete(v[:], worker, axis=0)
        v[:] = np.vstack([left, left.astype(np.float64).mean(axis=0).astype(np.float32)])
    image = path.read_bytes()[:n_bytes]
    path.write_bytes(image + struct.pack("<8sQQ", mark, n_bytes, zlib.crc32(image)))


def resumed(runner, pictures, ranks, workers_after, at, rounds, *more, lost=None):
    """The bits expected: `at` rounds by all, stopped, gone on with by fewer."""
    status, said = Job(runner, pictures, ranks, "--checkpoint", "c.h5", *more, rounds=at).end()
    assert (status, said) == (0, [])
    if lost is not None:
        lose_momentum(Path(runner.folder) / "c.h5", lost)
    status, said = Job(runner, pictures, workers_after + 1, "--resume", "c.h5", "--force", rounds=rounds).end()
    assert (status, said) == (0, [])
    return Run(Path(runner.folder) / "out.h5")


def interrupted_at(path):
    """Rounds done at the last interruption; infinity while there is none."""
    try:
        with h5py.File(path) as file:
            return float(file["interruptions/rounds"][-1])
    except (OSError, KeyError, IndexError, ValueError):
        return float("inf")


def weights(run):
    return {name: value.tobytes() for name, value in run.weights.items()}


@pytest.fixture
def other(tmp_path, bramble):
    """A runner in a folder of its own."""
    (tmp_path / "other").mkdir()
    return type(bramble)(tmp_path / "other")


@pytest.mark.parametrize("rule", averaging_rules())
def test_a_worker_dies(bramble, other, pictures, tmp_path, rule):
    """The bits are those of a run that was stopped there and went on with fewer; the record tells of it."""
    job = Job(bramble, pictures, 4, "--average", rule)
    job.kill(2, rounds=3)
    status, said = job.end()
    assert status == 0 and len(said) == 1
    told = re.fullmatch(rf"bramble: rank 2 on {os.uname().nodename} has died; 2 workers go on from round (\d+)", said[0])
    assert told, said
    result, at = Run(tmp_path / "out.h5"), int(told[1]) - 1
    assert at >= 3 and result["rounds/n_done"] == 12 and result["summary/complete"] == 1
    assert result["interruptions/rounds"].tolist() == [at]
    assert result["interruptions/workers_before"].tolist() == [3] and result["interruptions/workers_after"].tolist() == [2]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["init.h5", "net.ini", "out.h5"]
    assert weights(result) == weights(resumed(other, pictures, 4, 2, at, 12, "--average", rule))


@pytest.mark.parametrize("dies", [1, 3, 4])
def test_groups_go_on(bramble, other, pictures, tmp_path, dies):
    """A leader, another group's leader, one of its members: those that are left are put in groups anew."""
    tree = ("--average", "tree", "--group-size", 2)
    job = Job(bramble, pictures, 6, *tree)
    job.kill(dies, rounds=3)
    status, said = job.end()
    assert status == 0 and len(said) == 1 and f"rank {dies} on" in said[0] and "4 workers go on from round" in said[0]
    at = int(said[0].split()[-1]) - 1
    assert weights(Run(tmp_path / "out.h5")) == weights(resumed(other, pictures, 6, 4, at, 12, *tree))


def test_a_leader_dies_in_an_average():
    """Ranks of a group wait for nobody but their leader, which has met the dead one: they come back all the same."""
    env = dict(os.environ, PATH=f"{BINARIES}:{os.environ['PATH']}", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
               TMPDIR="/tmp")
    done = subprocess.run(["timeout", "-k", "5", str(WAIT_S), "mpirun", "--with-ft", "ulfm", "--oversubscribe", "--bind-to", "none", "-n", "6",
                           TOLERANT.parent / "tests" / "transport_driver", "lose"], env=env, text=True, capture_output=True)
    assert done.returncode == 0 and done.stdout.splitlines()[-1:] == ["passed"], done.stdout + done.stderr


def test_before_the_first_round(bramble, other, pictures, tmp_path):
    """Nothing is done yet: it begins anew, as a run of fewer."""
    job = Job(bramble, pictures, 4, rounds=4)
    wait_for(lambda: (tmp_path / "out.h5").exists())
    job.kill(3)
    status, said = job.end()
    assert status == 0 and len(said) == 1 and "2 workers go on from round" in said[0]
    if said[0].endswith("round 1"):
        fewer = Job(other, pictures, 3, rounds=4)
        assert fewer.end() == (0, [])
        assert weights(Run(tmp_path / "out.h5")) == weights(Run(fewer.folder / "out.h5"))


def test_two_die(bramble, pictures, tmp_path):
    """One after the other, with the user's own checkpoint and with momentum."""
    job = Job(bramble, pictures, 4, "--checkpoint", "mine.h5", "--checkpoint-every", 100, "--keep-momentum", rounds=20)
    job.kill(1, rounds=3)
    job.kill(3, rounds=9)
    status, said = job.end()
    assert status == 0 and "rank 1 on" in said[0] and "rank 3 on" in said[1] and "1 worker goes on" in said[1]
    result = Run(tmp_path / "out.h5")
    assert result["interruptions/workers_after"].tolist() == [2, 1] and result["rounds/n_done"] == 20
    assert result["rounds/images"].min() > 0
    assert (tmp_path / "mine.h5").exists() and not list(tmp_path.glob("*.rescue*"))


def test_momentum_is_that_of_the_round(bramble, other, pictures, tmp_path):
    """A worker dies at the end of a round, when the others have done with it and the server has not."""
    tool = tmp_path / "pi" / "usr" / "bin" / "vcgencmd"  # asked then, five seconds after it was asked last
    tool.parent.mkdir(parents=True)
    tool.write_text(f'''#!/bin/sh
[ "$OMPI_COMM_WORLD_RANK $1" = "2 measure_clock" ] || exit 1
cd {tmp_path}/pi
[ -e first ] || {{ touch first; sleep 5; exit 1; }}
touch second
while [ ! -e killed ]; do sleep 0.1; done
''')
    tool.chmod(0o755)
    job = Job(bramble, pictures, 4, "--keep-momentum", env={"BRAMBLE_SENSORS": str(tmp_path / "pi")})
    wait_for((tmp_path / "pi" / "second").exists)
    time.sleep(0.5)  # the others have nothing else to do
    job.kill(2)
    (tmp_path / "pi" / "killed").touch()
    status, said = job.end()
    result = Run(tmp_path / "out.h5")
    (at,) = result["interruptions/rounds"]
    assert status == 0 and said == [f"bramble: rank 2 on {os.uname().nodename} has died; 2 workers go on from round {at + 1:.0f}"]
    assert 1 <= at < 12
    assert weights(result) == weights(resumed(other, pictures, 4, 2, int(at), 12, "--keep-momentum", lost=1))


def test_no_file_is_left_when_all_die(bramble, pictures, tmp_path):
    """Once the others have gone on, what they have gone on from is no longer there; nor does it stand in the way."""
    job = Job(bramble, pictures, 4, rounds=100000)
    job.kill(2, rounds=2)
    wait_for(lambda: interrupted_at(tmp_path / "out.h5") < rounds_done(tmp_path / "out.h5"))
    job.kill(0)
    assert job.end()[0] != 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["init.h5", "net.ini", "out.h5"]
    (tmp_path / "out.h5").rename(tmp_path / "out.h5.rescue.h5")
    status, said = Job(bramble, pictures, 3).end()
    assert status != 0 and len(said) == 1 and "out.h5.rescue.h5: exists" in said[0] and "--checkpoint" not in said[0]


@pytest.mark.parametrize("more", [[], ["--keep-momentum"]], ids=["", "momentum"])
def test_another_dies_in_the_rescue(bramble, pictures, tmp_path, more):
    """While the server saves what those that are left are to go on from: both are told of, and no round is lost."""
    (tmp_path / "disk.c").write_text(SLOW_DISK)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "disk.so", "disk.c"], cwd=tmp_path, check=True, timeout=WAIT_S)
    job = Job(bramble, pictures, 4, *more, rounds=40, env={"LD_PRELOAD": str(tmp_path / "disk.so")})
    wait_for(lambda: rounds_done(tmp_path / "out.h5") >= 3)
    (tmp_path / "hold").touch()
    job.kill(2)
    wait_for(lambda: list(tmp_path.glob(".out.h5.rescue.h5.*.tmp")))
    job.kill(1)
    time.sleep(0.5)  # rank 3 sees it
    (tmp_path / "hold").unlink()
    status, said = job.end()
    result = Run(tmp_path / "out.h5")
    (at,) = result["interruptions/rounds"]
    assert status == 0 and 1 <= len(said) <= 2 and at >= 3  # lines: where it is slow, it is seen later
    assert re.findall(r"rank \d", " ".join(said)) == ["rank 2", "rank 1"]
    assert said[-1].endswith(f"has died; 1 worker goes on from round {at + 1:.0f}")
    assert result["rounds/n_done"] == 40 and result["interruptions/workers_after"].tolist() == [1]
    assert not list(tmp_path.glob("*.rescue*"))


def test_no_worker_left(bramble, pictures):
    job = Job(bramble, pictures, 2)
    job.kill(1, rounds=3)
    status, said = job.end()
    assert status != 0 and said == [f"bramble: rank 1 on {os.uname().nodename} has died, and no worker is left"]


def test_the_server_dies(bramble, pictures, tmp_path):
    """Who knows the results is gone: all end, and the supervisor goes on from the checkpoint."""
    job = Job(bramble, pictures, 3)
    hit = job.kill(0, rounds=3)
    status, said = job.end()
    assert time.monotonic() - hit < NOTICE_S and status != 0
    assert said == [f"bramble: rank 0 on {os.uname().nodename} has died, and without the server nothing goes on"]
    wait_for(lambda: ranks_of(tmp_path, TOLERANT) == {}, NOTICE_S)
    (tmp_path / "out.h5").unlink()
    job = Job(bramble, pictures, 3, start=[ROOT / "jobs" / "supervise"])
    job.kill(0, rounds=1, file="out.checkpoint.h5")
    status, said = job.end()
    assert status == 0 and Run(tmp_path / "out.h5")["interruptions/rounds"].size == 1


def test_without_fault_tolerance(bramble, pictures, tmp_path):
    """Not asked for: the job ends, as with Open MPI 4."""
    job = Job(bramble, pictures, 3, start=["env"])
    hit = job.kill(2, rounds=3)
    status, said = job.end()
    assert status != 0 and said == [] and time.monotonic() - hit < NOTICE_S
    wait_for(lambda: ranks_of(tmp_path, TOLERANT) == {}, NOTICE_S)


@pytest.mark.skipif(not os.environ.get("BRAMBLE_TEST_ULFM"), reason="Open MPI 5 itself crashes in some: BRAMBLE_TEST_ULFM=1")
@pytest.mark.parametrize("seed", range(8))
def test_random_moments(bramble, pictures, tmp_path, seed):
    """Whatever a worker was doing when it died, and one more of them a moment later."""
    draw = random.Random(seed)
    job = Job(bramble, pictures, 4, "--average", draw.choice(averaging_rules()), *draw.choice([[], ["--keep-momentum"]]),
              rounds=16)
    victims = draw.sample([1, 2, 3], 2)
    hit = job.kill(victims[0], rounds=draw.choice([0, 1, 2, 5]))
    time.sleep(draw.choice([0, 0.01, 0.1, 0.5]))
    try:
        hit = job.kill(victims[1])
    except AssertionError:
        pass  # it was over
    status, said = job.end()
    assert status == 0 and 1 <= len(said) <= 2, said
    result = Run(tmp_path / "out.h5")
    assert result["rounds/n_done"] == 16 and result["summary/complete"] == 1
    assert not list(tmp_path.glob("*.rescue*"))
    told = float(re.search(r"from round (\d+)", said[-1])[1])
    assert told - 1 == max(result.values.get("interruptions/rounds", []), default=0)
    assert time.monotonic() - hit < NOTICE_S
