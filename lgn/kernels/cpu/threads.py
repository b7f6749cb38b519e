"""Threads that share one network: each computes a slice of every layer, and a barrier separates the layers.

One thread computes a neuron, and reads only what was written before the last barrier. So any number of threads gives
the same bits.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic

from lgn.kernels.cpu.lanes import INT32, INT64, declare, kernel
from lgn.kernels.cpu.memory import element_pointer

SPINS = 2000
"""How often a waiting thread polls before it yields its core: some microseconds."""

_ARRIVED, _ROUND, _CANCELLED, _PLACES = 0, 8, 16, 24


def new_barrier() -> np.ndarray:
    """State of a barrier, (24,) int64: arrivals, rounds and the cancelled flag, each on its own cache line."""
    return np.zeros(_PLACES, np.int64)


def cancel(barrier: np.ndarray) -> None:
    """Releases every waiting thread. Later calls of wait() on this barrier return at once."""
    barrier[_CANCELLED] = 1


@kernel
def slice_of(count, thread, threads):
    """Begin and end of one thread's slice of `count` items."""
    return count * thread // threads, count * (thread + 1) // threads


@kernel
def wait(barrier, threads):
    """Returns when all threads have called it. Every thread then sees what the others wrote before."""
    if threads == 1:
        return
    current = _atomic_read(barrier, _ROUND)
    if _atomic_add(barrier, _ARRIVED, 1) == threads - 1:
        _atomic_add(barrier, _ARRIVED, -threads)
        _atomic_add(barrier, _ROUND, 1)
        return
    polls = 0
    while _atomic_read(barrier, _ROUND) == current and _atomic_read(barrier, _CANCELLED) == 0:
        polls += 1
        if polls > SPINS:
            _yield_processor()


@intrinsic
def _atomic_add(typing, array, index, value):
    """Adds to array[index], int64; returns the old value."""

    def generate(context, builder, signature, arguments):
        pointer = element_pointer(context, builder, signature.args[0], *arguments[:2], INT64)
        return builder.atomic_rmw("add", pointer, arguments[2], "seq_cst")

    return types.int64(array, types.int64, types.int64), generate


@intrinsic
def _atomic_read(typing, array, index):
    """Atomic load of array[index], int64."""

    def generate(context, builder, signature, arguments):
        pointer = element_pointer(context, builder, signature.args[0], *arguments, INT64)
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(array, types.int64), generate


@intrinsic
def _yield_processor(typing):
    """POSIX sched_yield: a waiting thread must not hold the core that another thread needs."""

    def generate(context, builder, signature, arguments):
        builder.call(declare(builder, "sched_yield", INT32), [])
        return context.get_dummy_value()

    return types.void(), generate
