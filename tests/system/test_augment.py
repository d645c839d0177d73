"""--augment: what is trained on is what numpy makes of the same images from the same random numbers."""
import numpy as np
import pytest
from numpy_augment import augment, sine
from numpy_net import PIXELS, Recipe, read_images, train
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


def test_a_sine_is_one():
    """The oracle's own whole numbers."""
    for angle in np.linspace(-np.pi, np.pi, 101):
        assert np.allclose(sine(int(angle * 2 ** 26)), (65536 * np.sin(angle), 65536 * np.cos(angle)), atol=1)
