"""What privacy a run with --clip-update and --noise has bought: epsilon, by dp-accounting of the Python package index."""
from __future__ import annotations

import logging

import pandas as pd

from .methods import n_clients


def epsilon(clients: int, drawn: int, noise: float, rounds: int, delta: float) -> tuple[float, float]:
    """Epsilon at delta after so many rounds, in each of which so many of the clients, drawn, have had a part.

    The first as if each client were drawn by itself, one added or left out, which is how papers count; the second for
    a fixed number drawn without replacement, as `--participation` does, one replaced by another: that moves the
    sum by twice the clipping length, so the noise is half as large a multiple of it.  ModuleNotFoundError without
    dp-accounting.
    """
    import dp_accounting as dp
    from dp_accounting import rdp
    each, gaussian = rdp.RdpAccountant(), dp.GaussianDpEvent(noise)
    fixed = rdp.RdpAccountant(neighboring_relation=dp.NeighboringRelation.REPLACE_ONE)
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it tells of each Renyi order that it leaves out
    try:
        each.compose(gaussian if drawn == clients else dp.PoissonSampledDpEvent(drawn / clients, gaussian), rounds)
        fixed.compose(dp.SampledWithoutReplacementDpEvent(clients, drawn, dp.GaussianDpEvent(noise / 2)), rounds)
        return float(each.get_epsilon(delta)), float(fixed.get_epsilon(delta))
    finally:
        logger.setLevel(level)


def in_round(run: pd.Series) -> tuple[int, int]:
    """How many clients there are in a run, a row of `Results.runs`, and how many of them have a part in a round."""
    n = int(n_clients(run.to_frame().T).iloc[0])
    share, least = float(run.get("config.participation", 1.0)), int(run.get("config.min-workers", 1))
    return n, max(int(share * n + 1e-9), least)


def epsilon_of(run: pd.Series, delta: float) -> tuple[float, float]:
    """Epsilon of a run, a row of `Results.runs`."""
    n, drawn = in_round(run)
    return epsilon(n, drawn, float(run["config.noise"]), int(run["rounds_done"]), delta)
