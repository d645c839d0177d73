"""A host that crashes, a cable that is pulled, on emulated hosts: the run goes on without them."""
import os
import signal
import time

import emulated
import pytest
from conftest import BRAMBLE, SLOW
from emulated import Cluster, share_of
from faults import SUPERVISE, Supervised
from runs import LINEAR, Run, write_model
from test_kill import rounds_done, wait_for
from test_ulfm import BINARIES, TOLERANT


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    emulated.need()
    cluster = Cluster(tmp_path_factory.mktemp("hosts"))
    cluster("up", 3, "--cpu", share_of(3, 0.3), "--link", "1gbit")
    yield cluster
    cluster("down")
    assert cluster.traces() == []


def supervised(three, bramble, pictures, rounds, *more, program=BRAMBLE, env=None, mpirun=()):
    """A run over the three hosts, started on the first; it goes on from a checkpoint that is there."""
    options = write_model(bramble.folder, LINEAR)[0]
    hostfile = three("hostfile", 4 if mpirun else 1).stdout.strip()
    line = ["mpirun", "--hostfile", hostfile, *mpirun, "-n", "3", str(program), "train", "--quiet", "--data", pictures, *options,
            "--limit-train", 40, "--limit-test", 20, "--batch", 4, "--local-steps", 20, "--lr", 1e-4, "--keep-momentum",
            "--rounds", rounds, "--threads", 1, "--out", "out.h5", "--checkpoint", "c.h5", *more]
    bramble.env = dict(three.env, **(env or {}))
    start = (emulated.EMULATE, "run", *(["env", "-u", "HWLOC_SYNTHETIC"] if env else []), SUPERVISE)
    return Supervised(bramble, [str(word) for word in line], start=start)


def stop_and_read(run, folder):
    """End it in order; the words of the supervisor, and what the file says of the breaks."""
    result = folder / "out.h5"
    done = rounds_done(result)
    wait_for(lambda: rounds_done(result) >= done + 2)
    run.process.send_signal(signal.SIGTERM)
    assert run.end() == 3, run.all()
    print(run.all())
    return Run(result)


@pytest.mark.parametrize("fault, mpirun", [(["kill"], ["--map-by", "ppr:1:node:pe=4"]), (["link", "down"], [])],
                         ids=["host gone", "link down"])
def test_goes_on_without_a_host(three, bramble, pictures, tmp_path, fault, mpirun):
    """The host is named in one line, at the latest after 30 s; saved rounds stay; with it again, all go on."""
    first, second, third = three.hosts()
    run = supervised(three, bramble, pictures, 100000, mpirun=mpirun)
    try:
        wait_for(lambda: rounds_done(tmp_path / "c.h5") >= 3)  # it follows the rounds when the disk is ready
        before = rounds_done(tmp_path / "c.h5")
        three(*fault, third)
        moment = time.monotonic()
        wait_for(lambda: any("; restart 1" in word for word in run.words()), 30 * SLOW)
        print(f"restart after {run.restarted_after(moment):.1f} s")
        wait_for(lambda: rounds_done(tmp_path / "out.h5") > before)
        result = stop_and_read(run, tmp_path)
    finally:
        run.process.kill()
        three(*(["start"] if fault == ["kill"] else ["link", "up"]), third)
    named = [word for word in run.words() if third in word and "does not answer" in word]
    assert len(named) == 1 and not any(second in word for word in named), run.all()
    assert result["interruptions/workers_before"] == 2 and result["interruptions/workers_after"] == 1
    assert result["interruptions/rounds"] >= before
    again = supervised(three, bramble, pictures, 100000, mpirun=mpirun)
    try:
        wait_for(lambda: rounds_done(tmp_path / "out.h5") > result.n_done)
        back = stop_and_read(again, tmp_path)
    finally:
        again.process.kill()
    assert list(back["interruptions/workers_after"]) == [1, 2]


@pytest.mark.skipif(not TOLERANT.exists(), reason="no program with Open MPI 5: `make openmpi5` builds it")
def test_host_gone_with_open_mpi_5(three, bramble, pictures, tmp_path):
    """Its mpirun loses a daemon and ends, sometimes with status 0; the supervisor goes on all the same."""
    env = {"PATH": f"{BINARIES}:{os.environ['PATH']}", "PRTE_MCA_plm_ssh_agent": f"/bin/sh /run/{three.name}-emulate/shell",
           "PRTE_MCA_prte_if_include": "eth0", "PRTE_ALLOW_RUN_AS_ROOT": "1", "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    third = three.hosts()[2]
    run = supervised(three, bramble, pictures, 40, program=TOLERANT, env=env)
    try:
        wait_for(lambda: rounds_done(tmp_path / "c.h5") >= 2)
        three("kill", third)
        assert run.end() == 0, run.all()
    finally:
        run.process.kill()
        three("start", third)
    print(run.all())
    assert any(third in word and "does not answer" in word for word in run.words())
    result = Run(tmp_path / "out.h5")
    assert result["interruptions/workers_after"] == 1 and result["interruptions/rounds"] >= 2
    assert result["rounds/n_done"] == 40 and result["summary/complete"] == 1
