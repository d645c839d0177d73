"""Every kind of data set, made here by others' code, is read as what it is."""
import gzip
import json
import os
import re
import shutil
import subprocess
import sys

import datasets
import h5py
import numpy as np
import pytest
from conftest import ROOT

FASHION = ROOT.__class__("/usr/share/datasets/fashion-mnist")
needs_fashion = pytest.mark.skipif(not FASHION.is_dir(), reason="no dataset-fashion-mnist")


def info(bramble, data):
    done = bramble(1, "data", "info", data, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def is_packed(bramble, data, train, test, names=None):
    """What `data pack` makes of it, read by h5py: every byte, every label; and it is a data set again."""
    out = bramble.folder / "packed.h5"
    done = bramble(1, "data", "pack", data, out, "--force")
    assert done.returncode == 0, done.stderr
    with h5py.File(out) as file:
        for split, (images, labels) in (("train", train), ("test", test)):
            assert np.array_equal(file[split]["images"], images) and np.array_equal(file[split]["labels"], labels)
        assert names is None or [name.decode() for name in file["class_names"]] == names
    told, again = info(bramble, data), info(bramble, out)
    assert {**told, "kind": 0, "data": 0} == {**again, "kind": 0, "data": 0}


def is_told(told, kind, train, test, shape, classes):
    """train and test: (images, labels); of the images the moments are looked at."""
    images, labels = train
    assert (told["kind"], told["train"], told["test"]) == (kind, len(images), len(test[0]))
    assert [told[name] for name in ("channels", "height", "width")] == list(shape)
    values = images.reshape(-1, *shape) / 255
    assert told["mean"] == pytest.approx(values.mean((0, 2, 3)), rel=1e-9)
    assert told["deviation"] == pytest.approx(values.std((0, 2, 3)), rel=1e-9)
    for split, of in (("train", labels), ("test", test[1])):
        assert [one[split] for one in told["classes"]] == np.bincount(of, minlength=classes).tolist()


@pytest.mark.parametrize("form", [{}, {"packed": True}, {"dot": "."}, {"prefix": "emnist-letters-"}])
def test_idx(bramble, form):
    train, test = datasets.some(60, 9, 11), datasets.some(20, 9, 11, classes=3, seed=2)
    folder = datasets.write_idx(bramble.folder / "digits", train, test, **form)
    prefix = form.get("prefix", "")
    for data in ["digits", "idx:digits"] if not prefix else [f"digits/{prefix[:-1]}", f"idx:digits/{prefix[:-1]}"]:
        is_told(info(bramble, data), "idx", train, test, (1, 9, 11), 5)
    if not prefix:
        (folder / "classes.txt").write_text("zero\none\n\n  \nfour\n")
        names = [one["name"] for one in info(bramble, "digits")["classes"]]
        assert names == ["zero", "one", "class 2", "class 3", "four"]


def test_gzip_files_one_behind_the_other(bramble):
    train, test = datasets.some(60, 9, 11), datasets.some(20, 9, 11)
    folder = datasets.write_idx(bramble.folder / "digits", train, test)
    path = folder / "train-images-idx3-ubyte"
    data = path.read_bytes()
    path.unlink()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(data[:1000]) + gzip.compress(data[1000:]))
    is_told(info(bramble, "digits"), "idx", train, test, (1, 9, 11), 5)


@pytest.mark.parametrize("packed", [True, False])
def test_svhn(bramble, packed):
    train, test = datasets.some(60, 3, 9, 11, classes=10), datasets.some(20, 3, 9, 11, classes=10, seed=2)
    datasets.write_svhn(bramble.folder / "svhn", train, test, packed=packed)
    is_told(info(bramble, "svhn"), "mat", train, test, (3, 9, 11), 10)
    is_packed(bramble, "mat:svhn", train, test, list("0123456789"))


@pytest.mark.parametrize("how", [{}, {"chunks": True, "compression": "gzip"}, {"chunks": True, "fletcher32": True}])
def test_hdf5(bramble, how):
    """Pixels or planes, in one piece or packed in chunks, under names of others."""
    train, test = datasets.some(60, 3, 9, 11), datasets.some(20, 3, 9, 11, seed=2)
    with h5py.File(bramble.folder / "a.h5", "w") as file:
        for split, (images, labels) in (("train", train), ("test", test)):
            file.create_dataset(f"{split}/x", data=images.transpose(0, 2, 3, 1), **how)
            file[f"{split}/y"] = labels.astype(">i4")[:, None]
            file.create_dataset(f"{split}/planes", data=images, **how)
    is_told(info(bramble, "a.h5"), "hdf5", train, test, (3, 9, 11), 5)
    is_packed(bramble, "hdf5:a.h5:planes,y", train, test)
    is_packed(bramble, "a.h5", train, test)


def test_pictures(bramble):
    """Of the size asked for they are what they were; in the order of names."""
    train, test = datasets.some(60, 3, 32, 32), datasets.some(20, 3, 32, 32, seed=2)
    train = datasets.write_pictures(bramble.folder / "pictures/train", *train)
    test = datasets.write_pictures(bramble.folder / "pictures/val", *test)
    (bramble.folder / "pictures/train/a/notes.txt").write_text("no picture")
    is_told(info(bramble, "pictures"), "folder", train, test, (3, 32, 32), 5)
    is_packed(bramble, "folder:pictures", train, test, list("abcde"))
    told = info(bramble, "pictures/train:16x16x1")
    assert (told["channels"], told["height"], told["width"]) == (1, 16, 16)
    assert [one["test"] for one in told["classes"]] == [2] * 5


def test_pictures_of_any_name(bramble):
    """Without an ending or with a strange one they are seen by how they begin; what is none is left out, also what was never meant to be read."""
    images, labels = datasets.some(60, 3, 32, 32)
    train = datasets.write_pictures(bramble.folder / "p/train", images, labels)
    test = datasets.write_pictures(bramble.folder / "p/val", images, labels)
    for place in (bramble.folder / "p/train").iterdir():
        for k, path in enumerate(sorted(place.iterdir())):
            path.rename(path.with_suffix(("", ".jfif", ".PNG", ".1")[k % 4]))
        for name, data in {"Thumbs.db": b"\xd0\xcf\x11\xe0", "a.xml": b"<xml>", "BMW": b"BM, and so on for a while", "0": b"", ".x": b"GIF89a"}.items():
            (place / name).write_bytes(data)
        os.mkfifo(place / "pipe")
        (place / "nowhere").symlink_to("nothing")
        (place / "folder").mkdir()
    is_told(info(bramble, "p"), "folder", train, test, (3, 32, 32), 5)
    is_packed(bramble, "p", train, test, list("abcde"))


# As they are sorted; of the third a letter is too much.
NAMES = ["a" * 40 + "x", "a" * 40 + "y", "z" * 62 + "\u00e4", "\u00c4pfel und Birnen", "\u00e4" * 31 + "b", "\u65e5\u672c"]
CUT = ["z" * 62 if name[0] == "z" else name for name in NAMES]


@pytest.fixture
def named(bramble):
    """Folders of these names with six pictures each."""
    for name in NAMES:
        (bramble.folder / "p" / name).mkdir(parents=True)
        for i in range(6):
            (bramble.folder / "p" / name / f"{i}.png").write_bytes(datasets.png(datasets.some(1, 32, 32, 3, seed=i)[0][0]))
    return bramble


def names_of(told):
    return [one["name"] for one in told["classes"]]


def test_names_of_classes(named):
    """Letters of any language, up to 63 bytes; columns are counted in letters; what is no name leaves the class its number."""
    assert names_of(info(named, "p")) == CUT
    assert named(1, "data", "pack", "p", "p.h5").returncode == 0 and names_of(info(named, "p.h5")) == CUT
    rows = named(1, "data", "info", "p").stdout.splitlines()[-len(NAMES):]
    assert rows == [f"{name:24} {5:9} {1:9}" for name in CUT]
    heads, *rows = named(1, "data", "partition", "p", "--partition", "even", "--workers", 2).stdout.splitlines()
    assert {len(row) for row in rows} == {len(heads)} and "\u00c4pfel und Bi " in heads
    (named.folder / "p" / NAMES[-1]).rename(named.folder / "p" / os.fsdecode(b"\xffpfel"))
    assert names_of(info(named, "p")) == [*CUT[:-1], "class 5"]
    datasets.write_idx(named.folder / "digits", datasets.some(60, 9, 11), datasets.some(20, 9, 11))
    (named.folder / "digits/classes.txt").write_text("\u0441\u043e\u0431\u0430\u043a\u0430\nb\nc\n\u0085\ne\n", encoding="utf-8")
    assert names_of(info(named, "digits")) == ["\u0441\u043e\u0431\u0430\u043a\u0430", "b", "c", "class 3", "e"]


@pytest.mark.parametrize("strings", [NAMES, [name.encode() for name in NAMES], np.array([name.encode() for name in NAMES])])
def test_names_of_classes_in_hdf5(bramble, strings):
    """Strings of variable length, as h5py writes Python's, and of a fixed one; one more of them than labels tell of."""
    with h5py.File(bramble.folder / "a.h5", "w") as file:
        file["images"], file["labels"] = datasets.some(60, 5, 6, classes=5)
        file["class_names"] = strings
    assert names_of(info(bramble, "a.h5")) == CUT


def test_names_of_classes_of_a_model(named):
    """From the data to the result file, as h5py and the package read it, and to what is told of it."""
    model = (ROOT / "models/paper.ini").read_text().replace("classes = 10", "classes = 6").replace("units = 10", "units = 6")
    (named.folder / "m.ini").write_text(model)
    out = named.train(2, "--model", "./m.ini", "--data", "p", "--rounds", 1, "--batch", 2)
    with h5py.File(out) as file:
        assert list(file["/test/class_names"].asstr()[:]) == CUT
    asked = [sys.executable, "-c", "import sys, bramble; print(*bramble.read_run(sys.argv[1]).class_names, sep='\\n')", out]
    done = subprocess.run(asked, env={**os.environ, "PYTHONPATH": str(ROOT / "python"), "PYTHONIOENCODING": "utf-8"}, capture_output=True, check=True)
    assert done.stdout.decode().splitlines() == CUT
    told = json.loads(named(1, "predict", out, "--evaluate", "p", "--json").stdout)
    assert list(told["class_accuracy"]) == CUT and np.sum(told["confusion"], 1).tolist() == [6] * 6
    tested = json.loads(named(1, "test", out, "--data", "p", "--json").stdout)
    assert list(tested["class_accuracy"]) == CUT and np.sum(tested["confusion"], 1).tolist() == [1] * 6
    for line in (["predict", out, "--evaluate", "p"], ["test", out, "--data", "p"]):
        rows = named(1, *line).stdout.splitlines()[-6:]
        assert [row[:13] for row in rows] == [f"{name[:12]:12} " for name in CUT] and len({len(row) for row in rows}) == 1


def test_pictures_are_cropped_and_resized(bramble):
    """A ramp stays one; of a wide picture the middle is taken; large ones are averaged."""
    ramp = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[None], 64, 0)
    wide = np.zeros((40, 100, 3), np.uint8)
    wide[:, 30:70] = (10, 20, 30)
    noise = np.random.default_rng(1).integers(0, 256, (512, 512), dtype=np.uint8)
    for name, pixels in (("ramp", ramp), ("wide", wide), ("noise", noise)):
        for i in range(2):
            (bramble.folder / "p" / name).mkdir(parents=True, exist_ok=True)
            (bramble.folder / "p" / name / f"{i}.png").write_bytes(datasets.png(pixels))
    assert bramble(1, "data", "pack", "p:8x8", "p.h5").returncode == 0
    with h5py.File(bramble.folder / "p.h5") as file:
        noise, ramp, wide = file["train/images"][()]
    assert np.array_equal(wide, np.broadcast_to(np.array([10, 20, 30])[:, None, None], (3, 8, 8)))
    steps = np.diff(ramp[0, 0].astype(int))
    assert np.array_equal(ramp, np.broadcast_to(ramp[0, 0], (3, 8, 8))) and abs(steps[1:-1] - 32).max() <= 1
    assert abs(noise.astype(int) - 127).max() < 12


def test_jpeg(bramble):
    """A ramp of 16 x 16, as far as JPEG keeps it, also under another ending."""
    for c in "ab":
        (bramble.folder / "p" / c).mkdir(parents=True)
        for name in ("1.jpg", "2.JPEG", "3.png"):
            (bramble.folder / "p" / c / name).write_bytes(datasets.JPEG)
    assert bramble(1, "data", "pack", "p:16x16", "p.h5").returncode == 0
    with h5py.File(bramble.folder / "p.h5") as file:
        for image in file["train/images"]:
            assert abs(image.astype(int) - np.indices((16, 16)).sum(0) * 8).max() < 40


TURNS = [lambda a: a, lambda a: a[:, ::-1], lambda a: a[::-1, ::-1], lambda a: a[::-1], lambda a: a.swapaxes(0, 1), lambda a: np.rot90(a, -1),
         lambda a: a.swapaxes(0, 1)[::-1, ::-1], lambda a: np.rot90(a)]  # what EXIF's 1 to 8 ask for


def packed(bramble, files, shape):
    """Files (a list of bytes for each class) as `data pack` makes images of them: (class, file) to [row][column][channel]."""
    for c, contents in files.items():
        (bramble.folder / "p/train" / c).mkdir(parents=True)
        for i, content in enumerate(contents):
            (bramble.folder / "p/train" / c / f"{i:02}.bmp").write_bytes(content)
    shutil.copytree(bramble.folder / "p/train", bramble.folder / "p/test")
    done = bramble(1, "data", "pack", f"p:{shape}", "p.h5")
    assert done.returncode == 0, done.stderr
    with h5py.File(bramble.folder / "p.h5") as file:
        images = iter(file["train/images"][()].transpose(0, 2, 3, 1))
    return {(c, i): next(images) for c in sorted(files) for i in range(len(files[c]))}


def test_pictures_are_turned(bramble):
    """As EXIF says, in JPEG and PNG; a number beyond 8 leaves them."""
    pixels = datasets.some(1, 16, 16, 3)[0][0]
    told = packed(bramble, {"jpeg": [datasets.turned_jpeg(turn) for turn in range(1, 10)],
                            "png": [datasets.png(pixels, turn) for turn in range(1, 10)]}, "16x16")
    assert np.array_equal(told["png", 0], pixels)
    for c in ("jpeg", "png"):
        for i, turned in enumerate(TURNS):
            assert np.array_equal(told[c, i], turned(told[c, 0])), (c, i + 1)
        assert np.array_equal(told[c, 8], told[c, 0])


def test_bmp(bramble):
    """Palettes, grey and colours, colours by masks, rows from below and from above; of what the name says nothing is believed."""
    pixels = datasets.some(1, 7, 13, 3)[0][0]
    indices = {bits: pixels[..., 0] & ((1 << bits) - 1) for bits in (1, 4, 8)}
    told = packed(bramble, {"a": [datasets.bmp(indices[bits], bits) for bits in indices],
                            "b": [datasets.bmp(pixels, 24), datasets.bmp(pixels, 32), datasets.bmp(pixels, 24, from_top=True),
                                  datasets.bmp(pixels, 32, masks=(0xff, 0xff00, 0xff0000)), datasets.png(pixels)]}, "7x13")
    for i, index in enumerate(indices.values()):
        assert np.array_equal(told["a", i], np.stack([index, 0 * index, 255 - index], -1))
    assert all(np.array_equal(told["b", i], pixels) for i in range(5))


def test_packed_data_train_as_the_original(bramble):
    """The same checksum of the data, the same weights."""
    datasets.write_cifar100(bramble.folder / "c100")
    assert bramble(1, "data", "pack", "cifar100-coarse:c100", "c.h5").returncode == 0
    model = (ROOT / "models/paper.ini").read_text().replace("classes = 10", "classes = 20").replace("units = 10", "units = 20")
    (bramble.folder / "m.ini").write_text(model)
    weights = []
    for data, ranks in (("cifar100-coarse:c100", 1), ("c.h5", 1), ("c.h5", 2)):
        out = bramble.train(ranks, "--model", "./m.ini", "--data", data, "--rounds", 2, "--batch", 8, out=f"{len(weights)}.h5")
        with h5py.File(out) as file:
            weights.append(file["/model/fc3.weight"][()])
    assert all(np.array_equal(weights[0], other) for other in weights[1:])


@needs_fashion
def test_fashion_mnist(bramble):
    """Its published mean and deviation, 0.2860 and 0.3530."""
    told = info(bramble, "fashion-mnist")
    assert (told["train"], told["test"], told["mean"], told["deviation"]) == (
        60000, 10000, [pytest.approx(0.2860, abs=5e-5)], [pytest.approx(0.3530, abs=5e-5)])
    assert {(one["train"], one["test"]) for one in told["classes"]} == {(6000, 1000)}
    assert told["classes"][9]["name"] == "ankle boot"
    assert info(bramble, f"fashion-mnist:{FASHION}")["classes"] == told["classes"]


@needs_fashion
def test_training_on_fashion_mnist(bramble):
    """Rank 0 alone reads; names and images come through to the result."""
    out = bramble.train(3, "--preset", "fashion", "--limit-train", 512, "--limit-test", 128, "--rounds", 1)
    with h5py.File(out) as file:
        assert [name.decode() for name in file["/test/class_names"]][:2] == ["T-shirt/top", "trouser"]
    told = bramble(1, "test", out, "--data", "fashion-mnist", "--limit-test", 128)
    assert told.returncode == 0 and "T-shirt/top" in told.stdout


def test_cifar100(bramble):
    folder = datasets.write_cifar100(bramble.folder / "c100")
    sets = {n: datasets.some(n, 3, 32, 32, classes=100, seed=n) for n in (40, 10)}
    is_packed(bramble, "c100", sets[40], sets[10])
    is_told(info(bramble, "c100"), "cifar100", sets[40], sets[10], (3, 32, 32), 100)
    coarse = [(images, labels % 20) for images, labels in (sets[40], sets[10])]
    is_told(info(bramble, "cifar100-coarse:c100"), "cifar100-coarse", *coarse, (3, 32, 32), 20)
    (folder / "fine_label_names.txt").write_text("\n".join(f"fine {c}" for c in range(100)))
    assert info(bramble, "cifar100:c100")["classes"][99]["name"] == "fine 99"


@pytest.mark.parametrize("names", [("x_train", "y_train", "x_test", "y_test"),
                                   ("train_images", "train_labels", "test_images", "test_labels")])
@pytest.mark.parametrize("pack", [np.savez, np.savez_compressed])
def test_npz(bramble, names, pack):
    train, test = datasets.some(60, 3, 9, 11), datasets.some(20, 3, 9, 11, seed=2)
    for turned, labels in ((False, "u1"), (True, "<i8")):
        arrays = [array for images, numbers in (train, test)
                  for array in (images.transpose(0, 2, 3, 1).copy() if turned else images, numbers.astype(labels)[:, None])]
        pack(bramble.folder / "a.npz", **dict(zip(names, arrays)))
        for data in ("a.npz", "npz:a.npz"):
            is_told(info(bramble, data), "npz", train, test, (3, 9, 11), 5)
    is_packed(bramble, "a.npz", train, test)


def test_a_sixth_of_each_class_is_set_aside(bramble):
    images, labels = datasets.some(100, 5, 6)
    labels[:3] = 9
    np.savez(bramble.folder / "a.npz", a=images, b=labels)
    told = info(bramble, "a.npz:a,b")
    per_class = np.bincount(labels, minlength=10)
    assert [one["test"] for one in told["classes"]] == [1 if n == 3 else (n + 3) // 6 for n in per_class]
    assert [one["test"] + one["train"] for one in told["classes"]] == per_class.tolist()
    assert info(bramble, "a.npz:a,b") == told and (told["channels"], told["height"], told["width"]) == (1, 5, 6)


@pytest.mark.parametrize("names", ["x_train y_train", "X_train y_train", "train_images train_labels", "train/images train/labels", "train/x train/y"])
def test_arrays_for_training_alone(bramble, names):
    """As the same arrays named: a sixth is set aside."""
    arrays = dict(zip(names.split(), datasets.some(60, 5, 6)))
    with h5py.File(bramble.folder / "a.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
    np.savez(bramble.folder / "a.npz", **arrays)
    for data in ("a.npz", "a.h5"):
        told, named = info(bramble, data), info(bramble, f"{data}:{names.replace(' ', ',')}")
        assert {**told, "data": 0} == {**named, "data": 0} and (told["train"], told["test"]) == (50, 10)


def test_names_of_kinds(bramble):
    """A name and a colon come before what is there."""
    datasets.write_idx(bramble.folder / "here", datasets.some(6, 4, 4), datasets.some(6, 4, 4))
    assert "train.bin: missing" in bramble(1, "data", "info", "cifar100:here").stderr
    assert info(bramble, "synthetic:50")["train"] == 50


def test_the_page_and_the_manual_have_all_kinds():
    """docs/data.md and the manual's DATA SETS, and what the completion offers."""
    source = (ROOT / "src/data/source.c").read_text()
    kinds = {name.replace("_", "-") for name in re.findall(r"^    KIND\(source_(\w+)\)", source, re.M)}
    assert len(kinds) >= 10
    page, manual = (ROOT / "docs/data.md").read_text(), (ROOT / "docs/bramble.1").read_text()
    column = "".join(re.findall(r"^\| (`(?!-)[^|]*)\|", page, re.M))
    assert kinds == set(re.findall(r"`([a-z0-9-]+)[:`]", column))
    items = "".join(re.findall(r"^\.It .*\n", manual[manual.index(".Sh DATA SETS"):manual.index(".Sh ENVIRONMENT")], re.M))
    assert kinds == set(re.findall(r"Cm ([a-z0-9-]+):? ", items))
    offered = re.search(r"compgen -W '([^']*)'", (ROOT / "tools/completion.bash").read_text())[1].split()
    assert kinds == {word.rstrip(":") for word in offered}
