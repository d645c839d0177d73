"""Emulated clusters for system tests: jobs/emulate under a name of their own, and what is left of them."""
import os
import random
import shutil
import string
import subprocess
import time
from pathlib import Path

import pytest
from conftest import BRAMBLE, ROOT, WAIT_S

EMULATE = ROOT / "jobs" / "emulate"


def obstacle(*commands):
    """Why there can be no emulated cluster here, or nothing."""
    if os.geteuid() != 0:
        return "an emulated cluster needs root"
    for command in ("ip", "tc", "nsenter", "unshare", "mpirun", *commands):
        if not shutil.which(command):
            return f"{command} is missing: tools/install-packages cluster"
    groups = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    if not any(kind == "cgroup" and "cpu" in options.split(",") or
               kind == "cgroup2" and "cpu" in (Path(where) / "cgroup.controllers").read_text().split()
               for _, where, kind, options, *_ in groups):
        return "no cpu control group"
    probe = f"{name_of_its_own()}-probe"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    if made.returncode != 0:
        return f"network namespaces are not allowed here: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", probe], check=True)
    return None


def need(*commands):
    why = obstacle(*commands)
    if why:
        pytest.skip(why)


def name_of_its_own():
    return "test" + "".join(random.choices(string.ascii_lowercase, k=6))


def share_of(n_hosts, most=0.5):
    """A share of a core that n hosts may have together on this machine."""
    return min(most, int(790 * len(os.sched_getaffinity(0)) / n_hosts) / 1000)


class Cluster:
    """jobs/emulate with a name; `up` with its options, `down` at the end whatever happened."""

    def __init__(self, folder):
        self.name, self.folder = name_of_its_own(), folder
        self.env = dict(os.environ, EMULATE_NAME=self.name)
        for name in list(self.env):
            if name.startswith(("OMPI_", "SLURM_")) or name == "OMP_NUM_THREADS":
                del self.env[name]

    def __call__(self, *words, timeout=WAIT_S, env=None, ok=True):
        line = [str(EMULATE), *map(str, words)]
        print("$", *line)
        done = subprocess.run(line, cwd=self.folder, env=dict(self.env, **(env or {})), text=True, errors="replace",
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout)
        print(done.stdout, done.stderr, sep="\n")
        assert not ok or done.returncode == 0, done.stderr
        return done

    def start(self, *words):
        """A command under way, in a process group of its own as from a terminal."""
        print("$", EMULATE, *words, "&")
        return subprocess.Popen([EMULATE, *map(str, words)], cwd=self.folder, env=self.env, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                start_new_session=True)

    def hosts(self):
        return self("hosts").stdout.split()

    def run(self, *words, **options):
        return self("run", *words, **options)

    def train(self, ranks, *options, out):
        """bramble train over the hosts, one rank each."""
        hostfile = self("hostfile").stdout.strip()
        self.run("mpirun", "--hostfile", hostfile, "-n", ranks, BRAMBLE, "train", "--quiet", "--out", out, *options,
                 timeout=WAIT_S)
        return out

    def traces(self):
        """What of the cluster is in the machine: folders, namespaces, mounts, groups, processes."""
        found = [str(path) for folder in ("/run", "/run/netns", "/etc/netns")
                 for path in Path(folder).glob(f"{self.name}*")]
        found += [line for line in Path("/proc/mounts").read_text().splitlines() if self.name in line]
        found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{self.name}*")]
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if self.name in (process / "cgroup").read_text():
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has ended meanwhile
        return found


def until(true, timeout=WAIT_S):
    """Wait for something to become true; returns whether it did."""
    end = time.monotonic() + timeout
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
