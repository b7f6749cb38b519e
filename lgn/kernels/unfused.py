"""A torch optimiser on an engine's kernels: only Adam with the softmax methods is fused into them."""

import numpy as np
import torch

from lgn.arrays import as_labels
from lgn.kernels import LOSS_UNIT, KernelPasses
from lgn.kernels.optimizers import TorchOptimized, torch_optimizer
from lgn.methods import OptimizerSettings


class Unfused(TorchOptimized):
    """An Engine whose step() takes gradients from another engine's kernels and gives them to a torch optimiser."""

    together, barrier_seconds = 1, 0.0

    def __init__(self, engine: KernelPasses, settings: OptimizerSettings):
        self.engine, self.optimizer = engine, settings
        self.frozen = engine.frozen
        self.forward, self.backward = engine.forward, engine.backward
        self.network, self.name, self.device = engine.network, engine.name, engine.device
        self.scores, self.synchronize = engine.scores, engine.synchronize
        self._torch = torch_optimizer(list(self.network.logits), settings)
        self._loss_sum, self._loss_count = 0.0, 0

    @torch.no_grad()
    def step(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        labels = as_labels(labels, len(pixels), self.network.classes)
        self.network.begin_step()
        scores = self.engine.forward(pixels, int(self.network.iteration)).double()
        truth = torch.as_tensor(labels).to(scores.device)
        loss = torch.nn.functional.cross_entropy(scores, truth)
        change = torch.softmax(scores, 1)
        change[torch.arange(len(truth)), truth] -= 1
        gradients = self.engine.backward((change / len(truth) * self.optimizer.gradient_scale).float())
        for logits, gradient in zip(self.network.logits, gradients, strict=True):
            logits.grad = gradient
        self._torch.step()
        self._torch.zero_grad()
        self.network.iteration += 1
        self._loss_sum += float(torch.round(loss / LOSS_UNIT)) * LOSS_UNIT
        self._loss_count += 1

    def take_losses(self) -> tuple[float, int]:
        taken = self._loss_sum, self._loss_count
        self._loss_sum, self._loss_count = 0.0, 0
        return taken
