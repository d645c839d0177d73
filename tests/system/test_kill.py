"""kill -9 of any rank at any moment: the result file opens and holds all finished rounds."""
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import BRAMBLE, SLOW, WAIT_S, open_mpi
from runs import LINEAR, write_model

N_ROUNDS = 50000  # of a fraction of a millisecond: far more than there is time for
UNKNOWN = ("clock_mhz", "clock_min_mhz", "temperature_c", "throttled")  # where the system does not tell


def ranks_of(folder, program=BRAMBLE):
    """{rank: process id} of the processes that train in this folder; supervise asks `bramble info` there, too."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "cwd") == str(folder) and \
                    os.path.samefile(entry / "exe", program) and b"\0train\0" in (entry / "cmdline").read_bytes():
                words = (entry / "environ").read_bytes().split(b"\0")
                rank = [word for word in words if word.startswith(b"OMPI_COMM_WORLD_RANK=")]
                found[int(rank[0].split(b"=")[1]) if rank else 0] = int(entry.name)
        except OSError:
            pass  # gone in the meantime
    return found


def wait_for(condition, seconds=WAIT_S):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError("it did not happen in time")


# mpirun gives its ranks a second, and sleeps for it; a machine that is busy with other tests may need more.  Open MPI 5's
# gives them a quarter of one, whatever it is told: there they may be killed while they save.
PATIENT = {"OMPI_MCA_odls_base_sigkill_timeout": "8"}


def start(bramble, pictures, ranks, *more, env=None):
    model = write_model(bramble.folder, LINEAR)[0]
    line = bramble.command(ranks, "train", "--quiet", "--data", pictures, *model, "--limit-train", 4, "--limit-test", 20,
                           "--batch", 2, "--local-steps", 1, "--lr", 1e-4, "--rounds", N_ROUNDS, "--threads", 1,
                           "--eval-every", 5, "--out", "out.h5", *more)
    return subprocess.Popen(line, cwd=bramble.folder, env={**bramble.env, **(env or {})}, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def end_of(process, folder=None):
    """It must come to its end by itself, and say that it failed.

    With a folder, that of a run whose rank was killed in MPI_Init: Open MPI 4.1's mpirun with PMIx 4.2 ends all ranks
    then, and now and then not itself (docs/reliability.md).
    """
    try:
        process.communicate(timeout=20 * SLOW if folder else WAIT_S)
    except subprocess.TimeoutExpired:
        if not folder or ranks_of(folder):
            raise
        print("mpirun does not end")
        process.kill()
        process.communicate()
    finally:
        process.kill()
    assert process.returncode != 0


def check_file(path):
    """All of the finished rounds is there; returns how many, and the round of the model."""
    with h5py.File(path) as file:
        n, workers = int(file["rounds/n_done"][()]), file["machine/is_worker"][:] == 1
        assert 0 <= n < N_ROUNDS and file["summary/complete"][()] == 0
        for name, column in file["rounds"].items():
            if name not in ("n_done", "ranks"):
                assert column.shape == (N_ROUNDS,) and np.isfinite(column[:n]).all(), name
                assert np.isnan(column[n + 1:]).all(), name  # the row after may be half done
        for name, column in file["rounds/ranks"].items():
            assert column.shape == (N_ROUNDS, workers.size)
            if name not in UNKNOWN:
                assert np.isfinite(column[:n, workers]).all(), name
            assert np.isnan(column[n + 1:]).all(), name
        assert (np.diff(file["rounds/t_end_s"][:n]) > 0).all()
        assert (file["rounds/ranks/images"][:n, workers] == 2).all()
        tested = np.flatnonzero(np.isfinite(file["test/loss"][:]))
        assert (tested % 5 == 4).all() and tested.size >= n // 5 - 1
        model = int(file["model/round"][()])
        assert model in (-2, -1) or model in tested or model in (n - 1, n)  # the last may not be tested yet
        if model != -2:
            assert all(np.isfinite(value).all() for value in file["model"].values() if value.dtype == np.float32)
        return n, model, file["test/accuracy"][model] if model >= 0 else None


def check_commands(bramble, pictures, n, model, accuracy):
    told = bramble(1, "info", "--json", "out.h5")
    assert told.returncode == 0
    told = json.loads(told.stdout)
    assert (told["complete"], told["rounds_done"], told["rounds_planned"]) == (False, n, N_ROUNDS)
    assert bramble(1, "info", "out.h5").returncode == 0
    report = bramble(1, "report", "out.h5")
    assert report.returncode == 2 and report.stdout == "" and len(report.stderr.splitlines()) == 1
    if model >= 0:  # the weights are whole: they give the accuracy that was found before
        test = bramble(1, "test", "out.h5", "--data", pictures, "--limit-test", 20, "--json")
        assert np.isnan(accuracy) or json.loads(test.stdout)["accuracy"] == pytest.approx(accuracy)


def rounds_done(path):
    if not path.exists():
        return -1
    with h5py.File(path) as file:  # also while the run goes on
        return file["rounds/n_done"][()]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("ranks, victim", [(1, 0), (3, 0), (3, 1), (3, 2)])
def test_killed_rank(bramble, pictures, tmp_path, ranks, victim, seed):
    moment = random.Random(f"{ranks} {victim} {seed}")
    least, delay = moment.choice([0, 1, 10, 100, 400]), moment.uniform(0, 0.003)
    with start(bramble, pictures, ranks) as process:
        pid = wait_for(lambda: ranks_of(tmp_path).get(victim))
        wait_for(lambda: rounds_done(tmp_path / "out.h5") >= least)
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        end_of(process)
    wait_for(lambda: not ranks_of(tmp_path))
    n, model, accuracy = check_file(tmp_path / "out.h5")
    print(f"killed after {least} rounds and {1e3 * delay:.1f} ms: {n} rounds, model of round {model}")
    assert n >= least
    check_commands(bramble, pictures, n, model, accuracy)


def test_file_of_a_killed_run_is_replaced_only_with_force(bramble, pictures, tmp_path):
    with start(bramble, pictures, 3) as process:
        wait_for(lambda: rounds_done(tmp_path / "out.h5") >= 1)
        process.kill()
        end_of(process)
    wait_for(lambda: not ranks_of(tmp_path))  # also without mpirun they come to an end
    check_file(tmp_path / "out.h5")
    options = ["--data", pictures, "--limit-train", 8, "--rounds", 1, "--threads", 1, "--out", "out.h5"]
    assert bramble(1, "train", *options).returncode == 2
    assert bramble(1, "train", *options, "--force").returncode == 0
    assert bramble(1, "report", "out.h5").returncode == 0


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("ranks", [1, 3])
def test_killed_while_it_starts(bramble, pictures, tmp_path, ranks, seed):
    """Before the file has its name there is no file, and after it a valid one."""
    with start(bramble, pictures, ranks) as process:
        wait_for(lambda: ranks_of(tmp_path).get(0))
        time.sleep(random.Random(seed).uniform(0, 0.3 if ranks > 1 else 0.02))
        os.kill(ranks_of(tmp_path)[0], signal.SIGKILL)
        end_of(process, tmp_path)
    wait_for(lambda: not ranks_of(tmp_path))
    if (tmp_path / "out.h5").exists():
        n, model, accuracy = check_file(tmp_path / "out.h5")
        print(f"{n} rounds, model of round {model}")
    bramble.train(1, "--data", pictures, "--limit-train", 8, "--rounds", 1, "--threads", 1, "--force")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("ranks", [1, 3])
def test_stopped_by_a_signal(bramble, pictures, tmp_path, ranks, stop):
    with start(bramble, pictures, ranks, env=PATIENT if ranks > 1 else None) as process:
        wait_for(lambda: rounds_done(tmp_path / "out.h5") >= 20)
        process.send_signal(stop)
        end_of(process)
    wait_for(lambda: not ranks_of(tmp_path))
    n, model, accuracy = check_file(tmp_path / "out.h5")
    assert model == n - 1 or (ranks > 1 and open_mpi() >= 5), "the model of the last round done"
    check_commands(bramble, pictures, n, model, accuracy)


def test_report_leaves_unfinished_runs_out(bramble, pictures, tmp_path):
    good = bramble.train(1, "--data", pictures, "--limit-train", 8, "--rounds", 1, "--threads", 1, out="good.h5")
    with start(bramble, pictures, 1) as process:
        wait_for((tmp_path / "out.h5").exists)
        running = bramble(1, "report", "--format", "json", "out.h5", good)  # also while it still runs
        process.kill()
        end_of(process)
    killed = bramble(1, "report", "--format", "json", good, "out.h5")
    for done in (running, killed):
        assert done.returncode == 0 and [row["repeats"] for row in json.loads(done.stdout)] == [1]
        assert len(done.stderr.splitlines()) == 1 and "out.h5" in done.stderr
