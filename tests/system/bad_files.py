"""Makes, in one folder, the data sets, models, weights and result files that must be refused."""
import os
import random
import shutil
import signal
import subprocess
import time

import datasets
import h5py
import hostile
import numpy as np

from conftest import WAIT_S, Runner

RECORD = 3073
N_TRAIN, N_TEST = 200, 40  # of the good data set {bad}/data, 40 in each file
CUTS = ("0", "5", "96", "1000", "half", "last")


# ---- data ----------------------------------------------------------------------------------------
def copy_data(bad, name, **changed):
    """A copy of the good set with files replaced by bytes, or removed (None)."""
    folder = bad / name
    shutil.copytree(bad / "data", folder)
    for stem, content in changed.items():
        path = folder / f"{stem}.bin"
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    return folder


def with_label(data, image, label):
    at = image * RECORD
    return data[:at] + bytes([label]) + data[at + 1:]


def make_data(bad, good):
    rng = random.Random(1)
    fifth = (good / "data_batch_5.bin").read_bytes()
    test = (good / "test_batch.bin").read_bytes()
    copy_data(bad, "no-third", data_batch_3=None)
    copy_data(bad, "no-test", test_batch=None)
    copy_data(bad, "empty-file", data_batch_2=b"")
    copy_data(bad, "cut", data_batch_5=fifth[:-1])
    copy_data(bad, "longer", test_batch=test + b"\n")
    copy_data(bad, "garbage", data_batch_1=rng.randbytes(5000))
    copy_data(bad, "whole-garbage", data_batch_1=bytes([10]) + rng.randbytes(40 * RECORD - 1))
    copy_data(bad, "test-label", test_batch=with_label(test, 39, 255))
    copy_data(bad, "label", data_batch_5=with_label(fifth, 39, 10))
    long = copy_data(bad, "long", data_batch_4=b"")
    os.truncate(long / "data_batch_4.bin", 10001 * RECORD)
    os.truncate(copy_data(bad, "sparse", test_batch=b"") / "test_batch.bin", 3 << 40)
    (copy_data(bad, "folder-inside", data_batch_1=None) / "data_batch_1.bin").mkdir()
    os.mkfifo(copy_data(bad, "pipe-inside", data_batch_1=None) / "data_batch_1.bin")
    (bad / "empty-folder").mkdir()
    make_large_data(bad)


def make_large_data(bad):
    # Each of three workers gets several pieces; the very last image is wrong.
    black = bytes(1400 * RECORD)
    names = [f"data_batch_{k}" for k in range(1, 6)]
    late = dict.fromkeys(names, black) | {names[-1]: with_label(black, 1399, 200)}
    copy_data(bad, "late-label", **late)
    # As many images as there may be; they take no room on the disk.
    most = copy_data(bad, "most-images", **dict.fromkeys(names, b""))
    for name in names:
        os.truncate(most / f"{name}.bin", 10000 * RECORD)


# ---- models and configurations -------------------------------------------------------------------
def ini(*layers, given="3 32 32", classes=10):
    return f"[model]\nname = test\ninput = {given}\nclasses = {classes}\n" + "".join(
        f"[{name}]\nkind = {kind}\n" for name, kind in layers)


def make_texts(bad):
    flat = ("fc", "dense\nunits = 10")
    texts = {
        "empty.ini": "",
        "prose.ini": "Dear computer,\nplease train a network\n",
        "open.ini": "[model\nname = test\n",
        "no-layer.ini": ini(),
        "kind.ini": ini(("c", "convolution"), flat),
        "setting.ini": ini(("c", "conv\nfilters = 6\nkernel = 5\ncolour = red"), flat),
        "cycle.ini": ini(("c", "conv\nfilters = 6\nkernel = 5\ninput = pool"), ("pool", "maxpool\nwindow = 2\ninput = c"), flat),
        "unknown-input.ini": ini(("c", "conv\nfilters = 6\nkernel = 5\ninput = conv1"), flat),
        "unread.ini": ini(("c", "conv\nfilters = 6\nkernel = 5"), ("r", "relu\ninput = image"), flat),
        "whitening.ini": ini(("c", "conv\nfilters = 7\nkernel = 2\ninit = whitening"), flat),
        "number.ini": ini(("c", "conv\nfilters = six\nkernel = 5"), flat),
        "kernel.ini": ini(("pool", "maxpool\nwindow = 16"), ("c", "conv\nfilters = 6\nkernel = 3"),
                          flat),
        "unlike.ini": ini(("c", "conv\nfilters = 6\nkernel = 5"), ("a", "add\ninput = c, image"), flat),
        "halves.ini": ini(("h", "split\nhalf = first"), flat),
        "dropout.ini": ini(("d", "dropout\np = 1.5"), flat),
        "norm.ini": ini(("p", "globalpool"), ("n", "batchnorm"), flat),
        "outputs.ini": ini(("fc", "dense\nunits = 11")),
        "grey.ini": ini(flat, given="1 28 28"),
        "classes.ini": ini(("fc", "dense\nunits = 7"), classes=7),
        "input.ini": ini(flat, given="3 32"),
        "filters.ini": ini(("c", "conv\nfilters = 100000000000\nkernel = 5"), flat),
        "weights.ini": ini(*((f"fc{k}", "dense\nunits = 8192") for k in range(6)), flat),
        "values.ini": ini(("c", "conv\nfilters = 8192\nkernel = 1"),
                          ("d", "conv\nfilters = 8192\nkernel = 1"), flat, given="3 128 128"),
        "wide.ini": ini(("c", "conv\nfilters = 1024\nkernel = 1"), ("p", "maxpool\nwindow = 32"),
                        flat),
        "small.ini": ini(flat),
        "key.cfg": "[train]\nrounds = 1\nbacth = 32\n",
        "value.cfg": "rounds = 1\n\nbatch = none\n",
        "section.cfg": "[test]\nrounds = 1\n",
        "malformed.cfg": "rounds = 1\n=\n",
        "twice.cfg": "lr = 0.1\nlr = 0.2\n",
        "both.cfg": "local-epochs = 1\nlocal-steps = 5\n",
    }
    for name, text in texts.items():
        (bad / name).write_text(text)
    (bad / "huge.ini").write_text("; nothing\n" * 200000)
    (bad / "long-line.ini").write_text("[model]\nname = " + "x" * 5000 + "\n")
    (bad / "binary.ini").write_bytes(random.Random(2).randbytes(3000))
    os.mkfifo(bad / "pipe.ini")


# ---- weights and results -------------------------------------------------------------------------
def change(bad, source, name, edit):
    shutil.copy(bad / source, bad / name)
    with h5py.File(bad / name, "r+") as file:
        edit(file)


def replace(path, value):
    def edit(file):
        del file[path]
        file[path] = value
    return edit


def put(path, at, value):
    def edit(file):
        file[path][at] = value
    return edit


def make_results(bad, runner):
    runner.train(1, "--data", bad / "data", "--rounds", 2, out="good.h5")
    runner.train(1, "--data", bad / "data", "--rounds", 1, "--model", bad / "small.ini",
                 out="small.h5")
    whole = (bad / "good.h5").read_bytes()
    ends = {"half": len(whole) // 2, "last": len(whole) - 1}
    for cut in CUTS:
        (bad / f"cut-{cut}.h5").write_bytes(whole[:ends[cut] if cut in ends else int(cut)])
    (bad / "text.h5").write_text("accuracy 57 %\n" * 100)
    change(bad, "good.h5", "nan.h5", put("/model/conv2.weight", (3, 2, 1, 0), np.nan))
    change(bad, "good.h5", "infinite.h5", put("/model/fc3.bias", 9, -np.inf))
    change(bad, "good.h5", "shape.h5", replace("/model/fc2.weight", np.zeros((84, 121), "f4")))
    change(bad, "good.h5", "whole.h5", replace("/model/fc2.bias", np.zeros(84, "i4")))
    change(bad, "good.h5", "missing.h5", lambda file: file.__delitem__("/model/conv1.bias"))
    change(bad, "good.h5", "version.h5", lambda file: file.attrs.__setitem__("format_version", 99))
    change(bad, "good.h5", "rounds.h5", put("/rounds/n_done", (), 3))
    change(bad, "good.h5", "none.h5", put("/model/round", (), -2))
    change(bad, "none.h5", "unfinished.h5", put("/summary/complete", (), 0))
    change(bad, "unfinished.h5", "unstarted.h5", put("/rounds/n_done", (), 0))
    hostile.make(bad / "good.h5", bad)
    with h5py.File(bad / "foreign.h5", "w") as file:
        file["numbers"] = np.arange(10.0)


class LiveRun:
    """A run in the middle of its work, held so that it does none: {bad}/live.h5."""

    def __init__(self, bad, runner):
        line = runner.command(1, "train", "--data", bad / "data", "--rounds", 10000, "--quiet",
                              "--out", "live.h5")
        self.process = subprocess.Popen(line, cwd=bad, env=runner.env)
        end = time.monotonic() + WAIT_S
        while not self.has_round(bad / "live.h5"):
            assert self.process.poll() is None and time.monotonic() < end, "the run does not get on"
            self.process.send_signal(signal.SIGCONT)
            time.sleep(0.05)
            self.process.send_signal(signal.SIGSTOP)

    @staticmethod
    def has_round(path):
        if not path.exists():
            return False
        with h5py.File(path, "r") as file:
            return file["/rounds/n_done"][()] > 0 and file["/model/round"][()] >= 0

    def end(self):
        self.process.kill()
        self.process.wait()


# ---- disks ---------------------------------------------------------------------------------------
def mount(folder, options):
    """A small file system of its own, where that is allowed."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True)


def make_disks(bad):
    """{bad}/full, where next to nothing fits, and {bad}/locked, which nobody may write to."""
    mount(bad / "full", "size=64k")
    mount(bad / "locked", "ro,size=64k")
    if not os.path.ismount(bad / "locked"):
        (bad / "locked").chmod(0o555)  # good for all but root


def remove_disks(bad):
    for folder in (bad / "full", bad / "locked"):
        if os.path.ismount(folder):
            subprocess.run(["umount", "-l", folder], check=True)


def missing_disk(bad, line):
    """Whether a command line needs one of them that could not be made."""
    return ("/full" in line and not os.path.ismount(bad / "full") or
            "/locked" in line and os.access(bad / "locked", os.W_OK))


def make(bad):
    """Fill the folder; returns the live run, which the caller ends."""
    runner = Runner(bad)
    assert runner(1, "data", "synth", bad / "data", N_TRAIN).returncode == 0
    make_data(bad, bad / "data")
    datasets.make_bad(bad)
    make_texts(bad)
    make_results(bad, runner)
    (bad / "folder").mkdir()
    (bad / "existing.h5").write_text("precious")
    return LiveRun(bad, runner)
