"""Data sets as arrays: fixed training, validation and test splits that no seed of a run can change."""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lgn.datasets import DATASETS, DatasetInfo
from lgn.errors import LgnError
from lgn.files import dataset_info, default_data_dir, fetch, find_files, required_files
from lgn.formats import check_labels, read_cifar, read_idx

__all__ = ["Dataset", "Split", "default_data_dir", "fetch", "find_files", "load", "required_files"]

SPLIT_SEED = 2025
"""Seed of the permutations that choose held-out images; part of what the splits mean, so never changed."""

DIGITS_TEST_IMAGES_PER_CLASS = 36
"""36 of the 174 to 183 images of each digit: 360 in all, 20% of scikit-learn's 1,797."""

TRAINING_LABELS_MD5 = {
    "mnist": "a25bea736e30d166cdddb491f175f624",
    "fashion_mnist": "9018921c3c673c538a1fc5bad174d6f9",
}
"""Of the uncompressed label files: the two sets share all file names, so a folder of the wrong one goes unnoticed."""


class Split(NamedTuple):
    """images (n, pixels) uint8, flattened in channel, row, column order; labels (n,) int64."""

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """A data set, split. `sha256` is that of all images and labels of the three splits, in order."""

    name: str
    train: Split
    validation: Split
    test: Split
    sha256: str


def load(dataset: str, validation_share: float, data_dir: Path) -> Dataset:
    """Reads a data set; the validation split is that share of each class's training images (0: an empty split).

    Splits depend on the data set and the share alone. Training and validation images come in a fixed shuffled order,
    so that the first n of them are a random sample. Raises LgnError for missing files and for files that are not what
    they should be, byte for byte.
    """
    info = dataset_info(dataset)
    if not 0 <= validation_share < 1:
        raise LgnError(f"validation_share: {validation_share} is not allowed; allowed: 0 to below 1")
    if info.layout == "embedded":
        rest, test = read_digits()
    else:
        rest, test = _READERS[info.layout](dataset, info, find_files(dataset, data_dir))
    per_class = np.rint(validation_share * np.bincount(rest.labels, minlength=info.classes)).astype(int)
    train, validation = hold_out(rest, per_class)
    return Dataset(dataset, train, validation, test, _sha256(train, validation, test))


def describe(dataset: str, data_dir: Path) -> dict[str, str | int]:
    """What is there of a data set: number of images and the checksum of its unsplit training and test images."""
    found = load(dataset, 0.0, data_dir)
    images = {"train_images": len(found.train.labels), "test_images": len(found.test.labels)}
    return {"dataset": dataset, **images, "sha256": found.sha256}


def hold_out(split: Split, per_class: np.ndarray) -> tuple[Split, Split]:
    """(kept, held out): the held-out part has per_class[c] images of class c, chosen by a fixed permutation.

    Both come in the order of that permutation.
    """
    # RandomState, because NumPy promises that its streams stay the same in all versions.
    order = np.random.RandomState(SPLIT_SEED).permutation(len(split.labels))
    held = np.zeros(len(order), dtype=bool)
    for label, images in enumerate(per_class):
        held[np.flatnonzero(split.labels[order] == label)[:images]] = True
    return _select(split, order[~held]), _select(split, order[held])


def read_digits() -> tuple[Split, Split]:
    """(training, test) of scikit-learn's digits, values 0 to 16; it has no official test split: see hold_out."""
    # The file itself: importing scikit-learn takes longer than many a training on it.
    table = np.loadtxt(_scikit_learn() / "datasets/data/digits.csv.gz", delimiter=",", dtype=np.int64)
    everything = Split(table[:, :-1].astype(np.uint8), table[:, -1])
    return hold_out(everything, np.full(DATASETS["digits"].classes, DIGITS_TEST_IMAGES_PER_CLASS))


def read_idx_dataset(dataset: str, info: DatasetInfo, files: list[Path]) -> tuple[Split, Split]:
    """(training, test) from four IDX files: training images and labels, test images and labels."""
    train_images, train_labels, test_images, test_labels = files
    splits = []
    for images_path, labels_path, count in (
        (train_images, train_labels, info.train_images),
        (test_images, test_labels, info.test_images),
    ):
        images = read_idx(images_path, (count, info.rows, info.columns)).reshape(count, info.pixels)
        labels = read_idx(labels_path, (count,))
        check_labels(labels_path, labels, info.classes)
        splits.append(Split(images, labels.astype(np.int64)))
    _refuse_namesake(dataset, train_labels, splits[0].labels)
    return splits[0], splits[1]


def read_cifar_dataset(dataset: str, info: DatasetInfo, files: list[Path]) -> tuple[Split, Split]:
    """(training, test) from CIFAR binary files: training images in equal parts, then the test file."""
    *train_files, test_file = files
    part = info.train_images // len(train_files)
    parts = [read_cifar(path, part, info.label_classes, info.pixels) for path in train_files]
    train = Split(
        np.concatenate([images for images, _ in parts]), np.concatenate([labels for _, labels in parts])
    )
    return train, Split(*read_cifar(test_file, info.test_images, info.label_classes, info.pixels))


def _scikit_learn() -> Path:
    """Folder of the installed package, found without importing it. Raises LgnError."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise LgnError("digits: come with scikit-learn, which is not installed; pip install scikit-learn")
    return Path(package.origin).parent


_READERS = {"idx": read_idx_dataset, "cifar": read_cifar_dataset}


def _refuse_namesake(dataset: str, path: Path, labels: np.ndarray) -> None:
    header = np.array((0x0801, len(labels)), dtype=">i4").tobytes()
    digest = hashlib.md5(header + labels.astype(np.uint8).tobytes(), usedforsecurity=False).hexdigest()
    for name, md5 in TRAINING_LABELS_MD5.items():
        if name != dataset and digest == md5:
            raise LgnError(f"{path}: holds the labels of {name}; expected those of {dataset}")


def _select(split: Split, indices: np.ndarray) -> Split:
    return Split(split.images[indices], split.labels[indices])


def _sha256(*splits: Split) -> str:
    digest = hashlib.sha256()
    for images, labels in splits:
        digest.update(np.ascontiguousarray(images))
        digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()
