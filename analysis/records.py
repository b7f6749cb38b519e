"""Reads one run's record, in the format of lgn.records, and checks that it is whole."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lgn.errors import LgnError
from lgn.methods import MODES
from lgn.versions import RECORD_VERSION

RUN_FIELDS = {
    "run_id": str,
    "method": str,
    "record_version": int,
    "training_semantics": int,
    "settings": dict,
    "environment": dict,
    "data_sha256": str,
    "inputs": int,
    "unused_threshold": (int, float),
    "status": str,
    "final": dict,
}
STATUSES = ("completed", "time_budget", "diverged")

HISTORY_COLUMNS = (
    "iteration",
    "training_seconds",
    "elapsed_seconds",
    "loss",
    *(f"{split}_accuracy_{mode}" for split in ("train", "validation", "test") for mode in MODES),
    "discretization_gap",
    "soft_discretization_gap",
    "entropy_q05",
    "entropy_q25",
    "entropy_q50",
    "entropy_q75",
    "entropy_q95",
    "unused_share",
    "gate_change_share",
)
LAYER_COLUMNS = ("entropy_q05", "entropy_q50", "entropy_q95", "unused_share")
_OFTEN_EMPTY = ("loss", "gate_change_share") + tuple(f"validation_accuracy_{mode}" for mode in MODES)
_GATE_ARRAYS = {"counts": 16, "entropies": None, "initial_entropies": None}


@dataclass(frozen=True)
class Record:
    """run: run.json. history: history.csv. gates: counts (depth, 16), entropies, initial_entropies (depth, width)."""

    path: Path
    run: dict
    history: pd.DataFrame
    gates: dict[str, np.ndarray]


def read_record(directory: Path) -> Record:
    """One whole record. Raises LgnError naming the file for anything missing, damaged or contradictory."""
    run = read_run_json(directory / "run.json")
    history = read_history(directory / "history.csv", run["settings"]["depth"])
    last = int(history["iteration"].iloc[-1])
    if last != run["final"].get("iteration"):
        raise LgnError(
            f"{directory / 'history.csv'}: ends at iteration {last}; "
            f"allowed: {run['final'].get('iteration')}, where run.json says the run ended"
        )
    gates = read_gates(directory / "gates.npz", run["settings"]["depth"], run["settings"]["width"])
    return Record(directory, run, history, gates)


def read_run_json(path: Path) -> dict:
    """A checked run.json. Raises LgnError naming the file and field."""
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LgnError(f"{path}: cannot be read as JSON ({_one_line(error)})") from None
    if not isinstance(run, dict):
        raise LgnError(f"{path}: holds {type(run).__name__}; allowed: a record as `lgn train` writes it")
    for field, kind in RUN_FIELDS.items():
        if not isinstance(run.get(field), kind):
            found = repr(run[field]) if field in run else "is missing"
            raise LgnError(f"{path}: {field}: {found}; allowed: a record as `lgn train` writes it")
    if run["record_version"] != RECORD_VERSION:
        raise LgnError(f"{path}: record_version: {run['record_version']}; allowed: {RECORD_VERSION}")
    if run["status"] not in STATUSES:
        raise LgnError(f"{path}: status: {run['status']!r}; allowed: {', '.join(STATUSES)}")
    for key in ("dataset", "depth", "width", "temperature", "seed", "iterations"):
        if key not in run["settings"]:
            raise LgnError(f"{path}: settings.{key}: is missing; allowed: every setting of the run")
    if run["run_id"] != path.parent.name:
        raise LgnError(f"{path}: run_id: {run['run_id']!r}; allowed: {path.parent.name!r}, the folder's name")
    return run


def read_history(path: Path, depth: int) -> pd.DataFrame:
    """A checked history.csv of a net of `depth` layers. Raises LgnError naming the file and column."""
    try:
        history = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise LgnError(f"{path}: cannot be read as CSV ({_one_line(error)})") from None
    needed = [
        *HISTORY_COLUMNS,
        *(layer_column(name, layer) for name in LAYER_COLUMNS for layer in layers(depth)),
    ]
    missing = [name for name in needed if name not in history]
    if missing:
        raise LgnError(
            f"{path}: column {missing[0]}: is missing; allowed: every column of a net of depth {depth}"
        )
    if history.empty:
        raise LgnError(f"{path}: has no rows; allowed: at least one evaluation")
    for name in needed:
        if not pd.api.types.is_numeric_dtype(history[name]):
            raise LgnError(f"{path}: column {name}: holds text; allowed: numbers")
        if name not in _OFTEN_EMPTY and history[name].isna().any():
            row = int(history[name].isna().to_numpy().argmax()) + 2
            raise LgnError(
                f"{path}: line {row}: {name}: is empty; allowed: a number (is the file cut short?)"
            )
    if not history["iteration"].is_monotonic_increasing or history["iteration"].duplicated().any():
        raise LgnError(
            f"{path}: column iteration: does not increase; allowed: one row an evaluation, in order"
        )
    return history[needed]


def read_gates(path: Path, depth: int, width: int) -> dict[str, np.ndarray]:
    """The arrays of gates.npz. Raises LgnError naming the file and array."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in _GATE_ARRAYS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise LgnError(f"{path}: cannot be read as gate counts and entropies ({_one_line(error)})") from None
    for name, columns in _GATE_ARRAYS.items():
        shape = (depth, columns or width)
        if arrays[name].shape != shape:
            raise LgnError(f"{path}: {name}: has shape {arrays[name].shape}; allowed: {shape}")
    return arrays


def layers(depth: int) -> range:
    """Layer numbers; layer 1 reads the inputs."""
    return range(1, depth + 1)


def layer_column(name: str, layer: int) -> str:
    """History column of a layer."""
    return f"{name}_layer{layer:02d}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
