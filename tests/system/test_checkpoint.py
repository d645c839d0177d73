"""Checkpoints: a run that went on is the run that never stopped, to the last bit."""
import os
import shutil
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest
from conftest import WAIT_S
from runs import CHANGES, LINEAR, MIXED, NORMS, Run, SMALL, differences, write_model
from test_kill import ranks_of, rounds_done, wait_for

# Everything that has a state from round to round: images that change with the epoch, momentum, a falling rate, averages inside, their mean.
STATE = ["--augment", f"{CHANGES},mixup:0.4", "--keep-momentum", "--schedule", "cosine", "--warmup", 0.5, "--average-every", 3, "--tail-average", 0.5]
PLAIN = ["--local-steps", 3, "--eval-every", 2]
SERVER = ["--average-every", 3, "--server-optimizer"]


@pytest.fixture
def options(bramble, pictures):
    return ["--data", pictures, *write_model(bramble.folder, SMALL)[0], "--limit-train", 300, "--batch", 8, "--lr", 0.02,
            "--threads", 1]


def whole(bramble, ranks, options, *more, rounds=4):
    """A run that never stops; beside it c.h5, of its last round, and c.h5.previous, of half of them."""
    return Run(bramble.train(ranks, *options, "--rounds", rounds, "--checkpoint", "c.h5", "--checkpoint-every", rounds // 2,
                             *more, out="whole.h5"))


def killed(path):
    """As if the run had not come to its end."""
    with h5py.File(path, "r+") as file:
        file["summary/complete"][()] = 0
    return path


def go_on(bramble, ranks, *more, checkpoint="c.h5.previous"):
    return Run(bramble.train(ranks, "--resume", checkpoint, "--checkpoint", "next.h5", *more, out="resumed.h5"))


@pytest.mark.parametrize("ranks, more, other", [
    (1, STATE, ["--threads", 2]),
    (1, PLAIN, []),
    (3, STATE, ["--average", "slices"]),
    (3, PLAIN, ["--threads", 2, "--average", "allreduce", "--checkpoint-every", "5s"]),
    (3, [*SERVER, "adam"], ["--average", "reduce"]),
    (1, [*SERVER, "nesterov", "--server-lr", 0.5], []),
], ids=["alone", "alone, plain", "two workers", "two workers, plain", "server's Adam", "alone, server's momentum"])
def test_same_bits(bramble, options, tmp_path, ranks, more, other):
    expected = whole(bramble, ranks, options, *more)
    run = go_on(bramble, ranks, *other)
    assert expected.n_done == 4 and differences(expected, run) == []
    broken = run["interruptions/rounds"], run["interruptions/workers_before"], run["interruptions/workers_after"]
    assert [list(column) for column in broken] == [[2], [max(1, ranks - 1)], [max(1, ranks - 1)]]
    assert run["interruptions/t_lost_s"] >= 0 and run["interruptions/signal"] == 0
    assert not any(name.startswith("interruptions") for name in expected.values)
    # Time goes on as well: what the former start took counts, what was lost does not.
    ends, former = run["rounds/t_end_s"], expected["rounds/t_end_s"]
    assert np.array_equal(ends[:2], former[:2]) and (np.diff(ends) > 0).all()
    assert run.summary["t_time_s"] == ends[-1] and run.summary["complete"] == 1
    work = sum(run["rounds/ranks/" + name][:, run["machine/is_worker"] == 1].mean(axis=1) for name in ("train_s", "input_s"))
    assert run.summary["w_time_s"] == pytest.approx(work.sum())
    # And once more, from the end.  The model was not tested: it is, and the file is complete.
    killed(tmp_path / "resumed.h5")
    again = Run(bramble.train(ranks, "--resume", "next.h5", out="resumed.h5"))
    assert differences(expected, again) == [] and list(again["interruptions/rounds"]) == [2, 4]


def test_dropout_goes_on(bramble, pictures, tmp_path):
    """What it leaves out depends on the epoch and the image, which a run that goes on knows."""
    options = ["--data", pictures, *write_model(bramble.folder, MIXED)[0], "--limit-train", 60, "--batch", 8, "--lr", 0.02]
    expected = whole(bramble, 3, options, *PLAIN)
    assert differences(expected, go_on(bramble, 3, "--threads", 2)) == []


@pytest.mark.parametrize("ranks", [1, 3])
def test_statistics(bramble, pictures, ranks):
    """Batch norm's go on like weights, and what is measured before a test does not change what training goes on from."""
    options = ["--data", pictures, *write_model(bramble.folder, NORMS)[0], "--limit-train", 100, "--batch", 8, "--threads", 1]
    expected = whole(bramble, ranks, options, *STATE, "--reestimate", 30)
    assert differences(expected, go_on(bramble, ranks, "--threads", 2)) == []
    other = go_on(bramble, 3 if ranks == 1 else 1)
    assert other.n_done == 4 and all(np.isfinite(w).all() for w in other.weights.values())
    assert all((w >= 0).all() for name, w in other.weights.items() if name.endswith("running_var"))


def test_a_checkpoint_is_small_and_a_result_file(bramble, pictures, tmp_path):
    """The paper's net, three workers that keep their momentum."""
    bramble.train(4, "--data", pictures, "--limit-train", 60, "--rounds", 2, "--threads", 1, "--keep-momentum",
                  "--checkpoint", "c.h5")
    assert (tmp_path / "c.h5").stat().st_size < 3e6
    assert bramble(1, "info", "c.h5").returncode == 0
    told = bramble(1, "test", "c.h5", "--data", pictures)
    assert told.returncode == 0 and "accuracy" in told.stdout
    with h5py.File(tmp_path / "c.h5") as file:
        assert file["checkpoint/v"].shape == (3, 62006) and file["checkpoint/w"].shape == (62006,)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.h5", "c.h5.previous", "out.h5"]


@pytest.mark.parametrize("before, after", [(3, 4), (4, 2), (2, 1)])
def test_other_workers(bramble, options, tmp_path, before, after):
    """The images are dealt anew, the momentum is the mean of all, and the file has room for all ranks."""
    expected = whole(bramble, before, options, *STATE)
    run = go_on(bramble, after)
    workers = max(1, after - 1)
    assert (run["interruptions/workers_before"], run["interruptions/workers_after"]) == (before - 1, workers)
    assert run["rounds/ranks/images"].shape == (4, max(before, after))
    for name in ("rounds/loss", "rounds/ranks/loss", "test/accuracy"):
        is_there = run[name][:2] if run[name].ndim == 1 else run[name][:2, :before]
        assert np.array_equal(is_there, expected[name][:2], equal_nan=True), name
    images = run["rounds/ranks/images"]
    assert np.isnan(images[:2, before:]).all() and np.isnan(images[2:, after:]).all()
    assert (np.nansum(images, axis=1) == 300).all() and (run["rounds/images"] == 300).all()
    assert np.array_equal(run["rounds/passes"], [1, 2, 3, 4]) and run["rounds/loss"][3] < run["rounds/loss"][0]
    assert run.summary["nodes"] == workers and run.summary["complete"] == 1
    assert bramble(1, "report", "resumed.h5").returncode == 0 == bramble(1, "info", "resumed.h5").returncode
    assert differences(run, Run(bramble.train(after, "--resume", "c.h5.previous", "--checkpoint", "third.h5",
                                              out="again.h5"))) == []


def test_more_rounds(bramble, options):
    expected = whole(bramble, 1, options, "--eval-every", 1, rounds=6)
    bramble.train(1, *options, "--eval-every", 1, "--rounds", 3, "--checkpoint", "short.h5")
    run = go_on(bramble, 1, "--rounds", 6, checkpoint="short.h5")
    assert differences(expected, run) == []


def test_its_own_result_file_goes_on(bramble, options, tmp_path):
    """--resume alone: the same file, the same checkpoint; anybody else's file is left alone."""
    expected = whole(bramble, 1, options)
    shutil.copy(tmp_path / "c.h5.previous", tmp_path / "own.h5")
    killed(tmp_path / "whole.h5")
    done = bramble(1, "train", "--resume", "own.h5", "--quiet")
    assert done.returncode == 0, done.stderr
    run = Run(tmp_path / "whole.h5")
    assert differences(expected, run) == [] and run["interruptions/rounds"] == 2
    assert "run" in run.build and run.build["run"] == expected.build["run"]
    with h5py.File(tmp_path / "own.h5") as file:
        assert file["rounds/n_done"][()] == 4
    (tmp_path / "whole.h5").unlink()  # a path out of a file is not written to on its word alone
    refuse(bramble, "name one with --out", "--resume", "own.h5")
    bramble.train(1, *options, "--rounds", 1, out="whole.h5")
    before = (tmp_path / "whole.h5").read_bytes()
    refuse(bramble, "name one with --out", "--resume", "own.h5")
    refuse(bramble, "whole.h5: exists", "--resume", "own.h5", "--out", "whole.h5")
    assert (tmp_path / "whole.h5").read_bytes() == before


def refuse(bramble, says, *args, ranks=1, status=2):
    done = bramble(ranks, "train", "--quiet", *args)
    lines = [line for line in done.stderr.splitlines() if line.startswith("bramble: ")]
    assert done.returncode == status and len(lines) == 1 and says in lines[0], done.stderr
    assert done.stdout == ""


def test_mistakes(bramble, options, tmp_path):
    whole(bramble, 1, options, *STATE)
    (tmp_path / "other.ini").write_text(SMALL.replace("units = 13", "units = 14"))
    subprocess.run([bramble.command(1)[0], "data", "synth", "other", "600", "--seed", "6"], cwd=tmp_path, check=True,
                   timeout=WAIT_S, stdout=subprocess.DEVNULL)
    here = sorted(path.name for path in tmp_path.iterdir())
    resume = ["--resume", "c.h5.previous", "--checkpoint", "n.h5", "--out", "x.h5"]
    for option, now, was in [("--lr", 0.01, "0.02"), ("--batch", 9, "8"), ("--seed", 2, "1"), ("--schedule", "linear", "cosine"),
                             ("--limit-train", 200, "300"), ("--local-steps", 5, "0"), ("--average-every", 2, "3")]:
        refuse(bramble, f"{option} {now}: the run in c.h5.previous has {was}", *resume, option, now)
    refuse(bramble, "--no-keep-momentum"[5:], *resume, "--no-keep-momentum")
    refuse(bramble, "--shards", *resume, "--shards", 300)
    refuse(bramble, "--rounds 9: the run in c.h5.previous was planned for 4", *resume, "--rounds", 9)
    refuse(bramble, "is not the model of the run", *resume, "--model", "./other.ini")
    refuse(bramble, "--data other: these are not the images", *resume, "--data", "other")
    refuse(bramble, "--resume: none.h5", *resume[2:], "--resume", "none.h5")
    refuse(bramble, "no whole checkpoint", *resume[2:], "--resume", "whole.h5", ranks=3)
    refuse(bramble, "--checkpoint-every x", *resume, "--checkpoint-every", "x")
    refuse(bramble, "c.h5: exists", *options, "--checkpoint", "c.h5", "--out", "x.h5")
    refuse(bramble, "no such folder", *options, "--checkpoint", "none/c.h5", "--out", "x.h5")
    for ranks in (1, 3):
        for kept, out in (("x.h5", "x.h5"), ("x.h5", "./x.h5"), (tmp_path / "x.h5", "x.h5"), ("x.h5", "x.h5.previous")):
            refuse(bramble, "is the result file; choose another --checkpoint", *options, "--checkpoint", kept, "--out", out,
                   ranks=ranks)
    assert sorted(path.name for path in tmp_path.iterdir()) == here


def test_the_same_options_again(bramble, options, tmp_path):
    """What a job script does: the whole command line once more, and --resume."""
    expected = whole(bramble, 3, options, *STATE)
    killed(tmp_path / "whole.h5")
    done = bramble(3, "train", "--quiet", *options, *STATE, "--rounds", 4, "--out", "whole.h5", "--checkpoint", "c.h5",
                   "--resume", "c.h5.previous", "--force")
    assert done.returncode == 0, done.stderr
    assert differences(expected, Run(tmp_path / "whole.h5")) == []


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("target", [None, 0.01])
def test_finished(bramble, options, tmp_path, ranks, target):
    """There is nothing to go on with: that is said, with the summary there is, and no file changes."""
    more = ["--target-accuracy", target] if target else []
    ended = bramble(ranks, "train", "--quiet", *options, *more, "--rounds", 4, "--checkpoint", "c.h5", "--out", "run.h5")
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.h5*")}
    assert Run(tmp_path / "run.h5").n_done == (1 if target else 4)
    for words in (["--resume", "c.h5"], ["--resume", "c.h5.previous", "--out", "run.h5", "--force"],
                  [*options, *more, "--rounds", 4, "--checkpoint", "c.h5", "--out", "run.h5", "--resume", "c.h5", "--force"]):
        if not (tmp_path / words[words.index("--resume") + 1]).exists():
            continue
        done = bramble(ranks, "train", "--quiet", *words)
        assert done.returncode == 0 and done.stdout == ended.stdout
        assert done.stderr == "bramble: run.h5: the run is finished, nothing is changed\n"
        assert {path.name: path.read_bytes() for path in tmp_path.glob("*.h5*")} == before
    if not target:
        assert bramble(ranks, "train", "--quiet", "--resume", "c.h5", "--rounds", 5).returncode == 0
        assert Run(tmp_path / "run.h5").n_done == 5


@pytest.mark.parametrize("ranks", [1, 3])
def test_torn(bramble, options, tmp_path, ranks):
    """The newest is torn: a warning, and the one before is used; then both are."""
    expected = whole(bramble, ranks, options, *STATE)
    killed(tmp_path / "whole.h5")
    os.truncate(tmp_path / "c.h5", 8192)
    done = bramble(ranks, "train", "--resume", "c.h5", "--quiet")
    assert done.returncode == 0 and "bramble: warning: c.h5: is no whole checkpoint; going on from c.h5.previous, " \
        "of round 2" in done.stderr
    assert differences(expected, Run(tmp_path / "whole.h5")) == []
    for name in ("c.h5", "c.h5.previous"):
        os.truncate(tmp_path / name, 8192)
    refuse(bramble, "nor can the previous be used", "--resume", "c.h5", ranks=ranks)


SLOW_DISK = """
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
static int held(long call, int fd)
{
    FILE *there = NULL;
    if (access("hold", F_OK) == 0 && (there = fopen("held", "w")))
        fclose(there);
    while (access("hold", F_OK) == 0)
        usleep(1000);
    return (int)syscall(call, fd);
}
int fsync(int fd) { return held(SYS_fsync, fd); }
int fdatasync(int fd) { return held(SYS_fdatasync, fd); }
"""


@pytest.mark.parametrize("ranks, more", [(1, []), (3, []), (3, ["--keep-momentum"])], ids=["alone", "two workers", "momentum"])
def test_slow_disk(bramble, pictures, tmp_path, ranks, more):
    """While nothing comes to the disk training goes on, round after round; a stop waits until it is saved."""
    (tmp_path / "disk.c").write_text(SLOW_DISK)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "disk.so", "disk.c"], cwd=tmp_path, check=True, timeout=WAIT_S)
    options = ["--data", pictures, *write_model(tmp_path, LINEAR)[0], "--limit-train", 8, "--batch", 2, "--lr", 1e-4, "--threads",
               1, "--limit-test", 20, *more]
    line = bramble.command(ranks, "train", "--quiet", *options, "--rounds", 100000, "--out", "out.h5", "--checkpoint", "c.h5",
                           below=["env", f"LD_PRELOAD={tmp_path}/disk.so"])
    with subprocess.Popen(line, cwd=tmp_path, env=bramble.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(lambda: rounds_done(tmp_path / "out.h5") >= 2)
            (tmp_path / "hold").touch()
            wait_for((tmp_path / "held").exists)
            n = rounds_done(tmp_path / "out.h5")
            wait_for(lambda: rounds_done(tmp_path / "out.h5") >= n + 20, 30)
            os.kill(ranks_of(tmp_path)[0], signal.SIGUSR1)
            time.sleep(0.3)
            assert process.poll() is None, "what is under way is saved first"
        except BaseException:
            process.kill()
            raise
        finally:
            (tmp_path / "hold").unlink()
        said = process.communicate(timeout=WAIT_S)[1]
    run = Run(tmp_path / "out.h5")
    assert process.returncode == 3 and f"; {run.n_done} of 100000 rounds are saved" in said, said
    assert run.n_done >= n + 20 and run["model/round"] == run.n_done - 1
    n = run.n_done + 2
    resumed = Run(bramble.train(ranks, "--resume", "c.h5", "--rounds", n, out="out.h5"))
    assert resumed["interruptions/rounds"] == n - 2
    assert differences(resumed, Run(bramble.train(ranks, *options, "--rounds", n, out="whole.h5"))) == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own in memory, 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], stderr=subprocess.DEVNULL)
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_full_disk(bramble, options, small_disk, tmp_path):
    """Whatever there is room for: nothing starts, or every checkpoint is written; also over those of another run."""
    kept = ["--checkpoint", "disk/c.h5", "--checkpoint-every", 1, "--rounds", 4, "--keep-momentum"]
    statuses = []
    for kb in (150, 250, 350, 450, 700, 400, 500, 700):
        subprocess.run(["mount", "-o", f"remount,size={kb}k", small_disk], check=True)
        here = sorted(path.name for path in small_disk.iterdir())
        done = bramble(1, "train", "--quiet", *options, *kept, "--out", "x.h5", "--force")
        statuses.append(done.returncode)
        assert done.returncode in (0, 1), done.stderr
        if done.returncode == 1:
            assert "disk/c.h5: cannot be written: No space left" in done.stderr and len(done.stderr.splitlines()) == 1
            assert sorted(path.name for path in small_disk.iterdir()) == here and not (tmp_path / "x.h5").exists()
        else:
            assert done.stderr == "" and Run(small_disk / "c.h5").n_done == 4
            assert Run(small_disk / "c.h5.previous").n_done in (1, 2, 3)  # rounds may end faster than the disk writes
            (tmp_path / "x.h5").unlink()
    print(statuses)
    assert statuses[0] == 1 and statuses[4] == 0


def test_read_only(bramble, options, small_disk, tmp_path):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    refuse(bramble, "Read-only file system", *options, "--checkpoint", "disk/c.h5", "--out", "x.h5", status=1)
    assert not (tmp_path / "x.h5").exists()
