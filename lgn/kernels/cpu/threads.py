"""Threads that step through one network together: each has its share of every layer, and they meet in between.

A neuron is computed by one thread alone and reads what was finished before the last meeting, so any number of threads
gives the same bits.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic

from lgn.kernels.cpu.lanes import INT32, INT64, declare, kernel
from lgn.kernels.cpu.memory import element_pointer

SPINS = 2000
"""How often a waiting thread looks before it offers its core to others: some microseconds."""

_ARRIVED, _ROUND, _ABANDONED, _PLACES = 0, 8, 16, 24


def new_meeting() -> np.ndarray:
    """What meet() keeps between calls: (24,) int64, arrivals, rounds and abandonment on cache lines of their own."""
    return np.zeros(_PLACES, np.int64)


def abandon(meeting: np.ndarray) -> None:
    """Lets all go on at once, now and ever after, without those who will not come."""
    meeting[_ABANDONED] = 1


@kernel
def share(count, thread, threads):
    """First and last + 1 of a thread's part of `count` things."""
    return count * thread // threads, count * (thread + 1) // threads


@kernel
def meet(meeting, threads):
    """Returns when all threads have called it; what they wrote before is then visible to all."""
    if threads == 1:
        return
    current = _atomic_read(meeting, _ROUND)
    if _atomic_add(meeting, _ARRIVED, 1) == threads - 1:
        _atomic_add(meeting, _ARRIVED, -threads)
        _atomic_add(meeting, _ROUND, 1)
        return
    looks = 0
    while _atomic_read(meeting, _ROUND) == current and _atomic_read(meeting, _ABANDONED) == 0:
        looks += 1
        if looks > SPINS:
            _yield_processor()


@intrinsic
def _atomic_add(typing, array, index, value):
    """Adds to array[index], int64; returns what was there."""

    def generate(context, builder, signature, arguments):
        pointer = element_pointer(context, builder, signature.args[0], *arguments[:2], INT64)
        return builder.atomic_rmw("add", pointer, arguments[2], "seq_cst")

    return types.int64(array, types.int64, types.int64), generate


@intrinsic
def _atomic_read(typing, array, index):
    """array[index], int64, as the other threads have left it."""

    def generate(context, builder, signature, arguments):
        pointer = element_pointer(context, builder, signature.args[0], *arguments, INT64)
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(array, types.int64), generate


@intrinsic
def _yield_processor(typing):
    """POSIX sched_yield: a waiting thread must not hold the core that the awaited one needs."""

    def generate(context, builder, signature, arguments):
        builder.call(declare(builder, "sched_yield", INT32), [])
        return context.get_dummy_value()

    return types.void(), generate
