"""How the program is started: alone, by a launcher, with what stands in the environment, each rank by a line of its own."""
import json
import os
import subprocess

import h5py
import pytest
from conftest import BRAMBLE, BUILD

IMAGES = ["--data", "synthetic:60", "--rounds", "1"]
SOON_S = 60  # nothing here takes more than a second or two; what hangs, hangs for ever


def said(done):
    return [line for line in done.stderr.splitlines() if line.startswith("bramble: ")]


def mpirun(bramble, *lines, env=None):
    """`lines` are (ranks, words...), joined by `:`."""
    words = ["timeout", "-k", "5", str(SOON_S), "mpirun", "--oversubscribe", "--bind-to", "none"]
    for n, *line in lines:
        words += ["-n", str(n), *map(str, line), ":"]
    done = bramble.run(words[:-1], timeout=SOON_S + 20, env=env)
    print("$", " ".join(words[:-1]), done.stdout, done.stderr, sep="\n")
    return done


# ---- commands that need no job --------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["info"], ["info", "--json"], ["--version"], ["help"], ["train", "--help"],
                                   ["doctor", "--help"], ["help", "plan"]], ids=" ".join)
def test_once_under_mpirun(bramble, words):
    alone = bramble(1, *words)
    together = mpirun(bramble, (3, BRAMBLE, *words))
    assert alone.returncode == together.returncode == 0 and said(together) == []
    assert together.stdout == alone.stdout != ""


def test_no_mpi_is_needed(bramble):
    """Where no daemon of MPI's can be started, which a rank of train would."""
    for words in (["train", "--help"], ["doctor", "--help"], ["info"]):
        done = bramble.run([BRAMBLE, *words], env={"PATH": "/nonexistent"}, timeout=SOON_S)
        assert done.returncode == 0 and done.stdout and not done.stderr


@pytest.mark.parametrize("name", ["SLURM_PROCID", "PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK"])
def test_a_rank_variable_is_no_launcher(bramble, name):
    env = {name: "1"}
    missing, synth, odd = (bramble(1, *words, env=env) for words in (["info", "none.h5"], ["data", "synth", "set", "10"],
                                                                     ["frobnicate"]))
    assert missing.returncode == odd.returncode == 2 and len(said(missing)) == len(said(odd)) == 1
    assert synth.returncode == 0 and (bramble.folder / "set").is_dir()
    assert bramble(1, "--version", env=env).stdout == bramble(1, "--version").stdout


def test_who_runs_in_a_script_speaks_for_itself(bramble):
    done = mpirun(bramble, (3, "sh", "-c", f"{BRAMBLE} data synth set-$OMPI_COMM_WORLD_RANK 10"))
    assert done.returncode == 0 and sorted(folder.name for folder in bramble.folder.glob("set-*")) == ["set-0", "set-1", "set-2"]


def test_each_line_of_a_job_speaks(bramble):
    lines = [(2, BRAMBLE, "data", "synth", "a", 10), (1, BRAMBLE, "data", "synth", "b", 10),
             (2, BRAMBLE, "data", "synth", "c", 10)]
    done = mpirun(bramble, *lines)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 3
    assert all((bramble.folder / name).is_dir() for name in "abc")


# ---- ranks that are not started alike --------------------------------------------------------------------------


@pytest.mark.parametrize("first, second, told", [
    (["train", *IMAGES, "--lr", "0.5"], ["train", *IMAGES], "--lr: rank 1 on"),
    (["train", *IMAGES], ["train", *IMAGES, "--average", "reduce"], "--average: rank 1 on"),
    (["train", *IMAGES, "--config", "run.ini"], ["train", *IMAGES], "--config: rank 1 on"),
    (["train", *IMAGES], ["train", *IMAGES, "--config", "run.ini"], "--config: rank 1 on"),
    (["train", *IMAGES], ["train", *IMAGES, "--rounds", "none"], "--rounds: rank 1 on"),
    (["train", *IMAGES], ["train", "--help"], "--help: rank 1"),
    (["doctor", *IMAGES[:2]], ["doctor", *IMAGES[:2], "--batch", "8"], "--batch"),
    (["train", *IMAGES], ["doctor", *IMAGES[:2]], "runs another command"),
    (["train", *IMAGES], ["train", *IMAGES, "--nonsense"], "--nonsense: unknown option"),
], ids=lambda value: value if isinstance(value, str) else " ".join(value[3:] or value))
def test_other_options(bramble, first, second, told):
    (bramble.folder / "run.ini").write_text("batch = 8\n")
    done = mpirun(bramble, (1, BRAMBLE, *first), (2, BRAMBLE, *second))
    assert done.returncode == 2 and len(said(done)) == 1 and told in said(done)[0]
    assert not list(bramble.folder.glob("*.h5"))


def test_threads_are_each_ranks_own(bramble):
    words = [BRAMBLE, "train", "--quiet", "--out", "out.h5", *IMAGES]
    done = mpirun(bramble, (2, *words, "--threads", 1), (1, *words, "--threads", 2))
    assert done.returncode == 0
    with h5py.File(bramble.folder / "out.h5") as file:
        assert list(file["machine"]["threads"]) == [1, 1, 2]


def test_another_version(bramble):
    version = subprocess.run([BRAMBLE, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    other, text = bramble.folder / "other", version.encode() + b"\0"
    program = BRAMBLE.read_bytes()
    assert program.count(text) == 1
    other.write_bytes(program.replace(text, b"9" + text[1:]))
    other.chmod(0o755)
    done = mpirun(bramble, (1, BRAMBLE, "train", *IMAGES), (1, other, "train", *IMAGES))
    assert done.returncode == 2 and len(said(done)) == 1
    assert f"is bramble 9{version[1:]}, rank 0 is {version}: put one build on all hosts" in said(done)[0]


def test_a_build_that_does_not_greet(bramble):
    """Such a one begins with what every build before this one began with."""
    driver = BUILD / "tests" / "transport_driver"
    for first, second in (("greet", "no_greeting"), ("no_greeting", "greet")):
        done = mpirun(bramble, (1, driver, first), (2, driver, second))
        assert done.returncode == 2 and len(said(done)) == 1 and "another build of bramble" in said(done)[0]


# ---- OpenMP's variables ---------------------------------------------------------------------------------------

CORES = len(os.sched_getaffinity(0))
needs_two = pytest.mark.skipif(CORES < 2, reason="needs two cores")


def machines(path):
    with h5py.File(path) as file:
        group = file["machine"]
        return list(group["threads"][:]), [text.decode() for text in group["binding"][:]]


@needs_two
@pytest.mark.parametrize("env", [{"OMP_PROC_BIND": "true"}, {"OMP_PROC_BIND": "spread", "OMP_PLACES": "threads"},
                                 {"OMP_PLACES": "cores"}, {"GOMP_CPU_AFFINITY": f"0-{CORES - 1}"}],
                         ids=lambda env: " ".join(env))
def test_openmp_binds_nothing(bramble, env):
    plain = machines(bramble.train(2, *IMAGES, out="plain.h5"))
    done = bramble(2, "train", "--quiet", "--out", "bound.h5", *IMAGES, env=env)
    assert done.returncode == 0 and machines(bramble.folder / "bound.h5") == plain
    (line,) = said(done)
    assert line.startswith("bramble: warning: rank 0 on ") and f"{', '.join(env)} is set and left out" in line
    done = bramble(1, "info", env=env)
    assert f"cores                    {CORES}\n" in done.stdout and len(said(done)) == 1


@needs_two
def test_the_threads_recorded_run(bramble):
    env = {"OMP_DYNAMIC": "true", "OMP_MAX_ACTIVE_LEVELS": "0", "OMP_NUM_THREADS": "1"}
    found = json.loads(bramble(1, "doctor", "--json", "--threads", 2, *IMAGES[:2], env=env).stdout)
    assert found["nodes"][0]["threads"] == found["nodes"][0]["threads_running"] == 2
    path = bramble.train(1, *IMAGES, out="limit.h5", env={"OMP_THREAD_LIMIT": "1"})
    assert machines(path)[0] == [1]
    for command in (["train", *IMAGES], ["doctor", *IMAGES[:2]], ["test", "limit.h5", *IMAGES[:2]]):
        for ranks in ((1,) if command[0] == "test" else (1, 2)):
            done = bramble(ranks, *command, "--threads", 2, env={"OMP_THREAD_LIMIT": "1"})
            assert done.returncode == 2 and len(said(done)) == 1
            assert "--threads 2: OMP_THREAD_LIMIT allows 1" in said(done)[0]


# ---- cores and quota -------------------------------------------------------------------------------------------


def system_with(folder, quota, layout):
    """A stand-in for / whose control group allows so many cores; returns the environment."""
    files = {"v2": {"proc/self/cgroup": "0::/job/step\n", "sys/fs/cgroup/job/cpu.max": f"{int(quota * 1e5)} 100000\n"},
             "v1": {"proc/self/cgroup": "3:cpu,cpuacct:/job/step\n",
                    "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": f"{int(quota * 1e5)}\n",
                    "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n"}}[layout]
    for name, text in files.items():
        (folder / layout / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / layout / name).write_text(text)
    return {"BRAMBLE_SENSORS": str(folder / layout)}


@needs_two
@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_threads_follow_the_quota(bramble, tmp_path, layout):
    env = system_with(tmp_path, 0.25, layout)
    done = bramble(1, "train", "--quiet", "--out", "out.h5", *IMAGES, env=env)
    assert machines(tmp_path / "out.h5")[0] == [1] and said(done) == []
    done = bramble(1, "train", "--quiet", "--out", "two.h5", "--threads", 2, *IMAGES, env=env)
    assert done.returncode == 0 and machines(tmp_path / "two.h5")[0] == [2]
    assert len(said(done)) == 1 and "2 threads, and a CPU quota of 0.25 cores" in said(done)[0]
    done = bramble(1, "train", "--quiet", "--out", "case.h5", "--threads", 2, "--case", "1:1", *IMAGES, env=env)
    assert done.returncode == 0 and said(done) == []  # who names the case knows


@needs_two
def test_a_quota_is_one_for_all_of_its_group(bramble, tmp_path):
    done = bramble(3, "train", "--quiet", "--out", "out.h5", *IMAGES, env=system_with(tmp_path, 1, "v2"))
    assert machines(tmp_path / "out.h5")[0] == [1, 1, 1]
    assert len(said(done)) == 1 and "2 threads together with other ranks, and a CPU quota of 1.00 cores" in said(done)[0]


def test_more_threads_than_cores(bramble):
    done = bramble(1, "train", "--quiet", "--out", "out.h5", "--threads", CORES + 7, *IMAGES)
    assert done.returncode == 0 and len(said(done)) == 1
    assert f"warning: rank 0 on {os.uname().nodename}: {CORES + 7} threads on {CORES} core" in said(done)[0]


def test_more_ranks_than_cores(bramble):
    done = bramble(CORES + 2, "train", "--quiet", "--out", "out.h5", *IMAGES)
    assert done.returncode == 0 and len(said(done)) == 1
    assert f"warning: {CORES + 1} workers on {os.uname().nodename} have {CORES + 1} threads together" in said(done)[0]
    fits = bramble(CORES + 1, "train", "--quiet", "--out", "fits.h5", *IMAGES)
    assert fits.returncode == 0 and said(fits) == []


@needs_two
def test_cores_that_overlap_are_shared(bramble):
    """Rank 1 may use two cores, rank 2 one of them."""
    one, two = sorted(os.sched_getaffinity(0))[:2]
    script = bramble.folder / "bind"
    script.write_text(f'#!/bin/sh\n[ "$OMPI_COMM_WORLD_RANK" = 2 ] && cores={two} || cores={one},{two}\n'
                      f'exec taskset -c $cores {BRAMBLE} "$@"\n')
    script.chmod(0o755)
    done = mpirun(bramble, (3, script, "train", "--quiet", "--out", "out.h5", *IMAGES))
    assert done.returncode == 0 and said(done) == []
    assert machines(bramble.folder / "out.h5")[0] == [1, 1, 1]


@needs_two
def test_a_server_on_a_host_of_its_own_takes_no_more_threads_than_asked(bramble):
    if os.geteuid() != 0:
        pytest.skip("another host's name needs root")
    script = bramble.folder / "start"
    script.write_text('#!/bin/sh\n[ "$OMPI_COMM_WORLD_RANK" = 0 ] || exec "$@"\n'
                      'exec unshare --uts sh -c \'hostname other; exec "$@"\' sh "$@"\n')
    script.chmod(0o755)
    for asked, threads in ((0, [CORES, CORES]), (1, [1, 1])):
        done = mpirun(bramble, (2, script, BRAMBLE, "train", "--quiet", "--out", f"{asked}.h5", "--threads", asked, *IMAGES))
        assert done.returncode == 0 and machines(bramble.folder / f"{asked}.h5")[0] == threads
