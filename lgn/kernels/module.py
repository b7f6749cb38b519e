"""The fast kernels in any training loop: a LogicNetwork keeps its interface and computes on an engine."""

from typing import cast

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from lgn.arrays import exact_bits
from lgn.errors import LgnError
from lgn.kernels import Engine, KernelEngine, make_engine
from lgn.methods import OptimizerSettings
from lgn.network import LogicNetwork


def accelerate(
    network: LogicNetwork, backend: str = "auto", device: str = "auto", threads: int = 1
) -> LogicNetwork:
    """Makes network(bits) and its backward pass run on a backend's kernels; returns the network.

    Parameters, state_dict(), modes, noise and results stay the same, and any torch optimiser may train the network.
    Gradients reach the logits, not the bits, which must be 0 or 1. backend "torch" restores the network's own forward.
    The parameters stay the same objects, but their memory may move. Copies and pickles are accelerated too. The
    kernels follow later changes of the network; a call raises LgnError where they cannot, as for float64 logits.
    Raises LgnError as make_engine.
    """
    network.compute = network.reference_scores
    if backend != "torch":
        accelerated = _Accelerated(network, backend, device, threads)
        if accelerated.current().name != "torch":
            network.compute = accelerated
    return network


class _Accelerated:
    """LogicNetwork.compute on an engine, which holds one forward pass at a time."""

    def __init__(self, network: LogicNetwork, backend: str, device: str, threads: int):
        self.network, self.asked, self.threads = network, (backend, device), threads
        self.engine: Engine | None = None
        self.passes = 0

    def __getstate__(self) -> dict:
        """A copy makes its own engine at its first call."""
        return vars(self) | {"engine": None}

    def current(self) -> Engine:
        """The engine; a new one if the network has changed in a way that the old one cannot follow."""
        network, engine = self.network, self.engine
        if engine is None or (engine.name != "torch" and cast(KernelEngine, engine).frozen.changed()):
            backend, device = (engine.name, engine.device) if engine else self.asked
            # A bit is a pixel of value 0 or 1; the threshold is 0.
            levels = np.zeros((1, network.inputs), np.uint8)
            engine = self.engine = make_engine(
                network, levels, OptimizerSettings(0.0), backend, device, self.threads
            )
            for logits in network.logits:
                # Some engines make views with gaps, which torch's fused optimisers treat as dense tensors.
                logits.data = logits.data.contiguous()
        return engine

    def __call__(self, bits: torch.Tensor, mode: str, step: int | None, draw: int) -> torch.Tensor:
        network, engine = self.network, self.current()
        if engine.name == "torch" or not len(bits):
            return network.reference_scores(bits.to(network.logits[0].device), mode, step, draw)
        if bits.requires_grad and torch.is_grad_enabled():
            raise LgnError(
                "bits: require a gradient, but kernels compute only the logits' gradient; allowed: bits.detach(), or "
                "backend torch"
            )
        pixels = exact_bits(bits)
        if step is not None and mode == "train_mode":
            return _Scores.apply(self, pixels, step, *network.logits)
        if step is not None:
            return network.reference_scores(bits, mode, step, draw)
        self.passes += 1
        return torch.from_numpy(engine.scores(pixels, mode, draw)).to(bits.device)

    def forward(self, engine: KernelEngine, pixels: torch.Tensor, step: int) -> torch.Tensor:
        self.passes += 1
        return engine.forward(pixels, step)


class _Scores(torch.autograd.Function):
    """Scores of a training step, differentiable in the logits."""

    @staticmethod
    def forward(ctx, accelerated, pixels, step, *logits):
        ctx.accelerated, ctx.pixels, ctx.step = accelerated, pixels, step
        ctx.save_for_backward(*logits)
        ctx.engine, ctx.settings = accelerated.engine, _settings(accelerated.network)
        scores = accelerated.forward(ctx.engine, pixels, step)
        ctx.passes = accelerated.passes
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        _ = ctx.saved_tensors  # Raises if the logits have changed since: torch's own check.
        accelerated = ctx.accelerated
        if accelerated.current() is not ctx.engine or _settings(accelerated.network) != ctx.settings:
            raise LgnError(
                "backward: wiring, estimator or noise seed have changed since forward; allowed: to change them after"
            )
        if accelerated.passes != ctx.passes:
            accelerated.forward(ctx.engine, ctx.pixels, ctx.step)
            ctx.passes = accelerated.passes
        return None, None, None, *ctx.engine.backward(gradient)


def _settings(network: LogicNetwork) -> tuple:
    """What an engine reads from the network in every pass."""
    return network.estimator, network.noise_seed
