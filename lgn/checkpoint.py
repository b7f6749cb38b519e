"""What a run leaves on disk while it trains: one file with everything that its continuation needs.

safetensors, never pickle. All of it is in one file with one digest, so that its parts cannot disagree.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from lgn.errors import LgnError
from lgn.storage import write_bytes

CHECKPOINT = "checkpoint.safetensors"
SNAPSHOT = "snapshot_"
"""Begins the name of a snapshot's tensor; the iteration ends it."""
STATE, DIGEST = "state", "sha256"
ANEW = "remove it to start this run anew"


def write_checkpoint(
    directory: Path, state: dict, tensors: dict[str, torch.Tensor], name: str = CHECKPOINT
) -> None:
    """state: JSON, NaN allowed; tensors: on any device. Raises LgnError as write_bytes does."""
    text = json.dumps(state).encode()
    everything = contiguous(tensors) | {STATE: torch.from_numpy(np.frombuffer(text, np.uint8).copy())}
    write_bytes(directory / name, save(everything, metadata={DIGEST: _digest(everything)}))


def read_checkpoint(directory: Path, name: str = CHECKPOINT) -> tuple[dict, dict[str, torch.Tensor]] | None:
    """(state, tensors) of an interrupted run; None without one. Raises LgnError where one bit is not as written."""
    path = directory / name
    if not path.exists():
        return None
    tensors, metadata = read_tensors(path, ANEW)
    if STATE not in tensors or metadata.get(DIGEST) != _digest(tensors):
        raise LgnError(f"{path}: is damaged, its digest is not that of its content; {ANEW}")
    return json.loads(tensors.pop(STATE).numpy().tobytes()), tensors


def read_tensors(path: Path, advice: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file. Raises LgnError, ending in the advice, where it cannot be read."""
    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise LgnError(f"{path}: cannot be read as safetensors ({reason}); {advice}") from None


def contiguous(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors as safetensors takes them: on the CPU, each in memory of its own."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(np.ascontiguousarray(tensor.numpy()).reshape(-1).view(np.uint8))
    return digest.hexdigest()
