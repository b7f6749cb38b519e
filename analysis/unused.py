"""Unused gates at the end of training, by one yardstick for every initialisation (docs/metrics.md)."""

import numpy as np
import pandas as pd

from analysis.comparisons import finals
from analysis.memo import remembered
from analysis.tidy import Tables

NORMAL_THRESHOLD = 1.725
"""Nats: lgn.metrics.unused_threshold of endlessly many N(0, 1) logits."""


def by_own_threshold(condition: pd.DataFrame) -> bool:
    """Whether unused gates are those above the threshold of the runs' own initialisation: logits at N(0, 1)."""
    first = condition.iloc[0]
    return first["init"] == "gaussian" and first["init_scale"] == 1


def threshold(condition: pd.DataFrame) -> float:
    """Nats: the entropy above which a neuron of these runs counts as unused, mean over seeds."""
    return float(condition["unused_threshold"].mean()) if by_own_threshold(condition) else NORMAL_THRESHOLD


def unused_shares(tables: Tables, condition: pd.DataFrame, seeds: list[int] | None = None) -> np.ndarray:
    """(n,) share of unused neurons at the end of each run of a condition, by seed; of these seeds only, if given.

    As recorded, with the threshold of the run's own initialisation, where that is the paper's N(0, 1). Others start
    with lower entropies, and by their own thresholds gates that are all but decided would count as unused: theirs is
    the share above NORMAL_THRESHOLD, from the histograms of entropies.csv, whose bins are taken for evenly filled.
    """
    if by_own_threshold(condition):
        return finals(tables.history, condition, "unused_share", seeds)
    above = _above_normal_threshold(tables.entropies)
    ran = condition if seeds is None else condition[condition["seed"].isin(seeds)]
    return above.reindex(ran.sort_values("seed")["run_id"]).to_numpy()


@remembered
def _above_normal_threshold(entropies: pd.DataFrame) -> pd.Series:
    """run_id -> share of its neurons whose entropy at the end is above NORMAL_THRESHOLD."""
    final = entropies[entropies["moment"] == "final"]
    above = ((final["high"] - NORMAL_THRESHOLD) / (final["high"] - final["low"])).clip(0, 1)
    by_run = pd.DataFrame({"above": above * final["count"], "count": final["count"]}).groupby(
        final["run_id"].astype(str)
    )
    sums = by_run.sum()
    return sums["above"] / sums["count"]
