"""The soft network's loss on a plane or a line through trained logits (paper, Fig. 8).

Random directions are normalised per neuron. Softmax depends on a neuron's 16 logits minus their mean; at coordinate 1
the perturbation is as long as these. Networks with logits and temperature (z, tau) and (s z, s tau) compute the same,
soft and discrete, and so they have the same surface. Plain N(0, 1) directions would show one of them as flatter. Thus
DLGN (tau = 1) and GLGN (tau = 0.1, other lengths of logits) are comparable at one extent, as with filter normalisation
for convolutional networks (Li et al. 2018). The paper does not say how it scaled its random directions.
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

    x and y are coordinates along two random directions, orthogonal in every neuron, in units of the length of the
    neuron's logits. Except for their lengths, directions of equal seed are the same for all networks of one shape.
    (0, 0) is the network; it is on the grid if points is odd. Soft values have the network's temperature. images: size
    of a fixed random subset of the split.
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
    """Rows position, loss, soft_accuracy, discrete_accuracy from network (0) to other (1), and `margin` beyond both.

    Logits move on a straight line and the softmax's temperature geometrically from one network's to the other's, so
    both ends are the trained networks. Raises LgnError if wiring or shape differ.
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
    """Two directions, a (width, 16) per layer: in every neuron orthogonal, and as long as its centred logits.

    The directions are centred over the gates too.
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
    """Yields one row for the scaled logits of each place: loss and accuracies on examples (images, labels)."""
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
