"""What a training is told instead of the truth, and how its temperature moves: the controls of an experiment."""

import numpy as np

from lgn.randomness import stream_seed
from lgn.run import Run


def training_labels(run: Run, labels: np.ndarray) -> np.ndarray:
    """The training split's labels (n,) int64: those given, or the same dealt anew among its images."""
    if run.training_labels != "shuffled":
        return labels
    return np.random.default_rng(stream_seed(run.seed, "labels")).permutation(labels)


def batch_labels(run: Run, labels: np.ndarray, iteration: int, classes: int) -> np.ndarray:
    """The labels (batch,) int64 of one step; those given, or any class, anew at every step."""
    if run.training_labels != "redrawn":
        return labels
    generator = np.random.default_rng([stream_seed(run.seed, "labels"), iteration])
    return generator.integers(0, classes, len(labels))


def temperature_at(run: Run, iteration: int) -> float:
    """The gate softmax's temperature at an iteration: constant, or in a constant ratio a step to final_temperature."""
    if run.final_temperature is None:
        return run.temperature
    share = min(1.0, iteration / run.iterations)
    return run.temperature * (run.final_temperature / run.temperature) ** share
