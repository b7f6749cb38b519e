"""One training step on one or more threads, in one call: no Python runs between the layers of a small network.

The packed and the soft path differ only in their parts. `state` is gates (depth, width) uint8 in the packed path and
coefficients (depth, width, 4) float32 in the soft one; activations are uint64 words or float32 lanes to match.
"""

import numpy as np
from numba import types
from numba.extending import overload

from lgn.kernels.cpu import packed, soft
from lgn.kernels.cpu.lanes import kernel
from lgn.kernels.cpu.memory import flush_denormals, restore_float_control
from lgn.kernels.cpu.neuron import CHUNK, loss_and_gradient, update_neurons, write_gradients
from lgn.kernels.cpu.threads import slice_of, wait

f32 = np.float32


def _by_state(of_gates, of_coefficients):
    """One name for the kernels of both paths: the type of the first argument, the state, decides at compile time."""

    def part(state, *arguments):
        raise NotImplementedError

    @overload(part, strict=False)
    def choose(state, *arguments):
        chosen = of_gates if state.dtype == types.uint8 else of_coefficients
        return lambda state, *arguments: chosen(state, *arguments)

    return part


prepare = _by_state(packed.sample_gates, soft.mix_coefficients)
evaluate_layer = _by_state(packed.evaluate_gates, soft.evaluate_mixtures)
sum_units = _by_state(packed.sum_units, soft.sum_units)
class_sums = _by_state(packed.class_counts, soft.class_sums)
sums_of_outputs = _by_state(packed.cell_sums_of_outputs, soft.products_of_outputs)
sums_of_hidden = _by_state(packed.cell_sums_of_hidden, soft.products_of_hidden)


@kernel
def prepare_state(state, rows, seed, step, noise, inverse_temperature):
    """Computes every neuron's gates or coefficients for one step. Without noise: argmax gates or the soft network."""
    float_control = flush_denormals()
    prepare(state, rows, 0, state.shape[1], seed, step, noise, inverse_temperature)
    restore_float_control(float_control)


@kernel
def propagate(thread, threads, barrier, state, first, second, inputs, outputs, sums):
    """One thread's part of the forward pass of a state. outputs (depth, width, ...), sums (classes, lanes)."""
    depth, width = state.shape[:2]
    begin, end = slice_of(width, thread, threads)
    float_control = flush_denormals()
    for layer in range(depth):
        source = inputs if layer == 0 else outputs[layer - 1]
        evaluate_layer(state[layer], begin, end, first[layer], second[layer], source, outputs[layer])
        wait(barrier, threads)
    begin, end = slice_of(sum_units(state, sums), thread, threads)
    class_sums(state[depth - 1], begin, end, outputs[depth - 1], sums)
    wait(barrier, threads)
    restore_float_control(float_control)


@kernel
def forward(
    thread, threads, barrier, state, rows, first, second, inputs, outputs, sums, seed, step, noise,
    inverse_temperature,
):  # fmt: skip
    """One thread's part of sampling and the forward pass. outputs (depth, width, ...), sums (classes, lanes)."""
    begin, end = slice_of(state.shape[1], thread, threads)
    float_control = flush_denormals()
    prepare(state, rows, begin, end, seed, step, noise, inverse_temperature)
    restore_float_control(float_control)
    propagate(thread, threads, barrier, state, first, second, inputs, outputs, sums)


@kernel
def backward(
    thread, threads, barrier, state, rows, first, second, pointers, entries, other_inputs, inputs, outputs,
    class_gradient, gradients, inverse_temperature, grad_factor, found, step_size, square_scale, epsilon,
):  # fmt: skip
    """One thread's part of the backward pass of the latest forward.

    found empty: each chunk of neurons goes through Adam at once. found (depth, width, 16): receives the gradients of
    the logits. found (depth, width, 4): receives those of c0..c3; rows and inverse_temperature are then not read.
    gradients (2, width, lanes) float32: two layers, alternately.
    """
    depth, width = state.shape[:2]
    group = width // class_gradient.shape[0]
    begin, end = slice_of(width, thread, threads)
    float_control = flush_denormals()
    sums = np.empty((CHUNK, 4), np.float32)
    for layer in range(depth - 1, -1, -1):
        source = inputs if layer == 0 else outputs[layer - 1]
        ours, above = gradients[layer & 1], gradients[(layer + 1) & 1]
        for start in range(begin, end, CHUNK):
            stop = min(start + CHUNK, end)
            if layer == depth - 1:
                sums_of_outputs(
                    state[layer], start, stop, class_gradient, source, first[layer], second[layer], sums
                )
            elif layer == depth - 2:
                sums_of_hidden(
                    state[layer + 1], start, stop, class_gradient, group, pointers[layer + 1], entries[layer + 1],
                    other_inputs[layer + 1], grad_factor, outputs[layer], ours, layer > 0, source, first[layer],
                    second[layer], sums,
                )  # fmt: skip
            else:
                sums_of_hidden(
                    state[layer + 1], start, stop, above, 1, pointers[layer + 1], entries[layer + 1],
                    other_inputs[layer + 1], grad_factor, outputs[layer], ours, layer > 0, source, first[layer],
                    second[layer], sums,
                )  # fmt: skip
            from_, to = layer * width + start, layer * width + stop
            if found.shape[2] == 4:
                found[layer, start:stop] = sums[: stop - start]
            elif found.size:
                write_gradients(rows, from_, to, sums, inverse_temperature, found)
            else:
                update_neurons(rows, from_, to, sums, inverse_temperature, step_size, square_scale, epsilon)
        wait(barrier, threads)
    restore_float_control(float_control)


@kernel
def train_step(
    thread, threads, barrier, state, rows, first, second, pointers, entries, other_inputs, inputs, outputs, labels,
    sums, class_gradient, gradients, seed, step, noise, inverse_temperature, grad_factor, group_temperature,
    gradient_scale, step_size, square_scale, epsilon,
):  # fmt: skip
    """One thread's part of sampling, forward, loss, backward and Adam; thread 0 returns the loss."""
    forward(
        thread, threads, barrier, state, rows, first, second, inputs, outputs, sums, seed, step, noise,
        inverse_temperature,
    )  # fmt: skip
    loss = 0.0
    if thread == 0:
        loss = loss_and_gradient(sums, labels, group_temperature, gradient_scale, class_gradient)
    wait(barrier, threads)
    backward(
        thread, threads, barrier, state, rows, first, second, pointers, entries, other_inputs, inputs, outputs,
        class_gradient, gradients, inverse_temperature, grad_factor, np.empty((0, 0, 0), np.float32), step_size,
        square_scale, epsilon,
    )  # fmt: skip
    return loss


@kernel
def evaluate_network(state, first, second, inputs, outputs, sums):
    """Class sums of encoded inputs. outputs (2, width, ...): two layers, alternately."""
    depth, width = state.shape[:2]
    float_control = flush_denormals()
    for layer in range(depth):
        source = inputs if layer == 0 else outputs[(layer - 1) & 1]
        evaluate_layer(state[layer], 0, width, first[layer], second[layer], source, outputs[layer & 1])
    class_sums(state[depth - 1], 0, sum_units(state, sums), outputs[(depth - 1) & 1], sums)
    restore_float_control(float_control)
