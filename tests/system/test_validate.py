"""--validate and --deal: who trains on which images, and who never does."""
import shutil

import numpy as np
import pytest
from numpy_augment import philox
from numpy_net import PIXELS, read_images
from runs import SMALL, Run, differences, write_model

HOLDOUT, SEED, N = 8 << 56, 3, 23


def shuffled(stream, n):
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = philox(SEED, stream, i) * (i + 1) >> 64
        order[i], order[j] = order[j], order[i]
    return order


def held_out(labels, n):
    """In the order of chance, where a class lacks one; the first classes have one more."""
    wanted, held = [n // 10 + (c < n % 10) for c in range(10)], []
    for i in shuffled(HOLDOUT, len(labels)):
        if wanted[labels[i]] > 0:
            wanted[labels[i]] -= 1
            held.append(i)
    assert sum(wanted) == 0
    return sorted(held)


def rewrite(pictures, folder, change):
    """The training images in other files: change makes records [n][1 + PIXELS] of records."""
    shutil.copytree(pictures, folder)
    files = sorted(folder.glob("data_batch_*.bin"))
    raw = change(np.concatenate([np.fromfile(file, np.uint8) for file in files]).reshape(-1, 1 + PIXELS))
    for file, part in zip(files, np.split(raw, len(files))):
        part.tofile(file)
    return folder


@pytest.fixture
def options(tmp_path):
    return [*write_model(tmp_path, SMALL)[0], "--batch", 8, "--lr", 0.02, "--rounds", 2, "--threads", 1, "--seed", SEED]


@pytest.mark.parametrize("ranks", [1, 3])
def test_nobody_trains_on_what_is_held_out(bramble, pictures, tmp_path, options, ranks):
    net, _ = write_model(tmp_path, SMALL)[1:]
    first = Run(bramble.train(ranks, "--data", pictures, *options, "--validate", N, out="1.h5"))
    x, labels = read_images(pictures)
    held = held_out(labels, N)
    assert np.array_equal(first["rounds/images"], [len(x) - N] * 2)
    loss, accuracy, _ = net.evaluate(first.weights, x[held], labels[held])
    assert first["test/loss_validation"][-1] == pytest.approx(loss, rel=1e-4)
    assert first["test/accuracy_validation"][-1] == pytest.approx(accuracy, abs=1.1 / N)
    assert first.summary["accuracy_validation"] == first["test/accuracy_validation"][-1]
    assert f" %, held out {100 * first['test/accuracy_validation'][-1]:.2f} % (round 2)" in bramble(1, "watch", "1.h5").stdout
    told = bramble(1, "report", "--rounds", "1.h5").stdout.splitlines()
    assert told[0].endswith("val. loss val. Acc %") and told[2].endswith(f"{100 * first['test/accuracy_validation'][-1]:.2f}")
    # Other images in their place are seen by the test on them alone.
    def change(raw):
        raw[held, 1:] = 255 - raw[held, 1:]
        return raw
    other = rewrite(pictures, tmp_path / "other", change)
    second = Run(bramble.train(ranks, "--data", other, *options, "--validate", N, out="2.h5"))
    assert differences(first, second) == []
    assert first["test/loss_validation"][-1] != second["test/loss_validation"][-1]


def test_the_target_is_that_of_the_images_held_out(bramble, pictures, options):
    run = Run(bramble.train(1, "--data", pictures, *options, "--validate", N, out="1.h5"))
    both = sorted([run["test/accuracy"][0], run["test/accuracy_validation"][0]])
    assert both[0] < both[1], "or another seed is needed"
    between = ["--target-accuracy", sum(both) / 2]
    reached = run["test/accuracy_validation"][0] == both[1]
    assert (Run(bramble.train(1, "--data", pictures, *options, "--validate", N, *between, out="2.h5")).n_done == 1) == reached


def test_a_class_may_have_too_few(bramble, pictures, tmp_path, options):
    def change(raw):
        raw[np.flatnonzero(raw[:, 0] == 4)[3:], 0] = 5
        return raw
    rare = rewrite(pictures, tmp_path / "rare", change)
    bramble.train(1, "--data", rare, *options, "--validate", 30)
    for ranks in (1, 3):
        done = bramble(ranks, "train", "--data", rare, *options, "--validate", 47, "--quiet", "--out", "no.h5")
        says = "bramble: --validate 47: class 4, triangle, lacks 2 images for 47 held out evenly over 10 classes\n"
        assert done.returncode == 2 and done.stderr.startswith(says) and not (tmp_path / "no.h5").exists()


def test_without_it_there_is_none(bramble, pictures, options):
    run = Run(bramble.train(1, "--data", pictures, *options))
    assert np.isnan(run["test/accuracy_validation"]).all() and np.isnan(run.summary["accuracy_validation"])


def test_a_resumed_run_holds_out_the_same(bramble, pictures, options):
    options = ["--data", pictures, *options, "--validate", N, "--rounds", 4]
    whole = Run(bramble.train(3, *options, "--checkpoint", "c.h5", "--checkpoint-every", 2, out="whole.h5"))
    on = Run(bramble.train(3, "--resume", "c.h5.previous", "--checkpoint", "n.h5", out="on.h5"))
    assert differences(whole, on) == []
    assert np.array_equal(whole["test/accuracy_validation"], on["test/accuracy_validation"])
    refused = bramble(3, "train", "--resume", "c.h5.previous", "--validate", 0, "--quiet", "--out", "no.h5")
    assert refused.returncode == 2 and "--validate 0" in refused.stderr


def test_shards_are_dealt_shuffled(bramble, pictures, tmp_path, options):
    """Files sorted by class: a run of them is a worker's with two classes or three, which it soon knows."""
    by_class = rewrite(pictures, tmp_path / "sorted", lambda raw: raw[np.argsort(raw[:, 0], kind="stable")])

    def train(ranks, *more):
        train.runs += 1
        return Run(bramble.train(ranks, "--data", by_class, *options, "--local-epochs", 3, *more, out=f"{train.runs}.h5"))
    train.runs = 0
    chance, runs = train(5), train(5, "--deal", "contiguous")
    assert runs["rounds/accuracy"][0] > chance["rounds/accuracy"][0] + 0.1
    assert differences(train(5, "--order", "sequential"), train(5, "--order", "sequential", "--deal", "contiguous")) == []
    assert differences(train(2), train(2, "--deal", "contiguous")) == [], "a single worker has them all"
