"""The job scripts under a real Slurm: a private one over two emulated hosts (jobs/emulate up 2 --slurm)."""
import json
import os
import re
import subprocess
from pathlib import Path

import emulated
import pytest
from conftest import BRAMBLE, PRESET, ROOT, WAIT_S
from emulated import Cluster, share_of, until
from runs import Run, differences
from test_kill import rounds_done
from test_scripts import comma  # noqa: F401

TINY = ["--data", "synthetic:300", "--rounds", "1"]


class Slurm(Cluster):
    """Its folder looks like the project's, so that jobs write their results there."""

    def __init__(self, folder):
        super().__init__(folder)
        for name in ("jobs", "models"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "bramble").symlink_to(BRAMBLE)

    def submit(self, *words, env=None):
        """sbatch; returns the job's number."""
        return int(re.search(r"Submitted batch job (\d+)", self.run("sbatch", *words, env=env).stdout)[1])

    def log(self, job):
        """What a job has said, where Slurm puts it by itself; a task of an array is (array, task)."""
        name = "_".join(map(str, job)) if isinstance(job, tuple) else job
        text = (self.folder / f"slurm-{name}.out").read_text()
        print(text)
        return text

    def ended(self, *jobs):
        """Wait for jobs; returns {number or (array, task): (state, exit status)}."""
        waits = ["squeue", "--noheader", "--jobs=" + ",".join(map(str, jobs))]
        assert until(lambda: self.run(*waits, ok=False).stdout.strip() == "", timeout=WAIT_S)
        outcomes = {}
        for line in Path(f"/run/{self.name}-emulate/slurm/jobcomp").read_text().splitlines():
            fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
            number = int(fields["JobId"])
            if "ArrayTaskId" in fields:
                number = (int(fields["ArrayJobId"]), int(fields["ArrayTaskId"]))
            outcomes[number] = (fields["JobState"], int(fields["ExitCode"].split(":")[0]))
        return outcomes


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    emulated.need("munged", "slurmctld", "slurmd", "srun")
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    cluster("up", 2, "--slurm", "--cpu", share_of(2, 0.75))
    yield cluster
    cluster("down")
    assert cluster.traces() == []


@pytest.mark.parametrize("server", ["alone", "shared"])
def test_one_training_by_srun_and_by_mpirun(slurm, server):
    first, second = slurm.hosts()
    jobs = {launch: slurm.submit("--nodes=2", f"--job-name={launch}-{server}", "jobs/train.sbatch", *TINY,
                                 env={"LAUNCH": launch, "SERVER": server}) for launch in ("srun", "mpirun")}
    outcomes, runs = slurm.ended(*jobs.values()), {}
    for launch, job in jobs.items():
        log = slurm.log(job)
        assert outcomes[job] == ("COMPLETED", 0)
        # a thread on each host, which has the time of 0.75 of a core, though Slurm gives four
        assert f"case N:C               {'1:1' if server == 'alone' else '2:2'}" in log and "CPU quota" not in log
        runs[launch] = slurm.folder / f"results/{launch}-{server}-{job}.h5"
        told = slurm.run(BRAMBLE, "info", runs[launch]).stdout
        ranks = [first, second] if server == "alone" else [first, second, first]
        assert '["' + '","'.join(ranks) + '"]' in told
    assert differences(Run(runs["srun"]), Run(runs["mpirun"])) == []


def test_threads_without_a_script(slurm):
    """The srun of jobs/README.md: four cores a task, but a node has the time of less than one."""
    done = slurm.run("srun", "--mpi=pmix", "-N", 2, "--ntasks-per-node=1", "-c", 4, BRAMBLE, "train", "--quiet", "--out", "srun.h5",
                     *TINY)
    assert done.returncode == 0 and list(Run(slurm.folder / "srun.h5")["machine/threads"]) == [1, 1]


def test_the_doctor_in_a_job(slurm):
    """It looks at the ranks as Slurm has placed them."""
    done = slurm.run("srun", "--mpi=pmix", "--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=1", BRAMBLE, "doctor",
                     "--json", "--threads", 1, "--data", "synthetic:200", ok=False)
    print(done.stdout, done.stderr)
    found = json.loads(done.stdout)
    assert [node["host"] for node in found["nodes"]] == slurm.hosts()
    assert {(link["from"], link["to"]) for link in found["links"]} == {tuple(slurm.hosts()), tuple(slurm.hosts()[::-1])}
    worker = found["nodes"][1]
    assert worker["threads"] == worker["threads_running"] == 1 and worker["images_per_s"] > 0
    assert (done.returncode != 0) == bool(found["status"])
    assert not {finding["check"] for finding in found["findings"] if finding["level"] == "problem"} - {"speed"}


def test_a_case_and_the_exit_status(slurm):
    jobs = {name: slurm.submit("--nodes=2", f"--job-name={name}", "jobs/train.sbatch", *options, env=env)
            for name, options, env in (("case", TINY, {"CASE": "1:2"}),
                                       ("srun", ["--lr", "fast"], {}),
                                       ("mpirun", ["--lr", "fast"], {"LAUNCH": "mpirun"}),
                                       ("many", TINY, {"CASE": "4:4"}),
                                       ("word", TINY, {"SERVER": "none"}))}
    outcomes = slurm.ended(*jobs.values())
    logs = {name: slurm.log(job) for name, job in jobs.items()}
    assert [outcomes[job] for job in jobs.values()] == [("COMPLETED", 0)] + 4 * [("FAILED", 2)]
    assert "case N:C               1:2" in logs["case"]
    assert "bramble: " in logs["srun"] and "bramble: " in logs["mpirun"]
    assert "there are 2 nodes, for 1 workers" in logs["many"] and "SERVER=none" in logs["word"]


def test_a_share_where_numbers_have_commas(slurm, comma):
    """Three cores' worth of time for two workers, of hosts that have more than that."""
    slurm("cpu", "none")
    try:
        job = slurm.submit("--nodes=2", "jobs/train.sbatch", *TINY, env={"CASE": "2:3", "SERVER": "shared", **comma})
        assert slurm.ended(job)[job] == ("COMPLETED", 0) and "case N:C               2:3" in slurm.log(job)
        assert set(Run(slurm.folder / f"results/bramble-{job}.h5")["machine/cpu_quota"]) >= {1.5}
    finally:
        slurm("cpu", share_of(2, 0.75))


@pytest.mark.parametrize("script", ["train", "table1", "study"])
def test_installed_scripts_in_an_empty_folder(slurm, tmp_path, script):
    """Nothing there but a way to the program; a job may have any name."""
    prefix, folder = tmp_path / "usr", tmp_path / "my work"
    subprocess.run(["make", "-s", "-o", "all", "install-program", f"PRESET={PRESET}", f"PREFIX={prefix}"], cwd=ROOT, check=True, timeout=WAIT_S,
                   stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    folder.mkdir()
    words = {"train": ["--job-name=a/b $c"], "table1": ["--array=0"], "study": []}[script]
    more = {"study": ["--repeats", "1", "1:1"]}.get(script, [])
    submit = 'cd "$1" && shift && PATH=$1/bin:$PATH && shift && exec sbatch "$@"'
    done = slurm.run("sh", "-c", submit, "sh", folder, prefix, "--nodes=2", *words,
                     prefix / f"share/bramble/jobs/{script}.sbatch", *TINY, *more)
    job = int(re.search(r"Submitted batch job (\d+)", done.stdout)[1])
    job = (job, 0) if script == "table1" else job
    outcome = slurm.ended(job[0] if isinstance(job, tuple) else job)[job]
    log = (folder / f"slurm-{'_'.join(map(str, job)) if isinstance(job, tuple) else job}.out").read_text()
    print(log)
    result = {"train": f"a_b $c-{job}.h5", "table1": "table1/table1-1-2-r1.h5", "study": "cases/cases-1-1-r1.h5"}[script]
    assert outcome == ("COMPLETED", 0) and Run(folder / "results" / result).summary["complete"] == 1


def test_a_folder_without_bramble(slurm, tmp_path):
    """The log says what is missing."""
    done = slurm.run("sh", "-c", 'cd "$0" && exec sbatch "$@"', tmp_path, "--nodes=2", ROOT / "jobs/train.sbatch")
    job = int(re.search(r"Submitted batch job (\d+)", done.stdout)[1])
    assert slurm.ended(job)[job] == ("FAILED", 2)
    assert "neither jobs/ here nor an installed bramble" in (tmp_path / f"slurm-{job}.out").read_text()


def test_a_crash_before_the_run_began(slurm):
    """As Open MPI's now and then, in MPI_Init: one rank ends by a signal, and the job is started again."""
    program = slurm.folder / "crashes-once"
    program.write_text(f'#!/bin/sh\n[ "$1" = train ] && mkdir crashed 2>/dev/null && kill -SEGV $$\nexec {BRAMBLE} "$@"\n')
    program.chmod(0o755)
    job = slurm.submit("--nodes=2", "--job-name=crash", "jobs/train.sbatch", *TINY, env={"BRAMBLE": str(program)})
    outcome = slurm.ended(job)[job]
    log = slurm.log(job)
    assert outcome == ("COMPLETED", 0) and re.search(r"status 1\d\d before the run began; start 2 of 3", log)


def test_an_array_runs_what_is_not_there(slurm):
    script = ["--nodes=2", "--array=0,3-4%1", "jobs/table1.sbatch", *TINY]
    array = slurm.submit(*script, env={"SERVER": "shared"})
    outcomes = slurm.ended(array)
    assert {outcomes[array, task] for task in (0, 3, 4)} == {("COMPLETED", 0)}
    names = ["table1-1-2-r1", "table1-1-2-r2", "table1-2-4-r2"]
    files = {name: slurm.folder / f"results/table1/{name}.h5" for name in names}
    assert sorted((slurm.folder / "results/table1").iterdir()) == sorted(files.values())
    assert [Run(file).config["seed"] for file in files.values()] == [b"1", b"2", b"2"]
    assert re.search(r"^1:2 +2 ", slurm.run(BRAMBLE, "report", *files.values()).stdout, re.M)
    files[names[0]].unlink()
    made = {file: file.stat().st_mtime_ns for file in files.values() if file.exists()}
    again = slurm.submit(*script, env={"SERVER": "shared"})
    outcomes = slurm.ended(again)
    assert {outcomes[again, task] for task in (0, 3, 4)} == {("COMPLETED", 0)}
    assert files[names[0]].exists() and all(file.stat().st_mtime_ns == when for file, when in made.items())
    assert "is there already" in slurm.log((again, 3))


SRUN = '#!/bin/sh\nprintf "%s\\n" "$@"\nexit 2\n'  # stands in and prints what it was to start


@pytest.mark.parametrize("table", ["table1", "table2"])
def test_arrays_run_what_the_study_does(tmp_path, table):
    """A task for each case and repeat, with the name, seed and options that jobs/study gives it."""
    for name in ("jobs", "models"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "srun").write_text(SRUN)
    (tmp_path / "srun").chmod(0o755)
    env = dict(os.environ, BRAMBLE=str(BRAMBLE), BRAMBLE_DATA="synthetic:300", PATH=f"{tmp_path}:{os.environ['PATH']}",
               SLURM_JOB_ID="1", SLURM_JOB_NUM_NODES="4", SLURM_CPUS_PER_TASK="4")

    def told(*line, **more):
        done = subprocess.run(line, cwd=tmp_path, env={**env, **more}, text=True, capture_output=True, timeout=WAIT_S)
        print(done.stdout, done.stderr)
        return done.stdout

    planned = [line.split() for line in told("jobs/study", "--dry-run", table).splitlines() if " train " in line]
    assert len(planned) in (9, 18) and f"--array=0-{len(planned) - 1}%1" in (ROOT / f"jobs/{table}.sbatch").read_text()
    for task in (0, 1, len(planned) // 2, len(planned) - 1):
        words = told("bash", f"jobs/{table}.sbatch", "--rounds", "3", SLURM_ARRAY_TASK_ID=str(task)).split()
        ours = [word for word in planned[task] if re.match("--(preset|batch|lr|schedule|rounds|data|seed)=", word)]
        assert len(ours) == 7 and set(ours) <= set(words) and words.index("--rounds") > words.index("--rounds=8")
        out = next(word for word in planned[task] if word.startswith("--out="))
        assert words[words.index("--out") + 1] == out[out.index(f"results/{table}/"):]
    for wrong in ("99", "a[$(touch ran)]", "08"):
        assert told("bash", f"jobs/{table}.sbatch", SLURM_ARRAY_TASK_ID=wrong) == "" and not (tmp_path / "ran").exists()


def test_a_study_in_one_job(slurm):
    if not (ROOT / "jobs/study").exists():
        pytest.skip("there is no jobs/study")
    job = slurm.submit("--nodes=2", "jobs/study.sbatch", "--results", slurm.folder / "results", "--repeats", 1,
                       *TINY, "1:1", "1:2")
    outcome = slurm.ended(job)[job]
    slurm.log(job)
    assert outcome == ("COMPLETED", 0)
    assert len(list((slurm.folder / "results").glob("**/cases-1-?-r1.h5"))) == 2


def test_a_node_dies_and_comes_back(slurm):
    second = slurm.hosts()[1]
    running = slurm.start("run", "srun", f"--nodelist={second}", "sh", "-c", "hostname; sleep 100")
    assert running.stdout.readline().strip() == second
    slurm("kill", second)
    line = slurm("status").stdout.splitlines()[2].split()
    assert line[0] == second and line[2] == "down" and line[-1] == "0"
    running.kill()
    running.communicate(timeout=WAIT_S)
    slurm("start", second)
    slurm.run("scancel", "--user=root")
    assert until(lambda: slurm.run("sinfo", "--noheader", "--format=%T").stdout.split() == ["idle"], timeout=WAIT_S)
    assert sorted(slurm.run("srun", "--nodes=2", "hostname").stdout.split()) == slurm.hosts()


@pytest.mark.long
@pytest.mark.parametrize("name", ["warned", "server", "worker"])
def test_a_job_goes_on(slurm, name):
    """Warned of the time limit a job saves; when a node dies it was saved before.  It is queued again, and finds that."""
    job = slurm.submit("--nodes=2", f"--job-name={name}", "jobs/train.sbatch", "--data", "synthetic:300", "--rounds", 300,
                       "--checkpoint-every", 1, "--quiet")
    out = slurm.folder / f"results/{name}-{job}.h5"
    assert until(lambda: rounds_done(out.with_suffix(".checkpoint.h5")) >= 2, timeout=90)
    victim = {"server": slurm.hosts()[0], "worker": slurm.hosts()[1]}.get(name)

    def ask(*words):  # a host that is there
        return slurm.run(slurm.hosts()[name == "server"], *words, ok=False).stdout

    def state():
        found = re.search(r"JobState=(\w+)", ask("scontrol", "show", "job", job))
        return found and found[1]

    if victim:  # all its processes end at once, slurmd too, which the controller finds out by itself
        slurm("kill", victim)
    else:  # what Slurm does a minute before the limit
        slurm.run("scancel", "--batch", "--signal=USR1", job)
    assert until(lambda: state() == "PENDING", timeout=180)
    if victim:
        slurm("start", victim)
    # What is left of the first start would be in the way of the next: a node is "idle" while a step of it still ends.
    assert until(lambda: set(ask("sinfo", "--noheader", "--format=%T").split()) == {"idle"}, timeout=120)
    assert until(lambda: not ask("pgrep", "--full", rf"slurmstepd: \[{job}\."), timeout=120)

    def started_again():  # Slurm would wait for two minutes
        ask("scontrol", "update", f"JobId={job}", "StartTime=now")
        return state() not in ("PENDING", None)

    assert until(started_again, timeout=180)
    assert until(lambda: state() not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", None), timeout=180)
    log, outcome = slurm.log(job), state()
    assert outcome == "COMPLETED"
    run = Run(out)
    if name == "warned":
        assert "the time limit is near" in log and f"go on with --resume results/{name}-{job}.checkpoint.h5" in log
    assert run.n_done == 300 and run.summary["complete"] == 1 and run["interruptions/rounds"].size == 1
