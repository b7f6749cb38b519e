"""Times training iterations of every implementation on every case: speed.csv, targets.csv, notes.md."""

import gc
import math
from collections.abc import Callable, Sequence

import pandas as pd
import torch

from benchmarks.cases import Case
from benchmarks.implementations import OURS, Implementation, implementations
from benchmarks.measure import Step, Timing, interleave, nothing, warm_up

COLUMNS = ["case", "implementation", "threads", "median_ms", "low_ms", "high_ms", "times_slower_than_glgn"]

Report = Callable[[str], None]


def case_label(case: Case) -> str:
    """The case's name, with the GPU's name if it runs on one."""
    if case.device == "cpu":
        return case.name
    return f"{case.name} ({torch.cuda.get_device_name(case.device)})"


def runs_here(case: Case) -> bool:
    return case.device == "cpu" or torch.cuda.is_available()


def measure_case(
    case: Case, chosen: Sequence[Implementation], report: Report
) -> tuple[pd.DataFrame, list[str]]:
    """speed.csv's rows of one case, and notes on compile times and on what could not run."""
    torch.set_num_threads(case.threads)
    synchronize = nothing if case.device == "cpu" else torch.cuda.synchronize
    steps: dict[str, Step] = {}
    calls: dict[str, int] = {}
    notes = []
    for implementation in chosen:
        report(f"{case_label(case)}: {implementation.name} warms up")
        try:
            step = implementation.build(case)
            first, calls[implementation.name] = warm_up(step, synchronize)
        # A peer that cannot run here (no compiler, no memory) is a result; ours is an error.
        except Exception as error:
            if implementation.library == OURS:
                raise
            reason = " ".join(str(error).split())[:200]
            notes.append(
                f"{case_label(case)}: {implementation.name} did not run: {type(error).__name__}: {reason}"
            )
            continue
        steps[implementation.name] = step
        if implementation.variant == "compiled":
            notes.append(
                f"{case_label(case)}: the first step of {implementation.name}, with its compilation, took {first:.0f} s"
            )
    report(f"{case_label(case)}: {case.rounds} rounds")
    timings = interleave(steps, calls, case.rounds, synchronize)
    del steps, step
    torch.compiler.reset()
    gc.collect()
    return speed_rows(case_label(case), case.threads, timings), notes


def speed_rows(case: str, threads: int, timings: dict[str, Timing]) -> pd.DataFrame:
    """COLUMNS of the implementations by name. The others are compared with our first GLGN."""
    glgn = next(
        (timing.median for name, timing in timings.items() if name.startswith(f"{OURS} glgn")), math.nan
    )
    rows = [
        (case, name, threads, timing.median, timing.low, timing.high, timing.median / glgn)
        for name, timing in timings.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def targets(cases: Sequence[Case], speed: pd.DataFrame) -> pd.DataFrame:
    """Each target of each measured case: the target factor, and the factor to the peer's best variant."""
    rows = []
    for case in cases:
        medians = speed[speed.case == case.name].set_index("implementation").median_ms
        for target in case.targets:
            ours = fastest(medians, (OURS,), target.method)
            peer = fastest(medians, target.peers, target.method)
            if ours is None or peer is None:
                continue
            reached = medians[peer] / medians[ours]
            rows.append(
                (
                    case.name,
                    ours,
                    peer,
                    target.factor,
                    reached,
                    "reached" if reached >= target.factor else "missed",
                )
            )
    return pd.DataFrame(rows, columns=["case", "implementation", "against", "target", "measured", "verdict"])


def fastest(medians: pd.Series, libraries: Sequence[str], method: str) -> str | None:
    """The name of the fastest implementation of a method in some libraries; None if none was measured."""
    prefixes = tuple(f"{library} {method} " for library in libraries)
    found = medians[medians.index.str.startswith(prefixes)]
    return found.idxmin() if len(found) else None


def run_speed(
    cases: Sequence[Case],
    report: Report,
    chosen: Callable[[Case], Sequence[Implementation]] = implementations,
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """speed.csv, targets.csv and notes of the cases that can run here."""
    tables, notes = [], []
    for case in cases:
        if not runs_here(case):
            notes.append(f"{case.name}: not measured, there is no CUDA device here")
            continue
        # As in our kernels: vanishing gradients would slow every peer down.
        torch.set_flush_denormal(True)
        try:
            table, remarks = measure_case(case, chosen(case), report)
        finally:
            torch.set_flush_denormal(False)
        tables.append(table)
        notes += remarks
    speed = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)
    return speed, targets(cases, speed), notes
