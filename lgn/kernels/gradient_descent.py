"""Plain gradient descent on the kernels of an engine, for controls that ask what Adam does to a method."""

import numpy as np
import torch

from lgn.kernels import LOSS_UNIT, KernelEngine


class GradientDescent:
    """An Engine on another's kernels whose step() changes the logits by -learning_rate times their gradient."""

    together, waited = 1, 0.0

    def __init__(self, engine: KernelEngine, learning_rate: float):
        self.engine, self.learning_rate = engine, learning_rate
        self.network, self.name, self.device = engine.network, engine.name, engine.device
        self.scores, self.synchronize = engine.scores, engine.synchronize
        self._loss_sum, self._loss_count = 0.0, 0

    @torch.no_grad()
    def step(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        scores = self.engine.forward(pixels, int(self.network.iteration)).double()
        truth = torch.as_tensor(labels).to(scores.device)
        loss = torch.nn.functional.cross_entropy(scores, truth)
        change = torch.softmax(scores, 1)
        change[torch.arange(len(truth)), truth] -= 1
        gradients = self.engine.backward((change / len(truth)).float())
        for logits, gradient in zip(self.network.logits, gradients, strict=True):
            logits.sub_(gradient, alpha=self.learning_rate)
        self.network.iteration += 1
        self._loss_sum += float(torch.round(loss / LOSS_UNIT)) * LOSS_UNIT
        self._loss_count += 1

    def take_losses(self) -> tuple[float, int]:
        taken = self._loss_sum, self._loss_count
        self._loss_sum, self._loss_count = 0.0, 0
        return taken

    def optimizer_state(self) -> dict[str, torch.Tensor]:
        """Nothing: the next step depends on the logits alone."""
        return {}

    def load_optimizer_state(self, moments: dict[str, torch.Tensor]) -> None:
        """There is nothing to take back."""
