"""Interleaved timing: every implementation has one turn per round, so that the machine's load affects all equally."""

import gc
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Step = Callable[[], object]
"""Does the work that is timed, for example one training iteration."""

TURN_SECONDS = 0.2
"""A turn is as many calls as take this long, at least one."""

WARM_UP_CALLS = 2


@dataclass(frozen=True)
class Timing:
    """Milliseconds per call in each turn."""

    turns: tuple[float, ...]

    @property
    def median(self) -> float:
        return float(np.median(self.turns))

    @property
    def low(self) -> float:
        """The 10% quantile of turns."""
        return float(np.quantile(self.turns, 0.1))

    @property
    def high(self) -> float:
        """The 90% quantile of turns."""
        return float(np.quantile(self.turns, 0.9))


def nothing() -> None:
    """Does nothing: on a CPU a step has ended when it returns."""


def warm_up(step: Step, synchronize: Step = nothing) -> tuple[float, int]:
    """Seconds of the first call, which compiles, and the number of calls per turn."""
    begun = time.perf_counter()
    step()
    synchronize()
    first = time.perf_counter() - begun
    for _ in range(WARM_UP_CALLS - 1):
        step()
    synchronize()
    begun = time.perf_counter()
    step()
    synchronize()
    return first, max(1, math.ceil(TURN_SECONDS / (time.perf_counter() - begun)))


def turn(step: Step, calls: int, synchronize: Step = nothing) -> float:
    """Milliseconds per call."""
    synchronize()
    begun = time.perf_counter()
    for _ in range(calls):
        step()
    synchronize()
    return (time.perf_counter() - begun) / calls * 1e3


def interleave(
    steps: Mapping[str, Step], calls: Mapping[str, int], rounds: int, synchronize: Step = nothing
) -> dict[str, Timing]:
    """A Timing for every step. Each round begins with another step, so that the order varies."""
    names = list(steps)
    turns: dict[str, list[float]] = {name: [] for name in names}
    for index in range(rounds):
        start = index % len(names)
        for name in names[start:] + names[:start]:
            gc.collect()
            turns[name].append(turn(steps[name], calls[name], synchronize))
    return {name: Timing(tuple(values)) for name, values in turns.items()}


def time_alone(step: Step, rounds: int, synchronize: Step = nothing) -> Timing:
    """The Timing of one step alone, after warm-up."""
    _, calls = warm_up(step, synchronize)
    return interleave({"": step}, {"": calls}, rounds, synchronize)[""]
