"""The numba backend: the network's logits live in records that its kernels step through in one pass.

One thread a run: runs are many and fill the cores by themselves (config: execution.threads).
"""

import math

import numpy as np
import torch
from numba import njit

from lgn.gates import GATES
from lgn.kernels import numba_packed, numba_soft
from lgn.kernels.numba_lanes import LANES
from lgn.kernels.numba_math import NOISE_CODES, OPTIONS, f32
from lgn.kernels.numba_simd import BETA_1, BETA_2, LOGITS, MOMENT, RECORD, SQUARE, pack_above
from lgn.network import LogicNetwork

EVALUATION_IMAGES = {True: 1024, False: 256}
"""Images an evaluation block, packed and soft: two layers of activations stay in cache."""


class NumbaEngine:
    """Trains and evaluates a LogicNetwork on one CPU thread (see lgn.kernels.Engine).

    The network's parameters become views into the records, so that state_dict() and load_state_dict() see and set
    what the kernels train. Gates are drawn at the start of a step, so nothing goes stale.
    """

    name = "numba"
    device = "cpu"

    def __init__(self, network: LogicNetwork, thresholds: np.ndarray, learning_rate: float):
        self.network, self.learning_rate = network, learning_rate
        depth, width = network.depth, network.width
        self.records = np.zeros((depth, width, RECORD), np.float32)
        for layer, logits in enumerate(network.logits):
            self._view(layer, LOGITS)[:] = logits.detach()
            logits.data = self._view(layer, LOGITS)
        wiring = np.stack([network.wiring(layer).numpy() for layer in range(depth)])
        # Only inputs that some neuron reads are encoded: `used` holds their thresholds and pixels.
        used, compact = np.unique(wiring[0], return_inverse=True)
        wiring[0] = compact.reshape(2, width)
        self.first, self.second = np.ascontiguousarray(wiring[:, 0]), np.ascontiguousarray(wiring[:, 1])
        self.used_pixels = (used % thresholds.shape[1]).astype(np.int32)
        self.used_levels = thresholds.reshape(-1)[used]
        self.pointers, self.edges, self.others = _readers(self.first, self.second)
        self.gates = np.zeros((depth, width), np.uint8)
        self.coefficients = np.zeros((depth, width, 4), np.float32)
        self.buffers: dict[tuple[bool, int], tuple[np.ndarray, ...]] = {}
        self.loss_sum, self.loss_count = 0.0, 0

    def step(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        network, estimator = self.network, self.network.estimator
        packed = estimator.straight_through
        kernels, state = (numba_packed, self.gates) if packed else (numba_soft, self.coefficients)
        inputs, outputs, sums, class_gradient, gradients = self._training_buffers(len(labels))
        self._encode(pixels, inputs)
        step = int(network.iteration)
        loss = kernels.train_step(
            self.records, state, self.first, self.second, self.pointers, self.edges, self.others, inputs, outputs,
            labels, sums, class_gradient, gradients, np.uint64(network.noise_seed), step, NOISE_CODES[estimator.noise],
            f32(1 / estimator.temperature), f32(estimator.grad_factor), network.group_temperature,
            f32(self.learning_rate / (1 - BETA_1 ** (step + 1))), f32(1 / math.sqrt(1 - BETA_2 ** (step + 1))),
        )  # fmt: skip
        network.iteration += 1
        self.loss_sum += loss
        self.loss_count += 1

    def mean_loss(self) -> float:
        mean = self.loss_sum / self.loss_count if self.loss_count else math.nan
        self.loss_sum, self.loss_count = 0.0, 0
        return mean

    def scores(self, pixels: np.ndarray, mode: str, draw: int = 0) -> np.ndarray:
        network, estimator = self.network, self.network.estimator
        packed = mode == "discrete" or (mode == "train_mode" and estimator.straight_through)
        noise = NOISE_CODES[estimator.noise if mode == "train_mode" else "none"]
        # Weights in the records are scratch of a step, so sampling here disturbs nothing.
        sampling = (
            np.uint64((network.evaluation_noise_seed + draw) % 2**64), int(network.iteration), noise,
            f32(1 / estimator.temperature),
        )  # fmt: skip
        if mode == "discrete":
            numba_packed.argmax_gates(self.records, self.gates)
        elif packed:
            numba_packed.sample_gates(self.records, self.gates, *sampling)
        else:
            numba_soft.mix_coefficients(self.records, self.coefficients, *sampling)
        kernels, state = (numba_packed, self.gates) if packed else (numba_soft, self.coefficients)
        blocks = []
        for start in range(0, len(pixels), EVALUATION_IMAGES[packed]):
            block = pixels[start : start + EVALUATION_IMAGES[packed]]
            inputs = _activations(packed, len(self.used_pixels), len(block))
            outputs = _activations(packed, 2 * network.width, len(block)).reshape(2, network.width, -1)
            sums = np.empty((network.classes, _lanes(packed, len(block))), np.float32)
            self._encode(block, inputs)
            kernels.evaluate_network(state, self.first, self.second, inputs, outputs, sums)
            blocks.append(sums[:, : len(block)].T)
        return np.concatenate(blocks) / f32(network.group_temperature)

    def synchronize(self) -> None:
        """Nothing runs behind the caller's back."""

    def optimizer_state(self) -> dict[str, torch.Tensor]:
        layers = range(self.network.depth)
        return {f"adam_m.{layer}": self._view(layer, MOMENT).clone() for layer in layers} | {
            f"adam_v.{layer}": self._view(layer, SQUARE).clone() for layer in layers
        }

    def load_optimizer_state(self, moments: dict[str, torch.Tensor]) -> None:
        for layer in range(self.network.depth):
            self._view(layer, MOMENT)[:] = moments[f"adam_m.{layer}"]
            self._view(layer, SQUARE)[:] = moments[f"adam_v.{layer}"]

    def _view(self, layer: int, start: int) -> torch.Tensor:
        """(width, 16) view on one part of a layer's records."""
        return torch.from_numpy(self.records)[layer, :, start : start + GATES]

    def _encode(self, pixels: np.ndarray, inputs: np.ndarray) -> None:
        """Fills inputs, packed or float, with the thermometer bits of (batch, pixels) bytes."""
        if inputs.dtype == np.uint32:
            columns = np.zeros((pixels.shape[1], 32 * inputs.shape[1]), np.uint8)
            columns[:, : len(pixels)] = pixels.T
            pack_inputs(columns, self.used_pixels, self.used_levels, inputs)
        else:
            expand_inputs(np.ascontiguousarray(pixels.T), self.used_pixels, self.used_levels, inputs)

    def _training_buffers(self, batch: int) -> tuple[np.ndarray, ...]:
        """inputs, outputs of every layer, class sums, their gradient, gradients of two layers."""
        network, packed = self.network, self.network.estimator.straight_through
        if batch not in self.buffers:
            lanes = _lanes(packed, batch)
            self.buffers[batch] = (
                _activations(packed, len(self.used_pixels), batch),
                _activations(packed, network.depth * network.width, batch).reshape(
                    network.depth, network.width, -1
                ),
                np.empty((network.classes, lanes), np.float32),
                np.empty((network.classes, lanes), np.float32),
                np.empty((2, network.width, lanes), np.float32),
            )
        return self.buffers[batch]


@njit(**OPTIONS)
def pack_inputs(columns, used_pixels, used_levels, inputs):
    """inputs (used, words) uint32 from columns (pixels, 32 * words) uint8."""
    for i in range(used_pixels.size):
        pack_above(inputs, i, columns, used_pixels[i], used_levels[i], columns.shape[1])


@njit(**OPTIONS)
def expand_inputs(columns, used_pixels, used_levels, inputs):
    """inputs (used, lanes) float32 of 0 and 1 from columns (pixels, batch) uint8; lanes past the batch are left."""
    for i in range(used_pixels.size):
        column, level = columns[used_pixels[i]], used_levels[i]
        for t in range(columns.shape[1]):
            inputs[i, t] = f32(1) if column[t] > level else f32(0)


def _lanes(packed: bool, batch: int) -> int:
    block = 32 if packed else LANES
    return block * -(-batch // block)


def _activations(packed: bool, rows: int, batch: int) -> np.ndarray:
    lanes = _lanes(packed, batch)
    return np.zeros((rows, lanes // 32), np.uint32) if packed else np.zeros((rows, lanes), np.float32)


def _readers(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who reads each neuron of the layer before, for every layer but the first (its rows stay 0).

    pointers (depth, width + 1): where a neuron's edges begin. edges (depth, 2 width): 2 * reader + slot.
    others (depth, 2 width): the reader's other input.
    """
    depth, width = first.shape
    pointers = np.zeros((depth, width + 1), np.int32)
    edges, others = np.zeros((depth, 2 * width), np.int32), np.zeros((depth, 2 * width), np.int32)
    for layer in range(1, depth):
        read = np.stack([first[layer], second[layer]], axis=1).reshape(-1)
        other = np.stack([second[layer], first[layer]], axis=1).reshape(-1)
        order = np.argsort(read, kind="stable")
        pointers[layer, 1:] = np.cumsum(np.bincount(read, minlength=width))
        edges[layer], others[layer] = order, other[order]
    return pointers, edges, others
