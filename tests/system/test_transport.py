"""The transport between real ranks: tests/mpi/transport_driver.c under mpirun, one case a run."""

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BRAMBLE_BUILD", ROOT / "build" / "native"))
DRIVER = BUILD / "tests" / "transport_driver"
TCP = ("--mca", "btl", "self,tcp")


def run(n, *arguments, mpi=(), seconds=60):
    """Run the driver on n ranks; the completed process, its output as text."""
    assert DRIVER.exists(), f"{DRIVER} is not built: make mpi-tests"
    env = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    command = ["timeout", "-k", "5", str(seconds), "mpirun", "--oversubscribe", "--bind-to", "none",
               *mpi, "-n", str(n), str(DRIVER), *map(str, arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=seconds + 10)


def check(result):
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1:] == ["passed"], result.stdout + result.stderr


def bramble_lines(result):
    return [line for line in result.stderr.splitlines() if line.startswith("bramble: ")]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("case", ["identity", "agree", "broadcast", "send", "gather", "meet",
                                  "collect", "stop", "stop_early", "stop_late", "average", "copy"])
def test_case(case, n):
    check(run(n, case))


@pytest.mark.parametrize("case", ["send", "meet", "collect", "stop", "stop_early", "average"])
def test_case_over_tcp(case):
    check(run(3, case, mpi=TCP))


def test_without_mpirun():
    result = subprocess.run([str(DRIVER), "identity"], capture_output=True, text=True, timeout=60)
    check(result)


@pytest.mark.parametrize("mpi", [(), TCP], ids=["memory", "tcp"])
def test_waiting_ranks_sleep(mpi):
    """A rank that spins while another is a second late uses a whole core, or its part of one."""
    result = run(2, "cpu", 1, mpi=mpi)
    check(result)
    used = dict(re.findall(r"(\w+) (\d\.\d+)", result.stdout))
    assert set(used) == {"meet", "agree", "broadcast", "receive", "collect", "announce"}
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
    assert "the server sends 8 bytes instead of 7" in bramble_lines(result)[0]
