"""What is measured of learning curves: pure functions on arrays. A curve is x (T,) increasing and y (T,) or (n, T)."""

import math

import numpy as np
import scipy

SMOOTHING_ROWS = 3
END_SHARE, END_ROWS = 0.1, 3


def smooth(y: np.ndarray) -> np.ndarray:
    """Running median of three evaluations along the last axis (T); the first and last rows stay as they are.

    A median, since a single lucky evaluation must neither set a target nor reach it.
    """
    y = np.asarray(y, dtype=float)
    return scipy.ndimage.median_filter(y, size=(1,) * (y.ndim - 1) + (SMOOTHING_ROWS,), mode="nearest")


def align(xs: list[np.ndarray], ys: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Curves of n seeds on one grid: x (T,) and y (n, T).

    The grid is every x at which any seed was evaluated, up to where the first of them ends; linear in between.
    """
    grid = np.unique(np.concatenate(xs))
    start, end = max(x[0] for x in xs), min(x[-1] for x in xs)
    grid = grid[(grid >= start) & (grid <= end)]
    return grid, np.stack([np.interp(grid, x, y) for x, y in zip(xs, ys, strict=True)])


def first_crossing(x: np.ndarray, y: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """First x at which y reaches each target, linear between rows; inf where it never does. Shape of targets."""
    highest = np.maximum.accumulate(y)
    targets = np.asarray(targets, dtype=float)
    right = np.searchsorted(highest, targets, side="left")
    reached = right < len(y)
    right = np.minimum(right, len(y) - 1)
    left = np.maximum(right - 1, 0)
    rise = np.where(right > left, y[right] - y[left], 1.0)
    share = np.where(right > left, (targets - y[left]) / np.where(rise == 0, 1.0, rise), 0.0)
    return np.where(reached, x[left] + share * (x[right] - x[left]), np.inf)


def ratio_bounds(
    time: np.ndarray, end: float, other: np.ndarray, other_end: float
) -> tuple[np.ndarray, np.ndarray]:
    """What is known of time / other, each inf where censored at its end: (low, high), equal where both are known.

    A censored `other` took longer than other_end: the ratio is below time / other_end. A censored `time`: above
    end / other. Both: anything from 0 to inf.
    """
    time, other = np.broadcast_arrays(np.asarray(time, dtype=float), np.asarray(other, dtype=float))
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(np.isinf(other), 0.0, np.where(np.isinf(time), end, time) / other)
        high = np.where(np.isinf(time), np.inf, time / np.where(np.isinf(other), other_end, other))
    return low, high


def end_rows(rows: int) -> int:
    """How many of a curve's last rows count as its end: a tenth of them, at least three, at most all."""
    return min(rows, max(END_ROWS, math.ceil(END_SHARE * rows)))


def end_gap(train_mode: np.ndarray, discrete: np.ndarray) -> float:
    """Discretisation gap at the end of training: |mean over the last rows of train_mode (T,) - discrete (T,)|.

    The mean comes before the absolute value: train-mode accuracy of a sampled network is itself a draw, and the
    absolute values of zero-mean sampling errors would add up to a gap that is not there.
    """
    rows = end_rows(len(discrete))
    return abs(float(np.mean(train_mode[-rows:] - discrete[-rows:])))


def reduction_percent(baseline: float, other: float) -> float:
    """By how many percent `other` is below `baseline`; NaN where there is nothing to reduce."""
    return 100 * (1 - other / baseline) if baseline > 0 else math.nan
