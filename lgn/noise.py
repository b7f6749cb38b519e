"""Noise on the gate logits: uniform numbers from a counter, and the four distributions made of them.

A number depends on (seed, step, layer, neuron, gate) alone, so every backend, thread count and order of evaluation
draws the same noise. All distributions have Gumbel(0, 1)'s variance, pi^2 / 6, so that they differ in shape and not in
size.
"""

import math

import torch

from lgn.gates import GATES
from lgn.randomness import GOLDEN32, MASK32, MIX_1, MIX_2


def uniforms(
    key: tuple[int, int] | list[tuple[int, int]], width: int, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """(width, 16) float32 in (0, 1), symmetric about 1/2: odd multiples of 2^-24, all exact in float32.

    key: that of a layer; or of several layers that follow each other, which share the rows equally.
    32-bit arithmetic in int64: torch has no wrapping uint32 multiplication. The second key enters between the
    multiplications; without it the numbers of another step would be these ones shifted.
    """
    keys = torch.tensor(key, device=device).view(-1, 2)
    x = torch.arange(width // len(keys) * GATES, dtype=torch.int64, device=device)
    x = (x * GOLDEN32 + keys[:, :1]) & MASK32
    x = x ^ (x >> 16)
    x = (x * MIX_1) & MASK32
    x = x ^ (x >> 15) ^ keys[:, 1:]
    x = (x * MIX_2) & MASK32
    x = x ^ (x >> 15)
    return ((x >> 9).to(torch.float32) * 2.0**-23 + 2.0**-24).view(width, GATES)


def gumbel(u: torch.Tensor) -> torch.Tensor:
    """Gumbel(0, 1) by inversion."""
    return -torch.log(-torch.log(u))


def gaussian(u: torch.Tensor) -> torch.Tensor:
    """Normal with Gumbel's variance."""
    return torch.special.ndtri(u) * (math.pi / math.sqrt(6))


def logistic(u: torch.Tensor) -> torch.Tensor:
    """Logistic of scale 1/sqrt(2), whose variance is Gumbel's."""
    return (torch.log(u) - torch.log(1 - u)) * math.sqrt(0.5)


def uniform(u: torch.Tensor) -> torch.Tensor:
    """Uniform on (-pi/sqrt(2), pi/sqrt(2)), whose variance is Gumbel's."""
    return (2 * u - 1) * (math.pi / math.sqrt(2))


NOISES = {"gumbel": gumbel, "gaussian": gaussian, "logistic": logistic, "uniform": uniform}
"""Every noise a run may name beside "none": a function of uniforms (width, 16) to noise of that shape."""
