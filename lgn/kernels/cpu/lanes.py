"""Sixteen lanes as a Numba type: kernels are written as vector code, and the compiler need not vectorise loops.

A neuron has 16 logits and 16 bits of a packed word are a lane mask, so `Lanes` is the natural unit of both. It is
portable LLVM vector code (AVX-512, AVX2, NEON) with the operators of its scalars: float32 (+ - * / > < ==), uint32
(+ * ^ & << >>) and masks (&). NaN and infinity keep their meaning. The compiler may only fuse multiply-adds and reorder
sums over lanes.
"""

import hashlib
import operator
from functools import partial, wraps
from pathlib import Path

from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, lower_cast, models, register_model

from lgn.errors import LgnError

if config.DISABLE_JIT:
    raise LgnError("NUMBA_DISABLE_JIT: 1 with kernels that must be compiled; allowed: to leave it unset")

LANES = 16

inlined = partial(njit, nogil=True, error_model="numpy", forceinline=True)
"""A part of a kernel, compiled into each place that calls it."""


def kernel(function):
    """Compiles a kernel and caches it on disk until any kernel module changes (Numba watches one file)."""
    compiled = njit(nogil=True, error_model="numpy")(function)
    try:
        compiled.enable_caching()
    except RuntimeError:  # No folder to write to: every process compiles it again.
        return compiled
    compiled._cache._cache_file._source_stamp = _SOURCES
    return compiled


def _sources() -> str:
    """Digest of the source that kernels compile in: the kernel modules, and two modules whose constants they use."""
    here, lgn = Path(__file__).parent, Path(__file__).parents[2]
    files = [lgn / "gates.py", lgn / "randomness.py", *sorted(here.glob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


_SOURCES = _sources()


class Lanes(types.Type):
    """Sixteen values side by side. element: float32, uint32 or bool."""

    def __init__(self, element: str):
        super().__init__(name=f"Lanes({element})")
        self.element = element


FLOATS, INTEGERS, MASK = Lanes("float32"), Lanes("uint32"), Lanes("bool")
_ELEMENTS = {"float32": ir.FloatType(), "uint32": ir.IntType(32), "bool": ir.IntType(1)}
VECTORS = {type_: ir.VectorType(_ELEMENTS[type_.element], LANES) for type_ in (FLOATS, INTEGERS, MASK)}
INT32, INT64 = ir.IntType(32), ir.IntType(64)


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, lanes):
        super().__init__(manager, lanes, VECTORS[lanes])


# Operators. A scalar operand becomes sixteen equal lanes.

_ARITHMETIC = {
    (operator.add, FLOATS): "fadd", (operator.iadd, FLOATS): "fadd", (operator.sub, FLOATS): "fsub",
    (operator.mul, FLOATS): "fmul", (operator.truediv, FLOATS): "fdiv", (operator.neg, FLOATS): "fneg",
    (operator.add, INTEGERS): "add", (operator.sub, INTEGERS): "sub", (operator.mul, INTEGERS): "mul",
    (operator.xor, INTEGERS): "xor", (operator.lshift, INTEGERS): "shl", (operator.rshift, INTEGERS): "lshr",
    (operator.and_, MASK): "and_", (operator.and_, INTEGERS): "and_",
}  # fmt: skip
_COMPARISONS = {operator.gt: ">", operator.lt: "<", operator.eq: "=="}


def _splat(builder, scalar, vector):
    nowhere = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nowhere, scalar, ir.Constant(INT32, 0))
    return builder.shuffle_vector(first, nowhere, ir.Constant(ir.VectorType(INT32, LANES), [0] * LANES))


@lower_cast(types.Number, Lanes)
def _cast(context, builder, from_type, lanes, value):
    scalar = context.cast(builder, value, from_type, getattr(types, lanes.element))
    return _splat(builder, scalar, VECTORS[lanes])


def _define(operation):
    @infer_global(operation)
    class Operator(AbstractTemplate):
        def generic(self, operands, keywords):
            lanes = next((x for x in operands if isinstance(x, Lanes)), None)
            known = (operation, lanes) in _ARITHMETIC or (operation in _COMPARISONS and lanes == FLOATS)
            if known and all(x == lanes or isinstance(x, types.Number) for x in operands):
                return signature(MASK if operation in _COMPARISONS else lanes, *[lanes] * len(operands))

    def generate(context, builder, signature, operands):
        lanes = signature.args[0]
        if operation in _COMPARISONS:
            return builder.fcmp_ordered(_COMPARISONS[operation], *operands)
        flags = ("contract",) if lanes == FLOATS else ()
        return getattr(builder, _ARITHMETIC[operation, lanes])(*operands, flags=flags)

    lower_builtin(operation, *[Lanes] * (1 if operation is operator.neg else 2))(generate)


for _operation in dict.fromkeys([operation for operation, _ in _ARITHMETIC] + list(_COMPARISONS)):
    _define(_operation)


# Functions of lanes.


def _function(result, *arguments):
    """Makes a code generator (builder, *values) a function that kernels can call; scalars become lanes."""

    def wrap(generate):
        def code(context, builder, signature, values):
            return generate(builder, *values)

        return intrinsic(wraps(generate)(lambda typing, *operands: (result(*arguments), code)))

    return wrap


@_function(FLOATS, MASK, FLOATS, FLOATS)
def select(builder, mask, if_set, if_clear):
    """if_set where the mask is set, else if_clear: both float lanes."""
    return builder.select(mask, if_set, if_clear)


@_function(INTEGERS, FLOATS)
def bits_of(builder, x):
    """The 32 bits of each float lane."""
    return builder.bitcast(x, VECTORS[INTEGERS])


@_function(FLOATS, INTEGERS)
def from_bits(builder, x):
    """Float lanes of 32-bit patterns."""
    return builder.bitcast(x, VECTORS[FLOATS])


@_function(FLOATS, INTEGERS)
def to_float(builder, x):
    """Float lanes of integers read as signed."""
    return builder.sitofp(x, VECTORS[FLOATS])


@_function(INTEGERS, INTEGERS)
def arithmetic_exponent(builder, x):
    """x >> 23 with x read as signed."""
    return builder.ashr(x, ir.Constant(VECTORS[INTEGERS], [23] * LANES))


@_function(INTEGERS, types.uint32)
def all_bits(builder, bit):
    """All bits of all lanes equal to bit, 0 or 1."""
    return _splat(builder, builder.neg(bit), VECTORS[INTEGERS])


def declare(builder, name, result, *arguments):
    """Declares an LLVM function by name."""
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


@_function(FLOATS, types.float32)
def splat(builder, x):
    """A scalar in every lane."""
    return _splat(builder, x, VECTORS[FLOATS])


@_function(FLOATS, FLOATS)
def square_root(builder, x):
    """Square root of each lane."""
    return builder.call(declare(builder, "llvm.sqrt.v16f32", x.type, x.type), [x])


@_function(types.float32, FLOATS)
def total(builder, x):
    """Sum of the lanes."""
    add = declare(builder, "llvm.vector.reduce.fadd.v16f32", ir.FloatType(), ir.FloatType(), x.type)
    return builder.call(add, [ir.Constant(ir.FloatType(), -0.0), x], fastmath=("reassoc",))


@_function(FLOATS, FLOATS)
def highest(builder, x):
    """The largest lane, in every lane."""
    for distance in (8, 4, 2, 1):
        order = ir.Constant(ir.VectorType(INT32, LANES), [lane ^ distance for lane in range(LANES)])
        other = builder.shuffle_vector(x, x, order)
        x = builder.select(builder.fcmp_ordered(">", x, other), x, other)
    return x


@_function(types.uint32, MASK)
def first_set(builder, mask):
    """Index of the first lane that is set; 0 where none is."""
    half = ir.IntType(LANES)
    count = declare(builder, "llvm.cttz.i16", half, half, ir.IntType(1))
    index = builder.call(count, [builder.bitcast(mask, half), ir.Constant(ir.IntType(1), 0)])
    return builder.zext(builder.and_(index, ir.Constant(half, LANES - 1)), INT32)


@_function(INTEGERS, types.uint32)
def each_lane(builder, step):
    """0, step, 2 step, ..., modulo 2**32."""
    counts = ir.Constant(VECTORS[INTEGERS], list(range(LANES)))
    return builder.mul(counts, _splat(builder, step, VECTORS[INTEGERS]))
