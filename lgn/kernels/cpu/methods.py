"""Any method on the CPU's kernels: torch computes gates or coefficients and their gradient, kernels the network."""

from dataclasses import replace

import numpy as np
import torch

from lgn.arrays import require_logits, require_mode
from lgn.kernels.autograd import scores
from lgn.kernels.cpu.passes import Passes
from lgn.network import LogicNetwork


class MethodPasses(Passes):
    """A KernelEngine without step(), which kernels.unfused adds. Parameters stay where they are."""

    def __init__(self, network: LogicNetwork, thresholds: np.ndarray, threads: int = 1):
        require_logits(network)
        super().__init__(network, thresholds, threads)

    def forward(self, pixels: np.ndarray, step: int) -> torch.Tensor:
        require_logits(self.network, self.device)
        with torch.enable_grad():
            coefficients, gates = self._state("train_mode", step)
            self._scores = scores(self, pixels, coefficients, gates)
        return self._scores.detach()

    def backward(self, gradient: torch.Tensor) -> list[torch.Tensor]:
        parameters = list(self.network.logits)
        return list(torch.autograd.grad(self._scores, parameters, gradient, retain_graph=True))

    @torch.no_grad()
    def scores(self, pixels: np.ndarray, mode: str, draw: int = 0) -> np.ndarray:
        require_mode(mode)
        self.frozen.require()
        require_logits(self.network, self.device)
        coefficients, gates = self._state(mode, None, draw)
        return self.scores_of((coefficients if gates is None else gates).numpy(), pixels)

    def synchronize(self) -> None:
        """Returns at once: every call finishes its work."""

    def _state(self, mode: str, step: int | None, draw: int = 0) -> tuple:
        """Stacked coefficients (depth, width, 4) and gates (depth, width); either may be None."""
        network, draws = self.network, self.network.draws(mode, step, draw)
        # One call for all layers: a method does not depend on the layer, and a torch call costs more than the
        # arithmetic of hundreds of neurons.
        drawn = replace(draws[0], key=[each.key for each in draws])
        parts = network.method.layer(torch.cat(list(network.logits)), drawn)
        return tuple(
            None if part is None else part.view(network.depth, network.width, *part.shape[1:])
            for part in parts
        )
