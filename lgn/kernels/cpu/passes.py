"""One pass of a batch through a network on the CPU: encoding, buffers, threads, and the kernels of a given state."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch

from lgn.arrays import as_pixels, as_thresholds
from lgn.kernels.cpu import packed as packed_parts
from lgn.kernels.cpu import soft as soft_parts
from lgn.kernels.cpu import step as steps
from lgn.kernels.cpu.lanes import kernel
from lgn.kernels.cpu.memory import transpose_block
from lgn.kernels.cpu.neuron import f32
from lgn.kernels.cpu.threads import cancel, new_barrier
from lgn.kernels.fanout import transposed_wiring
from lgn.kernels.frozen import Frozen
from lgn.network import LogicNetwork

PADDED = {True: 64, False: 32}
"""A batch is padded to a multiple of this many images: packed one word, soft two vectors. Padding has gradient 0."""

EVALUATION_IMAGES = {True: 1024, False: 64}
"""Images per evaluation block, packed and soft: two layers of activations stay in cache."""

NO_ROWS, NO_RATES = np.empty((0, 0, 0), np.float32), (f32(0), f32(0), f32(0))
"""Stand for neuron rows and Adam's rates where the state is given, or only gradients are asked for."""


class _Buffers(NamedTuple):
    """What a forward pass writes: pixels by column, encoded inputs, the layers' outputs, class sums."""

    columns: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    sums: np.ndarray

    @property
    def of_kernels(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """inputs, outputs and sums, as step.py takes them."""
        return self[1:]


class Passes:
    """Forward and backward passes of a state through a LogicNetwork's wiring; the same bits on any number of threads.

    A state is (depth, width) uint8 gates, or (depth, width, 4) float32 coefficients c0..c3 of c0 + c1 a + c2 b + c3 ab.
    Activations are bits with gates, floats with coefficients. thresholds (count, pixels) uint8 as in encoding.encode.
    Raises LgnError for an impossible wiring.
    """

    name = "numba"
    device = "cpu"

    def __init__(self, network: LogicNetwork, thresholds: np.ndarray, threads: int = 1):
        thresholds, self.frozen = as_thresholds(thresholds, network.inputs), Frozen(network)
        self.network, self.threads = network, threads
        width = network.width
        wiring = self.frozen.wiring.copy()
        # Only inputs that some neuron reads are encoded: `used` holds their indices among all thermometer bits.
        used, compact = np.unique(wiring[0], return_inverse=True)
        wiring[0] = compact.reshape(2, width)
        first, second = np.ascontiguousarray(wiring[:, 0]), np.ascontiguousarray(wiring[:, 1])
        self.pixels = thresholds.shape[1]
        self.used_pixels = (used % thresholds.shape[1]).astype(np.int32)
        self.used_levels = thresholds.reshape(-1)[used]
        self.wiring = first, second, *_fanout(first, second)
        # Keys: lanes of a batch, and for activations whether they are packed.
        self.buffers: dict[tuple[int, bool], _Buffers] = {}
        self.gradients: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.count = 0  # Calls of forward_of: the latest one's values are in the buffers.
        self.barrier = new_barrier()
        self.helpers = ThreadPoolExecutor(threads - 1) if threads > 1 else None

    def own(self, tensor: torch.Tensor) -> np.ndarray:
        """A copy as the kernels take it."""
        return tensor.detach().to("cpu", copy=True).contiguous().numpy()

    def synchronize(self) -> None:
        """Nothing runs behind the caller's back."""

    def forward_of(self, state: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """(batch, classes) float32 scores of (batch, pixels) uint8. The buffers keep what backward_of reads."""
        pixels = as_pixels(pixels, self.pixels)
        self.count += 1
        buffers = self._encoded(pixels, state.dtype == np.uint8)
        self._on_threads(steps.propagate, state, self.wiring, buffers.of_kernels)
        return buffers.sums[:, : len(pixels)].T / f32(self.network.group_temperature)

    def backward_of(self, state: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """(depth, width, 4) float32 gradient of c0..c3, from the gradient of the latest forward_of's scores.

        The gradient reaches a layer's inputs through the state: with gates, through the hard gates.
        """
        estimator, packed = self.network.estimator, state.dtype == np.uint8
        buffers = self.buffers[lanes_of(len(gradient), packed), packed]
        found = zeros((*state.shape[:2], 4))
        self._on_threads(
            steps.backward, state, NO_ROWS, self.wiring, buffers.of_kernels, self._class_gradient(gradient, packed),
            f32(1), f32(estimator.grad_factor), found, NO_RATES,
        )  # fmt: skip
        return found

    def scores_of(self, state: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """(n, classes) float32 scores of any number of images. A later backward_of still works."""
        network, pixels = self.network, as_pixels(pixels, self.pixels)
        if not len(pixels):
            return np.empty((0, network.classes), np.float32)
        packed = state.dtype == np.uint8
        scores = np.empty((len(pixels), network.classes), np.float32)
        size = min(EVALUATION_IMAGES[packed], lanes_of(len(pixels), packed))

        def evaluate(thread: int) -> None:
            buffers = self._buffers(packed, size, 2)
            for start in range(thread * size, len(pixels), self.threads * size):
                block = pixels[start : start + size]
                self._encode(block, buffers)
                steps.evaluate_network(state, self.wiring, buffers.of_kernels)
                scores[start : start + len(block)] = buffers.sums[:, : len(block)].T

        self._together(evaluate)
        return scores / f32(network.group_temperature)

    def _class_gradient(self, gradient: np.ndarray, packed: bool) -> tuple[np.ndarray, np.ndarray]:
        """Buffers of the backward pass; the first holds the gradient of the class sums."""
        class_gradient, gradients = self._gradients(len(gradient), packed)
        class_gradient[:, : len(gradient)] = gradient.T / f32(self.network.group_temperature)
        class_gradient[:, len(gradient) :] = 0
        return class_gradient, gradients

    def _on_threads(self, kernel: Callable, *arguments):
        """Calls a kernel of step.py on every thread; returns the first thread's result."""
        return self._together(lambda thread: kernel((thread, self.threads, self.barrier), *arguments))

    def _together(self, part: Callable):
        """Calls part(thread) on every thread, including this one; returns the first thread's result."""
        try:
            others = [self.helpers.submit(part, thread) for thread in range(1, self.threads)]
            result = part(0)
            for other in others:
                other.result()
            return result
        except BaseException:
            # A signal, for example, before this thread's part began: the others would wait for ever.
            if self.threads > 1:
                cancel(self.barrier)
                self.helpers.shutdown()
                self.barrier, self.helpers = new_barrier(), ThreadPoolExecutor(self.threads - 1)
            raise

    def _encoded(self, pixels: np.ndarray, packed: bool) -> _Buffers:
        """A training batch's buffers, with the inputs filled in."""
        lanes = lanes_of(len(pixels), packed)
        if (lanes, packed) not in self.buffers:
            self.buffers[lanes, packed] = self._buffers(packed, lanes, self.network.depth)
        self._encode(pixels, self.buffers[lanes, packed])
        return self.buffers[lanes, packed]

    def _encode(self, pixels: np.ndarray, buffers: _Buffers) -> None:
        """Fills the inputs, packed or float, with the thermometer bits of (batch, pixels) bytes.

        Lanes past the batch keep old values: nothing reads their scores, and their gradients are 0.
        """
        transpose(np.ascontiguousarray(pixels), buffers.columns)
        encode = packed_parts.pack_inputs if buffers.inputs.dtype == np.uint64 else soft_parts.expand_inputs
        encode(buffers.columns, self.used_pixels, self.used_levels, buffers.inputs)

    def _buffers(self, packed: bool, lanes: int, layers: int) -> _Buffers:
        network = self.network
        return _Buffers(
            columns=np.zeros((self.pixels, lanes), np.uint8),
            inputs=_activations(packed, (len(self.used_pixels),), lanes),
            outputs=_activations(packed, (layers, network.width), lanes),
            sums=zeros((network.classes, lanes)),
        )

    def _gradients(self, batch: int, packed: bool) -> tuple[np.ndarray, np.ndarray]:
        """Buffers for the gradients of the class sums, and of the outputs of two layers, alternately."""
        network, lanes = self.network, lanes_of(batch, packed)
        if lanes not in self.gradients:
            self.gradients[lanes] = zeros((network.classes, lanes)), zeros((2, network.width, lanes))
        return self.gradients[lanes]


@kernel
def transpose(pixels, columns):
    """Writes (batch, pixels) transposed to columns (pixels, batch or more), in blocks of 16 x 16."""
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


def lanes_of(batch: int, packed: bool) -> int:
    return -(-batch // PADDED[packed]) * PADDED[packed]


def zeros(shape: tuple[int, ...]) -> np.ndarray:
    """float32 zeros that begin on a cache line: torch aligns its memory, NumPy does not."""
    return torch.zeros(shape).numpy()


def _activations(packed: bool, rows: tuple[int, ...], lanes: int) -> np.ndarray:
    return np.zeros((*rows, lanes // 64), np.uint64) if packed else zeros((*rows, lanes))


def _fanout(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(depth, ...): transposed_wiring of every layer but the first, whose inputs get no gradient: it stays 0."""
    depth, width = first.shape
    fanout = tuple(np.zeros((depth, size), np.int32) for size in (width + 1, 2 * width, 2 * width))
    for layer in range(1, depth):
        for part, found in zip(fanout, transposed_wiring(first[layer], second[layer]), strict=True):
            part[layer] = found
    return fanout
