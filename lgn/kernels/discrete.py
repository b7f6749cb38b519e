"""The discrete network for deployment: packed bits in, class counts out, a million images per second on one thread."""

from itertools import pairwise
from typing import Any

import numpy as np

from lgn.arrays import as_pixels, as_thresholds
from lgn.errors import LgnError
from lgn.kernels.circuit import Circuit, Layer, live_circuit
from lgn.kernels.cpu.inference import BLOCK, class_counts
from lgn.kernels.cpu.packed import pack_inputs
from lgn.kernels.cpu.passes import transpose
from lgn.network import LogicNetwork

IMAGES = 64 * BLOCK
"""Images per pass through the network."""


class DiscreteNetwork:
    """Classifies images by a network's argmax gates on one CPU thread.

    Copies the current logits; this takes milliseconds and no compiler. thresholds (count, pixels) uint8 as in
    encoding.encode. neurons: how many are live and evaluated. Pixels are whole numbers from 0 to 255 of any dtype but
    bool; other numbers and shapes raise LgnError. network, run: of the record, if lgn.load made this.
    """

    network: LogicNetwork
    run: Any

    def __init__(self, network: LogicNetwork, thresholds: np.ndarray):
        thresholds, circuit = as_thresholds(thresholds, network.inputs), live_circuit(network)
        self.classes, self.pixels = network.classes, thresholds.shape[1]
        self.neurons = sum(len(layer.gates) for layer in circuit.layers)
        self._used_pixels = (circuit.used % self.pixels).astype(np.int32)
        self._used_levels = thresholds.reshape(-1)[circuit.used]
        self._offsets = circuit.offsets.astype(np.float32)
        layers, self._group = _with_equal_classes(circuit)
        self._segments, self._first, self._second = _sorted_by_gate(layers)
        self._rows = np.zeros((2, max(len(layer.gates) for layer in layers), BLOCK), np.uint64)
        self._last = (len(layers) - 1) & 1

    def pack(self, pixels: np.ndarray) -> np.ndarray:
        """(inputs, words) uint64 thermometer bits of (n, pixels) uint8: image 64 w + t in bit t of word w.

        Holds only bits that some live neuron reads. words is a multiple of 8; bits past n belong to no image.
        """
        pixels = as_pixels(np.asarray(pixels), self.pixels)
        blocks = -(-len(pixels) // IMAGES)
        columns = np.zeros((self.pixels, IMAGES), np.uint8)
        bits = np.empty((len(self._used_pixels), blocks * BLOCK), np.uint64)
        for block in range(blocks):
            transpose(np.ascontiguousarray(pixels[block * IMAGES : (block + 1) * IMAGES]), columns)
            words = bits[:, block * BLOCK : (block + 1) * BLOCK]
            pack_inputs(columns, self._used_pixels, self._used_levels, words)
        return bits

    def class_counts(self, bits: np.ndarray) -> np.ndarray:
        """(classes, 64 words) float32: how many neurons of each class are 1, for bits (inputs, words) from pack()."""
        rows = len(self._used_pixels)
        if bits.dtype != np.uint64 or bits.ndim != 2 or len(bits) != rows or bits.shape[1] % BLOCK:
            raise LgnError(
                f"bits: {bits.shape} {bits.dtype}; allowed: ({rows}, a multiple of {BLOCK}) uint64, as from pack()"
            )
        bits = np.ascontiguousarray(bits)
        counts = np.empty((self.classes, 64 * bits.shape[1]), np.float32)
        class_counts(
            self._segments,
            self._first,
            self._second,
            bits,
            self._rows,
            self._last,
            self._group,
            self._offsets,
            counts,
        )
        return counts

    def predict(self, pixels: np.ndarray) -> np.ndarray:
        """(n,) int64 classes of (n, pixels) uint8 images; ties go to the first class."""
        pixels = as_pixels(np.asarray(pixels), self.pixels)
        classes = np.empty(len(pixels), np.int64)
        for start in range(0, len(pixels), IMAGES):
            block = pixels[start : start + IMAGES]
            classes[start : start + IMAGES] = self.class_counts(self.pack(block)).argmax(0)[: len(block)]
        return classes


def _with_equal_classes(circuit: Circuit) -> tuple[list[Layer], int]:
    """The layers with the last one sorted by class, and neurons per class: padded with "false" to a multiple of 8."""
    last = circuit.layers[-1]
    members = np.bincount(circuit.classes, minlength=len(circuit.offsets))
    group = 8 * -(-int(members.max()) // 8)
    # Neurons are in the order of their classes; sort by gate within a class.
    order = np.lexsort([last.gates, circuit.classes])
    places = np.arange(len(order)) + np.repeat(
        group * np.arange(len(members)) - np.cumsum(members) + members, members
    )
    padded = []
    for values in last:
        padded.append(np.zeros(group * len(members), np.int64))
        padded[-1][places] = values[order]
    return [*circuit.layers[:-1], Layer(*padded)], group


def _sorted_by_gate(layers: list[Layer]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """segments, first and second for cpu.inference. The last layer keeps its order."""
    segments, wiring, neurons, place = [], [], 0, None
    for number, layer in enumerate(layers):
        is_last = number == len(layers) - 1
        order = np.arange(len(layer.gates)) if is_last else np.argsort(layer.gates, kind="stable")
        gates, *inputs = (values[order] for values in layer)
        wiring.append([values if place is None else place[values] for values in inputs])
        starts = np.flatnonzero(np.diff(gates, prepend=-1))
        for start, stop in pairwise([*starts, len(gates)]):
            segments.append((number, gates[start], neurons + start, neurons + stop, start))
        neurons += len(gates)
        place = np.argsort(order)
    first, second = (np.concatenate([inputs[side] for inputs in wiring]).astype(np.int32) for side in (0, 1))
    return np.array(segments, np.int32).reshape(-1, 5), first, second
