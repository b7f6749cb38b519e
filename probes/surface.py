"""The soft network's loss on a plane or a line through trained logits (paper, Fig. 8).

Random directions are normalised by neuron: the part of a neuron's 16 logits that softmax sees, that is less their
mean, gets a perturbation of its own length where a coordinate is 1. Networks of logits (z, tau) and (s z, s tau)
compute the same, soft and discrete, and then have the same surface; directions of plain N(0, 1) would show the
sharper one of the two as flat. That makes DLGN (tau = 1) and GLGN (tau = 0.1, other lengths of logits) comparable at
one extent, as filter normalisation does for convolutional networks (Li et al. 2018). How the paper
scaled its random directions is not known.
"""

import numpy as np
import torch

from lgn.errors import LgnError
from lgn.kernels import make_engine
from lgn.methods import OptimizerSettings
from lgn.metrics import accuracy
from lgn.network import LogicNetwork
from lgn.run import Execution
from probes.common import (
    Row,
    Splits,
    choose,
    copy_network,
    mean_cross_entropy,
    probe_seed,
    scaled_logits,
    set_logits,
)


def run_plane(
    network: LogicNetwork,
    splits: Splits,
    thresholds: np.ndarray,
    *,
    split: str,
    images: int,
    extent: float,
    points: int,
    seed: int = 0,
    execution: Execution = Execution(),
) -> list[Row]:
    """Rows x, y, loss, soft_accuracy, discrete_accuracy on a grid of points * points over [-extent, extent]^2.

    x and y count lengths of each neuron's logits along two random directions, orthogonal in every neuron; those of
    equal seed are the same for all networks of one shape, but for their lengths. (0, 0) is the network, on the grid
    where points is odd. Soft values are at the network's own temperature. images: how many of the split, a fixed
    random subset.
    """
    centre = scaled_logits(network, network.estimator.temperature)
    first, second = random_directions(centre, probe_seed(seed, "surface"))
    grid = np.linspace(-extent, extent, points)
    places = [(float(x), float(y)) for y in grid for x in grid]
    measured = _measure(
        network,
        ([c + x * d + y * e for c, d, e in zip(centre, first, second, strict=True)] for x, y in places),
        choose(splits[split], images, seed),
        thresholds,
        execution,
    )
    return [{"x": x, "y": y} | row for (x, y), row in zip(places, measured, strict=True)]


def run_line(
    network: LogicNetwork,
    other: LogicNetwork,
    splits: Splits,
    thresholds: np.ndarray,
    *,
    split: str,
    images: int,
    points: int,
    margin: float = 0.0,
    seed: int = 0,
    execution: Execution = Execution(),
) -> list[Row]:
    """Rows position, loss, soft_accuracy, discrete_accuracy from network (0) to other (1), margin beyond both ends.

    Logits move on a straight line and the softmax's temperature geometrically, each from one network's to the other's:
    both ends are the networks as trained. Raises LgnError where wiring or shape differ.
    """
    if (network.depth, network.width, network.inputs) != (other.depth, other.width, other.inputs) or any(
        not torch.equal(network.wiring(layer), other.wiring(layer)) for layer in range(network.depth)
    ):
        raise LgnError("wiring: a line joins logits of one wiring only; allowed: two runs of equal seed")
    start, end = (scaled_logits(n, 1.0) for n in (network, other))
    first, last = network.estimator.temperature, other.estimator.temperature
    positions = np.linspace(-margin, 1 + margin, points).tolist()
    measured = _measure(
        network,
        (
            [torch.lerp(a, b, t) / (first ** (1 - t) * last**t) for a, b in zip(start, end, strict=True)]
            for t in positions
        ),
        choose(splits[split], images, seed),
        thresholds,
        execution,
    )
    return [{"position": t} | row for t, row in zip(positions, measured, strict=True)]


def random_directions(logits: list[torch.Tensor], seed: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Two directions, each a (width, 16) a layer: in every neuron as long as its centred logits, and orthogonal.

    They too are centred over the gates.
    """
    generator = np.random.default_rng(seed)
    first, second = [], []
    for values in logits:
        length = (values - values.mean(-1, keepdim=True)).norm(dim=-1, keepdim=True)
        draws = torch.from_numpy(generator.standard_normal((2, *values.shape))).to(values)
        a, b = draws - draws.mean(-1, keepdim=True)
        a = a / a.norm(dim=-1, keepdim=True)
        b = b - (a * b).sum(-1, keepdim=True) * a
        first.append(length * a)
        second.append(length * b / b.norm(dim=-1, keepdim=True))
    return first, second


def _measure(network, places, examples, thresholds, execution):
    """A row for each places' scaled logits: loss and accuracies on examples (images, labels)."""
    images, labels = examples
    moved = copy_network(network, temperature=1.0)
    engine = make_engine(
        moved, thresholds, OptimizerSettings(0.0), execution.backend, execution.device, execution.threads
    )
    for scaled in places:
        set_logits(moved, scaled)
        soft = engine.scores(images, "soft")
        yield {
            "loss": mean_cross_entropy(soft, labels),
            "soft_accuracy": accuracy(soft, labels),
            "discrete_accuracy": accuracy(engine.scores(images, "discrete"), labels),
        }
