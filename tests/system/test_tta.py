"""--tta: a second accuracy, by the mean of several views, against numpy."""
import json

import numpy as np
import pytest
from numpy_net import read_images, shares
from runs import SMALL, Run, write_model

VIEWS = {"mirror": [(0.5, 0, 0)], "shifts": [(0.25, 0, 0), (0.125, -1, -1), (0.125, 1, 1)],
         "crops": [(1 / 98, down, right) for down in range(-3, 4) for right in range(-3, 4)]}


def mean_of_views(net, w, x, kind):
    """[image][class]: of the views' logits, with crops of their probabilities."""
    say = shares if kind == "crops" else np.asarray
    padded = np.pad(x, ((0, 0), (0, 0), (3, 3), (3, 3)), mode="reflect")
    mean = 0
    for share, down, right in VIEWS[kind]:
        moved = padded[:, :, 3 + down:35 + down, 3 + right:35 + right]
        mean = mean + share * (say(net.logits(w, moved)) + say(net.logits(w, moved[:, :, :, ::-1])))
    return mean


def expected(net, w, pictures, kind):
    x, labels = read_images(pictures, "test")
    return (mean_of_views(net, w, x, kind).argmax(axis=1) == labels).mean(), len(x)


@pytest.mark.parametrize("kind", VIEWS)
def test_against_numpy(bramble, pictures, tmp_path, kind):
    start, net, _ = write_model(tmp_path, SMALL)
    options = ["--data", pictures, *start, "--batch", 8, "--lr", 0.02, "--rounds", 3, "--threads", 2]
    plain, run = Run(bramble.train(1, *options, out="plain.h5")), Run(bramble.train(3, *options, "--tta", kind, out="1.h5"))
    accuracy, n = expected(net, run.weights, pictures, kind)
    assert run.summary["accuracy_tta"] == pytest.approx(accuracy, abs=1.1 / n)
    assert np.isnan(plain.summary["accuracy_tta"])
    told = json.loads(bramble(1, "test", "1.h5", "--data", pictures, "--tta", kind, "--json").stdout)
    assert told["accuracy_tta"] == pytest.approx(run.summary["accuracy_tta"])
    assert told["accuracy"] == pytest.approx(run.summary["accuracy"])
    said = bramble(1, "test", "1.h5", "--data", pictures, "--tta", kind).stdout
    assert f"with TTA     {100 * told['accuracy_tta']:.2f} %" in said
    assert json.loads(bramble(1, "test", "1.h5", "--data", pictures, "--json").stdout)["accuracy_tta"] is None


@pytest.mark.parametrize("kind, reach", [("shifts", 1), ("crops", 3)])
def test_images_too_small_to_be_moved(bramble, tmp_path, kind, reach):
    for side, good in ((reach, False), (reach + 1, True)):
        images = np.arange(20 * side * 5, dtype=np.uint8).reshape(20, 1, side, 5)
        np.savez(tmp_path / "few.npz", x=images, y=np.arange(20) % 2)
        (tmp_path / "few.ini").write_text(f"[model]\nname = few\ninput = 1 {side} 5\nclasses = 2\n[fc]\nkind = dense\nunits = 2\n")
        done = bramble(1, "train", "--data", "npz:few.npz", "--model", "few.ini", "--tta", kind, "--rounds", 1, "--out",
                       f"few-{side}.h5")
        assert done.returncode == (0 if good else 2), done.stderr
        assert good or f"--tta {kind}: images of {side} x 5 cannot be moved by {reach}" in done.stderr
        assert (tmp_path / f"few-{side}.h5").exists() == good
