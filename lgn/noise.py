"""Noise on the gate logits: a counter-based generator and the four distributions.

A number depends on (seed, step, layer, neuron, gate) alone, so every backend, thread count and order of
evaluation draws the same noise, and a resumed run needs no generator state. All distributions have
Gumbel(0, 1)'s variance, pi^2 / 6, so that they differ in shape and not in size.
"""

import math

import torch

from lgn.gates import GATES

_MASK32, _MASK64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
GOLDEN32, GOLDEN64 = 0x9E3779B9, 0x9E3779B97F4A7C15
# Multipliers of a 32-bit integer finaliser of low bias (Wellons, hash-prospector).
MIX_1, MIX_2 = 0x21F0AAAD, 0xD35A2D97


def _splitmix64(x: int) -> int:
    x = (x + GOLDEN64) & _MASK64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK64
    return x ^ (x >> 31)


def layer_key(seed: int, step: int, layer: int) -> tuple[int, int]:
    """Two 32-bit keys of one layer at one step. seed: a 64-bit stream seed (streams.stream_seed)."""
    key = _splitmix64(_splitmix64(_splitmix64(seed) + step) + layer)
    return key & _MASK32, key >> 32


def uniforms(key: tuple[int, int], width: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """(width, 16) float32 in (0, 1), symmetric about 1/2: odd multiples of 2^-24, all exact in float32.

    32-bit arithmetic in int64: torch has no wrapping uint32 multiplication. The second key enters between the
    multiplications; without it the numbers of another step would be these ones shifted.
    """
    x = torch.arange(width * GATES, dtype=torch.int64, device=device)
    x = (x * GOLDEN32 + key[0]) & _MASK32
    x = x ^ (x >> 16)
    x = (x * MIX_1) & _MASK32
    x = x ^ (x >> 15) ^ key[1]
    x = (x * MIX_2) & _MASK32
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
