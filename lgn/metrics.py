"""Metrics as pure functions on arrays (definitions: docs/metrics.md)."""

import math
from collections.abc import Iterable
from functools import cache

import numpy as np

from lgn.gates import GATES
from lgn.methods import BETA_2, OptimizerSettings
from lgn.randomness import stream_seed

FRESH_NEURONS, UNUSED_QUANTILE = 100_000, 0.025
"""The paper's: sampled neurons, and the quantile of their entropies that is the threshold of unused gates."""

ENTROPY_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LAYER_ENTROPY_QUANTILES = (0.05, 0.5, 0.95)


def accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Share of scores (n, classes) that are highest at the label; NaN without images. Ties go to the first class."""
    return float((scores.argmax(1) == labels).mean()) if len(labels) else float("nan")


def entropies(logits: np.ndarray) -> np.ndarray:
    """(...,) float64 entropies in nats of softmax(logits (..., 16)): between 0 and log 16 = 2.77."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    weights = np.exp(shifted)
    total = weights.sum(-1)
    return np.log(total) - (weights * shifted).sum(-1) / total


def snapshot_schedule(schedule: np.ndarray, snapshots: int) -> np.ndarray:
    """`snapshots` iterations of a schedule, int64: the first, then evenly spaced over its rows, never the last."""
    positions = np.linspace(0, len(schedule) - 1, snapshots, endpoint=False)
    return schedule[np.unique(positions.astype(int))]


@cache
def unused_threshold() -> float:
    """The entropy, in nats, above which a neuron counts as unused: one number for all runs and initialisations.

    Following Yousefi et al. 2025 (arXiv:2506.07500), it is the 2.5th percentile of the entropies of 100,000 neurons
    with N(0, 1) logits. Their seed is fixed; another seed would change the threshold by about 0.003.
    """
    logits = np.random.default_rng(stream_seed(0, "fresh_neurons")).standard_normal((FRESH_NEURONS, GATES))
    return float(np.quantile(entropies(logits), UNUSED_QUANTILE))


def unused_share(neuron_entropies: np.ndarray, threshold: float) -> float:
    """Share of neurons with an entropy above the threshold; NaN if a neuron has no entropy."""
    return math.nan if np.isnan(neuron_entropies).any() else float((neuron_entropies > threshold).mean())


def gate_counts(gates: np.ndarray) -> np.ndarray:
    """(depth, 16) int64: how often each gate is chosen in each layer of gates (depth, width)."""
    return np.stack([np.bincount(layer, minlength=GATES) for layer in gates]).astype(np.int64)


def entropy_columns(neuron_entropies: np.ndarray, threshold: float) -> dict[str, float]:
    """History columns from entropies (depth, width): quantiles and unused share, of all neurons and per layer."""
    row = {
        f"entropy_q{round(100 * q):02d}": float(np.quantile(neuron_entropies, q)) for q in ENTROPY_QUANTILES
    }
    row["unused_share"] = unused_share(neuron_entropies, threshold)
    for number, layer in enumerate(neuron_entropies, start=1):
        for q in LAYER_ENTROPY_QUANTILES:
            row[f"entropy_q{round(100 * q):02d}_layer{number:02d}"] = float(np.quantile(layer, q))
        row[f"unused_share_layer{number:02d}"] = unused_share(layer, threshold)
    return row


def gradient_columns(
    squared_gradients: Iterable[np.ndarray], steps: int, settings: OptimizerSettings, depth: int
) -> dict[str, float]:
    """History columns of the gradients' size per layer, from Adam's second moment, and how many are below epsilon.

    squared_gradients: each layer's second moment (width, 16) after `steps` steps, as the engine keeps it; empty for an
    optimizer without moments. gradient_rms: root of the bias-corrected moment's mean over a layer's logits.
    below_epsilon_share: share of logits whose own root is below epsilon. The gradients are of loss_scale times the
    loss; a gradient whose square underflows float32 counts as 0. NaN before the first step, and without moments.
    """
    columns = {}
    squares = iter(squared_gradients) if steps else iter(())
    for layer in range(1, depth + 1):
        rms = below = math.nan
        if (square := next(squares, None)) is not None:
            size = np.sqrt(square.astype(np.float64) / (1 - BETA_2**steps)) / settings.inner_scale
            rms = float(np.sqrt(np.mean(size**2)))
            below = float(np.mean(size < settings.epsilon))
        columns[f"gradient_rms_layer{layer:02d}"] = _four_digits(rms)
        columns[f"below_epsilon_share_layer{layer:02d}"] = _four_digits(below)
    return columns


def _four_digits(value: float) -> float:
    """Rounds to four digits, enough for logarithmic plots; more would double the size of a history."""
    return float(f"{value:.4g}")


def evaluation_schedule(iterations: int, evaluations: int) -> np.ndarray:
    """Iterations with a row of history: 0, the last, and between them half evenly, half logarithmically spaced.

    Rows at the same iteration merge, so there are at most `evaluations`. Curves of 500 and of 500,000 iterations both
    show their beginning and their end.
    """
    even = np.linspace(0, iterations, evaluations // 2 + 1)
    early = np.geomspace(1, iterations, evaluations - len(even) + 1) if evaluations > len(even) else even[:0]
    return np.unique(np.rint(np.concatenate([even, early])).astype(np.int64))
