"""Straight-through off: four coefficients a neuron, float activations, rows of one neuron's whole batch.

Shapes as in numba_packed, with activations (neurons, lanes) float32, lanes a multiple of 64, and coefficients
(depth, width, 4) float32.
"""

import numpy as np

from lgn.kernels.numba_math import (
    AHEAD,
    CACHED,
    CHUNK,
    COLUMNS,
    RECORD,
    WEIGHTS,
    layer_key,
    loss_and_gradient,
    perturb,
    softmax,
    update_neurons,
)
from lgn.kernels.numba_memory import at, flush_denormals, load, prefetch, restore_mode, store, store_totals
from lgn.kernels.numba_simd import LANES, inlined, kernel, splat

f32 = np.float32


@kernel
def expand_inputs(columns, used_pixels, used_levels, inputs):
    """inputs (used, lanes) of 0 and 1 from columns (pixels, lanes) uint8: 1 where the pixel is above the level."""
    for i in range(used_pixels.size):
        column, level, row = columns[used_pixels[i]], used_levels[i], inputs[i]
        for t in range(row.size):
            row[t] = f32(1) if column[t] > level else f32(0)


@kernel
def mix_coefficients(records, coefficients, seed, step, noise, inverse_temperature):
    """Leaves every neuron's soft weights in its record, and their mixture's coefficients c0..c3."""
    depth, width, _ = coefficients.shape
    for layer in range(depth):
        key = layer_key(seed, step, layer)
        for start in range(0, width, CHUNK):
            stop = min(start + CHUNK, width)
            perturb(records, layer * width, start, stop, key, noise)
            for neuron in range(layer * width + start, layer * width + stop):
                softmax(records, neuron * RECORD, inverse_temperature)
                weights = load(records, neuron * RECORD + WEIGHTS)
                store_totals(
                    coefficients, 4 * neuron, weights * load(COLUMNS, 0), weights * load(COLUMNS, 16),
                    weights * load(COLUMNS, 32), weights * load(COLUMNS, 48),
                )  # fmt: skip


@kernel
def evaluate_layer(coefficients, first, second, inputs, outputs):
    """Outputs of one layer of mixtures. Bound by reading two random rows and writing one."""
    width, lanes = outputs.shape
    for j in range(width):
        c0, c1 = at(coefficients, 4 * j), at(coefficients, 4 * j + 1)
        c2, c3 = at(coefficients, 4 * j + 2), at(coefficients, 4 * j + 3)
        row_a, row_b, row = lanes * at(first, j), lanes * at(second, j), lanes * j
        for t in range(0, lanes, LANES):
            a, b = load(inputs, row_a + t), load(inputs, row_b + t)
            store(outputs, row + t, (a * c1 + c0) + (a * c3 + c2) * b)


@kernel
def class_sums(activations, sums):
    """sums (classes, lanes) float32: the group sums of the last layer."""
    classes, lanes = sums.shape
    group = activations.shape[0] // classes
    for c in range(classes):
        for t in range(0, lanes, LANES):
            s = splat(0)
            for j in range(c * group, (c + 1) * group):
                s += load(activations, lanes * j + t)
            store(sums, lanes * c + t, s)


@inlined
def weighted_row(above, row, outputs, other, linear, product):
    """Sixteen lanes of a reader's gradient times its derivative, linear in the reader's other input."""
    return load(above, row) * (linear + product * load(outputs, other))


@inlined
def add_products(sums, g, inputs, row_a, row_b):
    """Adds sixteen lanes of an output's gradient to its sums: alone, times a, times b, times a b."""
    a, b = load(inputs, row_a), load(inputs, row_b)
    s, sa, sb, sab = sums
    ga = g * a
    return s + g, sa + ga, sb + g * b, sab + ga * b


@kernel
def output_sums(start, stop, class_gradient, inputs, first, second, sums):
    """sums (chunk, 4) of the last layer's neurons start to stop: their gradient's sums, alone and times a, b, ab."""
    classes, lanes = class_gradient.shape
    group = first.size // classes
    for j in range(start, stop):
        products = (splat(0), splat(0), splat(0), splat(0))
        for t in range(0, lanes, LANES):
            g = load(class_gradient, (j // group) * lanes + t)
            products = add_products(products, g, inputs, lanes * at(first, j) + t, lanes * at(second, j) + t)
        store_totals(sums, 4 * (j - start), *products)


@kernel
def hidden_sums(
    start, stop, above, group, pointers, edges, others, coefficients, grad_factor, outputs, gradients, inputs, first,
    second, sums,
):  # fmt: skip
    """As output_sums for a hidden layer; writes its rows of gradients too (see numba_packed.hidden_sums)."""
    lanes = gradients.shape[1]
    far = above.size > CACHED
    for j in range(start, stop):
        first_edge, last_edge = at(pointers, j), at(pointers, j + 1)
        if far:
            for e in range(first_edge + AHEAD, min(last_edge + AHEAD, edges.size)):
                prefetch(above, (at(edges, e) >> 1) * lanes, lanes)
                prefetch(outputs, at(others, e) * lanes, lanes)
        products = (splat(0), splat(0), splat(0), splat(0))
        for t in range(0, lanes, 4 * LANES):
            g0, g1, g2, g3 = splat(0), splat(0), splat(0), splat(0)
            for e in range(first_edge, last_edge):
                edge = at(edges, e)
                reader = edge >> 1
                linear = at(coefficients, 4 * reader + 1 + (edge & 1)) * grad_factor
                product = at(coefficients, 4 * reader + 3) * grad_factor
                row = (reader if group == 1 else reader // group) * lanes + t
                other = at(others, e) * lanes + t
                g0 += weighted_row(above, row, outputs, other, linear, product)
                g1 += weighted_row(above, row + LANES, outputs, other + LANES, linear, product)
                g2 += weighted_row(above, row + 2 * LANES, outputs, other + 2 * LANES, linear, product)
                g3 += weighted_row(above, row + 3 * LANES, outputs, other + 3 * LANES, linear, product)
            row = lanes * j + t
            store(gradients, row, g0)
            store(gradients, row + LANES, g1)
            store(gradients, row + 2 * LANES, g2)
            store(gradients, row + 3 * LANES, g3)
            a, b = lanes * at(first, j) + t, lanes * at(second, j) + t
            products = add_products(products, g0, inputs, a, b)
            products = add_products(products, g1, inputs, a + LANES, b + LANES)
            products = add_products(products, g2, inputs, a + 2 * LANES, b + 2 * LANES)
            products = add_products(products, g3, inputs, a + 3 * LANES, b + 3 * LANES)
        store_totals(sums, 4 * (j - start), *products)


@kernel
def train_step(
    records, coefficients, first, second, pointers, edges, others, inputs, outputs, labels,
    sums_of_class, class_gradient, gradients, seed, step, noise, inverse_temperature, grad_factor, group_temperature,
    step_size, square_scale,
):  # fmt: skip
    """Mixing, forward, backward and Adam of one step; returns the loss."""
    depth, width, _ = coefficients.shape
    group = width // sums_of_class.shape[0]
    mode = flush_denormals()
    mix_coefficients(records, coefficients, seed, step, noise, inverse_temperature)
    for layer in range(depth):
        source = inputs if layer == 0 else outputs[layer - 1]
        evaluate_layer(coefficients[layer], first[layer], second[layer], source, outputs[layer])
    class_sums(outputs[depth - 1], sums_of_class)
    loss = loss_and_gradient(sums_of_class, labels, group_temperature, class_gradient)
    sums = np.empty((CHUNK, 4), np.float32)
    for layer in range(depth - 1, -1, -1):
        source = inputs if layer == 0 else outputs[layer - 1]
        for start in range(0, width, CHUNK):
            stop = min(start + CHUNK, width)
            if layer == depth - 1:
                output_sums(start, stop, class_gradient, source, first[layer], second[layer], sums)
            else:
                near = layer == depth - 2
                hidden_sums(
                    start, stop, class_gradient if near else gradients[(layer + 1) & 1], group if near else 1,
                    pointers[layer + 1], edges[layer + 1], others[layer + 1], coefficients[layer + 1], grad_factor,
                    outputs[layer], gradients[layer & 1], source, first[layer], second[layer], sums,
                )  # fmt: skip
            update_neurons(
                records, layer * width + start, layer * width + stop, sums, inverse_temperature, step_size,
                square_scale,
            )  # fmt: skip
    restore_mode(mode)
    return loss


@kernel
def evaluate_network(coefficients, first, second, inputs, outputs, sums):
    """Class sums of inputs (inputs, lanes) float32. outputs (2, width, lanes): two layers in turn."""
    depth = coefficients.shape[0]
    for layer in range(depth):
        source = inputs if layer == 0 else outputs[(layer - 1) & 1]
        evaluate_layer(coefficients[layer], first[layer], second[layer], source, outputs[layer & 1])
    class_sums(outputs[(depth - 1) & 1], sums)
