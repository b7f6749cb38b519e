"""Data sets as arrays, with training, validation and test splits that do not depend on a run's seed."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from lgn.data.catalog import DATASETS, DatasetInfo
from lgn.data.files import dataset_info, default_data_dir, fetch, find_files, required_files
from lgn.data.formats import check_labels, read_cifar, read_idx
from lgn.data.own import is_own, read_own
from lgn.data.splits import Split, hold_out, identity_of, sha256_of
from lgn.errors import LgnError

__all__ = ["Split", "default_data_dir", "fetch", "load", "required_files"]

DIGITS_TEST_IMAGES_PER_CLASS = 36
"""Of 174 to 183 images per digit: 360 in total, 20% of scikit-learn's 1,797."""


@dataclass(frozen=True)
class Dataset:
    """A data set, split. sha256: over all images and labels of the three splits, in order."""

    name: str
    train: Split
    validation: Split
    test: Split
    sha256: str


def load(dataset: str, validation_share: float, data_dir: Path, file_sha256: str | None = None) -> Dataset:
    """Reads a data set. validation_share: share of each class's training images for validation (0: an empty split).

    Splits depend only on the data set and the share. Training and validation images have a fixed shuffled order, so
    the first n are a random sample. file_sha256: if given, the digest that a user's own file must have. Raises LgnError
    for missing files, for files of another size, and for files with other images or labels than those published under
    the name, in any layout and order.
    """
    info = dataset_info(dataset)
    if not 0 <= validation_share < 1:
        raise LgnError(f"validation_share: {validation_share} is not allowed; allowed: 0 to below 1")
    if info.layout == "embedded":
        rest, test = read_digits()
    elif is_own(dataset):
        rest, test = read_own(dataset, file_sha256).splits
    else:
        files = find_files(dataset, data_dir)
        rest, test = _READERS[info.layout](info, files)
        _refuse_other_data(dataset, info, files, (rest, test))
    per_class = np.rint(validation_share * np.bincount(rest.labels, minlength=info.classes)).astype(int)
    train, validation = hold_out(rest, per_class)
    return Dataset(dataset, train, validation, test, sha256_of(train, validation, test))


def describe(dataset: str, data_dir: Path) -> dict[str, str | int]:
    """Describes a data set: its numbers of images, and the checksum of its unsplit training and test images."""
    found = load(dataset, 0.0, data_dir)
    images = {"train_images": len(found.train.labels), "test_images": len(found.test.labels)}
    own = read_own(dataset).description if is_own(dataset) else {}
    return {"dataset": dataset, **images, "sha256": found.sha256, **own}


def read_digits() -> tuple[Split, Split]:
    """(training, test) of scikit-learn's digits, values 0 to 16. No test split is official: see hold_out."""
    # Reads the file directly: importing scikit-learn takes longer than many trainings on it.
    table = np.loadtxt(_scikit_learn() / "datasets/data/digits.csv.gz", delimiter=",", dtype=np.int64)
    everything = Split(table[:, :-1].astype(np.uint8), table[:, -1])
    return hold_out(everything, np.full(DATASETS["digits"].classes, DIGITS_TEST_IMAGES_PER_CLASS))


def read_idx_dataset(info: DatasetInfo, files: list[Path]) -> tuple[Split, Split]:
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
    return splits[0], splits[1]


def read_cifar_dataset(info: DatasetInfo, files: list[Path]) -> tuple[Split, Split]:
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

_recognised: set[tuple] = set()
"""Files, with sizes and times, that this process has already checked: a check takes a second."""


def _refuse_other_data(
    dataset: str, info: DatasetInfo, files: list[Path], splits: tuple[Split, Split]
) -> None:
    stamps = tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    if (dataset, *stamps) in _recognised:
        return
    # A data set without a known identity must at least not be another, known one.
    known = {other.identity: name for name, other in DATASETS.items() if other.identity}
    found = known.get(identity_of(*splits))
    if found not in (dataset, None) or (found is None and info.identity):
        held = f"the images and labels of {found}" if found else "other images or labels"
        raise LgnError(
            f"{dataset}: the files in {files[0].parent} hold {held}; expected those published as {dataset} (data of "
            "your own go by the path of their file, see docs/data.md)"
        )
    _recognised.add((dataset, *stamps))
