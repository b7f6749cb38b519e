"""How time and memory of our training step grow with gates, batch, threads and parallel runs: scaling.csv.

Every point is measured in a fresh process, so that its memory is its own.
"""

import multiprocessing
from collections.abc import Callable, Iterable
from dataclasses import replace

import pandas as pd
import psutil

from benchmarks.cases import Case
from benchmarks.measure import time_alone
from benchmarks.roofline import bandwidth, step_bytes
from lgn.machine import usable_cores

COLUMNS = [
    "axis", "method", "depth", "width", "batch", "threads", "runs", "median_ms", "low_ms", "high_ms", "memory_mib",
    "bandwidth_bound_ms",
]  # fmt: skip
METHODS = ("glgn", "dlgn")
DEPTH = 4
START_SECONDS = 300
"""Seconds that parallel runs may wait for each other to be ready."""
ANSWER_SECONDS = 1800
"""Seconds that a process may take; a killed process never answers."""


def points(cores: int, quick: bool, rounds: int | None = None) -> Iterable[tuple[str, Case, int]]:
    """(axis, case, runs in parallel)."""
    rounds = rounds or (3 if quick else 7)
    small = Case("", depth=6, width=800 if quick else 8000, rounds=rounds)
    large = Case("", depth=12, width=1000 if quick else 16_000, rounds=rounds)
    for exponent in range(8, 11 if quick else 15):
        width = round(10 ** (exponent / 2) / DEPTH, -1)
        yield "gates", Case("", DEPTH, int(width), rounds=rounds), 1
    for batch in (32, 128) if quick else (32, 64, 128, 256, 512, 1024):
        yield "batch", replace(small, batch=batch), 1
    for number in counts_up_to(cores):
        yield "threads", replace(large, threads=number), 1
    for number in counts_up_to(cores):
        yield "runs", small, number


def counts_up_to(cores: int) -> list[int]:
    """1, 2, 4, ... and the number of cores."""
    return sorted({2**k for k in range(cores.bit_length()) if 2**k <= cores} | {cores})


def run_scaling(
    report: Callable[[str], None], quick: bool = False, rounds: int | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """scaling.csv, and notes on points that were left out and on the bandwidth behind the bound."""
    bytes_a_second = bandwidth(2**22 if quick else 2**26)
    notes = [f"memory bandwidth of one thread (triad): {bytes_a_second / 1e9:.1f} GB/s"]
    rows = []
    for axis, case, runs in points(usable_cores(), quick, rounds):
        for method in METHODS:
            moved = step_bytes(case, method)
            label = f"{axis}: {method}, depth {case.depth}, width {case.width:,}, batch {case.batch}"
            # A step moves more bytes than it holds.
            if moved * runs > psutil.virtual_memory().available:
                notes.append(f"{label}: left out, it may need more memory than there is")
                continue
            report(f"{label}, {case.threads} threads, {runs} runs")
            measured = in_fresh_processes(case, method, runs)
            # The slowest of parallel runs counts.
            slowest = max(measured, key=lambda point: point["median_ms"])
            bound = moved / bytes_a_second * 1e3
            rows.append(
                {
                    "axis": axis,
                    "method": method,
                    "depth": case.depth,
                    "width": case.width,
                    "batch": case.batch,
                }
                | {"threads": case.threads, "runs": runs, **slowest, "bandwidth_bound_ms": bound}
            )
    return pd.DataFrame(rows, columns=COLUMNS), notes


def in_fresh_processes(case: Case, method: str, runs: int = 1) -> list[dict[str, float]]:
    """measure() in several processes at once; their timing begins at the same moment."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(runs), context.Queue()
    workers = [
        context.Process(target=_worker, args=(case, method, barrier, results), daemon=True)
        for _ in range(runs)
    ]
    for worker in workers:
        worker.start()
    measured = [results.get(timeout=ANSWER_SECONDS) for _ in workers]
    for worker in workers:
        worker.join()
    failed = [result for result in measured if isinstance(result, str)]
    if failed:
        raise RuntimeError(failed[0])
    return measured


def _worker(case: Case, method: str, barrier, results) -> None:
    try:
        results.put(measure(case, method, lambda: barrier.wait(START_SECONDS)))
    except Exception as error:
        barrier.abort()
        results.put(f"{type(error).__name__}: {error}")


def measure(case: Case, method: str, ready: Callable[[], object] = lambda: None) -> dict[str, float]:
    """Milliseconds per step, and the memory (MiB) that network, engine and buffers add to the process."""
    from benchmarks.implementations import ours

    process = psutil.Process()
    # Compile, or load, the same kernels before: their memory does not grow.
    ours.build(replace(case, depth=2, width=40, pixels=16), method)()
    before = process.memory_info().rss
    step = ours.build(case, method)
    for _ in range(2):
        step()
    memory = (process.memory_info().rss - before) / 2**20
    ready()
    timing = time_alone(step, case.rounds)
    return {
        "median_ms": timing.median,
        "low_ms": timing.low,
        "high_ms": timing.high,
        "memory_mib": memory,
    }
