"""The parts of a step without straight-through: four coefficients a neuron, float activations, [neuron][batch].

Shapes as in packed.py, but activations are (neurons, lanes) float32, lanes a multiple of 32, and coefficients are
(depth, width, 4) float32.
"""

import numpy as np

from lgn.kernels.cpu.lanes import LANES, inlined, kernel, splat
from lgn.kernels.cpu.memory import at, load, prefetch, store, store_totals
from lgn.kernels.cpu.neuron import (
    AHEAD,
    CACHED,
    CHUNK,
    COLUMNS,
    ROW,
    WEIGHTS,
    layer_key,
    perturb,
    softmax,
)

f32 = np.float32


@kernel
def expand_inputs(columns, used_pixels, used_levels, inputs):
    """Fills inputs (used, lanes) from columns (pixels, lanes) uint8: 1 where the pixel is above the level, else 0."""
    for i in range(used_pixels.size):
        column, level, row = columns[used_pixels[i]], used_levels[i], inputs[i]
        for t in range(row.size):
            row[t] = f32(1) if column[t] > level else f32(0)


@kernel
def mix_coefficients(coefficients, rows, begin, end, sampling):
    """Writes soft weights to the rows of neurons begin to end of every layer, and their mixtures' c0..c3."""
    seed, step, noise, inverse_temperature = sampling
    depth, width, _ = coefficients.shape
    for layer in range(depth):
        key = layer_key(seed, step, layer)
        for start in range(begin, end, CHUNK):
            stop = min(start + CHUNK, end)
            perturb(rows, layer * width, start, stop, key, noise)
            for neuron in range(layer * width + start, layer * width + stop):
                softmax(rows, neuron * ROW, inverse_temperature)
                weights = load(rows, neuron * ROW + WEIGHTS)
                store_totals(
                    coefficients, 4 * neuron, weights * load(COLUMNS, 0), weights * load(COLUMNS, 16),
                    weights * load(COLUMNS, 32), weights * load(COLUMNS, 48),
                )  # fmt: skip


@kernel
def evaluate_mixtures(coefficients, begin, end, operands, outputs):
    """Outputs of a layer's neurons begin to end. Bound by reading two random rows and writing one."""
    inputs, first, second = operands
    lanes = outputs.shape[1]
    for j in range(begin, end):
        c0, c1 = at(coefficients, 4 * j), at(coefficients, 4 * j + 1)
        c2, c3 = at(coefficients, 4 * j + 2), at(coefficients, 4 * j + 3)
        row_a, row_b, row = lanes * at(first, j), lanes * at(second, j), lanes * j
        for t in range(0, lanes, LANES):
            a, b = load(inputs, row_a + t), load(inputs, row_b + t)
            store(outputs, row + t, (a * c1 + c0) + (a * c3 + c2) * b)


@inlined
def sum_units(coefficients, sums):
    """Number of parts that the threads divide the sums into: 32 lanes of one class each."""
    return sums.size // (2 * LANES)


@kernel
def class_sums(coefficients, begin, end, activations, sums):
    """sums (classes, lanes) float32: the group sums of the last layer; parts begin to end of sum_units."""
    classes, lanes = sums.shape
    group = activations.shape[0] // classes
    parts = lanes // (2 * LANES)
    for unit in range(begin, end):
        c, t = unit // parts, 2 * LANES * (unit % parts)
        s0, s1 = splat(0), splat(0)
        for j in range(c * group, (c + 1) * group):
            s0 += load(activations, lanes * j + t)
            s1 += load(activations, lanes * j + t + LANES)
        store(sums, 2 * LANES * unit, s0)
        store(sums, 2 * LANES * unit + LANES, s1)


@inlined
def weighted_row(above, row, outputs, other, linear, product):
    """Sixteen lanes of a consumer's gradient times its derivative, linear in the consumer's other input."""
    return load(above, row) * (linear + product * load(outputs, other))


@inlined
def add_products(sums, g, inputs, row_a, row_b):
    """Adds sixteen lanes of an output's gradient to its sums: alone, times a, times b, times ab."""
    a, b = load(inputs, row_a), load(inputs, row_b)
    s, sa, sb, sab = sums
    ga = g * a
    return s + g, sa + ga, sb + g * b, sab + ga * b


@kernel
def products_of_outputs(coefficients, start, stop, class_gradient, operands, sums):
    """sums (chunk, 4) for the last layer's neurons start to stop: their gradients summed alone, times a, b and ab."""
    inputs, first, second = operands
    classes, lanes = class_gradient.shape
    group = first.size // classes
    for j in range(start, stop):
        products = (splat(0), splat(0), splat(0), splat(0))
        for t in range(0, lanes, LANES):
            g = load(class_gradient, (j // group) * lanes + t)
            products = add_products(products, g, inputs, lanes * at(first, j) + t, lanes * at(second, j) + t)
        store_totals(sums, 4 * (j - start), *products)


@kernel
def products_of_hidden(coefficients, start, stop, consumers, ours, operands, sums):
    """products_of_outputs for a hidden layer. With `keep` it writes the layer's gradients too, for the layer below.

    coefficients: of the consumers. Bound by random rows, as packed.cell_sums_of_hidden is; see there for the rest.
    """
    above, group, pointers, entries, other_inputs, grad_factor = consumers
    outputs, gradients, keep = ours
    inputs, first, second = operands
    lanes = gradients.shape[1]
    far = above.size > CACHED
    for j in range(start, stop):
        begin, end = at(pointers, j), at(pointers, j + 1)
        if far:
            for e in range(begin + AHEAD, min(end + AHEAD, entries.size)):
                prefetch(above, (at(entries, e) >> 1) * lanes, lanes)
                prefetch(outputs, at(other_inputs, e) * lanes, lanes)
        products = (splat(0), splat(0), splat(0), splat(0))
        for t in range(0, lanes, 2 * LANES):
            g0, g1 = splat(0), splat(0)
            for e in range(begin, end):
                entry = at(entries, e)
                consumer = entry >> 1
                linear = at(coefficients, 4 * consumer + 1 + (entry & 1)) * grad_factor
                product = at(coefficients, 4 * consumer + 3) * grad_factor
                row = (consumer if group == 1 else consumer // group) * lanes + t
                other = at(other_inputs, e) * lanes + t
                g0 += weighted_row(above, row, outputs, other, linear, product)
                g1 += weighted_row(above, row + LANES, outputs, other + LANES, linear, product)
            if keep:
                store(gradients, lanes * j + t, g0)
                store(gradients, lanes * j + t + LANES, g1)
            a, b = lanes * at(first, j) + t, lanes * at(second, j) + t
            products = add_products(products, g0, inputs, a, b)
            products = add_products(products, g1, inputs, a + LANES, b + LANES)
        store_totals(sums, 4 * (j - start), *products)
