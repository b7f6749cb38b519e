"""The torch backend: the network's forward, autograd and torch's Adam. Other backends are tested against it."""

import numpy as np
import torch

from lgn.arrays import as_batch, as_pixels, as_thresholds
from lgn.data.encoding import encode
from lgn.kernels import LOSS_UNIT
from lgn.kernels.optimizers import TorchOptimized, torch_optimizer
from lgn.memory import EVALUATION_IMAGES
from lgn.methods import OptimizerSettings
from lgn.network import LogicNetwork


class ReferenceEngine(TorchOptimized):
    """Trains and evaluates a LogicNetwork on one device (see lgn.kernels.Engine)."""

    name = "torch"
    together, barrier_seconds = 1, 0.0

    def __init__(
        self,
        network: LogicNetwork,
        thresholds: np.ndarray,
        optimizer: OptimizerSettings,
        device: str,
    ):
        self.network = network.to(device)
        self.device = device
        self.thresholds = torch.from_numpy(as_thresholds(thresholds, network.inputs)).to(device)
        self.optimizer = optimizer
        self._torch = torch_optimizer([*network.logits, *network.choices], optimizer)
        self._loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        self._loss_count = 0

    def step(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        pixels, labels = as_batch(pixels, labels, self.thresholds.shape[1], self.network.classes)
        self.network.train()
        scores = self.network(self._encode(pixels))
        loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels).to(self.device))
        self._torch.zero_grad(set_to_none=True)
        (loss * self.optimizer.gradient_scale).backward()
        self._torch.step()
        self._loss_sum += torch.round(loss.detach().double() / LOSS_UNIT) * LOSS_UNIT
        self._loss_count += 1

    def take_losses(self) -> tuple[float, int]:
        taken = float(self._loss_sum), self._loss_count
        self._loss_sum.zero_()
        self._loss_count = 0
        return taken

    @torch.no_grad()
    def scores(self, pixels: np.ndarray, mode: str, draw: int = 0) -> np.ndarray:
        self.network.eval()
        pixels = as_pixels(pixels, self.thresholds.shape[1])
        # At least one block, even without images.
        starts = range(0, max(1, len(pixels)), EVALUATION_IMAGES)
        blocks = [pixels[start : start + EVALUATION_IMAGES] for start in starts]
        return np.concatenate([self.network(self._encode(x), mode, draw).cpu().numpy() for x in blocks])

    def synchronize(self) -> None:
        if self.device != "cpu":
            torch.cuda.synchronize(self.device)

    def _encode(self, pixels: np.ndarray) -> torch.Tensor:
        return encode(torch.from_numpy(pixels).to(self.device), self.thresholds)
