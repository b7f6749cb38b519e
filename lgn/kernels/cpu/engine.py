"""The numba backend: one row per neuron holds its logits and Adam's moments, and one kernel call is one step."""

import math
from collections.abc import Iterator

import numpy as np
import torch

from lgn.arrays import as_batch, as_pixels, require_logits, require_mode
from lgn.gates import GATES
from lgn.kernels import LOSS_UNIT
from lgn.kernels.abilities import require_fused
from lgn.kernels.cpu import step as steps
from lgn.kernels.cpu.neuron import LOGITS, MOMENT, NOISE_CODES, ROW, SQUARE, f32, u64
from lgn.kernels.cpu.passes import NO_RATES, Passes, lanes_of, zeros
from lgn.kernels.frozen import require_shared
from lgn.methods import BETA_1, BETA_2, OptimizerSettings
from lgn.network import LogicNetwork


class NumbaEngine(Passes):
    """Trains and evaluates a LogicNetwork on the CPU (see lgn.kernels.Engine); the same bits on any number of threads.

    The network's parameters become views into the rows, so state_dict() and load_state_dict() read and write what the
    kernels train. forward() and scores() copy in parameters that were given other memory. Each step draws new gates.
    """

    together, barrier_seconds = 1, 0.0

    def __init__(
        self, network: LogicNetwork, thresholds: np.ndarray, optimizer: OptimizerSettings, threads: int = 1
    ):
        require_fused(optimizer)
        require_logits(network)
        super().__init__(network, thresholds, threads)
        self.optimizer = optimizer
        depth, width = network.depth, network.width
        self.rows = zeros((depth, width, ROW))
        for layer, logits in enumerate(network.logits):
            self._view(layer, LOGITS)[:] = logits.detach()
            logits.data = self._view(layer, LOGITS)
        self.addresses = [logits.data_ptr() for logits in network.logits]
        self.gates = np.zeros((depth, width), np.uint8)
        self.coefficients = zeros((depth, width, 4))
        self.loss_sum, self.loss_count = 0.0, 0

    def step(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        network, estimator = self.network, self.network.estimator
        pixels, labels = as_batch(pixels, labels, self.pixels, network.classes)
        require_shared(network, self.addresses)
        buffers = self._encoded(pixels, estimator.straight_through)
        optimizer, step = self.optimizer, int(network.iteration)
        step_size = optimizer.learning_rate / (1 - BETA_1 ** (step + 1))
        rates = f32(step_size), f32(1 / math.sqrt(1 - BETA_2 ** (step + 1))), f32(optimizer.scaled_epsilon)
        labels = np.array(labels, np.int64)
        loss_settings = labels, float(network.group_temperature), float(optimizer.gradient_scale)
        loss = self._on_threads(
            steps.train_step, self._state(estimator.straight_through), self.rows, self.wiring, buffers.of_kernels,
            self._gradients(len(pixels), estimator.straight_through), self._training_sampling(step),
            f32(estimator.grad_factor), loss_settings, rates,
        )  # fmt: skip
        self.loss_sum += float(np.rint(loss / LOSS_UNIT)) * LOSS_UNIT
        self.loss_count += 1
        network.iteration.add_(1)  # += would go through torch's slow Module.__setattr__.

    def forward(self, pixels: np.ndarray, step: int) -> torch.Tensor:
        network, pixels = self.network, as_pixels(pixels, self.pixels)
        buffers = self._encoded(pixels, network.estimator.straight_through)
        self._take_logits()
        self._on_threads(
            steps.forward, self._state(network.estimator.straight_through), self.rows, self.wiring,
            buffers.of_kernels, self._training_sampling(step),
        )  # fmt: skip
        return torch.from_numpy(buffers.sums[:, : len(pixels)].T / f32(network.group_temperature))

    def backward(self, gradient: torch.Tensor) -> list[torch.Tensor]:
        network, estimator = self.network, self.network.estimator
        buffers = self.buffers[
            lanes_of(len(gradient), estimator.straight_through), estimator.straight_through
        ]
        gradients = self._class_gradient(gradient.numpy(), estimator.straight_through)
        logit_gradients = zeros((network.depth, network.width, GATES))
        self._on_threads(
            steps.backward, self._state(estimator.straight_through), self.rows, self.wiring, buffers.of_kernels,
            gradients, f32(1 / estimator.temperature), f32(estimator.grad_factor), logit_gradients, NO_RATES,
        )  # fmt: skip
        return list(torch.from_numpy(logit_gradients))

    def take_losses(self) -> tuple[float, int]:
        taken = self.loss_sum, self.loss_count
        self.loss_sum, self.loss_count = 0.0, 0
        return taken

    def scores(self, pixels: np.ndarray, mode: str, draw: int = 0) -> np.ndarray:
        network, estimator = self.network, self.network.estimator
        require_mode(mode)
        self.frozen.require()
        packed = mode == "discrete" or (mode == "train_mode" and estimator.straight_through)
        noise = NOISE_CODES[estimator.noise if mode == "train_mode" else "none"]
        self._take_logits()
        # A row's weights are scratch memory of a step: sampling here disturbs only a pending backward().
        state = self._state(packed)
        seed = u64((network.evaluation_noise_seed + draw) % 2**64)
        sampling = seed, int(network.iteration), noise, f32(1 / estimator.temperature)
        steps.prepare_state(state, self.rows, sampling)
        return self.scores_of(state, pixels)

    def synchronize(self) -> None:
        """Returns at once: every call finishes its work."""

    def optimizer_state(self) -> dict[str, torch.Tensor]:
        layers = range(self.network.depth)
        return {f"adam_m.{layer}": self._view(layer, MOMENT).clone() for layer in layers} | {
            f"adam_v.{layer}": self._view(layer, SQUARE).clone() for layer in layers
        }

    def load_optimizer_state(self, moments: dict[str, torch.Tensor]) -> None:
        for layer in range(self.network.depth):
            self._view(layer, MOMENT)[:] = moments[f"adam_m.{layer}"]
            self._view(layer, SQUARE)[:] = moments[f"adam_v.{layer}"]

    def squared_gradients(self) -> Iterator[torch.Tensor]:
        return (self._view(layer, SQUARE) for layer in range(self.network.depth))

    def _view(self, layer: int, start: int) -> torch.Tensor:
        """(width, 16) view of one part of a layer's rows."""
        return torch.from_numpy(self.rows)[layer, :, start : start + GATES]

    def _take_logits(self) -> None:
        require_logits(self.network, self.device)
        for layer, logits in enumerate(self.network.logits):
            if logits.data_ptr() != self._view(layer, LOGITS).data_ptr():
                self._view(layer, LOGITS)[:] = logits.detach()

    def _state(self, packed: bool) -> np.ndarray:
        """Gates or coefficients, which the kernels compute with; the type selects the packed or the soft path."""
        return self.gates if packed else self.coefficients

    def _training_sampling(self, step: int) -> tuple:
        """Noise seed, step, noise code and inverse temperature of a training step."""
        estimator = self.network.estimator
        inverse_temperature = f32(1 / estimator.temperature)
        return u64(self.network.noise_seed % 2**64), step, NOISE_CODES[estimator.noise], inverse_temperature
