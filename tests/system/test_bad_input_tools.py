"""What bramble test, report, plan, watch, info, data, export and import refuse, commands that are none, output nobody takes."""
import os
import random

import hostile
import pytest
from bad_files import CUTS
from mistakes import ALL, ALONE, ENVIRONMENT, Mistake, each, name_of, own_lines


def alone(name, line, *says, **more):
    return Mistake(name, line, says, ranks=ALONE, **more)


def reading(command, name, *says, path=None, options="", **more):
    return alone(f"{command}-{name}", f"{command} {{bad}}/{path or name + '.h5'} {options}", *says,
                 **more)


# Every command that reads result files, and whatever stands in the place of one.
FILES = [reading(command, name, path or f"{name}.h5", *says, path=path, options=options)
         for command, options in (("info", ""), ("report", ""), ("plan", ""), ("test", ""), ("watch", "--patience 0"))
         for name, path, *says in [
             ("nowhere", None, "No such file"), ("folder", "folder", "no regular file"),
             ("pipe", "pipe.ini", "no regular file"), ("text", None, "no HDF5 file"),
             ("foreign", None, "Bramble"), ("version", None, "format version 99"),
             ("rounds", None, "3 of 2 rounds"),
             ("device", "../../../../../../../../dev/zero", "no regular file"),
             *((f"hostile-{name}", None, says) for name, (_, says) in hostile.RESULTS.items()
               if command != "watch" or name == "negative"),  # the rounds are all it reads
             *((f"cut-{cut}", None) for cut in CUTS)]]

RESULTS = [
    reading("report", "live", "live.h5", "not come to its end"),
    reading("report", "unstarted", "unstarted.h5", "not come to its end", path="unstarted.h5"),
    reading("report", "all-unfinished", "3 files", "end", path="live.h5",
            options="{bad}/unstarted.h5 {bad}/live.h5"),
    reading("report", "one-bad", "text.h5", "no HDF5 file", path="good.h5",
            options="{bad}/live.h5 {bad}/text.h5"),
    reading("report", "base", "--base 7:7", "none of the files", path="good.h5",
            options="--base 7:7"),
    reading("report", "base-word", "--base 7", "N:C", path="good.h5", options="--base 7"),
    reading("report", "by", "--by lrr", "did you mean lr?", path="good.h5", options="--by lrr"),
    reading("report", "by-empty", "--by case,", "bramble train", path="good.h5", options="--by case,"),
    reading("report", "by-twice", "lr", "twice", path="good.h5", options="--by lr,lr"),
    reading("report", "by-base", "--base 1:1", "expected lr", path="good.h5", options="--by lr --base 1:1"),
    reading("report", "rounds-one-bad", "text.h5", "no HDF5 file", path="good.h5",
            options="--rounds {bad}/text.h5"),
    reading("report", "format", "--format xml", "table", path="good.h5", options="--format xml"),
    alone("report-nothing", "report", "expected FILE.h5"),
    alone("watch-nothing", "watch", "expected FILE.h5, or --web"),
    alone("predict-nothing", "predict", "expected FILE.h5", "PICTURE|FOLDER..., or FILE.h5"),
    reading("watch", "patience", "--patience -1", "0 to 1000000", path="good.h5", options="--patience=-1"),
    alone("test-nothing", "test", "expected FILE.h5"),
    alone("test-two", "test a.h5 b.h5", "b.h5", "--help"),
    alone("info-two", "info a.h5 b.h5", "b.h5"),
    *(reading("test", name, f"{name}.h5", says, options="--data {bad}/data") for name, says in [
        ("nan", "NaN"), ("infinite", "infinite"), ("shape", "84 x 121"), ("missing", "conv1.bias"),
        ("whole", "no array of weights"), ("none", "no whole model"),
        ("unstarted", "no round was finished")]),
    reading("test", "nogroup", "good.h5", "/nogroup", path="good.h5:/nogroup",
            options="--data {bad}/data --model paper"),
    reading("test", "small", "small.h5", "conv1.weight", options="--data {bad}/data --model paper"),
    reading("test", "model-nowhere", "nowhere.ini", path="good.h5",
            options="--model {bad}/nowhere.ini"),
    reading("test", "model-grey", "3 x 32 x 32", "1 x 28 x 28", path="good.h5",
            options="--data {bad}/data --model {bad}/grey.ini"),
    reading("test", "data-nowhere", "nowhere", "no such folder", path="good.h5",
            options="--data {bad}/nowhere"),
    reading("test", "data-label", "test_batch.bin", "label 255", path="good.h5",
            options="--data {bad}/test-label"),
    reading("test", "limit", "--limit-test 41", "40", path="good.h5",
            options="--data {bad}/data --limit-test 41"),
    reading("test", "threads", "--threads 100000", path="good.h5", options="--threads 100000"),
]

DATA = [
    *(alone(f"check-{name}", f"data check {{bad}}/{name}", *says, prints=True) for name, *says in [
        ("nowhere", "nowhere", "no such folder"), ("existing.h5", "not a folder"),
        ("empty-folder", "data_batch_1.bin", "missing"),
        ("no-third", "data_batch_3.bin", "missing"), ("no-test", "test_batch.bin", "missing"),
        ("empty-file", "data_batch_2.bin", "empty"), ("cut", "data_batch_5.bin", "122919 bytes"),
        ("long", "data_batch_4.bin", "30733073 bytes"),
        ("sparse", "test_batch.bin"), ("garbage", "data_batch_1.bin"),
        ("whole-garbage", "data_batch_1.bin", "image 0", "label 10"),
        ("test-label", "test_batch.bin", "image 39", "label 255"),
        ("label", "data_batch_5.bin", "image 39", "label 10"),
        ("folder-inside", "data_batch_1.bin"), ("pipe-inside", "data_batch_1.bin")]),
    alone("data-nothing", "data", "check DIR", "synth DIR"),
    alone("data-word", "data fetch x", "check DIR"),
    alone("check-nothing", "data check", "check DIR"),
    alone("check-two", "data check a b", "check DIR"),
    alone("synth-exists", "data synth {bad}/data 50", "data_batch_1.bin", "exists",
          "another folder"),
    alone("synth-file", "data synth {bad}/text.h5 50", "text.h5"),
    alone("synth-below-nothing", "data synth {bad}/nowhere/set 50", "nowhere/set", "No such file"),
    alone("synth-full", "data synth {bad}/full/set 50", "full/set/", "No space left",
          status=ENVIRONMENT),
    alone("synth-full-there", "data synth {bad}/full 50", "full/", "No space left",
          status=ENVIRONMENT),
    alone("synth-locked", "data synth {bad}/locked/set 50", "locked/set", status=ENVIRONMENT),
    alone("synth-negative", "data synth new -1", "-1"),
    alone("synth-proc", "data synth /proc/set 50", "/proc/set"),
    *(alone(f"synth-{n}", f"data synth new {n}", n, "whole number from 1")
      for n in ("0", "x", "50001", "1e3")),
]

COMMANDS = [
    Mistake("no-command", "", ("expected a command", "--help")),
    Mistake("unknown-command", "frobnicate", ("frobnicate", "unknown command", "--help"), ranks=ALL),
    Mistake("near-command", "trian --rounds 1", ("trian", "did you mean train")),
    Mistake("help-unknown", "help frobnicate", ("frobnicate", "unknown command")),
    Mistake("help-more", "help train now", ("now", "unexpected argument")),
]


@pytest.mark.parametrize("mistake,ranks", each(FILES, RESULTS, DATA, COMMANDS), ids=name_of)
def test_tool(attempts, mistake, ranks):
    attempts.judge(mistake, ranks)


def test_unfinished_runs_are_left_out(bramble, bad):
    done = bramble(1, "report", bad / "good.h5", bad / "live.h5")
    assert done.returncode == 0
    assert own_lines(done.stderr) == [
        f"bramble: {bad}/live.h5: left out: the run has not come to its end"]
    assert done.stdout.splitlines()[1].startswith("1:")


def test_the_file_of_a_run_may_be_read(bramble, bad):
    """Also while the run goes on."""
    assert bramble(1, "info", bad / "live.h5").returncode == 0
    assert bramble(1, "test", bad / "live.h5", "--data", bad / "data").returncode == 0
    bramble.train(1, "--data", bad / "data", "--rounds", 1, "--init", bad / "live.h5")


PRINTING = ["help", "--version", "train --help", "info", "info {bad}/good.h5",
            "info --json {bad}/good.h5", "report {bad}/good.h5",
            "report --format csv {bad}/good.h5", "report --format json {bad}/good.h5",
            "test {bad}/good.h5 --data {bad}/data", "test --json {bad}/good.h5 --data {bad}/data",
            "data check {bad}/data", "data synth set 10",
            "train --quiet --rounds 1 --data {bad}/data --out out.h5",
            "train --quiet --json --rounds 1 --data {bad}/data --out out.h5"]


@pytest.mark.parametrize("line", PRINTING)
@pytest.mark.parametrize("where", ["full", "gone"])
def test_output_nobody_takes(bramble, bad, line, where):
    """A full disk behind stdout, or a reader that has gone: said in a line, status 1."""
    if where == "full":
        stdout = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, stdout = os.pipe()
        os.close(reader)
    try:
        done = bramble.run(bramble.command(1, *line.format(bad=bad).split()), stdout=stdout)
    finally:
        os.close(stdout)
    assert done.returncode == 1, done.stderr
    assert len(own_lines(done.stderr)) == 1, done.stderr
    assert "No space left" in done.stderr if where == "full" else "Broken pipe" in done.stderr


@pytest.mark.parametrize("seed", range(20))
def test_damaged_result_file(bramble, bad, seed):
    """A result file with some bytes overwritten is read or refused, and never ends in a crash."""
    rng = random.Random(seed)
    content = bytearray((bad / "good.h5").read_bytes())
    for _ in range(20):
        at = rng.randrange(min(len(content), 40000)) if seed % 2 else rng.randrange(len(content))
        content[at:at + 4] = rng.randbytes(4)
    (bramble.folder / "damaged.h5").write_bytes(content)
    for command in (["info"], ["report"], ["test", "--data", bad / "data"]):
        done = bramble(1, *command, "damaged.h5")
        assert done.returncode in (0, 2)
        assert len(own_lines(done.stderr)) == (1 if done.returncode else 0)
