"""The state of a training: its clocks, and everything that a checkpoint stores."""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from lgn.errors import LgnError
from lgn.kernels import Engine
from lgn.records import ANEW, CHECKPOINT, read_checkpoint, write_checkpoint

CHECKPOINT_SECONDS, CHECKPOINT_SHARE = 30.0, 0.01
"""The shortest time between checkpoints, and the largest share of the time that writing them may take."""

SNAPSHOT = "snapshot_"
"""Prefix of a snapshot's tensor in a checkpoint; the iteration follows."""


class Clock:
    """Training seconds, without evaluations and waits for batched seeds, and elapsed seconds of everything.

    Both continue from a checkpoint's values. The clock is monotonic.
    """

    def __init__(self, engine: Engine):
        self.engine, self.training_seconds, self.elapsed_before = engine, 0.0, 0.0
        self.started = time.perf_counter()
        self.checkpoint_due = self.started + CHECKPOINT_SECONDS

    def start(self) -> None:
        """Training continues from now."""
        self._zero = self._now() - self.training_seconds

    def tick(self) -> None:
        """Counts the training until now."""
        self.training_seconds = self._now() - self._zero

    def _now(self) -> float:
        return time.perf_counter() - self.engine.barrier_seconds

    def elapsed(self) -> float:
        return self.elapsed_before + time.perf_counter() - self.started

    def checkpoint_is_due(self) -> bool:
        return time.perf_counter() > self.checkpoint_due

    def checkpoint_took(self, begun: float) -> None:
        """A checkpoint was begun at `begun` and is written now."""
        now = time.perf_counter()
        self.checkpoint_due = now + max(CHECKPOINT_SECONDS, (now - begun) / CHECKPOINT_SHARE)


@dataclass
class State:
    """Everything that the next iteration depends on. Noise and image order are functions of the iteration.

    gates: (depth, width) uint8 at the last row of history. snapshots: iteration -> logits (depth, width, 16) float32.
    history: one row per evaluated iteration. continued_from: shorter runs that this run continues, and where they
    ended. fingerprint: must equal a checkpoint's.
    """

    engine: Engine
    directory: Path
    fingerprint: dict
    gates: np.ndarray
    history: list[dict[str, float]] = field(default_factory=list)
    snapshots: dict[int, torch.Tensor] = field(default_factory=dict)
    continued_from: list[dict] = field(default_factory=list)
    loss_sum: float = 0.0
    loss_count: int = 0

    def __post_init__(self):
        self.clock = Clock(self.engine)

    @property
    def last_row_at(self) -> int:
        """The iteration of the history's last row, -1 before the first."""
        return int(self.history[-1]["iteration"]) if self.history else -1

    def mean_loss(self) -> float:
        """Mean loss of the steps since the last call; NaN if there were none."""
        self._take_losses()
        mean = self.loss_sum / self.loss_count if self.loss_count else math.nan
        self.loss_sum, self.loss_count = 0.0, 0
        return mean

    def resume(self) -> None:
        """Loads the checkpoint in the run's directory, if there is one. Raises LgnError if another run made it."""
        found = read_checkpoint(self.directory)
        if found is None:
            return
        state, tensors = found
        if state["fingerprint"] != self.fingerprint:
            raise LgnError(
                f"{self.directory / CHECKPOINT}: was made by {state['fingerprint']}, "
                f"this run is {self.fingerprint}; {ANEW}"
            )
        self.history, self.continued_from = state["history"], state.get("continued_from", [])
        self.clock.training_seconds = state["training_seconds"]
        self.clock.elapsed_before = state["elapsed_seconds"]
        self.loss_sum, self.loss_count = state["loss_sum"], state["loss_count"]
        self.gates = tensors.pop("gates").numpy()
        for name in [name for name in tensors if name.startswith(SNAPSHOT)]:
            self.snapshots[int(name.removeprefix(SNAPSHOT))] = tensors.pop(name)
        network = self.engine.network
        optimizer = {name: tensors.pop(name) for name in tensors.keys() - network.state_dict().keys()}
        network.load_state_dict(tensors)
        self.engine.load_optimizer_state(optimizer)

    def checkpoint(self) -> None:
        """Stores the state, so that the same call can continue from it."""
        begun = time.perf_counter()
        self.store(CHECKPOINT)
        self.clock.checkpoint_took(begun)

    def store(self, name: str) -> None:
        """Writes the state into a file of that name in the run's directory."""
        self._take_losses()
        state = {
            "fingerprint": self.fingerprint,
            "history": self.history,
            "continued_from": self.continued_from,
            "training_seconds": self.clock.training_seconds,
            "elapsed_seconds": self.clock.elapsed(),
            "loss_sum": self.loss_sum,
            "loss_count": self.loss_count,
        }
        tensors = self.engine.network.state_dict() | self.engine.optimizer_state()
        tensors |= {f"{SNAPSHOT}{iteration}": logits for iteration, logits in self.snapshots.items()}
        tensors["gates"] = torch.from_numpy(self.gates)
        write_checkpoint(self.directory, state, tensors, name)

    def _take_losses(self) -> None:
        total, count = self.engine.take_losses()
        self.loss_sum, self.loss_count = self.loss_sum + total, self.loss_count + count
