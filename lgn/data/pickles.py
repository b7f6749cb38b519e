"""Reads CIFAR's Python version safely: it extracts arrays and bytes, and runs nothing that a pickle names."""

import io
import pickle
from pathlib import Path

import numpy as np

from lgn.errors import LgnError

LABELS = {10: "labels", 20: "coarse_labels", 100: "fine_labels"}
"""Number of classes -> the labels' name in a pickle."""


def read_pickled_cifar(
    path: Path, content: bytes, images: int, label_classes: tuple[int, ...], pixels: int
) -> np.ndarray:
    """Records (images, labels + pixels) uint8, as in the binary version, from a pickled dict of data and labels.

    Raises LgnError for any other content.
    """
    try:
        found = _Reader(io.BytesIO(content), encoding="bytes").load()
        found = {key.decode() if isinstance(key, bytes) else key: value for key, value in found.items()}
        data = np.frombuffer(found["data"].content, np.uint8).reshape(images, pixels)
        labels = [np.array(found[LABELS[classes]], np.uint8).reshape(images, 1) for classes in label_classes]
    except Exception as error:  # a damaged pickle can raise anything
        names = ", ".join(LABELS[classes] for classes in label_classes)
        raise LgnError(
            f"{path}: is no pickle of CIFAR ({type(error).__name__}: {error}); "
            f"expected data ({images} x {pixels} bytes) and {names}"
        ) from None
    return np.hstack([*labels, data])


class _Array:
    """Replaces NumPy's array and dtype while unpickling. It keeps the last part of the state: an array's bytes."""

    def __init__(self, *_):
        self.content = b""

    def __setstate__(self, state):
        self.content = state[-1]


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    return text.encode("latin1")


_STANDS_FOR = {
    ("numpy", "dtype"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("_codecs", "encode"): _latin1,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in _STANDS_FOR:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _STANDS_FOR[module, name]
