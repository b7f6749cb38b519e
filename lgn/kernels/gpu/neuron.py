"""Arithmetic of a neuron's sixteen gates on the GPU, in (BLOCK, 16) tiles: noise, softmax, its gradient, Adam.

The polynomials are those of cpu/neuron.py. The GPU's own logarithm is approximate, and -log(-log(u)) near u = 1
magnifies its error. NaN and infinity are kept.
"""

import math

import triton
import triton.language as tl

from lgn.gates import GATES as _GATE_COUNT
from lgn.methods import BETA_1, BETA_2
from lgn.randomness import GOLDEN32, MIX_1, MIX_2

GATES = tl.constexpr(_GATE_COUNT)

_BETA_1, _BETA_2 = tl.constexpr(BETA_1), tl.constexpr(BETA_2)
_REST_1, _REST_2 = tl.constexpr(1 - BETA_1), tl.constexpr(1 - BETA_2)
_GOLDEN, _MIX_1, _MIX_2 = tl.constexpr(GOLDEN32), tl.constexpr(MIX_1), tl.constexpr(MIX_2)
_LOG_2 = tl.constexpr(math.log(2))
_GAUSSIAN_SCALE = tl.constexpr(math.pi / math.sqrt(6) * math.sqrt(2))
_LOGISTIC_SCALE = tl.constexpr(math.sqrt(0.5))
_UNIFORM_SCALE = tl.constexpr(math.pi / math.sqrt(2))
# Added to a float32 of magnitude below 2**22, leaves the nearest integer in its low bits.
_ROUND = tl.constexpr(1.5 * 2**23)


@triton.jit
def bits_of(x):
    return x.to(tl.int32, bitcast=True)


@triton.jit
def from_bits(x):
    return x.to(tl.float32, bitcast=True)


@triton.jit
def log(x):
    """Natural logarithm of positive normal float32."""
    bits = bits_of(x)
    exponent = (bits - 0x3F3504F3) >> 23
    m = from_bits(bits - (exponent << 23)) - 1.0
    # log(1 + m) for m in [1/sqrt(2) - 1, sqrt(2) - 1]: Cephes logf's coefficients in Estrin's order (a short chain).
    m2 = m * m
    m4 = m2 * m2
    high = (m * -1.1514610310e-1 + 1.1676998740e-1) + m2 * 7.0376836292e-2
    middle = (m * -1.6668057665e-1 + 2.0000714765e-1) + m2 * (m * -1.2420140846e-1 + 1.4249322787e-1)
    y = (m * -2.4999993993e-1 + 3.3333331174e-1) + m2 * middle + (m4 * m2) * high
    return exponent.to(tl.float32) * _LOG_2 + (m + m2 * (m * y - 0.5))


@triton.jit
def exp(x):
    """Exponential of float32 up to 0; below -87 counts as -87."""
    x = tl.where(x < -87.0, -87.0, x)
    shifted = x * 1.44269504089 + _ROUND
    n = shifted - _ROUND
    r = (x - n * 0.693359375) - n * -2.12194440e-4
    # exp(r) for |r| <= log(2) / 2: Cephes expf's coefficients.
    r2 = r * r
    high = (r * 1.9875691500e-4 + 1.3981999507e-3) * r2 + (r * 8.3334519073e-3 + 4.1665795894e-2)
    y = high * r2 + (r * 1.6666665459e-1 + 5.0000001201e-1)
    return from_bits(bits_of(y * r2 + r + 1.0) + (bits_of(shifted) << 23))


@triton.jit
def erf_inverse(x):
    """Inverse error function of float32 in (-1, 1): Giles 2010, single precision."""
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
    far = tl.sqrt_rn(w) - 3.0
    q = far * -0.000200214257 + 0.000100950558
    q = q * far + 0.00134934322
    q = q * far + -0.00367342844
    q = q * far + 0.00573950773
    q = q * far + -0.0076224613
    q = q * far + 0.00943887047
    q = q * far + 1.00167406
    q = q * far + 2.83297682
    return x * tl.where(w < 5.0, p, q)


@triton.jit
def uniforms(neuron, key_0, key_1):
    """(BLOCK, 16) float32: rows of noise.uniforms, bit for bit. neuron, key_0, key_1: (BLOCK,) int32."""
    count = neuron[:, None] * GATES + tl.arange(0, GATES)[None, :]
    x = count.to(tl.uint32, bitcast=True) * _GOLDEN + key_0.to(tl.uint32, bitcast=True)[:, None]
    x = (x ^ (x >> 16)) * _MIX_1
    x = (x ^ (x >> 15) ^ key_1.to(tl.uint32, bitcast=True)[:, None]) * _MIX_2
    # Below 2**23 the signed conversion gives the same, and all backends have it in hardware.
    x = ((x ^ (x >> 15)) >> 9).to(tl.int32, bitcast=True)
    return x.to(tl.float32) * 1.1920928955078125e-07 + 5.9604644775390625e-08


@triton.jit
def noise_of(u, NOISE: tl.constexpr):
    """noise.NOISES[NOISE] of uniforms."""
    if NOISE == "gumbel":
        g = -log(-log(u))
    elif NOISE == "gaussian":
        g = erf_inverse(u * 2.0 - 1.0) * _GAUSSIAN_SCALE
    elif NOISE == "logistic":
        g = (log(u) - log(1.0 - u)) * _LOGISTIC_SCALE
    else:
        tl.static_assert(NOISE == "uniform")
        g = (u * 2.0 - 1.0) * _UNIFORM_SCALE
    return g


@triton.jit
def perturbed(logits, keys, key_row, neuron, NOISE: tl.constexpr):
    """(BLOCK, 16) logits plus noise. keys (rows, 2) int32: layer keys; neuron: its number within its network."""
    if NOISE != "none":
        key_0, key_1 = tl.load(keys + 2 * key_row), tl.load(keys + 2 * key_row + 1)
        logits += noise_of(uniforms(neuron, key_0, key_1), NOISE)
    return logits


@triton.jit
def softmax(x, inverse_temperature):
    """softmax(x * inverse_temperature) over the gates of (BLOCK, 16); inverse_temperature (BLOCK, 1)."""
    w = exp((x - tl.max(x, 1)[:, None]) * inverse_temperature)
    return w * (1.0 / tl.sum(w, 1))[:, None]


@triton.jit
def gate_coefficients(k):
    """c0..c3 of gates k as float32: gates.COEFFICIENTS from the bits of k, its truth table."""
    at_00, at_01, at_10, at_11 = (k >> 3) & 1, (k >> 2) & 1, (k >> 1) & 1, k & 1
    c0, c1, c2, c3 = at_00, at_10 - at_00, at_01 - at_00, at_00 - at_01 - at_10 + at_11
    return c0.to(tl.float32), c1.to(tl.float32), c2.to(tl.float32), c3.to(tl.float32)


@triton.jit
def logit_gradient(weights, s, sa, sb, sab, inverse_temperature):
    """(BLOCK, 16) gradient of the logits through the softmax whose result is `weights`.

    s, sa, sb, sab (BLOCK,): the output's gradient summed over the batch, alone and times a, b, ab. A gate is
    c0 + c1 a + c2 b + c3 ab, so these four sums give the gradient of every gate's weight.
    """
    c0, c1, c2, c3 = gate_coefficients(tl.arange(0, GATES)[None, :])
    g = c0 * s[:, None] + c1 * sa[:, None] + c2 * sb[:, None] + c3 * sab[:, None]
    return weights * (g - tl.sum(weights * g, 1)[:, None]) * inverse_temperature


@triton.jit
def adam(logits, moment, square, g, step_size, square_scale, epsilon):
    """New logits and moments. step_size: learning rate / (1 - beta_1^t); square_scale: (1 - beta_2^t)^(-1/2).

    epsilon: scaled as the gradient is.
    """
    moment = moment * _BETA_1 + g * _REST_1
    square = square * _BETA_2 + g * g * _REST_2
    step = tl.div_rn(moment * step_size, tl.sqrt_rn(square) * square_scale + epsilon)
    return logits - step, moment, square
