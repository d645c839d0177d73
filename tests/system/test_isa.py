"""One program for every processor: it names its engines, computes with the one that is forced, and says so in the file."""
import json

import h5py
import pytest
from conftest import BUILD, PRESET, Runner
from runs import MIXED, NORMS, ODD, PAPER, Run, differences, write_model

JOB = ["--data", "synthetic:60", "--limit-test", 12, "--rounds", 2, "--lr", 0.02]
ALL = ["sse2", "avx2", "avx512", "neon", "a76"]


@pytest.fixture
def bramble(tmp_path):
    """The program with more engines: of those that packages hold some of each kind."""
    program = BUILD / "bramble-engines"
    assert program.exists(), f"{program} is not built: make PRESET={PRESET} mpi-tests"
    return Runner(tmp_path, program)


@pytest.fixture
def about(bramble):
    return json.loads(bramble(1, "info", "--json").stdout)


@pytest.fixture
def isas(about):
    """Those that run here, the best first; each has fused multiply-adds but sse2."""
    return list(dict.fromkeys(name.split("/")[0] for name in about["engines"]))


def test_info_names_them(about, isas):
    assert about["simd"] == isas[0] and f"{about['simd']}/{about['vector_width']}" in about["engines"]
    assert about["fused"] == (about["simd"] in ALL[1:])


@pytest.mark.parametrize("batch", [4, 7, 16, 40])
def test_same_bits(bramble, tmp_path, isas, batch):
    """Blocks of a batch are as wide as it fills: each of these trains with other widths."""
    fused = [isa for isa in isas if isa in ALL[1:]]
    if len(fused) < 2:
        pytest.skip("this build or machine has fewer than two instruction sets with fused multiply-adds")
    model = write_model(tmp_path, ODD if batch == 7 else PAPER)[0]
    runs = [Run(bramble.train(1, *JOB, *model, "--batch", batch, "--isa", isa, out=f"{isa}.h5")) for isa in fused]
    for isa, run in zip(fused, runs):
        assert run.config["isa"].decode() == run.build["simd"].decode() == isa
        assert set(run["machine/simd"]) == {isa.encode()}
        assert differences(runs[0], run) == []


# What else computes: optimizers inside and outside of a step, chance in a layer, statistics measured anew, Winograd.
WAYS = {
    "adamw": (MIXED, ["--optimizer", "adamw", "--label-smoothing", 0.1, "--clip-norm", 1, "--ema", 0.9]),
    "muon": (PAPER, ["--optimizer", "muon", "--sync", "gradients", "--schedule", "cosine"]),
    "norms": (NORMS, ["--augment", "mixup:0.3", "--average-every", 2, "--reestimate", 30, "--server-optimizer", "adam"]),
    "grouped": (NORMS.replace("kernel = 4", "kernel = 7\npadding = 3\ngroups = 3", 1).replace(
        "kernel = 3", "kernel = 3\ndilation = 2\npadding = 1\ngroups = 2", 1), ["--momentum", 0.9]),
    "whitening": (PAPER.replace("kernel = 5", "kernel = 3\ninit = whitening", 1), ["--augment", "flip,crop:2"]),
    "winograd": (PAPER.replace("kernel = 5", "kernel = 3\nalgorithm = f4"), ["--momentum", 0.9, "--nesterov"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_same_bits_in_all_ways(bramble, tmp_path, isas, way):
    fused = [isa for isa in isas if isa in ALL[1:]]
    if len(fused) < 2:
        pytest.skip("this build or machine has fewer than two instruction sets with fused multiply-adds")
    text, options = WAYS[way]
    (tmp_path / "net.ini").write_text(text)
    runs = [Run(bramble.train(3, *JOB, "--model", "./net.ini", "--batch", 6, *options, "--isa", isa, out=f"{isa}.h5"))
            for isa in fused]
    for run in runs[1:]:
        assert differences(runs[0], run) == []


def notes(done):
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("bramble: note: ")]


@pytest.fixture
def both(isas):
    if isas[-1] != "sse2" or len(isas) < 2:
        pytest.skip("this build does not hold both")
    return "auto", "sse2"


def test_without_fused_multiply_adds(bramble, tmp_path, both):
    """It trains, to other bits, and the file says so."""
    model = write_model(tmp_path, PAPER)[0]
    best, plain = (Run(bramble.train(1, *JOB, *model, "--isa", isa, out=f"{isa}.h5")) for isa in both)
    assert set(plain["machine/simd"]) == {b"sse2"} and best.config["isa"] == b"auto"
    assert (best["machine/fused"], plain["machine/fused"]) == ([1], [0])
    assert json.loads(bramble(1, "info", "sse2.h5", "--json").stdout)["fused"] == [False]
    assert "conv1.weight" in differences(best, plain)
    assert abs(best["rounds/loss"] - plain["rounds/loss"]).max() < 1e-4


def test_other_bits_are_announced(bramble, both):
    """In one line, by the server; not where the best was to be taken, and not to who wants quiet."""
    for ranks, who in (1, ""), (3, "all ranks: "):
        said = notes(bramble(ranks, "train", *JOB, "--isa", "sse2", "--force", "--out", "1.h5"))
        assert said == [f"bramble: note: {who}sse2 has no fused multiply-adds: its bits are not those of instruction sets "
                        "that have them"]
    assert notes(bramble(3, "train", *JOB, "--force", "--out", "1.h5")) == []
    assert notes(bramble(1, "train", *JOB, "--isa", "sse2", "--quiet", "--force", "--out", "1.h5")) == []
    bramble(1, "data", "pictures", "synthetic:60", "set")
    for command in ["test", "1.h5", "--data", "synthetic:60"], ["predict", "1.h5", "set"]:
        assert notes(bramble(1, *command, "--isa", "sse2")) == [line.replace(who, "") for line in said]
        assert notes(bramble(1, *command)) == []


def test_resume_and_test(bramble, isas, tmp_path):
    """What was forced holds for the next start, too, unless another is given; a test may take any."""
    first = bramble.train(1, *JOB, "--isa", isas[-1], "--checkpoint", "c", out="1.h5")
    assert Run(first).config["isa"].decode() == isas[-1]
    for more, isa in ([], isas[-1]), (["--isa", isas[0]], isas[0]):
        done = bramble(1, "train", "--resume", "c", "--out", f"{isa}-on.h5", "--quiet", *more)
        run = Run(tmp_path / f"{isa}-on.h5")
        assert done.returncode == 0 and set(run["machine/simd"]) == {isa.encode()}, done.stderr
        (tmp_path / f"{isa}-on.h5").unlink()
    losses = [json.loads(bramble(1, "test", first, "--data", "synthetic:60", "--isa", isa, "--json").stdout)["loss"]
              for isa in isas]
    assert max(losses) - min(losses) < 1e-4


def test_ranks_of_several_kinds_work_together(bramble, tmp_path, isas):
    if len(isas) < 2 or isas[1] == "sse2":
        pytest.skip("this build or machine has fewer than two instruction sets with fused multiply-adds")
    alike = Run(bramble.train(3, *JOB, out="alike.h5"))
    line = bramble.command(3, "train", *JOB, "--quiet", "--out", "mixed.h5")
    at = line.index(str(bramble.program))
    half = [*line[:at - 1], "2", *line[at:]]
    done = bramble.run([*half, ":", "-n", "1", *line[at:], "--isa", isas[1]])
    assert done.returncode == 0, done.stderr
    mixed = Run(tmp_path / "mixed.h5")
    assert [simd.decode() for simd in mixed["machine/simd"]] == [isas[0], isas[0], isas[1]]
    assert set(mixed["machine/fused"]) == {1}
    assert differences(alike, mixed) == []


def test_a_rank_without_fused_multiply_adds_is_named(bramble, tmp_path, both):
    line = bramble.command(3, "train", *JOB, "--out", "mixed.h5")
    at = line.index(str(bramble.program))
    said = notes(bramble.run([*line[:at - 1], "2", *line[at:], ":", "-n", "1", *line[at:], "--isa", "sse2"]))
    assert len(said) == 1 and said[0].startswith("bramble: note: rank 2 on ") and ": sse2 has no fused" in said[0]
    assert list(Run(tmp_path / "mixed.h5")["machine/fused"]) == [1, 1, 0]


@pytest.mark.parametrize("command", [["train", *JOB], ["doctor", "--data", "synthetic:60"]])
def test_what_is_not_there(bramble, isas, command):
    missing = next(isa for isa in ALL if isa not in isas)
    for ranks in (1, 2):
        done = bramble(ranks, *command, "--isa", missing)
        lines = [line for line in done.stderr.splitlines() if line.startswith("bramble: ")]
        assert done.returncode == 2 and len(lines) == 1 and f"--isa {missing}: this pro" in lines[0]
    done = bramble(1, *command, "--isa", "mmx")
    assert done.returncode == 2 and "--isa mmx: expected auto, sse2, avx2, avx512, neon or a76" in done.stderr


def test_the_doctor_tells(bramble, tmp_path, isas):
    done = bramble(1, "doctor", "--data", "synthetic:60", "--isa", isas[-1], "--out", "d.h5")
    assert done.returncode in (0, 1), done.stderr
    with h5py.File(tmp_path / "d.h5") as file:
        assert set(file["doctor/nodes/simd"][()]) == {isas[-1].encode()}
