"""Straight-through training on bits: activations are exactly 0 or 1, so a batch is a few machine words.

Shapes: records (depth, width, 64) float32; gates (depth, width) uint8; first, second (depth, width) int32, those of
layer 0 into the packed inputs; bits (neurons, words) uint32, image 32 w + t in bit t of word w; gradients
(width, 32 * words) float32. The last layer's gradient has one row a class and is never copied to its neurons.
"""

import numpy as np
from numba import njit

from lgn.gates import GATES, TRUTH_TABLE
from lgn.kernels.numba_math import INLINE, OPTIONS, f32, layer_key, loss_and_gradient, sample, u32
from lgn.kernels.numba_simd import add_signed_row, masked_sums, update_record

# DERIVATIVES[slot, gate, other]: derivative of a gate in its first or second input where the other input is 0 or 1.
_T = TRUTH_TABLE.astype(np.float32)
DERIVATIVES = np.stack(
    [
        np.stack([_T[:, 2] - _T[:, 0], _T[:, 3] - _T[:, 1]], axis=1),
        np.stack([_T[:, 1] - _T[:, 0], _T[:, 3] - _T[:, 2]], axis=1),
    ]
)


@njit(**OPTIONS)
def sample_gates(records, gates, seed, step, noise, inverse_temperature):
    """Draws every neuron's gate for one step and leaves its soft weights in the records."""
    depth, width, _ = records.shape
    for layer in range(depth):
        key = layer_key(seed, step, layer)
        layer_records = records[layer]
        for j in range(width):
            gates[layer, j] = sample(layer_records, j, key, noise, inverse_temperature)


@njit(**OPTIONS)
def evaluate_layer(gates, first, second, inputs, outputs):
    """Outputs of one layer of gates: a few bitwise operations a word. Bound by reading two random rows a neuron."""
    width, words = outputs.shape
    for j in range(width):
        k = u32(gates[j])
        # All-ones masks of the gate's coefficients modulo 2 (its algebraic normal form).
        c0 = u32(0) - ((k >> u32(3)) & u32(1))
        c1 = c0 ^ (u32(0) - ((k >> u32(1)) & u32(1)))
        c2 = c0 ^ (u32(0) - ((k >> u32(2)) & u32(1)))
        c3 = c0 ^ c1 ^ c2 ^ (u32(0) - (k & u32(1)))
        for w in range(words):
            a, b = inputs[first[j], w], inputs[second[j], w]
            outputs[j, w] = c0 ^ (c1 & a) ^ (c2 & b) ^ (c3 & a & b)


@njit(**OPTIONS)
def class_counts(bits, counts):
    """counts (classes, 32 * words) float32: how many of a class's neurons are 1 for each image."""
    classes = counts.shape[0]
    width, words = bits.shape
    group = width // classes
    for c in range(classes):
        counts[c] = f32(0)
        for j in range(c * group, (c + 1) * group):
            for w in range(words):
                word = bits[j, w]
                for t in range(32):
                    counts[c, 32 * w + t] += f32((word >> u32(t)) & u32(1))


@njit(**INLINE)
def output_gradients(totals, pointers, edges, others, gates, gradients, group, bits, grad_factor):
    """totals[i] = gradient of output i: signed rows of the neurons that read it, none where the sign is 0.

    Bound by reading a random row of gradients for each such reader.
    """
    width, lanes = totals.shape
    for i in range(width):
        for t in range(lanes):
            totals[i, t] = f32(0)
        for e in range(pointers[i], pointers[i + 1]):
            reader = edges[e] >> 1
            slot, gate = edges[e] & 1, gates[reader]
            if_zero, if_one = DERIVATIVES[slot, gate, 0], DERIVATIVES[slot, gate, 1]
            if if_zero != 0 or if_one != 0:
                if_zero, if_one = if_zero * grad_factor, if_one * grad_factor
                add_signed_row(totals, i, gradients, reader // group, bits, others[e], if_zero, if_one, lanes)


@njit(**INLINE)
def update_layer(
    records, first, second, inputs, gradients, group, inverse_temperature, step_size, square_scale
):
    """Logits' gradients and Adam of one layer: four masked sums a neuron stand for sixteen gates."""
    lanes = gradients.shape[1]
    for j in range(records.shape[0]):
        s, sa, sb, sab = masked_sums(gradients, j // group, inputs, first[j], second[j], lanes)
        s00, s01, s10 = s - sa - sb + sab, sb - sab, sa - sab
        update_record(records, j, s00, s01, s10, sab, inverse_temperature, step_size, square_scale)


@njit(**OPTIONS)
def train_step(
    records, gates, first, second, pointers, edges, others, inputs, outputs, labels,
    counts, class_gradient, gradients, seed, step, noise, inverse_temperature, grad_factor, group_temperature,
    step_size, square_scale,
):  # fmt: skip
    """Sampling, forward, backward and Adam of a step; returns the loss. One call, so that small nets pay no Python."""
    depth, width, _ = records.shape
    classes = counts.shape[0]
    sample_gates(records, gates, seed, step, noise, inverse_temperature)
    for layer in range(depth):
        source = inputs if layer == 0 else outputs[layer - 1]
        evaluate_layer(gates[layer], first[layer], second[layer], source, outputs[layer])
    class_counts(outputs[depth - 1], counts)
    loss = loss_and_gradient(counts, labels, group_temperature, class_gradient)
    group = width // classes
    for layer in range(depth - 1, -1, -1):
        source = inputs if layer == 0 else outputs[layer - 1]
        if layer == depth - 1:
            above, divisor = class_gradient, group
        else:
            below, above_divisor = gradients[layer & 1], group if layer == depth - 2 else 1
            upper = layer + 1
            output_gradients(
                below, pointers[upper], edges[upper], others[upper], gates[upper], above, above_divisor,
                outputs[layer], grad_factor,
            )  # fmt: skip
            above, divisor = below, 1
        update_layer(
            records[layer], first[layer], second[layer], source, above, divisor, inverse_temperature, step_size,
            square_scale,
        )  # fmt: skip
    return loss


@njit(**OPTIONS)
def argmax_gates(records, gates):
    """The discrete network: the gate of the largest logit, the first of equals."""
    depth, width, _ = records.shape
    for layer in range(depth):
        for j in range(width):
            best = 0
            for k in range(1, GATES):
                if records[layer, j, k] > records[layer, j, best]:
                    best = k
            gates[layer, j] = best


@njit(**OPTIONS)
def evaluate_network(gates, first, second, inputs, outputs, counts):
    """Class counts of packed inputs. outputs (2, width, words): two layers in turn."""
    depth = gates.shape[0]
    for layer in range(depth):
        source = inputs if layer == 0 else outputs[(layer - 1) & 1]
        evaluate_layer(gates[layer], first[layer], second[layer], source, outputs[layer & 1])
    class_counts(outputs[(depth - 1) & 1], counts)
