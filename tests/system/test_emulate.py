"""jobs/emulate: hosts that are slow and apart, and nothing left when they go."""
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import emulated
import pytest
from conftest import BRAMBLE, WAIT_S
from emulated import EMULATE, Cluster, share_of, until
from runs import Run, differences

PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Three hosts on links of 1 Gbit/s; tests change them and change them back."""
    emulated.need()
    cluster = Cluster(tmp_path_factory.mktemp("three"))
    cluster("up", 3, "--cpu", share_of(3), "--link", "1gbit")
    yield cluster
    cluster("down")


@pytest.fixture
def other(tmp_path):
    """A cluster that the test itself brings up, if at all."""
    emulated.need()
    cluster = Cluster(tmp_path)
    yield cluster
    cluster("down")
    assert cluster.traces() == []


SEND = """if True:
    import socket, sys, time
    n_bytes = int(sys.argv[2])
    if sys.argv[1] == "receive":
        listener = socket.create_server(("", 5000))
        listener.settimeout(30)
        print("ready", flush=True)
        peer = listener.accept()[0]
        start, left = time.monotonic(), n_bytes
        while left > 0:
            left -= len(peer.recv(65536)) or sys.exit("closed")
        print(8e-6 * n_bytes / (time.monotonic() - start))
    else:
        socket.create_connection((sys.argv[1], 5000), timeout=30).sendall(bytes(n_bytes))
        time.sleep(0)
"""


def bandwidth(cluster, sender, receiver, n_bytes):
    """Mbit/s of one TCP stream."""
    listening = cluster.start("run", receiver, PYTHON, "-c", SEND, "receive", n_bytes)
    assert listening.stdout.readline() == "ready\n", listening.communicate()[1]
    cluster.run(sender, PYTHON, "-c", SEND, receiver, n_bytes)
    rate = float(listening.communicate(timeout=WAIT_S)[0])
    print(f"{sender} to {receiver}: {rate:.1f} Mbit/s")
    return rate


# ---- what a host is ------------------------------------------------------------------------------------------


def test_a_host_has_its_name_network_and_files(three, tmp_path):
    hosts = three.hosts()
    assert hosts == [f"{three.name}{k}" for k in (1, 2, 3)]
    assert three.run("hostname").stdout.strip() == hosts[0]
    for host in hosts:
        lines = three.run(host, "sh", "-c", "hostname; cat /etc/hosts; ls /dev/shm; echo $TMPDIR; pwd").stdout.split("\n")
        assert lines[0] == host and all(any(name in line for line in lines) for name in hosts)
        assert lines[-2] == str(three.folder)
    three.run(hosts[1], "sh", "-c", f'echo here >/dev/shm/mark; echo here >"$TMPDIR/mark"; echo all >{tmp_path}/mark')
    seen = three.run(hosts[2], "sh", "-c", f'ls /dev/shm "$TMPDIR"; cat {tmp_path}/mark').stdout
    assert "mark" not in seen and "all" in seen
    assert not os.path.exists("/dev/shm/mark")


def test_mpirun_reaches_every_host_and_stays_in_its_group(three):
    """Also what the agent in place of ssh starts, and Open MPI sees the cores of a Pi."""
    hostfile = three("hostfile", 2).stdout.strip()
    assert Path(hostfile).read_text().split("\n")[0] == f"{three.name}1 slots=2"
    done = three.run("mpirun", "--hostfile", hostfile, "--map-by", "ppr:1:node:pe=4", "-n", 3, "sh", "-c",
                     'echo "$(hostname) $(grep -o "/[a-z]*-emulate/.*" /proc/self/cgroup)"')
    assert sorted(done.stdout.split()) == sorted(
        word for host in three.hosts() for word in (host, f"/{three.name}-emulate/{host}"))


def test_the_same_weights_as_on_one_host(three, bramble, tmp_path):
    options = ["--data", "synthetic:600", "--rounds", 2, "--threads", 1, "--average-every", 3, "--lr", 0.01]
    here = bramble.train(3, *options, out="here.h5")
    apart = three.train(3, *options, out=tmp_path / "apart.h5")
    assert differences(Run(here), Run(apart)) == []
    hosts = subprocess.run([BRAMBLE, "info", apart], text=True, capture_output=True, check=True).stdout
    assert all(host in hosts for host in three.hosts())


def test_the_status_is_passed_on(three):
    assert three.run("sh", "-c", "exit 7", ok=False).returncode == 7
    assert three.run("no-such-command", ok=False).returncode == 127
    hostfile = three("hostfile").stdout.strip()
    mistaken = ["mpirun", "--hostfile", hostfile, "-n", 3, BRAMBLE, "train", "--lr", "fast"]
    assert three.run(*mistaken, ok=False).returncode == 2


def processes(cluster):
    return [line.split()[-1] for line in cluster("status").stdout.splitlines()[1:]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_what_runs(three, number):
    hostfile = three("hostfile").stdout.strip()
    running = three.start("run", "mpirun", "--hostfile", hostfile, "-n", "3", "sleep", "100")
    assert until(lambda: "0" not in processes(three))
    os.killpg(running.pid, number)
    running.communicate(timeout=WAIT_S)
    assert running.returncode != 0
    assert until(lambda: processes(three) == ["0", "0", "0"])


# ---- how slow it is ------------------------------------------------------------------------------------------


def test_a_link_is_no_faster_than_it_says(three):
    first, second, third = three.hosts()
    three("link", "20mbit", second)
    try:
        assert 2 < bandwidth(three, first, second, 2_000_000) < 24
        assert 2 < bandwidth(three, second, third, 2_000_000) < 24
    finally:
        three("link", "1gbit", second)
    assert 24 < bandwidth(three, first, second, 10_000_000) < 1100


def test_a_quota_is_in_force(three):
    first = three.hosts()[0]
    before = three("status").stdout
    three("cpu", 0.1, first)
    try:
        spin = "import time; s=time.monotonic()\nwhile time.monotonic() < s + 1.5: pass\nprint(time.process_time())"
        used = float(three.run(PYTHON, "-c", spin).stdout)
    finally:
        three("cpu", share_of(3), first)
    assert 0 < used < 0.3, "seconds of CPU time in 1.5 s of a tenth of a core"
    assert three("status").stdout == before


def test_small_shares_are_exact(three):
    """They are dealt out seldom, because the kernel deals out no less than a millisecond."""
    first = three.hosts()[0]
    three("cpu", 0.04, first)
    group = next(Path("/sys/fs/cgroup").glob(f"**/{three.name}-emulate/{first}"))
    if (group / "cpu.max").exists():
        quota, period = map(int, (group / "cpu.max").read_text().split())
    else:
        quota, period = (int((group / f"cpu.cfs_{word}_us").read_text()) for word in ("quota", "period"))
    three("cpu", share_of(3), first)
    assert abs(quota / period - 0.04) < 0.04 / 1000 and quota >= 1000


# ---- faults --------------------------------------------------------------------------------------------------


def test_a_killed_host_is_down_until_it_is_started(three):
    victim = three.hosts()[2]
    running = three.start("run", victim, "sleep", "100")
    assert until(lambda: processes(three)[2] == "1")
    three("kill", victim)
    running.communicate(timeout=WAIT_S)
    assert running.returncode == -signal.SIGKILL
    refused = three.run(victim, "true", ok=False)
    assert refused.returncode == 1 and f"{victim} is down" in refused.stderr
    three("start", victim)
    assert three.run(victim, "hostname").stdout.strip() == victim


def test_a_pulled_cable(three):
    first, second, _ = three.hosts()
    connect = f"import socket; socket.create_connection(('{second}', 9), timeout=1)"
    assert "refused" in three.run(first, PYTHON, "-c", connect, ok=False).stderr
    three("link", "down", second)
    try:
        assert "refused" not in three.run(first, PYTHON, "-c", connect, ok=False).stderr
    finally:
        three("link", "up", second)
    assert until(lambda: "refused" in three.run(first, PYTHON, "-c", connect, ok=False).stderr)


# ---- coming and going ----------------------------------------------------------------------------------------


def test_down_leaves_nothing(other):
    other("up", 2, "--cpu", share_of(2, 0.1))
    assert other.traces() != []
    running = other.start("run", "sh", "-c", "setsid sleep 100 & sleep 100")
    assert until(lambda: processes(other)[0] == "3")
    other("down")
    assert other.traces() == []
    running.communicate(timeout=WAIT_S)
    assert other("down").returncode == 0


def test_down_of_what_is_half_gone(other):
    other("up", 3, "--cpu", share_of(3, 0.1))
    subprocess.run(["ip", "netns", "del", f"{other.name}2"], check=True)
    shutil.rmtree(f"/run/{other.name}-emulate/{other.name}3")
    other("down")


@pytest.mark.parametrize("moment", ["-emulate", "-switch", "1", "5"])
def test_ctrl_c_in_up_leaves_nothing(other, moment):
    running = other.start("up", 20, "--cpu", share_of(20))
    wanted = [Path("/run/netns") / f"{other.name}{moment}", Path("/run") / f"{other.name}{moment}"]
    end = time.monotonic() + 30
    while not any(path.exists() for path in wanted) and time.monotonic() < end:
        time.sleep(0.001)
    os.killpg(running.pid, signal.SIGINT)
    running.communicate(timeout=WAIT_S)
    assert running.returncode == 130
    assert other.traces() == []


def start_until(cluster, folder, pattern):
    """`up` as soon as a file of that name is there, or at its end."""
    running = cluster.start("up", 20, "--cpu", share_of(20))
    while running.poll() is None and not any(Path(folder).glob(pattern)):
        pass
    return running


@pytest.mark.parametrize("moment", [".[0-9]*", "", "/names", "-switch", "1"])
def test_down_after_kill_9_in_up(other, moment):
    """Whatever it had made is removed, also before it could say whose it is."""
    folder = "/run" if not moment or moment[0] in "./" else "/run/netns"
    pattern = f"{other.name}-emulate{moment}" if folder == "/run" else f"{other.name}{moment}"
    for _ in range(20):  # a busy machine may see it too late
        running = start_until(other, folder, pattern)
        if running.poll() is None:
            break
        assert running.returncode == 0, running.communicate()
        other("down")
    assert running.returncode is None, f"{folder}/{pattern} was never seen"
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate(timeout=WAIT_S)
    if Path(f"/run/{other.name}-emulate").exists():
        assert "is half up, what made it was killed" in refusal(other, 1, "up", 2)
    other("down")
    assert other.traces() == []


def test_in_a_folder_of_any_name(other, tmp_path, monkeypatch):
    """It is started again on each host, by a plain shell."""
    jobs = tmp_path / "für 'mich' $(touch x)" / "jobs"
    shutil.copytree(EMULATE.parent, jobs)
    monkeypatch.setattr(emulated, "EMULATE", jobs / "emulate")
    other("up", 2, "--cpu", share_of(2, 0.1))
    hostfile = other("hostfile").stdout.strip()
    done = other.run("mpirun", "--hostfile", hostfile, "-n", 2, "hostname", env={"LC_ALL": "C"})
    assert sorted(done.stdout.split()) == other.hosts()


# ---- refusals ------------------------------------------------------------------------------------------------


def refusal(cluster, status, *words):
    done = cluster(*words, ok=False)
    assert done.returncode == status and done.stdout == ""
    assert done.stderr.startswith("emulate: ") and done.stderr.count("\n") == 1
    return done.stderr


def test_up_is_up_already(three):
    assert f"{three.name} is up already (3 hosts)" in refusal(three, 1, "up", 2)
    assert len(three.hosts()) == 3


def test_what_others_made_stays(other):
    subprocess.run(["ip", "netns", "add", f"{other.name}2"], check=True)
    try:
        assert f"network namespace {other.name}2" in refusal(other, 1, "up", 2)
    finally:
        subprocess.run(["ip", "netns", "del", f"{other.name}2"], check=True)
    folder = Path(f"/run/{other.name}-emulate")
    folder.mkdir()
    try:
        assert str(folder) in refusal(other, 1, "up", 2)
        assert str(folder) in refusal(other, 1, "down")
    finally:
        folder.rmdir()


def test_no_more_cpu_than_there_is(other):
    cores = len(os.sched_getaffinity(0))
    assert f"at most {0.8 * cores:g} " in refusal(other, 2, "up", 2, "--cpu", 0.41 * cores)
    other("up", 2, "--cpu", share_of(2, 0.1))
    assert f"at most {0.8 * cores:g} " in refusal(other, 2, "cpu", 0.81 * cores, f"{other.name}1")


@pytest.mark.parametrize("words", [["up"], ["up", 0], ["up", 2, "--cpu", "fast"], ["up", 2, "--link", "wifi"], ["up", 2, 3],
                                   ["up", "08"], ["up", 2, "--cpu", "010"], ["up", 2, "--cpu", "nan"], ["up", 2, "--cpu", "-1"],
                                   ["up", 2, "--cpu", "1e-2"], ["up", 2, "--link", "99999999999gbit"],
                                   ["up", 2, "--cpu"], ["frobnicate"], ["up", 2, "--name", "A/b"]])
def test_mistakes(other, words):
    refusal(other, 2, *words)


@pytest.mark.parametrize("words", [["run"], ["kill"], ["kill", "pi9"], ["cpu", 0], ["cpu", 0.1, "pi9"], ["link", "wifi"],
                                   ["hostfile", "x"], ["hostfile", "08"], ["cpu", "010"], ["cores", "--help"], ["cores", "x"]])
def test_mistakes_while_up(three, words):
    refusal(three, 2, *words)


@pytest.mark.parametrize("words", [["run", "true"], ["hosts"], ["status"], ["cpu", 0.1]])
def test_not_up(other, words):
    assert "is not up" in refusal(other, 1, *words)


def test_needs_root():
    emulated.need()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        jobs = shutil.copytree(EMULATE.parent, f"{folder}/jobs")
        done = subprocess.run([f"{jobs}/emulate", "up", "2"], user=65534, cwd="/", text=True, capture_output=True)
    assert done.returncode == 2 and "needs root" in done.stderr


def test_calibration():
    done = subprocess.run([EMULATE, "calibrate", "96"], text=True, capture_output=True, check=True)
    assert "1 core of a Pi: --cpu 0.125\n" in done.stdout and "4 cores of a Pi: --cpu 0.500\n" in done.stdout
