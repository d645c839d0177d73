"""bramble doctor: what it says about this machine, about made-up ones, and about clusters with a fault."""
import json
import os
import re
import shutil
import subprocess

import h5py
import pytest
from conftest import BRAMBLE, ROOT, WAIT_S

IMAGES = ["--data", "synthetic:200"]
LEVELS = ["ok", "note", "warning", "problem"]


def look(bramble, line, status=None, **options):
    """The JSON of a doctor; `status` is what it must end with, its own word by default."""
    done = bramble.run(line, timeout=WAIT_S, **options)
    print("$", " ".join(map(str, line)), done.stdout, done.stderr, sep="\n")
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    assert done.returncode == (found["status"] if status is None else status)
    assert found["status"] == any(finding["level"] == "problem" for finding in found["findings"])
    return found


def findings(found, check, *levels):
    return [finding for finding in found["findings"] if finding["check"] == check and finding["level"] in levels]


def problems(found):
    """(check, host) of every problem."""
    return {(finding["check"], finding["host"]) for finding in found["findings"] if finding["level"] == "problem"}


# ---- on this machine ----------------------------------------------------------------------------------------


def test_three_ranks_in_json_and_file(bramble, tmp_path):
    line = bramble.command(3, "doctor", "--json", "--threads", 1, "--out", "look.h5", *IMAGES)
    found = look(bramble, line)
    cores = len(os.sched_getaffinity(0))
    assert problems(found) - {("speed", os.uname().nodename)} == (set() if cores > 1 else {("binding", os.uname().nodename)})
    assert [node["rank"] for node in found["nodes"]] == [0, 1, 2]
    server, *workers = found["nodes"]
    assert server["is_server"] == 1 and server["images_per_s"] is None, "it shares its host and sleeps"
    for node in workers:
        assert node["threads"] == node["threads_running"] == node["threads_apart"] == 1 and node["cores"] == cores
        assert node["images_per_s"] > 0 and node["peak_flops"] > 0 and 0 < node["cpu_fraction"] < 1.5
    assert found["links"] == [], "one host"
    assert {row["rule"] for row in found["averages"]} == {"gather", "reduce", "allreduce", "slices", "tree"}
    for finding in found["findings"]:
        assert finding["level"] in LEVELS and finding["text"]
        assert finding["remedy"] or finding["level"] != "problem"
    with h5py.File(tmp_path / "look.h5") as file:
        assert file.attrs["format"] == b"bramble-doctor" and list(file) == ["doctor"]
        group = file["doctor"]
        assert group.attrs["status"] == b"01"[found["status"]:found["status"] + 1]
        documented = (ROOT / "docs" / "results.md").read_text().split("## The file of `bramble doctor`")[1]
        for name in ("builds", "nodes", "links", "averages", "findings"):
            columns = group[name]
            part = documented.split(f"`{name}`, ")[1].split("\n\n`")[0]
            assert set(columns) == set(re.findall(r"^\| `(\w+)` \|", part, re.M)), name
            for key, column in columns.items():
                assert column.attrs["unit"] and column.attrs["about"]
                rows = column.asstr()[:] if column.dtype.kind in "SO" else column[:]
                assert len(rows) == len(found[name])
                for value, row in zip(rows, found[name]):
                    assert value != value if row[key] is None else value == pytest.approx(row[key], rel=1e-9)


def test_text_names_the_remedy(bramble):
    env = {"BRAMBLE_DATA": ""}  # a run without --data would fail, too
    done = bramble(1, "doctor", "--threads", 1, timeout=WAIT_S, env=env)
    assert done.returncode == 1
    assert re.search(r"^problem +data +\S+: 'data': no such folder.*\n +-> make data", done.stdout, re.M)
    assert re.search(r"^ok +build +bramble \d", done.stdout, re.M)
    assert re.search(r"^1 problem, \d+ warnings?$", done.stdout, re.M)
    named = bramble(1, "doctor", "--data", "nowhere", "--threads", 1, timeout=WAIT_S)
    assert named.returncode == 1
    assert re.search(r"^problem +data +\S+: 'nowhere': no such folder", named.stdout, re.M)


def test_a_folder_nothing_can_be_written_in(bramble, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", disk], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("needs the right to mount")
    try:
        line = [*bramble.command(1, "doctor", "--json", "--threads", 1, *IMAGES)]
        done = subprocess.run(line, cwd=disk, env=bramble.env, capture_output=True, text=True, timeout=WAIT_S)
        told = findings(json.loads(done.stdout), "disk", "problem")
        assert done.returncode == 1 and len(told) == 1 and "cannot be written: Read-only file system" in told[0]["text"]
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_threads_without_cores(bramble):
    core = str(min(os.sched_getaffinity(0)))
    line = bramble.command(1, "doctor", "--json", "--threads", 2, *IMAGES, below=["taskset", "-c", core])
    found = look(bramble, line, 1)
    (finding,) = findings(found, "binding", "problem")
    assert "2 threads on 1 core" in finding["text"] and "--threads 1" in finding["remedy"]


def test_two_workers_on_one_core(bramble):
    core = str(min(os.sched_getaffinity(0)))
    line = bramble.command(3, "doctor", "--json", "--threads", 1, *IMAGES, below=["taskset", "-c", core])
    (finding,) = findings(look(bramble, line, 1), "binding", "problem")
    assert "ranks 1 and 2 share cores: 2 threads on 1" in finding["text"]


def test_three_workers_on_two_cores(bramble):
    """Any two of them have a core each; all together have not."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        pytest.skip("needs two cores")
    line = bramble.command(4, "doctor", "--json", "--threads", 1, *IMAGES, below=["taskset", "-c", f"{cores[0]},{cores[1]}"])
    (finding,) = findings(look(bramble, line, 1), "binding", "problem")
    assert "3 workers share cores: 3 threads on 2" in finding["text"]


def test_variables_of_openmp_are_named(bramble):
    line = bramble.command(1, "doctor", "--json", *IMAGES)
    found = look(bramble, line, env={"OMP_PROC_BIND": "true", "OMP_PLACES": "cores", "OMP_THREAD_LIMIT": "1"})
    (node,) = found["nodes"]
    assert node["cores"] == len(os.sched_getaffinity(0)) and node["threads"] == node["threads_running"] == 1
    told = " ".join(finding["text"] + finding["remedy"] for finding in findings(found, "binding", "note", "warning"))
    assert "OMP_PROC_BIND, OMP_PLACES" in told and "Open MPI" not in told
    assert ("OMP_THREAD_LIMIT=1" in told) == (node["cores"] > 1)


def test_threads_beyond_the_quota(bramble, tmp_path):
    group = tmp_path / "sys" / "fs" / "cgroup" / "job"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text("0::/job\n")
    for threads, level in ((1, "note"), (2, "warning")):
        found = look(bramble, bramble.command(1, "doctor", "--json", "--threads", threads, *IMAGES),
                     1 if threads > len(os.sched_getaffinity(0)) else 0, env={"BRAMBLE_SENSORS": str(tmp_path)})
        told = [finding for finding in findings(found, "quota", "note", "warning") if "0.50 cores" in finding["text"]]
        assert [finding["level"] for finding in told] == [level]


def test_mistakes(bramble, tmp_path):
    (tmp_path / "there.h5").write_text("mine")
    for ranks, words, said in [(1, ["--batch", "0"], "--batch 0"), (2, ["--model", "nothing"], "nothing"),
                               (2, ["--out", "there.h5"], "there.h5: exists"), (1, ["--ranks"], "--ranks"),
                               (1, ["--out", "no/where.h5"], "no such folder"), (1, ["rest"], "rest")]:
        done = bramble(ranks, "doctor", *words)
        assert done.returncode == 2 and done.stdout == ""
        lines = [line for line in done.stderr.splitlines() if line.startswith("bramble:")]
        assert len(lines) == 1 and said in lines[0]
    assert (tmp_path / "there.h5").read_text() == "mine"


# ---- sensors of a made-up machine ------------------------------------------------------------------------------

CPUFREQ = "sys/devices/system/cpu/cpu0/cpufreq/"
PI = {CPUFREQ + "scaling_governor": "performance", CPUFREQ + "scaling_cur_freq": 1500000,
      CPUFREQ + "cpuinfo_max_freq": 1500000, "sys/class/thermal/thermal_zone0/temp": 55123,
      "sys/devices/platform/soc/soc:firmware/get_throttled": "0"}
SICK = {CPUFREQ + "scaling_governor": "powersave", CPUFREQ + "scaling_cur_freq": 600000,
        "sys/class/thermal/thermal_zone0/temp": 83100}


@pytest.mark.parametrize("changed, expected", [
    ({}, {}),
    (SICK, {"clock": ["warning", "warning"], "heat": ["warning"]}),
    ({"sys/devices/platform/soc/soc:firmware/get_throttled": "50005"}, {"power": ["problem"]}),
    ({"sys/devices/platform/soc/soc:firmware/get_throttled": "50000"}, {"power": ["warning"]}),
    ({"sys/devices/platform/soc/soc:firmware/get_throttled": None, "sys/class/hwmon/hwmon1/name": "rpi_volt",
      "sys/class/hwmon/hwmon1/in0_lcrit_alarm": 1}, {"power": ["problem"]}),
])
def test_sensors(bramble, tmp_path, changed, expected):
    for name, value in {**PI, **changed}.items():
        if value is not None:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(f"{value}\n")
    found = look(bramble, bramble.command(1, "doctor", "--json", "--threads", 1, *IMAGES),
                 env={"BRAMBLE_SENSORS": str(tmp_path)})
    said = {check: [finding["level"] for finding in findings(found, check, *LEVELS[1:])]
            for check in ("sensors", "clock", "heat", "power")}
    assert {check: levels for check, levels in said.items() if levels} == expected
    if "50005" in changed.values():
        assert "now: under-voltage, throttled" in findings(found, "power", "problem")[0]["text"]


def test_the_pis_own_tool(bramble, tmp_path):
    tool = tmp_path / "usr" / "bin" / "vcgencmd"
    tool.parent.mkdir(parents=True)
    tool.write_text('#!/bin/sh\ncase $1 in get_throttled) echo throttled=0x2 ;; *) exit 1 ;; esac\n')
    tool.chmod(0o755)
    found = look(bramble, bramble.command(1, "doctor", "--json", "--threads", 1, *IMAGES), 1,
                 env={"BRAMBLE_SENSORS": str(tmp_path)})
    assert problems(found) == {("power", os.uname().nodename)}
    (note,) = findings(found, "sensors", "note")
    assert "clock" in note["text"] and "throttling" not in note["text"]


# ---- emulated clusters: faults put in on purpose -----------------------------------------------------------------


class Cluster:
    """Four hosts of 0.3 cores with links of 100 Mbit/s; a program may differ from host to host."""

    def __init__(self, bramble):
        self.bramble, self.name = bramble, f"dr{os.getpid() % 100000}h"
        self.hosts = [f"{self.name}{k}" for k in range(1, 5)]

    def emulate(self, *words):
        # A host that sleeps for long between its shares of CPU looks like one with a slow link.
        env = dict(self.bramble.env, EMULATE_NAME=self.name, EMULATE_BURST_US="3000")
        return subprocess.run([ROOT / "jobs" / "emulate", *words], env=env,
                              text=True, capture_output=True, timeout=WAIT_S, check=True).stdout.strip()

    def look(self, program, *options):
        line = [str(ROOT / "jobs" / "emulate"), "run", "mpirun", "--hostfile", self.emulate("hostfile"), "--map-by",
                "ppr:1:node", "--bind-to", "none", "-n", "4", str(program), "doctor", "--json", "--threads", "1",
                *IMAGES, *options]
        return look(self.bramble, line, env={"EMULATE_NAME": self.name})


@pytest.fixture
def cluster(bramble, tmp_path):
    if os.geteuid() != 0 or not shutil.which("tc") or not (ROOT / "jobs" / "emulate").exists():
        pytest.skip("emulated hosts need root, iproute2 and jobs/emulate")
    made = Cluster(bramble)
    (tmp_path / "full").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", tmp_path / "full"], check=True)
    try:
        made.emulate("up", "4", "--cpu", "0.3", "--link", "100mbit")
        yield made
    finally:
        subprocess.run([ROOT / "jobs" / "emulate", "down"], env=dict(os.environ, EMULATE_NAME=made.name),
                       capture_output=True, timeout=WAIT_S, check=False)
        subprocess.run(["umount", tmp_path / "full"], check=False)


@pytest.mark.alone
def test_faults_on_a_cluster(cluster, tmp_path):
    one, two, three, four = cluster.hosts

    def look(expected):  # a machine that stands still for a moment has other problems in that moment
        for _ in range(3):
            found = cluster.look(BRAMBLE)
            if problems(found) == expected and (expected or not findings(found, "links", "warning")):
                break
        assert problems(found) == expected
        return found
    # An interface whose name ends like the one in use; down, so that MPI does not take it.
    for words in (["link", "add", "veth0", "type", "veth", "peer", "name", "veth1"], ["addr", "add", "10.99.0.1/24", "dev", "veth0"]):
        subprocess.run(["ip", "-n", one, *words], check=True)
    found = look(set())  # a healthy cluster raises no alarm
    assert found["nodes"][0]["suspects"] == "veth0" and not findings(found, "interfaces", "warning")
    assert not findings(found, "links", "warning") + findings(found, "names", "warning") + \
        findings(found, "build", *LEVELS[1:]) + findings(found, "time", "warning")
    assert {node["interfaces"] for node in found["nodes"]} == {"eth0"}
    assert len(found["links"]) == 12
    assert all(0.29 < node["quota_cores"] < 0.31 for node in found["nodes"])

    cluster.emulate("cpu", "0.15", two)
    cluster.emulate("link", "10mbit", three)
    found = look({("speed", two), ("links", three)})
    (slow,) = findings(found, "speed", "problem")
    assert re.search(r"--shards \d+,\d+,\d+$", slow["remedy"])
    cluster.emulate("cpu", "0.3", two)
    cluster.emulate("link", "100mbit", three)

    version = (ROOT / "VERSION").read_text().strip()
    program = BRAMBLE.read_bytes()
    text = version.encode() + b"\0"  # what stands before may be a number
    assert program.count(text) == 1
    other = tmp_path / "bramble-other"
    other.write_bytes(program.replace(text, b"9" + version[1:].encode() + b"\0"))
    other.chmod(0o755)
    wrong = tmp_path / "wrong"
    wrong.write_text(f"""#!/bin/sh
case $(hostname) in
{two}) exec {other} "$@" ;;
{four}) exec taskset -c 0 {BRAMBLE} "$@" --threads 2 ;;
*) exec {BRAMBLE} "$@" ;;
esac
""")
    wrong.chmod(0o755)
    found = cluster.look(wrong, "--out", "full/look.h5")
    said = problems(found) - {("speed", four)}  # two threads on one core are slow besides
    assert said == {("build", two), ("binding", four), ("disk", one)}
    assert findings(found, "build", "problem")[0]["text"] == f"bramble is 9{version[1:]} here, but {version} on {one}"
    assert (tmp_path / "full" / "look.h5").exists()
