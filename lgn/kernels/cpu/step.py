"""One training step on one or more threads, in one call: no Python runs between the layers of a small network.

The packed and the soft path differ only in their parts. `state` is gates (depth, width) uint8 in the packed path and
coefficients (depth, width, 4) float32 in the soft one; activations are uint64 words or float32 lanes to match.

What belongs together is one plain tuple (Numba takes 2 us to unbox a NamedTuple):
team: this thread, number of threads, barrier.
wiring: first, second (depth, width) int32, then fanout.transposed_wiring of every layer (depth, ...).
buffers: inputs, outputs (depth, width, ...) and sums (classes, lanes) float32.
gradients: of the class sums (classes, lanes), and of two layers, alternately, (2, width, lanes). float32.
sampling: noise seed, step, noise code, inverse temperature. rates: Adam's step_size, square_scale, epsilon.
loss: labels, group temperature, gradient scale.
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
def prepare_state(state, rows, sampling):
    """Computes every neuron's gates or coefficients for one step. Without noise: argmax gates or the soft network."""
    float_control = flush_denormals()
    prepare(state, rows, 0, state.shape[1], sampling)
    restore_float_control(float_control)


@kernel
def propagate(team, state, wiring, buffers):
    """One thread's part of the forward pass of a state."""
    thread, threads, barrier = team
    inputs, outputs, sums = buffers
    depth, width = state.shape[:2]
    begin, end = slice_of(width, thread, threads)
    float_control = flush_denormals()
    for layer in range(depth):
        source = inputs if layer == 0 else outputs[layer - 1]
        operands = source, wiring[0][layer], wiring[1][layer]
        evaluate_layer(state[layer], begin, end, operands, outputs[layer])
        wait(barrier, threads)
    begin, end = slice_of(sum_units(state, sums), thread, threads)
    class_sums(state[depth - 1], begin, end, outputs[depth - 1], sums)
    wait(barrier, threads)
    restore_float_control(float_control)


@kernel
def forward(team, state, rows, wiring, buffers, sampling):
    """One thread's part of sampling and the forward pass."""
    begin, end = slice_of(state.shape[1], team[0], team[1])
    float_control = flush_denormals()
    prepare(state, rows, begin, end, sampling)
    restore_float_control(float_control)
    propagate(team, state, wiring, buffers)


@kernel
def backward(team, state, rows, wiring, buffers, gradients, inverse_temperature, grad_factor, found, rates):
    """One thread's part of the backward pass of the latest forward.

    found empty: each chunk of neurons goes through Adam at once. found (depth, width, 16): receives the gradients of
    the logits. found (depth, width, 4): receives those of c0..c3; rows and inverse_temperature are then not read.
    """
    thread, threads, barrier = team
    first, second, pointers, entries, other_inputs = wiring
    inputs, outputs, _ = buffers
    class_gradient, layer_gradients = gradients
    depth, width = state.shape[:2]
    begin, end = slice_of(width, thread, threads)
    float_control = flush_denormals()
    sums = np.empty((CHUNK, 4), np.float32)
    for layer in range(depth - 1, -1, -1):
        source = inputs if layer == 0 else outputs[layer - 1]
        operands = source, first[layer], second[layer]
        # The last two layers read the gradient of the class sums: one row for all neurons of a class.
        above, group = layer_gradients[(layer + 1) & 1], 1
        if layer >= depth - 2:
            above, group = class_gradient, width // class_gradient.shape[0]
        upper = min(layer + 1, depth - 1)
        consumers = above, group, pointers[upper], entries[upper], other_inputs[upper], grad_factor
        ours = outputs[layer], layer_gradients[layer & 1], layer > 0
        for start in range(begin, end, CHUNK):
            stop = min(start + CHUNK, end)
            if layer == depth - 1:
                sums_of_outputs(state[layer], start, stop, class_gradient, operands, sums)
            else:
                sums_of_hidden(state[upper], start, stop, consumers, ours, operands, sums)
            from_, to = layer * width + start, layer * width + stop
            if found.shape[2] == 4:
                found[layer, start:stop] = sums[: stop - start]
            elif found.size:
                write_gradients(rows, from_, to, sums, inverse_temperature, found)
            else:
                update_neurons(rows, from_, to, sums, inverse_temperature, *rates)
        wait(barrier, threads)
    restore_float_control(float_control)


@kernel
def train_step(team, state, rows, wiring, buffers, gradients, sampling, grad_factor, loss, rates):
    """One thread's part of sampling, forward, loss, backward and Adam; thread 0 returns the loss."""
    forward(team, state, rows, wiring, buffers, sampling)
    mean_loss = 0.0
    if team[0] == 0:
        mean_loss = loss_and_gradient(buffers[2], *loss, gradients[0])
    wait(team[2], team[1])
    none = np.empty((0, 0, 0), np.float32)
    backward(team, state, rows, wiring, buffers, gradients, sampling[3], grad_factor, none, rates)
    return mean_loss


@kernel
def evaluate_network(state, wiring, buffers):
    """Class sums of encoded inputs. outputs (2, width, ...): two layers, alternately."""
    inputs, outputs, sums = buffers
    depth, width = state.shape[:2]
    float_control = flush_denormals()
    for layer in range(depth):
        source = inputs if layer == 0 else outputs[(layer - 1) & 1]
        operands = source, wiring[0][layer], wiring[1][layer]
        evaluate_layer(state[layer], 0, width, operands, outputs[layer & 1])
    class_sums(state[depth - 1], 0, sum_units(state, sums), outputs[(depth - 1) & 1], sums)
    restore_float_control(float_control)
