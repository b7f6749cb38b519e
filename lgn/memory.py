"""Memory estimates. A network that does not fit is refused before anything is allocated, with the estimate."""

from lgn.data.files import dataset_info
from lgn.errors import LgnError
from lgn.machine import available_bytes
from lgn.run import Run

BASE_BYTES = 1000 * 2**20
"""Python with torch and Numba, and the largest data set."""

EVALUATION_IMAGES = 512
"""Images per evaluation block of the torch backend."""

GATE_BYTES = {"torch": 1000, "numba": 1150, "triton": 1200}
"""Main memory per gate: logits, Adam's moments, wiring and its transpose, and a checkpoint while it is written."""

SNAPSHOT_GATE_BYTES = 3 * 64
"""Bytes per gate and snapshot: its logits, stored once, and twice more while they are written."""


def needed_bytes(runs: list[Run], backend: str, device: str, snapshots: int = 0) -> int:
    """An upper estimate of the main memory for training these runs at once, each with this number of snapshots."""
    return BASE_BYTES + sum(_network_bytes(run, backend, device, snapshots) for run in runs)


def _network_bytes(run: Run, backend: str, device: str, snapshots: int) -> int:
    lanes = -(-run.batch_size // 64) * 64
    read = 2 * run.candidates if run.candidates > 1 else 0
    total = (
        run.depth * run.width * (GATE_BYTES[backend] * (16 + read) // 16 + SNAPSHOT_GATE_BYTES * snapshots)
    )
    if device == "cpu":
        # Activations of every layer and gradients of two. Autograd keeps all of a layer's values, in evaluation too.
        row = lanes // 8 if run.straight_through and backend != "torch" else 4 * lanes
        if backend == "torch":
            total += (8 + read) * run.width * (run.depth * row + 4 * EVALUATION_IMAGES)
        else:
            total += run.width * (run.depth * row + 2 * 4 * lanes)
    return total


def require_memory(runs: list[Run], backend: str, device: str, snapshots: int = 0) -> None:
    """Raises LgnError, with the estimate, if training these runs at once would not fit."""
    _require(runs, needed_bytes(runs, backend, device, snapshots), available_bytes(), "memory")
    if device.startswith("cuda") and backend == "triton":
        import torch

        from lgn.kernels.gpu.memory import evaluation_bytes, training_bytes

        # torch keeps the memory of this process's earlier runs, and does not count it as free.
        torch.cuda.empty_cache()
        run, info = runs[0], dataset_info(runs[0].dataset)
        inputs = info.inputs(run.thresholds)
        pixels = inputs if info.bits else info.pixels  # A table is encoded before the first step.
        shape = dict(depth=run.depth, width=run.width, inputs=inputs, classes=info.classes)
        needed = evaluation_bytes(**shape) + training_bytes(
            **shape, pixels=pixels, batch=run.batch_size, straight_through=run.straight_through,
            replicas=len(runs), estimator=run.estimator,
        )  # fmt: skip
        _require(runs, needed, torch.cuda.mem_get_info(device)[0], f"memory of {device}")


def _require(runs: list[Run], needed: int, available: int, what: str) -> None:
    if needed > available:
        run = runs[0]
        several = f" ({len(runs)} of them at once)" if len(runs) > 1 else ""
        raise LgnError(
            f"width: {run.width} at depth {run.depth}{several} needs about {needed / 2**30:.1f} GiB of {what}; "
            f"allowed: the {available / 2**30:.1f} GiB that are free"
        )
