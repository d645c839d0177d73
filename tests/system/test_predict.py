"""bramble predict: pictures against numpy and against `bramble test`, from files, folders and a pipe; bad ones among good."""
import csv
import io
import json
import struct
import subprocess
import zlib

import datasets
import h5py
import numpy as np
import pytest
from conftest import WAIT_S, Runner
from numpy_net import read_images, shares
from runs import HEAD, SMALL, Run, write_model
from test_tta import VIEWS, mean_of_views

N = 120


@pytest.fixture(scope="module")
def made(tmp_path_factory, pictures):
    """A model, and its test images as pictures: set/CLASS/NUMBER.png, numbers as in the file."""
    folder = tmp_path_factory.mktemp("predict")
    bramble = Runner(folder)
    start, net, _ = write_model(folder, SMALL)
    path = bramble.train(1, "--data", pictures, *start, "--batch", 8, "--lr", 0.02, "--rounds", 2, "--normalise", "measured",
                         out="m.h5")
    with h5py.File(path) as file:
        names = [name.decode() for name in file["test/class_names"][()]]
    raw = np.fromfile(pictures / "test_batch.bin", np.uint8).reshape(-1, 3073)
    for i, (label, *pixels) in enumerate(raw.tolist()):
        place = folder / "set" / names[label]
        place.mkdir(parents=True, exist_ok=True)
        image = np.array(pixels, np.uint8).reshape(3, 32, 32).transpose(1, 2, 0).copy()
        (place / f"{i:03}.png").write_bytes(datasets.png(image) if i % 3 else datasets.bmp(image, 24))
    return folder, net, Run(path), names


@pytest.fixture
def bramble(made):
    return Runner(made[0])


def normalise_of(run):
    return run.config["normalise"].decode()


def normalised(run, pictures):
    mean, deviation = (np.array([float(x) for x in part.split(",")]) for part in normalise_of(run).split("/"))
    x = (read_images(pictures, "test")[0] * 0.5 + 0.5 - mean[:, None, None]) / deviation[:, None, None]
    return x


def predicted(done, names):
    """[picture by its number][class]: from JSON."""
    found = {}
    for one in json.loads(done.stdout):
        by_name = {c["class"]: c["probability"] for c in one["classes"]}
        assert list(by_name.values()) == sorted(by_name.values(), reverse=True)
        found[int(one["picture"].split("/")[-1][:3])] = [by_name[name] for name in names]
    return np.array([found[i] for i in sorted(found)])


def test_probabilities(bramble, made, pictures):
    """Those of numpy, whatever the number of threads; with views, those of the mean logits, or the mean of those."""
    folder, net, run, names = made
    x = normalised(run, pictures)
    done = bramble(1, "predict", "m.h5", "set", "--top", 10, "--json", "--threads", 1)
    assert done.returncode == 0 and done.stderr == ""
    found = predicted(done, names)
    assert found.shape == (N, 10)
    assert np.abs(found - shares(net.logits(run.weights, x))).max() < 1e-5
    assert bramble(1, "predict", "m.h5", "set/", "--top", 10, "--json", "--threads", 3).stdout == done.stdout
    for kind in VIEWS:
        mean = mean_of_views(net, run.weights, x, kind)
        found = predicted(bramble(1, "predict", "m.h5", "set", "--top", 10, "--json", "--tta", kind), names)
        assert np.abs(found - (mean if kind == "crops" else shares(mean))).max() < 1e-5


def test_evaluate_is_what_test_says(bramble, pictures):
    options = ["--json", "--tta", "shifts"]
    told = json.loads(bramble(1, "predict", "m.h5", "--evaluate", "set", *options).stdout)
    tested = json.loads(bramble(1, "test", "m.h5", "--data", pictures, *options).stdout)
    for key in ("accuracy", "accuracy_tta", "images", "class_accuracy", "confusion"):
        assert told[key] == tested[key], key
    assert told["skipped"] == 0 and 0 < told["accuracy"] < 1
    said = bramble(1, "predict", "m.h5", "--evaluate", "set").stdout.splitlines()
    lines = bramble(1, "test", "m.h5", "--data", pictures).stdout.splitlines()
    assert said[0].split()[:3] == lines[0].split()[:3] and said[2:] == lines[3:]


def test_forms(bramble, made):
    """Text and CSV say what JSON says; names that CSV and terminals would stumble over."""
    folder, _, _, names = made
    odd = folder / "odd"
    odd.mkdir(exist_ok=True)
    strange = 'a,"b"\nc.png'
    (odd / strange).write_bytes((next((folder / "set" / names[0]).iterdir())).read_bytes())
    (one,) = json.loads(bramble(1, "predict", "m.h5", "odd", "--json", "--top", 2).stdout)
    assert one["picture"] == f"odd/{strange}" and len(one["classes"]) == 2
    rows = list(csv.DictReader(io.StringIO(bramble(1, "predict", "m.h5", "odd", "--csv", "--top", 2).stdout)))
    for rank, (row, of) in enumerate(zip(rows, one["classes"], strict=True), 1):
        assert (row["picture"], row["rank"], row["class"]) == (f"odd/{strange}", str(rank), of["class"])
        assert float(row["probability"]) == pytest.approx(of["probability"], rel=1e-7)
    (line,) = bramble(1, "predict", "m.h5", "odd").stdout.splitlines()
    best = one["classes"][0]
    assert line.startswith(f'odd/a,"b"?c.png') and f"  {best['class']} {100 * best['probability']:.2f} %" in line
    assert line.count("%") == 3  # without --top


def test_bad_among_good(bramble, made):
    """Named, left out, status 1; with none that is good status 2, and a line for each."""
    folder = made[0]
    good = sorted((folder / "set").rglob("*.png"))[:70]
    bad = {"text.png": b"some text", "empty.jpg": b"", "cut.png": good[1].read_bytes()[:-30],
           "large.png": datasets.png(np.zeros((2, 2), np.uint8), claims=(8001, 8000)), "web.jpg": b"RIFF....WEBP" + bytes(20)}
    for name, data in bad.items():
        (folder / name).write_bytes(data)
    done = bramble(1, "predict", "m.h5", *good[:3], *bad, *good[3:], "nowhere.png", "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert [one["picture"] for one in told if "classes" in one] == [str(path) for path in good]
    assert [one["picture"] for one in told if "error" in one] == [*bad, "nowhere.png"]
    lines = done.stderr.splitlines()
    assert len(lines) == 6 and all(line.startswith(f"bramble: {name}: ") for line, name in zip(lines, [*bad, "nowhere.png"]))
    assert "is a WebP picture: convert it" in lines[4] and "64 million" in lines[3]
    alone = bramble(1, "predict", "m.h5", "text.png")
    assert (alone.returncode, alone.stdout) == (2, "") and len(alone.stderr.splitlines()) == 1


def test_folders_by_what_is_in_them(bramble, made):
    """Pictures of any name; those that cannot be read are named, too; texts are not."""
    folder = made[0]
    good = sorted((folder / "set").rglob("*.png"))[0].read_bytes()
    (folder / "mixed/deep").mkdir(parents=True)
    for name, data in {"bare": good, "deep/x.jfif": datasets.JPEG, "notes.txt": b"text", "empty": b"", "web.webp": b"RIFF....WEBP" + bytes(20)}.items():
        (folder / "mixed" / name).write_bytes(data)
    done = bramble(1, "predict", "m.h5", "mixed", "--json")
    assert [one["picture"] for one in json.loads(done.stdout) if "classes" in one] == ["mixed/bare", "mixed/deep/x.jfif"]
    assert done.returncode == 1 and done.stderr == "bramble: mixed/web.webp: is a WebP picture: convert it to PNG, JPEG or BMP\n"


def test_evaluate_leaves_out_what_is_bad(bramble, made):
    folder, _, _, names = made
    some = folder / "some" / names[1]
    some.mkdir(parents=True)
    for path in sorted((folder / "set" / names[1]).iterdir())[:4]:
        (some / path.name).write_bytes(path.read_bytes())
    (some / "bad.png").write_bytes(b"no")
    done = bramble(1, "predict", "m.h5", "--evaluate", "some", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1 and (told["images"], told["skipped"]) == (4, 1) and "bad.png" in done.stderr
    assert np.sum(told["confusion"]) == 4 == np.sum(told["confusion"][1])
    rows = [line.split() for line in bramble(1, "predict", "m.h5", "--evaluate", "some").stdout.splitlines()[3:]]
    assert [row[1] for row in rows if row[0] != names[1]] == ["-"] * (len(names) - 1)


def from_pipe(bramble, *args):
    return subprocess.Popen(bramble.command(1, "predict", "m.h5", *args, "-"), cwd=bramble.folder, env=bramble.env,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_from_a_pipe(bramble, made):
    """One behind the other, of all forms, with filling between them; in pieces; what follows that is none ends it."""
    pictures = [datasets.png(np.full((5, 5, 3), 90, np.uint8)), datasets.JPEG, datasets.turned_jpeg(6),
                datasets.bmp(np.full((4, 4), 7, np.uint8), 24)] * 20
    process = from_pipe(bramble, "--csv", "--top", "1")
    out, err = process.communicate(b"\0\0".join(pictures), timeout=WAIT_S)
    rows = out.decode().splitlines()[1:]
    assert process.returncode == 0 and err == b"" and [row.split(",")[0] for row in rows] == [f"-:{i}" for i in range(1, 81)]
    assert rows[0].split(",")[2:] == rows[4].split(",")[2:] and rows[2].split(",")[2:] == rows[78].split(",")[2:]
    for more, word in ((b"and no picture", b"no PNG, JPEG or BMP"), (pictures[1][:-2], b"cut off"), (b"BM" + bytes(30), b"cannot be told")):
        process = from_pipe(bramble)
        out, err = process.communicate(pictures[0] + more, timeout=WAIT_S)
        assert (process.returncode, len(out.splitlines())) == (1, 1)
        assert word in err and f"byte {len(pictures[0])}:".encode() in err and len(err.splitlines()) == 1
    process = from_pipe(bramble)
    out, err = process.communicate(b"", timeout=WAIT_S)
    assert (process.returncode, out) == (2, b"") and b"no picture came" in err


def test_a_camera_is_answered_at_once(bramble, made):
    """Before the next picture comes, and before the pipe is closed."""
    process = from_pipe(bramble)
    try:
        for i in (1, 2):
            process.stdin.write(datasets.JPEG)
            process.stdin.flush()
            assert process.stdout.readline().startswith(f"-:{i} ".encode())
        process.stdin.close()
        assert process.wait(WAIT_S) == 0
    finally:
        process.kill()
        process.wait()


def test_weights_of_other_programs(bramble, made):
    """Without names of classes refused, with them read."""
    folder, _, run, names = made
    with h5py.File(folder / "w.h5", "w") as file:
        for name, value in run.weights.items():
            file[name] = value
    picture = next((folder / "set").rglob("*.png")).relative_to(folder)
    (folder / "names.txt").write_text("".join(f"{name.upper()}\r\n" for name in names) + "\n")
    line = ("predict", "w.h5", "--model", "net.ini", "--normalise", normalise_of(run), picture, "--json")
    refused = bramble(1, *line)
    assert (refused.returncode, refused.stdout) == (2, "") and "--classes FILE" in refused.stderr
    found = json.loads(bramble(1, *line, "--classes", "names.txt").stdout)[0]["classes"]
    expected = json.loads(bramble(1, "predict", "m.h5", picture, "--json").stdout)[0]["classes"]
    assert found == [{**one, "class": one["class"].upper()} for one in expected]


@pytest.mark.parametrize("line, words", [
    ("m.h5", ("expected",)),
    ("nowhere.h5 set", ("nowhere.h5",)),
    ("m.h5 set --json --csv", ("--json and --csv",)),
    ("m.h5 set --evaluate --csv", ("--csv does not go with --evaluate",)),
    ("m.h5 set set --evaluate", ("one folder",)),
    ("m.h5 - --evaluate", ("one folder",)),
    ("m.h5 set -", ("standard input",)),
    ("m.h5 set --top 0", ("--top 0",)),
    ("m.h5 nothing", ("nothing", "no PNG, JPEG or BMP picture")),
    ("m.h5 nothing --evaluate", ("has no folders",)),
    ("m.h5 empty --evaluate", ("empty/", "without a PNG")),
    ("m.h5 strange --evaluate", ("strange/unheard", "no class of this name")),
    ("m.h5 set --classes few.txt", ("few.txt", "2 names", "10 apart")),
    ("m.h5 set --normalise half", ("--normalise half", "leave the option out")),
    ("m.h5 set --tta sideways", ("sideways",)),
    ("five.h5 set --model five.ini --classes ten.txt", ("5 channels", "1 or 3")),
])
def test_mistakes(bramble, made, line, words):
    folder, _, _, names = made
    for name in ("nothing", f"empty/{names[0]}", "strange/unheard"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "few.txt").write_text("one\ntwo\n")
    (folder / "ten.txt").write_text("\n".join("abcdefghij"))
    (folder / "five.ini").write_text(HEAD.replace("3 32 32", "5 2 2") + "[fc1]\nkind = dense\nunits = 10\n")
    with h5py.File(folder / "five.h5", "w") as file:
        file["fc1.weight"], file["fc1.bias"] = np.zeros((10, 20), "f4"), np.zeros(10, "f4")
    done = bramble(1, "predict", *line.split())
    assert (done.returncode, done.stdout) == (2, "") and len(done.stderr.splitlines()) == 1
    assert all(word in done.stderr for word in words), done.stderr


def read_png(path):
    """[row][column][3] of what the program writes: 8 bits, three colours, filters of any kind."""
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, height, bits, colours = struct.unpack(">IIBB", data[at + 8:at + 18])
        packed += data[at + 8:at + 8 + n] if kind == b"IDAT" else b""
        at += n + 12
    assert (bits, colours) == (8, 2)
    lines = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + 3 * width)
    out = np.zeros((height + 1, 3 * width + 3), int)
    for y, (how, *line) in enumerate(lines.tolist(), 1):
        for x, byte in enumerate(line, 3):
            left, up, corner = out[y, x - 3], out[y - 1, x], out[y - 1, x - 3]
            nearest = min((abs(up - corner), 0, left), (abs(left - corner), 1, up), (abs(left + up - 2 * corner), 2, corner))[2]
            out[y, x] = (byte + (0, left, up, (left + up) // 2, nearest)[how]) % 256
    return out[1:, 3:].reshape(height, width, 3)


def test_sheet(bramble, made):
    """The pictures enlarged, words below that are those of their classes; an existing file stays."""
    folder = made[0]
    some = [sorted((folder / "set" / name).glob("*.png"))[0] for name in made[3][:2]]
    line = ("predict", "m.h5", some[0], some[1], some[0], "--json", "--sheet", "sheet.png")
    done = bramble(1, *line)
    assert done.returncode == 0, done.stderr
    sheet = read_png(folder / "sheet.png")
    cell, side = 6 + 32 * 4, 32 * 4  # 4: the least by which 32 comes to 100
    assert sheet.shape == (6 + side + 2 * 11 + 3 + 6, 6 + 3 * cell, 3)
    for k, path in enumerate((some[0], some[1], some[0])):
        shown = sheet[6:6 + side:4, 6 + k * cell:6 + k * cell + side:4]
        assert np.array_equal(shown, read_png(path)) and np.array_equal(shown, sheet[9:9 + side:4, 9 + k * cell:9 + k * cell + side:4])
    words = [sheet[6 + side:, 6 + k * cell:6 + k * cell + side] for k in range(3)]
    assert set(np.unique(words)) == {0, 255}
    assert np.array_equal(words[0], words[2]) and not np.array_equal(words[0], words[1])
    before = (folder / "sheet.png").read_bytes()
    refused = bramble(1, *line)
    assert refused.returncode == 2 and "sheet.png" in refused.stderr and "--force" in refused.stderr
    assert bramble(1, *line[:3], "--sheet", "sheet.png", "--force").returncode == 0
    after = (folder / "sheet.png").read_bytes()
    assert after != before
    before = sorted(folder.iterdir())
    for name in ("sheet.png", "new.png"):  # what the disk refuses leaves nothing, and what stood there stands there
        full = bramble.run(bramble.command(1, *line[:2], "set", "--sheet", name, "--force", below=["prlimit", "--fsize=20000"]))
        assert full.returncode == 1 and full.stderr.count("\n") == 1 and f"--sheet {name}: " in full.stderr, full.stderr
    assert (folder / "sheet.png").read_bytes() == after and sorted(folder.iterdir()) == before


def test_data_as_pictures(bramble, made, pictures):
    """The first of each split, each byte and label; read as a data set and by predict; whole or not at all."""
    done = bramble(1, "data", "pictures", pictures, "png/", 50)
    assert done.returncode == 0 and "50 training and 50 test pictures of 32 x 32" in done.stdout
    told = json.loads(bramble(1, "data", "info", "png", "--json").stdout)
    assert (told["kind"], told["train"], told["test"]) == ("folder", 50, 50)
    assert bramble(1, "data", "pack", "png", "png.h5").returncode == 0
    raw = np.fromfile(pictures / "test_batch.bin", np.uint8).reshape(-1, 3073)[:50]
    with h5py.File(bramble.folder / "png.h5") as file:
        images, labels = file["test/images"][()], file["test/labels"][()]
    paths = sorted((bramble.folder / "png/test").rglob("*.png"), key=lambda path: path.parts[-2:])
    numbers = [int(path.stem) for path in paths]
    assert np.array_equal(images.reshape(50, -1), raw[numbers, 1:])
    assert [path.parent.name for path in paths] == [made[3][label] for label in raw[numbers, 0]]
    assert (np.diff(labels) >= 0).all() and len(set(labels)) == len(set(raw[:, 0]))
    again = bramble(1, "data", "pictures", pictures, "png", 50)
    assert again.returncode == 2 and "exists already" in again.stderr
    assert bramble(1, "data", "pictures", "synthetic:5", "none/there").returncode == 1
    assert not list(bramble.folder.glob("*.part-*"))
