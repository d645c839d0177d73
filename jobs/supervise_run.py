"""Part of jobs/supervise: the command line it is given, the files this names, and what the result file says."""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

PROBE_S = 5  # for what answers at once
LAUNCHERS = ("mpirun", "mpiexec", "orterun")
HOSTFILES = ("--hostfile", "-hostfile", "--machinefile", "-machinefile", "--default-hostfile")
NUMBERS = ("-n", "-np", "--np", "--n", "-c")
OPTIONS = ("--out", "--checkpoint", "--config", "--resume", "--force", "--stall", "--case", "--shards")
OF_SOME_WORKERS = ("case", "shards")  # options that fit one number of workers only


line_ended = True


def pass_on(text):
    """Text to stderr, if anybody still listens; without a buffer, whose rest would fail again when Python ends."""
    global line_ended
    line_ended = text.endswith("\n")
    data = text.encode(errors="backslashreplace")
    try:
        while data:
            data = data[os.write(2, data):]
    except OSError:
        pass


def say(text):
    begun = "" if line_ended else "\n"  # what mpirun said last
    pass_on(f"{begun}supervise: {text}\n")


def mistake(text):
    say(f"{text}; see jobs/supervise --help")
    sys.exit(2)


# ---- words ---------------------------------------------------------------------------------------------------


def value_of(words, *names):
    """The last value of an option, `--name VALUE` or `--name=VALUE`."""
    value = None
    for i, word in enumerate(words):
        if word in names and i + 1 < len(words):
            value = words[i + 1]
        elif word.split("=")[0] in names and "=" in word:
            value = word.split("=", 1)[1]
    return value


def without(words, *names):
    """The words but these options and their values."""
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in names:
            skip = True
        elif word.split("=")[0] not in names:
            kept.append(word)
    return kept


def in_full(word):
    """An option of train as the manual has it: `--ou=x` is `--out=x`."""
    name, sign, value = word.partition("=")
    return next((full + sign + value for full in OPTIONS if len(name) > 3 and full.startswith(name)), word)


def whole_number(text):
    """Of plain digits, or None: int() takes more than anybody means."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text or "") else None


# ---- files ---------------------------------------------------------------------------------------------------


def read_lines(path):
    """Of a file somebody wrote anywhere: bytes that are no UTF-8, a byte order mark and \\r do no harm."""
    try:
        return Path(path).read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    except OSError as error:
        mistake(f"{path}: {error.strerror}")


def read_hosts(path):
    """[(name, slots, line)] of a hostfile, as hostfile.bash has read it."""
    reader = Path(__file__).resolve().parent / "hostfile.bash"
    try:
        with open(path, "rb") as file:
            asked = subprocess.run(["bash", reader, "/dev/stdin"], stdin=file, capture_output=True, check=True)
    except OSError as error:
        mistake(f"{path}: {error.strerror}")
    hosts = []
    for line in asked.stdout.decode("utf-8", "surrogateescape").split("\n")[:-1]:  # \r within a line is none
        name, slots, words = line.split(" ", 2)
        if not re.fullmatch(r"[A-Za-z0-9_[][A-Za-z0-9_.:@%[\]-]*", name):
            mistake(f"{path}: {ascii(name)[1:-1]}: no name of a host")
        hosts.append((name, int(slots), words))
    return hosts


def config_key(line):
    """(name, value) of a line of a --config file; ("", "") when it is none."""
    found = re.match(r"\s*([^;#\[=:\s][^=:]*?)\s*[=:]\s*(.*?)\s*(\s;.*)?$", line)
    return (found[1], found[2]) if found else ("", "")


# ---- the command ---------------------------------------------------------------------------------------------


class Command:
    """mpirun's words and the program's, up to `train`, and train's options."""

    def __init__(self, words):
        if not words or os.path.basename(words[0]) not in LAUNCHERS or "train" not in words[2:]:
            mistake("expected mpirun ... bramble train ...")
        if not shutil.which(words[0]):
            mistake(f"{words[0]}: no such program here")
        at = words.index("train", 2)
        self.mpirun, self.train = words[:at + 1], [in_full(word) for word in words[at + 1:]]
        self.program = words[at - 1]
        self.tolerant = self.tolerates_faults()
        if self.tolerant and value_of(self.mpirun, "--with-ft") is None:
            self.mpirun[1:1] = ["--with-ft", "ulfm"]
        self.folder = value_of(self.mpirun, "--wdir", "-wdir", "--wd", "-wd") or "."  # where the ranks are
        self.config = value_of(self.train, "--config")
        resume = self.setting("resume")
        self.out = self.setting("out") or (resume and self.out_of(resume))
        self.checkpoint = self.setting("checkpoint") or resume
        if not self.out:
            mistake("--out is missing: the result file shows how the run gets on")
        if not self.checkpoint:
            self.checkpoint = re.sub(r"\.h5$", "", self.out) + ".checkpoint.h5"
            self.train += ["--checkpoint", self.checkpoint]
        hostfile = value_of(self.mpirun, *HOSTFILES)
        self.hosts = read_hosts(hostfile) if hostfile else []
        self.ranks = whole_number(value_of(self.mpirun, *NUMBERS))
        self.agent = self.find_agent()

    def tolerates_faults(self):
        """Open MPI 5 can lose a worker without a restart, if asked to; 4 does not know the option."""
        try:
            version = subprocess.run([self.mpirun[0], "--version"], stdin=subprocess.DEVNULL, capture_output=True,
                                     errors="replace", timeout=PROBE_S, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            return False
        found = re.search(r"Open MPI\) ([0-9]{1,3})\.", version)
        return bool(found) and int(found[1]) >= 5

    def setting(self, name):
        """The value of an option of train, from the command line or the --config file; None: not given."""
        given = value_of(self.train, f"--{name}")
        if given is None and self.config:
            lines = read_lines(self.place(self.config))
            given = next((value for key, value in map(config_key, lines) if key == name), None)
        return given

    def out_of(self, checkpoint):
        """The result file that goes on with a checkpoint, if it is there."""
        out = self.look_into(checkpoint).get("config", {}).get("out")
        return out if out and self.place(out).exists() else None

    def place(self, name):
        """Where a file is that the program names."""
        return Path(self.folder, name)

    def find_agent(self):
        given = os.environ.get("OMPI_MCA_plm_rsh_agent", "ssh -o BatchMode=yes -o ConnectTimeout=5")
        for i, word in enumerate(self.mpirun):
            if word == "plm_rsh_agent":
                given = self.mpirun[i + 1]
        for choice in given.split(":"):
            try:
                words = shlex.split(choice)
            except ValueError as error:
                mistake(f"plm_rsh_agent {choice}: {error}")
            if words and shutil.which(words[0]):
                return words
        return ["ssh"]

    def look_into(self, path):
        """What `bramble info` knows of a result file or checkpoint, also of one that is being written; {} if nothing."""
        try:
            asked = subprocess.run([self.program, "info", "--json", path], cwd=self.folder, stdin=subprocess.DEVNULL,
                                   capture_output=True, errors="replace", timeout=60, check=False)
            told = json.loads(asked.stdout)
        except (OSError, subprocess.TimeoutExpired, ValueError):
            return {}
        return told if asked.returncode == 0 and isinstance(told, dict) else {}

    def saved(self):
        """How many rounds, and how many tests, the next start finds done."""
        told = self.look_into(self.checkpoint) if self.place(self.checkpoint).exists() else {}
        return told.get("rounds_done", 0), told.get("rounds_tested", 0)

    def is_done(self):
        """Open MPI 5.0's mpirun ends with status 0 when it loses a host: what does the result file say?"""
        return not self.tolerant or self.look_into(self.out).get("complete", True)

    def room(self, left):
        """How many ranks may be started on these hosts."""
        room, names = sum(slots for _, slots, _ in left), {name for name, _, _ in left}
        policy = value_of(self.mpirun, "--map-by", "-map-by", "rmaps_base_mapping_policy") or \
            os.environ.get("OMPI_MCA_rmaps_base_mapping_policy", "")
        ppr = re.match("ppr:([0-9]{1,9}):([a-z0-9]+)", policy, re.IGNORECASE)
        each = 1 if {"--pernode", "-pernode"} & set(self.mpirun) else \
            whole_number(ppr[1] if ppr else value_of(self.mpirun, "--npernode", "-npernode", "-N"))
        if each is None:
            return room
        if ppr and ppr[2].lower() != "node":  # how many sockets or cores a host has is not known here
            return min(room, self.ranks * len(names) // len({name for name, _, _ in self.hosts}))
        return min(room, each * len(names))

    def line(self, lost, scratch, patience_s, ours):
        """The command for the next start, without the lost hosts; ours: the result file is an earlier start's."""
        mpirun, train = list(self.mpirun), list(self.train)
        left = [host for host in self.hosts if host[0] not in lost]
        if self.hosts:  # as read here, which Open MPI cannot read otherwise
            hostfile = os.path.join(scratch, "hosts")
            Path(hostfile).write_text("".join(f"{line}\n" for _, _, line in left), errors="surrogateescape")
            mpirun = without(mpirun, *HOSTFILES)
            mpirun[1:1] = ["--hostfile", hostfile]
        if lost:
            if self.ranks:
                ranks = max(1, min(self.ranks, self.room(left)))
                mpirun = without(mpirun, *NUMBERS)
                mpirun[1:1] = ["-n", str(ranks)]
            train = self.for_any_number(train, os.path.join(scratch, "config.ini"))
        if self.place(self.checkpoint).exists():
            train = without(train, "--resume") + ["--resume", self.checkpoint]
        elif ours and "--force" not in train:
            train += ["--force"]
        if self.setting("stall") is None:
            train += ["--stall", str(patience_s)]
        return mpirun + train

    def for_any_number(self, train, copy):
        """Options of train without those for another number of workers; copy: where a --config file without may lie."""
        train = without(train, *(f"--{name}" for name in OF_SOME_WORKERS))
        if not self.config:
            return train
        kept = [line for line in read_lines(self.place(self.config)) if config_key(line)[0] not in OF_SOME_WORKERS]
        Path(copy).write_text("".join(f"{line}\n" for line in kept), encoding="utf-8", errors="surrogateescape")
        return without(train, "--config") + ["--config", copy]
