"""What all system tests use: the program under test, mpirun, data."""
import os
import re
import subprocess
from pathlib import Path

import pytest

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's: the cores are for the program

ROOT = Path(__file__).resolve().parents[2]
PRESET = os.environ.get("BRAMBLE_PRESET", "native")
BUILD = ROOT / "build" / PRESET
BRAMBLE = BUILD / "bramble"
SLOW = 10 if PRESET != "native" else 1  # checkers take their time
WAIT_S = 180 * SLOW  # for what takes a second or two: a busy machine may stand still for some time


def open_mpi():
    """The major version of mpirun: 4 on Debian 12, 5 on Debian 13."""
    told = subprocess.run(["mpirun", "--version"], text=True, capture_output=True, timeout=WAIT_S).stdout
    return int(re.search(r"\) (\d+)\.", told)[1])


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures time or CPU, so nothing else runs beside it")
    config.addinivalue_line("markers", "long: takes minutes, and is run with BRAMBLE_TEST_LONG=1 (make test-long)")


# Groups of tests that take longest, so that none of them is begun last.
LONGEST = ("test_accuracy", "test_arm64", "emulated hosts", "test_ulfm", "bad input", "test_faults", "test_signals", "test_checkpoint",
           "test_training")


@pytest.hookimpl(tryfirst=True)  # before xdist's, which reads the groups
def pytest_collection_modifyitems(items):
    """With several workers (tests/run) a file's tests stay together, and share what its fixtures made; long ones wait."""
    groups = {}
    for item in items:
        group = item.path.stem
        if group.startswith("test_bad_input"):
            group = "bad input"
        elif group in ("test_emulate", "test_faults_hosts", "test_slurm", "test_study", "test_deploy", "test_setup_pis",
                       "test_readme_hosts"):
            group = "emulated hosts"
        item.add_marker(pytest.mark.xdist_group(group))
        groups[item] = group
        if item.get_closest_marker("long") and not os.environ.get("BRAMBLE_TEST_LONG"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: make test-long"))
    items.sort(key=lambda item: (*LONGEST, groups[item]).index(groups[item]))


class Runner:
    """Starts bramble, alone or under mpirun, in a folder of its own, never without a timeout."""

    def __init__(self, folder, program=BRAMBLE):
        self.folder, self.program = folder, program
        self.env = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                        OMPI_MCA_mpi_yield_when_idle="1", OMPI_MCA_btl_vader_single_copy_mechanism="none")
        self.env.pop("OMP_NUM_THREADS", None)
        if PRESET == "asan":
            self.env.setdefault("ASAN_OPTIONS", "detect_leaks=0")  # Open MPI's own; unit tests look for ours
            self.env.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")

    def command(self, ranks, *args, below=()):
        """The line to run; `below` is a program that starts bramble, such as prlimit."""
        line = [*below, str(self.program), *map(str, args)]
        if ranks > 1:
            line = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)] + line
        return line

    def run(self, line, timeout=WAIT_S, env=None, stdout=subprocess.PIPE):
        """Run a line made by `command`, silently; may be called from several threads."""
        return subprocess.run(line, cwd=self.folder, env=dict(self.env, **(env or {})), text=True,
                              stdout=stdout, stderr=subprocess.PIPE, timeout=timeout,
                              errors="replace", stdin=subprocess.DEVNULL)

    def __call__(self, ranks, *args, timeout=WAIT_S, env=None):
        """Run `bramble ARGS` on that many ranks; returns status, stdout, stderr, and the line to copy."""
        line = self.command(ranks, *args)
        print("$", " ".join(line))
        done = self.run(line, timeout, env)
        print(done.stdout, done.stderr, sep="\n")
        return done

    def train(self, ranks, *args, out="out.h5", timeout=WAIT_S, env=None):
        """Run `bramble train`, which must succeed, and return the path of its result file."""
        done = self(ranks, "train", "--quiet", "--out", out, *args, timeout=timeout, env=env)
        assert done.returncode == 0, done.stderr
        return Path(self.folder) / out


@pytest.fixture
def bramble(tmp_path):
    assert BRAMBLE.exists(), f"{BRAMBLE} is not built: make PRESET={PRESET}"
    return Runner(tmp_path)


@pytest.fixture(scope="session")
def cifar10():
    """The folder of the real data set; the test is skipped without it."""
    folder = os.environ.get("BRAMBLE_DATA")
    if not folder:
        pytest.skip("BRAMBLE_DATA does not name a folder with CIFAR-10")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A small synthetic data set as files in CIFAR-10's form: 600 training and 120 test images."""
    folder = tmp_path_factory.mktemp("pictures") / "synth"
    subprocess.run([BRAMBLE, "data", "synth", folder, "600", "--seed", "5"], check=True, timeout=WAIT_S,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return folder


@pytest.fixture(scope="session")
def bad(tmp_path_factory):
    """A folder with everything bramble must refuse (bad_files.py)."""
    import bad_files
    folder = tmp_path_factory.mktemp("bad")
    live = bad_files.make(folder)
    bad_files.make_disks(folder)
    yield folder
    live.end()
    bad_files.remove_disks(folder)


@pytest.fixture(scope="session")
def attempts(request, bad, tmp_path_factory):
    """All mistakes that the selected tests judge, under way (mistakes.py)."""
    import mistakes
    wanted = [(item.callspec.params["mistake"], item.callspec.params["ranks"])
              for item in request.session.items if "mistake" in getattr(item, "fixturenames", ())]
    attempts = mistakes.Attempts(wanted, bad, tmp_path_factory.mktemp("attempts"))
    yield attempts
    attempts.close()
