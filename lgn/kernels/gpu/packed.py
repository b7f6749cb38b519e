"""The parts of a step with straight-through: activations are exactly 0 or 1, so 32 images are one machine word.

Shapes: logits (depth, rows, 16) float32; gates (depth, rows) uint8; first, second (rows,) int32; activations
(neurons, words) int32, image 32 w + t in bit t of word w. The words form `tiles` of WORDS, a power of two.
"""

import triton
import triton.language as tl

from lgn.kernels.gpu.neuron import GATES, perturbed

LANES = tl.constexpr(32)
"""Images per word."""


@triton.jit
def encode(
    pixels, places, levels, inputs, begin, count, size, batch, replica_pixels, words, BLOCK: tl.constexpr
):
    """Fills inputs (count, words): bit set where the pixel is above the level; images past the batch are 0.

    pixels (replicas, batch, size) uint8; places, levels: of the inputs from number `begin` on. A place is the pixel's
    index plus replica * size; `replica_pixels` is subtracted. Bound by the cache: reads each pixel once per threshold.
    """
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    w = tl.program_id(1)
    inside = i < count
    place = tl.load(places + begin + i, mask=inside, other=replica_pixels) - replica_pixels
    level = tl.load(levels + begin + i, mask=inside, other=255).to(tl.int32)
    start = (place // size).to(tl.int64) * batch * size + place % size
    word = tl.zeros((BLOCK,), tl.int32)
    for t in tl.static_range(LANES):
        image = w * LANES + t
        value = tl.load(pixels + start + image.to(tl.int64) * size, mask=inside & (image < batch), other=0)
        word |= (value.to(tl.int32) > level).to(tl.int32) << t
    tl.store(inputs + i.to(tl.int64) * words + w, word, mask=inside)


@triton.jit
def sample_gates(
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
    """Fills state (depth, rows) uint8 for all layers: the gate with the largest noisy logit, the first one on a tie.

    stride: rows between two layers of logits. Bound by arithmetic: hashes and logarithms.
    """
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < depth * rows
    layer, j = i // rows, i % rows
    gate = tl.arange(0, GATES)[None, :]
    place = (layer * stride + j).to(tl.int64)[:, None] * GATES + gate
    x = tl.load(logits + place, mask=inside[:, None], other=0.0)
    key_row = tl.where(inside, (j // width) * depth + layer, 0)
    x = perturbed(x, keys, key_row, j % width, NOISE)
    best = tl.min(tl.where(x == tl.max(x, 1)[:, None], gate, GATES), 1)
    # NaN logits equal nothing; the result must still be a gate, whichever it is.
    tl.store(state + i, (best & 15).to(tl.uint8), mask=inside)


@triton.jit
def evaluate_gates(
    state, first, second, inputs, outputs, rows, first_input, tiles, WORDS: tl.constexpr, BLOCK: tl.constexpr
):
    """Fills outputs (rows, words) of a layer by bitwise operations. Bound by reading two random rows per neuron.

    first_input: the smallest index that first and second may hold.
    """
    j = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = j < rows
    word = (tl.program_id(1) * WORDS + tl.arange(0, WORDS))[None, :]
    k = tl.load(state + j, mask=inside, other=0).to(tl.int32)
    row_a = tl.load(first + j, mask=inside, other=first_input) - first_input
    row_b = tl.load(second + j, mask=inside, other=first_input) - first_input
    words = tiles * WORDS
    a = tl.load(inputs + row_a.to(tl.int64)[:, None] * words + word, mask=inside[:, None], other=0)
    b = tl.load(inputs + row_b.to(tl.int64)[:, None] * words + word, mask=inside[:, None], other=0)
    # All-ones masks of the gate's coefficients modulo 2 (its algebraic normal form).
    c0 = 0 - ((k >> 3) & 1)
    c1 = c0 ^ (0 - ((k >> 1) & 1))
    c2 = c0 ^ (0 - ((k >> 2) & 1))
    c3 = c0 ^ c1 ^ c2 ^ (0 - (k & 1))
    y = c0[:, None] ^ (c1[:, None] & a) ^ (c2[:, None] & b) ^ (c3[:, None] & a & b)
    tl.store(outputs + j.to(tl.int64)[:, None] * words + word, y, mask=inside[:, None])


@triton.jit
def count_classes(outputs, sums, group, part, tiles, WORDS: tl.constexpr, BLOCK: tl.constexpr):
    """Fills sums (parts, classes, lanes) float32: how many of `part` neurons of a class are 1, exact below 2**24.

    Bound by unpacking bits.
    """
    class_row, part_row, tile = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    words = tiles * WORDS
    word = tile * WORDS + tl.arange(0, WORDS)
    bit = tl.arange(0, LANES)[None, None, :]
    counts = tl.zeros((BLOCK, WORDS, LANES), tl.int32)
    end = tl.minimum(part_row * part + part, group)
    for start in range(part_row * part, end, BLOCK):
        j = start + tl.arange(0, BLOCK)
        row = (class_row * group + j).to(tl.int64)[:, None] * words
        x = tl.load(outputs + row + word[None, :], mask=(j < end)[:, None], other=0)
        counts += (x[:, :, None] >> bit) & 1
    lane = word[:, None] * LANES + tl.arange(0, LANES)[None, :]
    row = (part_row * tl.num_programs(0) + class_row) * words * LANES
    tl.store(sums + row + lane, tl.sum(counts, 0).to(tl.float32))


@triton.jit
def gate_derivatives(k, operand):
    """Derivatives of gates k in operand 0 or 1, where the other operand is 0 and where it is 1: -1, 0 or 1."""
    at_00, at_01, at_10, at_11 = (k >> 3) & 1, (k >> 2) & 1, (k >> 1) & 1, k & 1
    if_clear = tl.where(operand == 0, at_10, at_01) - at_00
    if_set = at_11 - tl.where(operand == 0, at_01, at_10)
    return if_clear, if_set
