"""Read Bramble's result files into data frames; the paper's numbers; how figures look.

    import bramble
    study = bramble.read("../results/paper-emulated")    # a folder, or one file
    study.runs                                           # a row per file
    study.rounds, study.ranks, study.tests, study.machine
    run = bramble.Run("../results/run.h5")               # one file: weights and confusion matrix too

Needs h5py and pandas, and matplotlib for `style`.  What a column means, and in which unit, is in
docs/results.md.  Columns a file does not have are NaN; columns this module does not know are read like
the others.  Incomplete runs are read as far as they came; `runs.complete` tells them apart.
"""
import re
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

# ---- reading ------------------------------------------------------------------------------------

# The phases in the order in which timelines show them: at every moment a rank is in exactly one.  average_s is
# what older files have instead of pack_s and wire_s.
PHASES = ["train_s", "input_s", "pack_s", "average_s", "wire_s", "wait_s", "serve_s", "evaluate_s", "output_s",
          "other_s"]
# How jobs/study names its files: SET-N-C-LABEL-rREPEAT.h5, the label only where a case needs one.
STUDY_NAME = re.compile(r"(?P<set>.+?)-\d+-\d+(-(?P<label>\w+))?-r(?P<repeat>\d+)")


def _text(value):
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _number(text):
    """A number where the text is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _frame(group, rows, ndim=1):
    """The columns of a group that have `rows` first dimensions, cut to the rows that count."""
    columns = {}
    for name, item in (group or {}).items():
        if not isinstance(item, h5py.Dataset) or item.ndim != ndim:
            continue
        values = item.asstr(errors="replace")[:rows] if item.dtype.kind in "OS" else item[:rows]
        columns[name] = np.asarray(values).ravel()
    return pd.DataFrame(columns)


class Run:
    """One result file.

    name          its name without folder
    config, build options and build as dicts of texts
    summary       dict of numbers; nodes and cores are there for incomplete runs too
    complete      whether the run came to its end
    machine       a row per rank: role, host, threads, cores, ...
    rounds        a row per finished round
    ranks         a row per finished round and rank
    tests         a row per evaluated round: round, accuracy, loss
    confusion     test images [true class][predicted class], or None; class_names
    weights       {"conv1.weight": array, ...}, empty when the file has none; model_text its INI file
    """

    def __init__(self, path):
        self.path, self.name = Path(path), Path(path).name
        with h5py.File(path, "r") as file:
            if _text(file.attrs.get("format", "")) != "bramble":
                raise ValueError("no result file of bramble")
            self._read(file)

    def _read(self, file):
        self.config = {k: _text(v) for k, v in file["config"].attrs.items()} if "config" in file else {}
        self.build = {k: _text(v) for k, v in file["build"].attrs.items()} if "build" in file else {}
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
        self.tests = _frame(file.get("test"), n)
        self.tests = self.tests[[c for c in ("accuracy", "loss") if c in self.tests]][:n]
        self.tests.insert(0, "round", np.arange(len(self.tests)))
        if "accuracy" in self.tests:
            self.tests = self.tests[self.tests.accuracy.notna()].reset_index(drop=True)
        self.confusion = file["test/confusion"][()] if "test/confusion" in file else None
        names = file.get("test/class_names")
        self.class_names = [] if names is None else list(names.asstr(errors="replace")[:])
        self._read_summary(file.get("summary"))
        self._read_model(file.get("model"))

    def _read_summary(self, group):
        self.summary = {k: float(v[()]) for k, v in (group or {}).items() if v.shape == ()}
        self.complete = self.summary.get("complete", 0) == 1
        if "is_worker" in self.machine:
            workers = self.machine[self.machine.is_worker == 1]
            for name, value in (("nodes", len(workers)), ("cores", workers.threads.sum())):
                if not np.isfinite(self.summary.get(name, np.nan)):
                    self.summary[name] = float(value)

    def _read_model(self, group):
        group = group or {}
        self.model_round = int(group["round"][()]) if "round" in group else -2
        self.model_text = _text(group["ini"][()]) if "ini" in group else ""
        self.weights = {}
        if self.model_round > -2:
            self.weights = {k: v[()] for k, v in group.items() if v.dtype.kind == "f"}

    @property
    def case(self):
        """The case as the paper writes it, N:C; ? for what is not known."""
        return ":".join(case_number(self.summary.get(name, np.nan)) for name in ("nodes", "cores"))

    def case_set(self, folder=None):
        """The set of cases the run belongs to and its label, as jobs/study names files; else its folder below
        `folder`, and no label."""
        name = STUDY_NAME.fullmatch(self.path.stem)
        if name:
            return name["set"], name["label"] or ""
        if folder is not None and self.path.parent != Path(folder):
            return self.path.parent.relative_to(folder).parts[0], ""
        return "", ""


def case_number(value):
    """3 for 3.0, 0.75 for 0.75, ? for NaN."""
    return f"{value:g}" if np.isfinite(value) else "?"


@dataclass
class Results:
    """What `read` returns; every frame has a column `file`.

    runs      a row per file: file, set, label, case, nodes, cores, complete, the summary, config.*, build.*
    rounds, ranks, tests, machine     as in Run
    skipped   a row per file that could not be read: file, why
    """
    runs: pd.DataFrame
    rounds: pd.DataFrame
    ranks: pd.DataFrame
    tests: pd.DataFrame
    machine: pd.DataFrame
    skipped: pd.DataFrame
    paths: dict = field(default_factory=dict)

    def run(self, file):
        """The Run of a name in the column `file`."""
        return Run(self.paths[file])


def _files(path):
    """(folder, file) of every result file in a folder and the folders in it, or of one file."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if not path.is_dir():
        return [(path.parent, path)]
    return [(path, p) for p in sorted(path.rglob("*.h5")) if not p.name.startswith(".")]


def read(*where):
    """All result files (*.h5) in folders and the folders in them, or files, as Results.

    The name of a file begins in its folder; with several places, with the folder's name.  A file that cannot be
    read, or is no result file, is named in `skipped`; it is no error.  FileNotFoundError when a path does not exist.
    """
    frames = {name: [] for name in ("rounds", "ranks", "tests", "machine")}
    rows, skipped, paths = [], [], {}
    for folder, p in (found for path in where for found in _files(path)):
        name = str(p.relative_to(folder if len(where) == 1 else folder.parent))
        try:
            run = Run(p)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            skipped.append({"file": name, "why": str(problem).split("(")[0].strip()})
            continue
        paths[name] = p
        case_set, label = run.case_set(folder)
        rows.append({"file": name, "set": case_set, "label": label, "case": run.case, **run.summary,
                     "complete": run.complete, "rounds_done": len(run.rounds),
                     "model_round": run.model_round if run.weights else -2,
                     **{f"config.{k}": _number(v) for k, v in run.config.items()},
                     **{f"build.{k}": v for k, v in run.build.items()}})
        for key, list_ in frames.items():
            frame = getattr(run, key).copy()
            frame.insert(0, "file", name)
            list_.append(frame)
    runs = pd.DataFrame(rows, columns=None if rows else ["file", "set", "label", "case", "nodes", "cores", "complete"])
    tables = {k: pd.concat(v, ignore_index=True) if v else pd.DataFrame({"file": []}) for k, v in frames.items()}
    return Results(runs, **tables, skipped=pd.DataFrame(skipped, columns=["file", "why"]), paths=paths)


def phases(ranks):
    """The columns of a frame of ranks that are phases, in the order of PHASES, unknown ones last."""
    return [p for p in PHASES if p in ranks] + [c for c in ranks if c.endswith("_s") and c not in PHASES]


# ---- the paper ----------------------------------------------------------------------------------

# The study that Bramble follows: PyTorch's tutorial CNN, CIFAR-10, Flower and Docker Swarm on four Raspberry
# Pi 4.  Means of three runs, as printed in its Table 1 (nodes) and Table 2 (cores), but for the speedup of
# 1:2, which is printed as 0.00.  Its own T and W give 0.155 for the O% of 3:6, where 0.18 is printed.
PAPER = pd.DataFrame(
    [("table1", 1, 2, 936.3, 936.3, 1.00, 0.00, 1.00, 0.56),
     ("table1", 2, 4, 478.8, 437.6, 0.91, 0.09, 1.96, 0.55),
     ("table1", 3, 6, 387.0, 327.0, 0.84, 0.18, 2.42, 0.56),
     ("table2", 3, 1, 2205.5, 1856.9, 0.84, 0.16, 1.00, 0.57),
     ("table2", 3, 2, 1247.9, 1086.4, 0.87, 0.13, 1.77, 0.56),
     ("table2", 3, 3, 815.0, 726.8, 0.89, 0.11, 2.71, 0.59),
     ("table2", 3, 4, 628.8, 561.8, 0.89, 0.11, 3.51, 0.58),
     ("table2", 3, 5, 503.2, 453.0, 0.90, 0.10, 4.38, 0.60),
     ("table2", 3, 6, 387.0, 327.0, 0.84, 0.18, 5.70, 0.61)],
    columns=["set", "nodes", "cores", "t_time_s", "w_time_s", "work_fraction", "overhead_fraction", "speedup",
             "accuracy"])
PAPER["case"] = PAPER.nodes.astype(str) + ":" + PAPER.cores.astype(str)
PAPER["o_time_s"] = PAPER.t_time_s - PAPER.w_time_s
PAPER_ACCURACY = (0.57, 0.017)  # mean and standard deviation over all its cases
PAPER_CROSSING = (4, 5)         # nodes at which, extrapolated, overhead overtakes work


# ---- figures ------------------------------------------------------------------------------------

# Okabe and Ito's colours, told apart by the colour-blind; markers and lines differ too, for print.
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
HERE = dict(color=BLUE, marker="o", linestyle="-")
THEIRS = dict(color=RED, marker="s", linestyle="--", markerfacecolor="white")
PHASE_COLOURS = {"train_s": BLUE, "input_s": SKY, "pack_s": ORANGE, "average_s": RED, "wire_s": RED, "wait_s": YELLOW,
                 "serve_s": PURPLE, "evaluate_s": GREEN, "output_s": BLACK, "other_s": "#999999"}
PHASE_HATCHES = {"wait_s": "///", "wire_s": "...", "average_s": "...", "evaluate_s": "xxx", "serve_s": "\\\\\\"}


def style():
    """Set matplotlib's defaults: white ground, thin grid, no box, series told apart without colour."""
    import matplotlib as mpl
    from cycler import cycler
    cycle = (cycler(color=[BLUE, RED, GREEN, ORANGE, PURPLE, SKY, BLACK])
             + cycler(marker=["o", "s", "^", "D", "v", "P", "X"])
             + cycler(linestyle=["-", "--", "-.", ":", "-", "--", "-."]))
    mpl.rcParams.update({
        "figure.figsize": (9, 3.6), "figure.dpi": 100, "figure.facecolor": "white", "savefig.facecolor": "white",
        "figure.constrained_layout.use": True, "axes.prop_cycle": cycle, "axes.grid": True,
        "axes.axisbelow": True, "grid.color": "#dddddd", "grid.linewidth": 0.7, "axes.spines.top": False,
        "axes.spines.right": False, "axes.titlesize": 11, "axes.titleweight": "bold", "axes.titlelocation": "left",
        "axes.labelsize": 10, "font.size": 10, "legend.frameon": False, "legend.fontsize": 9,
        "lines.markersize": 6, "lines.linewidth": 1.6, "errorbar.capsize": 3})


def whole_ticks(axis):
    """Ticks of an axis (ax.xaxis) at whole numbers only, also where it shows a single one."""
    from matplotlib.ticker import MaxNLocator
    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def label_points(ax, x, y, texts, below=False, **kwargs):
    """Write a text above (or below) each point."""
    for xi, yi, text in zip(x, y, texts):
        ax.annotate(text, (xi, yi), xytext=(0, -8 if below else 8), textcoords="offset points", ha="center",
                    va="top" if below else "bottom", fontsize=9, **kwargs)
