"""Images with labels: the fixed permutation that holds some out, and randomised labels."""

import hashlib
from typing import NamedTuple

import numpy as np

from lgn.randomness import stream_seed

SPLIT_SEED = 2025
"""Seed of the permutations that choose held-out images. It defines the splits, so it never changes."""


class Split(NamedTuple):
    """images (n, pixels) uint8, flattened in channel, row, column order; labels (n,) int64.

    For a table before encoding, images is (n, columns) float64: see lgn.data.tables.
    """

    images: np.ndarray
    labels: np.ndarray


def hold_out(split: Split, per_class: np.ndarray) -> tuple[Split, Split]:
    """(kept, held out): the held-out part has per_class[c] images of class c, chosen by a fixed permutation.

    Both parts are in the permutation's order.
    """
    # RandomState, because NumPy guarantees the same stream in all versions.
    order = np.random.RandomState(SPLIT_SEED).permutation(len(split.labels))
    held = np.zeros(len(order), dtype=bool)
    for label, images in enumerate(per_class):
        held[np.flatnonzero(split.labels[order] == label)[:images]] = True
    return _select(split, order[~held]), _select(split, order[held])


def training_labels(labels: np.ndarray, control: str, seed: int) -> np.ndarray:
    """Labels (n,) int64 to train on: the given ones, or with control "shuffled" a permutation of them."""
    if control != "shuffled":
        return labels
    return np.random.default_rng(stream_seed(seed, "labels")).permutation(labels)


def batch_labels(labels: np.ndarray, control: str, seed: int, iteration: int, classes: int) -> np.ndarray:
    """Labels (batch,) int64 of one step: the given ones, or with control "redrawn" random classes at every step."""
    if control != "redrawn":
        return labels
    generator = np.random.default_rng([stream_seed(seed, "labels"), iteration])
    return generator.integers(0, classes, len(labels))


def sha256_of(*splits: Split) -> str:
    """Hex digest of all images and labels, in order."""
    digest = hashlib.sha256()
    for images, labels in splits:
        digest.update(np.ascontiguousarray(images).data)
        digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def identity_of(*splits: Split) -> str:
    """Hex digest that is independent of the order of images within a split: it hashes their sorted digests.

    images uint8, labels 0 to 255. It is the same for every layout of a data set's files.
    """
    digest = hashlib.sha256()
    for images, labels in splits:
        rows = zip(images, labels.tolist(), strict=True)
        digest.update(
            b"".join(sorted(hashlib.sha256(image.tobytes() + bytes([c])).digest() for image, c in rows))
        )
    return digest.hexdigest()


def _select(split: Split, indices: np.ndarray) -> Split:
    return Split(split.images[indices], split.labels[indices])
