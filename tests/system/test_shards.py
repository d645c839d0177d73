"""Training images from the server's data set to the workers that own them: tests/mpi/shards_driver.c under mpirun."""

import os
import subprocess

import pytest
from conftest import BUILD, WAIT_S

DRIVER = BUILD / "tests" / "shards_driver"


def deliver(n, *arguments):
    assert DRIVER.exists(), f"{DRIVER} is not built: make mpi-tests"
    env = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_mpi_yield_when_idle="1")
    command = ["timeout", "-k", "5", str(WAIT_S), "mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(n), str(DRIVER)]
    result = subprocess.run([*command, *map(str, arguments)], env=env, capture_output=True, text=True, timeout=WAIT_S + 10)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1:] == ["passed"], result.stdout + result.stderr


@pytest.mark.parametrize("rule", ["even", "sizes", "label", "chance"])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_every_worker_gets_its_own(n, rule):
    """More images than one piece, and a number that is none of pieces."""
    deliver(n, rule, 3001)


@pytest.mark.parametrize("n", [3, 5])
def test_all_get_all(n):
    deliver(n, "all", 3001)


@pytest.mark.parametrize("bad", [0, 1023, 2500])
@pytest.mark.parametrize("rule", ["even", "chance", "all"])
def test_what_cannot_be_read_is_everybodys_error(rule, bad):
    if rule != "all":  # which takes two workers
        deliver(1, rule, 3001, bad)
    deliver(4, rule, 3001, bad)
