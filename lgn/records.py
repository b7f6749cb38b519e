"""Files of a run: a checkpoint while it trains, and its record when it has ended.

checkpoint.safetensors holds everything that a continuation needs, in one file with one digest. A record is
history.csv, gates.npz, weights.safetensors, on request snapshots.safetensors with logits of earlier iterations, and
run.json with the other files' digests. run.json is written last: a record that has run.json is complete. No file is a
pickle.
"""

import csv
import hashlib
import io
import json
import math
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from lgn.errors import LgnError
from lgn.files import sha256, write_bytes, write_json

CHECKPOINT = "checkpoint.safetensors"
STATE, DIGEST = "state", "sha256"
ANEW = "remove it to start this run anew"

SNAPSHOTS = "snapshots.safetensors"


def write_checkpoint(
    directory: Path, state: dict, tensors: dict[str, torch.Tensor], name: str = CHECKPOINT
) -> None:
    """state: JSON, NaN allowed; tensors: on any device. Raises LgnError as write_bytes does."""
    text = json.dumps(state).encode()
    everything = _contiguous(tensors) | {STATE: torch.from_numpy(np.frombuffer(text, np.uint8).copy())}
    write_bytes(directory / name, save(everything, metadata={DIGEST: _digest(everything)}))


def read_checkpoint(directory: Path, name: str = CHECKPOINT) -> tuple[dict, dict[str, torch.Tensor]] | None:
    """(state, tensors) of an interrupted run; None without a checkpoint. Raises LgnError if any bit has changed."""
    path = directory / name
    if not path.exists():
        return None
    tensors, metadata = _read_tensors(path, ANEW)
    if STATE not in tensors or metadata.get(DIGEST) != _digest(tensors):
        raise LgnError(f"{path}: is damaged, its digest does not match its content; {ANEW}")
    return json.loads(tensors.pop(STATE).numpy().tobytes()), tensors


def write_record(
    directory: Path,
    record: dict,
    history: list[dict[str, float]],
    gates: dict,
    weights: dict[str, torch.Tensor],
    snapshots: dict[int, torch.Tensor],
) -> None:
    """Writes a finished run and removes its checkpoint. gates: arrays of gates.npz; weights: the network's state_dict.

    snapshots: iteration -> logits (depth, width, 16) float32. run.json is `record` and the digests of the other files.
    Raises LgnError if a file cannot be written.
    """
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **gates)
    files = {
        "weights.safetensors": save(_contiguous(weights)),
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
    """run.json of a finished run. Raises LgnError naming the file if it is missing or not a record."""
    path = Path(directory) / "run.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record["settings"], dict):
            raise KeyError("settings")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LgnError(f"{path}: not a run record ({type(error).__name__}: {error})") from None
    return record


def read_weights(directory: Path) -> dict[str, torch.Tensor]:
    """A finished run's state_dict. Raises LgnError naming the file if its digest is not the one in run.json."""
    return _checked_tensors(Path(directory) / "weights.safetensors")


def read_snapshots(directory: Path) -> dict[int, torch.Tensor]:
    """Snapshots, iteration -> logits (depth, width, 16) float32, in order; empty if the run stored none.

    Raises LgnError as read_weights does.
    """
    if SNAPSHOTS not in read_run(directory).get("files", {}):
        return {}
    tensors = _checked_tensors(Path(directory) / SNAPSHOTS)
    return {iteration: tensors[str(iteration)] for iteration in sorted(map(int, tensors))}


def _read_tensors(path: Path, advice: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file. Raises LgnError, which ends in the advice, if it cannot be read."""
    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise LgnError(f"{path}: cannot be read as safetensors ({reason}); {advice}") from None


def _contiguous(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors as safetensors needs them: on the CPU, each contiguous."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(np.ascontiguousarray(tensor.numpy()).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _checked_tensors(path: Path) -> dict[str, torch.Tensor]:
    tensors, _ = _read_tensors(path, "train the run again")
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
    """A cell of the CSV file: seven significant digits, integers in full, empty for NaN."""
    if isinstance(value, int | np.integer):
        return str(value)
    return "" if math.isnan(value) else f"{value:.7g}"
