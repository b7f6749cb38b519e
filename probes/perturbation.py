"""Sharpness as a loss of accuracy: with noise on the logits, and with some layers discretised."""

from collections.abc import Sequence

import numpy as np
import torch

from lgn.kernels import make_engine
from lgn.methods import OptimizerSettings
from lgn.methods._method import Draw, forward_coefficients
from lgn.metrics import accuracy
from lgn.network import LogicNetwork
from lgn.run import Execution
from probes.common import (
    Row,
    Splits,
    blocks,
    choose,
    copy_network,
    examples,
    mean_cross_entropy,
    probe_seed,
    set_logits,
)
from probes.taylor import BLOCK_VALUES, activations, class_scores


def run_noise(
    network: LogicNetwork,
    splits: Splits,
    thresholds: np.ndarray,
    *,
    split: str,
    images: int,
    scales: Sequence[float],
    draws: int,
    seed: int = 0,
    execution: Execution = Execution(),
) -> list[Row]:
    """Rows scale, draw, discrete_accuracy, soft_accuracy, gate_change_share: after adding N(0, scale^2) to all logits.

    scale has the unit of the logits and of training's noise, which has standard deviation 1.28. The softmax has the
    network's temperature. gate_change_share: share of neurons whose argmax gate changes. A draw is one direction, times
    every scale. Draws of equal seed are the same for all networks of one shape.
    """
    pixels, labels = choose(splits[split], images, seed)
    moved = copy_network(network)
    engine = make_engine(
        moved, thresholds, OptimizerSettings(0.0), execution.backend, execution.device, execution.threads
    )
    centre = [logits.detach().clone() for logits in network.logits]
    gates = torch.stack([logits.argmax(-1) for logits in centre])
    rows = []
    for draw in range(draws):
        generator = np.random.default_rng([probe_seed(seed, "perturbation"), draw])
        noise = [
            torch.from_numpy(generator.standard_normal(x.shape, dtype=np.float32)).to(x.device)
            for x in centre
        ]
        for scale in scales:
            set_logits(moved, [x + scale * g for x, g in zip(centre, noise, strict=True)])
            moved_gates = torch.stack([logits.detach().argmax(-1) for logits in moved.logits])
            rows.append(
                {
                    "scale": scale,
                    "draw": draw,
                    "discrete_accuracy": accuracy(engine.scores(pixels, "discrete"), labels),
                    "soft_accuracy": accuracy(engine.scores(pixels, "soft"), labels),
                    "gate_change_share": float((moved_gates != gates.to(moved_gates.device)).double().mean()),
                }
            )
    return rows


def run_layers(
    network: LogicNetwork,
    splits: Splits,
    thresholds: np.ndarray,
    *,
    split: str,
    images: int,
    seed: int = 0,
) -> list[Row]:
    """Rows discretised, layers, accuracy, loss: the `first` or `last` `layers` layers are hard, the others soft.

    Hard means the argmax gate. layers is 0 for the soft network and the depth for the discrete one. Soft layers have
    the network's temperature. Computed in float64, because no engine mixes the two. Where saturated gates leave classes
    almost tied, an engine's float32 can give another class.
    """
    chosen = choose(splits[split], images, seed)
    given = examples(network, thresholds, chosen)
    soft, hard = (_coefficients(network, mode) for mode in ("soft", "discrete"))
    rows = []
    for discretised in ("first", "last"):
        for layers in range(network.depth + 1):
            cut = layers if discretised == "first" else network.depth - layers
            mixed = hard[:cut] + soft[cut:] if discretised == "first" else soft[:cut] + hard[cut:]
            scores = np.concatenate(
                [
                    class_scores(network, activations(network, mixed, part)[-1]).t().cpu().numpy()
                    for part in blocks(network, given, BLOCK_VALUES)
                ]
            )
            rows.append(
                {
                    "discretised": discretised,
                    "layers": layers,
                    "accuracy": accuracy(scores, chosen[1]),
                    "loss": mean_cross_entropy(scores, chosen[1]),
                }
            )
    return rows


def _coefficients(network: LogicNetwork, mode: str) -> list[torch.Tensor]:
    """Each layer's (width, 4) float64 coefficients in mode soft or discrete."""
    return [
        forward_coefficients(network.method, logits.detach().double(), Draw(mode, network.estimator))
        for logits in network.logits
    ]
