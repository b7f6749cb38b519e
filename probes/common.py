"""Shared code of the probes: their random streams, copies of a network, examples and float64 logits."""

import copy
import dataclasses
import hashlib
from typing import Any, NamedTuple

import numpy as np
import torch

from lgn.data.encoding import encode
from lgn.network import LogicNetwork
from lgn.noise import NOISES, uniforms
from lgn.randomness import layer_key

Splits = dict[str, tuple[np.ndarray, np.ndarray]]
"""name -> (images (n, pixels) uint8, labels (n,) int64), see evaluate.evaluation_splits."""

Row = dict[str, Any]


class Examples(NamedTuple):
    """Thermometer bits (inputs, n) bool, one image per column, and labels (n,) int64, on one device."""

    bits: torch.Tensor
    labels: torch.Tensor


def probe_seed(seed: int, probe: str) -> int:
    """64-bit seed of a probe's stream. "probe/" makes it differ from every stream of lgn.randomness."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/probe/{probe}".encode(), digest_size=8).digest(), "little")


def choose(split: tuple[np.ndarray, np.ndarray], images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A fixed random subset of `images` (images, labels), in their original order; all if there are fewer."""
    order = np.random.default_rng(probe_seed(seed, "images")).permutation(len(split[1]))
    chosen = np.sort(order[:images])
    return split[0][chosen], split[1][chosen]


def examples(network: LogicNetwork, thresholds: np.ndarray, split: tuple[np.ndarray, np.ndarray]) -> Examples:
    """Images (n, pixels) uint8 and labels, encoded by thresholds (count, pixels), on the network's device."""
    device = network.logits[0].device
    bits = encode(torch.from_numpy(split[0]).to(device), torch.from_numpy(thresholds).to(device))
    return Examples(bits.t().contiguous(), torch.from_numpy(split[1]).to(device))


def blocks(network: LogicNetwork, given: Examples, values: int) -> list[Examples]:
    """The examples in parts of about `values` activations per layer, at least one image each."""
    size = max(1, values // network.width)
    return [
        Examples(bits, labels)
        for bits, labels in zip(given.bits.split(size, 1), given.labels.split(size), strict=True)
    ]


def scaled_logits(network: LogicNetwork, temperature: float) -> list[torch.Tensor]:
    """Each layer's logits / temperature, (width, 16) float64 copies: the argument of the soft network's softmax."""
    return [logits.detach().double() / temperature for logits in network.logits]


def noise_draw(network: LogicNetwork, noise: str, seed: int, draw: int) -> list[torch.Tensor]:
    """Each layer's (width, 16) float64 noise, one draw. noise: a name in noise.NOISES; seed: of a probe's stream."""
    return [
        NOISES[noise](
            uniforms(layer_key(seed, draw, layer), network.width, network.logits[0].device).double()
        )
        for layer in range(network.depth)
    ]


def copy_network(network: LogicNetwork, temperature: float | None = None) -> LogicNetwork:
    """A copy of a network in new memory, computed by the reference. temperature: of its softmax, if it differs."""
    copied = copy.deepcopy(network)
    copied.compute = copied.reference_scores
    if temperature is not None:
        copied.estimator = dataclasses.replace(network.estimator, temperature=temperature)
    return copied


@torch.no_grad()
def set_logits(network: LogicNetwork, logits: list[torch.Tensor]) -> None:
    """Writes each layer's (width, 16) into the parameters' memory, which engines may share."""
    for parameter, values in zip(network.logits, logits, strict=True):
        parameter.copy_(values)


def mean_cross_entropy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean cross-entropy of scores (n, classes) and labels (n,), in nats."""
    shifted = scores.astype(np.float64) - scores.max(1, keepdims=True)
    at_label = shifted[np.arange(len(labels)), labels]
    return float((np.log(np.exp(shifted).sum(1)) - at_label).mean())
