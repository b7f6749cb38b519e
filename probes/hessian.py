"""Trace of the Hessian of the soft network's loss with respect to all gate logits (paper, Fig. 7 and Lemma 1).

The loss is the mean cross-entropy of the network whose gate weights are softmax(u), u = logits / temperature. The
Hessian is with respect to u, at u: "at z/tau", as in the lemma. Each derivative in the logits themselves has a further
factor 1/temperature, so their trace (`trace_in_logits`) is `trace` / temperature^2. grad_factor, which changes
training's gradient, is not included.

Three estimators of the same number:

- `hutchinson`: v'Hv with one Rademacher vector v over all logits, as in the paper (which uses 200).
- `per_image`: a new random vector over neurons for every image; the rest is exact (see probes.curvature). Pairs of
  logits in one neuron then add no variance, and the variance of other pairs averages out over images.
- `exact`: no random numbers. It takes depth * width^2 per image, so it is for widths up to a few thousand.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from lgn.errors import LgnError
from lgn.methods._method import gate_coefficients
from lgn.network import LogicNetwork
from lgn.noise import NOISES
from probes.common import (
    Examples,
    Row,
    Splits,
    blocks,
    choose,
    examples,
    noise_draw,
    probe_seed,
    scaled_logits,
)
from probes.curvature import structure, weighted_curvature
from probes.taylor import BLOCK_VALUES, loss_along_logits, second_derivative_along_activations

FIRST_SAMPLES, BATCH_SAMPLES = 20, 10
"""Samples before the first check of the standard error, and between checks: from fewer it is too uncertain."""


class Estimate(NamedTuple):
    """A mean, its standard error and the number of independent samples (0 if nothing is random)."""

    mean: float
    standard_error: float
    samples: int


def run(
    network: LogicNetwork,
    splits: Splits,
    thresholds: np.ndarray,
    *,
    split: str,
    images: int,
    temperatures: Sequence[float],
    estimator: str = "exact",
    noise: str = "none",
    absolute_error: float = 0.0,
    relative_error: float = 0.05,
    max_samples: int = 200,
    seed: int = 0,
) -> list[Row]:
    """One row per temperature: temperature, estimator, noise, images, trace, standard_error, samples, trace_in_logits.

    images: size of a fixed random subset of the split. noise: with a name in noise.NOISES the trace is averaged over
    u = (logits + noise) / temperature, one draw per sample, shared by the images as in training. Sampling ends when the
    standard error is below absolute_error or relative_error * |trace|, or at max_samples. Raises LgnError for unknown
    names.
    """
    given = examples(network, thresholds, choose(splits[split], images, seed))
    rows = []
    for temperature in temperatures:
        found = trace(
            network, given, temperature, estimator, noise, absolute_error, relative_error, max_samples, seed
        )
        rows.append(
            {
                "temperature": temperature,
                "estimator": estimator,
                "noise": noise,
                "images": len(given.labels),
                "trace": found.mean,
                "standard_error": found.standard_error,
                "samples": found.samples,
                "trace_in_logits": found.mean / temperature**2,
            }
        )
    return rows


def trace(
    network: LogicNetwork,
    given: Examples,
    temperature: float,
    estimator: str = "exact",
    noise: str = "none",
    absolute_error: float = 0.0,
    relative_error: float = 0.05,
    max_samples: int = 200,
    seed: int = 0,
) -> Estimate:
    """tr H in u = logits / temperature, or its mean over noise. Arguments as in run()."""
    if estimator not in ESTIMATORS:
        raise LgnError(f"estimator: {estimator!r} is unknown; allowed: {', '.join(ESTIMATORS)}")
    if noise != "none" and noise not in NOISES:
        raise LgnError(f"noise: {noise!r} is unknown; allowed: none, {', '.join(NOISES)}")
    prepare, vector_seed = ESTIMATORS[estimator], probe_seed(seed, "hessian_vectors")
    u = scaled_logits(network, temperature)
    if noise == "none":
        sample = prepare(network, u, given, vector_seed)
        if estimator == "exact":
            return Estimate(sample(0), 0.0, 0)
    else:
        noise_seed = probe_seed(seed, "hessian_noise")

        def sample(number: int) -> float:
            drawn = noise_draw(network, noise, noise_seed, number)
            noisy = [x + g / temperature for x, g in zip(u, drawn, strict=True)]
            return prepare(network, noisy, given, vector_seed)(number)

    return sample_until(sample, absolute_error, relative_error, max_samples)


def sample_until(
    sample: Callable[[int], float], absolute_error: float, relative_error: float, max_samples: int
) -> Estimate:
    """Mean of sample(0), sample(1), ... until its standard error is small enough (see run())."""
    values: list[float] = []
    while True:
        target = FIRST_SAMPLES if not values else len(values) + BATCH_SAMPLES
        values += [sample(number) for number in range(len(values), min(target, max_samples))]
        mean = float(np.mean(values))
        error = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf
        if error <= max(absolute_error, relative_error * abs(mean)) or len(values) >= max_samples:
            return Estimate(mean, error, len(values))


def hutchinson(
    network: LogicNetwork, u: list[torch.Tensor], given: Examples, seed: int
) -> Callable[[int], float]:
    """Sample number -> v'Hv, v Rademacher over all logits."""

    def sample(number: int) -> float:
        v = _rademacher((network.depth, network.width, u[0].shape[1]), seed, number, given)
        return loss_along_logits(network, u, list(v), given)[2]

    return sample


def per_image(
    network: LogicNetwork, u: list[torch.Tensor], given: Examples, seed: int
) -> Callable[[int], float]:
    """Sample number -> unbiased estimate of the trace from one Rademacher number per neuron and image."""
    coefficients = [gate_coefficients(torch.softmax(logits, -1)) for logits in u]
    parts = blocks(network, given, BLOCK_VALUES)

    def sample(number: int) -> float:
        total = 0.0
        for place, part in enumerate(parts):
            terms = structure(network, u, part)
            v = _rademacher(terms.weights.shape, seed, (number, place), given)
            directions = list(v * terms.weights.sqrt())
            total += terms.first_order
            total += second_derivative_along_activations(network, coefficients, directions, part)
        return total / len(given.labels)

    return sample


def exact(network: LogicNetwork, u: list[torch.Tensor], given: Examples, seed: int) -> Callable[[int], float]:
    """Any sample number -> the trace."""
    total = 0.0
    for part in blocks(network, given, BLOCK_VALUES):
        terms = structure(network, u, part)
        total += terms.first_order + weighted_curvature(network, terms)
    value = total / len(given.labels)
    return lambda number: value


ESTIMATORS = {"exact": exact, "per_image": per_image, "hutchinson": hutchinson}
"""Each (network, u, examples, seed) -> (sample number -> estimate of the trace in u)."""


def _rademacher(shape: tuple, seed: int, place: int | tuple[int, int], given: Examples) -> torch.Tensor:
    """-1 or 1 with equal probability, float64: a function of seed and place only."""
    bits = np.random.default_rng([seed, *np.atleast_1d(place)]).integers(0, 2, shape, dtype=np.int8)
    return torch.from_numpy(2 * bits - 1).to(given.labels.device, torch.float64)
