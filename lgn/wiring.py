"""Which two outputs of the layer before each neuron reads: drawn once, or learned among candidates drawn once.

Both schemes of drawing follow difflogic's `random` and `unique` connections. Learning is that of arXiv:2511.12340, and
hard that of arXiv:2507.06173.
"""

import numpy as np
import torch

from lgn.errors import LgnError
from lgn.methods._method import StraightThrough


def random_wiring(inputs: int, width: int, generator: np.random.Generator) -> np.ndarray:
    """(2, width) int32: every input read about equally often; a neuron may read one input twice."""
    slots = generator.permutation(2 * width) % inputs
    return generator.permutation(inputs)[slots].reshape(2, width).astype(np.int32)


def unique_wiring(inputs: int, width: int, generator: np.random.Generator) -> np.ndarray:
    """(2, width) int32: no pair twice, near pairs first.

    Pairs at distance 1, (0, 1), (2, 3), ..., then (1, 2), (3, 4), ..., then all at distance 2, 3, ... until there
    are `width`; the neurons are then shuffled. Raises LgnError where there are too few pairs, or too few neurons to
    read every input.
    """
    if 2 * width < inputs or width > inputs * (inputs - 1) // 2:
        raise LgnError(
            f"width: {width} is impossible with wiring 'unique' on {inputs} inputs; "
            f"allowed: {-(-inputs // 2)} to {inputs * (inputs - 1) // 2}"
        )
    first = [np.arange(0, inputs - 1, 2), np.arange(1, inputs - 1, 2)]
    distances = [1, 1]
    while sum(map(len, first)) < width:
        distances.append(distances[-1] + 1)
        first.append(np.arange(inputs - distances[-1]))
    a = np.concatenate(first)
    b = np.concatenate([f + d for f, d in zip(first, distances, strict=True)])
    return np.stack([a, b])[:, :width][:, generator.permutation(width)].astype(np.int32)


def likeliest(candidates: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """(2, width) int32: of candidates (2, width, count) for each input those with the largest logits."""
    return candidates.gather(-1, logits.argmax(-1, keepdim=True)).squeeze(-1)


def mixed(x: torch.Tensor, candidates: torch.Tensor, logits: torch.Tensor, hard: bool) -> torch.Tensor:
    """(2, width, batch): what neurons read of x (fan_in, batch), each input weighted by a softmax of its logits.

    hard: the likeliest candidate alone. The logits then get the softmax's gradient, and x that of what is read.
    """
    weights = torch.softmax(logits, -1)
    if hard:
        one = torch.zeros_like(weights).scatter(-1, logits.argmax(-1, keepdim=True), 1)
        weights = StraightThrough.apply(weights, one)
    # Not x[candidates], whose gradient several threads add up in any order.
    read = x.index_select(0, candidates.flatten()).view(*candidates.shape, -1)
    return torch.einsum("pwk,pwkb->pwb", weights, read)


WIRINGS = {"random": random_wiring, "unique": unique_wiring}
