"""Unused gates: those above one threshold, whatever the threshold a run was recorded with (docs/metrics.md)."""

import numpy as np
import pandas as pd

from analysis.comparisons import finals, histories
from analysis.memo import remembered
from analysis.tidy import Tables
from lgn.gates import GATES
from lgn.metrics import ENTROPY_QUANTILES, unused_threshold


def recorded_by_it(condition: pd.DataFrame) -> pd.Series:
    """Whether the unused shares that each run recorded are those above lgn.metrics.unused_threshold()."""
    # Not equal to the last digit: another processor may round the threshold otherwise.
    return np.abs(condition["unused_threshold"] - unused_threshold()) < 1e-9


def unused_shares(tables: Tables, condition: pd.DataFrame, seeds: list[int] | None = None) -> np.ndarray:
    """(n,) share of unused neurons at the end of each run of a condition, by seed; of these seeds only, if given.

    As recorded by runs that counted by the one threshold; of others from the histograms of entropies.csv. NaN where a
    run diverged and recorded none.
    """
    ran = (condition if seeds is None else condition[condition["seed"].isin(seeds)]).sort_values("seed")
    recorded = finals(tables.history, condition, "unused_share", seeds)
    kept = recorded_by_it(ran).to_numpy() | np.isnan(recorded)
    if kept.all():
        return recorded
    counted = _above_by_layer(tables.entropies).mean(axis=1)  # layers are equally wide
    return np.where(kept, recorded, counted.reindex(ran["run_id"]).to_numpy())


def unused_by_layer(tables: Tables, condition: pd.DataFrame) -> pd.DataFrame:
    """Share of unused neurons at the end: a row a run, by run_id, and a column a layer; from entropies.csv."""
    return _above_by_layer(tables.entropies).reindex(condition["run_id"]).dropna(axis=1, how="all")


def with_unused_shares(history: pd.DataFrame, condition: pd.DataFrame) -> pd.DataFrame:
    """A condition's rows of the history, with unused_share as that above the one threshold in all of them.

    As recorded by runs that counted by it, interpolated (interpolated_shares) in those that counted by another.
    """
    ran = condition.sort_values("seed")
    parts = histories(history, condition)
    return pd.concat(
        part if kept else part.assign(unused_share=interpolated_shares(part, own))
        for part, kept, own in zip(parts, recorded_by_it(ran), ran["unused_threshold"], strict=True)
    )


def interpolated_shares(history: pd.DataFrame, own: float) -> np.ndarray:
    """(T,) share of neurons above the one threshold in each row of a run that counted by its own, in nats.

    Of the distribution of entropies a row knows five quantiles, the share above the run's own threshold, and that it
    lies between 0 and log 16; between these points it is taken for linear. NaN where a row has no entropies.
    """
    points = history[[f"entropy_q{round(100 * q):02d}" for q in ENTROPY_QUANTILES]].to_numpy(float)
    rows = len(points)
    entropy = np.column_stack([np.zeros(rows), points, np.full(rows, own), np.full(rows, np.log(GATES))])
    below = np.column_stack(
        [
            np.tile([0, *ENTROPY_QUANTILES], (rows, 1)),
            1 - history["unused_share"].to_numpy(float),
            np.ones(rows),
        ]
    )
    order = np.argsort(entropy, axis=1, kind="stable")
    entropy, below = (np.take_along_axis(values, order, 1) for values in (entropy, below))
    # The quantiles of few neurons and the share above a threshold need not agree to the last neuron.
    below = np.maximum.accumulate(below, axis=1)
    at = unused_threshold()
    return np.array([1 - np.interp(at, x, y) for x, y in zip(entropy, below, strict=True)])


@remembered
def _above_by_layer(entropies: pd.DataFrame) -> pd.DataFrame:
    """Row: run_id, column: layer; share of its neurons above the threshold at the end, bins taken for evenly filled."""
    final = entropies[entropies["moment"] == "final"]
    above = ((final["high"] - unused_threshold()) / (final["high"] - final["low"])).clip(0, 1)
    counts = pd.DataFrame({"above": above * final["count"], "count": final["count"]})
    sums = counts.groupby([final["run_id"].astype(str), final["layer"]]).sum()
    return (sums["above"] / sums["count"]).unstack("layer")
