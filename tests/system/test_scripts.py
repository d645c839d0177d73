"""Scripts in the surroundings that users bring along: CDPATH, no HOME, a language that writes numbers with a
comma; and odd words."""
import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, WAIT_S
from test_house import scripts

AWK = 'awk() { LC_ALL=C command awk "$@"; }'  # of scripts that start what the user names, in the user's language


def run(*words, **env):
    done = subprocess.run(words, cwd=ROOT, env={**os.environ, **env}, text=True, capture_output=True, timeout=WAIT_S,
                          stdin=subprocess.DEVNULL)
    print("$", *words, done.stdout, done.stderr, sep="\n")
    return done


def test_every_script_starts_in_known_surroundings():
    """Before its first cd, awk, sort or printf: no CDPATH, and numbers with a point."""
    found = [path for path in scripts() if path.suffix != ".bash"]
    assert len(found) >= 20
    for path in found:
        text = re.sub(r"(^|\s)#.*", "", path.read_text(), flags=re.M)
        first = re.search(r"\b(cd|awk|sort|printf)\b(?!\()", text)
        head = text[:first.start()] if first else text
        assert "unset CDPATH" in head, path
        assert "export LC_ALL=C" in head or AWK in text, path


started = pytest.mark.parametrize("words", [
    ("jobs/study", "--dry-run", "--repeats", "1", "--data", "synthetic:100", "1:1"),
    ("jobs/deploy", "jobs/hostfile.example", "--ssh", "false", "--check"),
    ("jobs/remote", "pi1", "--ssh", "false", "status"),
    ("tools/demo",),
    ("tools/run-notebooks",),
    ("tests/checks/run", "nothing"),
], ids=lambda words: words[0])


@started
def test_without_a_home(words, tmp_path):
    """As under systemd and some cron daemons."""
    about = dict(BRAMBLE_DATA=str(tmp_path / "none"), BRAMBLE_RESULTS=str(tmp_path / "none"))
    done, without = run(*words, **about), run("env", "-u", "HOME", *words, **about)
    assert (done.returncode, done.stdout, done.stderr) == (without.returncode, without.stdout, without.stderr)


# ---- CDPATH: cd prints where it has gone, and that may be elsewhere ---------------------------------------


@pytest.fixture
def cdpath(tmp_path):
    """A folder that has another jobs/ and another tools/."""
    for name in ("jobs", "tools", "tests/checks", "fuzz", "containers"):
        (tmp_path / "elsewhere" / name).mkdir(parents=True)
    return {"CDPATH": f".:{tmp_path}/elsewhere"}, {"CDPATH": f"{tmp_path}/elsewhere:."}


@started
def test_cdpath_changes_nothing(words, cdpath, tmp_path):
    about = dict(BRAMBLE_DATA=str(tmp_path / "none"), BRAMBLE_RESULTS=str(tmp_path / "none"))
    without = run(*words, **about)
    for env in cdpath:
        done = run(*words, **about, **env)
        assert (done.returncode, done.stdout, done.stderr) == (without.returncode, without.stdout, without.stderr)


def test_cdpath_and_the_data(cdpath, tmp_path):
    """The checksums are found: it is a file of the archive that is wrong, not their list."""
    wrong = tmp_path / "cifar-10-batches-bin"
    wrong.mkdir()
    (wrong / "data_batch_1.bin").write_bytes(b"x")
    subprocess.run(["tar", "-czf", tmp_path / "wrong.tar.gz", "-C", tmp_path, wrong.name], check=True)
    for env in cdpath:
        done = run("tools/fetch-cifar10", str(tmp_path / "data"), CIFAR10_URL=f"file://{tmp_path}/wrong.tar.gz", **env)
        assert done.returncode == 1 and "data_batch_1.bin is missing or wrong" in done.stderr


# ---- a decimal comma --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def comma(tmp_path_factory):
    """The environment of a language with a decimal comma, made here."""
    folder = tmp_path_factory.mktemp("locale")
    if not Path("/usr/share/i18n/locales/de_DE").exists():
        pytest.skip("no /usr/share/i18n: tools/install-packages test")
    subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", folder / "de_DE.UTF-8"], check=True, timeout=WAIT_S)
    env = dict(LOCPATH=str(folder), LC_ALL="de_DE.UTF-8")
    assert run("/usr/bin/printf", "%.1f", "0,5", **env).stdout == "0,5"
    return env


def test_shares_of_a_core_have_a_point(comma):
    done = run("jobs/study", "--dry-run", "--repeats", "1", "--data", "synthetic:100", "3:1", "2:1", **comma)
    assert done.returncode == 0 and re.findall(r"capped --workers (\S+)", done.stdout) == ["0.3333", "0.5000"]


def test_capped_takes_a_point(comma):
    """77: nothing can be capped here; 2 would be its own misreading of the number."""
    done = run("jobs/capped", "0.5", "sh", "-c", "echo $LC_ALL", **comma)
    assert done.returncode in (0, 77)
    assert done.returncode == 77 or done.stdout == "de_DE.UTF-8\n", "the command has its own language"


def test_emulated_shares_have_a_point(comma):
    done = run("jobs/emulate", "calibrate", "100.5", **comma)
    assert done.returncode == 0 and re.findall(r"--cpu (\S+)", done.stdout)[0] == "0.119"


def test_shares_in_a_job_script(comma, tmp_path):
    """srun stands in: it prints what it was to start."""
    srun = tmp_path / "srun"
    srun.write_text('#!/bin/sh\necho "$@"\nexit 2\n')
    srun.chmod(0o755)
    done = run("jobs/train.sbatch", "--data", "synthetic:100", CASE="2:3", SLURM_JOB_ID="1", SLURM_JOB_NUM_NODES="3",
               PATH=f"{tmp_path}:{os.environ['PATH']}", SLURM_SUBMIT_DIR=str(ROOT), OUT=str(tmp_path / "o.h5"), **comma)
    assert done.returncode == 2 and "capped --workers 1.5000 " in done.stdout


# ---- one reader, one way to the others --------------------------------------------------------------------


def test_a_hostfile_is_read_by_one(tmp_path):
    """As editors elsewhere write it, and Open MPI reads it; the Bash and the Python scripts get the same."""
    path = tmp_path / "hosts"
    path.write_bytes(b"\xef\xbb\xbfpi1 slots=4\r\n# Windows' slots=9\r\n\r\n\tpi2  max-slots=8 slots = 3 # so\n"
                     b"pi3\npi1 myslots=7\rpi5 slots=2\n pi4 slots=010 # no end")
    done = run("bash", "jobs/hostfile.bash", str(path))
    assert done.stdout == "pi1 4 pi1 slots=4\npi2 3 pi2 max-slots=8 slots = 3\npi3 1 pi3\npi1 1 pi1 myslots=7\n" \
        "pi5 2 pi5 slots=2\npi4 10 pi4 slots=010\n"
    asked = run("python3", "-c", "import sys; sys.path.insert(0, 'jobs'); sys.dont_write_bytecode = True; import supervise_run\n"
                "for host in supervise_run.read_hosts(sys.argv[1]): print(host[0], host[1], host[2])", str(path))
    assert asked.stdout == done.stdout
    named = run("bash", "-c", '. jobs/hosts.bash; read_hosts "$1"; echo "${hosts[*]}"', "bash", str(path))
    assert named.stdout == "pi1 pi2 pi3 pi5 pi4\n"


def test_batch_scripts_find_the_others_alike():
    """Slurm runs a copy of a script, far from the others: the lines that find them cannot stand in a part."""
    found = set()
    for path in (ROOT / "jobs").glob("*.sbatch"):
        text = path.read_text()
        assert f"self={path.name}\n" in text
        found.add(re.search(r'^cd "\$\{SLURM_SUBMIT_DIR:-.*?^\. "\$common"$', text, re.M | re.S)[0])
    assert len(found) == 1


# ---- words and names are data -----------------------------------------------------------------------------


def test_completion_runs_no_file_name(tmp_path):
    (tmp_path / "models").mkdir()
    for name in ("narrow", "$(touch pwned)", "`touch pwned`", "two words"):
        (tmp_path / "models" / f"{name}.ini").touch()
    script = """. "$1"; compopt() { :; }
        COMP_WORDS=(bramble train --model "$2") COMP_CWORD=3; _bramble; printf '%s\\n' "${COMPREPLY[@]}" """
    for word, found in (("", {"narrow", "two words", "$(touch pwned)", "`touch pwned`", "models"}), ("na", {"narrow"})):
        done = subprocess.run(["bash", "-c", script, "bash", ROOT / "tools/completion.bash", word], cwd=tmp_path, text=True,
                              capture_output=True, timeout=WAIT_S)
        assert set(done.stdout.split("\n")) - {""} == found
    assert os.listdir(tmp_path) == ["models"]


@pytest.mark.parametrize("words, says", [
    (("fuzz/run", "x[$(touch pwned)]", "model"), "expected a number of seconds"),
    (("fuzz/run", "0x10", "model"), "expected a number of seconds"),
    (("tests/soak", "many"), "expected N"),
    (("tests/soak", "1", "1e3"), "expected N"),
    (("containers/start", "server"), "WORKERS=08: expected a whole number"),
], ids=lambda words: words[0].replace("/", "-") if isinstance(words, tuple) else "")
def test_a_number_is_a_number(words, says, tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    done = run(*words, WORKERS="08", HOME=str(tmp_path), SSH_KEY=str(key))
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1
    assert not (ROOT / "pwned").exists()
