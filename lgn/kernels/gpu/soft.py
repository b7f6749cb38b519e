"""The parts of a step without straight-through: four coefficients a neuron and float activations, [neuron][batch].

Shapes: logits (depth, rows, 16) and coefficients (depth, rows, 4) float32; first, second (rows,) int32; activations
(neurons, lanes) float32; lanes form `tiles` of WORDS words of 32. The network's inputs are packed bits here too.
"""

import triton
import triton.language as tl

from lgn.kernels.gpu.neuron import GATES, gate_coefficients, perturbed, softmax
from lgn.kernels.gpu.packed import LANES


@triton.jit
def load_rows(activations, row, inside, tile, tiles, WORDS: tl.constexpr):
    """One tile (BLOCK, WORDS, 32) of some rows: float32 activations, or booleans from packed bits."""
    word = tile * WORDS + tl.arange(0, WORDS)
    if activations.dtype.element_ty == tl.int32:
        start = row.to(tl.int64) * (tiles * WORDS)
        x = tl.load(activations + start[:, None] + word[None, :], mask=inside[:, None], other=0)
        # Each word is loaded once and spread over its lanes.
        values = ((x[:, :, None] >> tl.arange(0, LANES)[None, None, :]) & 1) != 0
    else:
        lane = word[:, None] * LANES + tl.arange(0, LANES)[None, :]
        start = row.to(tl.int64) * (tiles * WORDS * LANES)
        place = start[:, None, None] + lane[None, :, :]
        values = tl.load(activations + place, mask=inside[:, None, None], other=0.0).to(tl.float32)
    return values


@triton.jit
def times(g, x):
    """g * x, for activations x as load_rows gives them."""
    return tl.where(x, g, 0.0) if x.dtype == tl.int1 else g * x


@triton.jit
def mix_coefficients(
    state,
    logits,
    keys,
    depth,
    stride,
    rows,
    width,
    inverse_temperatures,
    NOISE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Fills state (depth, rows, 4) for all layers: c0..c3 of every neuron's mixture. Arguments as in sample_gates.

    Bound by arithmetic: hashes, logarithms and exponentials.
    """
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < depth * rows
    layer, j = i // rows, i % rows
    gate = tl.arange(0, GATES)[None, :]
    place = (layer * stride + j).to(tl.int64)[:, None] * GATES + gate
    x = tl.load(logits + place, mask=inside[:, None], other=0.0)
    key_row = tl.where(inside, (j // width) * depth + layer, 0)
    inverse_temperature = tl.load(inverse_temperatures + tl.where(inside, j // width, 0))[:, None]
    weights = softmax(perturbed(x, keys, key_row, j % width, NOISE), inverse_temperature)
    c0, c1, c2, c3 = gate_coefficients(gate)
    row = state + i.to(tl.int64) * 4
    tl.store(row, tl.sum(weights * c0, 1), mask=inside)
    tl.store(row + 1, tl.sum(weights * c1, 1), mask=inside)
    tl.store(row + 2, tl.sum(weights * c2, 1), mask=inside)
    tl.store(row + 3, tl.sum(weights * c3, 1), mask=inside)


@triton.jit
def evaluate_mixtures(
    state, first, second, inputs, outputs, rows, first_input, tiles, WORDS: tl.constexpr, BLOCK: tl.constexpr
):
    """Fills outputs (rows, lanes) of a layer; see evaluate_gates. Bound by two random rows read and one written."""
    j = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = j < rows
    row_a = tl.load(first + j, mask=inside, other=first_input) - first_input
    row_b = tl.load(second + j, mask=inside, other=first_input) - first_input
    a = load_rows(inputs, row_a, inside, tl.program_id(1), tiles, WORDS).to(tl.float32)
    b = load_rows(inputs, row_b, inside, tl.program_id(1), tiles, WORDS).to(tl.float32)
    c0 = tl.load(state + 4 * j.to(tl.int64), mask=inside, other=0.0)[:, None, None]
    c1 = tl.load(state + 4 * j.to(tl.int64) + 1, mask=inside, other=0.0)[:, None, None]
    c2 = tl.load(state + 4 * j.to(tl.int64) + 2, mask=inside, other=0.0)[:, None, None]
    c3 = tl.load(state + 4 * j.to(tl.int64) + 3, mask=inside, other=0.0)[:, None, None]
    y = (a * c1 + c0) + (a * c3 + c2) * b
    lane = (tl.program_id(1) * WORDS + tl.arange(0, WORDS))[:, None] * LANES + tl.arange(0, LANES)[None, :]
    row = j.to(tl.int64)[:, None, None] * (tiles * WORDS * LANES)
    tl.store(outputs + row + lane[None, :, :], y, mask=inside[:, None, None])


@triton.jit
def sum_classes(outputs, sums, group, part, tiles, WORDS: tl.constexpr, BLOCK: tl.constexpr):
    """Fills sums (parts, classes, lanes) float32: sums of `part` neurons of a class. Bound by reading them in order."""
    class_row, part_row, tile = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    total = tl.zeros((BLOCK, WORDS, LANES), tl.float32)
    end = tl.minimum(part_row * part + part, group)
    for start in range(part_row * part, end, BLOCK):
        j = start + tl.arange(0, BLOCK)
        total += load_rows(outputs, class_row * group + j, j < end, tile, tiles, WORDS)
    lane = (tile * WORDS + tl.arange(0, WORDS))[:, None] * LANES + tl.arange(0, LANES)[None, :]
    row = (part_row * tl.num_programs(0) + class_row) * (tiles * WORDS * LANES)
    tl.store(sums + row + lane, tl.sum(total, 0))
