"""The bits that runs have always had, and the files they have always written: hashes kept in tests/data/golden.json.

A change of them is a change for whoever repeats a run of last year, or goes on from its checkpoint.  To keep new ones,
with a word in NEWS.md: BRAMBLE_GOLDEN=keep python3 -m pytest tests/system/test_golden.py -k kept
"""
import hashlib
import json
import os
import shutil

import h5py
import numpy as np
import pytest
from conftest import ROOT
from runs import HEAD, ODD, OUTCOMES, PAPER, SMALL, Run, averaging_rules, write_model

KEPT = ROOT / "tests" / "data" / "golden.json"
KEEP = os.environ.get("BRAMBLE_GOLDEN") == "keep"
CHECKPOINT = ROOT / "tests" / "data" / "golden-checkpoint.h5"

TINY = HEAD + "[conv1]\nkind = conv\nfilters = 2\nkernel = 8\nstride = 8\n[relu1]\nkind = relu\n[fc1]\nkind = dense\nunits = 10\n"

# name: ranks, model, options
RUNS = {
    "alone": (1, PAPER, ["--limit-train", 150, "--rounds", 3]),
    "alone, small batches": (1, ODD, ["--limit-train", 61, "--batch", 5, "--rounds", 3, "--nesterov"]),
    "alone, in the files' order": (1, SMALL, ["--limit-train", 70, "--batch", 16, "--rounds", 2, "--order", "sequential"]),
    "averages inside": (1, SMALL, ["--limit-train", 90, "--batch", 8, "--rounds", 2, "--average-every", 3, "--tail-average", 0.5]),
    "momentum kept": (3, PAPER, ["--shards", "97,50", "--batch", 33, "--rounds", 3, "--keep-momentum", "--weight-decay", 0.01,
                                 "--schedule", "cosine", "--warmup", 0.5]),
    "uneven": (4, ODD, ["--shards", "60,3,29", "--batch", 8, "--rounds", 2, "--average-every", 2, "--tail-average", 1]),
    "steps": (3, SMALL, ["--limit-train", 100, "--batch", 8, "--rounds", 7, "--local-steps", 5, "--eval-every", 2,
                         "--schedule", "linear"]),
    "one diverges": (3, SMALL, ["--limit-train", 100, "--batch", 8, "--rounds", 3, "--on-nan", "skip"]),
    "target": (2, PAPER, ["--limit-train", 100, "--rounds", 9, "--eval-every", 2, "--target-accuracy", 0.1]),
    "fast": (3, PAPER, ["--preset", "fast", "--limit-train", 200, "--rounds", 2]),
}
CASES = {**RUNS, **{f"{name}, {rule}": (*RUNS[name][:2], [*RUNS[name][2], "--average", rule])
                    for name in ("momentum kept", "uneven") for rule in averaging_rules()},
         **{f"{name}, 2 threads": (*RUNS[name][:2], [*RUNS[name][2], "--threads", 2]) for name in ("alone", "uneven")}}

MORE = ("rounds/passes", "rounds/ranks/accuracy", "rounds/ranks/skipped")


def fingerprint(arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()[:16]


def hashes(path):
    """Of the weights, in the order of their names, and of all columns that are not times or sizes."""
    run = Run(path)
    if set(run["machine/simd"]) - {b"avx2", b"avx512", b"neon", b"a76"}:
        pytest.skip("this machine has no fused multiply-add, whose bits were kept")
    return {"weights": fingerprint(run.weights[name] for name in sorted(run.weights)),
            "outcomes": fingerprint(run[name] for name in (*OUTCOMES, *MORE)),
            "bytes": [float(value) for value in np.nansum(run["rounds/ranks/bytes_sent"], axis=0)]}


def tree(path):
    """Names, kinds and shapes of all that is in a file."""
    with h5py.File(path) as file:
        lines = []

        def note(name, item):
            kind = f"{item.dtype.str} {list(item.shape)}" if isinstance(item, h5py.Dataset) else "group"
            lines.append(f"{name}: {kind}")
            lines.extend(f"{name}@{attribute}" for attribute in item.attrs)
        file.visititems(note)
        return lines


@pytest.fixture(scope="module")
def kept():
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def check(kept, name, found):
    if KEEP:
        known = json.loads(KEPT.read_text()) if KEPT.exists() else {}
        KEPT.write_text(json.dumps({**known, name: found}, indent=1, sort_keys=True) + "\n")
    else:
        assert found == kept[name]


def start(bramble, folder, case, *more, out="out.h5"):
    ranks, text, options = CASES[case]
    model = write_model(folder, text)[0][:2]  # with first weights of the program's own
    lr = [] if "--lr" in options or "--preset" in options else ["--lr", 0.02]
    threads = [] if "--threads" in options else ["--threads", 1]
    deal = ["--deal", "contiguous"]  # as all did before there was a choice
    env = {"BRAMBLE_TEST_FAULT": "nan:2:1:0"} if case == "one diverges" else {}
    return bramble.train(ranks, "--data", "synthetic:300", *model, *lr, *threads, *deal, *options, *more, out=out, env=env)


@pytest.mark.parametrize("case", CASES)
def test_kept_bits(bramble, kept, tmp_path, case):
    check(kept, case, hashes(start(bramble, tmp_path, case)))


@pytest.mark.parametrize("case, less", [("momentum kept", 0), ("uneven", 0), ("alone", 0), ("momentum kept", 1)])
def test_kept_bits_of_a_resumed_run(bramble, kept, tmp_path, case, less):
    """A round of it, and on from the checkpoint to the third; in one case with a worker less."""
    options = ["--checkpoint", "c.h5"]
    start(bramble, tmp_path, case, *options, "--rounds", 1, "--schedule", "constant", "--warmup", 0, out="part.h5")
    shards = ["--shards", "147"] if less else []
    done = bramble(RUNS[case][0] - less, "train", "--quiet", "--resume", "c.h5", "--rounds", 3, *shards)
    assert done.returncode == 0, done.stderr
    check(kept, f"{case}, resumed{' with less' * less}", hashes(bramble.folder / "part.h5"))


def test_kept_checkpoint(bramble, kept):
    """A checkpoint of the program that wrote the hashes: this one goes on from it."""
    if KEEP and not CHECKPOINT.exists():
        model = write_model(bramble.folder, TINY)[0][:2]
        bramble.train(3, "--data", "synthetic:300", *model, "--limit-train", 100, "--limit-test", 20, "--keep-momentum",
                      "--rounds", 2, "--threads", 1, "--checkpoint", "c.h5", out="golden.h5")
        shutil.copy(bramble.folder / "c.h5", CHECKPOINT)
    shutil.copy(CHECKPOINT, bramble.folder / "kept.h5")
    done = bramble(3, "train", "--quiet", "--resume", "kept.h5", "--rounds", 4, "--out", "on.h5")
    assert done.returncode == 0, done.stderr
    check(kept, "on from the kept checkpoint", hashes(bramble.folder / "on.h5"))


def test_kept_form(bramble, kept, tmp_path):
    """A new column or group is no harm: the old ones stay."""
    path = start(bramble, tmp_path, "momentum kept", "--checkpoint", "form-c.h5", out="form.h5")
    found = {"result": tree(path), "checkpoint": tree(bramble.folder / "form-c.h5")}
    if KEEP:
        check(kept, "form", found)
    else:
        gone = {name: sorted(set(kept["form"][name]) - set(lines)) for name, lines in found.items()}
        assert gone == {"result": [], "checkpoint": []}
