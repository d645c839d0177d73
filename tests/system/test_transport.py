"""The transport between real ranks: tests/mpi/transport_driver.c under mpirun."""

import os
import re
import socket
import subprocess

import pytest
from conftest import BUILD, WAIT_S

DRIVER = BUILD / "tests" / "transport_driver"
TCP = ("--mca", "btl", "self,tcp")


def run(n, *arguments, mpi=(), patient=True):
    """Run the driver on n ranks; the completed process, its output as text.

    `patient`: more ranks than cores, where those that wait inside Open MPI should make room.
    """
    assert DRIVER.exists(), f"{DRIVER} is not built: make mpi-tests"
    env = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
               OMPI_MCA_mpi_yield_when_idle=str(int(patient)))
    command = ["timeout", "-k", "5", str(WAIT_S), "mpirun", "--oversubscribe", "--bind-to", "none",
               *mpi, "-n", str(n), str(DRIVER), *map(str, arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=WAIT_S + 10)


def check(result):
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1:] == ["passed"], result.stdout + result.stderr


def bramble_lines(result):
    lines = result.stderr.replace("\0", "").splitlines()  # Open MPI 5 ends its messages with one
    return [line for line in lines if line.startswith("bramble: ")]


CASES = ["greet", "identity", "agree", "broadcast", "send", "spun", "gather", "allgather", "working", "stop", "stop_late", "average",
         "copy", "feedback", "outer", "gradients", "several", "resume"]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_cases(n):
    check(run(n, *CASES))


def test_cases_over_tcp():
    check(run(3, "send", "gather", "allgather", "working", "stop", "stop_late", "average", mpi=TCP))


def test_without_mpirun():
    result = subprocess.run([str(DRIVER), "identity"], capture_output=True, text=True, timeout=WAIT_S)
    check(result)


@pytest.mark.parametrize("mpi", [(), TCP], ids=["memory", "tcp"])
def test_waiting_ranks_sleep(mpi):
    """A rank that spins while another is a second late uses a whole core, or its part of one."""
    result = run(2, "cpu", 1, mpi=mpi, patient=False)
    check(result)
    used = dict(re.findall(r"(\w+) (\d\.\d+)", result.stdout))
    assert set(used) == {"allgather", "agree", "broadcast", "longer_broadcast", "receive", "gather", "longer_gather"}
    for call, cores in used.items():
        assert float(cores) < 0.25, f"{call} used {cores} cores"


@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize("status", [1, 2])
def test_abort_ends_all_ranks(rank, status):
    result = run(3, "abort", rank, status)
    assert result.returncode == status
    assert bramble_lines(result) == ["bramble: this rank gives up"]


@pytest.mark.parametrize("rank", [0, 2])
def test_killed_rank_ends_all_ranks(rank):
    assert run(3, "die", rank).returncode == 128 + 9


def test_mpi_error_is_one_line():
    result = run(3, "wrong_rank")
    assert result.returncode == 1
    host = re.escape(socket.gethostname())
    assert len(bramble_lines(result)) == 1, result.stderr
    assert re.fullmatch(rf"bramble: rank 0 on {host}: MPI failed: MPI_ERR_RANK.*",
                        bramble_lines(result)[0])


def test_wrong_size_is_one_line():
    result = run(2, "wrong_size")
    assert result.returncode == 1
    assert len(bramble_lines(result)) == 1, result.stderr
    assert "rank 0 sends 8 bytes instead of 7" in bramble_lines(result)[0]
