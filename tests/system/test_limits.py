"""What a shell or a batch system leaves to the program: little room for files, no descriptors."""
import pytest
from conftest import BRAMBLE
from mistakes import own_lines
from runs import Run

TINY = ["--data", "synthetic:20", "--threads", 1, "--out", "out.h5"]


def test_limit_for_files(bramble, tmp_path):
    """ulimit -f: as on a full disk, one line says it, and nothing half-written is left."""
    line = bramble.command(1, "train", "--quiet", *TINY, "--rounds", 100000, "--checkpoint", "c.h5", below=["prlimit", "--fsize=9000000"])
    done = bramble.run(line)
    told = own_lines(done.stderr)  # Open MPI 5 misses its shared memory as well
    assert done.returncode == 1 and told[0].startswith("bramble: ") and "File too large" in told[0], done
    assert len(told) == 1 and list(tmp_path.iterdir()) == []
    done = bramble.run(bramble.command(1, "data", "synth", "set", 50, below=["prlimit", "--fsize=10000"]))
    assert done.returncode == 1 and done.stderr == "bramble: set/data_batch_1.bin: cannot be written: File too large\n"


@pytest.mark.parametrize("closed, status", [("<&-", 0), (">&-", 1), ("2>&-", 0), ("<&- >&- 2>&-", 1)])
def test_closed_descriptors(bramble, tmp_path, closed, status):
    """No file gets the number of stdout, where the summary would be written into it; that it cannot be printed is told."""
    words = " ".join(map(str, [BRAMBLE, "train", *TINY, "--rounds", 2]))
    done = bramble.run(["sh", "-c", f"{words} {closed}"])
    assert done.returncode == status, done.stderr
    assert Run(tmp_path / "out.h5").summary["complete"] == 1


def test_small_stack(bramble, tmp_path):
    """ulimit -s: it grows where it may; else one line says it.  Never a crash."""
    commands = [["train", "--quiet", *TINY, "--rounds", 2, "--threads", 2, "--force"], ["info", "out.h5"], ["report", "out.h5"],
                ["test", "out.h5", "--data", "synthetic:20"], ["train", "--help"], ["data", "check", "none"]]
    for kb, hard, works in ((64, "unlimited", True), (512, 512, True), (64, 64, False), (256, 256, False)):
        for words in commands:
            limit = hard if hard == "unlimited" else 1024 * hard
            done = bramble.run(bramble.command(1, *words, below=["prlimit", f"--stack={1024 * kb}:{limit}"]))
            if not works:
                assert done.returncode == 1 and done.stderr == \
                    f"bramble: a stack of {kb} kB is allowed, at least 512 are needed: ulimit -s\n", (kb, words, done)
            else:
                assert done.returncode == (2 if words[0] == "data" else 0), (kb, words, done)
    for limit in (f"{64 << 10}:unlimited", str(512 << 10)):
        (tmp_path / "out.h5").unlink(missing_ok=True)
        line = bramble.command(3, "train", "--quiet", *TINY, "--rounds", 2, below=["prlimit", f"--stack={limit}"])
        assert bramble.run(line).returncode == 0 and Run(tmp_path / "out.h5").summary["complete"] == 1
