"""Every second and image is accounted for: /rounds, /rounds/ranks, /summary, and the summaries printed."""
import json
import re
import subprocess

import numpy as np
import pytest
from conftest import Runner, WAIT_S
from numpy_net import Net
from runs import PAPER, Run, averaging_rules, write_model

pytestmark = pytest.mark.alone

SUMMARY = {"t_time_s", "w_time_s", "o_time_s", "work_fraction", "overhead_fraction", "speedup", "accuracy",
           "images_per_s", "nodes", "cores", "repeats"}
N_WEIGHTS = 62006


@pytest.fixture(scope="module")
def runs(tmp_path_factory, pictures):
    """One run each: alone, with two workers, and with three that wait for the one with most images."""
    bramble = Runner(tmp_path_factory.mktemp("accounting"))
    options = ["--data", pictures, "--batch", 16, "--rounds", 6, "--lr", 0.01, "--threads", 1]
    return {"alone": Run(bramble.train(1, *options, "--limit-train", 500, out="1.h5")),
            "two": Run(bramble.train(3, *options, "--limit-train", 501, out="2.h5")),
            "uneven": Run(bramble.train(4, *options, "--shards", "500,20,3", "--average-every", 7, out="3.h5"))}


NAMES = ["alone", "two", "uneven"]


@pytest.mark.parametrize("name", NAMES)
def test_phases_add_up(runs, name):
    """On every rank the phases since the start are the time since the start, in every round.

    Ranks close a round at slightly different moments: a rank that is not scheduled for a while does it late.
    An error in the books would grow from round to round; time without a phase would show on every rank.
    """
    run = runs[name]
    phases, names = run.phases()
    assert names == sorted(["other", "train", "input", "wait", "serve", "pack", "wire", "evaluate", "output"])
    assert (phases >= 0).all()
    t = phases.sum(axis=2).cumsum(axis=0)
    if name == "alone":  # a rank that also trains tests its model between the rounds, off the clock
        t -= phases[:, :, names.index("evaluate")].cumsum(axis=0)
    late = t - run["rounds/t_end_s"][:, None]
    assert abs(late).max() < 0.1 + 0.02 * run["rounds/t_end_s"][-1]
    assert abs(np.median(late)) < 0.02 + 0.01 * run["rounds/t_end_s"][-1]
    assert (np.diff(run["rounds/t_end_s"]) > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_role_does_its_work(runs, name):
    run = runs[name]
    phases, names = run.phases()
    total = dict(zip(names, phases.sum(axis=0).T))
    workers = run["machine/is_worker"] == 1
    server = run["machine/is_server"] == 1
    assert server.tolist() == [True] + [False] * (server.size - 1)
    assert workers.tolist() == ([True] if name == "alone" else [False] + [True] * (server.size - 1))
    assert (total["train"][workers] > 0).all() and (total["input"][workers] > 0).all()
    assert (total["train"][~workers] == 0).all() and (total["input"][~workers] == 0).all()
    assert (total["evaluate"][server] > 0).all() and (total["evaluate"][~server] == 0).all()
    assert (total["output"][server] > 0).all()
    for k in range(server.size):
        peak = run["rounds/ranks/peak_rss_bytes"][:, k]
        assert (np.diff(peak) >= 0).all() and 1e6 < peak[0] < run["machine/memory_bytes"][k]


@pytest.mark.parametrize("name, shards", [("alone", [500]), ("two", [0, 251, 250]), ("uneven", [0, 500, 20, 3])])
def test_images_and_steps_add_up(runs, name, shards):
    run = runs[name]
    assert np.array_equal(run["rounds/ranks/images"], [shards] * 6)
    assert np.array_equal(run["rounds/ranks/steps"], [[-(-n // 16) for n in shards]] * 6)
    assert np.array_equal(run["rounds/images"], [sum(shards)] * 6)
    np.testing.assert_allclose(run["rounds/passes"], np.arange(1, 7), rtol=1e-12)
    images = run["rounds/ranks/images"]
    for measure in ("loss", "accuracy"):
        mean = (np.nan_to_num(run["rounds/ranks/" + measure]) * images).sum(axis=1) / images.sum(axis=1)
        np.testing.assert_allclose(run["rounds/" + measure], mean, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_summary_follows_from_the_rounds(runs, name):
    run, s = runs[name], runs[name].summary
    phases, names = run.phases()
    workers = run["machine/is_worker"] == 1
    work = phases[:, workers][:, :, [names.index("train"), names.index("input")]].sum(axis=(0, 2))
    assert s["t_time_s"] == run["rounds/t_end_s"][-1]
    assert s["w_time_s"] == pytest.approx(work.mean(), rel=1e-9)
    assert s["o_time_s"] == pytest.approx(s["t_time_s"] - s["w_time_s"], rel=1e-9)
    assert s["work_fraction"] == pytest.approx(s["w_time_s"] / s["t_time_s"], rel=1e-9)
    assert s["work_fraction"] + s["overhead_fraction"] == pytest.approx(1, rel=1e-9)
    assert 0 < s["work_fraction"] < 1
    assert s["images_per_s"] == pytest.approx(run["rounds/images"].sum() / s["t_time_s"], rel=1e-9)
    assert s["nodes"] == workers.sum() and s["cores"] == run["machine/threads"][workers].sum()
    assert (s["repeats"], s["rounds"], s["complete"]) == (1, 6, 1)
    assert s["accuracy"] == run["test/accuracy"][-1] and s["loss"] == run["test/loss"][-1]
    assert s["t_start_s"] > 0 and np.isnan(s["speedup"]) and np.isnan(s["t_target_s"])
    assert not np.isnan(run["test/accuracy"]).any(), "one pass over the images each: all rounds are tested"
    assert run["test/confusion"].sum() == 120
    assert np.trace(run["test/confusion"]) == round(s["accuracy"] * 120)


def test_workers_wait_for_the_slowest(runs):
    phases, names = runs["uneven"].phases()
    wait, train = (phases[:, :, names.index(phase)].sum(axis=0) for phase in ("wait", "train"))
    assert train[1] > 2 * train[2] > 0 and wait[3] > wait[1]


@pytest.mark.parametrize("name", NAMES)
def test_parts_of_the_overhead(runs, name):
    run, s = runs[name], runs[name].summary
    phases, names = run.phases()
    workers = run["machine/is_worker"] == 1
    for phase in ("pack", "wire", "wait", "serve"):
        mean = phases[:, workers, names.index(phase)].sum(axis=0).mean()
        assert s[f"o_{phase}_s"] == pytest.approx(mean, rel=1e-9, abs=1e-12)
    parts = sum(s[f"o_{part}_s"] for part in ("pack", "wire", "wait", "serve", "other"))
    assert parts == pytest.approx(s["o_time_s"], rel=1e-9)
    serve = phases[:, workers][:, :, names.index("serve")]
    assert (serve == serve[:, :1]).all(), "the server lets all wait alike"
    wire = phases[:, :, names.index("wire")]
    assert name == "alone" or (wire > 0).all()
    assert s["bytes_sent"] == run["rounds/ranks/bytes_sent"].sum()


def test_a_single_worker_waits_for_the_server_alone(bramble, pictures):
    run = Run(bramble.train(2, "--data", pictures, "--rounds", 2, "--average-every", 5, "--threads", 1))
    phases, names = run.phases()
    assert phases[:, 1, names.index("wait")].max() < 1e-4 < phases[:, 1, names.index("serve")].min()


@pytest.mark.parametrize("name", NAMES)
def test_parts_of_the_start(runs, name):
    s = runs[name].summary
    assert s["t_start_data_s"] > 0 and s["t_start_mpi_s"] > 0
    assert s["t_start_mpi_s"] + s["t_start_data_s"] < s["t_start_s"]


@pytest.mark.parametrize("name", NAMES)
def test_sensors(runs, name):
    """What this machine does not tell is not there; what it tells makes sense."""
    run = runs[name]
    clock, lowest, degrees, flags = (run["rounds/ranks/" + column] for column in
                                     ("clock_mhz", "clock_min_mhz", "temperature_c", "throttled"))
    assert np.array_equal(np.isnan(clock), np.isnan(lowest))
    assert (np.isnan(clock) | (lowest <= clock) & (lowest > 10) & (clock < 10000)).all()
    assert (np.isnan(degrees) | (abs(degrees) < 150)).all() and (np.isnan(flags) | (flags >= 0)).all()
    quota = run["machine/cpu_quota"]
    assert (np.isnan(quota) | (quota > 0)).all()


def test_case_of_a_run(bramble, pictures):
    options = ["--data", pictures, "--limit-train", 60, "--limit-test", 20, "--rounds", 1, "--threads", 1]
    summary = Run(bramble.train(3, *options, "--case", "2:1")).summary
    assert (summary["nodes"], summary["cores"]) == (2, 1)
    for ranks in (1, 4):
        done = bramble(ranks, "train", *options, "--case", "2:1", "--out", "none.h5")
        assert done.returncode == 2 and "--case 2:1" in done.stderr
        assert done.stderr.count("bramble: ") == 1 and not (bramble.folder / "none.h5").exists()


LATE_SERVER = """
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int PMPI_Test(void *request, int *flag, void *status);
int __sigaction(int, const struct sigaction *, struct sigaction *);
static int is_near; /* the signals are caught: the next thing all wait for is the start */
int sigaction(int number, const struct sigaction *new, struct sigaction *old)
{
    is_near |= number == SIGUSR1;
    return __sigaction(number, new, old);
}
int MPI_Test(void *request, int *flag, void *status)
{
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");
    int code = PMPI_Test(request, flag, status);
    if (*flag && is_near && rank && strcmp(rank, "0") == 0) {
        is_near = 0;
        sleep(1);
    }
    return code;
}
"""


def test_server_that_starts_late(bramble, pictures, tmp_path):
    """As where ranks outnumber cores: T_time runs from the first step of any worker, and overhead is not negative."""
    (tmp_path / "late.c").write_text(LATE_SERVER)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "late.so", "late.c"], cwd=tmp_path, check=True, timeout=WAIT_S)
    done = bramble.run(bramble.command(3, "train", "--quiet", "--data", pictures, "--rounds", 1, "--threads", 1, "--out", "out.h5",
                                       below=["env", f"LD_PRELOAD={tmp_path}/late.so"]))
    assert done.returncode == 0, done.stderr
    run = Run(tmp_path / "out.h5")
    s, (phases, _) = run.summary, run.phases()
    assert (s["t_time_s"] >= phases[0, 1:].sum(axis=1)).all(), "never less than a worker has measured"
    assert s["t_time_s"] >= 1 and s["o_time_s"] >= 0 and s["o_other_s"] >= -1e-9


def test_server_sleeps(bramble, pictures):
    """Its CPU time beside the evaluation, as a share of the time: CPU time does not depend on who else runs."""
    options = ["--data", pictures, "--local-steps", 100, "--rounds", 4, "--threads", 1, "--eval-every", 4]
    busy = Run(bramble.train(2, *options)).summary["server_cpu_fraction"]
    assert 0 < busy < 0.2  # it is about 0.01; MPI waiting by itself takes 1
    alone = Run(bramble.train(1, *options, "--local-steps", 2, out="alone.h5"))
    assert np.isnan(alone.summary["server_cpu_fraction"]), "a rank that trains has no use for the number"


# Numbers a rank sends in one average, server and worker, for 3 workers; 4 or 8 bytes each.
SENT = {"gather": (3, 1), "reduce": (3, 1)}


@pytest.mark.parametrize("rule", averaging_rules())
def test_bytes_sent(bramble, pictures, rule):
    run = Run(bramble.train(4, "--data", pictures, "--limit-train", 96, "--batch", 8, "--rounds", 3, "--average", rule,
                            "--average-every", 2))
    sent = run["rounds/ranks/bytes_sent"]
    assert (sent == sent[0]).all()
    per_average = sent[0] / 2 / N_WEIGHTS  # 4 steps, 2 averages
    if rule in SENT:
        server, worker = SENT[rule]
        assert per_average[0] == 4 * server and (per_average[1:] == per_average[1]).all()
        assert per_average[1] in (4 * worker, 8 * worker)
    # 3 workers get their numbers out and all ranks the mean in, less what they add up themselves, as floats or as
    # 64-bit sums; nobody sends more than everything to everyone.
    assert 5 * 4 <= per_average.sum() * 1.01 and per_average.max() <= 3 * 8


# ---- options ----------------------------------------------------------------------------------------------


def options_of(bramble, command):
    """{name: whether it takes a value} from --help."""
    text = bramble(1, command, "--help").stdout
    found = dict(re.findall(r"^\s+(?:-\w, )?--(?:\[no-\])?([a-z][a-z0-9-]*)(.*)$", text, re.M))
    assert len(found) > 2
    found.pop("help", None)
    return found


def test_config_holds_every_option(bramble, pictures, tmp_path):
    """All names of --help, each with the value given, or the default."""
    given = {"data": str(pictures), "limit-train": "90", "limit-test": "30", "shards": "44,43", "order": "sequential",
             "deal": "contiguous", "validate": "3", "augment": "flip,crop:2", "normalise": "0.5,0.5,0.25/0.5,0.25,1", "tta": "mirror",
             "seed": "18446744073709551615", "model": "./net.ini", "init": "init.h5", "preset": "paper", "rounds": "2",
             "local-epochs": "3", "average-every": "2", "tail-average": "0.5", "reestimate": "40", "batch": "9", "lr": "0.0123",
             "schedule": "cosine", "warmup": "0.5", "momentum": "0.85", "weight-decay": "0.001",
             "lr-start": "0.1", "lr-final": "0.2", "milestones": "", "gamma": "0.1", "label-smoothing": "0.1", "ema": "0",
             "optimizer": "muon", "beta1": "0.9", "beta2": "0.999", "epsilon": "1e-08", "muon-lr": "0.2", "muon-momentum": "0.7",
             "clip-norm": "2", "sync": "gradients", "lookahead": "0",
             "target-accuracy": "0.99", "eval-every": "2", "average": "gather", "group-size": "0", "threads": "2", "isa": "auto", "case": "2:7",
             "out": "x.h5", "checkpoint": "c.h5", "checkpoint-every": "7s", "stall": "12.5", "on-nan": "skip",
             "deal": "contiguous", "validate": "0", "tta": "mirror", "partition": "even", "augment": "flip,crop:2",
             "normalise": "0.5,0.4,0.3/0.25,0.2,0.3", "server-optimizer": "adam",
             "aggregate": "median", "clients": "2", "eval-clients": "0", "participation": "1", "min-workers": "2", "proximal": "0", "clip-update": "0", "noise": "0",
             "server-lr": "0.02", "server-momentum": "0.8", "server-beta2": "0.95", "server-tau": "0.01"}
    switched = {"normalize-steps": "false", "control-variates": "false", "local-statistics": "false"}  # exclude others of these
    flags = ["nesterov", "decoupled", "muon-dense", "keep-momentum", "force", "quiet", "json"]
    write_model(tmp_path, PAPER)
    (tmp_path / "run.ini").write_text("[train]\nmomentum = 0.85\nlr = 0.5\n")
    done = bramble(3, "train", "--config", "run.ini", *[f"--{flag}" for flag in flags],
                   *[word for name, value in given.items() if name != "momentum" for word in ("--" + name, value)])
    assert done.returncode == 0
    config = {name: value.decode() for name, value in Run(tmp_path / "x.h5").config.items()}
    assert set(config) == set(options_of(bramble, "train"))
    expected = {**given, **switched, **dict.fromkeys(flags, "true"), "config": "run.ini", "local-steps": "0", "resume": ""}
    assert {name: config[name] for name in expected} == expected
    assert set(config) == set(expected), "a new option: give it a value above"


def test_build_and_machine(runs):
    run = runs["two"]
    assert set(run.build) >= {"version", "compiler", "flags", "simd", "vector_width", "mpi", "hdf5", "started"}
    assert "-O" in run.build["flags"].decode() and "HDF5" in run.build["hdf5"].decode()
    assert run["machine/rank"].tolist() == [0, 1, 2]
    assert (run["machine/cores"] >= 1).all() and all(run["machine/host"]) and all(run["machine/cpu"])
    assert run["model/ini"].decode().rstrip("\0") == PAPER
    assert {name: value.shape for name, value in run.weights.items()} == Net(PAPER).shapes()


# ---- what is printed --------------------------------------------------------------------------------------


def test_train_json(bramble, pictures, tmp_path):
    done = bramble(3, "train", "--data", pictures, "--limit-train", 100, "--rounds", 2, "--json", "--quiet",
                   "--out", "out.h5")
    printed, summary = json.loads(done.stdout), Run(tmp_path / "out.h5").summary
    assert set(printed) >= SUMMARY
    assert printed.pop("out") == "out.h5" and printed.pop("simulated") == ""
    for name, value in printed.items():
        assert name in summary
        assert value is None if np.isnan(summary[name]) else value == pytest.approx(summary[name], rel=1e-9)
    assert [printed[name] for name in ("nodes", "repeats", "rounds", "speedup")] == [2, 1, 2, None]
    assert all(isinstance(printed[name], int) for name in ("nodes", "cores", "repeats", "rounds"))


def test_train_text(bramble, pictures, tmp_path):
    done = bramble(2, "train", "--data", pictures, "--limit-train", 100, "--rounds", 2, "--threads", 1,
                   "--out", "out.h5")
    s = Run(tmp_path / "out.h5").summary
    for text in (f"{100 * s['accuracy']:.2f} %", "1:1", f"{s['t_time_s']:.3f} s", f"{s['w_time_s']:.3f} s",
                 f"{100 * s['work_fraction']:.1f} %", f"{100 * s['overhead_fraction']:.1f} %",
                 f"{s['images_per_s']:.0f}", f"{100 * s['server_cpu_fraction']:.1f} %", "out.h5"):
        assert text in done.stdout
