"""What breaks a run on one machine: ranks that die or hang, clocks, locks, memory, disks, descriptors."""
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faults
import h5py
import numpy as np
import pytest
from conftest import BRAMBLE, ROOT, SLOW, WAIT_S, Runner
from faults import LONG, LONG_STEPS, N_RANKS, PATIENCE, Supervised, command, long_command, once_saved
from forbidden import KNOWN, LINKS, LOCKS, forbid
from runs import LINEAR, PAPER, Run, differences, write_model
from test_kill import ranks_of, rounds_done, wait_for

TINY = ["--limit-train", 60, "--limit-test", 20, "--batch", 4, "--threads", 1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, pictures):
    """The run of command() that never stopped."""
    runner = Runner(tmp_path_factory.mktemp("whole"))
    return faults.reference(runner, command(runner, pictures))


@pytest.fixture(scope="module")
def long(tmp_path_factory, pictures):
    """That of long_command()."""
    runner = Runner(tmp_path_factory.mktemp("long"))
    return faults.reference(runner, long_command(runner, pictures))


def lines_of(text):
    return [line for line in text.splitlines() if line.startswith("bramble: ")]


# ---- ranks that die or hang -------------------------------------------------------------------------------


def test_random_moments(tmp_path, pictures, whole):
    """kill -9 or SIGSTOP of any rank at 20 random moments (`make soak` has more): the same bits as without."""
    def one(seed):
        folder = tmp_path / str(seed)
        folder.mkdir()
        return faults.one_fault(Runner(folder), pictures, seed, whole)
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(one, range(1, 21)))
    for outcome in outcomes:
        print(outcome)
    assert [outcome for outcome in outcomes if not faults.good(outcome)] == []
    struck = [outcome for outcome in outcomes if outcome["restarts"]]
    assert len(struck) >= 10 and {outcome["signal"] for outcome in struck} == {"SIGKILL", "SIGSTOP"}


def test_what_is_tried_again(bramble, pictures, tmp_path, long):
    """The dead rank and its host are named; a run that is done is not run again; a mistake is none of its business."""
    run = Supervised(bramble, long_command(bramble, pictures))
    os.kill(once_saved(lambda: ranks_of(tmp_path).get(2), tmp_path / "c.h5"), signal.SIGKILL)
    assert run.end() == 0, run.all()
    host = os.uname().nodename
    assert run.words() == [f"supervise: rank 2 on {host} was ended by signal 9 (Killed); restart 1 from c.h5"]
    result = Run(tmp_path / "out.h5")
    assert differences(long, result) == [] and result["interruptions/rounds"].size == 1
    again = Supervised(bramble, long_command(bramble, pictures))
    assert again.end() == 0 and again.words() == []
    assert differences(long, Run(tmp_path / "out.h5")) == []
    mistake = Supervised(bramble, long_command(bramble, pictures, "--lr", "fast"))
    assert mistake.end() == 2 and mistake.words() == [] and len(lines_of(mistake.text())) == 1


def test_mpirun_does_not_end(bramble, pictures, tmp_path, long):
    """As now and then when a rank dies in MPI_Init: here it is stopped, so that it does not see its ranks' end."""
    run = Supervised(bramble, long_command(bramble, pictures))
    once_saved(lambda: ranks_of(tmp_path).get(2), tmp_path / "c.h5")
    ranks = ranks_of(tmp_path)
    mpirun = int(Path(f"/proc/{ranks[0]}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(mpirun, signal.SIGSTOP)
    for pid in ranks.values():
        os.kill(pid, signal.SIGKILL)
    assert run.end() == 0, run.all()
    assert run.words() == ["supervise: mpirun does not end, though all it had started has; ended by force; restart 1 from c.h5"]
    assert differences(long, Run(tmp_path / "out.h5")) == []


def test_it_gives_up(bramble, pictures, tmp_path):
    """A run that cannot work is started three times more, not for ever."""
    (tmp_path / "net.ini").write_text(LINEAR)
    line = command(bramble, pictures)
    line[line.index("train") - 1] = "/bin/false"
    run = Supervised(bramble, line)
    assert run.end() == 1
    assert len([word for word in run.words() if "; restart " in word]) == 2 and "given up after 2 restarts" in run.words()[-1]


def test_asked_to_stop(bramble, pictures, tmp_path):
    run = Supervised(bramble, command(bramble, pictures, rounds=100000), "--patience", 10 * PATIENCE)
    wait_for(lambda: rounds_done(tmp_path / "out.h5") >= 4)
    run.process.terminate()
    assert run.end() == 3, run.all()
    wait_for(lambda: not ranks_of(tmp_path))
    assert len(lines_of(run.text())) == 1 and "stopped by SIGUSR1" in run.all() and run.words() == []


def worker_of(out):
    """The process of rank 1 of the run that writes this file; None: it is not there."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.path.samefile(entry / "exe", BRAMBLE) and str(out).encode() in (entry / "cmdline").read_bytes() and \
                    b"OMPI_COMM_WORLD_RANK=1\0" in (entry / "environ").read_bytes():
                return int(entry.name)
        except OSError:
            pass  # gone in the meantime
    return None


def test_a_study(bramble, pictures, tmp_path):
    """jobs/study --supervise: a run whose worker dies is done all the same, and its checkpoint is gone then."""
    study = [ROOT / "jobs" / "study", "--supervise", "--results", tmp_path, "--repeats", 1, "--data", pictures, "--model",
             write_model(tmp_path, LINEAR)[0][1].replace(".", str(tmp_path), 1), "--rounds", LONG, "--local-steps", LONG_STEPS, "1:1"]
    with subprocess.Popen([*map(str, study)], env=dict(bramble.env, BRAMBLE=str(BRAMBLE)), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        out = tmp_path / "cases" / "cases-1-1-r1.h5"
        os.kill(once_saved(lambda: worker_of(out), out.with_suffix(".checkpoint.h5")), signal.SIGKILL)
        said = run.communicate(timeout=WAIT_S)
    assert run.returncode == 0, said
    assert Run(out).summary["complete"] == 1 and Run(out)["interruptions/rounds"].size == 1
    assert sorted(path.name for path in out.parent.iterdir() if path.suffix != ".log") in (
        [".lock", out.name], [out.name])


@pytest.mark.parametrize("words", [[], ["--patience", "no", "mpirun"], ["bramble", "train"], ["mpirun", "bramble", "train"],
                                   ["--often", "mpirun"], ["mpirun", "--hostfile", "none", "bramble", "train", "--out", "x"]])
def test_mistakes(words, tmp_path):
    done = subprocess.run([faults.SUPERVISE, *words], cwd=tmp_path, capture_output=True, text=True, timeout=30 * SLOW)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and done.stderr.startswith("supervise: ")


# ---- a slow worker, a clock that jumps --------------------------------------------------------------------


def test_a_worker_ten_times_slower(bramble, pictures, tmp_path):
    """It is waited for, and is not taken for one that hangs."""
    capped = ROOT / "jobs" / "capped"
    if subprocess.run([capped, "0.1", "true"], capture_output=True, timeout=60).returncode == 77:
        pytest.skip("no cpu control group")
    slow = ["sh", "-c", f'[ "$OMPI_COMM_WORLD_RANK" = 2 ] || exec "$0" "$@"; exec {capped} 0.1 "$0" "$@"']
    line = bramble.command(3, "train", "--quiet", "--data", pictures, *TINY, "--local-steps", 2500, "--rounds", 1,
                           "--stall", 4, "--out", "out.h5", below=slow)
    done = bramble.run(line, 120 * SLOW)
    assert done.returncode == 0 and lines_of(done.stderr) == [], done.stderr
    t_s = Run(tmp_path / "out.h5")["rounds/ranks/train_s"][0]
    print(f"one worker took {t_s[1]:.1f} s, the slow one {t_s[2]:.1f} s")
    with h5py.File(tmp_path / "out.h5") as file:
        assert np.isnan(file["stalls/n"][:]).all()


CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
static long past(void) { static _Atomic long calls; return 3600 * ++calls; } /* an hour each time */
int clock_gettime(clockid_t id, struct timespec *t)
{
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(id, t);
    if (id == CLOCK_REALTIME) t->tv_sec -= past();
    return status;
}
int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *t)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}
"""


def test_clock_jumps_backwards(bramble, pictures, tmp_path):
    """The time of day goes an hour back each time it is read: durations and results do not know it."""
    (tmp_path / "clock.c").write_text(CLOCK)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", "clock.so", "clock.c", "-ldl"], cwd=tmp_path, check=True, timeout=60)
    options = ["--data", pictures, *TINY, "--rounds", 3, "--checkpoint", "c.h5", "--checkpoint-every", "1s", "--force"]
    expected = Run(bramble.train(3, *options, out="plain.h5"))
    line = bramble.command(3, "train", "--quiet", *options, "--out", "out.h5", below=["env", f"LD_PRELOAD={tmp_path}/clock.so"])
    began = time.monotonic()
    done = bramble.run(line, 120 * SLOW)
    assert done.returncode == 0, done.stderr
    took_s, run = time.monotonic() - began, Run(tmp_path / "out.h5")
    assert differences(expected, run) == []
    assert (np.diff(run["rounds/t_end_s"]) > 0).all() and 0 < run.summary["t_time_s"] < took_s
    assert (run.phases()[0][np.isfinite(run.phases()[0])] >= 0).all()
    dates = [Run(tmp_path / name).build.get("date", b"") for name in ("plain.h5", "out.h5")]
    print(dates)


def test_only_dates_come_from_the_time_of_day():
    found = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "src").rglob("*.c"))
             if re.search(r"CLOCK_REALTIME|\bgettimeofday\(|\btime\(NULL\)", path.read_text())]
    assert set(found) <= {"src/doctor/links.c", "src/base/clock.c"}


# ---- locks, memory, disks, descriptors --------------------------------------------------------------------


def run_with(forbidden, bramble, *args, ranks=3):
    return subprocess.run(bramble.command(ranks, *args), cwd=bramble.folder, env=bramble.env, capture_output=True, text=True,
                          timeout=60 * SLOW, stdin=subprocess.DEVNULL, preexec_fn=lambda: forbid(forbidden))


def write_read_go_on(forbidden, bramble, pictures):
    """A run is written, read, tested and goes on."""
    folder = Path(bramble.folder)
    options = ["--data", pictures, *TINY, "--rounds", 4, "--checkpoint-every", 1, "--checkpoint", "c.h5", "--out", "out.h5"]
    for words in (["train", "--quiet", *options], ["train", "--quiet", "--resume", "c.h5.previous", "--out", "b.h5",
                                                   "--checkpoint", "d.h5"]):
        done = run_with(forbidden, bramble, *words)
        assert done.returncode == 0 and lines_of(done.stderr) == [], done.stderr
    assert differences(Run(folder / "out.h5"), Run(folder / "b.h5")) == []
    assert Run(folder / "c.h5.previous").n_done in (1, 2, 3) and not [path for path in folder.iterdir() if ".tmp" in path.name]
    for words in (["info", "out.h5"], ["report", "out.h5"], ["test", "out.h5", "--data", pictures]):
        assert run_with(forbidden, bramble, *words, ranks=1).returncode == 0
    again = run_with(forbidden, bramble, "train", "--quiet", "--data", pictures, *TINY, "--rounds", 1, "--out", "out.h5")
    assert again.returncode == 2 and "out.h5: exists" in again.stderr and Run(folder / "out.h5").n_done == 4
    again = run_with(forbidden, bramble, "train", "--quiet", "--data", pictures, *TINY, "--rounds", 1, "--out", "out.h5", "--force")
    assert again.returncode == 0 and Run(folder / "out.h5").n_done == 1


@pytest.mark.skipif(not KNOWN, reason="system calls are numbered differently")
def test_without_locks(bramble, pictures, tmp_path):
    """As on NFS without a lock daemon."""
    probe = subprocess.run(["flock", "-n", tmp_path, "true"], capture_output=True, preexec_fn=lambda: forbid(LOCKS))
    assert probe.returncode != 0  # there are none
    write_read_go_on(LOCKS, bramble, pictures)


@pytest.mark.skipif(not KNOWN, reason="system calls are numbered differently")
def test_without_hard_links(bramble, pictures, tmp_path):
    """As on exFAT through FUSE, which knows no RENAME_NOREPLACE either: --force is not needed."""
    (tmp_path / "a").touch()
    probe = subprocess.run(["ln", "a", "b"], cwd=tmp_path, capture_output=True, preexec_fn=lambda: forbid(LINKS))
    assert probe.returncode != 0
    write_read_go_on(LINKS, bramble, pictures)


def test_two_runs_with_the_same_out(bramble, pictures, tmp_path):
    """At the same moment: one gets the name, the other says that it is taken.  While one runs --force is no help."""
    options = ["--data", pictures, *TINY, "--rounds", 2, "--out", "out.h5"]
    started = [subprocess.Popen(bramble.command(2, "train", "--quiet", *options, "--seed", seed), cwd=tmp_path, env=bramble.env,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
               for seed in (1, 2)]
    said = [one.communicate(timeout=WAIT_S)[1] for one in started]
    statuses = [one.returncode for one in started]
    assert sorted(statuses) == [0, 2], said
    loser = statuses.index(2)
    assert len(lines_of(said[loser])) == 1 and "out.h5: exists" in said[loser]
    run = Run(tmp_path / "out.h5")
    assert run.summary["complete"] == 1 and run.config["seed"] == b"21"[loser:loser + 1]
    with subprocess.Popen(command(bramble, pictures, "--force", rounds=100000), cwd=tmp_path, env=bramble.env,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        wait_for(lambda: ranks_of(tmp_path) and rounds_done(tmp_path / "out.h5") >= 4)
        done = bramble(2, "train", "--quiet", *options, "--force")
        first.send_signal(signal.SIGUSR1)
        assert first.wait(30 * SLOW) == 3
    assert done.returncode == 2 and "a run is writing it just now" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if ".tmp" in path.name) == []


def test_disk_full_during_a_run(bramble, pictures, tmp_path):
    """The room for all rounds was taken at the start: the disk may fill up."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("needs the right to mount")
    try:
        line = command(bramble, pictures, "--out", "disk/out.h5", "--checkpoint", "disk/c.h5")
        with subprocess.Popen(line, cwd=tmp_path, env=bramble.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True) as run:
            wait_for(lambda: rounds_done(disk / "out.h5") >= 2)
            with open(disk / "filler", "wb", buffering=0) as filler:
                with pytest.raises(OSError, match="No space"):
                    while True:
                        filler.write(b"x" * 4096)
            said = run.communicate(timeout=WAIT_S)[1]
        assert run.returncode == 0, said
        assert Run(disk / "out.h5").summary["complete"] == 1
        assert all("warning: no checkpoint of round" in line and "No space" in line for line in lines_of(said))
        assert [path.name for path in disk.iterdir() if path.name.endswith(".tmp")] == []
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_disk_read_only_during_a_run(bramble, pictures, tmp_path):
    """As a worn SD card does it: the file system finds an error and refuses to be written from then on."""
    image, copy, disk = tmp_path / "image", tmp_path / "copy", tmp_path / "disk"
    disk.mkdir()
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    mounted = subprocess.run(f"mkfs.ext4 -q {image} && mount -o loop,errors=remount-ro {image} {disk}", shell=True,
                             capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"needs the right to mount a file: {mounted.stderr}")
    try:
        device = subprocess.run(["findmnt", "-no", "SOURCE", disk], capture_output=True, text=True, check=True).stdout.strip()
        line = command(bramble, pictures, "--out", "disk/out.h5", "--checkpoint", "disk/c.h5", rounds=5000)
        with subprocess.Popen(line, cwd=tmp_path, env=bramble.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True) as run:
            wait_for(lambda: rounds_done(disk / "out.h5") >= 8 and rounds_done(disk / "c.h5") >= 2)
            os.sync()
            Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("1")
            said = run.communicate(timeout=WAIT_S)[1]
        assert run.returncode == 1, said
        *warnings, last = lines_of(said)
        why = "(Read-only file system|Input/output error)"  # the second where it was writing at that moment
        assert re.fullmatch(f"bramble: disk/out.h5: cannot be written: {why}", last), said
        assert all(re.fullmatch(f"bramble: warning: no checkpoint of round .*: {why}", line) for line in warnings), said
        # As at the next start of a Pi, from a copy: an emulated host that started meanwhile has this mount too, in a namespace
        # of its own, and while it has, the image mounted again would be the same file system in the same state.
        subprocess.run(["umount", disk], check=True)
        os.sync()
        shutil.copyfile(image, copy)
        mended = subprocess.run(["e2fsck", "-y", copy], capture_output=True, text=True)  # fsck.repair=yes of its cmdline.txt
        assert mended.returncode in (0, 1), mended.stdout
        subprocess.run(["mount", "-o", "loop", copy, disk], check=True)
        done = rounds_done(disk / "out.h5")
        assert done >= 8
        resumed = bramble(N_RANKS, "train", "--quiet", "--resume", "disk/c.h5", "--rounds", done + 4)
        assert resumed.returncode == 0, resumed.stderr
        assert Run(disk / "out.h5").summary["complete"] == 1
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_data_that_shrinks_while_it_is_read(bramble, tmp_path, ranks):
    """One line and one status, or a run that was faster; never a crash or a rank left waiting."""
    data, size = tmp_path / "data", 3073 * 10000
    data.mkdir()
    names = [data / f"data_batch_{k}.bin" for k in range(1, 6)] + [data / "test_batch.bin"]
    for name in names:
        with open(name, "wb") as file:
            file.truncate(size)
    statuses, over = [], threading.Event()

    def shrink_and_grow():
        draw = random.Random(ranks)
        while not over.is_set():
            name = draw.choice(names)
            os.truncate(name, draw.randrange(size // 3073) * 3073)
            os.truncate(name, size)
    shrinking = threading.Thread(target=shrink_and_grow)
    shrinking.start()
    try:
        for turn in range(3):
            done = bramble(ranks, "train", "--quiet", "--data", data, "--model", write_model(tmp_path, LINEAR)[0][1], "--rounds", 1,
                           "--local-steps", 1, "--threads", 1, "--limit-test", 20, "--out", f"{turn}.h5", timeout=60 * SLOW)
            statuses.append(done.returncode)
            said = lines_of(done.stderr)
            assert (done.returncode == 0 and not said) or (done.returncode in (1, 2) and len(said) == 1 and ".bin" in said[0]), done
    finally:
        over.set()
        shrinking.join()
    print(statuses, said)


def test_out_of_memory(bramble, pictures, tmp_path):
    """A worker's control group is too small for it: the kernel ends it, mpirun names it, what was there is whole."""
    root = Path("/sys/fs/cgroup/memory") if Path("/sys/fs/cgroup/memory/tasks").exists() else Path("/sys/fs/cgroup")
    limit, group = ("memory.limit_in_bytes" if root.name == "memory" else "memory.max"), root / f"test-memory-{os.getpid()}"
    try:
        group.mkdir()
        (group / limit).write_text(str(12 << 20))
    except OSError as why:
        group.is_dir() and group.rmdir()
        pytest.skip(f"no memory control group: {why}")
    try:
        if (group / "memory.swap.max").exists():
            (group / "memory.swap.max").write_text("0")
        small = ["sh", "-c", f'[ "$OMPI_COMM_WORLD_RANK" != 2 ] || echo $$ > {group}/cgroup.procs; exec "$0" "$@"']
        (tmp_path / "net.ini").write_text(PAPER)
        line = bramble.command(3, "train", "--quiet", "--data", "synthetic:6000", "--model", "./net.ini", "--batch", 512,
                               "--rounds", 2, "--threads", 1, "--out", "out.h5", below=small)
        done = bramble.run(line, 60)
        print(done.stderr)
        assert done.returncode in (1, 137)
        assert "process rank 2 with PID" in done.stderr and "signal 9 (Killed)" in done.stderr or \
            len(lines_of(done.stderr)) == 1 and "memory" in done.stderr
        wait_for(lambda: not ranks_of(tmp_path))  # mpirun may be gone a moment before the ranks that it ended
        if (tmp_path / "out.h5").exists():
            assert bramble(1, "info", "out.h5").returncode == 0
    finally:
        wait_for(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


@pytest.mark.parametrize("ranks", [1, 3])
def test_descriptors_exhausted(bramble, pictures, tmp_path, ranks):
    """Whatever their number: the run is complete, or it fails in words and leaves no file."""
    outcomes = []
    for n in (8, 12, 16, 20, 24, 32, 48):
        for path in tmp_path.iterdir():
            path.unlink()
        line = bramble.command(ranks, "train", "--quiet", "--data", pictures, *TINY, "--rounds", 2, "--checkpoint", "c.h5",
                               "--out", "out.h5", below=["prlimit", f"--nofile={n}"])
        done = bramble.run(line, 60)
        outcomes.append((n, done.returncode))
        print(n, done.returncode, done.stderr)
        assert done.returncode >= 0
        wait_for(lambda: not ranks_of(tmp_path))
        if done.returncode == 0:
            assert Run(tmp_path / "out.h5").summary["complete"] == 1
        else:
            assert done.stderr.strip() and [path.name for path in tmp_path.iterdir() if ".tmp" in path.name] == []
    print(outcomes)
    assert outcomes[-1][1] == 0
