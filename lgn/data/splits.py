"""Images with labels: the fixed permutation that holds some out, and labels that are told instead of the true ones."""

import hashlib
from typing import NamedTuple

import numpy as np

from lgn.randomness import stream_seed

SPLIT_SEED = 2025
"""Seed of the permutations that choose held-out images; part of what the splits mean, so never changed."""


class Split(NamedTuple):
    """images (n, pixels) uint8, flattened in channel, row, column order; labels (n,) int64.

    Of a table before it is encoded, images is (n, columns) float64: see lgn.data.tables.
    """

    images: np.ndarray
    labels: np.ndarray


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


def told_labels(labels: np.ndarray, control: str, seed: int) -> np.ndarray:
    """What a training is told of its images: labels (n,) int64 as given, or "shuffled", dealt anew among them."""
    if control != "shuffled":
        return labels
    return np.random.default_rng(stream_seed(seed, "labels")).permutation(labels)


def batch_labels(labels: np.ndarray, control: str, seed: int, iteration: int, classes: int) -> np.ndarray:
    """The labels (batch,) int64 of one step: those told, or "redrawn", any class anew at every step."""
    if control != "redrawn":
        return labels
    generator = np.random.default_rng([stream_seed(seed, "labels"), iteration])
    return generator.integers(0, classes, len(labels))


def sha256_of(*splits: Split) -> str:
    """Hex digest of all images and labels, in order."""
    digest = hashlib.sha256()
    for images, labels in splits:
        digest.update(np.ascontiguousarray(images))
        digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def identity_of(*splits: Split) -> str:
    """Hex digest that does not depend on the order of the images within a split: of their digests, sorted.

    images uint8, labels 0 to 255. It is the same for a data set's files in every layout.
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
