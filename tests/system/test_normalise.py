"""--normalise: mean and deviation of the channels go with the model."""
import numpy as np
import pytest
from numpy_net import PIXELS, Recipe, train
from runs import LINEAR, SMALL, Run, differences, largest_error, write_model
from test_training import CLOSE, check_tests

N, GIVEN = 60, "0.4,0.3,0.7/0.2,0.25,1.5"


def read_bytes(path):
    raw = np.fromfile(path, np.uint8).reshape(-1, 1 + PIXELS)
    return raw[:, 1:].reshape(-1, 3, 32, 32), raw[:, 0].astype(int)


def numbers(text):
    return [np.array([float(n) for n in part.split(",")])[:, None, None] for part in text.split("/")]


@pytest.fixture
def options(bramble, pictures, tmp_path):
    return ["--data", pictures, *write_model(tmp_path, SMALL)[0], "--limit-train", N, "--threads", 1, "--batch", 16, "--lr", 0.01]


@pytest.mark.parametrize("ranks, given", [(1, "measured"), (3, "measured"), (1, GIVEN)])
def test_against_numpy(bramble, pictures, tmp_path, ranks, given):
    recipe, shards = Recipe(batch=16, rounds=2, lr=0.005), [N] if ranks == 1 else [40, 20]
    start, net, w = write_model(tmp_path, LINEAR)
    run = Run(bramble.train(ranks, "--data", pictures, *start, "--shards", ",".join(map(str, shards)), "--threads", 1, "--normalise",
                            given, *recipe.arguments()))
    images, labels = read_bytes(pictures / "data_batch_1.bin")
    used = run.config["normalise"].decode()
    mean, deviation = numbers(used)
    if given == "measured":
        assert np.allclose(mean[:, 0, 0], images[:N].mean(axis=(0, 2, 3)) / 255, rtol=1e-7)
        assert np.allclose(deviation[:, 0, 0], images[:N].std(axis=(0, 2, 3)) / 255, rtol=1e-6)
    else:
        assert used == GIVEN
    history = train(net, w, (images / 255 - mean) / deviation, labels, shards, recipe)
    assert largest_error(run.weights, history.rounds[-1]) < (CLOSE, "")
    images, labels = read_bytes(pictures / "test_batch.bin")
    check_tests(run, net, history, (images / 255 - mean) / deviation, labels)


def test_it_goes_with_the_model(bramble, pictures, options):
    first = Run(bramble.train(1, *options, "--rounds", 1, "--normalise", "measured", out="1.h5"))
    used = first.config["normalise"].decode()
    model = options[2:4]
    for more in ([], ["--normalise", used], model, [*model, "--normalise", used]):
        told = bramble(1, "test", "1.h5", "--data", pictures, *more)
        assert f"{100 * first.summary['accuracy']:.2f} %" in told.stdout and f"{first.summary['loss']:.4f}" in told.stdout, told.stdout
    start = ["--data", pictures, *model, "--limit-train", N, "--threads", 1, "--rounds", 1]
    assert Run(bramble.train(1, *start, "--init", "1.h5", out="2.h5")).config["normalise"].decode() == used
    assert Run(bramble.train(1, *start, "--init", "1.h5", "--normalise", "half", out="3.h5")).config["normalise"] == b"half"
    assert Run(bramble.train(1, *start, out="4.h5")).config["normalise"] == b"half"
    for more, says in ((["1.h5", "--normalise", "half"], "was trained with " + used[:20]),
                       (["4.h5", "--normalise", used], "was trained with half"),
                       (["init.h5", *model, "--normalise", "measured"], "only bramble train measures"),
                       (["init.h5", *model, "--normalise", "1/1"], "the images have 3")):
        refused = bramble(1, "test", *more, "--data", pictures)
        assert refused.returncode == 2 and says in refused.stderr and refused.stderr.count("\n") == 1, refused.stderr
    assert bramble(1, "test", "init.h5", *model, "--normalise", used, "--data", pictures).returncode == 0


def test_a_resumed_run_has_its_numbers(bramble, options):
    measured = ["--normalise", "measured"]
    whole = Run(bramble.train(3, *options, *measured, "--rounds", 4, "--checkpoint", "c.h5", "--checkpoint-every", 2, out="whole.h5"))
    for k, more in enumerate(([], measured)):
        on = Run(bramble.train(3, "--resume", "c.h5.previous", "--checkpoint", f"{k}.c.h5", *more, out=f"{k}.h5"))
        assert differences(whole, on) == [] and on.config["normalise"] == whole.config["normalise"]
    refused = bramble(1, "train", "--resume", "c.h5", "--normalise", "half", "--quiet", "--out", "no.h5")
    assert refused.returncode == 2 and "--normalise half" in refused.stderr, refused.stderr
