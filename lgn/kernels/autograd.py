"""The interface between methods and kernels: scores from a state, differentiable in the state's coefficients."""

from typing import Protocol

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from lgn.arrays import Array
from lgn.kernels.frozen import Frozen
from lgn.network import LogicNetwork


class Passes(Protocol):
    """Kernels through one network's wiring (cpu.passes, gpu.passes). A state of theirs is an array that own() gives.

    count: how often forward_of was called. pixels: how many an image has.
    """

    name: str
    device: str | torch.device
    network: LogicNetwork
    frozen: Frozen
    count: int

    def own(self, tensor: torch.Tensor) -> Array:
        """A copy as the kernels take it."""

    def forward_of(self, state: Array, pixels: Array) -> Array:
        """(batch, classes) float32 scores of (batch, pixels) uint8; what backward_of takes is left in buffers."""

    def backward_of(self, state: Array, gradient: Array) -> Array:
        """(depth, width, 4) float32 gradient of c0..c3, for that of the latest forward_of's scores."""

    def scores_of(self, state: Array, pixels: Array) -> np.ndarray:
        """(n, classes) float32 scores of any number of images; disturbs no pending backward_of."""

    def synchronize(self) -> None:
        """Returns when all work handed to the device is done."""


def scores(
    passes: Passes, pixels: Array, coefficients: torch.Tensor, gates: torch.Tensor | None = None
) -> torch.Tensor:
    """(batch, classes) float32 scores of (batch, pixels) uint8 through the wiring of the passes, on their device.

    coefficients (depth, width, 4) float32: c0..c3 of every neuron. gates (depth, width) uint8: if given, the forward
    pass computes with them, packed. backward() gives the gradient of c0..c3 either way. With gates, the gradient
    reaches a layer's inputs through the gates.
    """
    return _Scores.apply(passes, pixels, coefficients, gates)


class _Scores(torch.autograd.Function):
    @staticmethod
    def forward(ctx, passes, pixels, coefficients, gates):
        # A copy: the state may be a parameter itself, which may change before backward().
        ctx.state = passes.own(coefficients if gates is None else gates)
        ctx.passes, ctx.pixels, ctx.device = passes, pixels, coefficients.device
        found = passes.forward_of(ctx.state, pixels)
        ctx.count = passes.count
        return torch.as_tensor(found)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        passes = ctx.passes
        if passes.count != ctx.count:  # The buffers hold another pass.
            passes.forward_of(ctx.state, ctx.pixels)
            ctx.count = passes.count
        found = passes.backward_of(ctx.state, passes.own(gradient))
        return None, None, torch.as_tensor(found).to(ctx.device), None
