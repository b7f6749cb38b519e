"""The discrete network as it is deployed; see lgn.kernels.discrete."""

from lgn.kernels.discrete import IMAGES, DiscreteNetwork

__all__ = ["IMAGES", "DiscreteNetwork"]
