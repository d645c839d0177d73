"""jobs/study: case files to results and tables, interrupted, resumed, refused; jobs/capped: part of a core."""
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import emulated
import h5py
import numpy as np
import pytest
from conftest import BRAMBLE, ROOT, WAIT_S
from emulated import Cluster, until
from forbidden import KNOWN, LOCKS, forbid

STUDY, CAPPED = ROOT / "jobs" / "study", ROOT / "jobs" / "capped"
TINY = ["--data", "synthetic:100"]
PYTHON = "/usr/bin/python3"


class Study:
    """jobs/study in a results folder of the test's own."""

    def __init__(self, folder):
        self.folder, self.results, self.script = folder, folder / "results", STUDY
        self.env = dict(os.environ, BRAMBLE=str(BRAMBLE), OMPI_MCA_mpi_yield_when_idle="1",
                        OMPI_MCA_btl_vader_single_copy_mechanism="none")
        self.env.pop("BRAMBLE_DATA", None)

    def line(self, *words, tiny=True):
        return [str(word) for word in [self.script, "--results", self.results, *words, *(TINY if tiny else [])]]

    def start(self, *words):
        print("$", *self.line(*words))
        return subprocess.Popen(self.line(*words), cwd=self.folder, env=self.env, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __call__(self, *words, status=0, below=(), tiny=True):
        line = [*map(str, below), *self.line(*words, tiny=tiny)]
        print("$", *line)
        done = subprocess.run(line, cwd=self.folder, env=self.env, text=True, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=WAIT_S)
        print(done.stdout, done.stderr, sep="\n")
        assert done.returncode == status, done.stderr
        return done

    def cases(self, text, name="mine"):
        path = self.folder / f"{name}.ini"
        path.write_text(text)
        return path

    def files(self, name="mine"):
        return {path.stem: path for path in (self.results / name).glob("*.h5")}


@pytest.fixture
def study(tmp_path):
    assert BRAMBLE.exists()
    return Study(tmp_path)


def value(path, name):
    with h5py.File(path) as file:
        return file[name][()]


def options(path):
    with h5py.File(path) as file:
        return {name: text.decode() for name, text in file["config"].attrs.items()}


def rounds_done(path):
    return value(path, "rounds/n_done") if path.exists() else -1


def processes(text):
    """Process ids of the program whose command lines hold a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0] == str(BRAMBLE).encode() and text.encode() in b" ".join(words):
            found.append(int(entry.name))
    return sorted(found)


# ---- a whole study ---------------------------------------------------------------------------------------

MINE = """; two cases
[study]
title = My table
base = 2:2
repeats = 2
rounds = 1
lr = 0.01 ; for all
nesterov = true
normalise = measured ; the file has the numbers

[case 1:1]
lr = 0.02
nesterov = false
[case 2:2]
"""


def test_a_study_is_run_once_and_told(study):
    cases = study.cases(MINE)
    done = study(cases)
    names = {f"mine-{case}-r{k}" for case in ("1-1", "2-2") for k in (1, 2)}
    files = study.files()
    assert set(files) == names
    assert re.search(r"\bMy table\nN:C .*\n1:1 +2 .*\n2:2 +2 .*\n", done.stdout)
    assert "4 run, 0 done before, 0 failed, 0 that cannot be run here" in done.stderr
    assert re.findall(r"^run (\d) of 4: (\S+), seed (\d)", done.stderr, re.M) == [
        ("1", "mine-1-1-r1", "1"), ("2", "mine-2-2-r1", "1"), ("3", "mine-1-1-r2", "2"), ("4", "mine-2-2-r2", "2")]
    assert len(re.findall(r", about \d+:\d\d:\d\d left$", done.stderr, re.M)) == 3
    for name, path in files.items():
        had = options(path)
        one = name.startswith("mine-1-1")
        assert (had["lr"], had["nesterov"]) == (("0.02", "false") if one else ("0.01", "true"))
        assert had["case"] == ("1:1" if one else "2:2") and had["seed"] == name[-1] and had["threads"] == "1"
        assert value(path, "summary/complete") == 1
    made = {name: path.stat().st_mtime_ns for name, path in files.items()}

    files["mine-2-2-r1"].unlink()  # the only one to be run again, also without the logs
    for log in (study.results / "mine").glob("*.log"):
        log.unlink()
    again = study(cases)
    assert "1 run, 3 done before" in again.stderr
    changed = {name for name, path in study.files().items() if path.stat().st_mtime_ns != made[name]}
    assert changed == {"mine-2-2-r1"}
    assert re.search(r"\n1:1 +2 .*\n2:2 +2 ", again.stdout)

    other = study(cases, "--lr", "0.03", status=2)  # what is there is not what is asked for
    assert "lr = 0.02" in other.stderr and "0.03" in other.stderr and "--name" in other.stderr
    gone = study(study.cases(MINE.replace("lr = 0.01", "momentum = 0.8\nlr = 0.01")), status=2)
    assert "momentum" in gone.stderr


def test_labels_stand_side_by_side(study):
    cases = study.cases("[study]\nrepeats = 1\nrounds = 1\n"
                        "[case 1:1 gather]\naverage = gather\n[case 1:1 slices]\naverage = slices\n")
    done = study(cases)
    assert set(study.files()) == {"mine-1-1-gather-r1", "mine-1-1-slices-r1"}
    assert re.search(r"\n +N:C .*\ngather +1:1 +1 .*\nslices +1:1 +1 .*\n$", done.stdout)


def test_every_case_file_of_ours_is_sound(study):
    for path in sorted((ROOT / "jobs" / "cases").glob("*.ini")):
        done, text = study(path.stem, "--dry-run"), path.read_text()
        repeats = int((re.findall(r"^repeats = (\d+)", text, re.M) or [3])[0])
        cases = re.findall(r"^\[case (\d+):(\d+)", text, re.M)
        commands = [line for line in done.stdout.splitlines() if " train " in line]
        assert len(commands) == repeats * len(cases) and not study.results.exists()
        for (n, c), command in zip(cases * repeats, commands):
            assert f"-n {int(n) + 1} " in command and f"--case={n}:{c}" in command
            assert f"--threads={-(-int(c) // int(n))} " in command
            assert ("capped --workers" in command) == (int(c) % int(n) != 0)


@pytest.mark.parametrize("words, seeds", [(["--seed", "010"], [11, 12]), (["--seed", "08"], [9, 10]), ([], [8, 9])])
def test_numbers_are_decimal(study, words, seeds):
    cases = study.cases("[study]\nrepeats = 2\nseed = 007\n[case 1:1]\n")
    done = study("--dry-run", *words, "--", cases, tiny=False)
    assert re.findall(r" --seed=(\S+) ", done.stdout) == [str(seed) for seed in seeds]


def test_what_a_dry_run_prints_can_be_run(study):
    """As it stands, by a shell in another folder; also where a folder's name has blanks and quotes."""
    study.results = study.folder / "it's \"mine\" $(touch run)"
    done = study("--dry-run", "--repeats", 1, "--rounds", 1, "1:1", "2:2")
    assert not study.results.exists()
    subprocess.run(["bash", "-euc", done.stdout], cwd="/", check=True, env=study.env, timeout=WAIT_S, capture_output=True)
    assert set(study.files("cases")) == {"cases-1-1-r1", "cases-2-2-r1"}
    assert not (study.folder / "run").exists()
    assert "0 run, 2 done before" in study("--repeats", 1, "--rounds", 1, "1:1", "2:2").stderr


def test_how_long_it_takes_is_said_before(study):
    """By a trial, aside and gone afterwards; later by what is done, which --dry-run knows too."""
    cases = study.cases("[study]\nrepeats = 2\nrounds = 40\nlocal-epochs = 10\nlr = 1e-5\n[case 1:1]\n[case 2:2]\n")
    line = study.line(cases, "--data", "synthetic:1000", tiny=False)
    assert "is said before the first run" in study(*line[3:], "--dry-run", tiny=False).stderr
    with subprocess.Popen(line, cwd=study.folder, env=study.env, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        told = ""
        while "run 1 of 4" not in told:
            told += process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_S)
    about = re.search(r"^study: all that is to be run takes about (\d+:\d\d:\d\d) \(by a trial of case 1:1 with \d+ images", told, re.M)
    assert about and about[1] != "0:00:00" and f"seed 1, about {about[1]} left" in told
    assert not (study.results / "mine/.trial").exists()

    study("--rounds", 2, "--repeats", 1, "--limit-train", "08", "1:1", "2:2")
    dry = study("--rounds", 2, "--repeats", 2, "--limit-train", "08", "1:1", "2:2", "--dry-run")
    assert re.search(r"takes about 0:\d\d:\d\d \(by the runs that are done\)", dry.stderr)


@pytest.mark.parametrize("options, cores, work", [
    ("--preset=paper", 2, 50000 * 30 // 2), ("--preset=fast\n--rounds=3", 1, 150000), ("--rounds=010", 4, 50000 * 10 // 4),
    ("--data=synthetic:600\n--limit-train=5000\n--local-epochs=2", 1, 600 * 2 * 10),
    ("--local-steps=100\n--batch=8\n--rounds=a[$(touch pwned)]\n--preset=paper", 3, 0)])
def test_the_amount_of_a_run_is_known(study, options, cores, work):
    """From its options, presets and defaults as bramble says them."""
    script = """set -eu; cd "$1"; bramble=$2 where=slurm run_options=("$3"$'\\n') run_cores=("$4") run_nodes=(1)
        . jobs/study-cases.bash; . jobs/study-progress.bash; read_train_options; amount_of 0; echo $amount"""
    done = subprocess.run(["bash", "-c", script, "bash", ROOT, BRAMBLE, options, str(cores)], text=True, capture_output=True)
    assert (done.stdout, done.stderr) == (f"{work + 1}\n", "")
    assert not (ROOT / "pwned").exists()


@pytest.mark.skipif(not KNOWN, reason="system calls are numbered differently")
def test_without_locks(study):
    """As on NFS without a lock daemon: the study goes on, and says so once."""
    probe = subprocess.run(["flock", "-n", study.folder, "true"], capture_output=True, preexec_fn=lambda: forbid(LOCKS))
    assert probe.returncode != 0  # there are none
    done = subprocess.run(study.line("--repeats", 1, "--rounds", 1, "1:1"), cwd=study.folder, env=study.env, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT_S, preexec_fn=lambda: forbid(LOCKS))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no locks on this file system") == 1 and "1 run, 0 done before" in done.stderr


# ---- interrupted, failed, refused ------------------------------------------------------------------------

LONG = "[study]\nrepeats = 1\nrounds = 1\n[case 1:1]\n[case 2:2]\nrounds = 15000\nlr = 1e-5\neval-every = 15000\n"


@pytest.mark.parametrize("stop, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_and_resumed(study, stop, status):
    cases, files = study.cases(LONG), study.results / "mine"
    with study.start(cases) as process:
        assert until(lambda: rounds_done(files / "mine-2-2-r1.h5") >= 3)
        other = study(cases, status=2)
        assert "another study is at work" in other.stderr
        process.send_signal(stop)
        told = process.communicate(timeout=WAIT_S)[1]
    assert process.returncode == status and "interrupted" in told
    assert processes(str(files)) == []
    assert value(files / "mine-2-2-r1.h5", "summary/complete") == 0
    done = study(study.cases(LONG.replace("15000", "2")))
    assert "1 run, 1 done before, 0 failed" in done.stderr
    assert value(files / "mine-2-2-r1.h5", "summary/complete") == 1


def test_a_failed_run_is_named_and_the_study_goes_on(study):
    cases, files = study.cases(LONG + "[case 1:2]\n"), study.results / "mine"
    with study.start(cases) as process:
        assert until(lambda: rounds_done(files / "mine-2-2-r1.h5") >= 3)
        os.kill(processes(str(files))[-1], signal.SIGKILL)
        told, progress = process.communicate(timeout=WAIT_S)
    assert process.returncode == 1, progress
    assert re.search(r"mine-2-2-r1 failed \(status \d+\): .+; see .*mine-2-2-r1.log", progress)
    assert "2 run, 0 done before, 1 failed" in progress
    assert "1:2 " in told and "2:2 " not in told


def test_a_mistake_that_bramble_finds_ends_the_study(study):
    done = study(study.cases("[study]\nrepeats = 1\nlr = 1e9\n[case 1:1]\n[case 2:2]\n"), status=2)
    assert re.search(r"mine-1-1-r1: bramble: .*lr", done.stderr) and "2-2" not in done.stderr
    assert study.files() == {}


def test_a_run_that_diverges_is_a_failure(study):
    """It has begun: no mistake of the study's, but what comes of that case."""
    done = study(study.cases("[study]\nrepeats = 1\nrounds = 1\n[case 1:1 wild]\nlr = 900\nmomentum = 1\n[case 1:1 tame]\n"), status=1)
    assert re.search(r"mine-1-1-wild-r1 failed \(status 2\): bramble: round 1, .*diverged", done.stderr)
    assert "1 run, 0 done before, 1 failed" in done.stderr and value(study.results / "mine/mine-1-1-tame-r1.h5", "summary/complete") == 1


def other_jobs(study, name, text):
    """The scripts with another one among them."""
    shutil.copytree(ROOT / "jobs", study.folder / "jobs")
    (study.folder / "jobs" / name).write_text(text)
    study.env["BRAMBLE"] = str(BRAMBLE)
    study.script = study.folder / "jobs" / "study"


def test_a_case_that_a_mistake_keeps_out_is_a_failure(study):
    """What jobs/capped refuses for another reason than the machine is not passed over."""
    other_jobs(study, "capped", "#!/bin/sh\necho 'capped: 0,5000: expected a number of cores' >&2\nexit 2\n")
    done = study("--repeats", 1, "--rounds", 1, "2:1", "1:1", status=1)
    assert "cases-2-1-r1 failed (status 2): capped: 0,5000: expected a number" in done.stderr
    assert "1 run, 0 done before, 1 failed, 0 that cannot" in done.stderr


def test_nothing_to_run_is_a_failure(study):
    hostfile = study.folder / "hosts"
    hostfile.write_text("localhost\n")
    done = study("--hostfile", hostfile, "1:1", "2:2", status=1)
    assert "case 2:2 cannot be run here: it needs 3 hosts" in done.stderr and "no case can be run here" in done.stderr


def test_hosts_are_asked_before_the_first_run(study):
    hostfile = study.folder / "hosts"
    hostfile.write_text("localhost\nnowhere.invalid\nneither.invalid\nnot-needed.invalid\n")
    study.env.pop("OMPI_MCA_plm_rsh_agent", None)
    done = study("--hostfile", hostfile, "--repeats", 3, "1:1", "2:2", status=1)
    assert re.findall(r"^study: (\S+): (?:no such name|cannot be reached|ssh failed|it does not let)", done.stderr, re.M) == [
        "nowhere.invalid", "neither.invalid"]
    assert "nothing is run: 2 of 3 hosts cannot take part" in done.stderr
    assert list((study.results / "cases").glob("*.log")) == []


def test_hosts_are_asked_as_mpirun_asks_them(study):
    """By the program and options that Open MPI's own files name in place of ssh."""
    agent, said = study.folder / "agent", study.folder / "said"
    agent.write_text(f"#!/bin/sh\necho \"$@\" >>'{said}'\necho Welcome\n[ $4 = none ] || exec $4\n")
    agent.chmod(0o755)
    (study.folder / ".openmpi").mkdir()
    (study.folder / ".openmpi/mca-params.conf").write_text(f"plm_rsh_agent = {agent} -F\nplm_rsh_args = -p 7\n")
    (study.folder / "hosts").write_text("sh\nnone\n")
    study.env.update(HOME=str(study.folder))
    study.env.pop("OMPI_MCA_plm_rsh_agent", None)
    done = study("--hostfile", study.folder / "hosts", "1:1", status=1)
    assert "study: none: it lets you in but runs no command; it says: Welcome" in done.stderr
    assert "1 of 2 hosts" in done.stderr and sorted(said.read_text().split("\n")) == ["", "-F -p 7 none sh", "-F -p 7 sh sh"]


@pytest.mark.parametrize("log, words", [
    ("""ssh: connect to host pi2 port 22: No route to host
--------------------------------------------------------------------------
ORTE was unable to reliably start one or more daemons.
This usually is caused by:

* not finding the required libraries and/or binaries on
  one or more nodes.
--------------------------------------------------------------------------
""", "ssh: connect to host pi2 port 22: No route to host"),
    ("""--------------------------------------------------------------------------
None of the TCP networks specified to be included for out-of-band communications
could be found:

  Value given: eth7

Please revise the specification and try again.
--------------------------------------------------------------------------
--------------------------------------------------------------------------
No network interfaces were found for out-of-band communications. We require
at least one available network for out-of-band messaging.
--------------------------------------------------------------------------
""", "None of the TCP networks specified to be included for out-of-band communications could be found: Value given: eth7"),
    ("""round 1/9  0.1 s  11957 images/s  loss 2.3052  1 min left
--------------------------------------------------------------------------
ORTE was unable to reliably start one or more daemons.
This usually is caused by:
--------------------------------------------------------------------------
""", "mpirun has lost a host"),
    ("""bramble: 3 threads of each rank share 2 cores
bramble: rank 1 on pi2 has shown no progress for 60 s
bramble: results/x.h5: cannot be written: no space left on device
--------------------------------------------------------------------------
MPI_ABORT was invoked on rank 0 in communicator MPI_COMM_WORLD
with errorcode 1.
--------------------------------------------------------------------------
""", "bramble: results/x.h5: cannot be written: no space left on device"),
])
def test_a_failed_run_is_told_by_its_cause(study, log, words):
    """Not by the last line of what follows from it.  The words are real; the launcher that says them is not."""
    folder = study.folder / "bin"
    folder.mkdir()
    (folder / "mpirun").write_text(f"#!/bin/sh\ncat <<'END'\n{log}END\nexit 1\n")
    (folder / "mpirun").chmod(0o755)
    study.env["PATH"] = f"{folder}:{study.env['PATH']}"
    done = study("--repeats", 1, "1:1", status=1)
    assert f"study: cases-1-1-r1 failed (status 1): {words}; see " in done.stderr


@pytest.mark.parametrize("text, line, words", [
    ("[study]\nlearning = 1\n[case 1:1]\n", 2, "learning: no such key"),
    ("[study]\nthreads = 1\n[case 1:1]\n", 2, "threads: no such key"),
    ("rounds = 1\n[case 1:1]\n", 1, "stands in no section"),
    ("[case 1:1]\n[study]\n", 2, "stands first"),
    ("[case 1:1]\n\n; again\n[case 1:1]\n", 4, "for the second time"),
    ("[case 1:1]\nlr = 1\nlr = 2\n", 3, "for the second time"),
    ("[case 0:1]\n", 1, "expected a case N:C"),
    ("[case 1:1\n", 1, "ends with ]"),
    ("[case 1:1 a/b]\n", 1, "letters and digits"),
    ("[cases]\n", 1, "expected [study]"),
    ("[case 1:1]\nrounds\n", 2, "KEY = VALUE"),
    ("[case 1:1]\nrounds =\n", 2, "no value"),
    ("[case 1:1]\nnesterov = yes\n", 2, "true or false"),
    ("[study]\nrepeats = 0\n[case 1:1]\n", 2, "1 to 999"),
    ("[study]\nseed = -1\n[case 1:1]\n", 2, "whole number"),
    ("[study]\nbase = 2:2\n[case 1:1]\n", None, "no [case 2:2]"),
    ("[study]\nrounds = 1\n", None, "no [case N:C]"),
])
def test_a_bad_case_file_is_refused(study, text, line, words):
    done = study(study.cases(text), status=2)
    assert len(done.stderr.splitlines()) == 1 and words in done.stderr
    assert f"mine.ini:{line}: " in done.stderr if line else "mine.ini: " in done.stderr
    assert not study.results.exists()


@pytest.mark.parametrize("words, told", [
    ([], "which cases"), (["nothing"], "no such case file"), (["0:1"], "expected a case"), (["1:1", "1:1"], "second"),
    (["1:1", "--frobnicate", "1"], "no such option"), (["1:1", "--out", "x"], "sets itself"),
    (["1:1", "--repeats", "x"], "whole number"), (["1:1", "--name", "../x"], "expected letters"),
    (["1:1", "--hostfile", "none"], "cannot be read"), (["1:1", "--core=0"], "share"), (["1:1", "--lr"], "value"),
    (["1:1", "--=1"], "no such option"), (["1:1", "--no-"], "no such option"), (["1:1", "--data", "a\nb"], "in one line"),
    (["--", "1:1", "--repeats"], "no such case file"), (["1:1", "--seed", "0x10"], "whole number"),
    (["1:1", "--slurm", "--emulate"], "only one"), (["1:1", "--shared-server"], "--hostfile or --slurm")])
def test_a_bad_command_line_is_refused(study, words, told):
    done = study(*words, status=2, tiny=False)
    assert len(done.stderr.splitlines()) == 1 and told in done.stderr
    assert not study.results.exists()


# ---- part of a core --------------------------------------------------------------------------------------

BURN = """if True:
    import sys, threading, time
    end = time.monotonic() + float(sys.argv[1])
    while time.monotonic() < end: pass
    print(time.process_time() / float(sys.argv[1]))
"""


def cap_here():
    done = subprocess.run([CAPPED, "0.5", "true"], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr


def groups():
    """Control groups that capped has left behind."""
    return [path for path in Path("/sys/fs/cgroup").glob("**/bramble-capped-*")
            if not Path("/proc", path.name.rsplit("-", 1)[1]).exists()]


def test_a_cap_is_kept_to():
    cap_here()
    for cores in ("0.1", "0.4"):
        line = [CAPPED, cores, PYTHON, "-c", BURN, "1.5"]
        share = float(subprocess.run(line, capture_output=True, text=True, check=True, timeout=WAIT_S).stdout)
        print(cores, share)
        assert 0 < share < 1.4 * float(cores)
    free = subprocess.run([CAPPED, "--workers", "0.1", "cat", "/proc/self/cgroup"], check=True, capture_output=True,
                          text=True, env=dict(os.environ, OMPI_COMM_WORLD_RANK="0")).stdout
    assert "bramble-capped" not in free
    assert groups() == []


def test_a_capped_command_has_its_signals_and_status():
    cap_here()
    script = "trap 'n=$((n+1)); echo got $n' USR1; trap 'exit 9' TERM; n=0; echo up; while :; do sleep 0.05; done"
    with subprocess.Popen([CAPPED, "0.5", "bash", "-c", script], stdout=subprocess.PIPE, text=True,
                          start_new_session=True) as process:
        assert process.stdout.readline() == "up\n"
        os.killpg(process.pid, signal.SIGUSR1)  # as a launcher does: the whole group
        assert process.stdout.readline() == "got 1\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == ""
    assert process.returncode == 9
    with subprocess.Popen([CAPPED, "0.5", "sh", "-c", "echo $$; exec sleep 60"], stdout=subprocess.PIPE,
                          text=True) as process:
        pid = int(process.stdout.readline())
        process.kill()
    assert until(lambda: not Path("/proc", str(pid)).exists()), "the command outlives capped"
    subprocess.run([CAPPED, "0.5", "true"], check=True)  # sweeps what the killed one left
    assert groups() == []


@pytest.mark.parametrize("words", [[], ["1"], ["x", "true"], ["0", "true"], ["--much", "1", "true"], ["010", "true"],
                                   ["08", "true"], ["nan", "true"], ["-1", "true"], ["99999999999999999999", "true"],
                                   ["\u0663", "true"], ["1e-1", "true"], ["0.", "true"]])
def test_capped_says_what_is_wrong(words):
    done = subprocess.run([CAPPED, *words], capture_output=True, text=True)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


def test_part_of_a_core_is_recorded(study):
    cap_here()
    study("--repeats", 1, "--rounds", 1, "2:1", "2:3")
    for case, cap, threads in (("2-1", 0.5, 1), ("2-3", 1.5, 2)):
        path = study.files("cases")[f"cases-{case}-r1"]
        assert value(path, "machine/cpu_quota")[1:] == pytest.approx([cap, cap])
        assert not np.isclose(value(path, "machine/cpu_quota")[0], cap)  # the server is free
        assert (value(path, "machine/threads")[1:] == threads).all()
        assert f"{value(path, 'summary/nodes'):.0f}-{value(path, 'summary/cores'):.0f}" == case


def test_where_nothing_can_be_capped_the_case_is_skipped(study):
    if os.geteuid() != 0:
        pytest.skip("hiding the control groups needs root")
    hide = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o ro tmpfs /sys/fs/cgroup && exec "$@"', "hide"]
    if subprocess.run([*hide, "true"], capture_output=True).returncode != 0 or Path("/run/systemd/system").exists():
        pytest.skip("the control groups cannot be hidden here")
    done = study("--repeats", 2, "--rounds", 1, "2:1", "1:1", "2:3", below=hide)
    assert re.search(r"case 2:1 cannot be run here: .*cannot be capped", done.stderr)
    assert len(re.findall("cannot be run here:", done.stderr)) == 2  # once a case, not once a run
    assert "2 run, 0 done before, 0 failed, 4 that cannot be run here" in done.stderr
    assert re.findall(r"^(\d:\d) +\d+ ", done.stdout, re.M) == ["1:1"]  # the table with the runs


# ---- on emulated hosts and in Slurm ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    emulated.need("munged", "slurmctld", "slurmd", "srun")
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    cluster("up", 3, "--cpu", emulated.share_of(3), "--slurm")
    yield cluster
    cluster("down")


def hosts_of(path):
    with h5py.File(path) as file:
        return list(file["machine/host"].asstr())


def test_on_emulated_cores(study, cluster):
    study.env["EMULATE_NAME"] = cluster.name
    share = emulated.share_of(3, 0.3) / 2
    done = study("--emulate", "--core", share, "--repeats", 1, "--rounds", 1, "2:1", "1:2", "3:3")
    assert "case 3:3 cannot be run here: it needs 4 hosts" in done.stderr and "2 run" in done.stderr
    large = study("--emulate", "--core", share, "--server-core", 99, "--repeats", 1, "--rounds", 1, "1:1", status=1)
    assert "case 1:1 is left out: emulate: the hosts' CPU would add up to" in large.stderr and "1 failed" in large.stderr
    dry = study("--emulate", "--core", share, "--repeats", 1, "--rounds", 1, "--name", "dry", "--dry-run", "1:1")
    subprocess.run(["bash", "-euc", dry.stdout], check=True, env=study.env, timeout=WAIT_S, capture_output=True)
    assert value(study.files("dry")["cases-1-1-r1"], "machine/cpu_quota") == pytest.approx([2 * share, share], rel=0.05)
    hosts = cluster.hosts()
    for case, n, quota in (("2-1", 2, share / 2), ("1-2", 1, 2 * share)):
        path = study.files("cases")[f"cases-{case}-r1"]
        assert hosts_of(path) == hosts[:n + 1]
        assert value(path, "machine/cpu_quota") == pytest.approx([2 * share] + n * [quota], rel=0.05)
        assert (value(path, "machine/threads")[1:] == 1).all()
    cluster("cpu", emulated.share_of(3))


def test_over_a_hostfile(study, cluster):
    hostfile = cluster("hostfile").stdout.strip()
    below = [emulated.EMULATE, "run"]
    study.env.update(cluster.env, BRAMBLE=str(BRAMBLE))
    done = study("--hostfile", hostfile, "--repeats", 1, "--rounds", 1, "2:2", "3:3", below=below)
    assert "1 run" in done.stderr and "1 that cannot be run here" in done.stderr
    hosts = cluster.hosts()
    assert hosts_of(study.files("cases")["cases-2-2-r1"]) == hosts
    dry = study("--hostfile", hostfile, "--repeats", 1, "--rounds", 1, "--name", "dry", "--dry-run", "2:2")
    cluster.run("bash", "-euc", dry.stdout, env={"BRAMBLE": str(BRAMBLE)})
    assert hosts_of(study.files("dry")["cases-2-2-r1"]) == hosts
    cluster("link", "down", hosts[2])
    try:
        cut = study("--hostfile", hostfile, "--name", "cut", "2:2", below=below, status=1)
    finally:
        cluster("link", "up", hosts[2])
    assert f"study: {hosts[2]}: cannot be reached" in cut.stderr and study.files("cut") == {}
    study("--hostfile", hostfile, "--repeats", 1, "--rounds", 1, "3:3", "--shared-server", below=below)
    ranks = hosts_of(study.files("cases")["cases-3-3-r1"])
    assert ranks[0] == hosts[0] and sorted(ranks[1:]) == hosts


def test_in_slurm(study, cluster):
    study.env.update(cluster.env, BRAMBLE=str(BRAMBLE))
    below = [emulated.EMULATE, "run"]
    cases = study.cases("[study]\nrepeats = 1\nrounds = 1\n[case 1:1]\n[case 2:4]\n[case 5:5]\n")
    done = study("--slurm", "--time", "10", cases, below=below)
    assert "2 run, 0 done before, 0 failed, 1 that cannot be run here" in done.stderr
    assert hosts_of(study.files()["mine-2-4-r1"]) == cluster.hosts()
    wrong = study("--slurm", "2:2", "--lr", "1e9", below=below, status=2)
    assert re.search("cases-2-2-r1: bramble: .*lr", wrong.stderr)
    with subprocess.Popen([*map(str, below), *study.line("--slurm", study.cases(LONG, "long"))], env=study.env,
                          stderr=subprocess.PIPE, text=True) as process:
        path = study.results / "long" / "long-2-2-r1.h5"
        assert until(lambda: rounds_done(path) >= 3, timeout=WAIT_S)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_S)
    assert process.returncode == 143 and value(path, "summary/complete") == 0
    assert cluster.run("squeue", "--noheader").stdout.strip() == ""
