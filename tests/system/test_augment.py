"""--augment: what is trained on is what numpy makes of the same images from the same random numbers."""
import numpy as np
import pytest
from numpy_augment import augment, mix, shares, sine
from numpy_net import PIXELS, Net, Recipe, read_images, softmax, train
from runs import CHANGES, SMALL, Run, write_model
from test_training import check_run

# name: changes, shards
CASES = {
    "flip": ("flip", [19]),
    "alternate": ("flip:alternate", [11, 9]),
    "crop": ("crop:4", [19]),
    "crop far": ("crop:31:reflect", [9]),
    "cutout": ("cutout:8", [19]),
    "cutout, odd": ("cutout:33", [9]),
    "color": ("color:0.4", [19]),
    "rotate": ("rotate:15", [9]),
    "half a turn": ("rotate:180", [9]),
    "all": (CHANGES, [13, 8]),
    "another order": (",".join(CHANGES.split(",")[::-1]), [21]),
}


def read_bytes(folder):
    raw = np.fromfile(folder / "data_batch_1.bin", np.uint8).reshape(-1, 1 + PIXELS)
    return raw[:, 1:].reshape(-1, 3, 32, 32)


@pytest.mark.parametrize("case", CASES)
def test_against_numpy(bramble, pictures, tmp_path, case):
    changes, shards = CASES[case]
    recipe = Recipe(batch=8, rounds=3, lr=0.02)
    start, net, w = write_model(tmp_path, SMALL)
    run = Run(bramble.train(len(shards) + (len(shards) > 1), "--data", pictures, *start, "--shards", ",".join(map(str, shards)),
                            "--threads", 2, "--seed", 7, "--augment", changes, *recipe.arguments()))
    assert run.config["augment"].decode() == changes
    images = read_bytes(pictures)[:sum(shards)]

    def see(epoch):
        return (augment(images, changes, 7, epoch) / 255.0 - 0.5) / 0.5
    assert not np.array_equal(see(0), see(1))
    check_run(run, net, train(net, w, see, read_images(pictures)[1], shards, recipe), pictures)


class MixedNet(Net):
    """Trained on batches, in file order, in which each image has some of the next one in it."""

    def __init__(self, text, n, table):
        super().__init__(text)
        self.n, self.table, self.place = n, table, 0

    def gradient(self, w, x, labels, chance=None):
        epoch, first = divmod(self.place, self.n)
        self.place += len(x)
        x, share = mix(np.rint((x + 1) * 127.5).astype(int), self.table, 7, epoch, first)
        saved, others, rows = [], np.roll(labels, -1), np.arange(len(x))
        logits = self.logits(w, x / 127.5 - 1, saved)
        p, losses = softmax(logits, labels)
        hits, total = (p.argmax(axis=1) == labels).sum(), ((1 - share) * losses + share * softmax(logits, others)[1]).sum()
        np.subtract.at(p, (rows, labels), 1 - share)
        np.subtract.at(p, (rows, others), share)
        return total, hits, self.backward(w, p / len(x), saved)


@pytest.mark.parametrize("changes, a", [("mixup:0.4", 0.4), ("mixup:1,flip", 1), ("crop:2,mixup:3.5,flip", 3.5)])
def test_mixup_against_numpy(bramble, pictures, tmp_path, changes, a):
    recipe, n = Recipe(batch=8, rounds=3, lr=0.02), 21  # the last batch has five
    start, _, w = write_model(tmp_path, SMALL)
    run = Run(bramble.train(1, "--data", pictures, *start, "--shards", n, "--threads", 2, "--seed", 7, "--augment", changes,
                            *recipe.arguments()))
    images = read_bytes(pictures)[:n]
    others = ",".join(change for change in changes.split(",") if "mixup" not in change)

    def see(epoch):
        return (augment(images, others, 7, epoch) if others else images) / 127.5 - 1
    net = MixedNet(SMALL, n, shares(a))
    check_run(run, net, train(net, w, see, read_images(pictures)[1], [n], recipe), pictures)


def test_shares_are_those_of_a_beta_distribution():
    """The oracle's own: means of min(l, 1 - l) for a = 1, 2, and towards 1/2 and 0."""
    assert abs(shares(1).mean() / 256 - 0.25) < 0.002 and shares(16).mean() / 256 > 0.4 and shares(0.01).mean() / 256 < 0.02
    assert abs(shares(2).mean() / 256 - 5 / 16) < 0.002


def test_a_sine_is_one():
    """The oracle's own whole numbers."""
    for angle in np.linspace(-np.pi, np.pi, 101):
        assert np.allclose(sine(int(angle * 2 ** 26)), (65536 * np.sin(angle), 65536 * np.cos(angle)), atol=1)
