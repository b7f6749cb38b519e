"""Encodes tables as bits: numbers by thermometer, words one-hot, a column of two values as one bit."""

from pathlib import Path

import numpy as np

from lgn.data.catalog import DatasetInfo
from lgn.data.splits import Split
from lgn.errors import LgnError


def code_columns(
    path: Path, names: list[str], train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[int | None, ...]]:
    """(training, test, bits): the rows as (n, columns) float64, and each column's number of bits (None: numbers).

    Numbers with more than two values stay as they are. With two values, 1 means above the smaller one. Words are
    numbered in sorted order; -1 is a word that no training row has. The training rows define all of this. Raises
    LgnError for a cell that is empty or not finite, and for a column that mixes numbers and words.
    """
    coded = [_code(f"{path}: column {name}", train[:, c], test[:, c]) for c, name in enumerate(names)]
    rows = np.stack([values for values, _ in coded], axis=1).astype(np.float64)
    return rows[: len(train)], rows[len(train) :], tuple(bits for _, bits in coded)


def _code(where: str, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, int | None]:
    values = _numbers_or_words(where, np.concatenate((train, test)))
    found = np.unique(values[: len(train)])
    if values.dtype.kind == "U":
        places = np.minimum(np.searchsorted(found, values), len(found) - 1)
        return np.where(found[places] == values, places, -1), len(found) if len(found) > 2 else len(found) - 1
    return (values, None) if len(found) > 2 else (values > found[0], len(found) - 1)


def _numbers_or_words(where: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "biufU":
        raise LgnError(f"{where}: is {values.dtype}; allowed: numbers or words")
    if values.dtype.kind == "U":
        numbers = [is_number(word) for word in values]
        if "" in values:
            raise LgnError(
                f"{where}: has an empty cell; allowed: numbers, or words, such as one for a missing value"
            )
        if any(numbers) and not all(numbers):
            number, word = (str(values[numbers.index(kind)]) for kind in (True, False))
            raise LgnError(f"{where}: has {number!r} and {word!r}; allowed: all numbers, or all words")
        if not any(numbers):
            return values
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise LgnError(f"{where}: has {values[~np.isfinite(values)][0]}; allowed: finite numbers")
    return values


def code_labels(path: Path, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels, integers or words, as (n,) int64 from 0 on, in the sorted order of the training labels.

    Raises LgnError for other labels, for a single class, and for a test label that is not a training label.
    """
    sizes = [len(labels) if labels.ndim else 0 for labels in (train, test)]
    if [labels.size for labels in (train, test)] != sizes:
        raise LgnError(f"{path}: labels have shapes {train.shape} and {test.shape}; expected (n,) each")
    where = f"{path}: labels"
    values = _numbers_or_words(where, np.concatenate((train.reshape(-1), test.reshape(-1))))
    if values.dtype.kind == "f" and (values != np.rint(values)).any():
        raise LgnError(
            f"{where}: have {values[values != np.rint(values)][0]:g}; allowed: whole numbers or words"
        )
    classes = np.unique(values[: len(train)])
    if len(classes) < 2:
        raise LgnError(f"{where}: are of {len(classes)} class; allowed: at least two")
    places = np.searchsorted(classes, values)
    if len(unknown := np.setdiff1d(values[len(train) :], classes)):
        raise LgnError(f"{where}: {unknown[0]} of the test is no training label")
    return places[: len(train)].astype(np.int64), places[len(train) :].astype(np.int64)


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def column_levels(values: np.ndarray, count: int, placement: str) -> np.ndarray:
    """(count,) rising thresholds for a column of numbers (n,), for example of the training split.

    `quantile`: quantiles (i + 1) / (count + 1), below the largest value, so that no bit is always 0; a frequent value
    can occur twice. `uniform`: equally spaced between the smallest and the largest value.
    """
    parts = np.arange(1, count + 1)
    ordered = np.sort(values)
    if placement == "uniform":
        return ordered[0] + (ordered[-1] - ordered[0]) * parts / (count + 1)
    levels = ordered[-(-parts * len(ordered) // (count + 1)) - 1]
    return np.minimum(levels, ordered[np.searchsorted(ordered, ordered[-1]) - 1])


def encode_table(info: DatasetInfo, count: int, placement: str, train: Split, *splits: Split) -> list[Split]:
    """Splits of bits (n, info.inputs(count)) uint8; a column's bits are adjacent. Thresholds come from train."""
    levels = [
        column_levels(train.images[:, c], count, placement) if bits is None else np.arange(bits)
        for c, bits in enumerate(info.bits)
    ]

    def encode(rows: np.ndarray) -> np.ndarray:
        return np.hstack([_bits(rows[:, c : c + 1], bits, levels[c]) for c, bits in enumerate(info.bits)])

    return [Split(encode(split.images).astype(np.uint8), split.labels) for split in (train, *splits)]


def _bits(column: np.ndarray, bits: int | None, levels: np.ndarray) -> np.ndarray:
    if bits is None:
        return column > levels
    return column == levels if bits > 1 else column[:, :bits] > 0
