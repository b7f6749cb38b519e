"""Loads and stores of lanes, sums over lanes, a byte transpose, and the processor's treatment of denormal numbers.

An index counts elements of a C-contiguous array of any shape, unchecked: a view of a row would cost more than the
row's arithmetic.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lgn.kernels.cpu.lanes import FLOATS, INT32, INT64, INTEGERS, LANES, MASK, VECTORS, declare


def element_pointer(context, builder, array_type, array, index, type_):
    """Pointer to array[index], the array read as elements of LLVM's type_."""
    data = context.make_array(array_type)(context, builder, value=array).data
    return builder.gep(builder.bitcast(data, ir.PointerType(type_)), [index])


@intrinsic
def at(typing, array, index):
    """array[index], flat: Numba's own indexing tests each index for a negative value."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, value=arguments[0]).data
        pointer = builder.gep(data, [arguments[1]])
        return context.unpack_value(builder, signature.args[0].dtype, pointer)

    return array.dtype(array, types.int64), generate


@intrinsic
def prefetch(typing, array, index, count):
    """Prefetches count elements from array[index]: the processor cannot predict a random row."""

    def generate(context, builder, signature, arguments):
        element = context.get_data_type(array.dtype)
        byte, line = ir.PointerType(ir.IntType(8)), ir.Constant(INT64, 64 // context.get_abi_sizeof(element))
        call = declare(builder, "llvm.prefetch.p0", ir.VoidType(), byte, INT32, INT32, INT32)
        read, second_cache, data = (ir.Constant(INT32, value) for value in (0, 2, 1))
        with cgutils.for_range(builder, builder.udiv(arguments[2], line)) as loop:
            place = builder.add(arguments[1], builder.mul(loop.index, line))
            pointer = element_pointer(context, builder, signature.args[0], arguments[0], place, element)
            builder.call(call, [builder.bitcast(pointer, byte), read, second_cache, data])
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate


@intrinsic
def load(typing, array, index):
    """Sixteen float32 from array[index]."""

    def generate(context, builder, signature, arguments):
        pointer = element_pointer(context, builder, signature.args[0], *arguments, ir.FloatType())
        value = builder.load(builder.bitcast(pointer, ir.PointerType(VECTORS[FLOATS])))
        value.align = 4
        return value

    return FLOATS(array, types.int64), generate


@intrinsic
def store(typing, array, index, value):
    """Sixteen float32 to array[index]."""

    def generate(context, builder, signature, arguments):
        pointer = element_pointer(context, builder, signature.args[0], *arguments[:2], ir.FloatType())
        builder.store(arguments[2], builder.bitcast(pointer, ir.PointerType(VECTORS[FLOATS]))).align = 4
        return context.get_dummy_value()

    return types.void(array, types.int64, FLOATS), generate


@intrinsic
def load_words(typing, words, index):
    """Eight uint64 from words[index], as integer lanes."""

    def generate(context, builder, signature, arguments):
        pointer = element_pointer(context, builder, signature.args[0], *arguments, INT64)
        value = builder.load(builder.bitcast(pointer, ir.PointerType(VECTORS[INTEGERS])))
        value.align = 8
        return value

    return INTEGERS(words, types.int64), generate


@intrinsic
def store_words(typing, words, index, value):
    """Integer lanes to eight uint64 from words[index]."""

    def generate(context, builder, signature, arguments):
        pointer = element_pointer(context, builder, signature.args[0], *arguments[:2], INT64)
        builder.store(arguments[2], builder.bitcast(pointer, ir.PointerType(VECTORS[INTEGERS]))).align = 8
        return context.get_dummy_value()

    return types.void(words, types.int64, INTEGERS), generate


@intrinsic
def store_totals(typing, array, index, s, t, u, v):
    """Stores the lane sums of four vectors as four float32 at array[index]."""

    def generate(context, builder, signature, arguments):
        def shuffled(x, y, order):
            return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(INT32, len(order)), order))

        def folded(x, y):
            """A vector as long as x: x's two halves added, then y's two halves added."""
            size = x.type.count
            near = [*range(size // 2), *range(size, size + size // 2)]
            return builder.fadd(shuffled(x, y, near), shuffled(x, y, [lane + size // 2 for lane in near]))

        pairs = folded(arguments[2], arguments[3]), folded(arguments[4], arguments[5])
        x = builder.fadd(
            shuffled(*pairs, [lane for half in range(4) for lane in range(8 * half, 8 * half + 4)]),
            shuffled(*pairs, [lane for half in range(4) for lane in range(8 * half + 4, 8 * half + 8)]),
        )
        # Four lanes are left of each vector.
        x = builder.fadd(
            *[shuffled(x, x, [lane for lane in range(16) if lane // 2 % 2 == odd]) for odd in (0, 1)]
        )
        x = builder.fadd(*[shuffled(x, x, list(range(odd, 8, 2))) for odd in (0, 1)])
        pointer = element_pointer(context, builder, signature.args[0], *arguments[:2], ir.FloatType())
        builder.store(x, builder.bitcast(pointer, ir.PointerType(x.type))).align = 4
        return context.get_dummy_value()

    return types.void(array, types.int64, FLOATS, FLOATS, FLOATS, FLOATS), generate


@intrinsic
def load_mask(typing, words, index):
    """Sixteen bits as a mask. words: any unsigned integers, little-endian; index counts groups of 16 bits."""

    def generate(context, builder, signature, arguments):
        pointer = element_pointer(context, builder, signature.args[0], *arguments, ir.IntType(LANES))
        value = builder.load(pointer)
        value.align = 2
        return builder.bitcast(value, VECTORS[MASK])

    return MASK(words, types.int64), generate


@intrinsic
def transpose_block(typing, values, index, stride, result, place, pitch):
    """16 x 16 bytes: result[place + pitch column + row] = values[index + stride row + column]. Both uint8."""

    def generate(context, builder, signature, arguments):
        bytes_ = ir.VectorType(ir.IntType(8), 16)

        def pointer(array, start, step, row):
            index = builder.add(arguments[start], builder.mul(arguments[step], ir.Constant(INT64, row)))
            address = element_pointer(
                context, builder, signature.args[array], arguments[array], index, ir.IntType(8)
            )
            return builder.bitcast(address, ir.PointerType(bytes_))

        rows = []
        for row in range(16):
            rows.append(builder.load(pointer(0, 1, 2, row)))
            rows[-1].align = 1
        # Four perfect shuffles of 256 bytes exchange the two halves of their 8-bit index: row and column.
        low, high = (
            ir.Constant(ir.VectorType(INT32, 16), [half + lane // 2 + 16 * (lane % 2) for lane in range(16)])
            for half in (0, 8)
        )
        for _ in range(4):
            rows = [
                builder.shuffle_vector(rows[row], rows[row + 8], order)
                for row in range(8)
                for order in (low, high)
            ]
        for column in range(16):
            builder.store(rows[column], pointer(3, 4, 5, column)).align = 1
        return context.get_dummy_value()

    return types.void(values, types.int64, types.int64, result, types.int64, types.int64), generate


@intrinsic
def bits_above(typing, values, index, threshold):
    """uint64 with bit t set where values[index + t] > threshold, all uint8: a thermometer bit of 64 images."""

    def generate(context, builder, signature, arguments):
        pointer = element_pointer(context, builder, signature.args[0], *arguments[:2], ir.IntType(8))
        bytes_ = ir.VectorType(ir.IntType(8), 64)
        value = builder.load(builder.bitcast(pointer, ir.PointerType(bytes_)))
        value.align = 1
        nowhere = ir.Constant(bytes_, ir.Undefined)
        first = builder.insert_element(nowhere, arguments[2], ir.Constant(INT32, 0))
        level = builder.shuffle_vector(first, nowhere, ir.Constant(ir.VectorType(INT32, 64), [0] * 64))
        return builder.bitcast(builder.icmp_unsigned(">", value, level), INT64)

    return types.uint64(values, types.int64, types.uint8), generate


@intrinsic
def flush_denormals(typing):
    """Sets the processor to treat numbers below 2**-126 as 0: on x86 each costs a hundred cycles.

    Returns the old floating-point control word, for restore_float_control.
    """

    def generate(context, builder, signature, arguments):
        return _exchange_float_control(builder, lambda before: builder.or_(before, INT32(0x8040)))

    return types.uint32(), generate


@intrinsic
def restore_float_control(typing, float_control):
    """Sets the control word that flush_denormals returned."""

    def generate(context, builder, signature, arguments):
        _exchange_float_control(builder, lambda before: arguments[0])
        return context.get_dummy_value()

    return types.void(types.uint32), generate


def _exchange_float_control(builder, change):
    """Sets x86's floating-point control word (MXCSR) to change(old word); returns the old. Elsewhere a no-op."""
    if not builder.module.triple.startswith("x86_64"):
        return INT32(0)
    word = cgutils.alloca_once(builder, INT32)
    pointer = builder.bitcast(word, ir.PointerType(ir.IntType(8)))
    store_, load_ = (
        declare(builder, f"llvm.x86.sse.{name}", ir.VoidType(), pointer.type)
        for name in ("stmxcsr", "ldmxcsr")
    )
    builder.call(store_, [pointer])
    before = builder.load(word)
    builder.store(change(before), word)
    builder.call(load_, [pointer])
    return before
