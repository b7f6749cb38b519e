"""Wiring: which two outputs of the layer before each neuron reads. It is drawn once, or learned among drawn candidates.

`random` and `unique` follow difflogic's connections. Learning follows arXiv:2511.12340, its hard form arXiv:2507.06173.
"""

import numpy as np
import torch

from lgn.errors import LgnError
from lgn.methods._method import StraightThrough


def random_wiring(inputs: int, width: int, generator: np.random.Generator) -> np.ndarray:
    """(2, width) int32: every input is read about equally often; a neuron may read one input twice."""
    places = generator.permutation(2 * width) % inputs
    return generator.permutation(inputs)[places].reshape(2, width).astype(np.int32)


def unique_wiring(inputs: int, width: int, generator: np.random.Generator) -> np.ndarray:
    """(2, width) int32: no pair twice, near pairs first.

    Pairs at distance 1, (0, 1), (2, 3), ..., then (1, 2), (3, 4), ..., then all at distance 2, 3, ... until there
    are `width`; then the neurons are shuffled. Raises LgnError if there are too few pairs, or too few neurons to read
    every input.
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
    """(2, width) int32: for each input, the one of its candidates (2, width, count) with the largest logit."""
    return candidates.gather(-1, logits.argmax(-1, keepdim=True)).squeeze(-1)


def mixed(x: torch.Tensor, candidates: torch.Tensor, logits: torch.Tensor, hard: bool) -> torch.Tensor:
    """(2, width, batch): the neurons' inputs from x (fan_in, batch), mixed over candidates by a softmax of the logits.

    hard: only the likeliest candidate. The logits then get the softmax's gradient, and x the likeliest candidate's.
    """
    weights = torch.softmax(logits, -1)
    if hard:
        one = torch.zeros_like(weights).scatter(-1, logits.argmax(-1, keepdim=True), 1)
        weights = StraightThrough.apply(weights, one)
    # Not x[candidates]: several threads would sum its gradient in any order.
    read = x.index_select(0, candidates.flatten()).view(*candidates.shape, -1)
    return torch.einsum("pwk,pwkb->pwb", weights, read)


WIRINGS = {"random": random_wiring, "unique": unique_wiring}
