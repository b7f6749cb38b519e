"""Three SIMD primitives as portable LLVM vector code: the packed bits themselves are the lane masks.

Plain loops over bits make the compiler expand every bit to a float; a mask register costs nothing.
All take whole 32-lane words; lanes beyond the batch must carry zero gradients.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_BITS = ir.VectorType(ir.IntType(1), LANES)
_ZEROS = ir.Constant(_FLOATS, [0.0] * LANES)
_REASSOCIATE = ("contract", "reassoc", "nsz")


def _pointer(context, builder, array_type, value):
    return context.make_array(array_type)(context, builder, value=value).data


def _load(builder, pointer, index, type_, align):
    typed = builder.bitcast(pointer, ir.PointerType(type_))
    loaded = builder.load(builder.gep(typed, [index]))
    loaded.align = align
    return loaded


def _store(builder, value, pointer, index, align):
    typed = builder.bitcast(pointer, ir.PointerType(value.type))
    builder.store(value, builder.gep(typed, [index])).align = align


def _mask(builder, bits, index):
    """Sixteen bits of a packed row as a lane mask."""
    return builder.bitcast(_load(builder, bits, index, ir.IntType(LANES), 2), _BITS)


def _splat(builder, scalar):
    first = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(_FLOATS, ir.Undefined), zeros)


@intrinsic
def add_signed_row(typing, total, row, bits, if_zero, if_one, words):
    """total[t] += row[t] * (if_one where bit t is set, else if_zero), over `words` 32-bit words of lanes."""

    def generate(context, builder, signature, arguments):
        total_, row_, bits_ = (_pointer(context, builder, signature.args[i], arguments[i]) for i in range(3))
        zero, one = _splat(builder, arguments[3]), _splat(builder, arguments[4])
        halves = builder.mul(arguments[5], ir.Constant(ir.IntType(64), 2))
        with cgutils.for_range(builder, halves) as loop:
            i = loop.index
            factor = builder.select(_mask(builder, bits_, i), one, zero)
            product = builder.fmul(_load(builder, row_, i, _FLOATS, 4), factor, flags=_REASSOCIATE)
            added = builder.fadd(_load(builder, total_, i, _FLOATS, 4), product, flags=_REASSOCIATE)
            _store(builder, added, total_, i, 4)
        return context.get_dummy_value()

    return types.void(total, row, bits, types.float32, types.float32, types.int64), generate


@intrinsic
def masked_sums(typing, row, a, b, words):
    """Sums of row over all lanes, those with a, those with b, those with both: a tuple of four float32."""
    result = types.UniTuple(types.float32, 4)

    def generate(context, builder, signature, arguments):
        row_, a_, b_ = (_pointer(context, builder, signature.args[i], arguments[i]) for i in range(3))
        sums = [cgutils.alloca_once_value(builder, _ZEROS) for _ in range(4)]
        halves = builder.mul(arguments[3], ir.Constant(ir.IntType(64), 2))
        with cgutils.for_range(builder, halves) as loop:
            i = loop.index
            lanes = _load(builder, row_, i, _FLOATS, 4)
            in_a, in_b = _mask(builder, a_, i), _mask(builder, b_, i)
            chosen = [lanes] + [
                builder.select(mask, lanes, _ZEROS) for mask in (in_a, in_b, builder.and_(in_a, in_b))
            ]
            for total, part in zip(sums, chosen, strict=True):
                builder.store(builder.fadd(builder.load(total), part, flags=_REASSOCIATE), total)
        reduce = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.FloatType(), [ir.FloatType(), _FLOATS]),
            f"llvm.vector.reduce.fadd.v{LANES}f32",
        )
        start = ir.Constant(ir.FloatType(), -0.0)
        reduced = [builder.call(reduce, [start, builder.load(s)], fastmath=_REASSOCIATE) for s in sums]
        return context.make_tuple(builder, result, reduced)

    return result(row, a, b, types.int64), generate


@intrinsic
def pack_above(typing, bits, values, threshold, words):
    """bits: word w gets bit t where values[32 w + t] > threshold (uint8): a thermometer bit of 32 images at once."""

    def generate(context, builder, signature, arguments):
        bits_, values_ = (_pointer(context, builder, signature.args[i], arguments[i]) for i in range(2))
        byte, lanes = ir.IntType(8), ir.VectorType(ir.IntType(8), 32)
        first = builder.insert_element(
            ir.Constant(lanes, ir.Undefined), arguments[2], ir.Constant(ir.IntType(32), 0)
        )
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), 32), [0] * 32)
        level = builder.shuffle_vector(first, ir.Constant(lanes, ir.Undefined), zeros)
        assert arguments[2].type == byte
        with cgutils.for_range(builder, arguments[3]) as loop:
            above = builder.icmp_unsigned(">", _load(builder, values_, loop.index, lanes, 1), level)
            _store(builder, builder.bitcast(above, ir.IntType(32)), bits_, loop.index, 4)
        return context.get_dummy_value()

    return types.void(bits, values, types.uint8, types.int64), generate
