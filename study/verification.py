"""Reproduces stored records on this machine: retrains a run and compares byte for byte, then within a tolerance."""

import csv
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lgn import TRAINING_SEMANTICS, records
from lgn.errors import LgnError
from lgn.run import Execution, parse_run
from lgn.train import train

REFERENCE = Path(__file__).resolve().parent.parent / "results" / "reference" / "verify" / "runs"
CLOCKS = ("training_seconds", "elapsed_seconds")

EARLY_ITERATIONS, EARLY_LOSS = 10, 1e-3
"""Processors and backends round differently. In the first iterations this changes the loss at most by this share.

Later a single different gate leads to another training of the same distribution.
"""
FINAL_ACCURACY = 0.05
"""Final accuracies of two such trainings differ at most by this share of images (the records are on digits)."""

BIT_EXACT, WITHIN_TOLERANCE, DIFFERENT = "bit-exact", "within tolerance", "different"


@dataclass(frozen=True)
class Comparison:
    """level: BIT_EXACT, WITHIN_TOLERANCE or DIFFERENT. details: the first difference and its size."""

    run_id: str
    level: str
    details: str


def reference_records(folder: Path = REFERENCE) -> list[Path]:
    """Directories of this repository's records. Raises LgnError if there are none."""
    found = sorted(path.parent for path in folder.glob("*/run.json"))
    if not found:
        raise LgnError(f"{folder}: holds no records; allowed: a checkout of the repository, or name a record")
    return found


def verify(directory: Path, data_dir: Path, execution: Execution) -> Comparison:
    """Retrains a record's run in another folder and compares. Raises LgnError if the record cannot be compared."""
    record = records.read_run(directory)
    if record["training_semantics"] != TRAINING_SEMANTICS:
        raise LgnError(
            f"{directory / 'run.json'}: training_semantics: {record['training_semantics']}; "
            f"allowed: {TRAINING_SEMANTICS}, that of this version"
        )
    run = parse_run(record["settings"], str(directory / "run.json"))
    with tempfile.TemporaryDirectory(prefix="lgn-verify-") as elsewhere:
        new = train(run, Path(elsewhere), data_dir, execution)
        if new["data_sha256"] != record["data_sha256"]:
            raise LgnError(f"{data_dir}: holds other {run.dataset} data than {directory} was trained on")
        return compare(record, new, directory, Path(elsewhere))


def compare(stored: dict, new: dict, stored_directory: Path, new_directory: Path) -> Comparison:
    """Compares two records of one run."""
    # Old records have their own thresholds: their shares of unused gates cannot be compared.
    one_threshold = math.isclose(stored["unused_threshold"], new["unused_threshold"])
    skipped = CLOCKS if one_threshold else (*CLOCKS, "unused_share")
    theirs, ours = (read_history(path / "history.csv", skipped) for path in (stored_directory, new_directory))
    same_weights = stored["files"]["weights.safetensors"] == new["files"]["weights.safetensors"]
    difference = first_difference(theirs, ours)
    if same_weights and difference is None and _same_gates(stored_directory, new_directory):
        details = "history, gates and weights are the same bytes"
        if not one_threshold:
            details += f", unused shares aside: the stored are above {stored['unused_threshold']:.4g} nats"
        return Comparison(stored["run_id"], BIT_EXACT, details)
    where = difference or "weights differ, history does not"
    loss = early_loss_difference(theirs, ours)
    accuracy = abs(stored["final"]["test_accuracy_discrete"] - new["final"]["test_accuracy_discrete"])
    within = loss <= EARLY_LOSS and accuracy <= FINAL_ACCURACY
    details = (
        f"{where}; loss of the first {EARLY_ITERATIONS} iterations within {loss:.2g} (allowed: {EARLY_LOSS:g}), "
        f"final discrete test accuracy within {100 * accuracy:.2g} points (allowed: {100 * FINAL_ACCURACY:g})"
    )
    return Comparison(stored["run_id"], WITHIN_TOLERANCE if within else DIFFERENT, details)


def read_history(path: Path, skipped: tuple[str, ...] = CLOCKS) -> list[dict[str, str]]:
    """The rows of a history.csv as text, without columns whose names begin with one of `skipped`."""
    with open(path, newline="", encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if not k.startswith(skipped)} for row in csv.DictReader(file)]


def first_difference(theirs: list[dict[str, str]], ours: list[dict[str, str]]) -> str | None:
    """The first difference of two histories, in words; None if they are the same text."""
    for stored, new in zip(theirs, ours, strict=False):
        for column in stored:
            if stored[column] != new.get(column):
                return f"at iteration {stored['iteration']} {column} is {new.get(column)}, stored {stored[column]}"
    return None if len(theirs) == len(ours) else f"{len(ours)} rows of history, stored {len(theirs)}"


def early_loss_difference(theirs: list[dict[str, str]], ours: list[dict[str, str]]) -> float:
    """Largest relative difference of the losses in the first iterations; infinite if there is nothing to compare."""
    differences = [
        abs(float(new["loss"]) - float(stored["loss"])) / abs(float(stored["loss"]))
        for stored, new in zip(theirs, ours, strict=False)
        if stored["loss"] and new["loss"] and int(stored["iteration"]) <= EARLY_ITERATIONS
    ]
    return max(differences, default=math.inf)


def _same_gates(*directories: Path) -> bool:
    first, second = (np.load(path / "gates.npz", allow_pickle=False) for path in directories)
    with first, second:
        return all(np.array_equal(first[name], second[name]) for name in first.files)
