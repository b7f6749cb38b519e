"""Scalar pieces of the Numba kernels: float32 log and exp that the compiler can vectorise, the noise, softmax and Adam.

Bounds: polynomials with relative errors below 2e-7. NaN and infinity keep their meaning: no flag assumes them away.
"""

import math

import numpy as np
from numba import njit

from lgn.gates import GATES, TRUTH_TABLE
from lgn.noise import GOLDEN32, GOLDEN64, MIX_1, MIX_2

f32, i32, u32, u64 = np.float32, np.int32, np.uint32, np.uint64

OPTIONS = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
}
INLINE = {**OPTIONS, "inline": "always"}

NOISE_CODES = {"none": 0, "gumbel": 1, "gaussian": 2, "logistic": 3, "uniform": 4}

# A neuron's record: logits, Adam's moments and gate weights side by side, four cache lines.
LOGITS, MOMENT, SQUARE, WEIGHTS, RECORD = 0, GATES, 2 * GATES, 3 * GATES, 4 * GATES

CELLS = np.ascontiguousarray(TRUTH_TABLE.T.astype(np.float32))
"""(4, 16): output of every gate in the cells (a, b) = 00, 01, 10, 11."""

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
"""torch.optim.Adam's defaults."""

_GAUSSIAN_SCALE = f32(math.pi / math.sqrt(6) * math.sqrt(2))
_LOGISTIC_SCALE = f32(math.sqrt(0.5))
_UNIFORM_SCALE = f32(math.pi / math.sqrt(2))


@njit(**INLINE)
def log(x):
    """Natural logarithm of a positive, normal float32."""
    bits = f32(x).view(i32)
    exponent = (bits - i32(0x3F3504F3)) >> i32(23)
    m = i32(bits - (exponent << i32(23))).view(f32) - f32(1)
    # log(1 + m) for m in [1/sqrt(2) - 1, sqrt(2) - 1] (Cephes logf's coefficients).
    y = f32(7.0376836292e-2)
    y = y * m + f32(-1.1514610310e-1)
    y = y * m + f32(1.1676998740e-1)
    y = y * m + f32(-1.2420140846e-1)
    y = y * m + f32(1.4249322787e-1)
    y = y * m + f32(-1.6668057665e-1)
    y = y * m + f32(2.0000714765e-1)
    y = y * m + f32(-2.4999993993e-1)
    y = y * m + f32(3.3333331174e-1)
    square = m * m
    e = f32(exponent)
    return (m + (y * m * square - f32(0.5) * square + e * f32(-2.12194440e-4))) + e * f32(0.693359375)


@njit(**INLINE)
def exp(x):
    """Exponential of a float32 in [-87, 0]."""
    n = i32(x * f32(1.44269504089) - f32(0.5))
    e = f32(n)
    r = (x - e * f32(0.693359375)) - e * f32(-2.12194440e-4)
    # exp(r) for |r| <= log(2) / 2 (Cephes expf's coefficients).
    y = f32(1.9875691500e-4)
    y = y * r + f32(1.3981999507e-3)
    y = y * r + f32(8.3334519073e-3)
    y = y * r + f32(4.1665795894e-2)
    y = y * r + f32(1.6666665459e-1)
    y = y * r + f32(5.0000001201e-1)
    return (y * r * r + r + f32(1)) * i32((n + i32(127)) << i32(23)).view(f32)


@njit(**INLINE)
def erf_inverse(x):
    """Inverse error function of a float32 in (-1, 1): Giles 2010, single precision."""
    w = -log((f32(1) - x) * (f32(1) + x))
    near = w - f32(2.5)
    p = f32(2.81022636e-08)
    p = p * near + f32(3.43273939e-07)
    p = p * near + f32(-3.5233877e-06)
    p = p * near + f32(-4.39150654e-06)
    p = p * near + f32(0.00021858087)
    p = p * near + f32(-0.00125372503)
    p = p * near + f32(-0.00417768164)
    p = p * near + f32(0.246640727)
    p = p * near + f32(1.50140941)
    far = f32(np.sqrt(max(w, f32(5)))) - f32(3)
    q = f32(-0.000200214257)
    q = q * far + f32(0.000100950558)
    q = q * far + f32(0.00134934322)
    q = q * far + f32(-0.00367342844)
    q = q * far + f32(0.00573950773)
    q = q * far + f32(-0.0076224613)
    q = q * far + f32(0.00943887047)
    q = q * far + f32(1.00167406)
    q = q * far + f32(2.83297682)
    return x * (p if w < f32(5) else q)


@njit(**INLINE)
def split_mix(x):
    x = u64(x) + u64(GOLDEN64)
    x = (x ^ (x >> u64(30))) * u64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> u64(27))) * u64(0x94D049BB133111EB)
    return x ^ (x >> u64(31))


@njit(**INLINE)
def layer_key(seed, step, layer):
    """noise.layer_key as one 64-bit number."""
    return split_mix(split_mix(split_mix(u64(seed)) + u64(step)) + u64(layer))


@njit(**INLINE)
def uniform(index, key):
    """noise.uniforms, one number: bit for bit the same."""
    x = u32(u32(index) * u32(GOLDEN32) + u32(key))
    x ^= x >> u32(16)
    x = u32(x * u32(MIX_1))
    x ^= x >> u32(15)
    x ^= u32(key >> u64(32))
    x = u32(x * u32(MIX_2))
    x ^= x >> u32(15)
    return f32(i32(x >> u32(9))) * f32(2.0**-23) + f32(2.0**-24)


@njit(**INLINE)
def sample(row, neuron, key, noise, inverse_temperature):
    """Writes softmax((logits + noise) * inverse_temperature) into a record's weights; returns its argmax.

    Bound by the two logarithms and the exponential of each gate: 48 vectorised calls a neuron.
    """
    first = u32(neuron) * u32(GATES)
    if noise == 1:
        for k in range(GATES):
            row[WEIGHTS + k] = row[LOGITS + k] - log(-log(uniform(first + u32(k), key)))
    elif noise == 2:
        for k in range(GATES):
            u = uniform(first + u32(k), key)
            row[WEIGHTS + k] = row[LOGITS + k] + erf_inverse(f32(2) * u - f32(1)) * _GAUSSIAN_SCALE
    elif noise == 3:
        for k in range(GATES):
            u = uniform(first + u32(k), key)
            row[WEIGHTS + k] = row[LOGITS + k] + (log(u) - log(f32(1) - u)) * _LOGISTIC_SCALE
    elif noise == 4:
        for k in range(GATES):
            u = uniform(first + u32(k), key)
            row[WEIGHTS + k] = row[LOGITS + k] + (f32(2) * u - f32(1)) * _UNIFORM_SCALE
    else:
        for k in range(GATES):
            row[WEIGHTS + k] = row[LOGITS + k]
    highest = row[WEIGHTS]
    for k in range(1, GATES):
        highest = max(highest, row[WEIGHTS + k])
    best = i32(GATES)
    total = f32(0)
    for k in range(GATES):
        x = row[WEIGHTS + k]
        best = min(best, i32(k) if x == highest else i32(GATES))
        w = exp(max((x - highest) * inverse_temperature, f32(-87)))
        row[WEIGHTS + k] = w
        total += w
    scale = f32(1) / total
    for k in range(GATES):
        row[WEIGHTS + k] *= scale
    # No gate equals a NaN maximum: any index keeps the program alive, and the loss shows the NaN.
    return min(best, i32(GATES - 1))


@njit(**INLINE)
def update(row, s00, s01, s10, s11, inverse_temperature, step_size, square_scale):
    """Softmax backward and Adam on one record, from the four sums of the output gradient over the cells (a, b).

    The gradient of gate k's weight is the sum of the cells where its truth table is 1; sixteen gates are never evaluated.
    """
    mean = f32(0)
    for k in range(GATES):
        v = CELLS[0, k] * s00 + CELLS[1, k] * s01 + CELLS[2, k] * s10 + CELLS[3, k] * s11
        mean += row[WEIGHTS + k] * v
    for k in range(GATES):
        v = CELLS[0, k] * s00 + CELLS[1, k] * s01 + CELLS[2, k] * s10 + CELLS[3, k] * s11
        gradient = row[WEIGHTS + k] * (v - mean) * inverse_temperature
        m = f32(BETA_1) * row[MOMENT + k] + f32(1 - BETA_1) * gradient
        s = f32(BETA_2) * row[SQUARE + k] + f32(1 - BETA_2) * gradient * gradient
        row[MOMENT + k] = m
        row[SQUARE + k] = s
        row[LOGITS + k] -= step_size * m / (f32(np.sqrt(s)) * square_scale + f32(EPSILON))


@njit(**OPTIONS)
def loss_and_gradient(sums, labels, group_temperature, gradient):
    """Mean cross-entropy of class sums (classes, lanes) float32; writes d loss / d sum; lanes past the labels get 0."""
    classes, lanes = sums.shape
    batch = labels.shape[0]
    loss = 0.0
    for t in range(lanes):
        if t >= batch:
            for c in range(classes):
                gradient[c, t] = f32(0)
            continue
        highest = sums[0, t]
        for c in range(1, classes):
            highest = max(highest, sums[c, t])
        total = 0.0
        for c in range(classes):
            total += math.exp((sums[c, t] - highest) / group_temperature)
        for c in range(classes):
            share = math.exp((sums[c, t] - highest) / group_temperature) / total
            target = 1.0 if c == labels[t] else 0.0
            gradient[c, t] = f32((share - target) / (group_temperature * batch))
        loss += math.log(total) - (sums[labels[t], t] - highest) / group_temperature
    return loss / batch
