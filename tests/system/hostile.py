"""HDF5 files that an enemy made: each is a good result file but for one thing."""
import os
import shutil
import zlib

import h5py
import numpy as np

TENSOR = "/model/conv1.weight"  # what every one of them is spoilt in, unless it says otherwise


def like(file, path=TENSOR):
    """Shape of a dataset, which is removed."""
    shape = file[path].shape
    del file[path]
    return shape


def create(file, shape, properties, kind=h5py.h5t.IEEE_F32LE, path=TENSOR):
    space = shape if isinstance(shape, h5py.h5s.SpaceID) else h5py.h5s.create_simple(shape)
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    return h5py.h5d.create(file.id, path.encode(), kind, space, properties, links)


def properties():
    return h5py.h5p.create(h5py.h5p.DATASET_CREATE)


def soft_link(file):
    file.move(TENSOR, "/elsewhere")
    file[TENSOR] = h5py.SoftLink("/elsewhere")


def soft_loop(file):
    del file[TENSOR]
    file[TENSOR] = h5py.SoftLink(TENSOR)


def external_link(file):
    del file["/model"]
    file["/model"] = h5py.ExternalLink("/dev/zero", "/model")


def hard_loop(file):
    del file[TENSOR]
    file[TENSOR] = file["/"]


def external_storage(file):
    shape, how = like(file), properties()
    how.set_external(b"/dev/zero", 0, h5py.h5f.UNLIMITED)
    create(file, shape, how)


def virtual(file):
    """Unlimited, so that HDF5 looks into the other file for the shape."""
    shape, how = like(file), properties()
    most = (h5py.h5s.UNLIMITED, *shape[1:])
    space = h5py.h5s.create_simple(shape, most)
    space.select_hyperslab((0,) * len(shape), (h5py.h5s.UNLIMITED, *(1,) * (len(shape) - 1)), None,
                           (1, *shape[1:]))
    how.set_virtual(space, b"pipe.h5", b"/x", space)
    create(file, space, how)


def no_memory(file):
    """2^60 numbers that take no room in the file."""
    how = properties()
    like(file)
    how.set_chunk((1 << 10, 1))
    create(file, (1 << 30, 1 << 30), how)


def oversized_chunk(file):
    shape, how = like(file), properties()
    how.set_chunk((1 << 28, *(1,) * (len(shape) - 1)))
    space = h5py.h5s.create_simple(shape, (h5py.h5s.UNLIMITED,) * len(shape))
    create(file, space, how)


def bomb(file):
    """One small chunk that inflates to 2 GiB, or to what HDF5 allows for one of this size."""
    shape, how = like(file), properties()
    how.set_chunk(shape)
    how.set_deflate(9)
    dataset = create(file, shape, how)
    packer = zlib.compressobj(9)
    block, n_blocks = bytes(1 << 24), 128 if np.prod(shape) > 64 else 3
    packed = b"".join(packer.compress(block) for _ in range(n_blocks)) + packer.flush()
    dataset.write_direct_chunk((0,) * len(shape), packed)


def own_filter(file):
    shape, how = like(file), properties()
    how.set_chunk(shape)
    how.set_scaleoffset(h5py.h5z.SO_FLOAT_DSCALE, 2)
    create(file, shape, how)


def text(file):
    shape = like(file)
    file[TENSOR] = np.full(shape, b"0.5")


def notes(file):
    shape = like(file)
    file.create_dataset(TENSOR, shape, dtype=h5py.string_dtype())


def compound(file):
    shape = like(file)
    file[TENSOR] = np.zeros(shape, [("x", "f4"), ("y", "f4")])


def group(file):
    like(file)
    file.create_group(TENSOR)


def named_type(file):
    like(file)
    file[TENSOR] = np.dtype("f4")


def empty(file):
    like(file)
    file[TENSOR] = h5py.Empty("f4")


def deep(file):
    """A thousand groups, each in the one before, and the weights at the bottom."""
    file.move(TENSOR, "/bottom")
    path = TENSOR + "/g" * 1000
    file.create_group(path)
    file.move("/bottom", path + "/w")


def many_notes(file):
    for k in range(5000):
        file["/config"].attrs.create(f"a{k}", np.bytes_(b"x"))


def long_name(file):
    file["/model/" + "n" * 300] = np.zeros(3, "f4")


def long_note(file):
    file["/config"].attrs.create("rounds", np.bytes_(b"x" * 65000))


def negative(file):
    file["/rounds/n_done"][()] = -5


# What the weights are refused for, and what is only seen in the rest of a result file.
WEIGHTS = {
    "soft-link": (soft_link, "link to elsewhere"), "soft-loop": (soft_loop, "link to elsewhere"),
    "external-link": (external_link, "link to elsewhere"), "hard-loop": (hard_loop, "no dataset"),
    "external-storage": (external_storage, "outside the file"),
    "virtual": (virtual, "outside the file"), "no-memory": (no_memory, "shape"),
    "oversized-chunk": (oversized_chunk, "oversized chunks"), "bomb": (bomb, "cannot be read"),
    "own-filter": (own_filter, "filter other than"), "text": (text, "floating-point"),
    "notes": (notes, "floating-point"), "compound": (compound, "floating-point"),
    "group": (group, "no dataset"), "named-type": (named_type, "no dataset"),
    "empty": (empty, "is empty"), "deep": (deep, "no dataset"),
}
RESULTS = {
    "many-notes": (many_notes, "too many"), "long-name": (long_name, "too long"),
    "negative": (negative, "-5 of"),
}
ACCEPTED = {"long-note": long_note}


def make(good, folder):
    """All of them, as folder/hostile-NAME.h5, and the pipe that one of them names."""
    if not (folder / "pipe.h5").exists():
        os.mkfifo(folder / "pipe.h5")
    edits = {name: edit for name, (edit, _) in (WEIGHTS | RESULTS).items()} | ACCEPTED
    for name, edit in edits.items():
        path = folder / f"hostile-{name}.h5"
        shutil.copy(good, path)
        with h5py.File(path, "r+") as file:
            edit(file)
