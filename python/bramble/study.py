"""From runs to the study's answers: means over the repeats, fits, and verdicts in words.

A verdict is a sentence chosen by the numbers; every function that returns one has a text for each way the
numbers may come out.  T, W and O in seconds, N nodes, C cores, S speedup; shares are 0 to 1.
"""
from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

import numpy as np
import pandas as pd

from .files import Results
from .paper import PAPER, PAPER_ACCURACY, PAPER_CROSSING

ArrayLike = Any  # a list, an array, or a column
Fit = Callable[[ArrayLike, ArrayLike], "tuple[float, float]"]

MEASURES = ["t_time_s", "w_time_s", "o_time_s", "work_fraction", "overhead_fraction", "accuracy", "images_per_s"]
LIMIT = 1000       # nodes; extrapolations go no further
RESAMPLES = 1000


# ---- cases --------------------------------------------------------------------------------------

def in_set(runs: pd.DataFrame, name: str) -> pd.DataFrame:
    """The runs of a case set, such as jobs/cases/table1.ini, table2, strong, weak, averaging."""
    return runs[runs["set"] == name]


def of_table(runs: pd.DataFrame, name: str) -> pd.DataFrame:
    """The complete runs for the paper's table1 or table2.

    By case set; a case of the paper's that has no run there is taken by its N:C from the other table's set, or
    from any run when no set has a name.
    """
    runs = runs[runs.complete.astype(bool)]
    named = pd.concat([in_set(runs, "table1"), in_set(runs, "table2")])
    own, pool = in_set(runs, name), (named if len(named) else runs)
    wanted = set(PAPER[PAPER["set"] == name].case) - set(own.case)
    return pd.concat([own, pool[pool.case.isin(wanted)]])


def cases(runs: pd.DataFrame, base: Optional[str] = None, by: Sequence[str] = ("nodes", "cores")) -> pd.DataFrame:
    """A row per case, with mean and sd (NAME_sd) over its repeats, and the speedup over the base case.

    base: the case "N:C" with speedup 1; without it the one with the fewest cores, then nodes.  The numbers are
    those of `bramble report`: an sd is the sample standard deviation over the repeats; the speedup is the ratio of
    the mean times, as in the paper, its sd that of T_time(base) / T_time(repeat); W% and O% follow from the mean
    times.
    """
    kinds = set(runs["simulated"]) if "simulated" in runs else set()
    if len(kinds) > 1:
        raise ValueError(f"runs of {len(kinds)} kinds, simulated as {' and as '.join(sorted(k for k in kinds if k))}"
                         f"{', and measured' if '' in kinds else ''}: their times make no case together")
    have = [m for m in MEASURES if m in runs]
    if runs.empty or not have:
        both = [name + sd for name in [*MEASURES, "speedup"] for sd in ("", "_sd")]
        columns: dict[str, Any] = {name: np.array([]) for name in [*by, "repeats", *both]}
        return pd.DataFrame({"case": [], **columns})
    runs = runs.assign(inverse=1 / runs.t_time_s)
    groups = runs.groupby(list(by))[[*have, "inverse"]]
    table = groups.mean().join(groups.std(ddof=1).add_suffix("_sd"))
    table["repeats"] = groups.size()
    table = table.reset_index()
    if "case" not in table:
        table.insert(0, "case", [f"{n:g}:{c:g}" for n, c in zip(table.nodes, table.cores)])
    table = table.sort_values(["cores", "nodes"]).reset_index(drop=True)
    first = table[table.case == base].head(1) if base in set(table.case) else table.head(1)
    t0 = first.t_time_s.iloc[0]
    table["speedup"] = t0 / table.t_time_s
    table["speedup_sd"] = t0 * table.inverse_sd
    table = table.drop(columns=["inverse", "inverse_sd"])
    if "w_time_s" in table:
        table["o_time_s"] = table.t_time_s - table.w_time_s
        table["work_fraction"] = table.w_time_s / table.t_time_s
        table["overhead_fraction"] = table.o_time_s / table.t_time_s
    table.attrs["base"] = first.case.iloc[0]
    return table


def plus_minus(mean: float, sd: float, digits: int, scale: float = 1.0) -> str:
    """12.3 ± 0.4; without ± for a single run; a dash for what is not known."""
    if not np.isfinite(mean):
        return "–"
    text = f"{mean * scale:.{digits}f}"
    return text + (f" ± {sd * scale:.{digits}f}" if np.isfinite(sd) else "")


def over_repeats(groups: Any, columns: list[str]) -> pd.DataFrame:
    """A row per group of a groupby: means of columns and of accuracy, and low and high, its lowest and highest."""
    means = groups[[*columns, "accuracy"]].mean()
    return means.assign(low=groups.accuracy.min(), high=groups.accuracy.max()).reset_index()


def beside_paper(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The paper's table `name`: each of its columns here (mean ± sd of the repeats) and in the paper."""
    paper = PAPER[PAPER["set"] == name].set_index("case")
    here = table.set_index("case")
    columns = [("T_time, s", "t_time_s", 1, 1), ("W_time, s", "w_time_s", 1, 1), ("W%", "work_fraction", 1, 100),
               ("O%", "overhead_fraction", 1, 100), ("S", "speedup", 2, 1), ("Acc, %", "accuracy", 1, 100)]
    rows = list(paper.index) + [case for case in here.index if case not in paper.index]
    out = pd.DataFrame(index=pd.Index(rows, name="N:C"))
    out[("runs", "here")] = [str(here.repeats.get(case, 0)) for case in rows]
    for title, column, digits, scale in columns:
        digits_here = digits + 1 if column == "t_time_s" or column == "w_time_s" else digits
        out[(title, "here")] = [plus_minus(here[column].get(case, np.nan), here[column + "_sd"].get(case, np.nan),
                                           digits_here, scale) for case in rows]
        out[(title, "paper")] = [plus_minus(paper[column].get(case, np.nan), np.nan,
                                            0 if scale == 100 else digits, scale) for case in rows]
    out.columns = pd.MultiIndex.from_tuples(out.columns)
    return out


PARTS = {"o_pack_s": "pack", "o_wire_s": "wire", "o_wait_s": "wait", "o_serve_s": "server", "o_other_s": "other"}
PARTS_OF_OLD = {"average_s": "average", "wait_s": "wait"}


def overhead_parts(results: Results, runs: pd.DataFrame) -> pd.DataFrame:
    """A row per run, by file: the parts of its overhead in seconds, mean over the workers; they add up to o_time_s.

    pack: sums and conversions of the average; wire: in MPI; wait: for the slowest worker; server: for the server;
    other: the rest.  Files that do not tell have average (pack and wire), wait and other, from their phases.
    """
    runs = runs.set_index("file")
    if set(PARTS) <= set(runs) and runs[list(PARTS)].notna().all(axis=None):
        return runs[list(PARTS)].rename(columns=PARTS)
    workers = results.machine[results.machine.is_worker == 1][["file", "rank"]]
    ranks = results.ranks.merge(workers, on=["file", "rank"])
    if "average_s" not in ranks and {"pack_s", "wire_s"} <= set(ranks):
        ranks["average_s"] = ranks.pack_s + ranks.wire_s
    have = [p for p in PARTS_OF_OLD if p in ranks]
    sums = ranks[ranks.file.isin(runs.index)].groupby(["file", "rank"])[have].sum().groupby("file").mean()
    parts = sums.rename(columns=PARTS_OF_OLD)
    parts["other"] = runs.o_time_s - parts.sum(axis=1)
    return parts


def karp_flatt(speedup: ArrayLike, p: ArrayLike) -> np.ndarray:
    """The serial fraction that explains the speedup on p times the base: (1/S - 1/p) / (1 - 1/p); NaN for p = 1."""
    speedup, p = np.asarray(speedup, float), np.asarray(p, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 1, (1 / speedup - 1 / p) / (1 - 1 / p), np.nan)


# ---- fits ---------------------------------------------------------------------------------------

def fit_linear(x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """y = a + b x by least squares: (a, b)."""
    b, a = np.polyfit(x, y, 1)
    return a, b


def fit_exponential(x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """y = a exp(-b x) by least squares on log y: (a, b)."""
    slope, a = np.polyfit(x, np.log(y), 1)
    return np.exp(a), -slope


def fit_power(x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """y = a x^-b by least squares on log x, log y: (a, b)."""
    slope, a = np.polyfit(np.log(x), np.log(y), 1)
    return np.exp(a), -slope


def r_squared(y: ArrayLike, fitted: ArrayLike) -> float:
    """Share of the variance of y that the fit explains."""
    y = np.asarray(y, float)
    return 1 - ((y - fitted) ** 2).sum() / ((y - y.mean()) ** 2).sum()


NODES = np.arange(1, LIMIT + 1, dtype=float)


def crossing(n: ArrayLike, w: ArrayLike, o: ArrayLike, work: Fit = fit_power) -> float:
    """The first whole number of nodes at which a line through O(N) is at or above the fitted W(N); inf: up to
    LIMIT nodes never."""
    a, b = work(n, w)
    with np.errstate(over="ignore"):  # work that grows with N: infinite is large enough
        work_at = a * NODES ** -b if work is fit_power else a * np.exp(-b * NODES)
    c, d = fit_linear(n, o)
    above = np.flatnonzero(c + d * NODES >= work_at)
    return NODES[above[0]] if len(above) else np.inf


def crossings(runs: pd.DataFrame, work: Fit = fit_power, seed: int = 1) -> np.ndarray:
    """`crossing` for RESAMPLES draws of the repeats of each N, with replacement: an array, inf where never."""
    draw = np.random.default_rng(seed)
    groups = [(n, g.w_time_s.to_numpy(), g.o_time_s.to_numpy()) for n, g in runs.groupby("nodes")]
    n = np.array([n for n, *_ in groups], float)
    found = np.empty(RESAMPLES)
    for k in range(RESAMPLES):
        at = [draw.integers(len(w), size=len(w)) for _, w, _ in groups]
        means = [(w[i].mean(), o[i].mean()) for (_, w, o), i in zip(groups, at)]
        w, o = np.array(means).T
        found[k] = crossing(n, w, o, work)
    return found


# ---- verdicts -----------------------------------------------------------------------------------

def line_text(a: float, b: float, factor: str) -> str:
    """a + b x as a text, with seconds and true minus signs: 1730 s − 276 s · C for factor " · C"."""
    a, b, sign = *(f"{v:.0f}" if abs(v) >= 100 else f"{v:.3g}" for v in (a, abs(b))), "−" if b < 0 else "+"
    return f"{a} s {sign} {b} s{factor}".replace("-", "−")


def percent(share: float, digits: int = 1) -> str:
    """12.3 % for 0.123."""
    return f"{100 * share:.{digits}f} %"


def speedup_spread(table: pd.DataFrame) -> float:
    """The sd of the last case's speedup when the base case varies too; 0 where nothing is known."""
    first, last = table.iloc[0], table.iloc[-1]
    of_base = 0.0 if np.isnan(first.speedup_sd) else first.speedup_sd / first.speedup
    of_last = 0.0 if np.isnan(last.speedup_sd) else last.speedup_sd / last.speedup
    return last.speedup * np.hypot(of_base, of_last)


def compare(here: float, paper: float, tolerance: float) -> int:
    """-1, 0 or 1: here is below, within `tolerance` of, or above the paper."""
    return 0 if abs(here - paper) <= tolerance else int(np.sign(here - paper))


def verdict_speedup(table: pd.DataFrame, name: str) -> str:
    """The speedup of a table's last case over its base, beside the paper's and the ideal."""
    paper = PAPER[PAPER["set"] == name].set_index("case")
    what = "nodes" if name == "table1" else "cores"
    both = [case for case in table.case if case in paper.index]
    base = table.attrs.get("base")
    if len(both) < 2 or base != paper.index[0]:
        return (f"No verdict: it takes complete runs of {paper.index[0]} and of another case of this table.")
    last, first = table.set_index("case").loc[both[-1]], table.set_index("case").loc[base]
    ideal, theirs = last[what] / first[what], paper.speedup[both[-1]]
    s, sd = last.speedup, speedup_spread(table.set_index("case").loc[[base, both[-1]]])
    numbers = (f"From {base} to {both[-1]} training here became {plus_minus(s, last.speedup_sd, 2)} times as fast, "
               f"{percent(s / ideal, 0)} of the ideal {ideal:g}; in the paper {theirs:.2f} times, "
               f"{percent(theirs / ideal, 0)}.")
    word = {1: f"**Adding {what} pays more here than in the paper.**",
            0: f"**Adding {what} pays as much here as in the paper.**",
            -1: f"**Adding {what} pays less here than in the paper.**"}[compare(s, theirs, max(2 * sd, 0.02 * theirs))]
    more = ("The speedup is more than ideal, which training alone cannot explain: look at how the cases were run "
            "(caches, clock, binding)." if s > ideal * 1.02 + 2 * sd else "")
    return " ".join(filter(None, [word, numbers, more]))


def verdict_overhead(table: pd.DataFrame) -> str:
    """Whether overhead grows with the nodes, and how large it is at the most nodes."""
    if table.nodes.nunique() < 2:
        return "No verdict: it takes runs on two numbers of nodes."
    first, last = table.iloc[table.nodes.argmin()], table.iloc[table.nodes.argmax()]
    paper = PAPER[(PAPER["set"] == "table1") & (PAPER.nodes == last.nodes)]
    sd = np.nan_to_num(np.hypot(first.overhead_fraction_sd, last.overhead_fraction_sd))
    grows = compare(last.overhead_fraction, first.overhead_fraction, max(2 * sd, 0.001))
    word = {1: "**Overhead grows with the nodes here too.**" if len(paper) else "**Overhead grows with the nodes.**",
            0: "**Overhead does not grow with the nodes here,** within the spread of the repeats.",
            -1: "**Overhead shrinks with the nodes here.**"}[grows]
    numbers = (f"O% goes from {percent(first.overhead_fraction)} at N = {first.nodes:g} to "
               f"{percent(last.overhead_fraction)} at N = {last.nodes:g}")
    if paper.empty:
        return f"{word} {numbers}."
    theirs, mine = paper.overhead_fraction.iloc[0], last.overhead_fraction
    how = ("nothing that can be measured" if mine <= 0 else f"{theirs / mine:.0f} times less" if mine < theirs / 1.5
           else f"{mine / theirs:.1f} times as much" if mine > theirs * 1.5 else "about as much")
    return f"{word} {numbers}, where the paper printed {percent(theirs, 0)}: {how}."


def verdict_crossing(found: np.ndarray, most: float) -> str:
    """Where overhead overtakes work, from `crossings`; most: the largest N that was measured."""
    low, middle, high = np.quantile(found, [0.05, 0.5, 0.95], method="lower")
    low_paper, high_paper = PAPER_CROSSING
    theirs = f"the paper put it at {low_paper} to {high_paper}"
    if not np.isfinite(middle):
        never = np.mean(~np.isfinite(found))
        where = (f"in {percent(never, 0)} of the resampled fits never up to {LIMIT} nodes, in 95 % of them not "
                 f"before {low:g}" if np.isfinite(low) else f"not up to {LIMIT} nodes in 95 % of the resampled fits")
        return (f"**Overhead overtakes work beyond {min(low, LIMIT):g} nodes, if ever:** {where}; {theirs}. "
                f"Measured were up to {most:g} nodes.")
    upper = f"{high:g}" if np.isfinite(high) else f"more than {LIMIT}"
    word = (f"**Overhead overtakes work at about {middle:g} nodes, later than in the paper:**"
            if low > high_paper else
            f"**Overhead overtakes work at about {middle:g} nodes, earlier than in the paper:**"
            if high < low_paper else
            f"**Overhead overtakes work at about {middle:g} nodes, as in the paper:**")
    far = (f" That is {middle / most:.0f} times as many as were measured: an extrapolation to be taken lightly."
           if middle > 3 * most else "")
    lie = (f"90 % of the resampled fits lie between {low:g} and {upper}" if low < high else
           "all resampled fits agree, as they must without repeats or with hardly any spread")
    return f"{word} {lie}; {theirs}.{far}"


def verdict_curve(x: ArrayLike, t: ArrayLike) -> tuple[str, dict[str, tuple[Callable, str, float]]]:
    """Which of a line, an exponential and a + b/C describes T over C best: (text, fits).

    fits: {name: (function of C, formula, R squared)}.
    """
    x, t = np.asarray(x, float), np.asarray(t, float)
    a, b = fit_linear(x, t)
    c, d = fit_exponential(x, t)
    e, f = fit_linear(1 / x, t)
    curves: dict[str, tuple[Callable, str]] = {
        "linear": (lambda C: a + b * C, f"T = {line_text(a, b, ' · C')}"),
        "exponential": (lambda C: c * np.exp(-d * C), f"T = {c:.4g} s · exp(−{d:.3g} C)"),
        "a + b/C": (lambda C: e + f / C, f"T = {line_text(e, f, ' / C')}")}
    fits = {name: (g, formula, r_squared(t, g(x))) for name, (g, formula) in curves.items()}
    best = max(fits, key=lambda name: fits[name][2])
    numbers = ", ".join(f"{name} R² = {fit[2]:.3f}" for name, fit in fits.items())
    text = {"linear": "a straight line: every core takes away the same time, which cannot go on",
            "exponential": "an exponential: every core takes away the same share of the time",
            "a + b/C": "a + b/C: work that divides by the cores, and a rest that does not"}[best]
    return f"best described by {text} ({numbers})", fits


def verdict_nodes_or_cores(nodes: pd.DataFrame, cores: pd.DataFrame) -> str:
    """Whether nodes or cores give more speedup for what they multiply; both are tables from `cases`."""
    if len(nodes) < 2 or len(cores) < 2:
        return "No verdict: it takes both tables."
    last_n, last_c = nodes.iloc[-1], cores.iloc[-1]
    p_n, p_c = last_n.nodes / nodes.iloc[0].nodes, last_c.cores / cores.iloc[0].cores
    e_n, e_c = last_n.speedup / p_n, last_c.speedup / p_c
    sd = np.hypot(speedup_spread(nodes) / p_n, speedup_spread(cores) / p_c)
    word = {1: "**For what they multiply, nodes give more speedup than cores here, unlike in the paper.**",
            0: "**Nodes give as much speedup as cores here, for what they multiply;** in the paper cores gave more.",
            -1: "**Cores give more speedup than nodes for what they multiply, as in the paper.**"
            }[compare(e_n, e_c, max(2 * sd, 0.02))]
    return (f"{word} {p_n:g} times the nodes: {last_n.speedup:.2f} times as fast ({percent(e_n, 0)}); {p_c:g} times the "
            f"cores: {last_c.speedup:.2f} times ({percent(e_c, 0)}). In the paper 2.42 of 3 (81 %) and 5.70 of 6 (95 %).")


def change_of_accuracy(table: pd.DataFrame) -> int:
    """-1, 0 or 1: the last case's accuracy is below, within the spread of the repeats of, or above the first's."""
    first, last = table.iloc[0], table.iloc[-1]
    sd = np.nan_to_num(np.hypot(first.accuracy_sd, last.accuracy_sd))
    return compare(last.accuracy, first.accuracy, max(2 * sd, 0.005))


def accuracies_text(table: pd.DataFrame, what: str) -> str:
    """65.7 ± 0.9, 62.3 ± 0.2 % with 1, 2 nodes; of many cases the lowest and the highest."""
    if len(table) > 3:
        low, high = 100 * table.accuracy.min(), 100 * table.accuracy.max()
        many = f"{low:.1f} % with" if high - low < 0.05 else f"{low:.1f} to {high:.1f} % with"
        return f"{many} {table[what].min():g} to {table[what].max():g} {what}"
    numbers = ", ".join(plus_minus(row.accuracy, row.accuracy_sd, 1, 100) for row in table.itertuples())
    return f"{numbers} % with {', '.join(f'{v:g}' for v in table[what])} {what}"


def steps_in_sequence(results: Results) -> pd.Series:
    """Steps one after the other in each run, by file: those of a worker, mean over the workers."""
    workers = results.machine[results.machine.is_worker == 1][["file", "rank"]]
    ranks = results.ranks.merge(workers, on=["file", "rank"])
    return ranks.groupby(["file", "rank"]).steps.sum().groupby("file").mean()


def why_accuracy(steps: Sequence[float]) -> str:
    """Why nodes cost accuracy; steps: in sequence, of the first and the last number of nodes."""
    first, last = steps
    if not last < 0.95 * first:
        return "The steps one after the other are as many, so the reason is another."
    return (f"The reason: each node trains on its share of the images, so a run takes {last:,.0f} steps one after the "
            f"other instead of {first:,.0f}, and an average of {first / last:.0f} models is not worth {first / last:.0f} "
            "times the steps.")


def verdict_accuracy(nodes: pd.DataFrame, cores: pd.DataFrame, steps: Optional[Sequence[float]] = None) -> str:
    """Whether nodes, or cores, cost accuracy; and where all cases lie beside the paper's 57 ± 1.7 %.

    nodes, cores: tables from `cases`; steps: in sequence, of the first and the last case of nodes, when known.
    """
    said, numbers = [], []
    for table, what in ((nodes, "nodes"), (cores, "cores")):
        table = table[table.accuracy.notna()]
        if table[what].nunique() > 1:
            change = change_of_accuracy(table)
            said.append(f"{what} {({-1: 'cost accuracy', 0: 'cost no accuracy', 1: 'add accuracy'})[change]}")
            numbers.append(accuracies_text(table, what))
            if what == "nodes" and change < 0 and steps is not None:
                numbers[-1] += ". " + why_accuracy(steps).rstrip(".")
    word = f"**{', '.join(said).capitalize()} here.** {'. '.join(numbers)}." if said else \
        "No verdict: it takes two numbers of nodes, or of cores."
    return f"{word} {beside_paper_accuracy(pd.concat([nodes, cores]).drop_duplicates('case'))}"


def beside_paper_accuracy(table: pd.DataFrame) -> str:
    """Where the accuracies of the cases lie beside the paper's 57 ± 1.7 %."""
    mean, sd = PAPER_ACCURACY
    known = table[table.accuracy.notna()]
    if known.empty:
        return "No run tells its accuracy."
    low, high = known.accuracy.min(), known.accuracy.max()
    below, above = (known.accuracy < mean - sd).sum(), (known.accuracy > mean + sd).sum()
    n = len(known)
    word = ("Every case is within the paper's 57 ± 1.7 %." if below + above == 0 else
            "Every case is above the paper's 57 ± 1.7 %." if above == n else
            "Every case is below the paper's 57 ± 1.7 %." if below == n else
            f"No case is below the paper's 57 ± 1.7 %, {above} of {n} are above it." if below == 0 else
            f"{below} of {n} cases are below the paper's 57 ± 1.7 %, {above} above it.")
    goal = ("All reach 57 %." if low >= mean else f"{(known.accuracy < mean).sum()} of {n} miss 57 %.")
    where = (f"They lie between {percent(low)} and {percent(high)}." if n > 1 else f"The only one has {percent(low)}.")
    return f"{word} {where} {goal}"


def verdict_parts(parts: pd.Series) -> str:
    """Which part of the overhead is the largest; parts: a series of seconds, one case."""
    total = parts.sum()
    if not total > 0:
        return "There is no overhead to divide."
    largest = parts.sort_values(ascending=False)
    return (f"**The largest part of the overhead is {largest.index[0]}, {percent(largest.iloc[0] / total, 0)} of it;** "
            f"then {largest.index[1]}, {percent(largest.iloc[1] / total, 0)}.")


def verdict_serial(p: ArrayLike, fraction: ArrayLike) -> str:
    """What the Karp-Flatt fraction says when it grows, stays or shrinks with p."""
    p, fraction = np.asarray(p, float), np.asarray(fraction, float)
    known = np.isfinite(fraction)
    if known.sum() < 2:
        return "No verdict: it takes three sizes."
    first, last = fraction[known][0], fraction[known][-1]
    change = compare(last, first, max(0.005, 0.2 * abs(first)))
    return {1: "it grows: what limits the speedup is overhead that comes with size, not a fixed serial part",
            0: "it stays about the same: a fixed serial part limits the speedup, or nothing does",
            -1: "it shrinks: the smaller sizes have a cost of their own that does not come with size"}[change] + (
        f" (from {first:.3f} at {p[known][0]:g} to {last:.3f} at {p[known][-1]:g} times the base).")
