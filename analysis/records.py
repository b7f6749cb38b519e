"""Reads one run's record, in the format of lgn.records, and checks that it is whole."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lgn import RECORD_VERSION
from lgn.errors import LgnError
from lgn.files import sha256
from lgn.methods import MODES
from lgn.run import parse_run

RUN_FIELDS: dict[str, type | tuple[type, ...]] = {
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
    "files": dict,
}
FILES = ("history.csv", "gates.npz")
"""What the analysis reads beside run.json."""

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
GRADIENT_COLUMNS = ("gradient_rms", "below_epsilon_share")
"""Of every layer too, but empty where Adam has taken no step, and absent from records older than these columns."""
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
    for name in FILES:
        check_digest(directory / name, run["files"].get(name))
    history = read_history(directory / "history.csv", run["settings"]["depth"], run["status"] == "diverged")
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
    parsed = parse_run(run["settings"], f"{path}: settings")
    if run["run_id"] != parsed.run_id:
        raise LgnError(
            f"{path}: run_id: {run['run_id']!r}; allowed: {parsed.run_id!r}, the name of its settings"
        )
    run["settings"] = parsed.model_dump()  # With the defaults of settings that are younger than the record.
    if run["run_id"] != path.parent.name:
        raise LgnError(f"{path}: run_id: {run['run_id']!r}; allowed: {path.parent.name!r}, the folder's name")
    return run


def check_digest(path: Path, digest: str | None) -> None:
    """Raises LgnError where a file is not the one that was stored with its run.json."""
    try:
        found = sha256(path.read_bytes())
    except OSError as error:
        raise LgnError(f"{path}: cannot be read ({error.strerror})") from None
    if found != digest:
        raise LgnError(
            f"{path}: has sha256 {found}; allowed: {digest}, that of the file run.json was stored with"
        )


def read_history(path: Path, depth: int, diverged: bool = False) -> pd.DataFrame:
    """A checked history.csv of a net of `depth` layers. Raises LgnError naming the file and column.

    diverged: its last row's logits may be NaN, and have no entropies then.
    """
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
    gradient = [layer_column(name, layer) for name in GRADIENT_COLUMNS for layer in layers(depth)]
    history = history.reindex(columns=[*needed, *gradient])
    needed = [*needed, *gradient]
    text = [name for name, kind in history.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    if text:
        raise LgnError(f"{path}: column {text[0]}: holds text; allowed: numbers")
    empty = np.isnan(history.to_numpy(float)) & ~np.isin(needed, (*_OFTEN_EMPTY, *gradient))
    entropies = np.array([name.startswith(("entropy_", "unused_share")) for name in needed])
    if history[["entropy_q50"]].isna().all(axis=None):
        empty[:, entropies] = False  # Of a method that has no probabilities of gates.
    if diverged:
        empty[-1] &= ~entropies
    if empty.any():
        column = int(empty.any(0).argmax())
        raise LgnError(
            f"{path}: line {int(empty[:, column].argmax()) + 2}: {needed[column]}: is empty; "
            "allowed: a number (is the file cut short?)"
        )
    if not history["iteration"].is_monotonic_increasing or history["iteration"].duplicated().any():
        raise LgnError(
            f"{path}: column iteration: does not increase; allowed: one row an evaluation, in order"
        )
    return history


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
