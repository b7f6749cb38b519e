"""Straight-through off: four coefficients a neuron, float activations, rows of one neuron's whole batch.

Shapes as in numba_packed, with activations (neurons, batch) float32 and coefficients (depth, width, 4) float32.
"""

import numpy as np
from numba import njit

from lgn.gates import COEFFICIENTS, GATES
from lgn.kernels.numba_math import OPTIONS, WEIGHTS, f32, layer_key, loss_and_gradient, sample, update

_COLUMNS = np.ascontiguousarray(COEFFICIENTS.T.astype(np.float32))


@njit(**OPTIONS)
def mix_coefficients(records, coefficients, seed, step, noise, inverse_temperature):
    """Leaves every neuron's soft weights in its record, and their mixture's coefficients c0..c3."""
    depth, width, _ = records.shape
    for layer in range(depth):
        key = layer_key(seed, step, layer)
        for j in range(width):
            row = records[layer, j]
            sample(row, j, key, noise, inverse_temperature)
            for i in range(4):
                total = f32(0)
                for k in range(GATES):
                    total += row[WEIGHTS + k] * _COLUMNS[i, k]
                coefficients[layer, j, i] = total


@njit(**OPTIONS)
def evaluate_layer(coefficients, first, second, inputs, outputs):
    """Outputs of one layer of mixtures. Bound by reading two random rows and writing one."""
    width, batch = outputs.shape
    for j in range(width):
        c0, c1, c2, c3 = coefficients[j, 0], coefficients[j, 1], coefficients[j, 2], coefficients[j, 3]
        a, b, out = inputs[first[j]], inputs[second[j]], outputs[j]
        for t in range(batch):
            out[t] = c0 + c1 * a[t] + (c2 + c3 * a[t]) * b[t]


@njit(**OPTIONS)
def class_sums(activations, sums):
    """sums (classes, batch) float32: the group sums of the last layer."""
    classes, batch = sums.shape
    group = activations.shape[0] // classes
    for c in range(classes):
        row = sums[c]
        row[:] = f32(0)
        for j in range(c * group, (c + 1) * group):
            for t in range(batch):
                row[t] += activations[j, t]


@njit(**OPTIONS)
def output_gradient(total, i, pointers, edges, others, coefficients, gradients, group, activations, grad_factor):
    """total (batch,) = gradient of output i: sum over the neurons that read it."""
    total[:] = f32(0)
    for e in range(pointers[i], pointers[i + 1]):
        reader = edges[e] >> 1
        linear = coefficients[reader, 1 + (edges[e] & 1)] * grad_factor
        product = coefficients[reader, 3] * grad_factor
        row, other = gradients[reader // group], activations[others[e]]
        for t in range(total.size):
            total[t] += row[t] * (linear + product * other[t])


@njit(**OPTIONS)
def weighted_sums(row, a, b):
    """Sums of row, row a, row b and row a b."""
    s, sa, sb, sab = f32(0), f32(0), f32(0), f32(0)
    for t in range(row.size):
        in_a = row[t] * a[t]
        s += row[t]
        sa += in_a
        sb += row[t] * b[t]
        sab += in_a * b[t]
    return s, sa, sb, sab


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
    for layer in range(depth - 1, -1, -1):
        source = inputs if layer == 0 else outputs[layer - 1]
        above = class_gradient if layer >= depth - 2 else gradients[(layer + 1) & 1]
        above_group = width // classes if layer >= depth - 2 else 1
        for j in range(width):
            if layer == depth - 1:
                row = class_gradient[j // above_group]
            else:
                row = gradients[layer & 1, j]
                output_gradient(
                    row, j, pointers[layer + 1], edges[layer + 1], others[layer + 1], coefficients[layer + 1],
                    above, above_group, outputs[layer], grad_factor,
                )  # fmt: skip
            s, sa, sb, sab = weighted_sums(row, source[first[layer, j]], source[second[layer, j]])
            update(
                records[layer, j], s - sa - sb + sab, sb - sab, sa - sab, sab, inverse_temperature, step_size,
                square_scale,
            )  # fmt: skip
    return loss


@njit(**OPTIONS)
def evaluate_network(coefficients, first, second, inputs, outputs, sums):
    """Class sums of inputs (inputs, batch) float32. outputs (2, width, batch): two layers in turn."""
    depth = coefficients.shape[0]
    for layer in range(depth):
        source = inputs if layer == 0 else outputs[(layer - 1) & 1]
        evaluate_layer(coefficients[layer], first[layer], second[layer], source, outputs[layer & 1])
    class_sums(outputs[(depth - 1) & 1], sums)
