"""How sure we are: bootstrap intervals over seeds.

Seeds are the unit that is resampled. A statistic is a function of seed positions, so whatever is computed from
several methods at once (differences, ratios) resamples their shared seeds jointly.
"""

import itertools
import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import scipy  # its submodules load when used: planning a preset needs none

LEVEL = 0.95
"""Nominal coverage of every interval."""

EXACT_SEEDS = 7
"""Up to here all resamples are enumerated (7 seeds: 1,716 of them), beyond it they are drawn."""

DRAWS = 4000
_GENERATOR_SEED = 20251206


@lru_cache(maxsize=16)
def resamples(n: int) -> tuple[np.ndarray, np.ndarray]:
    """All resamples of n seeds, or DRAWS of them: indices (R, n) int and their probabilities (R,).

    The order of the seeds in a resample does not matter, so it is enumerated as a multiset with its multinomial weight.
    """
    if n > EXACT_SEEDS:
        generator = np.random.default_rng(_GENERATOR_SEED)
        return generator.integers(n, size=(DRAWS, n)), np.full(DRAWS, 1 / DRAWS)
    indices = np.array(list(itertools.combinations_with_replacement(range(n), n)))
    orders = [math.factorial(n) / math.prod(map(math.factorial, np.bincount(row))) for row in indices]
    return indices, np.array(orders) / n**n


def tail(n: int, level: float = LEVEL) -> float:
    """Probability cut from each end of the bootstrap distribution.

    A percentile interval is too narrow for few seeds: it lacks the factor sqrt(n / (n - 1)) and Student's t. The
    tail is widened for both (Hesterberg 2015, "expanded percentile interval"); it tends to (1 - level) / 2.
    """
    t = scipy.stats.t.ppf((1 + level) / 2, n - 1)
    return float(scipy.stats.norm.cdf(-math.sqrt(n / (n - 1)) * t))


def weighted_quantile(values: np.ndarray, weights: np.ndarray, q: float) -> np.ndarray:
    """Smallest of values (R, ...) along axis 0 whose cumulative weight (R,) reaches q.

    Infinite values are ordered like others; a NaN makes the quantile NaN.
    """
    order = np.argsort(values, axis=0, kind="stable")
    cumulative = np.cumsum(weights[order], axis=0)
    position = np.minimum((cumulative < q * (1 - 1e-12)).sum(0), len(weights) - 1)
    picked = np.take_along_axis(np.take_along_axis(values, order, 0), position[None], 0)[0]
    return np.where(np.isnan(values).any(0), np.nan, picked)


def interval(
    values: np.ndarray, weights: np.ndarray, n: int, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray]:
    """(low, high), each (...), of a statistic's values (R, ...) over the resamples of n seeds."""
    cut = tail(n, level)
    return weighted_quantile(values, weights, cut), weighted_quantile(values, weights, 1 - cut)


def bootstrap(statistic: Callable[[np.ndarray], float | np.ndarray], n: int, level: float = LEVEL):
    """(low, high) of statistic(seed positions (n,)) -> float or (...) array. NaN with fewer than two seeds."""
    if n < 2:
        absent = np.full_like(np.asarray(statistic(np.arange(n)), dtype=float), np.nan)
        return absent, absent.copy()
    indices, weights = resamples(n)
    values = np.array([statistic(row) for row in indices], dtype=float)
    return interval(values, weights, n, level)


def mean_interval(values: np.ndarray, level: float = LEVEL):
    """(mean, low, high), each (...), over the seeds of values (n, ...); low and high are NaN with one seed."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    mean = values.mean(0)
    if n < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    indices, weights = resamples(n)
    counts = np.array([np.bincount(row, minlength=n) for row in indices])
    means = np.tensordot(counts / n, values, axes=1)
    low, high = interval(means, weights, n, level)
    # Identical values: their mean is exact, a sum of rounded shares of them is not.
    constant = (values == values[0]).all(0)
    return (
        np.where(constant, values[0], mean),
        np.where(constant, values[0], low),
        np.where(constant, values[0], high),
    )
