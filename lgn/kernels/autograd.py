"""The interface between methods and kernels: scores from a state, differentiable in the state's coefficients."""

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from lgn.kernels.cpu.passes import Passes


def scores(
    passes: Passes, pixels: np.ndarray, coefficients: torch.Tensor, gates: torch.Tensor | None = None
) -> torch.Tensor:
    """(batch, classes) float32 scores of (batch, pixels) uint8 through the wiring of the passes.

    coefficients (depth, width, 4) float32: c0..c3 of every neuron. gates (depth, width) uint8: if given, the forward
    pass computes with them, packed. backward() gives the gradient of c0..c3 either way. With gates, the gradient
    reaches a layer's inputs through the gates.
    """
    return _Scores.apply(passes, pixels, coefficients, gates)


class _Scores(torch.autograd.Function):
    @staticmethod
    def forward(ctx, passes, pixels, coefficients, gates):
        state = coefficients if gates is None else gates
        # A copy: the state may be a parameter itself, which may change before backward().
        ctx.state = state.detach().to("cpu", copy=True).contiguous().numpy()
        ctx.passes, ctx.pixels = passes, pixels
        found = passes.forward_of(ctx.state, pixels)
        ctx.count = passes.count
        return torch.from_numpy(found)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        passes = ctx.passes
        if passes.count != ctx.count:  # The buffers hold another pass.
            passes.forward_of(ctx.state, ctx.pixels)
            ctx.count = passes.count
        return None, None, torch.from_numpy(passes.backward_of(ctx.state, gradient.numpy())), None
