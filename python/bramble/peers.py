"""What other programs were measured to do, from small JSON files beside the result files: accuracy over time.

A file is an object: format "bramble peer", program, version, processor, instructions, threads, command, recipe (an object),
about, and runs, a list of objects with seed, t_s (seconds of training until the end of each pass) and accuracy (0 to 1).
bench/training.py writes them.
"""
from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

MOST_BYTES = 1 << 20
COLUMNS = ["file", "program", "version", "processor", "instructions", "threads", "seed", "passes", "t_s", "accuracy"]


def _text(value: Any) -> str:
    if not isinstance(value, (str, int)):
        raise TypeError("expected a text")
    return str(value)


def _rows(name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    about = {key: _text(data[key]) for key in ("program", "version", "processor", "instructions", "threads")}
    rows: list[dict[str, Any]] = []
    for run in data["runs"]:
        if len(run["t_s"]) != len(run["accuracy"]):
            raise ValueError("as many seconds as accuracies are expected")
        rows += [{"file": name, **about, "seed": int(run["seed"]), "passes": k, "t_s": float(t), "accuracy": float(accuracy)}
                 for k, (t, accuracy) in enumerate(zip(run["t_s"], run["accuracy"]), 1)]
    if not all(0 <= row["t_s"] < math.inf and 0 <= row["accuracy"] <= 1 for row in rows):
        raise ValueError("seconds from 0 and accuracies from 0 to 1 are expected")
    return rows


def read_peer(path: Path, name: str = "") -> pd.DataFrame:
    """A row per run and pass; empty for JSON that is no such file.  ValueError for one that is damaged."""
    if path.stat().st_size > MOST_BYTES:
        return pd.DataFrame(columns=COLUMNS)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return pd.DataFrame(columns=COLUMNS)
    if not isinstance(data, dict) or data.get("format") != "bramble peer":
        return pd.DataFrame(columns=COLUMNS)
    try:
        return pd.DataFrame(_rows(name or path.name, data), columns=COLUMNS)
    except (KeyError, TypeError, ValueError, OverflowError) as problem:
        raise ValueError(f"a damaged file of another program's runs: {problem}") from None


def peers_in(folder: Path) -> list[Path]:
    """The JSON files of a folder and the folders in it."""
    return [path for path in sorted(folder.rglob("*.json")) if path.is_file() and not path.name.startswith(".")]
