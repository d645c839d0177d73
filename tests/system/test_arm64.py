"""The 64-bit Arm build, without a Pi: cross-built, run under qemu, beside the x86 build.

Emulated vectors are slow, so the runs are short; what they take says nothing about a Pi.
"""
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import BRAMBLE, PRESET, ROOT
from runs import ODD, PAPER, Run, differences, write_model

TOOLS = ("aarch64-linux-gnu-gcc", "aarch64-linux-gnu-objdump", "qemu-aarch64-static")
SYSROOT = ROOT / "build/sysroot-arm64"
BUILD = ROOT / "build/rpi4"
QEMU = ("qemu-aarch64-static", "-L", str(SYSROOT))
# Unit tests of what computes nothing: files and options are the same on every processor.
NOT_HERE = ("test_record", "test_checkpoint", "test_options", "test_cifar10", "test_ini", "test_reference")
UNIT = [path.stem for path in sorted((ROOT / "tests/unit").glob("test_*.c")) if not path.stem.startswith(NOT_HERE)]
# What a Pi 3 or 4 lacks: atomic read-modify-writes, dot products, scalable vectors, arithmetic on halves, and
# the loads and conversions that came with them.
NOT_ON_A_PI_4 = re.compile(
    r"(ld|st)(add|clr|eor|set|smax|smin|umax|umin)(a|l|al)?[bh]?\b|swp(a|l|al)?[bh]?\b|casp?(a|l|al)?[bh]?\b"
    r"|ldapu?r|(u|s|us|su|bf)dot\b|sqrdml[as]h|fcmla|fcadd|fjcvtzs|fmls?l2?\b|bfm|[su]mmla|usmmla"
    r"|f\w+ v\d+\.[48]h, v\d+\.[48]h|f\w+ h\d+, h\d+, h\d+|.*\b[zp]\d+[./]")

EMULATED_S = 1200  # at most: the processor is emulated, and the machine may be busy


def environment():
    """Without what a make around this one would hand down; unit tests know that they are emulated."""
    ours = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CC", "CFLAGS")}
    return dict(ours, BRAMBLE_TEST_FEW="1")


def run(line):
    print("$", " ".join(map(str, line)))
    return subprocess.run(line, cwd=ROOT, env=environment(), text=True, errors="replace", timeout=EMULATED_S,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def tools():
    if PRESET != "native":
        pytest.skip("done with PRESET=native")
    if os.uname().machine == "aarch64":
        pytest.skip("this machine is no other: its own tests say it all")
    for tool in TOOLS:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed: tools/install-packages cross")


@pytest.fixture(scope="module")
def sysroot(tools):
    done = run(["tools/sysroot-arm64"])
    if "cannot get" in done.stderr or "cannot read the lists" in done.stderr:
        pytest.skip(f"no packages for arm64: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def arm(sysroot):
    """The program, built for a Pi 4 as a user would."""
    done = run(["make", "-j2", "PRESET=rpi4", "all", "unit", "build/rpi4/bench-tiles", "build/rpi4/obj/bench/transforms.o"])
    assert done.returncode == 0, done.stderr[-3000:]
    assert "warning" not in done.stderr
    return BUILD / "bramble"


# ---- the build -----------------------------------------------------------------------------------

def test_sysroot_is_made_once(sysroot):
    def made():
        status = (SYSROOT / ".complete").stat()
        return status.st_ino, status.st_mtime_ns  # reading it may change the time of access

    before = made()
    done = run(["tools/sysroot-arm64"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert made() == before


def test_sysroot_spares_what_it_did_not_make(tools, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    done = run(["tools/sysroot-arm64", mine])
    assert done.returncode == 1 and f"{mine}: not made by this program" in done.stderr
    assert list(mine.iterdir()) == []


def test_sysroot_leads_nowhere_else(sysroot):
    """A link that begins with / would lead into this machine's own folders."""
    assert not [path for path in SYSROOT.rglob("*") if path.is_symlink() and os.readlink(path).startswith("/")]


def test_made_with_no_step_too_many(arm):
    done = run(["make", "PRESET=rpi4"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def instructions(path):
    text = run(["aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", path]).stdout
    found = [line.split("\t", 1)[1].replace("\t", " ") for line in text.splitlines() if "\t" in line]
    return [re.sub(r"\s*(//|<).*", "", line).strip() for line in found]


def test_runs_on_a_pi_3_and_4(arm):
    found = instructions(arm)
    assert sum(line.startswith("fmla") for line in found) > 100  # it is the right file
    assert [line for line in found if NOT_ON_A_PI_4.match(line)] == []


FOREIGN = ["ldadd w0, w1, [x2]", "ldaddal x0, x1, [x2]", "stclrb w0, [x1]", "swpal w0, w1, [x2]",
           "cas w0, w1, [x2]", "casal x0, x1, [x2]", "casp x0, x1, x2, x3, [x4]", "ldaprb w0, [x1]",
           "sdot v0.4s, v1.16b, v2.16b", "udot v0.2s, v1.8b, v2.4b[1]", "fmla v0.8h, v1.8h, v2.8h",
           "fadd h0, h1, h2", "fmla z0.s, p0/m, z1.s, z2.s", "ld1w {z0.s}, p0/z, [x0]", "sqrdmlah v0.4s, v1.4s, v2.4s",
           "fcmla v0.4s, v1.4s, v2.4s, #90", "whilelo p0.s, x0, x1"]
COMMON = ["ldaxr w0, [x1]", "stlxr w0, w1, [x2]", "ldar w0, [x1]", "fmla v0.4s, v1.4s, v2.s[1]", "fcvt s0, h1",
          "ldp q0, q1, [x0]", "ldr h0, [x1]", "smlal v0.4s, v1.4h, v2.4h", "fcvtl v0.4s, v1.4h", "fcsel s0, s1, s2, eq",
          "csel x0, x1, x2, ne", "stur x0, [x1, #-8]", "crc32x w0, w1, x2"]


def test_foreign_instructions_would_be_seen(tools, tmp_path):
    source = tmp_path / "some.s"
    source.write_text(".arch armv8.5-a+sve+fp16+dotprod\n" + "\n".join(FOREIGN + COMMON) + "\n")
    done = run(["aarch64-linux-gnu-gcc", "-c", "-o", tmp_path / "some.o", source])
    assert done.returncode == 0, done.stderr
    found = instructions(tmp_path / "some.o")
    assert len(found) == len(FOREIGN + COMMON)
    assert [line for line in found if NOT_ON_A_PI_4.match(line)] == found[:len(FOREIGN)]


# ---- what it computes ----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def unit_tests(request, arm):
    """All selected unit tests under way, two at a time."""
    wanted = [item.callspec.params["name"] for item in request.session.items
              if item.function is test_unit]
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(run, [*QEMU, BUILD / "tests" / name]) for name in wanted}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", UNIT)
def test_unit(unit_tests, name):
    done = unit_tests[name].result()
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\[  PASSED  \] [1-9]", done.stdout + done.stderr)


# name: ranks, model, options; shards that do not fill the last vector, whatever its width
JOBS = {
    "the paper's net": (4, PAPER, ["--data", "synthetic:70", "--limit-test", 10, "--shards", "33,9,28", "--batch", 11,
                                   "--rounds", 2, "--nesterov", "--threads", 1]),
    "an odd net": (4, ODD, ["--data", "synthetic:300", "--limit-test", 20, "--shards", "100,57,143", "--batch", 7,
                            "--rounds", 3, "--keep-momentum", "--weight-decay", 0.01, "--schedule", "cosine",
                            "--average-every", 3, "--average", "allreduce", "--threads", 2]),
    "a rank alone": (1, ODD, ["--data", "synthetic:150", "--limit-test", 10, "--batch", 19, "--rounds", 2,
                              "--threads", 2]),
}


def train(bramble, line, out):
    done = bramble.run(line, timeout=EMULATED_S)
    assert done.returncode == 0, done.stderr
    return Run(Path(bramble.folder) / out)


def arguments(folder, text, options, out):
    start = write_model(folder, text)[0]
    return ["train", "--quiet", "--out", out, "--lr", 0.05, *start, *options]


def on_arm(line):
    at = line.index(str(BRAMBLE))
    return [*line[:at], *QEMU, str(BUILD / "bramble"), *line[at + 1:]]


def start_on_x86(bramble, tmp_path, job):
    ranks, text, options = JOBS[job]
    native = train(bramble, bramble.command(ranks, *arguments(tmp_path, text, options, "x86.h5")), "x86.h5")
    if set(native["machine/simd"]) - {b"avx2", b"avx512"}:
        pytest.skip("this machine has no fused multiply-add, whose bits are compared")
    return native


@pytest.mark.parametrize("job", JOBS)
def test_the_same_bits_as_on_x86(arm, bramble, tmp_path, job):
    """Weights, losses, accuracy: contracted alike, summed in the same order for any vector width."""
    native = start_on_x86(bramble, tmp_path, job)
    ranks, text, options = JOBS[job]
    line = on_arm(bramble.command(ranks, *arguments(tmp_path, text, options, "arm.h5")))
    pi = train(bramble, line, "arm.h5")
    assert set(pi["machine/simd"]) == {b"neon"} and pi.build["preset"] == b"rpi4"
    assert differences(native, pi) == []
    assert len(set(pi["rounds/loss"])) == pi.n_done  # something was learned, nothing was NaN


def test_ranks_of_both_kinds_work_together(arm, bramble, tmp_path):
    """A server and a worker on x86, two workers on Arm."""
    job = "an odd net"
    native = start_on_x86(bramble, tmp_path, job)
    ranks, text, options = JOBS[job]
    line = bramble.command(ranks, *arguments(tmp_path, text, options, "mixed.h5"))
    at = line.index(str(BRAMBLE))
    half = [*line[:at - 1], "2"]
    mixed = train(bramble, [*half, *line[at:], ":", "-n", "2", *on_arm(line)[at:]], "mixed.h5")
    assert list(mixed["machine/simd"]).count(b"neon") == 2
    assert differences(native, mixed) == []


# ---- what a Pi makes of it -----------------------------------------------------------------------

def test_predicted_speed(arm):
    """The paper's convolutions: half the peak of a Pi 4 and more, their sums in registers; of Winograd's, what memory leaves."""
    if not shutil.which("llvm-mca"):
        pytest.skip("llvm-mca is not installed: tools/install-packages cross")
    done = run(["tools/bench-static", "--arch", "rpi4", "--markdown"])
    assert done.returncode == 0, done.stderr
    kernels, transforms, caches = ([line.strip("| \n").split(" | ") for line in table.splitlines()][2:]
                                   for table in re.findall(r"(?:^\|.*\n)+", done.stdout, re.M))
    paper = [row for row in kernels if "convolution" in row[0] or "input" in row[0]]
    assert len(kernels) >= 12 and len(paper) >= 5
    assert all(int(row[4]) == 0 for row in kernels)
    assert all(int(row[2].removesuffix(" %")) >= 90 for row in kernels if "Winograd's products" in row[0])
    assert len(transforms) == 6 and all(0 < int(row[2]) < int(row[3]) for row in transforms)
    assert all(int(row[5]) == 0 for row in transforms if row[1] == "F(2x2,3x3)")
    assert all(50 <= int(row[2].removesuffix(" %")) <= 100 for row in paper)
    one, four = ([int(row[k].removesuffix(" %")) for row in caches] for k in (4, 5))
    assert len(caches) == 18 and all(0 < f <= o for o, f in zip(one, four))
