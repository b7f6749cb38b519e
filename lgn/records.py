"""A run's record on disk: run.json, history.csv, gates.npz, weights.safetensors; and its checkpoint while it trains.

Every file is written aside, synced and renamed, run.json last: a record that has run.json is whole.
"""

import csv
import io
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from lgn.errors import LgnError

CHECKPOINT = "checkpoint.safetensors"


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file so that a reader, or a crash, sees the old content or the new, never a part."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(aside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, content: dict) -> None:
    """A mapping as an indented JSON file; NaN becomes null."""
    write_bytes(path, (json.dumps(_json(content), indent=2, allow_nan=False) + "\n").encode())


def write_record(
    directory: Path,
    record: dict,
    history: list[dict[str, float]],
    gates: dict[str, np.ndarray],
    weights: dict[str, torch.Tensor],
) -> None:
    """Writes a finished run and removes its checkpoint. gates: arrays of gates.npz; weights: the network's state."""
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **gates)
    write_bytes(directory / "weights.safetensors", save(_contiguous(weights)))
    write_bytes(directory / "gates.npz", arrays.getvalue())
    write_bytes(directory / "history.csv", _csv(history))
    write_json(directory / "run.json", record)
    (directory / CHECKPOINT).unlink(missing_ok=True)


def read_run(directory: Path) -> dict:
    """run.json of a finished run. Raises LgnError naming the file where it is missing or not a record."""
    path = Path(directory) / "run.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record["settings"], dict):
            raise KeyError("settings")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LgnError(f"{path}: not a run record ({type(error).__name__}: {error})") from None
    return record


def read_weights(directory: Path) -> dict[str, torch.Tensor]:
    """The network's state of a finished run. Raises LgnError naming the file where it cannot be read."""
    return _read_tensors(Path(directory) / "weights.safetensors")[0]


def write_checkpoint(directory: Path, state: dict, tensors: dict[str, torch.Tensor]) -> None:
    """One file holds all: `state` is JSON in its header, so that numbers and tensors cannot disagree."""
    write_bytes(directory / CHECKPOINT, save(_contiguous(tensors), metadata={"state": json.dumps(state)}))


def read_checkpoint(directory: Path) -> tuple[dict, dict[str, torch.Tensor]] | None:
    """(state, tensors) of an interrupted run, None without one. Raises LgnError where the file is damaged."""
    path = directory / CHECKPOINT
    if not path.exists():
        return None
    tensors, metadata = _read_tensors(path)
    try:
        return json.loads(metadata["state"]), tensors
    except (KeyError, ValueError):
        raise LgnError(f"{path}: has no state in its header; remove it to start this run anew") from None


def _read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise LgnError(
            f"{path}: cannot be read as safetensors ({error}); remove it to start this run anew"
        ) from None


def _contiguous(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _csv(rows: list[dict[str, float]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([[_cell(value) for value in row.values()] for row in rows])
    return text.getvalue().encode()


def _cell(value: float) -> str:
    """Seven significant digits, enough for shares and seconds; integers whole; nothing for NaN."""
    if isinstance(value, int | np.integer):
        return str(value)
    return "" if math.isnan(value) else f"{value:.7g}"


def _json(value):
    """JSON without NaN: null says that there is no number."""
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_json(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
