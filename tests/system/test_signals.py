"""Asked to stop, a run ends in order and can go on; a rank that hangs is named; NaN on one worker."""
import os
import re
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest
from conftest import WAIT_S, open_mpi
from runs import LINEAR, PAPER, Run, averaging_rules, differences, write_model
from test_kill import PATIENT, ranks_of, rounds_done, wait_for

STOPPED = 3


def start(bramble, pictures, ranks, *more, model=LINEAR, rounds=100000, env=None):
    options = write_model(bramble.folder, model)[0]
    line = bramble.command(ranks, "train", "--quiet", "--data", pictures, *options, "--limit-test", 20, "--batch", 2, "--lr",
                           1e-4, "--keep-momentum", "--rounds", rounds, "--threads", 1, "--out", "out.h5", *more)
    return subprocess.Popen(line, cwd=bramble.folder, env={**bramble.env, **(env or {})}, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end_of(process, folder):
    try:
        out, err = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
    wait_for(lambda: not ranks_of(folder))
    assert out == ""
    return process.returncode, [line for line in err.splitlines() if line.startswith("bramble: ")]


# Rounds of 200 steps, so that the signal comes in the middle of one.
SHORT = ["--limit-train", 4, "--local-steps", 200, "--average-every", 70, "--eval-every", 5, "--checkpoint-every", 3]
TARGETS = [(1, 0, signal.SIGINT), (1, 0, signal.SIGTERM), (1, 0, signal.SIGUSR1), (3, 0, signal.SIGTERM), (3, 1, signal.SIGINT),
           (3, 2, signal.SIGUSR1), (3, None, signal.SIGUSR1), (3, None, signal.SIGTERM), (3, None, signal.SIGINT)]


@pytest.mark.parametrize("ranks, victim, number", TARGETS,
                         ids=[f"{n.name} to {'mpirun' if v is None else f'rank {v} of {r}'}" for r, v, n in TARGETS])
def test_stops_and_goes_on(bramble, pictures, tmp_path, ranks, victim, number):
    passed_on = victim is None and number != signal.SIGUSR1  # mpirun makes SIGTERM of both, and ends with 1
    with start(bramble, pictures, ranks, *SHORT, "--checkpoint", "c.h5", env=PATIENT if passed_on else None) as process:
        wait_for(lambda: rounds_done(tmp_path / "out.h5") >= 4 and (tmp_path / "c.h5").exists())
        if victim is None:
            process.send_signal(number)
        else:
            os.kill(ranks_of(tmp_path)[victim], number)
        status, said = end_of(process, tmp_path)
    assert status == (1 if passed_on else STOPPED)
    stopped = Run(tmp_path / "out.h5")
    n = stopped.n_done
    name = "SIGTERM" if passed_on else number.name
    words = {"SIGINT": "SIGINT (Ctrl-C)", "SIGTERM": "SIGTERM (mpirun makes that of Ctrl-C, too)" if ranks > 1 else "SIGTERM"}
    if not passed_on or open_mpi() < 5 or said:  # Open MPI 5's mpirun, itself sent a signal, may keep the line back
        assert said == [f"bramble: stopped by {words.get(name, name)}; {n} of 100000 rounds are saved, go on with --resume c.h5"]
    assert n >= 4 and stopped["summary/complete"] == 0
    with h5py.File(tmp_path / "c.h5") as file:
        saved, why = file["rounds/n_done"][()], file["checkpoint/signal"][()]
    if not said and why == 0:  # killed before they had saved: the checkpoint that was due last
        assert passed_on and open_mpi() >= 5 and 3 <= saved <= n
    else:
        assert saved == n and why == signal.Signals[name]
    if ranks == 3 and victim is None:  # the break costs no bit
        n += 2
        resumed = Run(bramble.train(3, "--resume", "c.h5", "--rounds", n))
        assert resumed["interruptions/signal"] == why
        whole = bramble.train(3, "--data", pictures, *write_model(tmp_path, LINEAR)[0], "--limit-test", 20, "--batch", 2,
                              "--lr", 1e-4, "--keep-momentum", "--rounds", n, "--threads", 1, *SHORT, out="whole.h5")
        assert differences(Run(whole), resumed) == []


def test_nothing_to_save(bramble, pictures, tmp_path):
    """Without --checkpoint the files are closed all the same; in the first round there is nothing to save yet."""
    with start(bramble, pictures, 3, *SHORT) as process:
        wait_for(lambda: rounds_done(tmp_path / "out.h5") >= 2)
        os.kill(ranks_of(tmp_path)[1], signal.SIGTERM)
        status, said = end_of(process, tmp_path)
    n = Run(tmp_path / "out.h5").n_done
    assert status == STOPPED and said == [f"bramble: stopped by SIGTERM (mpirun makes that of Ctrl-C, too); out.h5 has the model of round {n} of 100000, but "
                                          "nothing to go on from: that takes --checkpoint"]
    (tmp_path / "out.h5").unlink()
    with start(bramble, pictures, 3, "--local-steps", 1000000, "--checkpoint", "c.h5") as process:
        wait_for(lambda: rounds_done(tmp_path / "out.h5") == 0)
        time.sleep(0.5)  # the files are there; the first step is not far
        os.kill(ranks_of(tmp_path)[2], signal.SIGUSR1)
        status, said = end_of(process, tmp_path)
    assert status in (STOPPED, 128 + signal.SIGUSR1)
    assert not (tmp_path / "c.h5").exists()


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("more", [[], ["--tail-average", 0.7]], ids=["last average", "tail average"])
def test_stopped_between_tests(bramble, pictures, tmp_path, ranks, more):
    """The model of the last round done is in the file, tested or not: what a run of that many rounds ends with."""
    options = [*SHORT, *more, "--eval-every", 50000]
    with start(bramble, pictures, ranks, *options) as process:
        wait_for(lambda: rounds_done(tmp_path / "out.h5") >= 3)
        os.kill(ranks_of(tmp_path)[0], signal.SIGUSR1)
        status, _ = end_of(process, tmp_path)
    run = Run(tmp_path / "out.h5")
    assert status == STOPPED and run["model/round"] == run.n_done - 1 and np.isnan(run["test/loss"]).all()
    tested = bramble(1, "test", "out.h5", "--data", pictures, "--limit-test", 20)
    assert tested.returncode == 0, tested.stderr
    whole = Run(bramble.train(ranks, "--data", pictures, *write_model(tmp_path, LINEAR)[0], "--limit-test", 20, "--batch", 2, "--lr",
                              1e-4, "--keep-momentum", "--rounds", run.n_done, "--threads", 1, *options, out="whole.h5"))
    assert all(np.array_equal(value, run.weights[name]) for name, value in whole.weights.items())


@pytest.mark.parametrize("ranks", [1, 3])
def test_stopped_during_the_last_test(bramble, tmp_path, ranks):
    """All rounds are done, the test is long: the model is there."""
    options = ["--data", "synthetic:40000", "--limit-train", 4, "--batch", 2, "--threads", 1, "--rounds", 3, "--eval-every", 3]
    line = bramble.command(ranks, "train", "--quiet", *options, "--out", "out.h5")
    with subprocess.Popen(line, cwd=tmp_path, env=bramble.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: rounds_done(tmp_path / "out.h5") == 3)
        os.kill(ranks_of(tmp_path)[0], signal.SIGTERM)
        status, said = end_of(process, tmp_path)
    run = Run(tmp_path / "out.h5")
    assert run["model/round"] == 2 and run.weights
    if status == STOPPED:  # else the test was faster
        assert re.match(r"bramble: stopped by SIGTERM( \(.*\))?; out\.h5 has the model of round 3 of 3", said[0]), said
        assert np.isnan(run["test/loss"][2]) and run["summary/complete"] == 0


def test_diverged_between_tests(bramble, pictures):
    """A run that ends by itself leaves the model of the last round done as well."""
    done = bramble(3, "train", "--quiet", "--data", pictures, *NAN, "--eval-every", 3, "--out", "x.h5",
                   env={"BRAMBLE_TEST_FAULT": "nan:2:2:0"})
    assert done.returncode == 2 and "round 3, rank 2" in done.stderr
    run = Run(bramble.folder / "x.h5")
    assert run.n_done == 2 and run["model/round"] == 1 and all(np.isfinite(value).all() for value in run.weights.values())


def test_second_sigint_ends_at_once(bramble, pictures, tmp_path):
    """A rank that cannot finish its step, because it is stopped, is the reason to ask twice."""
    with start(bramble, pictures, 3, *SHORT, "--checkpoint", "c.h5") as process:
        wait_for(lambda: rounds_done(tmp_path / "out.h5") >= 2)
        ranks = ranks_of(tmp_path)
        os.kill(ranks[2], signal.SIGSTOP)
        os.kill(ranks[1], signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        os.kill(ranks[1], signal.SIGINT)
        os.kill(ranks[2], signal.SIGCONT)
        status, said = end_of(process, tmp_path)
    assert status in (128 + signal.SIGINT, STOPPED)
    assert h5py.File(tmp_path / "out.h5")["rounds/n_done"][()] >= 2


def test_stalled_rank_is_named(bramble, pictures, tmp_path):
    """One that hangs is, one that waits for it is not; and when it goes on the run does."""
    options = ["--limit-train", 4, "--local-steps", 150, "--stall", 5]
    with start(bramble, pictures, 4, *options, model=PAPER, rounds=4) as process:
        wait_for(lambda: rounds_done(tmp_path / "out.h5") >= 1, WAIT_S)
        victim = ranks_of(tmp_path)[2]
        os.kill(victim, signal.SIGSTOP)

        def noticed():
            with h5py.File(tmp_path / "out.h5") as file:
                return file["stalls/n"][2] >= 1
        try:
            wait_for(noticed, WAIT_S)
        finally:
            os.kill(victim, signal.SIGCONT)
        out, err = process.communicate(timeout=WAIT_S)
    host = os.uname().nodename
    said = [line for line in err.splitlines() if line.startswith("bramble: ") and "rank 2" in line]
    assert process.returncode == 0 and len(said) == 2, err
    assert f"rank 2 on {host} has shown no progress for " in said[0] and "phase train" in said[0]
    assert said[1] == f"bramble: rank 2 on {host} goes on"
    with h5py.File(tmp_path / "out.h5") as file:
        assert np.isnan(file["stalls/n"][[0, 1, 3]]).all() and file["stalls/t_s"][2] >= 5
        assert file["stalls/phase"][2] == b"train" and file["summary/complete"][()] == 1


NAN = ["--limit-train", 60, "--limit-test", 20, "--batch", 4, "--rounds", 3, "--average-every", 2, "--threads", 1, "--keep-momentum"]


def test_nan_on_one_worker(bramble, pictures, tmp_path):
    """stop names round, rank, host and layer; skip leaves it out of one average, and counts that."""
    fault = {"BRAMBLE_TEST_FAULT": "nan:2:1:1"}
    stopped = bramble(3, "train", "--quiet", "--data", pictures, *NAN, "--out", "stop.h5", env=fault)
    said = [line for line in stopped.stderr.splitlines() if line.startswith("bramble: ")]
    assert stopped.returncode == 2 and len(said) == 1
    assert f"round 2, rank 2 on {os.uname().nodename}: the weights of layer fc3 are no longer finite" in said[0]
    run = Run(bramble.train(3, "--data", pictures, *NAN, "--on-nan", "skip", env=fault))
    expected = np.zeros((3, 3))
    expected[1, 2] = 1
    assert np.array_equal(run["rounds/ranks/skipped"], expected)
    assert all(np.isfinite(value).all() for value in run.weights.values())
    assert np.isfinite(run["rounds/loss"]).all() and run["rounds/images"][1] < run["rounds/images"][0]
    plain = Run(bramble.train(3, "--data", pictures, *NAN, "--on-nan", "skip", out="plain.h5"))
    assert differences(run, plain) != [] and np.array_equal(run["rounds/loss"][0], plain["rounds/loss"][0])
    assert (plain["rounds/ranks/skipped"] == 0).all()


def test_nan_where_only_one_has_images(bramble, pictures):
    """In this part of the round no sound worker trains: all go on from the average before, whatever the rule."""
    options = ["--data", pictures, "--shards", "90,10", "--batch", 10, "--average-every", 1, "--rounds", 1, "--threads", 1,
               "--limit-test", 20, "--on-nan", "skip"]
    runs = []
    for rule in averaging_rules():
        run = Run(bramble.train(3, *options, "--average", rule, out=f"{rule}.h5", env={"BRAMBLE_TEST_FAULT": "nan:1:0:0"}))
        assert run["rounds/ranks/skipped"][0, 1] == 1 and run["rounds/images"] == 90
        assert all(np.isfinite(value).all() for value in run.weights.values())
        runs.append(run)
    assert [differences(runs[0], run) for run in runs[1:]] == [[]] * (len(runs) - 1)


def test_nan_on_all_workers(bramble, pictures):
    done = bramble(3, "train", "--quiet", "--data", pictures, *NAN, "--on-nan", "skip", "--lr", 1000, "--out", "x.h5")
    assert done.returncode == 2 and "no longer finite" in done.stderr
    alone = bramble(1, "train", "--quiet", "--data", pictures, *NAN, "--on-nan", "skip", "--out", "y.h5",
                    env={"BRAMBLE_TEST_FAULT": "nan:0:0:0"})
    assert alone.returncode == 2 and "round 1, rank 0" in alone.stderr
