"""Any method on kernels: torch computes gates or coefficients and their gradient, kernels the network."""

from dataclasses import replace

import numpy as np
import torch

from lgn.arrays import Array, require_logits, require_mode
from lgn.kernels.autograd import Passes, scores
from lgn.network import LogicNetwork


class MethodPasses:
    """A KernelEngine without step(), which kernels.unfused adds. Parameters stay where the passes have them."""

    def __init__(self, passes: Passes):
        self.passes, self.network, self.frozen = passes, passes.network, passes.frozen
        self.name, self.device, self.synchronize = passes.name, str(passes.device), passes.synchronize

    def forward(self, pixels: Array, step: int) -> torch.Tensor:
        require_logits(self.network, self.device)
        with torch.enable_grad():
            coefficients, gates = self._state("train_mode", step)
            self._scores = scores(self.passes, pixels, coefficients, gates)
        return self._scores.detach()

    def backward(self, gradient: torch.Tensor) -> list[torch.Tensor]:
        parameters = list(self.network.logits)
        return list(torch.autograd.grad(self._scores, parameters, gradient, retain_graph=True))

    @torch.no_grad()
    def scores(self, pixels: Array, mode: str, draw: int = 0) -> np.ndarray:
        require_mode(mode)
        self.frozen.require()
        require_logits(self.network, self.device)
        coefficients, gates = self._state(mode, None, draw)
        return self.passes.scores_of(self.passes.own(coefficients if gates is None else gates), pixels)

    def _state(self, mode: str, step: int | None, draw: int = 0) -> tuple:
        """Stacked coefficients (depth, width, 4) and gates (depth, width); either may be None."""
        network, draws = self.network, self.network.draws(mode, step, draw)
        # One call for all layers: a method does not depend on the layer, and a torch call costs more than the
        # arithmetic of hundreds of neurons.
        drawn = replace(draws[0], key=[each.key for each in draws if isinstance(each.key, tuple)])
        parts = network.method.layer(torch.cat(list(network.logits)), drawn)
        return tuple(
            None if part is None else part.view(network.depth, network.width, *part.shape[1:])
            for part in parts
        )


def passes_of(
    network: LogicNetwork, thresholds: np.ndarray, backend: str, device: str, threads: int
) -> Passes:
    """The kernels of a backend. Raises LgnError for parameters that they cannot take over."""
    require_logits(network)
    if backend == "numba":
        from lgn.kernels.cpu.passes import Passes as CpuPasses

        return CpuPasses(network, thresholds, threads)
    from lgn.kernels.gpu.passes import TritonPasses

    return TritonPasses(network, thresholds, device)
