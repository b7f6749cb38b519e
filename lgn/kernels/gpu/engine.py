"""The Triton backend: kernels for NVIDIA GPUs; without one they run, slowly, under Triton's interpreter."""

from collections.abc import Iterator

import numpy as np
import torch

from lgn.arrays import as_batch, as_pixels
from lgn.kernels.frozen import Frozen
from lgn.kernels.gpu.gang import TritonGang
from lgn.methods import OptimizerSettings
from lgn.network import LogicNetwork


class TritonEngine:
    """Trains and evaluates one LogicNetwork (see lgn.kernels.KernelEngine): a gang of one."""

    name = "triton"
    together, waited = 1, 0.0

    def __init__(
        self, network: LogicNetwork, thresholds: np.ndarray, optimizer: OptimizerSettings, device: str
    ):
        self.network, self.optimizer, self.device = network, optimizer, device
        self.gang = TritonGang([network], thresholds, optimizer, device)

    @property
    def frozen(self) -> Frozen:
        return self.gang.frozen[0]

    def step(self, pixels: np.ndarray | torch.Tensor, labels: np.ndarray | torch.Tensor) -> None:
        pixels, labels = as_batch(pixels, labels, self.gang.pixels, self.gang.classes)
        self.gang.step(pixels[None], labels[None])

    def forward(self, pixels: np.ndarray | torch.Tensor, step: int) -> torch.Tensor:
        return self.gang.forward(as_pixels(pixels, self.gang.pixels)[None], step)[0]

    def backward(self, gradient: torch.Tensor) -> list[torch.Tensor]:
        return self.gang.backward(gradient[None])

    def take_losses(self) -> tuple[float, int]:
        sums, count = self.gang.take_losses()
        return float(sums[0]), count

    def scores(self, pixels: np.ndarray | torch.Tensor, mode: str, draw: int = 0) -> np.ndarray:
        return self.gang.scores(pixels, mode, draw)

    def synchronize(self) -> None:
        self.gang.synchronize()

    def optimizer_state(self) -> dict[str, torch.Tensor]:
        return self.gang.optimizer_state()

    def load_optimizer_state(self, moments: dict[str, torch.Tensor]) -> None:
        self.gang.load_optimizer_state(moments)

    def squared_gradients(self) -> Iterator[torch.Tensor]:
        return self.gang.squared_gradients()
