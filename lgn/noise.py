"""Noise on the gate logits: uniform numbers from a counter, and four distributions computed from them.

A number depends only on (seed, step, layer, neuron, gate). So every backend, thread count and order of evaluation
draws the same noise. All distributions have Gumbel(0, 1)'s variance, pi^2 / 6: they differ in shape, not in size.
"""

import math

import torch

from lgn.gates import GATES
from lgn.randomness import GOLDEN32, MASK32, MIX_1, MIX_2


def uniforms(
    key: tuple[int, int] | list[tuple[int, int]], width: int, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """(width, 16) float32 in (0, 1), symmetric about 1/2: odd multiples of 2^-24, all exact in float32.

    key: of one layer, or a list of keys of several layers, which divide the rows equally.
    32-bit arithmetic in int64: torch has no wrapping uint32 multiplication. The second key enters between the
    multiplications; without it another step would draw the same numbers, shifted.
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
"""Noises by name, without "none": functions from uniforms (width, 16) to noise of that shape."""
