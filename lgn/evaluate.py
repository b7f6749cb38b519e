"""Measurements for a row of history: accuracy in three modes on three splits, and the gates' entropies."""

from collections.abc import Callable

import numpy as np

from lgn.data import Dataset
from lgn.data.splits import training_labels
from lgn.kernels import Engine
from lgn.methods import MODES, Estimator
from lgn.metrics import accuracy
from lgn.network import LogicNetwork
from lgn.run import Run

TRAIN_MODE_DRAWS = 8
"""Train mode is random. Each eighth of the images is evaluated under its own noise, so accuracy averages over draws."""


def evaluation_splits(run: Run, dataset: Dataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images and labels for the accuracies: name -> (images, labels). Train: the first train_evaluation_images.

    Training labels are the run's own, randomised if it says so.
    """
    count = run.train_evaluation_images
    labels = training_labels(dataset.train.labels, run.training_labels, run.seed)
    return {
        "train": (dataset.train.images[:count], labels[:count]),
        "validation": dataset.validation,
        "test": dataset.test,
    }


def mode_scores(engine: Engine, estimator: Estimator, images: np.ndarray, mode: str) -> np.ndarray:
    """(n, classes) scores of images (n, pixels) in one mode."""
    mode = computed_mode(estimator, mode)
    if mode != "train_mode":
        return engine.scores(images, mode)
    parts = np.array_split(images, min(TRAIN_MODE_DRAWS, max(1, len(images))))
    return np.concatenate([engine.scores(part, mode, draw) for draw, part in enumerate(parts)])


def computed_mode(estimator: Estimator, mode: str) -> str:
    """The mode itself, or one that gives the same numbers: without noise, train_mode equals discrete or soft."""
    if mode == "train_mode" and estimator.noise == "none":
        return "discrete" if estimator.straight_through else "soft"
    return mode


def accuracy_columns(
    engine: Engine,
    estimator: Estimator,
    splits: dict[str, tuple[np.ndarray, np.ndarray]],
    between: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """History columns {split}_accuracy_{mode} and the two gaps on the test split.

    splits: name -> (images (n, pixels) uint8, labels (n,) int64). discretization_gap is
    |train_mode - discrete| as in the official code, soft_discretization_gap is |soft - discrete|. between() is called
    before each measurement, and may raise.
    """
    row = {}
    for split, (images, labels) in splits.items():
        measured = {}
        for mode in MODES:
            computed = computed_mode(estimator, mode)
            if computed not in measured:
                between()
                scores = mode_scores(engine, estimator, images, mode) if len(labels) else np.empty((0, 1))
                measured[computed] = accuracy(scores, labels)
            row[f"{split}_accuracy_{mode}"] = measured[computed]
    discrete = row["test_accuracy_discrete"]
    row["discretization_gap"] = abs(row["test_accuracy_train_mode"] - discrete)
    row["soft_discretization_gap"] = abs(row["test_accuracy_soft"] - discrete)
    return row


def entropies_and_gates(network: LogicNetwork) -> tuple[np.ndarray, np.ndarray]:
    """(depth, width) float64 entropies and uint8 gates. It takes one layer at a time, because logits are large."""
    method, layers = network.method, [layer.detach().cpu() for layer in network.logits]
    return (
        np.stack([method.entropies(parameters) for parameters in layers]),
        np.stack([method.gates(parameters).numpy() for parameters in layers]),
    )
