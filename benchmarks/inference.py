"""Images per second of the discretised network, ours against torchlogix's compiled circuit: inference.csv."""

import ctypes
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pandas as pd
import torch

from benchmarks.cases import Case, build_network, levels
from benchmarks.implementations.torchlogix import build_model, import_torchlogix
from benchmarks.measure import Step, interleave, warm_up
from lgn.data.encoding import encode
from lgn.kernels.discrete import IMAGES, DiscreteNetwork
from lgn.network import LogicNetwork

COLUMNS = [
    "case", "implementation", "threads", "images_per_second", "low", "high", "preparation_seconds",
]  # fmt: skip
OURS_PACKED, OURS_PIXELS = "lgn-bench, packed bits", "lgn-bench, pixels"
CIRCUIT_PACKED, CIRCUIT_BOOL = "torchlogix circuit, packed bits", "torchlogix circuit, bool arrays"

CASE = Case("inference, depth 6, width 8,000", depth=6, width=8000, rounds=11)
QUICK_CASE = Case("inference, depth 4, width 500", depth=4, width=500, pixels=256, rounds=5)

TARGETS = (
    (OURS_PACKED, None, 1e6, "images/s"),
    (OURS_PIXELS, None, 2e5, "images/s"),
    (OURS_PACKED, CIRCUIT_PACKED, 3, "times as fast"),
)
"""(implementation, against, target, unit)."""


@dataclass(frozen=True)
class Contender:
    """A step classifies `images` images once. preparation: seconds from the trained network to the first image."""

    step: Step
    images: int
    preparation: float


def run_inference(
    case: Case, report: Callable[[str], None], images: int = 16 * IMAGES
) -> tuple[pd.DataFrame, list[str]]:
    """inference.csv of one network on random pixels, and notes, on one thread."""
    torch.set_num_threads(1)
    network = build_network(case, "glgn")
    pixels = np.random.default_rng(0).integers(0, 256, (images, case.pixels), dtype=np.uint8)
    contenders, counts = our_contenders(network, levels(case), pixels)
    notes = []
    if find_spec("torchlogix") is None:
        notes.append(f"{case.name}: torchlogix is not installed")
    else:
        report(f"{case.name}: torchlogix's circuit is traced, simplified and compiled")
        try:
            theirs, their_counts = circuit_contenders(network, encode(pixels, levels(case)))
            contenders |= theirs
            same = np.array_equal(counts, their_counts)
            notes.append(
                f"{case.name}: both count the same class sums on {images:,} images: {'yes' if same else 'NO'}"
            )
        except (RuntimeError, OSError, RecursionError) as error:
            reason = " ".join(str(error).split())[:200]
            notes.append(f"{case.name}: torchlogix's circuit did not run: {type(error).__name__}: {reason}")
    report(f"{case.name}: {case.rounds} rounds")
    steps = {name: contender.step for name, contender in contenders.items()}
    calls = {name: warm_up(step)[1] for name, step in steps.items()}
    rows = []
    for name, timing in interleave(steps, calls, case.rounds).items():
        contender = contenders[name]
        speed = [1e3 * contender.images / ms for ms in (timing.median, timing.high, timing.low)]
        rows.append((case.name, name, 1, *speed, contender.preparation))
    return pd.DataFrame(rows, columns=COLUMNS), notes


def our_contenders(
    network: LogicNetwork, thresholds: np.ndarray, pixels: np.ndarray
) -> tuple[dict[str, Contender], np.ndarray]:
    """Ours from bits packed in blocks and from pixels, and their class counts (images, classes)."""
    DiscreteNetwork(network, thresholds).predict(pixels[:IMAGES])  # The kernels are compiled, once a machine.
    begun = time.perf_counter()
    discrete = DiscreteNetwork(network, thresholds)
    preparation = time.perf_counter() - begun
    blocks = [discrete.pack(pixels[start : start + IMAGES]) for start in range(0, len(pixels), IMAGES)]

    def classify_packed() -> None:
        for bits in blocks:
            discrete.class_counts(bits)

    counts = np.concatenate([discrete.class_counts(bits) for bits in blocks], axis=1)[:, : len(pixels)].T
    return {
        OURS_PACKED: Contender(classify_packed, len(pixels), preparation),
        OURS_PIXELS: Contender(lambda: discrete.predict(pixels), len(pixels), preparation),
    }, counts


def circuit_contenders(network: LogicNetwork, bits: np.ndarray) -> tuple[dict[str, Contender], np.ndarray]:
    """torchlogix's circuit, simplified and compiled for 64 images per word, from packed bits and from bool arrays."""
    circuit_class = import_torchlogix().Circuit
    network.group_temperature = 1.0  # So that the circuit counts in integers, its fastest.
    begun = time.perf_counter()
    circuit = circuit_class.from_model(build_model(network, "glgn"), input_shape=(network.inputs,))
    circuit.simplify()
    circuit.compile(pack_bits=64)
    preparation = time.perf_counter() - begun
    counts = circuit(bits, use_compiled=True)
    # Its public call packs bool arrays; packed words go directly to the compiled function.
    words = packed_by_word(bits)
    out = np.zeros(counts.shape, counts.dtype)
    run = circuit._lib.circuit_bench
    arguments = (
        words.ctypes.data_as(run.argtypes[0]), out.ctypes.data_as(run.argtypes[1]), ctypes.c_int(len(words)),
    )  # fmt: skip
    run(*arguments)
    if not np.array_equal(out, counts):
        raise RuntimeError("packed bits and bool arrays disagree")
    return {
        CIRCUIT_PACKED: Contender(lambda: run(*arguments), len(bits), preparation),
        CIRCUIT_BOOL: Contender(lambda: circuit(bits, use_compiled=True), len(bits), preparation),
    }, counts


def packed_by_word(bits: np.ndarray) -> np.ndarray:
    """(images / 64, inputs) uint64 from (images, inputs) bool: image 64 w + t in bit t of row w."""
    groups = bits.reshape(-1, 64, bits.shape[1]).transpose(0, 2, 1)
    return np.ascontiguousarray(np.packbits(groups, axis=2, bitorder="little")).view("<u8")[:, :, 0]


def targets(table: pd.DataFrame, wanted: Sequence = TARGETS) -> pd.DataFrame:
    """Each target of inference.csv, with the factor that was reached."""
    speeds = table.set_index("implementation").images_per_second
    rows = []
    for implementation, against, target, unit in wanted:
        if implementation not in speeds or (against and against not in speeds):
            continue
        measured = speeds[implementation] / (speeds[against] if against else 1)
        verdict = "reached" if measured >= target else "missed"
        rows.append((table.case.iloc[0], implementation, against or unit, target, measured, verdict))
    return pd.DataFrame(rows, columns=["case", "implementation", "against", "target", "measured", "verdict"])
