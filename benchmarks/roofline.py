"""The time of a step that only moved memory: our algorithm's bytes over the machine's bandwidth."""

import time

import numba
import numpy as np

from benchmarks.cases import Case

TRIAD_FLOATS = 2**26
"""Floats per array: 256 MiB, far more than any cache."""

ROW_BYTES = (
    # The update reads and writes logits and Adam's two moments.
    2 * 3 * 16 * 4
    # Sampling reads logits and writes soft weights, which the backward pass reads.
    + 3 * 16 * 4
)
WIRING_BYTES = (
    # Both inputs of a neuron, read in forward and backward.
    2 * 2 * 4
    # Two entries of the transposed wiring: consumer, and its other input; and the pointer to the neuron's own entries.
    + 2 * 2 * 4
    + 4
)


def step_bytes(case: Case, method: str) -> int:
    """The fewest bytes that a step of the CPU kernels moves, if no row stays in cache and rows are read as a whole.

    An activation row has a bit (GLGN) or a float32 (DLGN) per image. Per gate, forward writes one row and reads two;
    backward reads two as inputs and, below the last layer, two as the consumers' other inputs. A gradient row (float32)
    is written once and read by both inputs of its neuron; the first layer writes none, and the last layer has one row
    per class. GLGN's sampled gate is a byte, written once and read three times; DLGN has four float32 coefficients.
    """
    lanes = 64 * -(-case.batch // 64)
    row = lanes // 8 if method == "glgn" else 4 * lanes
    state = 4 if method == "glgn" else 4 * 16
    rows = 5 * case.depth + 2 * (case.depth - 1)
    gradient_rows = 3 * max(case.depth - 2, 0)
    a_gate = ROW_BYTES + WIRING_BYTES + state
    return case.width * (case.depth * a_gate + rows * row + gradient_rows * 4 * lanes)


@numba.njit
def _triad(a, b, c):
    for i in range(a.size):
        a[i] = b[i] + np.float32(3) * c[i]


def bandwidth(floats: int = TRIAD_FLOATS, rounds: int = 7) -> float:
    """Bytes per second of one thread that reads two arrays and writes a third: the best of `rounds` rounds.

    Counts 16 bytes per float, because a cache line is read before it is written.
    """
    a, b, c = (np.ones(floats, np.float32) for _ in range(3))
    _triad(a[:16], b[:16], c[:16])
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        _triad(a, b, c)
        seconds.append(time.perf_counter() - begun)
    return 16 * floats / min(seconds)
