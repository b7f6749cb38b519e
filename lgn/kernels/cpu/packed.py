"""The parts of a step with straight-through: activations are exactly 0 or 1, so a batch is a few machine words.

Shapes: rows (depth, width, 64) float32, see neuron.ROW; gates (depth, width) uint8; bits (neurons, words) uint64,
image 64 w + t in bit t of word w; gradients (width, 64 words) float32. The last layer's gradient has one row per
class; its neurons share it. operands: what a layer reads, (inputs, first, second), whose first and second (width,)
int32 index the inputs. sampling: see step.py.
"""

import numpy as np

from lgn.gates import TRUTH_TABLE
from lgn.kernels.cpu.lanes import LANES, inlined, kernel, select, splat
from lgn.kernels.cpu.memory import (
    at,
    bits_above,
    load,
    load_mask,
    prefetch,
    store,
    store_totals,
)
from lgn.kernels.cpu.neuron import (
    AHEAD,
    CACHED,
    CHUNK,
    ROW,
    layer_key,
    perturb,
    softmax,
)

f32, u64 = np.float32, np.uint64

# DERIVATIVES[2 * gate + operand, other]: derivative of a gate in its operand 0 or 1, where the other one is 0 or 1.
_AT_00, _AT_01, _AT_10, _AT_11 = TRUTH_TABLE.T.astype(np.float32)
DERIVATIVES = np.stack([_AT_10 - _AT_00, _AT_11 - _AT_01, _AT_01 - _AT_00, _AT_11 - _AT_10], axis=1).reshape(
    32, 2
)


@kernel
def pack_inputs(columns, used_pixels, used_levels, inputs):
    """Fills inputs (used, words) from columns (pixels, 64 words) uint8: bit set where the pixel is above the level."""
    words = inputs.shape[1]
    for i in range(used_pixels.size):
        for w in range(words):
            inputs[i, w] = bits_above(columns, 64 * (used_pixels[i] * words + w), used_levels[i])


@kernel
def sample_gates(gates, rows, begin, end, sampling):
    """Draws the gates of neurons begin to end of every layer for one step; writes soft weights to their rows."""
    seed, step, noise, inverse_temperature = sampling
    depth, width = gates.shape
    for layer in range(depth):
        key = layer_key(seed, step, layer)
        for start in range(begin, end, CHUNK):
            stop = min(start + CHUNK, end)
            perturb(rows, layer * width, start, stop, key, noise)
            for j in range(start, stop):
                gates[layer, j] = softmax(rows, (layer * width + j) * ROW, inverse_temperature)


@kernel
def evaluate_gates(gates, begin, end, operands, outputs):
    """Outputs of a layer's neurons begin to end: bitwise operations on words. Bound by reading two random rows."""
    inputs, first, second = operands
    words = outputs.shape[1]
    for j in range(begin, end):
        k = u64(at(gates, j))
        # All-ones masks of the gate's coefficients modulo 2 (its algebraic normal form).
        c0 = u64(0) - ((k >> u64(3)) & u64(1))
        c1 = c0 ^ (u64(0) - ((k >> u64(1)) & u64(1)))
        c2 = c0 ^ (u64(0) - ((k >> u64(2)) & u64(1)))
        c3 = c0 ^ c1 ^ c2 ^ (u64(0) - (k & u64(1)))
        row_a, row_b = at(first, j) * words, at(second, j) * words
        for w in range(words):
            a, b = at(inputs, row_a + w), at(inputs, row_b + w)
            outputs[j, w] = c0 ^ (c1 & a) ^ (c2 & b) ^ (c3 & a & b)


@inlined
def sum_units(gates, counts):
    """Number of parts that the threads divide the counts into: one word of one class each."""
    return counts.size // 64


@kernel
def class_counts(gates, begin, end, bits, counts):
    """counts (classes, 64 words) float32: how many of a class's neurons are 1; words begin to end."""
    classes = counts.shape[0]
    width, words = bits.shape
    group = width // classes
    for unit in range(begin, end):
        c, w = unit // words, unit % words
        n0, n1, n2, n3 = splat(0), splat(0), splat(0), splat(0)
        for j in range(c * group, (c + 1) * group):
            mask = 4 * (j * words + w)
            n0 += select(load_mask(bits, mask), 1, 0)
            n1 += select(load_mask(bits, mask + 1), 1, 0)
            n2 += select(load_mask(bits, mask + 2), 1, 0)
            n3 += select(load_mask(bits, mask + 3), 1, 0)
        store(counts, 64 * unit, n0)
        store(counts, 64 * unit + LANES, n1)
        store(counts, 64 * unit + 2 * LANES, n2)
        store(counts, 64 * unit + 3 * LANES, n3)


@inlined
def signed_row(above, row, bits, mask, if_set, if_clear):
    """Sixteen lanes of a consumer's gradient times its derivative, which depends on the consumer's other input."""
    return load(above, row) * select(load_mask(bits, mask), if_set, if_clear)


@inlined
def add_cells(sums, g, inputs, mask_a, mask_b):
    """Adds sixteen lanes of an output's gradient to its sums: over all images, and over those with a, b, both."""
    a, b = load_mask(inputs, mask_a), load_mask(inputs, mask_b)
    s, sa, sb, sab = sums
    return (s + g, select(a, sa + g, sa), select(b, sb + g, sb), select(a & b, sab + g, sab))


@kernel
def cell_sums_of_outputs(gates, start, stop, class_gradient, operands, sums):
    """sums (chunk, 4) for the last layer's neurons start to stop: their gradients summed over all, a, b and ab."""
    inputs, first, second = operands
    classes, lanes = class_gradient.shape
    width, words = first.size, lanes // 64
    group = width // classes
    for j in range(start, stop):
        cells = (splat(0), splat(0), splat(0), splat(0))
        for q in range(4 * words):
            g = load(class_gradient, (j // group) * lanes + LANES * q)
            cells = add_cells(cells, g, inputs, 4 * words * at(first, j) + q, 4 * words * at(second, j) + q)
        store_totals(sums, 4 * (j - start), *cells)


@kernel
def cell_sums_of_hidden(gates, start, stop, consumers, ours, operands, sums):
    """cell_sums_of_outputs for a hidden layer. With `keep` it writes the layer's gradients too, for the layer below.

    A neuron's gradient row is the sum of its consumers' rows, signed by their gates' derivatives. Each neuron gathers
    its own row, so no two neurons write to one place. gates: of the consumers. above: gradient of the layer above, one
    row per `group` of its neurons. pointers, entries, other_inputs: see fanout.transposed_wiring. Bound by those
    random rows. A derivative of 0 is multiplied too: mispredicted branches would cost more than the rows.
    """
    above, group, pointers, entries, other_inputs, grad_factor = consumers
    outputs, gradients, keep = ours
    inputs, first, second = operands
    lanes = gradients.shape[1]
    words = lanes // 64
    far = above.size > CACHED
    derivatives = DERIVATIVES * grad_factor
    for j in range(start, stop):
        begin, end = at(pointers, j), at(pointers, j + 1)
        if far:
            for e in range(begin + AHEAD, min(end + AHEAD, entries.size)):
                prefetch(above, (at(entries, e) >> 1) * lanes, lanes)
        cells = (splat(0), splat(0), splat(0), splat(0))
        for w in range(words):
            g0, g1, g2, g3 = splat(0), splat(0), splat(0), splat(0)
            for e in range(begin, end):
                entry = at(entries, e)
                consumer = entry >> 1
                derivative = 2 * (2 * at(gates, consumer) + (entry & 1))
                if_clear, if_set = (at(derivatives, derivative), at(derivatives, derivative + 1))
                row = (consumer if group == 1 else consumer // group) * lanes + 64 * w
                mask = 4 * (at(other_inputs, e) * words + w)
                g0 += signed_row(above, row, outputs, mask, if_set, if_clear)
                g1 += signed_row(above, row + LANES, outputs, mask + 1, if_set, if_clear)
                g2 += signed_row(above, row + 2 * LANES, outputs, mask + 2, if_set, if_clear)
                g3 += signed_row(above, row + 3 * LANES, outputs, mask + 3, if_set, if_clear)
            if keep:
                row = lanes * j + 64 * w
                store(gradients, row, g0)
                store(gradients, row + LANES, g1)
                store(gradients, row + 2 * LANES, g2)
                store(gradients, row + 3 * LANES, g3)
            a, b = 4 * (at(first, j) * words + w), 4 * (at(second, j) * words + w)
            cells = add_cells(cells, g0, inputs, a, b)
            cells = add_cells(cells, g1, inputs, a + 1, b + 1)
            cells = add_cells(cells, g2, inputs, a + 2, b + 2)
            cells = add_cells(cells, g3, inputs, a + 3, b + 3)
        store_totals(sums, 4 * (j - start), *cells)
