"""A user's own data: a .npz or .csv file that a run names by its path. docs/data.md says what it must contain."""

import csv
import io
import re
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from lgn.data.catalog import DatasetInfo
from lgn.data.splits import Split, hold_out
from lgn.data.tables import code_columns, code_labels, is_number
from lgn.errors import LgnError
from lgn.files import sha256

ENDINGS = (".npz", ".csv")
ARRAYS = ("x_train", "y_train", "x_test", "y_test")

LABEL = "label"
"""Name of a CSV file's label column; without this name the last column holds the labels."""

TEST_SHARE = 0.2
"""Share of each class's rows of a CSV file that is the test split: always the same rows (splits.hold_out)."""

MOST_CHANNELS = 4


@dataclass(frozen=True)
class Own:
    """A file's data: its DatasetInfo, training and test splits, sha256, and the description that `lgn fetch` prints."""

    info: DatasetInfo
    splits: tuple[Split, Split]
    sha256: str
    description: dict[str, str | int]


def is_own(dataset: object) -> bool:
    """Whether a data set's name is the path of a user's own file."""
    return isinstance(dataset, str) and dataset.lower().endswith(ENDINGS)


def own_label(dataset: str, file_sha256: str) -> str:
    """A file's name in run ids and file names: its stem and the beginning of its sha256."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", Path(dataset).stem).strip("-")[:40]
    return f"{stem or 'data'}-{file_sha256[:8]}"


def read_own(dataset: str, file_sha256: str | None = None) -> Own:
    """The data in a file. Raises LgnError if it cannot be read, is not valid, or has another sha256."""
    try:
        stat = Path(dataset).stat()
        own = _read(Path(dataset), stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise LgnError(
            f"dataset: {dataset!r} cannot be read ({error.strerror}); allowed: a .npz or .csv file that is there"
        ) from None
    if file_sha256 not in (None, own.sha256):
        raise LgnError(
            f"{dataset}: has sha256 {own.sha256}; expected {file_sha256}, the run's file_sha256: the file has changed"
        )
    return own


@lru_cache(maxsize=2)  # Every run of a preset reads it.
def _read(path: Path, size: int, modified: int) -> Own:
    content = path.read_bytes()
    parse = _parse_csv if path.suffix.lower() == ".csv" else _parse_npz
    (train, test), shape, bits, description = parse(path, content)
    classes = int(train.labels.max()) + 1
    channels, rows, columns = shape
    info = DatasetInfo(
        classes=classes,
        channels=channels,
        rows=rows,
        columns=columns,
        max_value=255,
        train_images=len(train.labels),
        test_images=len(test.labels),
        layout="own",
        bits=bits,
    )
    if bits and not any(count is None or count for count in bits):
        raise LgnError(f"{path}: every column has one value only in the training rows; expected one with two")
    digest = sha256(content)
    if bits:
        numeric = sum(count is None for count in bits)
        description |= {"numeric_columns": numeric, "other_columns": len(bits) - numeric}
        description |= {"inputs": f"{numeric} x thresholds + {info.inputs(0)}"}
    else:
        description |= {"channels": channels, "rows": rows, "columns": columns}
    return Own(info, (train, test), digest, {"classes": classes, **description, "file_sha256": digest})


def _parse_npz(path: Path, content: bytes):
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, TypeError, AttributeError) as error:
        raise LgnError(f"{path}: cannot be read as arrays ({' '.join(str(error).split())})") from None
    if set(found) != set(ARRAYS):
        raise LgnError(f"{path}: holds {', '.join(found) or 'nothing'}; expected {', '.join(ARRAYS)}")
    x_train, y_train, x_test, y_test = (found[name] for name in ARRAYS)
    labels = code_labels(path, y_train, y_test)
    for name, x, y in (("train", x_train, labels[0]), ("test", x_test, labels[1])):
        if x.ndim == 0 or len(x) != len(y) or not len(y):
            raise LgnError(
                f"{path}: x_{name} has shape {x.shape}, y_{name} {y.shape}; expected as many of each"
            )
    if x_train.shape[1:] != x_test.shape[1:] or x_train.dtype.kind != x_test.dtype.kind:
        raise LgnError(
            f"{path}: x_train is {_kind(x_train)}, x_test {_kind(x_test)}; expected both alike, but for their number"
        )
    if x_train.ndim == 2:
        names = [str(column) for column in range(x_train.shape[1])]
        *images, bits = code_columns(path, names, x_train, x_test)
        return _splits(images, labels), (1, 1, len(names)), bits, {}
    images = [_channels_first(path, x) for x in (x_train, x_test)]
    shape = images[0].shape[1:]
    return _splits([x.reshape(len(x), -1) for x in images], labels), shape, (), {}


def _channels_first(path: Path, x: np.ndarray) -> np.ndarray:
    """(n, channels, rows, columns) uint8 of images (n, rows, columns) or (n, rows, columns, channels)."""
    if (
        x.dtype != np.uint8
        or x.ndim not in (3, 4)
        or (x.ndim == 4 and x.shape[3] > MOST_CHANNELS)
        or not x.size
    ):
        raise LgnError(
            f"{path}: x is {_kind(x)}; expected a table (n, columns) of numbers or words, or uint8 images "
            f"(n, rows, columns) or (n, rows, columns, channels) of 1 to {MOST_CHANNELS} channels"
        )
    return x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2)


def _kind(x: np.ndarray) -> str:
    return f"{x.dtype} of shape {x.shape}"


def _parse_csv(path: Path, content: bytes):
    names, rows = _csv_rows(path, content)
    label = names.index(LABEL) if LABEL in names else len(names) - 1
    columns = [place for place in range(len(names)) if place != label]
    every = np.array(rows)
    labels = code_labels(path, every[:, label], every[:0, label])[0]
    held = np.rint(TEST_SHARE * np.bincount(labels)).astype(int)
    if not held.any():
        raise LgnError(
            f"{path}: has {len(rows)} rows; expected at least 3 of a class, so that one can be a test"
        )
    parts = hold_out(Split(every[:, columns], labels), held)
    *tables, bits = code_columns(path, [names[place] for place in columns], *(part.images for part in parts))
    described = {"label_column": names[label], "test_share": TEST_SHARE}
    return _splits(tables, [part.labels for part in parts]), (1, 1, len(columns)), bits, described


def _csv_rows(path: Path, content: bytes) -> tuple[list[str], list[list[str]]]:
    """Column names and rows of a CSV file; blanks around cells are removed."""
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        lines = [[cell.strip() for cell in line] for line in reader if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise LgnError(f"{path}: cannot be read as CSV in UTF-8 ({error})") from None
    names, *rows = lines or [[]]
    if len(names) < 2 or not rows:
        raise LgnError(
            f"{path}: has {len(names)} columns and {len(rows)} rows; expected at least two columns, separated by "
            "commas, and rows below a line of names"
        )
    if len(set(names)) < len(names) or all(map(is_number, names)):
        raise LgnError(
            f"{path}: begins with {', '.join(names)[:200]}; expected names of the columns, all different"
        )
    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise LgnError(f"{path}: row {number} has {len(row)} cells; expected {len(names)}")
    return names, rows


def _splits(images, labels) -> tuple[Split, Split]:
    train, test = (Split(np.ascontiguousarray(x), y) for x, y in zip(images, labels, strict=True))
    return train, test
