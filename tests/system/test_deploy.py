"""jobs/deploy and jobs/remote, over ssh to emulated hosts that each have an sshd and a folder of their own."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import emulated
import pytest
from conftest import BRAMBLE, PRESET, ROOT, SLOW, WAIT_S
from emulated import Cluster, until
from forbidden import KNOWN, LOCKS, forbid

SSHD = "/usr/sbin/sshd"
STUDY = ["--name", "far", "--repeats", 1, "--data", "synthetic:600", "--rounds", 2, "--limit-test", 100, "1:1"]


class Pis:
    """Three hosts with sshd; commands run as on a laptop at their switch."""

    def __init__(self, folder):
        self.cluster = Cluster(folder)
        self.folder, self.target = folder, folder / "target"
        self.target.mkdir()
        self.sshd = []

    def start(self):
        self.cluster("up", 3, "--cpu", "none", "--link", "1gbit")
        self.hosts = self.cluster.hosts()
        self.hostfile = self.folder / "hosts"
        self.hostfile.write_text("# the Pis\n" + "".join(f"{host} slots=1\n" for host in self.hosts))

    def start_ssh(self):
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name], check=True)
        (self.folder / "sshd_config").write_text(
            f"HostKey {self.folder}/host\nAuthorizedKeysFile {self.folder}/user.pub\nPidFile none\nUsePAM no\n"
            "StrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n")
        lines = [f"IdentityFile {self.folder}/user", "IdentitiesOnly yes", f"UserKnownHostsFile {self.folder}/known",
                 "StrictHostKeyChecking accept-new", "LogLevel ERROR"]
        for k, host in enumerate(self.hosts, 1):
            lines += [f"Host {host}", f"HostName 10.77.0.{k}"]
        (self.folder / "ssh_config").write_text("\n".join(lines) + "\n")
        Path("/run/sshd").mkdir(exist_ok=True)
        self.sshd = [self.cluster.start("run", host, SSHD, "-D", "-e", "-f", self.folder / "sshd_config")
                     for host in self.hosts]
        for host in self.hosts:
            self.cluster.run(host, "mount", "-t", "tmpfs", "tmpfs", self.target)
            assert until(lambda: self.here("ssh", "-F", self.folder / "ssh_config", host, "true").returncode == 0)

    def here(self, *words, timeout=120):
        line = ["nsenter", f"--net=/run/netns/{self.cluster.name}-switch", *map(str, words)]
        env = dict(self.cluster.env, BRAMBLE_SSH=f"ssh -F {self.folder}/ssh_config -o ConnectTimeout=3")
        print("$", *line)
        done = subprocess.run(line, env=env, cwd=self.folder, text=True, capture_output=True, timeout=timeout * SLOW,
                              stdin=subprocess.DEVNULL)
        print(done.stdout, done.stderr, sep="\n")
        return done

    def deploy(self, *options):
        """Returns the status, a line for each host, and what was said besides."""
        done = self.here(ROOT / "jobs/deploy", self.hostfile, "--dir", self.target, *options)
        return done.returncode, dict(re.findall(r"^(\S+) +(.*)$", done.stdout, re.M)), done.stderr

    def remote(self, *words):
        return self.here(ROOT / "jobs/remote", "--dir", self.target, self.hosts[0], *words)


@pytest.fixture(scope="module")
def pis(tmp_path_factory):
    emulated.need()
    for command in (SSHD, "ssh", "ssh-keygen", "rsync"):
        if not shutil.which(command):
            pytest.skip(f"{command} is missing: tools/install-packages ssh-test")
    if PRESET != "native":
        pytest.skip("jobs/deploy builds programs for hosts, not checkers")
    pis = Pis(tmp_path_factory.mktemp("pis"))
    try:
        pis.start()
        pis.start_ssh()
        yield pis
    finally:
        pis.cluster("down")
        for sshd in pis.sshd:
            sshd.communicate(timeout=30)
        assert pis.cluster.traces() == []


@pytest.fixture(scope="module")
def deployed(pis):
    assert pis.deploy()[0] == 0
    return pis


def test_hosts_get_the_program_and_one_that_is_off_is_named(pis):
    first, second, third = pis.hosts
    pis.cluster("link", "down", second)
    try:
        status, lines, _ = pis.deploy()
    finally:
        pis.cluster("link", "up", second)
    assert status == 1 and list(lines) == pis.hosts
    assert lines[second].startswith("failed: cannot be reached")
    for host in (first, third):
        assert re.match(r"ok: \d+ files copied; bramble \d", lines[host])
        assert pis.cluster.run(host, "cmp", pis.target / "bramble", BRAMBLE).returncode == 0
        pis.cluster.run(host, "cmp", pis.target / "jobs/hostfile", pis.hostfile)
        pis.cluster.run(host, "test", "-x", pis.target / "tools/fetch-cifar10", "-a", "-d", pis.target / "results")

    status, lines, _ = pis.deploy()
    assert status == 0
    assert "files copied" in lines[second]
    assert all("nothing to copy" in lines[host] for host in (first, third))


def test_another_version_is_named(deployed):
    pis = deployed
    second = pis.hosts[1]
    version = (ROOT / "VERSION").read_text().strip().encode()
    other = version.replace(b"0", b"7", 1)
    (pis.folder / "older").write_bytes(BRAMBLE.read_bytes().replace(version + b"\0", other + b"\0"))
    pis.cluster.run(second, "cp", pis.folder / "older", pis.target / "bramble")
    status, lines, _ = pis.deploy("--check")
    assert status == 1
    assert lines[second] == (f"failed: version is {other.decode()}, elsewhere {version.decode()}: "
                             "run this without --check")
    assert sorted(line.split(":")[0] for line in lines.values()) == ["failed", "ok", "ok"]
    status, lines, _ = pis.deploy("--jobs", 1)
    assert status == 0 and "ok: 1 file copied" in lines[second]


def test_a_missing_library_is_named_with_its_package(deployed):
    pis = deployed
    third = pis.hosts[2]
    library = re.search(r"libjansson\S* => (\S+)", subprocess.check_output(["ldd", BRAMBLE], text=True))[1]
    folder = os.path.dirname(os.path.realpath(library))
    layer = pis.target / ".layer"
    pis.cluster.run(third, "sh", "-euc", f"""
        mkdir -p {layer}/upper {layer}/work
        mount -t overlay overlay -o lowerdir={folder},upperdir={layer}/upper,workdir={layer}/work {folder}
        rm {folder}/libjansson.so.4*""")
    try:
        status, lines, _ = pis.deploy()
    finally:
        pis.cluster.run(third, "umount", "--lazy", folder)
    assert status == 1
    assert lines[third] == "failed: libjansson.so.4: missing there: `sudo apt-get install libjansson4` there"
    assert sorted(line.split(":")[0] for line in lines.values()) == ["failed", "ok", "ok"]


def test_hosts_of_several_kinds_need_a_word(deployed):
    pis = deployed
    if os.uname().machine != "x86_64":
        pytest.skip("for a PC among Pis")
    uname = shutil.which("uname")
    (pis.folder / "uname").write_text("#!/bin/sh\necho aarch64\n")
    (pis.folder / "uname").chmod(0o755)
    pis.cluster.run(pis.hosts[1], "mount", "--bind", pis.folder / "uname", uname)
    try:
        status, _, said = pis.deploy()
    finally:
        pis.cluster.run(pis.hosts[1], "umount", "--lazy", uname)
    assert (status, said) == (2, "deploy: no preset fits all hosts for sure (aarch64 x86_64): say which --preset\n")


# ---- what a host answers is data -----------------------------------------------------------------------------


class Covered:
    """On one host other files stand in place of some; until the end of the block."""

    def __init__(self, pis, host, files):
        self.pis, self.host, self.files = pis, host, files

    def __enter__(self):
        for n, (path, (text, mode)) in enumerate(self.files.items()):
            cover = self.pis.folder / f"cover{n}"
            cover.write_text(text)
            cover.chmod(mode)
            self.pis.cluster.run(self.host, "mount", "--bind", cover, path)

    def __exit__(self, *_):
        for path in self.files:
            self.pis.cluster.run(self.host, "umount", "--lazy", path)


@pytest.mark.parametrize("form", ["$(shell touch {0})", "`touch {0}`", "native;touch {0}", "rpi4 V:=$(shell touch {0})"])
def test_what_a_host_says_is_not_run(deployed, form):
    """make, the shell and awk here get none of its words, whatever kind of machine it says it is."""
    pis = deployed
    second, trap = pis.hosts[1], pis.folder / "run"
    said = f"#!/bin/sh\ncat <<'END'\n{form.format(trap)}\nEND\n"
    with Covered(pis, second, {shutil.which("uname"): (said, 0o755)}):
        for options in ([], ["--check"]):
            status, lines, _ = pis.deploy(*options)
            assert not trap.exists()
            assert status == 1 and lines[second] == "failed: its answer to `uname -m` is no word for a machine"


def test_what_a_host_says_gives_the_terminal_no_orders(deployed):
    pis = deployed
    second = pis.hosts[1]
    lies = "#!/bin/sh\nprintf 'version \\033]0;gotcha\\007\\nmpi \\033[2J\\n'\n"
    with Covered(pis, second, {pis.target / "bramble": (lies, 0o755)}):
        done = pis.here(ROOT / "jobs/deploy", pis.hostfile, "--dir", pis.target, "--check")
    assert done.returncode == 1 and f"{second}  failed: version is ]0;gotcha, elsewhere" in done.stdout
    assert not set(done.stdout + done.stderr) & {"\033", "\007"}


def account(pis, shell, bashrc=""):
    """What makes root's login shell another one, and its home folder the test's own."""
    home = pis.folder / "home"
    home.mkdir(exist_ok=True)
    (home / ".bashrc").write_text(bashrc)
    lines = Path("/etc/passwd").read_text().splitlines()
    lines = [f"root:x:0:0:root:{home}:{shell}" if line.startswith("root:") else line for line in lines]
    return {"/etc/passwd": ("\n".join(lines) + "\n", 0o644)}


def test_a_login_shell_may_greet(deployed):
    """deploy, remote and fetch read what comes after the greeting; also one that ends in the middle of a line."""
    pis = deployed
    first = pis.hosts[0]
    with Covered(pis, first, account(pis, "/bin/bash", "echo Welcome to the cluster\nseq 5\nprintf 'Have fun: '\n")):
        greeted = pis.here("ssh", "-F", pis.folder / "ssh_config", first, "true")
        assert greeted.stdout.startswith("Welcome")
        pis.cluster.run(first, "rm", pis.target / "models/README.md")
        status, lines, _ = pis.deploy()
        assert status == 0 and lines[first].startswith("ok: 1 file copied; bramble ")
        assert pis.remote(*STUDY, "--name", "greeted").stdout.startswith("started")
        assert until(lambda: "ended with status 0" in pis.remote("status").stdout)
        into = pis.folder / "greeted: fetched"
        assert pis.remote("fetch", into).stdout == f"2 files fetched to {into}\n"
        subprocess.run([BRAMBLE, "report", into / "cases-1-1-r1.h5"], check=True, stdout=subprocess.DEVNULL)


def test_a_login_shell_that_runs_nothing_is_told(deployed):
    pis = deployed
    third = pis.hosts[2]
    with Covered(pis, third, account(pis, "/usr/sbin/nologin")):
        status, lines, _ = pis.deploy("--check")
    assert status == 1 and "This account is currently not available" in lines[third]
    assert "rsync" not in lines[third]
    (pis.folder / "shell").write_text("#!/bin/sh\nexit 1\n")
    (pis.folder / "shell").chmod(0o755)
    with Covered(pis, third, account(pis, pis.folder / "shell")):
        status, lines, _ = pis.deploy("--check")
    assert status == 1 and lines[third] == f"failed: no answer and no word: does `ssh {third}` give a shell?"


def test_a_host_names_no_folder_here(deployed):
    """What it says of its results does not lead out of results/."""
    pis = deployed
    lies = f"#!/bin/sh\necho 'folder {pis.target}/..'\n"
    with Covered(pis, pis.hosts[0], {pis.target / "jobs/remote": (lies, 0o755)}):
        done = pis.remote("fetch")
    assert done.returncode == 1 and done.stderr.endswith("/..: no folder of a study's results\n")


@pytest.mark.parametrize("words, says", [
    ([], "which hosts?"),
    (["nowhere"], "nowhere: cannot be read"),
    (["empty"], "empty: names no host"),
    (["bad"], "bad: -oProxyCommand=x: no name of a host"),
    (["worse"], "worse: pi1;id: no name of a host"),
    (["hosts", "--jobs", "0"], "--jobs 0: expected 1 to 99"),
    (["hosts", "--preset", "rpi9"], "--preset rpi9: expected"),
    (["hosts", "--dir", "a;b"], "--dir a;b: expected"),
    (["hosts", "--frob"], "--frob: no such option"),
])
def test_deploy_names_mistakes(tmp_path, words, says):
    (tmp_path / "empty").write_text("# none\n")
    (tmp_path / "bad").write_text("-oProxyCommand=x\n")
    (tmp_path / "worse").write_bytes(b"\xef\xbb\xbfpi1 slots=4\r\n# Windows'\r\npi1;id\r\n")
    (tmp_path / "hosts").write_text("pi1\n")
    done = subprocess.run([ROOT / "jobs/deploy", *words], cwd=tmp_path, text=True, capture_output=True, timeout=60)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"deploy: {says}") and done.stderr.count("\n") == 1


# ---- remote --------------------------------------------------------------------------------------------------


def test_a_study_goes_on_without_us(deployed):
    pis = deployed
    started = pis.remote(*STUDY)
    assert started.returncode == 0 and started.stdout.startswith("started")
    # Nothing of the connection is left, and the study is there.
    sessions = pis.cluster.run(pis.hosts[0], "sh", "-c", "ss -Htn state established '( sport = :22 )'").stdout
    assert sessions == ""
    assert re.search(r"^1:1 +1 ", pis.remote("log", "-f").stdout, re.M)  # which ends with the study
    assert until(lambda: "ended with status 0" in pis.remote("status").stdout)
    assert "1 run, 0 done before, 0 failed" in pis.remote("status").stdout

    into = pis.folder / "fetched"
    pis.cluster.run(pis.hosts[0], "sh", "-c", f"head -c 8000000 /dev/urandom >{pis.target}/results/far/large")
    assert pis.remote("fetch", into).stdout == f"3 files fetched to {into}\n"
    assert (into / "large").stat().st_size == 8000000
    told = subprocess.run([BRAMBLE, "report", into / "cases-1-1-r1.h5"], text=True, capture_output=True)
    assert told.returncode == 0
    assert pis.remote("fetch", into).stdout.startswith("0 files")

    again = pis.remote(*STUDY)
    assert again.returncode == 0
    assert until(lambda: "0 run, 1 done before" in pis.remote("status").stdout)


def test_a_study_is_stopped_and_there_is_one_at_a_time(deployed):
    pis = deployed
    long = ["--name", "long", "--repeats", 1, "--data", "synthetic:600", "--rounds", 1000000, "1:1"]
    assert pis.remote(*long).returncode == 0
    assert until(lambda: "run 1 of 1: cases-1-1-r1" in pis.remote("status").stdout)
    status = pis.remote("status")
    assert status.returncode == 0 and "running for" in status.stdout
    other = pis.remote(*STUDY)
    assert other.returncode == 1 and "a study runs there already" in other.stderr
    assert "is left out" in pis.remote("fetch", pis.folder / "part").stdout
    assert pis.remote("stop").stdout.startswith("stopped")
    status = pis.remote("status")
    assert status.returncode == 1 and "ended with status 143" in status.stdout
    assert pis.remote("stop").stdout == "it does not run\n"


@pytest.mark.skipif(not KNOWN, reason="system calls are numbered differently")
def test_a_study_from_afar_without_locks(tmp_path):
    """Its other half, on a host whose file system has none (NFS without a lock daemon): one at a time all the same."""
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs")
    (tmp_path / "bramble").symlink_to(BRAMBLE)
    (tmp_path / "models").symlink_to(ROOT / "models")
    env = dict(os.environ, OMPI_MCA_mpi_yield_when_idle="1")

    def there(*words):
        done = subprocess.run([tmp_path / "jobs/remote", "--there", "pi1", *map(str, words)], cwd=tmp_path, env=env, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT_S, preexec_fn=lambda: forbid(LOCKS))
        print(done.stdout, done.stderr)
        return done

    long = ["--name", "long", "--repeats", 1, "--data", "synthetic:60", "--rounds", 100000, "1:1"]
    assert there("start", *long).returncode == 0
    assert until(lambda: "run 1 of 1" in there("status").stdout)
    assert "running for" in there("status").stdout
    assert "a study runs there already" in there("start", *STUDY).stderr
    assert there("stop").stdout.startswith("stopped")
    assert "ended with status 143" in there("status").stdout and there("stop").stdout == "it does not run\n"
    (tmp_path / "results/.remote/pid").write_text("-1\n")  # all processes, to kill
    assert there("stop").stdout == "it does not run\n"
    assert there("start", *STUDY).returncode == 0
    assert until(lambda: "ended with status 0" in there("status").stdout)


def test_remote_names_mistakes(deployed):
    pis = deployed
    done = pis.remote("--learning", "fast", "1:1")
    assert done.returncode == 2 and done.stderr.startswith("study: --learning: no such option")
    done = pis.here(ROOT / "jobs/remote", "--dir", "/nowhere", pis.hosts[0], "status")
    assert done.returncode == 1 and "Bramble is not in /nowhere there" in done.stderr
    done = pis.here(ROOT / "jobs/remote", pis.hosts[0])
    assert done.returncode == 2 and done.stderr.startswith("remote: expected HOST")
