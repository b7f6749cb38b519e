"""Arithmetic of one neuron, its sixteen gates side by side: noise, softmax, softmax's gradient, Adam; and the loss.

log and exp are polynomials within 2e-7 of the true value (tests/test_kernel_arithmetic.py). NaN and infinity are kept.
"""

import math

import numpy as np

from lgn.gates import COEFFICIENTS, GATES
from lgn.kernels.cpu.lanes import (
    arithmetic_exponent,
    bits_of,
    each_lane,
    first_set,
    from_bits,
    highest,
    inlined,
    kernel,
    select,
    square_root,
    to_float,
    total,
)
from lgn.kernels.cpu.memory import at, load, store
from lgn.methods import BETA_1, BETA_2
from lgn.randomness import GOLDEN32, MIX_1, MIX_2, splitmix64

f32, u32, u64 = np.float32, np.uint32, np.uint64

# A neuron's row of 64 floats: logits, Adam's two moments and gate weights, four cache lines.
LOGITS, MOMENT, SQUARE, WEIGHTS, ROW = 0, GATES, 2 * GATES, 3 * GATES, 4 * GATES

NOISE_CODES = {"none": 0, "gumbel": 1, "gaussian": 2, "logistic": 3, "uniform": 4}

CHUNK = 128
"""Neurons per phase of the backward pass: their rows stay in the first cache."""

CACHED, AHEAD = 2**20, 8
"""Activations of more than CACHED floats are prefetched, AHEAD entries early. Measured, not critical."""

COLUMNS = np.ascontiguousarray(COEFFICIENTS.T.astype(np.float32))
"""(4, 16): row i holds coefficient ci of all gates."""

_GAUSSIAN_SCALE = math.pi / math.sqrt(6) * math.sqrt(2)
_LOGISTIC_SCALE = math.sqrt(0.5)
_UNIFORM_SCALE = math.pi / math.sqrt(2)
_ROUND = 1.5 * 2**23
"""Added to a float32 of magnitude below 2**22, leaves the nearest integer in its low bits."""


@inlined
def log(x):
    """Natural logarithm of positive normal lanes."""
    bits = bits_of(x)
    exponent = arithmetic_exponent(bits - 0x3F3504F3)
    m = from_bits(bits - (exponent << 23)) - 1.0
    # log(1 + m) for m in [1/sqrt(2) - 1, sqrt(2) - 1]: Cephes logf's coefficients in Estrin's order (a short chain).
    m2 = m * m
    m4 = m2 * m2
    high = (m * -1.1514610310e-1 + 1.1676998740e-1) + m2 * 7.0376836292e-2
    middle = (m * -1.6668057665e-1 + 2.0000714765e-1) + m2 * (m * -1.2420140846e-1 + 1.4249322787e-1)
    y = (m * -2.4999993993e-1 + 3.3333331174e-1) + m2 * middle + (m4 * m2) * high
    return to_float(exponent) * math.log(2) + (m + m2 * (m * y - 0.5))


@inlined
def exp(x):
    """Exponential of lanes up to 0; lanes below -87 count as -87."""
    x = select(x < -87.0, -87.0, x)
    shifted = x * 1.44269504089 + _ROUND
    n = shifted - _ROUND
    r = (x - n * 0.693359375) - n * -2.12194440e-4
    # exp(r) for |r| <= log(2) / 2: Cephes expf's coefficients.
    r2 = r * r
    high = (r * 1.9875691500e-4 + 1.3981999507e-3) * r2 + (r * 8.3334519073e-3 + 4.1665795894e-2)
    y = high * r2 + (r * 1.6666665459e-1 + 5.0000001201e-1)
    return from_bits(bits_of(y * r2 + r + 1.0) + (bits_of(shifted) << 23))


@inlined
def erf_inverse(x):
    """Inverse error function of lanes in (-1, 1): Giles 2010, single precision."""
    w = -log((1.0 - x) * (x + 1.0))
    near = w - 2.5
    p = near * 2.81022636e-08 + 3.43273939e-07
    p = p * near + -3.5233877e-06
    p = p * near + -4.39150654e-06
    p = p * near + 0.00021858087
    p = p * near + -0.00125372503
    p = p * near + -0.00417768164
    p = p * near + 0.246640727
    p = p * near + 1.50140941
    far = square_root(w) - 3.0
    q = far * -0.000200214257 + 0.000100950558
    q = q * far + 0.00134934322
    q = q * far + -0.00367342844
    q = q * far + 0.00573950773
    q = q * far + -0.0076224613
    q = q * far + 0.00943887047
    q = q * far + 1.00167406
    q = q * far + 2.83297682
    return x * select(w < 5.0, p, q)


split_mix = inlined(splitmix64)


@inlined
def layer_key(seed, step, layer):
    """randomness.layer_key as one 64-bit number."""
    return split_mix(split_mix(split_mix(u64(seed)) + u64(step)) + u64(layer))


@inlined
def uniforms(neuron, key):
    """A neuron's row of noise.uniforms, bit for bit."""
    x = each_lane(u32(GOLDEN32)) + u32(u32(neuron) * u32(GATES) * u32(GOLDEN32) + u32(key))
    x = (x ^ (x >> 16)) * u32(MIX_1)
    x = (x ^ (x >> 15) ^ u32(key >> u64(32))) * u32(MIX_2)
    return to_float((x ^ (x >> 15)) >> 9) * 2.0**-23 + 2.0**-24


@inlined
def noise_of(code, u):
    """noise.NOISES[...] of uniforms, for a code above 0."""
    if code == 1:
        return -log(-log(u))
    if code == 2:
        return erf_inverse(u * 2.0 - 1.0) * _GAUSSIAN_SCALE
    if code == 3:
        return (log(u) - log(1.0 - u)) * _LOGISTIC_SCALE
    return (u * 2.0 - 1.0) * _UNIFORM_SCALE


@kernel
def perturb(rows, layer_start, start, stop, key, noise):
    """Writes logits + noise to the weights of neurons start to stop of a layer. Bound by arithmetic: two logarithms.

    layer_start: the layer's first neuron, counted over all layers. Softmax has a loop of its own: the processor
    overlaps more neurons when each neuron's chain of instructions is short.
    """
    for j in range(start, stop):
        row = (layer_start + j) * ROW
        x = load(rows, row + LOGITS)
        if noise > 0:
            x += noise_of(noise, uniforms(j, key))
        store(rows, row + WEIGHTS, x)


@inlined
def softmax(rows, row, inverse_temperature):
    """Replaces a row's weights, the noisy logits, by softmax(noisy * inverse_temperature); returns the argmax.

    row: index of the row's first float.
    """
    x = load(rows, row + WEIGHTS)
    top = highest(x)
    w = exp((x - top) * inverse_temperature)
    store(rows, row + WEIGHTS, w * (f32(1) / total(w)))
    return first_set(x == top)


@inlined
def logit_gradient(rows, row, s, sa, sb, sab, inverse_temperature):
    """Softmax backward: the gradient of a row's logits, sixteen lanes.

    s, sa, sb, sab: the output's gradient summed over the batch, alone and times a, b, ab. A gate is c0 + c1 a + c2 b +
    c3 ab, so these four sums give the gradient of every gate's weight.
    """
    g = load(COLUMNS, 0) * s + load(COLUMNS, 16) * sa + load(COLUMNS, 32) * sb + load(COLUMNS, 48) * sab
    weights = load(rows, row + WEIGHTS)
    return weights * (g - total(weights * g)) * inverse_temperature


@inlined
def adam(rows, row, g, step_size, square_scale, epsilon):
    """Adam on one row's logits and moments. Bound by a square root and a division.

    step_size: learning rate / (1 - beta_1^t); square_scale: (1 - beta_2^t)^(-1/2); epsilon scaled as the gradient is.
    """
    m = load(rows, row + MOMENT) * BETA_1 + g * (1 - BETA_1)
    v = load(rows, row + SQUARE) * BETA_2 + g * g * (1 - BETA_2)
    store(rows, row + MOMENT, m)
    store(rows, row + SQUARE, v)
    z = load(rows, row + LOGITS)
    store(rows, row + LOGITS, z - m * step_size / (square_root(v) * square_scale + epsilon))


@kernel
def update_neurons(rows, start, stop, sums, inverse_temperature, step_size, square_scale, epsilon):
    """Adam on rows start to stop, from sums (chunk, 4) of their outputs' gradients."""
    for j in range(start, stop):
        i, row = 4 * (j - start), j * ROW
        s, sa, sb, sab = at(sums, i), at(sums, i + 1), at(sums, i + 2), at(sums, i + 3)
        g = logit_gradient(rows, row, s, sa, sb, sab, inverse_temperature)
        adam(rows, row, g, step_size, square_scale, epsilon)


@kernel
def write_gradients(rows, start, stop, sums, inverse_temperature, logit_gradients):
    """Writes logit_gradients (depth, width, 16) of rows start to stop, for a torch optimiser."""
    for j in range(start, stop):
        i = 4 * (j - start)
        s, sa, sb, sab = at(sums, i), at(sums, i + 1), at(sums, i + 2), at(sums, i + 3)
        store(
            logit_gradients,
            j * GATES,
            logit_gradient(rows, j * ROW, s, sa, sb, sab, inverse_temperature),
        )


@kernel
def loss_and_gradient(sums, labels, group_temperature, scale, gradient):
    """Mean cross-entropy of class sums (classes, lanes) float32; NaN for a label outside the classes.

    Writes scale * d loss / d sum to gradient, and 0 past the labels.
    """
    classes = sums.shape[0]
    batch = labels.shape[0]
    loss = 0.0
    for t in range(batch):
        top = sums[0, t]
        for c in range(1, classes):
            top = max(top, sums[c, t])
        norm, of_label = 0.0, math.nan
        for c in range(classes):
            score = (sums[c, t] - top) / group_temperature
            weight = math.exp(score)
            norm += weight
            gradient[c, t] = weight
            if c == labels[t]:
                of_label = score
        for c in range(classes):
            target = 1.0 if c == labels[t] else 0.0
            gradient[c, t] = (gradient[c, t] / norm - target) / (group_temperature * batch) * scale
        loss += math.log(norm) - of_label
    gradient[:, batch:] = f32(0)
    return loss / batch
