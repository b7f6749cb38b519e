"""The numba backend: the network's logits live in records that its kernels step through in one pass."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch

from lgn.arrays import as_batch, as_pixels, as_thresholds, require_logits, require_mode
from lgn.gates import GATES
from lgn.kernels import LOSS_UNIT
from lgn.kernels.abilities import require_fused
from lgn.kernels.cpu import packed as packed_parts
from lgn.kernels.cpu import soft as soft_parts
from lgn.kernels.cpu import step as steps
from lgn.kernels.cpu.lanes import kernel
from lgn.kernels.cpu.memory import transpose_block
from lgn.kernels.cpu.neuron import LOGITS, MOMENT, NOISE_CODES, RECORD, SQUARE, f32, u64
from lgn.kernels.cpu.threads import abandon, new_meeting
from lgn.kernels.frozen import Frozen, require_shared
from lgn.methods import BETA_1, BETA_2, OptimizerSettings
from lgn.network import LogicNetwork

PADDED = {True: 64, False: 32}
"""Images that a row is a multiple of: packed the bits of a word, soft two vectors. The padding's gradients are 0."""

EVALUATION_IMAGES = {True: 1024, False: 64}
"""Images an evaluation block, packed and soft: two layers of activations stay in cache."""


class _Buffers(NamedTuple):
    """What a forward pass writes: pixels by column, encoded inputs, layers of outputs, class sums."""

    columns: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    sums: np.ndarray


class NumbaEngine:
    """Trains and evaluates a LogicNetwork on the CPU (see lgn.kernels.Engine), with the same bits on any threads.

    The network's parameters become views into the records, so that state_dict() and load_state_dict() see and set
    what the kernels train; parameters given memory of their own are copied in by forward() and scores(). Gates are
    drawn at the start of a step, so nothing goes stale.
    """

    name = "numba"
    device = "cpu"
    together, waited = 1, 0.0

    def __init__(
        self, network: LogicNetwork, thresholds: np.ndarray, optimizer: OptimizerSettings, threads: int = 1
    ):
        require_fused(optimizer)
        require_logits(network)
        thresholds, self.frozen = as_thresholds(thresholds, network.inputs), Frozen(network)
        self.network, self.optimizer, self.threads = network, optimizer, threads
        depth, width = network.depth, network.width
        self.records = _zeros((depth, width, RECORD))
        for layer, logits in enumerate(network.logits):
            self._view(layer, LOGITS)[:] = logits.detach()
            logits.data = self._view(layer, LOGITS)
        self.pointers = [logits.data_ptr() for logits in network.logits]
        wiring = self.frozen.wiring.copy()
        # Only inputs that some neuron reads are encoded: `used` holds their places among all thermometer bits.
        used, compact = np.unique(wiring[0], return_inverse=True)
        wiring[0] = compact.reshape(2, width)
        self.first, self.second = (np.ascontiguousarray(wiring[:, 0]), np.ascontiguousarray(wiring[:, 1]))
        self.pixels = thresholds.shape[1]
        self.used_pixels = (used % thresholds.shape[1]).astype(np.int32)
        self.used_levels = thresholds.reshape(-1)[used]
        self.readers = _readers(self.first, self.second)
        self.gates = np.zeros((depth, width), np.uint8)
        self.coefficients = _zeros((depth, width, 4))
        # By the lanes of a batch, and what decides their dtypes.
        self.buffers: dict[tuple[int, bool], _Buffers] = {}
        self.gradients: dict[tuple[int, str], tuple[np.ndarray, np.ndarray]] = {}
        self.loss_sum, self.loss_count = 0.0, 0
        self.meeting = new_meeting()
        self.helpers = ThreadPoolExecutor(threads - 1) if threads > 1 else None

    def step(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        network, estimator = self.network, self.network.estimator
        pixels, labels = as_batch(pixels, labels, self.pixels, network.classes)
        require_shared(network, self.pointers)
        buffers = self._encoded(pixels)
        optimizer, step = self.optimizer, int(network.iteration)
        loss = self._on_threads(
            steps.train_step, self._state(estimator.straight_through), self.records, self.first, self.second,
            *self.readers, buffers.inputs, buffers.outputs, np.array(labels, np.int64), buffers.sums,
            *self._gradients(len(pixels)), *self._training_sampling(step), f32(estimator.grad_factor),
            float(network.group_temperature), float(optimizer.gradient_scale),
            f32(optimizer.learning_rate / (1 - BETA_1 ** (step + 1))), f32(1 / math.sqrt(1 - BETA_2 ** (step + 1))),
            f32(optimizer.scaled_epsilon),
        )  # fmt: skip
        self.loss_sum += float(np.rint(loss / LOSS_UNIT)) * LOSS_UNIT
        self.loss_count += 1
        network.iteration += 1

    def forward(self, pixels: np.ndarray, step: int) -> torch.Tensor:
        network, pixels = self.network, as_pixels(pixels, self.pixels)
        buffers = self._encoded(pixels)
        self._take_logits()
        self._on_threads(
            steps.forward, self._state(network.estimator.straight_through), self.records, self.first,
            self.second, buffers.inputs, buffers.outputs, buffers.sums, *self._training_sampling(step),
        )  # fmt: skip
        return torch.from_numpy(buffers.sums[:, : len(pixels)].T / f32(network.group_temperature))

    def backward(self, gradient: torch.Tensor) -> list[torch.Tensor]:
        network, estimator = self.network, self.network.estimator
        buffers = self.buffers[_lanes(len(gradient), estimator.straight_through), estimator.straight_through]
        class_gradient, gradients = self._gradients(len(gradient))
        class_gradient[:, : len(gradient)] = gradient.numpy().T / f32(network.group_temperature)
        class_gradient[:, len(gradient) :] = 0
        logit_gradients = _zeros((network.depth, network.width, GATES))
        self._on_threads(
            steps.backward, self._state(estimator.straight_through), self.records, self.first, self.second,
            *self.readers, buffers.inputs, buffers.outputs, class_gradient, gradients,
            f32(1 / estimator.temperature), f32(estimator.grad_factor), logit_gradients, f32(0), f32(0), f32(0),
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
        pixels = as_pixels(pixels, self.pixels)
        if not len(pixels):
            return np.empty((0, network.classes), np.float32)
        packed = mode == "discrete" or (mode == "train_mode" and estimator.straight_through)
        noise = NOISE_CODES[estimator.noise if mode == "train_mode" else "none"]
        self._take_logits()
        # Weights in the records are scratch of a step, so sampling here disturbs nothing but a pending backward().
        state = self._state(packed)
        steps.prepare_state(
            state, self.records, u64((network.evaluation_noise_seed + draw) % 2**64), int(network.iteration), noise,
            f32(1 / estimator.temperature),
        )  # fmt: skip
        scores = np.empty((len(pixels), network.classes), np.float32)
        size = min(EVALUATION_IMAGES[packed], _lanes(len(pixels), packed))

        def evaluate(thread: int) -> None:
            buffers = self._buffers(packed, size, 2)
            for start in range(thread * size, len(pixels), self.threads * size):
                block = pixels[start : start + size]
                self._encode(block, buffers)
                steps.evaluate_network(
                    state, self.first, self.second, buffers.inputs, buffers.outputs, buffers.sums
                )
                scores[start : start + len(block)] = buffers.sums[:, : len(block)].T

        self._together(evaluate)
        return scores / f32(network.group_temperature)

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

    def squared_gradients(self) -> Iterator[torch.Tensor]:
        return (self._view(layer, SQUARE) for layer in range(self.network.depth))

    def _view(self, layer: int, start: int) -> torch.Tensor:
        """(width, 16) view on one part of a layer's records."""
        return torch.from_numpy(self.records)[layer, :, start : start + GATES]

    def _take_logits(self) -> None:
        require_logits(self.network, self.device)
        for layer, logits in enumerate(self.network.logits):
            if logits.data_ptr() != self._view(layer, LOGITS).data_ptr():
                self._view(layer, LOGITS)[:] = logits.detach()

    def _state(self, packed: bool) -> np.ndarray:
        """What kernels compute with; its type chooses between their two paths."""
        return self.gates if packed else self.coefficients

    def _training_sampling(self, step: int) -> tuple:
        """Noise seed, step, noise and inverse temperature of a training step."""
        estimator = self.network.estimator
        inverse_temperature = f32(1 / estimator.temperature)
        return u64(self.network.noise_seed % 2**64), step, NOISE_CODES[estimator.noise], inverse_temperature

    def _on_threads(self, kernel: Callable, *arguments):
        """Calls a kernel of step.py on every thread; returns what it returns on the first."""
        return self._together(lambda thread: kernel(thread, self.threads, self.meeting, *arguments))

    def _together(self, part: Callable):
        """part(thread) on every thread, the calling one among them; returns the first one's result."""
        try:
            others = [self.helpers.submit(part, thread) for thread in range(1, self.threads)]
            result = part(0)
            for other in others:
                other.result()
            return result
        except BaseException:
            # Such as a signal's, before this thread's part began: the others would wait for it for ever.
            if self.threads > 1:
                abandon(self.meeting)
                self.helpers.shutdown()
                self.meeting, self.helpers = new_meeting(), ThreadPoolExecutor(self.threads - 1)
            raise

    def _encoded(self, pixels: np.ndarray) -> "_Buffers":
        """A training batch's buffers with its inputs filled in."""
        packed = self.network.estimator.straight_through
        lanes = _lanes(len(pixels), packed)
        if (lanes, packed) not in self.buffers:
            self.buffers[lanes, packed] = self._buffers(packed, lanes, self.network.depth)
        self._encode(pixels, self.buffers[lanes, packed])
        return self.buffers[lanes, packed]

    def _encode(self, pixels: np.ndarray, buffers: "_Buffers") -> None:
        """Fills the inputs, packed or float, with the thermometer bits of (batch, pixels) bytes.

        Lanes past the batch keep whatever they held: their scores are not read and their gradients are 0.
        """
        transpose(np.ascontiguousarray(pixels), buffers.columns)
        encode = packed_parts.pack_inputs if buffers.inputs.dtype == np.uint64 else soft_parts.expand_inputs
        encode(buffers.columns, self.used_pixels, self.used_levels, buffers.inputs)

    def _buffers(self, packed: bool, lanes: int, layers: int) -> "_Buffers":
        network = self.network
        return _Buffers(
            columns=np.zeros((self.pixels, lanes), np.uint8),
            inputs=_activations(packed, (len(self.used_pixels),), lanes),
            outputs=_activations(packed, (layers, network.width), lanes),
            sums=_zeros((network.classes, lanes)),
        )

    def _gradients(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Buffers of the gradient of the class sums, and of two layers' outputs in turn (uint16: bfloat16)."""
        network, dtype = self.network, self.network.estimator.gradient_dtype
        lanes = _lanes(batch, network.estimator.straight_through)
        if (lanes, dtype) not in self.gradients:
            rows = _zeros((2, network.width, lanes))
            if dtype == "bfloat16":
                rows = rows.astype(np.uint16)
            self.gradients[lanes, dtype] = _zeros((network.classes, lanes)), rows
        return self.gradients[lanes, dtype]


@kernel
def transpose(pixels, columns):
    """columns (pixels, at least batch) of (batch, pixels), in blocks of 16 x 16."""
    batch, count = pixels.shape
    lanes = columns.shape[1]
    whole = batch - batch % 16
    for p in range(0, count - count % 16, 16):
        for t in range(0, whole, 16):
            transpose_block(pixels, t * count + p, count, columns, p * lanes + t, lanes)
        for t in range(whole, batch):
            for column in range(p, p + 16):
                columns[column, t] = pixels[t, column]
    for p in range(count - count % 16, count):
        for t in range(batch):
            columns[p, t] = pixels[t, p]


def _lanes(batch: int, packed: bool) -> int:
    return -(-batch // PADDED[packed]) * PADDED[packed]


def _zeros(shape: tuple[int, ...]) -> np.ndarray:
    """float32 zeros that begin on a cache line, as torch's memory does and NumPy's does not."""
    return torch.zeros(shape).numpy()


def _activations(packed: bool, rows: tuple[int, ...], lanes: int) -> np.ndarray:
    return np.zeros((*rows, lanes // 64), np.uint64) if packed else _zeros((*rows, lanes))


def _readers(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who reads each neuron of the layer before, for every layer but the first (its rows stay 0).

    pointers (depth, width + 1): where a neuron's edges begin. edges (depth, 2 width): 2 * reader + slot.
    others (depth, 2 width): the reader's other input. All int32.
    """
    depth, width = first.shape
    pointers = np.zeros((depth, width + 1), np.int32)
    edges, others = (np.zeros((depth, 2 * width), np.int32), np.zeros((depth, 2 * width), np.int32))
    for layer in range(1, depth):
        read = np.stack([first[layer], second[layer]], axis=1).reshape(-1)
        other = np.stack([second[layer], first[layer]], axis=1).reshape(-1)
        order = np.argsort(read, kind="stable")
        pointers[layer, 1:] = np.cumsum(np.bincount(read, minlength=width))
        edges[layer], others[layer] = order, other[order]
    return pointers, edges, others
