"""Data sets of every kind, small, and such that must be refused."""
import base64
import gzip
import os
import struct
import zlib
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
# A ramp from dark to light, 16 x 16, in three colours.
JPEG = base64.b85decode(
    '|JeWF01!$>Nk#wx0RR9200961|JwjV0HAJojCf?AjDn1`s-V8`|NrpZ-'
    '0=VZ|NsC0|NsC0|NsC0|NsC0|NsC0|NsC0|NsC0|NsC0|NsC0|NsC0|Nq+nLjkI^wD8jK|NsC0|NsC0|NsC0|NsC0|NsC0|NsC0|NsC0|NsC0|'
    'NsC0|NsC0|NsC0|NsC0|NsC0|NsC0|NsBM01*fP5C9MZ0U`hb5di}c0sq7R761VO0RR910000000000000930{_GS6%YXd0000000000000000'
    '0031|HJ?k0RaF20000000000000000095Q02C1c00000000000000000000|Jncy0|5X65d#qbKL9Y0C@q8^|Je')


def some(n, *shape, classes=5, seed=1):
    """n images of random bytes, rows of planes, and their labels, each class in turn."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *shape), dtype=np.uint8), (np.arange(n) % classes).astype(np.uint8)


def idx(array, kind=8, sizes=None):
    sizes = array.shape if sizes is None else sizes
    return struct.pack(f">BBBB{len(sizes)}I", 0, 0, kind, len(sizes), *sizes) + array.tobytes()


def write_idx(folder, train, test, *, prefix="", dot="-", packed=False):
    """train and test: (images of one channel, labels)."""
    folder.mkdir(exist_ok=True)
    for split, (images, labels) in (("train", train), ("t10k", test)):
        for what, array in (("images", images.reshape(len(images), *images.shape[-2:])), ("labels", labels)):
            name = f"{prefix}{split}-{what}{dot}idx{array.ndim}-ubyte"
            data = idx(array)
            (folder / (name + ".gz" if packed else name)).write_bytes(gzip.compress(data) if packed else data)
    return folder


def cifar100(images, coarse, fine):
    return b"".join(bytes([c, f]) + image.tobytes() for image, c, f in zip(images, coarse, fine))


def write_cifar100(folder, n_train=40, n_test=10):
    folder.mkdir(exist_ok=True)
    for name, n in (("train.bin", n_train), ("test.bin", n_test)):
        images, labels = some(n, 3, 32, 32, classes=100, seed=n)
        (folder / name).write_bytes(cifar100(images, labels % 20, labels))
    return folder


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def mat(packed=True, text=b"MATLAB 5.0 MAT-file", cut=0, **arrays):
    """A file of level 5 with arrays of bytes or doubles; cut: bytes left out of each packed one."""
    out = text.ljust(124) + struct.pack("<H2s", 0x100, b"IM")
    for name, array in arrays.items():
        doubles = array.dtype == np.float64
        whole = element(14, element(6, struct.pack("<II", 6 if doubles else 9, 0))
                        + element(5, struct.pack(f"<{array.ndim}i", *array.shape))
                        + element(1, name.encode()) + element(9 if doubles else 2, array.tobytes(order="F")))
        data = zlib.compress(whole)
        out += struct.pack("<II", 15, len(data) - cut) + data[:len(data) - cut] if packed else whole
    return out


def svhn(images, labels):
    """As SVHN has them: digits from 1 to 10, which stands for 0."""
    return {"X": images.transpose(2, 3, 1, 0), "y": np.where(labels == 0, 10, labels).astype("u1")[:, None]}


def write_svhn(folder, train, test, **form):
    folder.mkdir(exist_ok=True)
    for name, of in (("train", train), ("test", test)):
        (folder / f"{name}_32x32.mat").write_bytes(mat(**svhn(*of), **form))
    return folder


def exif(turn, order=">"):
    """What tells that a picture is to be turned, behind another entry."""
    return (b"MM" if order == ">" else b"II") + struct.pack(f"{order}HIH HHII HHIHH I", 42, 8, 2, 0x100, 4, 1, 16, 0x112, 3, 1, turn, 0, 0)


def png(pixels, turn=0, claims=None):
    """[row][column] or [row][column][channel] as a PNG; with EXIF where it is to be turned; claims: height and width that are none."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    height, width, *channels = pixels.shape
    kind = {(): 0, (3,): 2, (4,): 6}[tuple(channels)]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    height, width = claims or (height, width)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
            + (chunk(b"eXIf", exif(turn, "<")) if turn else b"") + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def turned_jpeg(turn):
    data = b"Exif\0\0" + exif(turn)
    return JPEG[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(data)) + data + JPEG[2:]


def bmp(pixels, bits, masks=None, from_top=False):
    """[row][column] as places in a palette that goes from blue to red (1, 4 or 8 bits), or as grey; [row][column][3] as colours."""
    height, width = pixels.shape[:2]
    palette = b"".join(bytes([255 - i, 0, i, 0]) for i in range(1 << bits)) if bits <= 8 else b""
    if bits <= 8:
        lines = np.packbits(np.unpackbits(pixels[..., None], -1)[..., -bits:].reshape(height, -1), -1)
    else:
        colours = np.broadcast_to(pixels.reshape(height, width, -1), (height, width, 3))
        colours = colours if masks else colours[..., ::-1]
        lines = np.concatenate([colours, np.zeros((height, width, bits // 8 - 3), "u1")], -1).reshape(height, -1)
    lines = np.pad(lines, ((0, 0), (0, -lines.shape[1] % 4)))
    head = struct.pack("<IiiHHIIiiII", 40, width, -height if from_top else height, 1, bits, 3 if masks else 0, 0, 0, 0, 0, 0)
    head += struct.pack("<III", *masks) if masks else palette
    data = (lines if from_top else lines[::-1]).tobytes()
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(data), 0, 0, 14 + len(head)) + head + data


def write_pictures(folder, images, labels, names="cdeab"):
    """Images of planes as files in a folder of each class; returns them in the order in which they are read."""
    for i, (image, label) in enumerate(zip(images, labels)):
        path = folder / names[label]
        path.mkdir(parents=True, exist_ok=True)
        (path / f"{i:04}.png").write_bytes(png(np.ascontiguousarray(image.transpose(1, 2, 0))))
    rank = np.argsort(np.argsort(list(names)))
    order = np.argsort(rank[labels], kind="stable")
    return images[order], rank[labels[order]]


# ---- what must be refused --------------------------------------------------------------------------------
def bad_idx(bad):
    images, labels = some(12, 28, 28)
    good = (images, labels)

    def put(name, **files):
        folder = write_idx(bad / name, good, good)
        for file, content in files.items():
            path = folder / (file.replace("_", "-") + "-ubyte")
            path.unlink()
            if content is not None:
                path.write_bytes(content)
        return folder

    write_idx(bad / "idx-prefix", good, good, prefix="emnist-letters-", packed=True)
    put("idx-no-labels", train_labels_idx1=None)
    put("idx-no-test", t10k_images_idx3=None)
    put("idx-cut", train_images_idx3=idx(images)[:-1])
    put("idx-long", train_images_idx3=idx(images) + b"x")
    put("idx-header", train_images_idx3=idx(images)[:11])
    put("idx-floats", train_images_idx3=idx(images, kind=13))
    put("idx-garbage", train_images_idx3=b"some text that is none")
    put("idx-dims", train_images_idx3=idx(images[0]))
    put("idx-huge", train_images_idx3=idx(images, sizes=(0xffffffff, 4096, 4096)))
    put("idx-wide", train_images_idx3=idx(images, sizes=(12, 0xffffffff, 0xffffffff)))
    put("idx-empty", train_images_idx3=idx(images[:0]), train_labels_idx1=idx(labels[:0]))
    put("idx-few-labels", train_labels_idx1=idx(labels[:-1]))
    put("idx-other-size", t10k_images_idx3=idx(images[:, 1:]))
    (put("idx-names") / "classes.txt").write_text("a\nb\nc\nb\ne\n")
    put("idx-label", t10k_labels_idx1=idx(labels + 100))
    packed = write_idx(bad / "idx-gz-cut", good, good, packed=True) / "train-images-idx3-ubyte.gz"
    packed.write_bytes(packed.read_bytes()[:-9])
    packed = write_idx(bad / "idx-gz-damaged", good, good, packed=True) / "train-images-idx3-ubyte.gz"
    data = bytearray(packed.read_bytes())
    data[len(data) // 2:len(data) // 2 + 40] = bytes(40)
    packed.write_bytes(data)
    write_idx(bad / "idx-bomb", good, good)
    (bad / "idx-bomb/train-images-idx3-ubyte").unlink()
    (bad / "idx-bomb/train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images) + bytes(1 << 26)))


def bad_cifar100(bad):
    good = write_cifar100(bad / "cifar100")
    train = (good / "train.bin").read_bytes()
    for name, content in (("cifar100-cut", train[:-1]), ("cifar100-label", train[:1] + b"\x64" + train[2:]),
                          ("cifar100-empty", b"")):
        (write_cifar100(bad / name) / "train.bin").write_bytes(content)
    (write_cifar100(bad / "cifar100-no-test") / "test.bin").unlink()
    (bad / "cifar100-python").mkdir()
    (bad / "cifar100-matlab").mkdir()
    for name in ("train", "test", "meta"):
        (bad / "cifar100-python" / name).write_bytes(b"\x80\x02}")
        (bad / "cifar100-matlab" / f"{name}.mat").write_bytes(b"MATLAB 5.0 MAT-file")


def bad_npz(bad):
    images, labels = some(24, 3, 32, 32)

    def put(name, pack=np.savez, **arrays):
        pack(bad / f"{name}.npz", **arrays)
        return bad / f"{name}.npz"

    good = put("npz", images=images, labels=labels)
    put("npz-floats", images=images.astype("f4"), labels=labels)
    put("npz-real-labels", images=images, labels=labels.astype("f8"))
    put("npz-names", a=images, b=labels)
    put("npz-negative", images=images, labels=labels.astype("i8") - 1)
    put("npz-label", images=images, labels=np.where(np.arange(24) == 3, 10, labels))
    put("npz-large", images=images, labels=labels.astype("i8") << 40)
    put("npz-fortran", images=np.asfortranarray(images), labels=labels)
    put("npz-count", images=images, labels=labels[:-1])
    put("npz-flat", images=images.reshape(24, -1), labels=labels)
    put("npz-none", images=images[:0], labels=labels[:0])
    put("npz-objects", images=np.array([{}, None]), labels=labels)
    put("npz-train-count", x_train=images, y_train=labels[:-1])
    put("npz-no-test-labels", x_train=images, y_train=labels, x_test=images)
    whole = good.read_bytes()
    (bad / "npz-cut.npz").write_bytes(whole[:-30])
    (bad / "npz-huge.npz").write_bytes(whole.replace(b"(24, 3, 32, 32)", b"(24, 3, 32, 99)"))
    (bad / "npz-overflow.npz").write_bytes(whole.replace(b"(24, 3, 32, 32), }            ", b"(99999999999, 4096, 4096, 4), }"[:30]))
    packed = put("npz-packed", pack=np.savez_compressed, images=images // 200, labels=labels)
    data = bytearray(packed.read_bytes())
    data[400:440] = bytes(range(40))
    (bad / "npz-damaged.npz").write_bytes(data)
    for path, name, place in ((good, "npz-flipped", lambda data: 20000), (packed, "npz-sum", lambda data: data.index(b"PK\1\2") + 16)):
        data = bytearray(path.read_bytes())
        data[place(data)] ^= 4
        (bad / f"{name}.npz").write_bytes(data)


def bad_svhn(bad):
    good = some(20, 3, 32, 32, classes=10)
    images, labels = good

    def put(name, content):
        path = write_svhn(bad / name, good, good) / "train_32x32.mat"
        path.write_bytes(content)

    whole = mat(**svhn(*good))
    put("mat-cut", whole[:-200])
    put("mat-half", whole[:len(whole) // 2])
    put("mat-header", whole[:100])
    put("mat-text", b"no file of MATLAB's at all".ljust(200))
    put("mat-new", mat(text=b"MATLAB 7.3 MAT-file", **svhn(*good)))
    put("mat-torn", mat(cut=20, **svhn(*good)))
    put("mat-no-x", mat(y=svhn(*good)["y"]))
    put("mat-floats", mat(**svhn(*good) | {"X": images.transpose(2, 3, 1, 0).astype("f8")}))
    put("mat-count", mat(**svhn(images, labels[:-1])))
    put("mat-label", mat(**svhn(images, labels + 10)))
    put("mat-half-label", mat(**svhn(*good) | {"y": labels[:, None] + 0.5}))
    put("mat-huge", mat(packed=False, **svhn(*good)).replace(struct.pack("<4i", 32, 32, 3, 20), struct.pack("<4i", 32, 32, 3, -1)))
    (write_svhn(bad / "mat-no-test", good, good) / "test_32x32.mat").unlink()


def bad_hdf5(bad):
    images, labels = some(24, 3, 32, 32)

    def put(name, images=images, labels=labels, edit=None):
        with h5py.File(bad / f"hdf5-{name}.h5", "w") as file:
            file["images"], file["labels"] = images, labels
            if edit:
                edit(file)
        return bad / f"hdf5-{name}.h5"

    def virtual(file):
        del file["images"]
        layout = h5py.VirtualLayout(shape=images.shape, dtype="u1")
        layout[:] = h5py.VirtualSource("pipe.h5", "x", shape=images.shape)
        file.create_virtual_dataset("images", layout)

    def unwritten(file):
        del file["images"]
        file.create_dataset("images", images.shape, "u1")

    def endless(file):
        del file["images"]
        file.create_dataset("images", (1 << 31, 4096, 4096), "u1", chunks=(1, 64, 64))

    def linked(file):
        del file["images"]
        file["images"] = h5py.ExternalLink("/dev/zero", "/x")

    def group(file):
        del file["images"]
        file.create_group("images")

    def train_alone(file):
        for name, new in (("images", "train_images"), ("labels", "train_labels")):
            file.move(name, new)
        file["test_labels"] = labels

    def few_names(file):
        file["class_names"] = np.array([b"a", b"b", b"c"])

    put("floats", images.astype("f4"))
    put("signed", images.astype("i1"))
    put("negative", labels=labels.astype("i8") - 1)
    put("label", labels=np.where(np.arange(24) == 3, 10, labels))
    put("large", labels=labels.astype("u8") << 60)
    put("text", labels=np.full(24, b"cat"))
    put("count", labels=labels[:-1])
    for edit in (virtual, unwritten, endless, linked, group, train_alone, few_names):
        put(edit.__name__, edit=edit)
    whole = put("good").read_bytes()
    (bad / "hdf5-cut.h5").write_bytes(whole[:len(whole) // 2])
    with h5py.File(bad / "hdf5-damaged.h5", "w") as file:
        file.create_dataset("images", data=images, chunks=(4, 3, 32, 32), fletcher32=True)
        file["labels"] = labels
    data = bytearray((bad / "hdf5-damaged.h5").read_bytes())
    at = data.index(images[5].tobytes())
    data[at + 9] ^= 1
    (bad / "hdf5-damaged.h5").write_bytes(data)


def bad_pictures(bad):
    images, labels = some(12, 3, 32, 32, classes=3)

    def put(name, **files):
        folder = bad / name
        for split in ("train", "test"):
            write_pictures(folder / split, images, labels)
        for place, content in files.items():
            path = folder / place.replace("__", "/").replace("_png", ".png").replace("_gif", ".gif")
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_bytes(content)
        return folder

    whole = png(images[0].transpose(1, 2, 0).copy())
    put("pictures")
    for n, name in ((3, "three"), (5, "five")):
        model = (ROOT / "models/paper.ini").read_text()
        (bad / f"{name}.ini").write_text(model.replace("classes = 10", f"classes = {n}").replace("units = 10", f"units = {n}"))
    put("pictures-text", train__d__x_png=b"some text that is none")
    put("pictures-empty-file", test__d__x_png=b"")
    put("pictures-cut", train__e__x_png=whole[:-600])
    put("pictures-huge", train__e__x_png=png(images[0, 0], claims=(8001, 8000)))
    put("pictures-long", train__e__x_png=png(images[0, 0], claims=(2, 1 << 16)))
    put("pictures-bomb", train__e__x_png=png(images[0, 0], claims=(8000, 8000)))
    put("pictures-huge-jpeg", train__e__x_png=JPEG.replace(struct.pack(">HH", 16, 16), struct.pack(">HH", 65500, 65500), 1))
    put("pictures-cut-jpeg", train__e__x_png=JPEG[:-9])
    put("pictures-cut-bmp", train__e__x_png=bmp(images[0, 0], 24)[:-1])
    indexed = bmp(images[0, 0], 8)
    put("pictures-palette", train__e__x_png=indexed[:46] + struct.pack("<I", 3) + indexed[50:])
    put("pictures-packed-bmp", train__e__x_png=bmp(images[0, 0], 32, masks=(0x1f, 0x7e0, 0xf800)))
    put("pictures-gif", train__e__x_png=b"GIF89a" + bytes(40))
    put("pictures-foreign", train__d__x_gif=b"GIF89a" + bytes(40), train__d__y=b"\0\0\0 ftypheic" + bytes(40))
    put("pictures-foreign-alone", train__f__x=b"II*\0" + bytes(40))
    put("pictures-other-class", test__other__x_png=whole)
    (put("pictures-empty-class") / "train/f").mkdir()
    for end in "xy":
        (put("pictures-alike") / "train" / ("a" * 64 + end)).mkdir()
        (bad / "pictures-alike/train" / ("a" * 64 + end) / "x.png").write_bytes(whole)
    put("pictures-no-test")
    (bad / "pictures-no-test/test").rename(bad / "pictures-no-test/tests")
    os.mkfifo(put("pictures-pipe") / "train/d/x.png")


def bad_places(bad):
    for name, data in (("tar.gz", gzip.compress(b"x")), ("zip", b"PK\3\4....."), ("pkl", b"\x80\x03}q."),
                       ("npy", b"\x93NUMPY\1\0"), ("png", png(np.zeros((4, 4), np.uint8)))):
        (bad / f"wrong.{name}").write_bytes(data)
    for name, file in (("archive", "cifar-10-binary.tar.gz"), ("folder", "letter.txt")):
        (bad / f"wrong-{name}").mkdir()
        (bad / f"wrong-{name}" / file).write_text("x")


def make_bad(bad):
    bad_places(bad)
    bad_svhn(bad)
    bad_hdf5(bad)
    bad_pictures(bad)
    bad_idx(bad)
    bad_cifar100(bad)
    bad_npz(bad)
