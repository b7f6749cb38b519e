"""Noise on the gate logits: four distributions, made of the uniform numbers of `lgn.randomness`.

All have Gumbel(0, 1)'s variance, pi^2 / 6, so that they differ in shape and not in size.
"""

import math

import torch


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
