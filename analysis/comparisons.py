"""From tidy tables to the numbers compared: curves of a condition, time to target, speed-up, gap, unused share."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import measures
from analysis.conditions import Setting, shared_seeds
from analysis.memo import remembered
from analysis.paper_values import CONVERGED_SHARE, PROPOSED
from analysis.statistics import bootstrap
from lgn.data.files import dataset_info

LEARNT_SHARE = 0.2

ROUNDING = 1e-9
"""Accuracies this near are equal: a mean of equal numbers is not always that number."""


@dataclass(frozen=True)
class Curves:
    """The seeds of one condition on one grid.

    seeds (n,). iterations (T,). accuracy (n, T): discrete test accuracy, smoothed. seconds (n, T): of training.
    """

    seeds: list[int]
    iterations: np.ndarray
    accuracy: np.ndarray
    seconds: np.ndarray

    def mean_accuracy(self, seeds: np.ndarray) -> np.ndarray:
        """(T,) mean over seed positions."""
        return self.accuracy[seeds].mean(0)

    def seconds_at(self, iterations: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Mean training seconds at iterations (...); inf stays inf."""
        seconds = np.interp(iterations, self.iterations, self.seconds[seeds].mean(0))
        return np.where(np.isinf(iterations), np.inf, seconds)


def histories(
    history: pd.DataFrame, condition: pd.DataFrame, seeds: list[int] | None = None
) -> list[pd.DataFrame]:
    """The history of each run of a condition, by seed; of these seeds only, if given."""
    places = _places(history)
    ran = zip(condition["seed"], condition["run_id"], strict=True)
    chosen = [run_id for seed, run_id in sorted(ran) if seeds is None or seed in seeds]
    return [history.iloc[places.get(run_id, slice(0, 0))] for run_id in chosen]


@remembered
def _places(history: pd.DataFrame) -> dict[str, slice | np.ndarray]:
    """run_id -> where its rows are; a slice where they stand together, as in a collected table: it copies no column."""
    places: dict[str, slice | np.ndarray] = {}
    for run_id, at in history.groupby("run_id", observed=True, sort=False).indices.items():
        together = at[-1] - at[0] == len(at) - 1
        places[run_id] = slice(at[0], at[-1] + 1) if together else at
    return places


def curves(history: pd.DataFrame, condition: pd.DataFrame, seeds: list[int] | None = None) -> Curves:
    """Smoothed curves of a condition's seeds."""
    parts = histories(history, condition, seeds)
    x = [part["iteration"].to_numpy(float) for part in parts]
    smoothed = [measures.smooth(part["test_accuracy_discrete"].to_numpy(float)) for part in parts]
    grid, accuracy = measures.align(x, smoothed)
    _, seconds = measures.align(x, [part["training_seconds"].to_numpy(float) for part in parts])
    ran = condition["seed"] if seeds is None else seeds
    return Curves(sorted(ran), grid, accuracy, seconds)


def chance(dataset: str) -> float:
    """Accuracy of guessing."""
    return 1 / dataset_info(dataset).classes


def learnt_accuracy(dataset: str) -> float:
    """Accuracy from which a net counts as having learnt: a fifth of the way from chance to perfect."""
    return chance(dataset) + LEARNT_SHARE * (1 - chance(dataset))


def best_accuracy(baseline: Curves, seeds: np.ndarray | None = None) -> float:
    """The target: highest value of the mean over seeds of the smoothed curves."""
    return float(baseline.mean_accuracy(all_seeds(baseline) if seeds is None else seeds).max())


def target(history: pd.DataFrame, setting: Setting) -> float:
    """The baseline's best accuracy, which the claims time: on the seeds that the paper's method ran too, if any."""
    baseline, proposed = setting.conditions[setting.baseline], setting.conditions.get(PROPOSED)
    shared = [] if proposed is None else shared_seeds(baseline, proposed)
    return best_accuracy(curves(history, baseline, shared or None))


def all_seeds(of: Curves) -> np.ndarray:
    """Positions of all seeds."""
    return np.arange(len(of.seeds))


def times_to(of: Curves, targets: np.ndarray, seeds: np.ndarray, unit: str) -> tuple[np.ndarray, float]:
    """When the mean curve over seeds first reaches targets (K,), inf where it never does, and where it ends.

    unit: "iterations" or "seconds" (mean training seconds at that iteration).
    """
    reached = measures.first_crossing(of.iterations, of.mean_accuracy(seeds), targets - ROUNDING)
    end = of.iterations[-1]
    if unit == "seconds":
        return of.seconds_at(reached, seeds), float(of.seconds_at(end, seeds))
    return reached, float(end)


def speed_up(
    baseline: Curves, other: Curves, unit: str, targets: np.ndarray | None = None, share: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Baseline's time over the other's to each target: (low, high, interval low, interval high), each (K,).

    low < high where one of them is censored: the ratio is then known to lie between. targets: by default the one of
    the claim, a share of the baseline's own best (1: all of it), found anew in every resample. Both must hold the same
    seeds in one order.
    """

    def bounds(seeds: np.ndarray) -> np.ndarray:
        goals = np.array([share * best_accuracy(baseline, seeds)]) if targets is None else targets
        time, end = times_to(baseline, goals, seeds, unit)
        other_time, other_end = times_to(other, goals, seeds, unit)
        return np.stack(measures.ratio_bounds(time, end, other_time, other_end))

    low, high = bounds(all_seeds(baseline))
    interval_low, interval_high = bootstrap(bounds, len(baseline.seeds))
    return low, high, interval_low[0], interval_high[1]


def runs_reaching(history: pd.DataFrame, condition: pd.DataFrame, target: float) -> int:
    """How many single runs of a condition ever reach a target with their smoothed discrete test accuracy."""
    return int((best_of_runs(history, condition) >= target - ROUNDING).sum())


def best_of_runs(history: pd.DataFrame, condition: pd.DataFrame) -> np.ndarray:
    """(n,) the highest smoothed discrete test accuracy of each run, by seed, wherever it ended."""
    return np.array(
        [
            measures.smooth(part["test_accuracy_discrete"].to_numpy(float)).max()
            for part in histories(history, condition)
        ]
    )


def iterations_to_converge(history: pd.DataFrame, condition: pd.DataFrame) -> np.ndarray:
    """(n,) iterations until each run's smoothed discrete test accuracy is within 1% of its own best, by seed.

    As the paper's Table 1 counts: at CONVERGED_SHARE of the best, linear between evaluations. NaN for a run that has
    not learnt by learnt_accuracy, whose best is luck. One that still improves at its end converges late by nature.
    """
    found = []
    for part in histories(history, condition):
        accuracy = measures.smooth(part["test_accuracy_discrete"].to_numpy(float))
        goal = np.array([CONVERGED_SHARE * accuracy.max()])
        (reached,) = measures.first_crossing(part["iteration"].to_numpy(float), accuracy, goal - ROUNDING)
        found.append(reached if accuracy.max() >= learnt_accuracy(part["dataset"].iloc[0]) else np.nan)
    return np.array(found)


def end_gaps(history: pd.DataFrame, condition: pd.DataFrame, seeds: list[int] | None = None) -> np.ndarray:
    """(n,) discretisation gap at the end of each run, by seed."""
    return np.array(
        [
            measures.end_gap(
                part["test_accuracy_train_mode"].to_numpy(), part["test_accuracy_discrete"].to_numpy()
            )
            for part in histories(history, condition, seeds)
        ]
    )


def finals(
    history: pd.DataFrame, condition: pd.DataFrame, column: str, seeds: list[int] | None = None
) -> np.ndarray:
    """(n,) last value of a history column in each run, by seed."""
    return np.array([part[column].iloc[-1] for part in histories(history, condition, seeds)], dtype=float)


def end_accuracy(history: pd.DataFrame, condition: pd.DataFrame, seeds: list[int] | None = None) -> float:
    """Train-mode test accuracy at the end, mean over seeds: by it gap and unused share say something, or not yet."""
    return float(finals(history, condition, "test_accuracy_train_mode", seeds).mean())


def has_learnt(history: pd.DataFrame, condition: pd.DataFrame, dataset: str) -> bool:
    """Whether a condition ended above learnt_accuracy, by end_accuracy."""
    return end_accuracy(history, condition) >= learnt_accuracy(dataset)


def seconds_an_iteration(
    history: pd.DataFrame, condition: pd.DataFrame, seeds: list[int] | None = None
) -> np.ndarray:
    """(n,) training seconds an iteration of each run, by seed."""
    seconds = finals(history, condition, "training_seconds", seeds)
    return seconds / finals(history, condition, "iteration", seeds)
