"""bramble-plot: figures of result files, and a page of HTML, from the command line; see docs/bramble-plot.1."""
from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import Any, Callable, Optional, Sequence

from .program import Mistake, Parser, run

SUFFIXES = (".html", ".pdf", ".png", ".svg")
OF_STUDY = ("overview", "time", "shares", "crossing", "cores", "speedup", "accuracy", "overhead", "efficiency", "scaling",
            "methods", "methods_time", "methods_bytes", "partitions", "peers", "recipes", "plan", "plan_parts")
OF_RUN = ("curves", "timeline", "confusion", "filters", "temperature", "labels")


def arguments(words: Optional[Sequence[str]]) -> argparse.Namespace:
    """The command line; Mistake where it cannot be understood."""
    parser = Parser(prog="bramble-plot", description="Draw result files of bramble: several, or folders, as a study, one as a run.",
                    epilog=f"Figures of a study: {', '.join(OF_STUDY)}. Of a run: {', '.join(OF_RUN)}.", allow_abbrev=False)
    parser.add_argument("results", nargs="+", metavar="RESULT", help="a result file, or a folder with some")
    parser.add_argument("-o", "--out", metavar="FILE", help="where to: .html, a page with everything; .pdf, every figure; .png or .svg, "
                                                            "one. Default: the RESULT's name.html, here")
    parser.add_argument("--figure", metavar="NAME", help="this figure alone; .png and .svg have the first one without it")
    parser.add_argument("--narrow", action="store_true", help="panels below one another")
    parser.add_argument("--dpi", type=int, default=150, metavar="N", help="dots per inch of a .png, 50 to 600 (150)")
    parser.add_argument("--force", action="store_true", help="replace an existing FILE")
    return parser.parse_args(words)


def check_output(args: argparse.Namespace) -> Path:
    """Where to write; what can be said against it is said before anything is read."""
    first = Path(os.path.abspath(args.results[0]))
    out = Path(args.out or f"{first.stem if first.is_file() else first.name}.html")
    if out.suffix not in SUFFIXES:
        raise Mistake(f"{out}: expected a name that ends with {', '.join(SUFFIXES)}")
    if args.figure and out.suffix == ".html":
        raise Mistake(f"--figure {args.figure}: a page has all figures: say -o FILE.png, .svg or .pdf")
    if not 50 <= args.dpi <= 600:
        raise Mistake(f"--dpi {args.dpi}: expected a whole number from 50 to 600")
    if not out.parent.is_dir():
        raise Mistake(f"{out}: there is no folder {out.parent}")
    if os.path.lexists(out) and not out.is_file():
        raise Mistake(f"{out}: is no ordinary file")
    if out.exists() and not args.force:
        raise Mistake(f"{out}: exists already: --force replaces it")
    return out


def found_files(where: Sequence[str]) -> list[Path]:
    """All result files named, and in the folders named."""
    from .files import files_in
    found = []
    for name in where:
        try:
            files = [path for _, path in files_in(name)]
        except FileNotFoundError:
            raise Mistake(f"{name}: no such file or folder") from None
        except OSError as problem:
            raise Mistake(f"{name}: {problem.strerror}") from None
        if not files:
            raise Mistake(f"{name}: no result files (*.h5) in this folder")
        found += files
    return found


def check_files(paths: Sequence[Path]) -> None:
    """Mistake for a file over which the HDF5 library would end this program."""
    from .files import check_files as check
    for path, why in check(paths).items():
        raise Mistake(f"{path}: {why}: take it away")


# ---- what is drawn ------------------------------------------------------------------------------


def run_figures(one: Any) -> dict[str, Callable[..., Any]]:
    """A run's figures by name."""
    import bramble
    return {name: partial(getattr(bramble, f"plot_{name}"), one) for name in OF_RUN}


def study_figures(results: Any) -> dict[str, Callable[..., Any]]:
    """A study's figures by name; the plan's ask the program."""
    import bramble

    from . import figures_plan
    figures = {name: partial(getattr(bramble, f"plot_{name}"), results) for name in OF_STUDY if not name.startswith("plan")}

    def plan(plot: Callable[..., Any], narrow: bool = False) -> Any:
        try:
            return plot(figures_plan.ask_plan(results), narrow=narrow)
        except figures_plan.NoPlan as why:
            raise Mistake(f"no plan: {why}") from None

    return {**figures, "plan": partial(plan, figures_plan.plot_plan), "plan_parts": partial(plan, figures_plan.plot_plan_parts)}


def chosen(figures: dict[str, Callable[..., Any]], args: argparse.Namespace, suffix: str) -> list[str]:
    """Names of the figures that go into the file."""
    if args.figure:
        if args.figure not in figures:
            raise Mistake(f"--figure {args.figure}: expected one of {', '.join(figures)}")
        return [args.figure]
    return [name for name in figures if not name.startswith("plan")] if suffix == ".pdf" else list(figures)[:1]


def write_figures(figures: dict[str, Callable[..., Any]], args: argparse.Namespace, suffix: str, to: Path) -> None:
    """The chosen figures into a file of its kind."""
    from matplotlib.backends.backend_pdf import PdfPages

    from .look import plt
    from .page import svg_of
    names = chosen(figures, args, suffix)
    if suffix == ".pdf":
        with PdfPages(to, metadata={"CreationDate": None, "Title": "Bramble"}) as pdf:
            for name in names:
                figure = figures[name](narrow=args.narrow)
                pdf.savefig(figure, bbox_inches="tight")
                plt.close(figure)
        return
    figure = figures[names[0]](narrow=args.narrow)
    if suffix == ".svg":
        to.write_bytes(svg_of(figure))
    else:
        figure.savefig(to, format="png", dpi=args.dpi, bbox_inches="tight", metadata={"Software": None})


def write(args: argparse.Namespace, paths: Sequence[Path], suffix: str, to: Path) -> None:
    """Read everything, and draw it into the file."""
    from .files import read_run, read_study
    from .page_run import run_page
    from .page_study import study_page
    title = ", ".join(Path(os.path.abspath(name)).name for name in args.results[:3]) + (", ..." if len(args.results) > 3 else "")
    if len(paths) == 1:
        one = read(read_run, paths[0])
        if suffix == ".html":
            to.write_text(run_page(one, title), encoding="utf-8")
        else:
            write_figures(run_figures(one), args, suffix, to)
        return
    for name in args.results:
        if os.path.isfile(name):
            read(read_run, Path(name))  # a file that was named is not just skipped
    results = read_study(*args.results)
    for row in results.skipped.itertuples():
        print(f"bramble-plot: {row.file}: skipped: {row.why}", file=sys.stderr)
    if not len(results.runs) or not results.runs.complete.astype(bool).any():
        raise Mistake(f"{title}: no complete run: a single file of a run that goes on can be drawn")
    try:
        _ = results.simulated
    except ValueError as problem:
        raise Mistake(f"{title}: {problem}") from None
    if suffix == ".html":
        to.write_text(study_page(results, title), encoding="utf-8")
    else:
        write_figures(study_figures(results), args, suffix, to)


def read(how: Callable[[Path], Any], path: Path) -> Any:
    """A file by a function that reads it; Mistake where it cannot be read."""
    try:
        return how(path)
    except (OSError, ValueError) as problem:
        why = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem).split("(")[0].strip()
        raise Mistake(f"{path}: {why}") from None


def plot(words: Optional[Sequence[str]]) -> None:
    """The whole program; Mistake for the user's mistakes, OSError and ImportError for the machine's."""
    args = arguments(words)
    out = check_output(args)
    paths = found_files(args.results)
    check_files(paths)
    import matplotlib
    matplotlib.use("Agg")
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # where it keeps its lists of fonts is no matter here
    handle, name = tempfile.mkstemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent)
    os.close(handle)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of letters that a font has not, and the like
            write(args, paths, out.suffix, Path(name))
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, out)
    except BaseException:
        os.unlink(name)
        raise
    print(out)


def main(words: Optional[Sequence[str]] = None) -> int:
    """Draw; the exit status."""
    return run("bramble-plot", partial(plot, words))
