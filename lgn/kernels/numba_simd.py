"""Sixteen float32 lanes as portable LLVM vector code, for what plain loops do not vectorise.

Sixteen is the number of gates, so a neuron's logits are one value; and it divides a batch word, so the packed bits are
lane masks as they lie. `Lanes` builds instructions with Python's operators; the kernels' formulas read as formulas.
No flag assumes NaN or infinity away.
"""

import math

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lgn.gates import COEFFICIENTS, GATES, TRUTH_TABLE
from lgn.noise import GOLDEN32, MIX_1, MIX_2

LANES = 16
_F, _I, _I64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_FLOATS, _INTS, _BITS = (ir.VectorType(t, LANES) for t in (_F, _I, ir.IntType(1)))
# Fused multiply-adds and sums in any order; both fixed at compile time, so results repeat on one machine.
_FLAGS = ("contract", "reassoc", "nsz", "arcp")

# A neuron's record: logits, Adam's two moments and gate weights side by side, one cache line each.
LOGITS, MOMENT, SQUARE, WEIGHTS, RECORD = 0, GATES, 2 * GATES, 3 * GATES, 4 * GATES

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
"""torch.optim.Adam's defaults."""


class Lanes:
    """A vector register while a kernel is being built: `a * b + c` appends instructions to the builder."""

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    def _with(self, name, other):
        is_float = self.value.type == _FLOATS
        other = self._lift(other)
        if is_float:
            return Lanes(
                self.builder, getattr(self.builder, f"f{name}")(self.value, other.value, flags=_FLAGS)
            )
        return Lanes(self.builder, getattr(self.builder, name)(self.value, other.value))

    def _lift(self, other):
        if isinstance(other, Lanes):
            return other
        values = list(other) if hasattr(other, "__len__") else [other] * LANES
        kind = float if self.value.type == _FLOATS else int
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
        return Lanes(self.builder, self.builder.bitcast(self.value, _INTS))

    def as_floats(self):
        return Lanes(self.builder, self.builder.bitcast(self.value, _FLOATS))

    def to_floats(self):
        """The nearest floats of signed integers."""
        return Lanes(self.builder, self.builder.sitofp(self.value, _FLOATS))

    def to_ints(self):
        """Truncated."""
        return Lanes(self.builder, self.builder.fptosi(self.value, _INTS))

    def where(self, comparison, bound, otherwise):
        """self in lanes where `self comparison bound`, else otherwise."""
        holds = self.builder.fcmp_ordered(comparison, self.value, self._lift(bound).value)
        return Lanes(self.builder, self.builder.select(holds, self.value, self._lift(otherwise).value))

    def sqrt(self):
        function = _function(self.builder, "llvm.sqrt.v16f32", _FLOATS, [_FLOATS])
        return Lanes(self.builder, self.builder.call(function, [self.value]))

    def sum(self):
        """Scalar sum of the lanes."""
        function = _function(self.builder, "llvm.vector.reduce.fadd.v16f32", _F, [_F, _FLOATS])
        return self.builder.call(function, [ir.Constant(_F, -0.0), self.value], fastmath=_FLAGS)

    def max(self):
        """Scalar maximum of the lanes."""
        function = _function(self.builder, "llvm.vector.reduce.fmax.v16f32", _F, [_FLOATS])
        return self.builder.call(function, [self.value])


def _function(builder, name, result, arguments):
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def splat(builder, scalar):
    """The scalar in every lane."""
    vector = ir.VectorType(scalar.type, LANES)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(_I, 0))
    zeros = ir.Constant(_INTS, [0] * LANES)
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
    x = splat(builder, builder.mul(neuron, ir.Constant(_I, GATES))) + range(LANES)
    x = x * GOLDEN32 + splat(builder, builder.trunc(key, _I))
    x = x ^ (x >> 16)
    x = x * MIX_1
    x = x ^ (x >> 15) ^ splat(builder, builder.trunc(builder.lshr(key, ir.Constant(_I64, 32)), _I))
    x = x * MIX_2
    x = x ^ (x >> 15)
    return (x >> 9).to_floats() * 2.0**-23 + 2.0**-24


# ---- memory ----


def _row(context, builder, signature, arguments, array, index):
    """Pointer to one row of a 2-d array argument; both are positions in the call.

    Indexing in the intrinsic makes no view: Numba counts references of every view, with atomics, in inner loops.
    """
    struct = context.make_array(signature.args[array])(context, builder, value=arguments[array])
    stride = builder.extract_value(struct.strides, 0)
    bytes_ = builder.bitcast(struct.data, ir.PointerType(ir.IntType(8)))
    return builder.gep(bytes_, [builder.mul(arguments[index], stride)])


def _load(builder, pointer, offset, type_=_FLOATS, align=4):
    """`type_` at element `offset` (of its own size for integers, of floats for lanes)."""
    loaded = builder.load(_address(builder, pointer, offset, type_))
    loaded.align = align
    return Lanes(builder, loaded) if type_ == _FLOATS else loaded


def _store(builder, value, pointer, offset, align=4):
    value = value.value if isinstance(value, Lanes) else value
    builder.store(value, _address(builder, pointer, offset, value.type)).align = align


def _address(builder, pointer, offset, type_):
    element = _F if type_ == _FLOATS else type_
    at = builder.gep(builder.bitcast(pointer, ir.PointerType(element)), [offset])
    return builder.bitcast(at, ir.PointerType(type_))


def _part(builder, record, start):
    """One of the four parts of a neuron's record."""
    return _load(builder, record, ir.Constant(_I64, start))


def _blocks(builder, lanes):
    """Loop over blocks of sixteen lanes: (block number, first lane)."""
    return cgutils.for_range(builder, builder.udiv(lanes, ir.Constant(_I64, LANES)))


def _first_lane(builder, block):
    return builder.mul(block, ir.Constant(_I64, LANES))


def _mask(builder, bits, block):
    """Sixteen bits of a packed row as a lane mask."""
    return builder.bitcast(_load(builder, bits, block, ir.IntType(LANES), 2), _BITS)


# ---- a neuron's record ----


def _sampler(noise):
    @intrinsic
    def sample_record(typing, records, neuron, key, inverse_temperature):
        def generate(context, builder, signature, arguments):
            data = _row(context, builder, signature, arguments, 0, 1)
            x = _part(builder, data, LOGITS)
            if NOISES[noise]:
                x = x + NOISES[noise](uniforms(builder, builder.trunc(arguments[1], _I), arguments[2]))
            highest = splat(builder, x.max())
            weights = exp((x - highest) * splat(builder, arguments[3]))
            total = weights.sum()
            _store(builder, weights / splat(builder, total), data, ir.Constant(_I64, WEIGHTS))
            at_highest = builder.bitcast(
                builder.fcmp_ordered("==", x.value, highest.value), ir.IntType(LANES)
            )
            first = builder.zext(builder.cttz(at_highest, ir.Constant(ir.IntType(1), 0)), _I)
            # No lane equals a NaN maximum, and 16 is no gate: any other keeps the program alive.
            return builder.and_(first, ir.Constant(_I, GATES - 1))

        return types.int32(records, types.int64, types.uint64, types.float32), generate

    return sample_record


sample_none, sample_gumbel, sample_gaussian, sample_logistic, sample_uniform = (_sampler(n) for n in NOISES)
"""sample(records (width, 64) float32, neuron, key, inverse_temperature): writes softmax((logits + noise) / temperature)
into the record's weights and returns the argmax gate. Bound by two logarithms and an exponential, one vector each."""


@intrinsic
def update_record(typing, records, neuron, s00, s01, s10, s11, inverse_temperature, step_size, square_scale):
    """Softmax backward and Adam on one neuron, from the sums of its output gradient over the cells (a, b).

    The gradient of gate k's weight is the sum over the cells in which its truth table is 1: sixteen gates are never
    evaluated. Bound by one square root and one division, a vector each.
    """

    def generate(context, builder, signature, arguments):
        data = _row(context, builder, signature, arguments, 0, 1)
        cells = [splat(builder, s) for s in arguments[2:6]]
        inverse_temperature_, step_size_, square_scale_ = (splat(builder, s) for s in arguments[6:])
        weights = _part(builder, data, WEIGHTS)
        value = (
            sum(s * TRUTH_TABLE[:, cell] for cell, s in enumerate(cells[1:], start=1))
            + cells[0] * TRUTH_TABLE[:, 0]
        )
        mean = splat(builder, (weights * value).sum())
        gradient = weights * (value - mean) * inverse_temperature_
        moment = _part(builder, data, MOMENT) * BETA_1 + gradient * (1 - BETA_1)
        square = _part(builder, data, SQUARE) * BETA_2 + gradient * gradient * (1 - BETA_2)
        step = step_size_ * moment / (square.sqrt() * square_scale_ + EPSILON)
        for start, part in (
            (LOGITS, _part(builder, data, LOGITS) - step),
            (MOMENT, moment),
            (SQUARE, square),
        ):
            _store(builder, part, data, ir.Constant(_I64, start))
        return context.get_dummy_value()

    return types.void(records, types.int64, *[types.float32] * 7), generate


@intrinsic
def mix_record(typing, records, neuron):
    """The four coefficients of the gates mixed by the record's weights."""
    result = types.UniTuple(types.float32, 4)

    def generate(context, builder, signature, arguments):
        data = _row(context, builder, signature, arguments, 0, 1)
        weights = _part(builder, data, WEIGHTS)
        return context.make_tuple(builder, result, [(weights * COEFFICIENTS[:, i]).sum() for i in range(4)])

    return result(records, types.int64), generate


# ---- rows of one neuron's batch: 2-d arrays, each followed by the row; lanes are multiples of 16 (packed: 32) ----


@intrinsic
def add_signed_row(typing, totals, i, rows, r, bits, o, if_zero, if_one, lanes):
    """totals[i, t] += rows[r, t] * (if_one where bit t of bits[o] is set, else if_zero)."""

    def generate(context, builder, signature, arguments):
        total_, row_, bits_ = (_row(context, builder, signature, arguments, k, k + 1) for k in (0, 2, 4))
        zero, one = splat(builder, arguments[6]), splat(builder, arguments[7])
        with _blocks(builder, arguments[8]) as loop:
            t = _first_lane(builder, loop.index)
            factor = Lanes(builder, builder.select(_mask(builder, bits_, loop.index), one.value, zero.value))
            _store(builder, _load(builder, row_, t) * factor + _load(builder, total_, t), total_, t)
        return context.get_dummy_value()

    index, factor = types.int64, types.float32
    return types.void(totals, index, rows, index, bits, index, factor, factor, index), generate


@intrinsic
def masked_sums(typing, rows, r, bits, a, b, lanes):
    """Sums of rows[r] over all images, those with bits[a], those with bits[b], those with both."""

    def chosen(builder, row_, a_, b_, loop):
        lane = _load(builder, row_, _first_lane(builder, loop.index))
        zero = lane._lift(0)
        in_a, in_b = _mask(builder, a_, loop.index), _mask(builder, b_, loop.index)
        masks = (in_a, in_b, builder.and_(in_a, in_b))
        return [lane] + [Lanes(builder, builder.select(m, lane.value, zero.value)) for m in masks]

    return _four_sums(rows, bits, chosen)


@intrinsic
def weighted_sums(typing, rows, r, inputs, a, b, lanes):
    """Sums of rows[r] times 1, inputs[a], inputs[b], inputs[a] inputs[b]."""

    def chosen(builder, row_, a_, b_, loop):
        t = _first_lane(builder, loop.index)
        lane, b_lane = _load(builder, row_, t), _load(builder, b_, t)
        in_a = lane * _load(builder, a_, t)
        return [lane, in_a, lane * b_lane, in_a * b_lane]

    return _four_sums(rows, inputs, chosen)


def _four_sums(rows, inputs, chosen):
    result = types.UniTuple(types.float32, 4)

    def generate(context, builder, signature, arguments):
        places = ((0, 1), (2, 3), (2, 4))
        pointers = [_row(context, builder, signature, arguments, *place) for place in places]
        zero = ir.Constant(_FLOATS, [0.0] * LANES)
        sums = [cgutils.alloca_once_value(builder, zero) for _ in range(4)]
        with _blocks(builder, arguments[5]) as loop:
            for total, part in zip(sums, chosen(builder, *pointers, loop), strict=True):
                builder.store((Lanes(builder, builder.load(total)) + part).value, total)
        return context.make_tuple(builder, result, [Lanes(builder, builder.load(s)).sum() for s in sums])

    return result(rows, types.int64, inputs, *[types.int64] * 3), generate


@intrinsic
def mix_rows(typing, outputs, i, inputs, a, b, c0, c1, c2, c3, lanes):
    """outputs[i] = c0 + c1 inputs[a] + c2 inputs[b] + c3 inputs[a] inputs[b]."""

    def generate(context, builder, signature, arguments):
        places = ((0, 1), (2, 3), (2, 4))
        out_, a_, b_ = (_row(context, builder, signature, arguments, *place) for place in places)
        c0_, c1_, c2_, c3_ = (splat(builder, c) for c in arguments[5:9])
        with _blocks(builder, arguments[9]) as loop:
            t = _first_lane(builder, loop.index)
            in_a, in_b = _load(builder, a_, t), _load(builder, b_, t)
            _store(builder, c0_ + c1_ * in_a + (c2_ + c3_ * in_a) * in_b, out_, t)
        return context.get_dummy_value()

    index = types.int64
    return types.void(outputs, index, inputs, index, index, *[types.float32] * 4, index), generate


@intrinsic
def add_weighted_row(typing, totals, i, rows, r, inputs, o, linear, product, lanes):
    """totals[i] += rows[r] * (linear + product * inputs[o])."""

    def generate(context, builder, signature, arguments):
        total_, row_, other_ = (_row(context, builder, signature, arguments, k, k + 1) for k in (0, 2, 4))
        linear_, product_ = splat(builder, arguments[6]), splat(builder, arguments[7])
        with _blocks(builder, arguments[8]) as loop:
            t = _first_lane(builder, loop.index)
            factor = linear_ + product_ * _load(builder, other_, t)
            _store(builder, _load(builder, row_, t) * factor + _load(builder, total_, t), total_, t)
        return context.get_dummy_value()

    index, factor = types.int64, types.float32
    return types.void(totals, index, rows, index, inputs, index, factor, factor, index), generate


@intrinsic
def pack_above(typing, bits, i, columns, p, threshold, lanes):
    """Bit t of bits[i] is set where columns[p, t] > threshold (uint8): a thermometer bit of sixteen images at once."""

    def generate(context, builder, signature, arguments):
        bits_, values_ = (_row(context, builder, signature, arguments, k, k + 1) for k in (0, 2))
        level = splat(builder, arguments[4])
        with _blocks(builder, arguments[5]) as loop:
            at = builder.gep(values_, [_first_lane(builder, loop.index)])
            bytes_ = builder.load(builder.bitcast(at, ir.PointerType(level.value.type)))
            bytes_.align = 1
            above = builder.icmp_unsigned(">", bytes_, level.value)
            _store(builder, builder.bitcast(above, ir.IntType(LANES)), bits_, loop.index, 2)
        return context.get_dummy_value()

    index = types.int64
    return types.void(bits, index, columns, index, types.uint8, index), generate
