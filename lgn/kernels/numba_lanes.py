"""Sixteen float32 lanes as portable LLVM vector code: operators, elementary functions, the noise.

Sixteen is the number of gates, so a neuron's logits are one value. `Lanes` builds instructions with Python's operators,
so that formulas read as formulas. No flag assumes NaN or infinity away.
"""

import math

from llvmlite import ir
from numba.core import cgutils

from lgn.gates import GATES
from lgn.noise import GOLDEN32, MIX_1, MIX_2

LANES = 16
FLOAT, INT, LONG = ir.FloatType(), ir.IntType(32), ir.IntType(64)
FLOATS, INTS, BITS = (ir.VectorType(t, LANES) for t in (FLOAT, INT, ir.IntType(1)))
# Fused multiply-adds and sums in any order; both fixed at compile time, so results repeat on one machine.
FLAGS = ("contract", "reassoc", "nsz", "arcp")


class Lanes:
    """A vector register while a kernel is being built: `a * b + c` appends instructions to the builder."""

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    def _with(self, name, other):
        is_float = self.value.type == FLOATS
        other = self._lift(other)
        if is_float:
            return Lanes(
                self.builder, getattr(self.builder, f"f{name}")(self.value, other.value, flags=FLAGS)
            )
        return Lanes(self.builder, getattr(self.builder, name)(self.value, other.value))

    def _lift(self, other):
        if isinstance(other, Lanes):
            return other
        values = list(other) if hasattr(other, "__len__") else [other] * LANES
        kind = float if self.value.type == FLOATS else int
        return Lanes(self.builder, ir.Constant(self.value.type, [kind(v) for v in values]))

    def __add__(self, other):
        return self._with("add", other)

    def __sub__(self, other):
        return self._with("sub", other)

    def __rsub__(self, other):
        return self._lift(other) - self

    def __mul__(self, other):
        return self._with("mul", other)

    def __truediv__(self, other):
        return self._with("div", other)

    def __xor__(self, other):
        return Lanes(self.builder, self.builder.xor(self.value, self._lift(other).value))

    def __lshift__(self, bits):
        return Lanes(self.builder, self.builder.shl(self.value, self._lift(bits).value))

    def __rshift__(self, bits):
        """Logical, as of unsigned numbers."""
        return Lanes(self.builder, self.builder.lshr(self.value, self._lift(bits).value))

    __radd__, __rmul__ = __add__, __mul__

    def shift_signed(self, bits):
        return Lanes(self.builder, self.builder.ashr(self.value, self._lift(bits).value))

    def as_ints(self):
        """The same bits as integers."""
        return Lanes(self.builder, self.builder.bitcast(self.value, INTS))

    def as_floats(self):
        return Lanes(self.builder, self.builder.bitcast(self.value, FLOATS))

    def to_floats(self):
        """The nearest floats of signed integers."""
        return Lanes(self.builder, self.builder.sitofp(self.value, FLOATS))

    def to_ints(self):
        """Truncated."""
        return Lanes(self.builder, self.builder.fptosi(self.value, INTS))

    def where(self, comparison, bound, otherwise):
        """self in lanes where `self comparison bound`, else otherwise."""
        holds = self.builder.fcmp_ordered(comparison, self.value, self._lift(bound).value)
        return Lanes(self.builder, self.builder.select(holds, self.value, self._lift(otherwise).value))

    def sqrt(self):
        function = _function(self.builder, "llvm.sqrt.v16f32", FLOATS, [FLOATS])
        return Lanes(self.builder, self.builder.call(function, [self.value]))

    def sum(self):
        """Scalar sum of the lanes."""
        function = _function(self.builder, "llvm.vector.reduce.fadd.v16f32", FLOAT, [FLOAT, FLOATS])
        return self.builder.call(function, [ir.Constant(FLOAT, -0.0), self.value], fastmath=FLAGS)

    def max(self):
        """Scalar maximum of the lanes."""
        function = _function(self.builder, "llvm.vector.reduce.fmax.v16f32", FLOAT, [FLOATS])
        return self.builder.call(function, [self.value])


def _function(builder, name, result, arguments):
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def splat(builder, scalar):
    """The scalar in every lane."""
    vector = ir.VectorType(scalar.type, LANES)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(INT, 0))
    zeros = ir.Constant(INTS, [0] * LANES)
    return Lanes(builder, builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros))


# ---- elementary functions ----


def polynomial(x, *coefficients):
    """Horner's scheme, highest power first."""
    y = x * coefficients[0] + coefficients[1]
    for c in coefficients[2:]:
        y = y * x + c
    return y


def log(x):
    """Natural logarithm of positive normal lanes; the coefficients are those of Cephes' logf."""
    bits = x.as_ints()
    exponent = (bits - 0x3F3504F3).shift_signed(23)
    m = (bits - (exponent << 23)).as_floats() - 1
    square = m * m
    tail = polynomial(
        m, 7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
        2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    )  # fmt: skip
    return m + (tail * m * square - 0.5 * square) + exponent.to_floats() * math.log(2)


def exp(x):
    """Exponential of lanes at most 0, down to -87, below which it is exp(-87); coefficients of Cephes' expf."""
    x = x.where(">", -87, -87)
    n = (x * math.log2(math.e) - 0.5).to_ints()
    # log(2) in two parts, the first exact in few bits, so that the remainder loses nothing.
    r = x - n.to_floats() * 0.693359375 - n.to_floats() * -2.12194440e-4
    tail = polynomial(
        r,
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        5.0000001201e-1,
    )
    return (tail * r * r + r + 1) * ((n + 127) << 23).as_floats()


def inverse_erf(x):
    """Inverse error function of lanes inside (-1, 1): Giles 2010, single precision."""
    w = 0 - log((1 - x) * (1 + x))
    near = polynomial(
        w - 2.5, 2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
        -0.00417768164, 0.246640727, 1.50140941,
    )  # fmt: skip
    far = polynomial(
        w.sqrt() - 3, -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613,
        0.00943887047, 1.00167406, 2.83297682,
    )  # fmt: skip
    is_near = w.builder.fcmp_ordered("<", w.value, w._lift(5).value)
    return x * Lanes(w.builder, w.builder.select(is_near, near.value, far.value))


NOISES = {
    "none": None,
    "gumbel": lambda u: 0 - log(0 - log(u)),
    "gaussian": lambda u: inverse_erf(2 * u - 1) * (math.pi / math.sqrt(3)),
    "logistic": lambda u: (log(u) - log(1 - u)) * math.sqrt(0.5),
    "uniform": lambda u: (2 * u - 1) * (math.pi / math.sqrt(2)),
}
"""noise.NOISES on lanes."""


def uniforms(builder, neuron, key):
    """noise.uniforms of one neuron's sixteen gates, bit for bit: neuron i32, key i64 (low and high half)."""
    x = splat(builder, builder.mul(neuron, ir.Constant(INT, GATES))) + range(LANES)
    x = x * GOLDEN32 + splat(builder, builder.trunc(key, INT))
    x = x ^ (x >> 16)
    x = x * MIX_1
    x = x ^ (x >> 15) ^ splat(builder, builder.trunc(builder.lshr(key, ir.Constant(LONG, 32)), INT))
    x = x * MIX_2
    x = x ^ (x >> 15)
    return (x >> 9).to_floats() * 2.0**-23 + 2.0**-24
