"""Loss and backward pass of both paths: the type of a layer's state selects it, uint8 gates or float32 coefficients."""

import triton
import triton.language as tl

from lgn.kernels import LOSS_UNIT
from lgn.kernels.gpu.neuron import (
    GATES,
    adam,
    exp,
    log,
    logit_gradient,
    perturbed,
    softmax,
)
from lgn.kernels.gpu.packed import LANES, gate_derivatives
from lgn.kernels.gpu.soft import load_rows, times

UNIT = tl.constexpr(LOSS_UNIT)


@triton.jit
def loss_and_gradient(
    sums,
    labels,
    losses,
    class_gradient,
    parts,
    classes,
    batch,
    lanes,
    group_temperature,
    scale,
    CLASSES: tl.constexpr,
):
    """Fills class_gradient (replicas * classes, lanes) for 32 images: scale * d mean cross-entropy / d class sum.

    sums (parts, replicas * classes, lanes); labels (replicas, batch) int32. Lanes past the batch get 0. Adds each
    image's part of the loss to losses (replicas, lanes) float64, rounded to a multiple of UNIT; NaN for a label outside
    the classes. Bound by the latency of a few small reads.
    """
    replica = tl.program_id(0)
    t = tl.program_id(1) * LANES + tl.arange(0, LANES)
    c = tl.arange(0, CLASSES)
    inside = (c < classes)[:, None]
    place = (replica * classes + c)[:, None] * lanes + t[None, :]
    total = tl.zeros((CLASSES, LANES), tl.float32)
    for part in range(parts):
        first_row = part * tl.num_programs(0) * classes
        total += tl.load(sums + first_row * lanes + place, mask=inside, other=0.0)
    total = tl.where(inside, total, float("-inf"))
    score = (total - tl.max(total, 0)[None, :]) / group_temperature
    weight = tl.where(inside, exp(score), 0.0)
    norm = tl.sum(weight, 0)
    real = t < batch
    label = tl.load(labels + replica * batch + t, mask=real, other=0)
    is_label = inside & (c[:, None] == label[None, :])
    gradient = (weight / norm[None, :] - is_label.to(tl.float32)) / (group_temperature * batch) * scale
    tl.store(class_gradient + place, tl.where(real[None, :], gradient, 0.0), mask=inside)
    loss = (log(norm) - tl.sum(tl.where(is_label, score, 0.0), 0)) / batch
    known = (label >= 0) & (label < classes)
    loss = tl.where(real, tl.where(known, loss, float("nan")), 0.0)
    losses += replica * lanes
    loss = tl.floor(loss.to(tl.float64) / UNIT + 0.5) * UNIT
    tl.store(losses + t, tl.load(losses + t) + loss)


@triton.jit(do_not_specialize=["layer"])
def backward(
    parameters, sampling, rates, layer, shape, above, consumers, gradients, operands, tiles,
    KEEP: tl.constexpr, NOISE: tl.constexpr, WORDS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One layer's backward pass: gradients of its outputs, their sums over the batch, softmax, Adam.

    parameters: logits, moments, squares (rows, 16) float32, which Adam changes, and `found`. If found (rows, 16) is
    not None, it receives the gradients, and moments, squares and rates are None. If logits is None, found (rows, 4)
    receives the gradients of c0..c3, the sums over the batch. sampling: keys (replicas, depth, 2) int32 and inverse
    temperatures. rates: Adam's (replicas, 2) (step_size, square_scale), and epsilon. shape: depth, rows, width.
    above: gradients of the layer above, one row per `group` of its neurons. consumers of this layer: pointers, entries,
    other_inputs, see fanout.transposed_wiring; their state, gates or coefficients; this layer's outputs; grad_factor.
    In the last layer pointers is None and `above` is its own gradient. KEEP: write this layer's gradients (rows, lanes)
    for the layer below. operands: activations of the layer below, and first and second, which index them.

    A neuron's gradient row is the sum of its consumers' rows times their derivatives. Each program gathers its own
    rows, so no two write to one place. Bound by those random rows; a row whose derivatives are all 0 is not read.
    """
    logits, moments, squares, found = parameters
    keys, inverse_temperatures = sampling
    rates, epsilon = rates
    depth, rows, width = shape
    above, group = above
    pointers, entries, other_inputs, state, outputs, grad_factor = consumers
    below, first, second = operands
    j = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = j < rows
    row_a = tl.load(first + j, mask=inside, other=0)
    row_b = tl.load(second + j, mask=inside, other=0)
    lane = tl.arange(0, WORDS)[:, None] * LANES + tl.arange(0, LANES)[None, :]
    s, sa = tl.zeros((BLOCK,), tl.float32), tl.zeros((BLOCK,), tl.float32)
    sb, sab = tl.zeros((BLOCK,), tl.float32), tl.zeros((BLOCK,), tl.float32)
    for tile in range(tiles):
        if pointers is None:
            g = load_rows(above, j // group, inside, tile, tiles, WORDS)
        else:
            begin = tl.load(pointers + j, mask=inside, other=0)
            degree = tl.load(pointers + j + 1, mask=inside, other=0) - begin
            g = tl.zeros((BLOCK, WORDS, LANES), tl.float32)
            for e in range(tl.max(degree, 0)):
                live = e < degree
                entry = tl.load(entries + begin + e, mask=live, other=0)
                other = tl.load(other_inputs + begin + e, mask=live, other=0)
                consumer, operand = entry >> 1, entry & 1
                if state.dtype.element_ty == tl.uint8:
                    gate = tl.load(state + consumer, mask=live, other=0).to(tl.int32)
                    # Gate 0, which masked entries have, is constant: not live either.
                    if_clear, if_set = gate_derivatives(gate, operand)
                    live = (if_clear | if_set) != 0
                    x = load_rows(outputs, other, if_clear != if_set, tile, tiles, WORDS)
                    if_clear, if_set = if_clear.to(tl.float32), if_set.to(tl.float32)
                    derivative = tl.where(x, if_set[:, None, None], if_clear[:, None, None])
                else:
                    mixture = state + 4 * consumer.to(tl.int64)
                    linear = tl.load(mixture + 1 + operand, mask=live, other=0.0)[:, None, None]
                    product = tl.load(mixture + 3, mask=live, other=0.0)[:, None, None]
                    derivative = linear + product * load_rows(outputs, other, live, tile, tiles, WORDS)
                g += derivative * load_rows(above, consumer // group, live, tile, tiles, WORDS)
            g *= grad_factor
        if KEEP:
            row = j.to(tl.int64)[:, None, None] * (tiles * WORDS * LANES) + tile * WORDS * LANES
            tl.store(gradients + row + lane[None, :, :], g, mask=inside[:, None, None])
        a = load_rows(below, row_a, inside, tile, tiles, WORDS)
        b = load_rows(below, row_b, inside, tile, tiles, WORDS)
        ga = times(g, a)
        s += tl.sum(tl.sum(g, 2), 1)
        sa += tl.sum(tl.sum(ga, 2), 1)
        sb += tl.sum(tl.sum(times(g, b), 2), 1)
        sab += tl.sum(tl.sum(times(ga, b), 2), 1)

    if logits is None:
        four = found + 4 * j.to(tl.int64)
        tl.store(four, s, mask=inside)
        tl.store(four + 1, sa, mask=inside)
        tl.store(four + 2, sb, mask=inside)
        tl.store(four + 3, sab, mask=inside)
    else:
        place = j.to(tl.int64)[:, None] * GATES + tl.arange(0, GATES)[None, :]
        mask = inside[:, None]
        z = tl.load(logits + place, mask=mask, other=0.0)
        replica = tl.where(inside, j // width, 0)
        inverse_temperature = tl.load(inverse_temperatures + replica)[:, None]
        weights = softmax(perturbed(z, keys, replica * depth + layer, j % width, NOISE), inverse_temperature)
        v = logit_gradient(weights, s, sa, sb, sab, inverse_temperature)
        if found is not None:
            tl.store(found + place, v, mask=mask)
        else:
            moment = tl.load(moments + place, mask=mask, other=0.0)
            square = tl.load(squares + place, mask=mask, other=0.0)
            step_size, square_scale = tl.load(rates + 2 * replica), tl.load(rates + 2 * replica + 1)
            z, moment, square = adam(z, moment, square, v, step_size[:, None], square_scale[:, None], epsilon)
            tl.store(logits + place, z, mask=mask)
            tl.store(moments + place, moment, mask=mask)
            tl.store(squares + place, square, mask=mask)
