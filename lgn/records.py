"""A finished run's record on disk: history.csv, gates.npz, weights.safetensors and, last, run.json with their digests.

Where snapshots were asked for, snapshots.safetensors holds the logits of earlier iterations.

A record that has run.json is whole.
"""

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from lgn.checkpoint import CHECKPOINT, contiguous, read_tensors
from lgn.errors import LgnError
from lgn.storage import sha256, write_bytes, write_json

SNAPSHOTS = "snapshots.safetensors"


def write_record(
    directory: Path,
    record: dict,
    history: list[dict[str, float]],
    gates: dict[str, np.ndarray],
    weights: dict[str, torch.Tensor],
    snapshots: dict[int, torch.Tensor],
) -> None:
    """Writes a finished run and removes its checkpoint. gates: arrays of gates.npz; weights: the network's state.

    snapshots: iteration -> logits (depth, width, 16) float32. run.json is `record` and the digests of the other files.
    Raises LgnError where a file cannot be written.
    """
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **gates)
    files = {
        "weights.safetensors": save(contiguous(weights)),
        "gates.npz": arrays.getvalue(),
        "history.csv": _csv(history),
    }
    if snapshots:
        files[SNAPSHOTS] = save({str(iteration): logits for iteration, logits in snapshots.items()})
    for name, content in files.items():
        write_bytes(directory / name, content)
    digests = {name: sha256(content) for name, content in sorted(files.items())}
    write_json(directory / "run.json", record | {"files": digests})
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
    """The network's state of a finished run. Raises LgnError naming the file where it is not what run.json says."""
    return _checked_tensors(Path(directory) / "weights.safetensors")


def read_snapshots(directory: Path) -> dict[int, torch.Tensor]:
    """iteration -> logits (depth, width, 16) float32 that a run stored before its end, in order; often none.

    Raises LgnError as read_weights does.
    """
    if SNAPSHOTS not in read_run(directory).get("files", {}):
        return {}
    tensors = _checked_tensors(Path(directory) / SNAPSHOTS)
    return {iteration: tensors[str(iteration)] for iteration in sorted(map(int, tensors))}


def _checked_tensors(path: Path) -> dict[str, torch.Tensor]:
    tensors, _ = read_tensors(path, "train the run again")
    expected = read_run(path.parent).get("files", {}).get(path.name)
    if sha256(path.read_bytes()) != expected:
        raise LgnError(f"{path}: is not the file that run.json was written with; train the run again")
    return tensors


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
