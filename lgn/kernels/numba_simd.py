"""The kernels' primitives on a neuron's record and on rows of its batch, as Numba intrinsics on sixteen lanes.

Sixteen lanes divide a batch word, so packed bits are lane masks as they lie: a mask costs nothing, where a loop over
bits makes the compiler expand every bit to a float.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lgn.gates import COEFFICIENTS, GATES, TRUTH_TABLE
from lgn.kernels.numba_lanes import BITS, FLOAT, FLOATS, INT, LANES, LONG, NOISES, Lanes, exp, splat, uniforms

# A neuron's record: logits, Adam's two moments and gate weights side by side, one cache line each.
LOGITS, MOMENT, SQUARE, WEIGHTS, RECORD = 0, GATES, 2 * GATES, 3 * GATES, 4 * GATES

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
"""torch.optim.Adam's defaults."""


# ---- memory ----


def _row(context, builder, signature, arguments, array, index):
    """Pointer to one row of a 2-d array argument; both are positions in the call.

    Indexing in the intrinsic makes no view: Numba counts references of every view, with atomics, in inner loops.
    """
    struct = context.make_array(signature.args[array])(context, builder, value=arguments[array])
    stride = builder.extract_value(struct.strides, 0)
    bytes_ = builder.bitcast(struct.data, ir.PointerType(ir.IntType(8)))
    return builder.gep(bytes_, [builder.mul(arguments[index], stride)])


def _load(builder, pointer, offset, type_=FLOATS, align=4):
    """`type_` at element `offset` (of its own size for integers, of floats for lanes)."""
    loaded = builder.load(_address(builder, pointer, offset, type_))
    loaded.align = align
    return Lanes(builder, loaded) if type_ == FLOATS else loaded


def _store(builder, value, pointer, offset, align=4):
    value = value.value if isinstance(value, Lanes) else value
    builder.store(value, _address(builder, pointer, offset, value.type)).align = align


def _address(builder, pointer, offset, type_):
    element = FLOAT if type_ == FLOATS else type_
    at = builder.gep(builder.bitcast(pointer, ir.PointerType(element)), [offset])
    return builder.bitcast(at, ir.PointerType(type_))


def _part(builder, record, start):
    """One of the four parts of a neuron's record."""
    return _load(builder, record, ir.Constant(LONG, start))


def _blocks(builder, lanes):
    """Loop over blocks of sixteen lanes: (block number, first lane)."""
    return cgutils.for_range(builder, builder.udiv(lanes, ir.Constant(LONG, LANES)))


def _first_lane(builder, block):
    return builder.mul(block, ir.Constant(LONG, LANES))


def _mask(builder, bits, block):
    """Sixteen bits of a packed row as a lane mask."""
    return builder.bitcast(_load(builder, bits, block, ir.IntType(LANES), 2), BITS)


# ---- a neuron's record ----


def _sampler(noise):
    @intrinsic
    def sample_record(typing, records, neuron, key, inverse_temperature):
        def generate(context, builder, signature, arguments):
            data = _row(context, builder, signature, arguments, 0, 1)
            x = _part(builder, data, LOGITS)
            if NOISES[noise]:
                x = x + NOISES[noise](uniforms(builder, builder.trunc(arguments[1], INT), arguments[2]))
            highest = splat(builder, x.max())
            weights = exp((x - highest) * splat(builder, arguments[3]))
            total = weights.sum()
            _store(builder, weights / splat(builder, total), data, ir.Constant(LONG, WEIGHTS))
            at_highest = builder.bitcast(
                builder.fcmp_ordered("==", x.value, highest.value), ir.IntType(LANES)
            )
            first = builder.zext(builder.cttz(at_highest, ir.Constant(ir.IntType(1), 0)), INT)
            # No lane equals a NaN maximum, and 16 is no gate: any other keeps the program alive.
            return builder.and_(first, ir.Constant(INT, GATES - 1))

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
            _store(builder, part, data, ir.Constant(LONG, start))
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
        zero = ir.Constant(FLOATS, [0.0] * LANES)
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
