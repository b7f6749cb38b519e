"""Compares a net's gradient before training with Adam's epsilon, layer by layer, for a net of any size.

Where a logit's gradient is far below epsilon, Adam's first step is learning_rate * gradient / epsilon, not the
learning rate (lgn.methods.OptimizerSettings).
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lgn.data.splits import batch_labels, training_labels
from lgn.errors import LgnError
from lgn.kernels import KernelEngine, make_engine
from lgn.memory import require_memory
from lgn.methods import METHODS, OptimizerSettings, method_label, spell_out_method
from lgn.network import LogicNetwork
from lgn.prepare import build_network, read_data
from lgn.randomness import Batches
from lgn.run import Run, parse_run
from probes.common import Row

LARGEST = 60
"""Exponent of two to which the largest gradient of a score is scaled. In float32 this leaves room for gradients that
grow per layer, and for some 60 layers of a DLGN, whose gradients shrink fivefold per layer."""

SMALLEST = 2.0**-110
"""A scaled gradient_rms below this is not trusted: float32's smallest normal number is 2**-126."""

LEFT_OUT = {"noise": "none", "straight_through": False, "temperature": 1.0, "iterations": 10**9}
"""Defaults of settings that may be left out: the probe uses each method's own, and does not train."""


def parse_net(settings: dict[str, object], where: str) -> Run:
    """The run of settings, which may leave out method and iterations. Raises LgnError as parse_run."""
    return parse_run(LEFT_OUT | spell_out_method(settings, where), where)


def probe_methods(run: Run, data_dir: Path, methods: Iterable[str] = METHODS) -> list[Row]:
    """Rows of `measure` for each method, for a run's net before training, on the batch of its first step.

    Ignores the run's noise and straight_through. Methods without a temperature of their own use the run's. Rows begin
    with method and temperature. Raises LgnError for missing data, too little memory, an optimizer without epsilon, and
    as `measure`.
    """
    if run.optimizer not in ("adam", "adam_inside"):
        raise LgnError(f"optimizer: {run.optimizer} has no epsilon; allowed: adam, adam_inside")
    if run.candidates > 1:
        raise LgnError(f"candidates: {run.candidates} with probe gradient; allowed: 1")
    if run.parametrization != "softmax":
        raise LgnError(f"parametrization: {run.parametrization} with probe gradient; allowed: softmax")
    require_memory([run.model_copy(update={"straight_through": False})], "numba", "cpu")
    dataset, thresholds = read_data(run, data_dir)
    network = build_network(run, thresholds.size)
    batch = Batches(len(dataset.train.labels), run.batch_size, run.seed)[0]
    labels = training_labels(dataset.train.labels, run.training_labels, run.seed)[batch]
    labels = batch_labels(labels, run.training_labels, run.seed, 0, network.classes)
    rows = []
    for method in methods:
        own: dict[str, Any] = {"temperature": run.temperature} | METHODS[method]
        network.estimator = replace(run.estimator, **own)
        first = {"method": method, "temperature": network.estimator.temperature}
        measured = measure(network, thresholds, dataset.train.images[batch], labels, run.optimizer_settings)
        rows += [first | row for row in measured]
    return rows


def measure(
    network: LogicNetwork,
    thresholds: np.ndarray,
    pixels: np.ndarray,
    labels: np.ndarray,
    settings: OptimizerSettings,
) -> list[Row]:
    """Rows layer (from 1), gradient_rms, epsilon, ratio (gradient_rms / epsilon), below_epsilon_share.

    The gradient is of loss_scale times the mean cross-entropy of a batch, pixels (batch, pixels) uint8 and labels
    (batch,) int64, in train mode with the noise of network.iteration. gradient_rms: its root mean square over the
    layer's logits; below_epsilon_share: share of logits with a gradient smaller than epsilon. The logits keep their
    values and move to an engine's memory. Raises LgnError if a layer's gradient leaves float32's range.
    """
    gradients, factor = logit_gradients(network, thresholds, pixels, labels)
    rows = []
    for layer, gradient in enumerate(gradients, start=1):
        sizes = gradient.double().abs()
        multiplied = float(sizes.square().mean().sqrt())
        # A hard gate passes a gradient fully or not at all, so zero can be correct.
        vanished = multiplied < SMALLEST and (multiplied > 0 or not network.estimator.straight_through)
        if vanished or not math.isfinite(multiplied):
            raise LgnError(
                f"depth: {network.depth} with grad_factor {network.estimator.grad_factor:g}: the gradient leaves "
                f"float32's range in layer {layer}; allowed: fewer layers, or another grad_factor"
            )
        rms = multiplied / factor * settings.loss_scale
        below = sizes / factor * settings.loss_scale < settings.epsilon
        rows.append(
            {
                "layer": layer,
                "gradient_rms": rms,
                "epsilon": settings.epsilon,
                "ratio": rms / settings.epsilon,
                "below_epsilon_share": float(below.double().mean()),
            }
        )
    return rows


@torch.no_grad()
def logit_gradients(
    network: LogicNetwork, thresholds: np.ndarray, pixels: np.ndarray, labels: np.ndarray
) -> tuple[list[torch.Tensor], float]:
    """Each layer's (width, 16) float32 gradient of a batch's mean cross-entropy times a power of two; that factor.

    The factor keeps gradients of deep layers from being flushed to zero. Division by it in float64 is exact.
    """
    engine = make_engine(network, thresholds, OptimizerSettings(0.0), "numba", "cpu")
    assert isinstance(engine, KernelEngine)
    scores = engine.forward(pixels, int(network.iteration)).double()
    truth = torch.nn.functional.one_hot(torch.from_numpy(labels), network.classes)
    change = (torch.softmax(scores, 1) - truth) / len(labels)
    factor = 2.0 ** (LARGEST - math.frexp(float(change.abs().max()))[1])
    return engine.backward((change * factor).float()), factor


def predictions(rows: list[Row], learning_rate: float) -> list[str]:
    """One sentence per method, for rows of `probe_methods`: layers that start below epsilon, and Adam's steps there."""
    sentences = []
    for method, several in groupby(rows, lambda row: row["method"]):
        layers = list(several)
        below = [row for row in layers if row["ratio"] < 1]
        name, epsilon = method_label(method), f"epsilon = {layers[0]['epsilon']:g}"
        steps = [learning_rate * row["ratio"] for row in below]
        sentences.append(
            f"{name}: layers {_ranges([row['layer'] for row in below])} of {len(layers)} start below {epsilon}: Adam's "
            f"first steps there are about learning_rate * ratio, {min(steps):.2g} to {max(steps):.2g}, instead of "
            f"{learning_rate:g}"
            if below
            else f"{name}: no layer starts below {epsilon}"
        )
    return sentences


def _ranges(numbers: list[int]) -> str:
    """1 to 3, 5 for [1, 2, 3, 5]."""
    runs = [list(run) for _, run in groupby(numbers, lambda n: n - numbers.index(n))]
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def probe_like(run: Run, other: Run, data_dir: Path) -> list[Row]:
    """The epsilon that gives DLGN in a run's net the ratios of DLGN in another net. Rows of `same_ratio`.

    Raises LgnError for nets of different depth, and as `probe_methods`.
    """
    if run.depth != other.depth:
        raise LgnError(f"depth: {other.depth} in --like; allowed: {run.depth}, the depth of the first net")
    return same_ratio(*(probe_methods(each, data_dir, ["dlgn"]) for each in (run, other)))


def same_ratio(rows: list[Row], others: list[Row]) -> list[Row]:
    """Rows layer, gradient_rms, other_gradient_rms, other_epsilon, epsilon_for_same_ratio, from two nets' rows.

    epsilon_for_same_ratio = other_epsilon * gradient_rms / other_gradient_rms.
    """
    return [
        {
            "layer": row["layer"],
            "gradient_rms": row["gradient_rms"],
            "other_gradient_rms": other["gradient_rms"],
            "other_epsilon": other["epsilon"],
            "epsilon_for_same_ratio": other["epsilon"] * row["gradient_rms"] / other["gradient_rms"],
        }
        for row, other in zip(rows, others, strict=True)
    ]


def median_epsilon(rows: list[Row]) -> str:
    """A sentence on rows of `same_ratio`: the median and the range over layers."""
    epsilons = [row["epsilon_for_same_ratio"] for row in rows]
    return (
        f"DLGN: epsilon = {np.median(epsilons):.3g} gives the same ratio in the median layer; "
        f"{min(epsilons):.3g} to {max(epsilons):.3g} by layer"
    )
