"""The fast kernels under anyone's training loop: a LogicNetwork keeps its face and computes on an engine."""

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from lgn.kernels import KernelEngine, make_engine
from lgn.methods import OptimizerSettings
from lgn.network import LogicNetwork


def accelerate(
    network: LogicNetwork, backend: str = "auto", device: str = "auto", threads: int = 1
) -> LogicNetwork:
    """Has network(bits) and its backward pass run on a backend's kernels; returns the network.

    Parameters, state_dict(), modes, noise and results stay what they were, and any optimiser of torch's may train it;
    gradients reach the logits, not the bits. backend "torch" gives the network its own forward back. The parameters
    stay the same objects in memory that may be new. Raises LgnError as make_engine.
    """
    network.compute = network.reference_scores
    if backend != "torch":
        levels = np.zeros((1, network.inputs), np.uint8)  # A bit is a pixel of 0 or 1, above level 0 or not.
        engine = make_engine(network, levels, OptimizerSettings(0.0), backend, device, threads)
        if isinstance(engine, KernelEngine):
            network.compute = _Accelerated(engine)
            for logits in network.logits:
                # Torch's fused optimisers take a view with gaps, which some engines make, for a dense tensor.
                logits.data = logits.data.contiguous()
    return network


class _Accelerated:
    """LogicNetwork.compute on an engine, which holds one forward pass at a time."""

    def __init__(self, engine: KernelEngine):
        self.engine = engine
        self.passes = 0

    def __call__(self, bits: torch.Tensor, mode: str, step: int | None, draw: int) -> torch.Tensor:
        network = self.engine.network
        pixels = bits.detach().to(torch.uint8)
        if step is not None and mode == "train_mode":
            return _Scores.apply(self, pixels, step, *network.logits)
        if step is not None:
            return network.reference_scores(bits, mode, step, draw)
        self.passes += 1
        return torch.from_numpy(self.engine.scores(pixels, mode, draw)).to(bits.device)

    def forward(self, pixels: torch.Tensor, step: int) -> torch.Tensor:
        self.passes += 1
        return self.engine.forward(pixels, step)


class _Scores(torch.autograd.Function):
    """Scores of a training step, differentiable in the logits."""

    @staticmethod
    def forward(ctx, accelerated, pixels, step, *logits):
        ctx.accelerated, ctx.pixels, ctx.step = accelerated, pixels, step
        ctx.save_for_backward(*logits)
        scores = accelerated.forward(pixels, step)
        ctx.passes = accelerated.passes
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        _ = ctx.saved_tensors  # Raises if the logits have changed since: torch's own check.
        if ctx.accelerated.passes != ctx.passes:
            ctx.accelerated.forward(ctx.pixels, ctx.step)
        return None, None, None, *ctx.accelerated.engine.backward(gradient)
