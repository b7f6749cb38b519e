"""Strict readers of the two binary layouts: IDX (MNIST and its kin) and CIFAR's fixed-length records.

A file's first bytes decide its format, not its name: any file may be compressed by gzip, and CIFAR's may be pickles.
"""

import gzip
import zlib
from pathlib import Path

import numpy as np

from lgn.data.pickles import read_pickled_cifar
from lgn.errors import LgnError

GZIP, PICKLE = b"\x1f\x8b", b"\x80"
"""First bytes of these formats. IDX and CIFAR's binary files begin otherwise: their first label is below 20."""


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A uint8 array of the given shape from an IDX file, raw or compressed.

    Layout: big-endian int32 magic number 0x0800 + dimensions, int32 size of each dimension, then the bytes, last
    dimension fastest. Raises LgnError for any other header, too few bytes or too many.
    """
    header = np.array((0x0800 + len(shape), *shape), dtype=">i4")
    size = header.nbytes + int(np.prod(shape))
    content = _read_up_to(path, size)
    if len(content) < header.nbytes:
        raise LgnError(
            f"{path}: is truncated, holds {len(content)} bytes; expected a header of {header.nbytes}"
        )
    found = np.frombuffer(content, dtype=">i4", count=len(header))
    if found[0] != header[0]:
        raise LgnError(f"{path}: has magic number {int(found[0]):#010x}; expected {int(header[0]):#010x}")
    if (found != header).any():
        raise LgnError(f"{path}: holds {_times(found[1:])} values; expected {_times(shape)}")
    _check_size(path, content, size)
    return np.frombuffer(content, dtype=np.uint8, offset=header.nbytes).reshape(shape)


def read_cifar(
    path: Path, images: int, label_classes: tuple[int, ...], pixels: int = 3072
) -> tuple[np.ndarray, np.ndarray]:
    """Images (images, pixels) uint8 and labels (images,) int64 of a CIFAR binary file, or of its pickle.

    A record is one byte per label (CIFAR-10: the class; CIFAR-100: coarse, then fine; the last is returned), then the
    pixels in channel, row, column order. Raises LgnError for too few bytes, too many, or a label out of range.
    """
    record = len(label_classes) + pixels
    content = _read_up_to(path, images * record)
    if content.startswith(PICKLE):
        content = _read_up_to(path, 2 * images * record)  # A pickle contains the images' names too.
        records = read_pickled_cifar(path, content, images, label_classes, pixels)
    else:
        _check_size(path, content, images * record)
        records = np.frombuffer(content, dtype=np.uint8).reshape(images, record)
    for position, classes in enumerate(label_classes):
        check_labels(path, records[:, position], classes)
    return records[:, len(label_classes) :], records[:, len(label_classes) - 1].astype(np.int64)


def check_labels(path: Path, labels: np.ndarray, classes: int) -> None:
    """Raises LgnError if a label is not in 0..classes - 1."""
    if len(labels) and labels.max() >= classes:
        where = int(np.argmax(labels >= classes))
        raise LgnError(f"{path}: label of image {where} is {int(labels[where])}; expected 0 to {classes - 1}")


def _read_up_to(path: Path, size: int) -> bytes:
    """Reads at most one byte more than expected, so that a file that inflates to more does not fill the memory."""
    try:
        with open(path, "rb") as file:
            compressed = file.read(len(GZIP)) == GZIP
            file.seek(0)
            with gzip.open(file) if compressed else file as stream:
                return stream.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise LgnError(f"{path}: cannot be read ({error}); expected {size} bytes of data") from None


def _check_size(path: Path, content: bytes, size: int) -> None:
    if len(content) < size:
        raise LgnError(f"{path}: is truncated, holds {len(content)} bytes; expected {size}")
    if len(content) > size:
        raise LgnError(f"{path}: goes on after its {size} bytes; expected exactly those")


def _times(shape) -> str:
    return " x ".join(str(int(size)) for size in shape)
