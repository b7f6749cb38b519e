"""Straight-through off: four coefficients a neuron, float activations, rows of one neuron's whole batch.

Shapes as in numba_packed, with activations (neurons, lanes) float32, lanes a multiple of 16 at least
the batch, and coefficients (depth, width, 4) float32.
"""

from numba import njit

from lgn.kernels.numba_math import INLINE, OPTIONS, f32, layer_key, loss_and_gradient, sample
from lgn.kernels.numba_simd import add_weighted_row, mix_record, mix_rows, update_record, weighted_sums


@njit(**OPTIONS)
def mix_coefficients(records, coefficients, seed, step, noise, inverse_temperature):
    """Leaves every neuron's soft weights in its record, and their mixture's coefficients c0..c3."""
    depth, width, _ = records.shape
    for layer in range(depth):
        key = layer_key(seed, step, layer)
        layer_records = records[layer]
        for j in range(width):
            sample(layer_records, j, key, noise, inverse_temperature)
            c0, c1, c2, c3 = mix_record(layer_records, j)
            coefficients[layer, j, 0] = c0
            coefficients[layer, j, 1] = c1
            coefficients[layer, j, 2] = c2
            coefficients[layer, j, 3] = c3


@njit(**OPTIONS)
def evaluate_layer(coefficients, first, second, inputs, outputs):
    """Outputs of one layer of mixtures. Bound by reading two random rows and writing one."""
    width, lanes = outputs.shape
    for j in range(width):
        c0, c1, c2, c3 = coefficients[j, 0], coefficients[j, 1], coefficients[j, 2], coefficients[j, 3]
        mix_rows(outputs, j, inputs, first[j], second[j], c0, c1, c2, c3, lanes)


@njit(**OPTIONS)
def class_sums(activations, sums):
    """sums (classes, lanes) float32: the group sums of the last layer."""
    classes, lanes = sums.shape
    group = activations.shape[0] // classes
    for c in range(classes):
        sums[c] = f32(0)
        for j in range(c * group, (c + 1) * group):
            for t in range(lanes):
                sums[c, t] += activations[j, t]


@njit(**INLINE)
def output_gradients(
    totals, pointers, edges, others, coefficients, gradients, group, activations, grad_factor
):
    """totals[i] = gradient of output i, a sum over the neurons that read it. Bound by reading two random rows each."""
    width, lanes = totals.shape
    for i in range(width):
        for t in range(lanes):
            totals[i, t] = f32(0)
        for e in range(pointers[i], pointers[i + 1]):
            reader = edges[e] >> 1
            linear = coefficients[reader, 1 + (edges[e] & 1)] * grad_factor
            product = coefficients[reader, 3] * grad_factor
            add_weighted_row(
                totals, i, gradients, reader // group, activations, others[e], linear, product, lanes
            )


@njit(**INLINE)
def update_layer(
    records, first, second, inputs, gradients, group, inverse_temperature, step_size, square_scale
):
    """Logits' gradients and Adam of one layer: four sums a neuron stand for sixteen gates."""
    lanes = gradients.shape[1]
    for j in range(records.shape[0]):
        s, sa, sb, sab = weighted_sums(gradients, j // group, inputs, first[j], second[j], lanes)
        s00, s01, s10 = s - sa - sb + sab, sb - sab, sa - sab
        update_record(records, j, s00, s01, s10, sab, inverse_temperature, step_size, square_scale)


@njit(**OPTIONS)
def train_step(
    records, coefficients, first, second, pointers, edges, others, inputs, outputs, labels,
    sums, class_gradient, gradients, seed, step, noise, inverse_temperature, grad_factor, group_temperature,
    step_size, square_scale,
):  # fmt: skip
    """Mixing, forward, backward and Adam of one step; returns the loss."""
    depth, width, _ = records.shape
    classes = sums.shape[0]
    mix_coefficients(records, coefficients, seed, step, noise, inverse_temperature)
    for layer in range(depth):
        source = inputs if layer == 0 else outputs[layer - 1]
        evaluate_layer(coefficients[layer], first[layer], second[layer], source, outputs[layer])
    class_sums(outputs[depth - 1], sums)
    loss = loss_and_gradient(sums, labels, group_temperature, class_gradient)
    group = width // classes
    for layer in range(depth - 1, -1, -1):
        source = inputs if layer == 0 else outputs[layer - 1]
        if layer == depth - 1:
            above, divisor = class_gradient, group
        else:
            below, above_divisor = gradients[layer & 1], group if layer == depth - 2 else 1
            upper = layer + 1
            output_gradients(
                below, pointers[upper], edges[upper], others[upper], coefficients[upper], above, above_divisor,
                outputs[layer], grad_factor,
            )  # fmt: skip
            above, divisor = below, 1
        update_layer(
            records[layer], first[layer], second[layer], source, above, divisor, inverse_temperature, step_size,
            square_scale,
        )  # fmt: skip
    return loss


@njit(**OPTIONS)
def evaluate_network(coefficients, first, second, inputs, outputs, sums):
    """Class sums of inputs (inputs, lanes) float32. outputs (2, width, lanes): two layers in turn."""
    depth = coefficients.shape[0]
    for layer in range(depth):
        source = inputs if layer == 0 else outputs[(layer - 1) & 1]
        evaluate_layer(coefficients[layer], first[layer], second[layer], source, outputs[layer & 1])
    class_sums(outputs[(depth - 1) & 1], sums)
