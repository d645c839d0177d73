"""Result files as data frames.

What a column means, and in which unit, is in docs/results.md.  Columns a file does not have are NaN; columns this
module does not know are read like the others.  Incomplete runs are read as far as they came, and so are those that
still go on; `runs.complete` tells them apart.
"""
from __future__ import annotations

import faulthandler
import os
import re
import resource
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable, Optional, Sequence, Union

import h5py
import numpy as np
import pandas as pd

from . import peers

# The phases in the order in which timelines show them: at every moment a rank is in exactly one.  average_s is
# what older files have instead of pack_s and wire_s.
PHASES = ["train_s", "input_s", "pack_s", "average_s", "wire_s", "wait_s", "serve_s", "evaluate_s", "output_s",
          "other_s"]
# How jobs/study names its files: SET-N-C-LABEL-rREPEAT.h5, the label only where a case needs one.
STUDY_NAME = re.compile(r"(?P<set>.+?)-\d+-\d+(-(?P<label>\w+))?-r(?P<repeat>\d+)")
# A result file has 4 GiB at most (docs/results.md); what claims more, or a thousand times its own size, is none.
MOST_BYTES, MOST_TIMES, MOST_ITEMS = 4 << 30, 1000, 10000

PathLike = Union[str, "os.PathLike[str]"]


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _number(text: str) -> Union[int, float, str]:
    """A number where the text is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _check_size(name: str, item: h5py.Dataset) -> None:
    """ValueError for a dataset that no result file can have, before memory is taken for it."""
    size = item.size * item.dtype.itemsize if item.shape is not None else 0
    if size > min(MOST_BYTES, MOST_TIMES * (item.file.id.get_filesize() + 1)):
        raise ValueError(f"{name} has {size} bytes, more than a result file can")


def check_contents(file: h5py.File) -> None:
    """ValueError for what no result file has: links, bytes in other files, too many or too large datasets."""
    groups, seen = [file["/"]], 0
    while groups:
        group = groups.pop()
        for name in group:
            seen += 1
            if seen > MOST_ITEMS:
                raise ValueError("more groups and datasets than a result file can have")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{name} is a link, which no result file has")
            item = group[name]
            if isinstance(item, h5py.Group):
                groups.append(item)
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise ValueError(f"{name} lies in another file")
                _check_size(name, item)


def _frame(group: Optional[h5py.Group], rows: Optional[int], ndim: int = 1, names: Optional[Sequence[str]] = None) -> pd.DataFrame:
    """The columns of a group that have `rows` first dimensions, cut to the rows that count; of some names, or all."""
    columns = {}
    for name, item in (group or {}).items():
        if not isinstance(item, h5py.Dataset) or item.ndim != ndim or (names is not None and name not in names):
            continue
        values = item.asstr(errors="replace")[:rows] if item.dtype.kind in "OS" else item[:rows]
        columns[name] = np.asarray(values).ravel()
    return pd.DataFrame(columns)


def _counts(item: Optional[h5py.Dataset]) -> Optional[np.ndarray]:
    """A table of whole numbers, or None for what is none."""
    return item[()] if isinstance(item, h5py.Dataset) and item.ndim == 2 and item.dtype.kind in "iu" else None


class Run:
    """One result file.

    name          its name without folder
    config, build options and build as dicts of texts
    simulated     by what and as which platform it was simulated; empty: it was measured
    summary       dict of numbers; nodes and cores are there for incomplete runs too
    complete      whether the run came to its end
    machine       a row per rank: role, host, threads, cores, ...
    rounds        a row per finished round
    ranks         a row per finished round and rank
    tests         a row per evaluated round: round, accuracy, loss
    clients       a row per finished round and client of --clients or --eval-clients: round, client, rank, test_images, images,
                  loss, accuracy, steps, test_accuracy, own_accuracy; else empty
    confusion     test images [true class][predicted class], or None; class_names
    labels        training images by rank and class, [rank][class], -1 where it is not known, or None
    client_labels the same by client, [client][class], where there are clients
    weights       {"conv1.weight": array, ...}, empty when the file has none; model_text its INI file
    algorithms    {"conv1.weight": "f4", ...}: by which of several a layer was computed
    """

    path: Path
    name: str
    config: dict[str, str]
    build: dict[str, str]
    simulated: str
    summary: dict[str, float]
    complete: bool
    machine: pd.DataFrame
    rounds: pd.DataFrame
    ranks: pd.DataFrame
    tests: pd.DataFrame
    clients: pd.DataFrame
    confusion: Optional[np.ndarray]
    labels: Optional[np.ndarray]
    client_labels: Optional[np.ndarray]
    class_names: list[str]
    model_round: int
    model_text: str
    algorithms: dict[str, str]
    weights: dict[str, np.ndarray]

    def __init__(self, path: PathLike):
        """Reads the file; OSError where it cannot be read, ValueError where it is no result file."""
        self.path, self.name = Path(path), Path(path).name
        with h5py.File(path, "r") as file:
            if _text(file.attrs.get("format", "")) != "bramble":
                raise ValueError("no result file of bramble")
            check_contents(file)
            self._read(file)

    def _read(self, file: h5py.File) -> None:
        self.config = {k: _text(v) for k, v in file["config"].attrs.items()} if "config" in file else {}
        self.build = {k: _text(v) for k, v in file["build"].attrs.items()} if "build" in file else {}
        self.simulated = self.build.get("simulated", "")
        self.machine = _frame(file.get("machine"), None)
        n = int(file["rounds/n_done"][()]) if "rounds/n_done" in file else 0
        n_ranks = max(len(self.machine), 1)
        self.rounds = _frame(file.get("rounds"), n)
        if "t_end_s" in self.rounds:  # after a power failure the last rows may be missing
            self.rounds = self.rounds[self.rounds.t_end_s.notna()]
        n = len(self.rounds)
        self.rounds.insert(0, "round", np.arange(n))
        self.ranks = _frame(file.get("rounds/ranks"), n, 2)
        if len(self.ranks) == n * n_ranks:
            self.ranks.insert(0, "round", np.repeat(np.arange(n), n_ranks))
            self.ranks.insert(1, "rank", np.tile(np.arange(n_ranks), n))
        tests = _frame(file.get("test"), n, names=("accuracy", "loss"))  # there are names of classes, too
        self.tests = tests[sorted(tests)]
        self.tests.insert(0, "round", np.arange(len(self.tests)))
        if "accuracy" in self.tests:
            self.tests = self.tests[self.tests.accuracy.notna()].reset_index(drop=True)
        self.clients = self._read_clients(file, n)
        self.confusion = file["test/confusion"][()] if "test/confusion" in file else None
        self.labels, self.client_labels = _counts(file.get("shards/labels")), _counts(file.get("clients/labels"))
        names = file.get("test/class_names")
        self.class_names = [] if names is None else list(names.asstr(errors="replace")[:])
        self._read_summary(file.get("summary"))
        self._read_model(file.get("model"))

    @staticmethod
    def _read_clients(file: h5py.File, n: int) -> pd.DataFrame:
        who, rounds = _frame(file.get("clients"), None), _frame(file.get("rounds/clients"), n, 2)
        if len(who) == 0 or len(rounds) != n * len(who):
            return pd.DataFrame()
        who = who[sorted(who)]
        who.insert(0, "client", np.arange(len(who)))
        rows = pd.concat([pd.concat([who] * n, ignore_index=True), rounds], axis=1) if n else pd.DataFrame()
        if n:
            rows.insert(0, "round", np.repeat(np.arange(n), len(who)))
        return rows

    def _read_summary(self, group: Optional[h5py.Group]) -> None:
        self.summary = {k: float(v[()]) for k, v in (group or {}).items() if v.shape == ()}
        self.complete = self.summary.get("complete", 0) == 1
        if "is_worker" in self.machine:
            workers = self.machine[self.machine.is_worker == 1]
            for name, value in (("nodes", len(workers)), ("cores", workers.threads.sum())):
                if not np.isfinite(self.summary.get(name, np.nan)):
                    self.summary[name] = float(value)

    def _read_model(self, group: Optional[h5py.Group]) -> None:
        group = group or {}
        self.model_round = int(group["round"][()]) if "round" in group else -2
        self.model_text = _text(group["ini"][()]) if "ini" in group else ""
        self.algorithms = {k: _text(v.attrs["algorithm"]) for k, v in group.items() if "algorithm" in v.attrs}
        self.weights = {}
        if self.model_round > -2:
            self.weights = {k: v[()] for k, v in group.items() if v.dtype == np.float32}

    @property
    def case(self) -> str:
        """The case as the paper writes it, N:C; ? for what is not known."""
        return ":".join(case_number(self.summary.get(name, np.nan)) for name in ("nodes", "cores"))

    def roles(self) -> dict[int, str]:
        """What each rank is: {0: "server", 1: "worker", ...}; empty where the file does not tell."""
        machine = self.machine
        if not {"rank", "is_server", "is_worker"} <= set(machine):
            return {}
        return {int(rank): "server and worker" if server and worker else "server" if server else "worker"
                for rank, server, worker in zip(machine["rank"], machine.is_server, machine.is_worker)}

    def case_set(self, folder: Optional[PathLike] = None) -> tuple[str, str]:
        """The set of cases the run belongs to and its label, as jobs/study names files; else its folder below
        `folder`, and no label."""
        name = STUDY_NAME.fullmatch(self.path.stem)
        if name:
            return name["set"], name["label"] or ""
        if folder is not None and self.path.parent != Path(folder):
            return self.path.parent.relative_to(folder).parts[0], ""
        return "", ""


def case_number(value: float) -> str:
    """3 for 3.0, 0.75 for 0.75, ? for NaN."""
    return f"{value:g}" if np.isfinite(value) else "?"


@dataclass
class Results:
    """What `read_study` returns; every frame has a column `file`.

    runs      a row per file: file, set, label, case, nodes, cores, simulated, complete, the summary, config.*, build.*
    rounds, ranks, tests, machine     as in Run
    skipped   a row per file that could not be read: file, why
    peers     what other programs were measured to do (peers.py): a row per run and pass
    """
    runs: pd.DataFrame
    rounds: pd.DataFrame
    ranks: pd.DataFrame
    tests: pd.DataFrame
    machine: pd.DataFrame
    skipped: pd.DataFrame
    paths: dict[str, Path] = field(default_factory=dict)
    peers: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=peers.COLUMNS))

    @property
    def simulated(self) -> str:
        """By what and as which platforms the complete runs were simulated; empty: they were measured.  ValueError for some of
        either: their times do not go together."""
        done = self.runs[self.runs.complete.astype(bool)] if len(self.runs) else self.runs
        how = sorted(set(done["simulated"])) if "simulated" in done else []
        if len(how) > 1 and how[0] == "":
            raise ValueError(f"some runs were measured, others simulated: {how[1]}: take one kind at a time")
        return "; ".join(how)

    def run(self, file: str) -> Run:
        """The Run of a name in the column `file`."""
        return read_run(self.paths[file])


def files_in(path: PathLike) -> list[tuple[Path, Path]]:
    """(folder, file) of every result file in a folder and the folders in it, or of one file."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if not path.is_dir():
        return [(path.parent, path)]
    return [(path, p) for p in sorted(path.rglob("*.h5")) if not p.name.startswith(".")]


def read_run(path: PathLike) -> Run:
    """One result file.  OSError when it cannot be read, ValueError when it is none of Bramble's."""
    try:
        return Run(path)
    except (KeyError, TypeError, AttributeError, RuntimeError) as problem:
        raise ValueError(f"damaged result file: {problem}") from problem


def read_study(*where: PathLike) -> Results:
    """All result files (*.h5) in folders and the folders in them, or files, as Results; with them what folders have of peers.

    The name of a file begins in its folder; with several places, with the folder's name.  A file that cannot be
    read, or is no result file, is named in `skipped`; it is no error.  FileNotFoundError when a path does not exist.
    """
    frames: dict[str, list[pd.DataFrame]] = {name: [] for name in ("rounds", "ranks", "tests", "machine")}
    rows, skipped, paths = [], [], {}
    for folder, p in (found for path in where for found in files_in(path)):
        name = str(p.relative_to(folder if len(where) == 1 else folder.parent))
        try:
            run = read_run(p)
        except (OSError, ValueError) as problem:
            skipped.append({"file": name, "why": str(problem).split("(")[0].strip()})
            continue
        paths[name] = p
        case_set, label = run.case_set(folder)
        rows.append({"file": name, "set": case_set, "label": label, "case": run.case, "simulated": run.simulated, **run.summary,
                     "complete": run.complete, "rounds_done": len(run.rounds),
                     "model_round": run.model_round if run.weights else -2,
                     **{f"config.{k}": _number(v) for k, v in run.config.items()},
                     **{f"build.{k}": v for k, v in run.build.items()}})
        for key, list_ in frames.items():
            frame = getattr(run, key).copy()
            frame.insert(0, "file", name)
            list_.append(frame)
    others = _read_peers(where, skipped)
    runs = pd.DataFrame(rows, columns=None if rows else ["file", "set", "label", "case", "nodes", "cores", "simulated", "complete"])
    tables = {k: pd.concat(v, ignore_index=True) if v else pd.DataFrame({"file": []}) for k, v in frames.items()}
    return Results(runs, **tables, skipped=pd.DataFrame(skipped, columns=["file", "why"]), paths=paths,
                   peers=others)


def _read_peers(where: Sequence[PathLike], skipped: list[dict[str, str]]) -> pd.DataFrame:
    found = [pd.DataFrame(columns=peers.COLUMNS)]
    for path in (path for folder in map(Path, where) if folder.is_dir() for path in peers.peers_in(folder)):
        try:
            found.append(peers.read_peer(path))
        except (OSError, ValueError) as problem:
            skipped.append({"file": path.name, "why": str(problem)})
    some = [frame for frame in found if len(frame)]
    return pd.concat(some, ignore_index=True) if some else found[0]


def phases(ranks: pd.DataFrame) -> list[str]:
    """The columns of a frame of ranks that are phases, in the order of PHASES, unknown ones last."""
    return [p for p in PHASES if p in ranks] + [c for c in ranks if c.endswith("_s") and c not in PHASES]


# ---- files that HDF5 crashes over ---------------------------------------------------------------

CHECK_CPU_S, CHECK_BYTES = 120, 16 << 30


def check_files(paths: Iterable[PathLike]) -> dict[str, str]:
    """What is wrong with files that end the process that reads them: {path: why}, empty when all can be read.

    The HDF5 library crashes over some damaged files, or reads them for ever.  Here they are read in a forked process
    with limits; what it raises is an error like any other, and no concern of this function.  For programs of one
    thread.
    """
    bad: dict[str, str] = {}
    todo = [os.fspath(path) for path in paths]
    while todo:
        done, signal = _read_in_child(todo)
        if done >= len(todo):
            break
        bad[todo[done]] = f"a damaged file: reading it ends with signal {signal}"
        todo = todo[done + 1:]
    return bad


def _read_in_child(paths: Sequence[str]) -> tuple[int, int]:
    """How many files a process of its own has read before it ended, and by which signal; 0: it did not break down."""
    came, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            faulthandler.disable()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the C library's last words
            for what, limit in ((resource.RLIMIT_CPU, CHECK_CPU_S), (resource.RLIMIT_AS, CHECK_BYTES), (resource.RLIMIT_CORE, 0)):
                hard = resource.getrlimit(what)[1]
                resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
            for path in paths:
                try:
                    read_run(path)
                except Exception:  # the one who reads it next is told
                    pass
                os.write(tell, b".")
        finally:
            os._exit(0)
    os.close(tell)
    with os.fdopen(came, "rb") as pipe:
        done = len(pipe.read())
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return done, os.WTERMSIG(status)
    return len(paths), 0
