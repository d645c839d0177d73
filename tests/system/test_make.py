"""The Makefile and tools/install-packages: names that a shell or make would cut, and mistakes."""
import os
import shutil
import subprocess

import pytest
from conftest import ROOT, WAIT_S

# What names may have that a shell or make takes for its own; cut into pieces it names nothing that is anywhere.
AWKWARD = "my zz'zz: $ZZ;\"zz\" #%(1)&"


def make(*words, folder=ROOT, **env):
    left_out = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR", "PREFIX", "PRESET", "B", "CC", "CFLAGS", "SYSROOT")
    env = {**{name: value for name, value in os.environ.items() if name not in left_out}, **env}
    done = subprocess.run(["make", "--no-print-directory", *words], cwd=folder, text=True, capture_output=True, env=env,
                          timeout=WAIT_S, stdin=subprocess.DEVNULL)
    print("$ make", *words, done.stdout, done.stderr, sep="\n")
    return done


def below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.parametrize("where", ["PREFIX", "DESTDIR", "plain"])
def test_install_and_uninstall_touch_their_own_alone(tmp_path, where):
    """What the name begins with, up to each blank, is somebody else's."""
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / "thesis.txt").write_text("work of years\n")
    place = tmp_path / ("plain" if where == "plain" else AWKWARD)
    place.mkdir()
    (place / "other").write_text("not ours\n")
    mine = below(tmp_path)
    make_name = str(place).replace("$", "$$")
    names = [f"PREFIX={make_name}"] if where != "DESTDIR" else [f"DESTDIR={make_name}", "PREFIX=/usr"]
    prefix = place / "usr" if where == "DESTDIR" else place
    assert make("-o", "all", "-o", "lib", "install", *names).returncode == 0
    for name in ("bin/bramble", "share/bramble/jobs/study", "share/bramble/models/paper.ini", "share/man/man1/bramble.1",
                 "share/bramble/notebooks/paper.ipynb", "share/bash-completion/completions/bramble", "include/bramble.h",
                 "lib/libbramble.a", "lib/libbramble.so", "share/bramble/examples/predict.c",
                 "share/bramble/python/bramble/py.typed", "bin/bramble-plot", "share/man/man1/bramble-plot.1"):
        assert (prefix / name).is_file(), name
    assert os.access(prefix / "share/bramble/jobs/study", os.X_OK)
    assert not os.access(prefix / "share/bramble/models/paper.ini", os.X_OK)
    first = (prefix / "lib/pkgconfig/bramble.pc").read_text().splitlines()[0]
    assert first == f"prefix={'/usr' if where == 'DESTDIR' else prefix}"
    plot = subprocess.run([prefix / "bin/bramble-plot", ROOT / "results/accuracy/accuracy-1-1-r1.h5", "-o", place / "a.png"],
                          cwd=tmp_path, capture_output=True, text=True, timeout=WAIT_S, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert plot.returncode == 0, plot.stderr
    (place / "a.png").unlink()
    done = subprocess.run([prefix / "bin/bramble", "data", "check", "data"], cwd=tmp_path, capture_output=True, text=True,
                          timeout=WAIT_S)
    assert done.returncode == 2 and f"`{prefix}/share/bramble/tools/fetch-cifar10 data` fetches" in done.stderr
    assert make("uninstall", *names).returncode == 0
    assert below(tmp_path) == mine


@pytest.mark.parametrize("words, told", [
    (["uninstall", "PREFIX=apps"], "PREFIX=apps: expected a folder's full path"),
    (["uninstall", "PREFIX=/a\n/b"], "PREFIX has a line break"),
    (["all", "PRESET=rpi4", "SYSROOT=/a b"], "SYSROOT=/a b: a blank or a sign like"),
    (["all", "MPICC=/a:b/mpicc"], "MPICC=/a:b/mpicc: a blank or a sign like"),
])
def test_what_cannot_be_passed_on_is_refused(words, told):
    done = make("-n", *words)
    assert done.returncode == 2 and told in done.stderr and done.stdout == ""


def test_text_in_the_program(tmp_path):
    """The folder of the models and the flags are told as they were given."""
    made = tmp_path / "b/obj/src/host/build.o"
    done = make(made, f"B={tmp_path}/b", "PREFIX=/x/my ap'ps\"\\y", "CFLAGS=-DWORD='\"a b\"'")
    assert done.returncode == 0
    text = made.read_bytes()
    assert b"/x/my ap'ps\"\\y/share/bramble\0" in text and b"-DWORD='\"a b\"'\0" in text


@pytest.fixture
def copy(tmp_path):
    """The project in a folder with an awkward name."""
    folder = tmp_path / AWKWARD
    folder.mkdir()
    for name in ("Makefile", "VERSION", "src", "include", "tools"):
        subprocess.run(["cp", "-a", ROOT / name, folder], check=True)
    return folder


def test_a_checkout_may_have_any_name(copy):
    """Each of these was an error before the first line was compiled."""
    assert make("build/native/obj/src/base/ini.o", folder=copy).returncode == 0
    assert make("-n", "all", folder=copy).returncode == 0
    assert make("-n", "all", "PRESET=rpi4", folder=copy).returncode == 0


def test_what_is_built_elsewhere_needs_no_other(copy):
    """./bramble is a link to build/native alone, which need not be there."""
    elsewhere, native = (make("-n", "all", *words, folder=copy) for words in (["B=build/x"], []))
    assert elsewhere.returncode == native.returncode == 0
    assert "-o build/x/bramble " in elsewhere.stdout and "ln -sf" not in elsewhere.stdout and "ln -sf" in native.stdout


def test_clean_stays_in_build(copy):
    """A file of the user's in build/ may have a blank in its name."""
    for name in ("build/a src", "build/sysroot-arm64/lib", "build/debian13/bin", "build/native/x"):
        (copy / name).mkdir(parents=True)
    assert make("clean", folder=copy).returncode == 0
    assert (copy / "src/base").is_dir() and sorted(os.listdir(copy / "build")) == ["debian13", "sysroot-arm64"]
    assert make("distclean", folder=copy).returncode == 0
    assert not (copy / "build").exists() and (copy / "src/base").is_dir()


@pytest.mark.skipif(not shutil.which("git"), reason="no git here")
def test_a_link_to_the_data_is_no_change(tmp_path):
    (tmp_path / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    (tmp_path / "data").symlink_to("/usr/share")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    status = subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path, check=True, text=True, capture_output=True)
    assert status.stdout == "?? .gitignore\n"


# ---- tools/install-packages -------------------------------------------------------------------------------


@pytest.mark.parametrize("words, told", [(["foo"], "foo: expected one of build test "),
                                         (["build", "foo"], "foo: expected one of build test "),
                                         (["--list", "foo"], "foo: expected one of build test "),
                                         ([], "nothing named: expected one of build test ")])
def test_a_set_that_is_none(words, told):
    done = subprocess.run([ROOT / "tools/install-packages", *words], text=True, capture_output=True, timeout=WAIT_S)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("install-packages: " + told)
    assert done.stderr.count("\n") == 1 and " debian13 " in done.stderr


def test_packages_are_listed():
    done = subprocess.run([ROOT / "tools/install-packages", "--list", "build", "test"], text=True, capture_output=True)
    assert done.returncode == 0 and {"gcc", "libcmocka-dev"} <= set(done.stdout.split("\n"))
