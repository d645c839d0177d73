"""--tta: a second accuracy, by the mean of the logits of several views, against numpy."""
import json

import numpy as np
import pytest
from numpy_net import read_images
from runs import SMALL, Run, write_model

VIEWS = {"mirror": [(0.5, 0)], "shifts": [(0.25, 0), (0.125, -1), (0.125, 1)]}


def expected(net, w, pictures, kind):
    x, labels = read_images(pictures, "test")
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    logits = 0
    for share, by in VIEWS[kind]:
        moved = padded[:, :, 1 + by:33 + by, 1 + by:33 + by]
        logits = logits + share * (net.logits(w, moved) + net.logits(w, moved[:, :, :, ::-1]))
    return (logits.argmax(axis=1) == labels).mean(), len(x)


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

