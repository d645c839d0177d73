"""The Debian packages: built as `make deb` does, unpacked, and run from there."""
import json
import os
import re
import shutil
import subprocess

import pytest
from conftest import BRAMBLE, PRESET, ROOT, Runner
from runs import SMALL, Run, differences, write_model

pytestmark = pytest.mark.alone  # dpkg-buildpackage has ended without a word beside other tests

TOOLS = ("dpkg-buildpackage", "dh", "lintian", "git")
PACKAGES = ["bramble", "libbramble-dev", "libbramble0"]
VERSION = (ROOT / "VERSION").read_text().strip()
SYSROOT = ROOT / "build/sysroot-arm64"
HERE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine)
JOB = ["--data", "synthetic:60", "--limit-test", 10, "--batch", 10, "--rounds", 1]


def run(line, timeout=300, **how):
    print("$", " ".join(map(str, line)))
    return subprocess.run([*map(str, line)], text=True, errors="replace", timeout=timeout, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **{"cwd": ROOT, **how})


def build(arch):
    if PRESET != "native" or not HERE:
        pytest.skip("done with PRESET=native, on amd64 and arm64")
    for tool in TOOLS:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed: tools/install-packages deb")
    done = run(["tools/deb", arch], timeout=900)
    assert done.returncode == 0, done.stderr
    names = [f"{name}_{VERSION}_{arch}" for name in PACKAGES] + [f"python3-bramble_{VERSION}_all"]
    assert done.stdout.splitlines() == [f"build/deb/{name}.deb" for name in names]
    return ROOT / f"build/deb/bramble_{VERSION}_{arch}.deb"


def beside(package, name):
    """Another one of those built with it."""
    return package.with_name(package.name.replace("bramble", name, 1))


def unpack(package, folder):
    assert run(["dpkg-deb", "-x", package, folder]).returncode == 0
    return folder


def field(package, name):
    return run(["dpkg-deb", "--field", package, name]).stdout.strip()


def needed(package):
    """Names of the packages it depends on."""
    return {re.match(r"[a-z0-9.+-]+", word)[0] for word in field(package, "Depends").split(", ")}


@pytest.fixture(scope="module")
def package():
    return build(HERE)


@pytest.fixture(scope="module")
def tree(package, tmp_path_factory):
    return unpack(package, tmp_path_factory.mktemp("package"))


@pytest.fixture
def installed(tree, tmp_path):
    """Runs the package's program in an empty folder."""
    runner = Runner(tmp_path)
    runner.env["PATH"] = f"{tree}/usr/bin:{runner.env['PATH']}"
    return runner


@pytest.fixture(scope="module")
def arm_package():
    if HERE == "arm64":
        pytest.skip("this machine's own package is the one for arm64")
    if not shutil.which("aarch64-linux-gnu-gcc") or not shutil.which("qemu-aarch64-static"):
        pytest.skip("no cross-compiler or emulator: tools/install-packages cross")
    if not (SYSROOT / ".complete").exists():
        pytest.skip("no libraries for arm64: make sysroot-arm64")
    return build("arm64")


# ---- what the package is --------------------------------------------------------------------------

def judge(package):
    return run(["lintian", "--allow-root", "--fail-on", "error,warning", package], timeout=120)


def test_lintian_has_nothing_to_say(package):
    for one in [*(beside(package, name) for name in PACKAGES), ROOT / f"build/deb/python3-bramble_{VERSION}_all.deb"]:
        done = judge(one)
        assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_python_package(package, tmp_path):
    """Of any architecture; its program finds the module where Python looks."""
    one = ROOT / f"build/deb/python3-bramble_{VERSION}_all.deb"
    tree = unpack(one, tmp_path / "python") / "usr"
    assert field(one, "Architecture") == "all" and {"python3-h5py", "python3-matplotlib", "python3-pandas"} <= needed(one)
    for name in ("lib/python3/dist-packages/bramble/py.typed", "share/man/man1/bramble-plot.1.gz", "share/bramble/python/bramble-watch-web",
                 "share/bash-completion/completions/bramble-plot"):
        assert (tree / name).is_file(), name
    done = run([tree / "bin/bramble-plot", "--help"], env={**os.environ, "PYTHONPATH": tree / "lib/python3/dist-packages"})
    assert done.returncode == 0 and "RESULT" in done.stdout
    assert not (unpack(package, tmp_path / "program") / "usr/share/bramble/python").exists()


@pytest.mark.long
def test_lintian_has_nothing_to_say_on_arm(arm_package):
    for name in PACKAGES:
        done = judge(beside(arm_package, name))
        assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_depends_on_what_the_program_loads(package, tree):
    libraries = re.findall(r"\(NEEDED\).*\[(.*)\]", run(["readelf", "-dW", tree / "usr/bin/bramble"]).stdout)
    assert {"libmpi.so.40", "libgomp.so.1", "libjansson.so.4"} <= set(libraries)
    found = run(["dpkg", "-S", *(f"*/{library}" for library in libraries)]).stdout
    owners = {line.split(":")[0] for line in found.splitlines()}
    assert needed(package) - {"openmpi-bin", "python3"} <= owners  # what jobs and mpirun need
    assert {"openmpi-bin", "libopenmpi3", "libhdf5-103-1", "libgomp1", "libinih1", "libjansson4", "libjpeg62-turbo", "libspng0"} <= needed(package)


def test_has_all_a_user_needs(package, tree):
    for name in ("bin/bramble", "share/man/man1/bramble.1.gz", "share/bash-completion/completions/bramble",
                 "share/bramble/models/paper.ini", "share/bramble/jobs/study", "share/bramble/jobs/cases/table1.ini",
                 "share/bramble/notebooks/paper.ipynb", "share/doc/bramble/copyright", "share/doc/bramble/changelog.gz"):
        assert (tree / "usr" / name).is_file(), name
    for script in (ROOT / "jobs").iterdir():
        if os.access(script, os.X_OK) and script.is_file():
            assert os.access(tree / "usr/share/bramble/jobs" / script.name, os.X_OK), script
    assert (field(package, "Version"), field(package, "Architecture")) == (VERSION, HERE)


def test_a_program_is_built_with_the_library_packages(package, tmp_path):
    """The shared library knows no MPI; with the other package a program finds it, and it runs."""
    assert {"libhdf5-103-1", "libgomp1", "libinih1"} <= needed(beside(package, "libbramble0"))
    assert not needed(beside(package, "libbramble0")) & {"libopenmpi3", "libjansson4", "zlib1g"}
    assert {"libbramble0", "libhdf5-dev", "libinih-dev"} == needed(beside(package, "libbramble-dev"))
    for name in PACKAGES[1:]:
        unpack(beside(package, name), tmp_path)
    triplet = run(["dpkg-architecture", "-qDEB_HOST_MULTIARCH"]).stdout.strip()
    lib, examples = tmp_path / "usr/lib" / triplet, tmp_path / "usr/share/doc/libbramble-dev/examples"
    assert f"libdir=/usr/lib/{triplet}\n" in (lib / "pkgconfig/bramble.pc").read_text()
    program = tmp_path / "predict"
    done = run(["cc", "-o", program, examples / "predict.c", f"-I{tmp_path}/usr/include", f"-L{lib}", "-lbramble"])
    assert done.returncode == 0, done.stderr
    done = run([program], env={**os.environ, "LD_LIBRARY_PATH": str(lib)})
    assert done.returncode == 2 and "usage: predict" in done.stderr
    assert str(ROOT).encode() not in (lib / "libbramble.so.0").read_bytes()


def test_changelog_is_the_news(tree):
    text = run(["zcat", tree / "usr/share/doc/bramble/changelog.gz"]).stdout
    assert text.startswith(f"bramble ({VERSION}) ")
    news = (ROOT / "NEWS.md").read_text()
    assert text.count("\n  * ") == len(re.findall(r"^- ", news, re.M))
    assert max(len(line) for line in text.splitlines() if not line.startswith(" -- ")) <= 80


def test_names_no_folder_of_the_machine_that_built_it(tree):
    program = (tree / "usr/bin/bramble").read_bytes()
    assert str(ROOT).encode() not in program and b"native" not in program


def test_the_rest_of_the_program_is_for_any_processor(installed, tree):
    about = json.loads(installed.run([tree / "usr/bin/bramble", "info", "--json"]).stdout)
    assert about["version"] == VERSION and about["preset"] == HERE
    assert ("-march=x86-64 " if HERE == "amd64" else "-march=armv8-a ") in about["flags"]
    assert about["engines"][-1] == ("sse2/4" if HERE == "amd64" else "neon/4")


def test_computes_with_the_best_there_is(tree):
    """As the program that was built for this machine alone."""
    about, native = (json.loads(run([program, "info", "--json"]).stdout) for program in (tree / "usr/bin/bramble", BRAMBLE))
    assert (about["simd"], about["vector_width"]) == (native["simd"], native["vector_width"])


def test_an_older_processor(installed, tree):
    """What it lacks is left out; forced, it is one line."""
    if HERE != "amd64" or not shutil.which("qemu-x86_64-static"):
        pytest.skip("no emulator of older processors: tools/install-packages cross")
    old = ["qemu-x86_64-static", "-cpu", "Nehalem", tree / "usr/bin/bramble"]
    about = json.loads(installed.run([*old, "info", "--json"]).stdout)
    assert (about["simd"], about["engines"], about["fused"]) == ("sse2", ["sse2/4"], False)
    done = installed.run([*old, "train", "--threads", "1", "--quiet", "--out", "old.h5", *map(str, JOB)], timeout=120)
    assert done.returncode == 0, done.stderr
    done = installed.run([*old, "train", "--isa", "avx2", *map(str, JOB)])
    assert done.returncode == 2 and "--isa avx2: this processor does not have it" in done.stderr


# ---- run from where it is -------------------------------------------------------------------------

def test_trains_to_the_same_bits(installed, bramble, tree):
    """On its own models, with what this folder's build makes of the same job."""
    line = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "3", f"{tree}/usr/bin/bramble", "train", "--model",
            "paper", "--threads", "1", "--out", "package.h5", *map(str, JOB)]
    done = installed.run(line, timeout=120)
    assert done.returncode == 0, done.stderr
    ours = Run(bramble.train(3, "--model", "paper", "--threads", 1, *JOB, out="ours.h5"))
    if set(ours["machine/simd"]) - {b"avx2", b"avx512", b"neon", b"a76"}:
        pytest.skip("this machine has no fused multiply-add, whose bits are compared")
    assert differences(Run(installed.folder / "package.h5"), ours) == []


def test_a_study_leaves_its_results_where_it_was_started(installed, tree):
    before = sorted(tree.rglob("*"))
    done = installed.run([tree / "usr/share/bramble/jobs/study", "--repeats", "1", "--name", "look", "1:1", *map(str, JOB)],
                         timeout=120)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (installed.folder / "results/look").glob("*.h5")] == ["cases-1-1-r1.h5"]
    assert sorted(tree.rglob("*")) == before


def test_what_to_do_instead_of_deploy(installed, tree):
    (installed.folder / "hosts").write_text("pi1\n")
    done = installed.run([tree / "usr/share/bramble/jobs/deploy", "hosts"])
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "install the same package on every host" in done.stderr


def test_a_job_script_finds_the_program(installed, tree):
    """As Slurm starts it: a copy elsewhere, in the folder it was submitted from."""
    (installed.folder / "results").mkdir()
    slurm = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "1", "SLURM_CPUS_PER_TASK": "1", "LAUNCH": "mpirun",
             "SLURM_SUBMIT_DIR": str(installed.folder), "OMPI_MCA_ras": "^slurm", "OMPI_MCA_plm": "^slurm",
             "OMPI_MCA_hwloc_base_binding_policy": "none"}
    script = shutil.copy(tree / "usr/share/bramble/jobs/train.sbatch", installed.folder / "slurm_script")
    done = installed.run([script, *map(str, JOB)], env=slurm)
    assert done.returncode == 0, done.stderr
    assert (installed.folder / "results/bramble-7.h5").is_file()


# ---- for the Pis ----------------------------------------------------------------------------------

@pytest.mark.long
def test_the_arm_package_asks_for_the_same(package, arm_package):
    assert (field(arm_package, "Version"), field(arm_package, "Architecture")) == (VERSION, "arm64")
    assert needed(arm_package) == needed(package)


@pytest.mark.long
def test_the_arm_package_runs(arm_package, bramble, tmp_path):
    """Under qemu, with the libraries of the same Debian; the same bits as here."""
    from test_arm64 import NOT_ON_A_PI_4, instructions
    tree = unpack(arm_package, tmp_path / "arm")
    program = tree / "usr/bin/bramble"
    found = instructions(program)
    assert sum(line.startswith("fmla") for line in found) > 100
    assert [line for line in found if NOT_ON_A_PI_4.match(line)] == []
    start = write_model(tmp_path, SMALL)[0]
    job = ["train", "--quiet", "--out", "arm.h5", *start, *map(str, JOB)]
    done = bramble.run(["qemu-aarch64-static", "-L", str(SYSROOT), str(program), *job], timeout=240)
    assert done.returncode == 0, done.stderr
    arm = Run(tmp_path / "arm.h5")
    assert arm.build["preset"] == b"arm64" and set(arm["machine/simd"]) <= {b"neon", b"a76"}
    here = Run(bramble.train(1, *start, *JOB, out="here.h5"))
    if not set(here["machine/simd"]) - {b"avx2", b"avx512"}:
        assert differences(arm, here) == []
