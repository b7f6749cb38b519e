"""Thermometer encoding: each channel value becomes bits `value > threshold`, for rising thresholds."""

import numpy as np

from lgn.arrays import as_pixels
from lgn.data.catalog import DatasetInfo
from lgn.errors import LgnError


def thresholds(info: DatasetInfo, count: int, placement: str, train_images: np.ndarray) -> np.ndarray:
    """(count, pixels) uint8 thresholds, rising along the first axis, the same for all pixels of a channel.

    `uniform`: equally spaced over the value range; bit i is value / max_value > (i + 1) / (count + 1), i = 0..count - 1
    (the paper's pixel > (i + 1) / 32 for count = 31). `quantile`: equally spaced quantiles of the channel's positive
    values in train_images (n, pixels) uint8. Raises LgnError for another placement, or a channel without such values.
    """
    if placement == "uniform":
        levels = np.tile(uniform_levels(info.max_value, count), (info.channels, 1))
    elif placement == "quantile":
        by_channel = train_images.reshape(len(train_images), info.channels, -1)
        levels = np.array(
            [quantile_levels(by_channel[:, c], info.max_value, count) for c in range(info.channels)]
        )
    else:
        raise LgnError(f"threshold_placement: {placement!r} is unknown; allowed: uniform, quantile")
    return np.repeat(levels.T, info.rows * info.columns, axis=1).astype(np.uint8)


def uniform_levels(max_value: int, count: int) -> np.ndarray:
    """(count,) integers t: value > t if and only if value / max_value > (i + 1) / (count + 1), in exact arithmetic."""
    # For an integer value, value > x if and only if value > floor(x).
    return max_value * np.arange(1, count + 1) // (count + 1)


def quantile_levels(values: np.ndarray, max_value: int, count: int) -> np.ndarray:
    """(count,) integers: quantiles (i + 1) / (count + 1) of the positive values.

    At most max_value - 1, so that no bit is always 0. Skewed values can repeat a level. Raises LgnError if no value is
    positive.
    """
    # In parts, because bincount converts its input to int64.
    counts = [np.bincount(part.ravel(), minlength=max_value + 1) for part in np.array_split(values, 64)]
    below = np.append(0, np.cumsum(np.sum(counts, 0)[1:]))
    if below[-1] == 0:
        raise LgnError(
            "threshold_placement: quantile needs positive values, a channel of the training images has none"
        )
    levels = np.searchsorted(below * (count + 1), below[-1] * np.arange(1, count + 1))
    return np.minimum(levels, max_value - 1)


def encode(images, thresholds):
    """(n, count * pixels) bool bits of images (n, pixels) uint8 under thresholds (count, pixels) uint8.

    Both are NumPy arrays, or both are torch tensors on one device; so are the bits.
    Bit threshold * pixels + pixel: threshold varies slowest, then channel, row, column, as in the paper's code.
    Raises LgnError for images of other shapes, and for values that are not integers from 0 to 255.
    """
    images = as_pixels(images, thresholds.shape[1], "images")
    return (images[:, None, :] > thresholds[None]).reshape(
        len(images), thresholds.shape[0] * thresholds.shape[1]
    )
