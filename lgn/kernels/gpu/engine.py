"""The Triton backend: kernels for NVIDIA GPUs; without one they run, slowly, under Triton's interpreter."""

from collections.abc import Iterator

import numpy as np
import torch

from lgn.arrays import as_batch, as_pixels
from lgn.kernels.frozen import Frozen
from lgn.kernels.gpu.batched import BatchedSeeds
from lgn.methods import OptimizerSettings
from lgn.network import LogicNetwork


class TritonEngine:
    """Trains and evaluates one LogicNetwork (see lgn.kernels.KernelEngine)."""

    name = "triton"
    together, barrier_seconds = 1, 0.0

    def __init__(
        self, network: LogicNetwork, thresholds: np.ndarray, optimizer: OptimizerSettings, device: str
    ):
        self.network, self.optimizer, self.device = network, optimizer, device
        self.batched = BatchedSeeds([network], thresholds, optimizer, device)

    @property
    def frozen(self) -> Frozen:
        return self.batched.frozen[0]

    def step(self, pixels: np.ndarray | torch.Tensor, labels: np.ndarray | torch.Tensor) -> None:
        pixels, labels = as_batch(pixels, labels, self.batched.pixels, self.batched.classes)
        self.batched.step(pixels[None], labels[None])

    def forward(self, pixels: np.ndarray | torch.Tensor, step: int) -> torch.Tensor:
        return self.batched.forward(as_pixels(pixels, self.batched.pixels)[None], step)[0]

    def backward(self, gradient: torch.Tensor) -> list[torch.Tensor]:
        return self.batched.backward(gradient[None])

    def take_losses(self) -> tuple[float, int]:
        sums, count = self.batched.take_losses()
        return float(sums[0]), count

    def scores(self, pixels: np.ndarray | torch.Tensor, mode: str, draw: int = 0) -> np.ndarray:
        return self.batched.scores(pixels, mode, draw)

    def synchronize(self) -> None:
        self.batched.synchronize()

    def optimizer_state(self) -> dict[str, torch.Tensor]:
        return self.batched.optimizer_state()

    def load_optimizer_state(self, moments: dict[str, torch.Tensor]) -> None:
        self.batched.load_optimizer_state(moments)

    def squared_gradients(self) -> Iterator[torch.Tensor]:
        return self.batched.squared_gradients()
