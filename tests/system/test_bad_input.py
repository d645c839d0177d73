"""What bramble train refuses, alone and under mpirun, and the limits it may run into."""
import re

import hostile
import pytest
from conftest import PRESET
from mistakes import ALL, ENVIRONMENT, SOME, Mistake, each, name_of

MEMORY = 800 << 20  # bytes that MPI and the program can do with
START = "train --rounds 1 --data {bad}/data --out out.h5 "


def train(name, options, *says, **more):
    return Mistake(name, START + options, says, **more)


def data(name, folder, *says, **more):
    return train(f"data-{name}", "--data {bad}/" + folder, *says, **more)


def model(name, *says, **more):
    return train(f"model-{name}", "--model {bad}/" + name + ".ini", name + ".ini", *says, **more)


def init(name, *says, path=None, **more):
    return train(f"init-{name}", "--init {bad}/" + (path or name + ".h5"), *says, **more)


def option(text, *says, **more):
    return train("option" + re.sub("[^-a-z0-9.,]+", "-", text)[:40], text, *says, **more)


def config(name, *says, **more):
    return train(f"config-{name}", "--config {bad}/" + name, name, *says, **more)


DATA = [
    data("nowhere", "nowhere", "nowhere", "no such folder", "make data", ranks=ALL),
    data("file", "existing.h5", "existing.h5", "not a folder", "expected a folder"),
    data("empty-folder", "empty-folder", "empty-folder/data_batch_1.bin", "missing"),
    data("no-third", "no-third", "no-third/data_batch_3.bin", "missing", "expected", ranks=ALL),
    data("no-test", "no-test", "no-test/test_batch.bin", "missing"),
    data("empty-file", "empty-file", "empty-file/data_batch_2.bin", "empty"),
    data("cut", "cut", "cut/data_batch_5.bin", "122919 bytes", "expected", ranks=ALL),
    data("longer", "longer", "longer/test_batch.bin", "122921 bytes"),
    data("long", "long", "long/data_batch_4.bin", "30733073 bytes", "expected 30730000 bytes"),
    data("sparse", "sparse", "sparse/test_batch.bin", "3298534883328 bytes"),
    data("garbage", "garbage", "garbage/data_batch_1.bin", "5000 bytes"),
    data("whole-garbage", "whole-garbage", "whole-garbage/data_batch_1.bin", "image 0", "label 10",
         "expected 0 to 9"),
    data("test-label", "test-label", "test-label/test_batch.bin", "image 39", "label 255"),
    data("label", "label", "label/data_batch_5.bin", "image 39", "label 10"),
    data("late-label", "late-label", "late-label/data_batch_5.bin", "image 1399", "label 200", ranks=ALL),
    data("folder-inside", "folder-inside", "folder-inside/data_batch_1.bin", "not a regular file"),
    data("pipe-inside", "pipe-inside", "pipe-inside/data_batch_1.bin", "not a regular file"),
    train("data-label-over-result", "--data {bad}/late-label --out existing.h5 --force",
          "late-label/data_batch_5.bin", files=("existing.h5",), ranks=ALL),
    train("data-of-environment", "--limit-test 1000", "--limit-test 1000", "40",
          env={"BRAMBLE_DATA": "/x"}, ranks=ALL),
    *(option(f"--data synthetic:{n}", f"synthetic:{n}", "expected")
      for n in ("0", "-5", "abc", "99999999999999999999")),
]

MODELS = [
    model("nowhere", "No such file", ranks=ALL),
    model("empty", "[model]"), model("prose", "prose.ini:1"), model("open", "open.ini:1"),
    model("binary"), model("huge", "larger than"), model("long-line", ":2", "too long"),
    model("pipe", "no regular file"),
    model("no-layer", "expected a section per layer"),
    model("kind", "kind.ini:6", "convolution", "expected one of ", ranks=ALL),
    model("setting", "setting.ini:9", "colour"),
    model("cycle", "cycle.ini:9", "[pool] does not stand above [c]", ranks=ALL),
    model("unknown-input", "unknown-input.ini:9", "there is no such layer"),
    model("unread", "unread.ini:", "is read by no other layer", ranks=ALL),
    model("whitening", "whitening.ini:", "[c]", "expected an even number of filters", ranks=ALL),
    model("number", "number.ini:7", "six"),
    model("input", "input.ini:3", "3 32 32"),
    model("kernel", "kernel.ini:", "[c]", "kernel = 3", "2 x 2"),
    model("unlike", "unlike.ini:11: [a]", "6 x 28 x 28", "another of 3 x 32 x 32", "same shape", ranks=ALL),
    model("halves", "halves.ini:6: [h]", "odd number of channels"),
    model("dropout", "dropout.ini:7: [d]", "p = 1.5", "from 0 to 0.9999"),
    model("outputs", "outputs.ini:", "11 values", "10 classes"),
    model("filters", "filters.ini:7:", "filters = 100000000000", "8192"),
    model("weights", "weights.ini:", "more than", "weights"),
    model("values", "values.ini:", "values: at most", ranks=ALL),
    train("model-grey", "--model {bad}/grey.ini", "3 x 32 x 32", "grey.ini", "1 x 28 x 28", ranks=ALL),
    train("model-classes", "--model {bad}/classes.ini", "10 classes", "classes.ini", "7"),
    train("model-batch-of-one", "--model {bad}/norm.ini --batch 1", "--batch 1", "[n]", "needs 2", ranks=ALL),
    train("model-last-of-one", "--model {bad}/norm.ini --batch 7 --limit-train 29", "--batch 7", "has 1", "[n]"),
    train("model-folder", "--model {bad}/folder", "/folder", "is a folder"),
    train("model-unknown-name", "--model nosuchmodel", "nosuchmodel", "models/", ranks=ALL),
    train("model-empty-name", "--model ''", "--model"),
]

WEIGHTS = [
    init("nowhere", "nowhere.h5", "No such file", ranks=ALL),
    init("folder", "folder", "no regular file", path="folder"),
    init("text", "text.h5", "no HDF5 file"),
    init("cut", "cut-half.h5", path="cut-half.h5"),
    init("nogroup", "good.h5", "/nogroup", path="good.h5:/nogroup", ranks=ALL),
    init("dataset", "good.h5", "/model/conv1.weight", "no group",
         path="good.h5:/model/conv1.weight"),
    init("foreign", "foreign.h5", "conv1.weight"),
    init("small", "small.h5", "/model/conv1.weight"),
    init("missing", "missing.h5", "/model/conv1.bias"),
    init("shape", "shape.h5", "/model/fc2.weight", "84 x 121", "84 x 120", ranks=ALL),
    init("whole", "whole.h5", "/model/fc2.bias", "floating-point"),
    init("nan", "nan.h5", "/model/conv2.weight", "NaN", ranks=ALL),
    init("infinite", "infinite.h5", "/model/fc3.bias", "infinite"),
    init("none", "none.h5", "no whole model"),
    init("over-result", "nan.h5", "NaN", path="nan.h5 --force --out existing.h5",
         files=("existing.h5",), ranks=ALL),
    train("init-device", "--init /dev/zero", "/dev/zero", "no regular file"),
    init("pipe", "pipe.h5", "no regular file"),
    *(init("hostile-" + name, f"hostile-{name}.h5", says)
      for name, (_, says) in hostile.WEIGHTS.items()),
]

OPTIONS = [
    option("--batsh 32", "--batsh", "did you mean --batch", ranks=ALL), option("-x", "-x", "--help"),
    option("stray", "stray", "--help"), option("--batch", "--batch", "missing"),
    option("--batch 0", "--batch 0", "from 1 to 65536", ranks=ALL),
    option("--batch abc", "--batch abc", "whole number"),
    option("--lr nan", "--lr nan", "number"),
    option("--schedule steep", "--schedule steep", "constant", "cosine"),
    option("--quiet=yes", "--quiet", "no value"),
    option("--threads 100000", "--threads 100000", "whole number"),
    option("--local-epochs 2 --local-steps 5", "--local-epochs", "--local-steps", "exclude", ranks=ALL),
    option("--limit-train 201", "--limit-train 201", "200", ranks=ALL),
    option("--limit-test 41", "--limit-test 41", "40"),
    option("--limit-train 2", "3 workers", "2 training images", ranks=(4,)),
    option("--shards 1,2,3,4,5", "--shards", "5 sizes", "give one for each", ranks=ALL),
    option("--shards 201", "--shards", "201", "200", ranks=(1, 2)),
    option("--shards 100,100,1", "--shards", "201", "200", ranks=(4,)),
    option("--shards 0", "--shards 0"),
    option("--validate 200", "--validate 200", "200 training images in all", ranks=ALL),
    option("--partition dirichlet:0.5 --limit-train 20", "--partition dirichlet:0.5", "fewer than 10 images", ranks=(4,)),
    option("--partition classes:11", "--partition classes:11", "11 classes", "there are 10", ranks=ALL),
    option("--augment flop", "--augment", '"flop" is no change', "flip, crop, cutout", ranks=ALL),
    option("--augment crop:32", "--augment", "crop:32", "32 x 32 are too small", ranks=ALL),
    train("option-environment", "", "BRAMBLE_DATA", env={"BRAMBLE_DATA": "x" * 5000}, ranks=ALL),
    train("option-lines", "--data 'two\nlines'", "two?lines", "no such folder"),
    config("nowhere.cfg", "No such file", ranks=ALL), config("pipe.ini", "no regular file"),
    config("key.cfg", "key.cfg:3", "bacth", "did you mean batch", ranks=ALL),
    config("value.cfg", "value.cfg:3", "batch = none", "whole number"),
    config("malformed.cfg", "malformed.cfg:2", "expected a name"),
]

# More of them, which take the same way; on one rank.
MORE_OPTIONS = [
    option("--colour red", "--colour", "--help"),
    option("--batch -3", "--batch -3", "whole number"),
    option("--batch 1.5", "--batch 1.5"), option("--batch 65537", "--batch 65537"),
    option("--batch ''", "--batch"),
    option("--rounds 0", "--rounds 0", "from 1"),
    option("--rounds 99999999999999999999", "--rounds 9999"),
    option("--lr -1", "--lr -1"), option("--lr inf", "--lr inf"),
    option("--lr 1e6", "--lr 1e6", "0 to 1000"),
    option("--lr-final 2", "--lr-final 2", "0 to 1"),
    option("--label-smoothing -1", "--label-smoothing -1", "0 to 1"),
    option("--optimizer adam", "--optimizer adam", "sgd", "adamw", "muon"),
    option("--beta1 0.8", "--beta1", "--optimizer adamw", "sgd"),
    option("--optimizer adamw --beta2 1", "--beta2 1", "number from 0"),
    option("--optimizer adamw --epsilon 0", "--epsilon 0", "number from 1e-12"),
    option("--optimizer adamw --muon-lr 0.1", "--muon-lr", "--optimizer muon", "adamw"),
    option("--muon-dense", "--muon-dense", "--optimizer muon", "sgd"),
    option("--clip-norm -1", "--clip-norm -1", "number from 0"),
    option("--ema 1", "--ema 1", "number from 0"),
    option("--preset fast --ema 0.9", "--ema", "--tail-average", "exclude"),
    option("--lookahead 1", "--lookahead 1", "number from 0"),
    option("--lookahead 0.5 --server-optimizer adam", "--lookahead", "--server-optimizer", "exclude"),
    option("--aggregate mode", "--aggregate mode", "median", "krum:F"), option("--aggregate krum", "--aggregate krum", "krum:F"),
    option("--aggregate median:2", "--aggregate median:2", "takes no number"),
    option("--aggregate trimmed:0", "--aggregate trimmed:0", "from 1"),
    option("--aggregate median --average slices", "--aggregate median", "--average slices"),
    option("--aggregate krum:1", "--aggregate krum:1", "needs at least 5 workers", "1 takes part"),
    option("--clients -1", "--clients -1", "whole number"),
    option("--participation 0", "--participation 0", "more than 0"), option("--min-workers 9", "--min-workers 9", "this run has 1 worker"),
    option("--sync gradients --proximal 1", "--proximal", "--sync weights", "gradients"),
    option("--normalize-steps --average-every 4", "--normalize-steps", "--average-every", "exclude"),
    option("--control-variates --normalize-steps", "--control-variates", "--normalize-steps", "exclude"),
    option("--control-variates --optimizer adamw", "--control-variates", "--optimizer sgd", "adamw"),
    option("--local-statistics", "--local-statistics", "model paper", "batchnorm"),
    option("--local-statistics --sync gradients", "--local-statistics", "--sync weights", "gradients"),
    option("--local-statistics --control-variates", "--local-statistics", "--control-variates", "exclude"),
    option("--noise 1", "--noise 1", "--clip-update"), option("--clip-update -1", "--clip-update -1", "number from 0"),
    option("--clip-update 1 --noise -1", "--noise -1", "number from 0"),
    option("--clip-update 1 --sync gradients", "--clip-update", "--sync weights", "gradients"),
    option("--clip-update 1 --noise 1 --aggregate median", "--noise", "--aggregate", "exclude"),
    option("--clip-update 1 --noise 1 --preset fast", "--noise", "--average-every", "exclude"),
    option("--clip-update 1 --control-variates", "--clip-update", "--control-variates", "exclude"),
    option("--sync both", "--sync both", "weights", "gradients"),
    option("--schedule step", "--schedule step", "--milestones"),
    option("--milestones 2,3", "--milestones", "--schedule step", "constant"),
    option("--schedule linear --gamma 0.5", "--gamma", "--schedule step", "linear"),
    option("--schedule step --milestones 2 --lr-final 0.5", "--lr-final", "--schedule linear|cosine|onecycle|triangle", "step"),
    option("--momentum 1.5", "--momentum 1.5", "0 to 1"),
    option("--weight-decay x", "--weight-decay x"),
    option("--target-accuracy 57", "--target-accuracy 57", "0 to 1"),
    option("--order up", "--order up", "shuffle"),
    option("--average mean", "--average mean", "gather", "allreduce"),
    option("--group-size 2", "--group-size", "--average tree", "gather"),
    option("--group-size 2 --average slices", "--group-size", "--average tree", "slices", ranks=ALL),
    option("--group-size 9 --average tree", "--group-size 9", "this run has", ranks=ALL),
    option("--group-size -1 --average tree", "--group-size -1", "whole number"),
    option("--preset slow", "--preset slow", "fast"),
    option("--server-lr 0.5", "--server-lr 0.5", "--server-optimizer"),
    option("--server-optimizer adam --server-momentum 1", "--server-momentum 1", "less than 1"),
    option("--server-optimizer yogi --server-beta2 1", "--server-beta2 1", "less than 1"),
    option("--server-optimizer adagrad --server-tau 0", "--server-tau 0", "more than 0"),
    option("--local-epochs 0", "--local-epochs 0", "--local-steps"),
    option("--seed -1", "--seed -1"),
    option("--shards 5,", "--shards 5,"), option("--shards 5,,5", "--shards 5,,5"),
    option("--validate -1", "--validate -1", "whole number"),
    *(option(f"--deal all {more}", f"--deal all {says}") for more, says in {
        "": "goes with --sync gradients", "--sync gradients --shards 100": "leaves nothing to --partition or --shards",
        "--sync gradients --partition dirichlet:1": "leaves nothing to --partition", "--sync gradients --clients 4": "is not for --clients",
        "--sync gradients --aggregate median": "gives all the same images",
    }.items()),
    option("--deal cards", "--deal cards", "auto, shuffled, contiguous or all"), option("--tta twice", "--tta twice", "none, mirror, shifts or crops"),
    *(option(f"--normalise {text}", "--normalise", "expected half, measured, or numbers") for text in (
        "x", "0.5", "0.5/", "/0.5", "0.5,/0.5", "0.5,0.5/0.5", "0.5/0", "1.1/1", "nan/1", "0.5/inf", "0.5/1001", "0x1/1", "1/1/1", "1;1",
        "5" * 4095)),
    option("--normalise 0.5/0.5", "--normalise 0.5/0.5", "numbers of 1 channel, but the images have 3"),
    option("--normalise 1,1,1,1/1,1,1,1", "numbers of 4 channels, but the images have 3"),
    *(option(f"--augment {list_}", "--augment", says) for list_, says in {
        "crop": "crop: expected crop:N, N a whole number above 0", "crop:0": "crop:0: expected", "crop:1.5": "crop:1.5: expected",
        "crop:2:mirror": 'expected reflect, not "mirror"', "crop:2:reflect:": "nothing can follow", "cutout:9:x": "nothing can follow",
        "flip:": "expected alternate", "flip,crop:2,flip": "flip: given twice", "flip,": "nothing behind it", ",flip": "no change",
        "color:1.01": "at most 1", "color:nan": "color:nan: expected", "rotate:181": "at most 180", "rotate:-3": "rotate:-3", "mixup": "mixup:N", "mixup:0": "mixup:0: expected", "mixup:17": "at most 16",
        "x" * 300: "is no change", "crop:" + "9" * 300: "expected crop:N"}.items()),
    option("--shards 5;5", "--shards 5;5"),
    option("--partition random", "--partition random", "dirichlet:NUMBER"),
    option("--partition classes", "--partition classes", "classes:NUMBER"),
    option("--partition sizes", "--partition sizes", "--shards"),
    option("--partition sorted:2 --shards 5", "--partition", "--shards", "exclude"),
    option("--shards 99999999999999999999", "--shards"),
    option("--out " + "x" * 4096, "--out", "4095 characters"),
    config("section.cfg", "section.cfg:", "[test]", "expected [train]"),
    config("twice.cfg", "twice.cfg:2", "line 1"),
    config("both.cfg", "both.cfg", "local-epochs", "exclude"), config("folder", "is a folder"),
    config("huge.ini", "larger than"), config("binary.ini"),
]

OUTPUT = [
    train("out-exists", "--out existing.h5", "existing.h5", "exists", "--force",
          files=("existing.h5",), ranks=ALL),
    train("out-folder", "--out {bad}/folder --force", "/folder", "no regular file",
          "another --out"),
    train("out-slash", "--out new/", "new/", "no file name"),
    train("out-nowhere", "--out nowhere/out.h5", "nowhere/out.h5", "no such folder", ranks=ALL),
    train("out-below-file", "--out {bad}/text.h5/out.h5", "text.h5/out.h5", "no such folder"),
    train("out-long-name", "--out " + "n" * 300, "name is too long"),
    train("out-live", "--out {bad}/live.h5 --force", "live.h5", "a run is writing it",
          "another --out", ranks=ALL),
    train("out-proc", "--out /proc/out.h5", "/proc/out.h5", status=ENVIRONMENT),
    train("out-rounds", "--rounds 1000000 --out {bad}/full/out.h5", "full/out.h5", "No space left",
          status=ENVIRONMENT),
    train("out-full", "--out {bad}/full/out.h5", "full/out.h5", "No space left",
          status=ENVIRONMENT, ranks=ALL),
    train("out-locked", "--out {bad}/locked/out.h5", "locked/out.h5", status=ENVIRONMENT, ranks=ALL),
]

RUNNING = [
    option("--lr 1000 --batch 5", "round 1", "rank", "layer", "diverged", "smaller --lr",
           leaves=("out.h5",), ranks=ALL),
    train("memory", "--data {bad}/most-images --model {bad}/wide.ini --batch 65536",
          "rank", "memory", "65536", "wide.ini", status=ENVIRONMENT, ranks=SOME),
    train("memory-limit", "--data {bad}/late-label --model {bad}/wide.ini --batch 4096",
          "rank", "memory", "4096", status=ENVIRONMENT, ranks=SOME, memory=MEMORY),
    train("threads", "--threads 1024", "rank", "1024 threads", "choose fewer --threads",
          status=ENVIRONMENT, ranks=SOME, memory=MEMORY),
]
if PRESET == "asan":  # which needs terabytes of address space
    RUNNING = [mistake for mistake in RUNNING if not mistake.memory]

WANTED = each(DATA, MODELS, WEIGHTS, OPTIONS, OUTPUT, RUNNING) + [(mistake, 1) for mistake in MORE_OPTIONS]


@pytest.mark.parametrize("mistake,ranks", WANTED, ids=name_of)
def test_train(attempts, mistake, ranks):
    attempts.judge(mistake, ranks)


def test_nothing_is_left_where_others_are(attempts, bad):
    """After all of the above: what found no room is gone, what was there is as it was."""
    attempts.finish()
    assert not any((bad / "full").iterdir())
    assert (bad / "existing.h5").read_text() == "precious"
    assert not list(bad.glob(".*"))
