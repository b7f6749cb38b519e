"""Engines of networks that take every step together on one GPU, for threads that each train one of them.

A small network leaves most of a GPU idle and a launch costs as much for ten networks as for one.
"""

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import torch

from lgn.arrays import as_batch
from lgn.errors import LgnError
from lgn.kernels.gpu.gang import TritonGang
from lgn.methods import OptimizerSettings
from lgn.network import LogicNetwork


def gang_engines(
    networks: list[LogicNetwork], thresholds: np.ndarray, optimizer: OptimizerSettings, device: str
) -> list["GangEngine"]:
    """An engine for each of these networks, which differ in their seeds only."""
    meeting = _Meeting(TritonGang(networks, thresholds, optimizer, device))
    return [GangEngine(meeting, member, network, device) for member, network in enumerate(networks)]


class GangEngine:
    """An Engine whose step() returns when all that have not left have called theirs."""

    name = "triton"

    def __init__(self, meeting: "_Meeting", member: int, network: LogicNetwork, device: str):
        self._meeting, self._member = meeting, member
        self.network, self.optimizer, self.device = network, meeting.gang.optimizer, device
        self.together, self.waited = len(meeting.gang.networks), 0.0

    def step(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        gang, arrived = self._meeting.gang, time.perf_counter()
        pixels, labels = as_batch(pixels, labels, gang.pixels, gang.classes)
        self._meeting.step(self._member, pixels, labels)
        self.waited += max(0.0, self._meeting.begun - arrived)

    def take_losses(self) -> tuple[float, int]:
        return self._meeting.take_losses(self._member)

    def scores(self, pixels: np.ndarray, mode: str, draw: int = 0) -> np.ndarray:
        with self._meeting.turn:
            return self._meeting.gang.scores(pixels, mode, draw, self._member)

    def synchronize(self) -> None:
        """The clock of a member runs until the gang's work is done."""
        with self._meeting.turn:
            self._meeting.gang.synchronize()

    def optimizer_state(self) -> dict[str, torch.Tensor]:
        with self._meeting.turn:
            return self._meeting.gang.optimizer_state(self._member)

    def load_optimizer_state(self, moments: dict[str, torch.Tensor]) -> None:
        with self._meeting.turn:
            self._meeting.gang.load_optimizer_state(moments, self._member)

    def squared_gradients(self) -> Iterator[torch.Tensor]:
        with self._meeting.turn:
            return iter([x.clone() for x in self._meeting.gang.squared_gradients(self._member)])

    def leave(self) -> None:
        """Ends this network's training: it keeps its logits, on the CPU, and the others go on without it."""
        self._meeting.leave(self._member)

    def stop_all(self, reason: BaseException) -> None:
        """Ends the training of all: their next step() raises."""
        self._meeting.stop(reason)


class _Meeting:
    """Where the threads wait for each other; `turn` guards the gang and all that is kept here."""

    def __init__(self, gang: TritonGang):
        self.gang, self.turn = gang, threading.Condition()
        members = range(len(gang.networks))
        self.present, self.arrived = set(members), set()
        self.batches: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.steps = 0
        self.begun = 0.0  # When the latest step began, by the clock of time.perf_counter().
        self.failure: BaseException | None = None
        self.loss_sums, self.loss_counts = np.zeros(len(members)), np.zeros(len(members), int)

    def step(self, member: int, pixels: np.ndarray, labels: np.ndarray) -> None:
        with self.turn:
            self.batches[member] = pixels, labels
            self.arrived.add(member)
            before = self.steps
            self._step_if_all_are_here()
            self.turn.wait_for(lambda: self.steps > before or self.failure)
            if self.failure:
                reason = str(self.failure) or type(self.failure).__name__
                raise LgnError(f"seeds that train together were stopped: {reason}") from self.failure

    def leave(self, member: int) -> None:
        with self.turn:
            if member not in self.present:
                return
            network = self.gang.networks[member]
            for logits in network.logits:
                logits.data = logits.data.cpu().clone()
            # Its place in the gang steps on, with its last batch, where nobody looks.
            self.gang.networks[member] = SimpleNamespace(
                iteration=network.iteration.clone(),
                noise_seed=network.noise_seed,
                estimator=network.estimator,
            )
            self.present.discard(member)
            self._step_if_all_are_here()

    def stop(self, reason: BaseException) -> None:
        with self.turn:
            self.failure = reason
            self.turn.notify_all()

    def take_losses(self, member: int) -> tuple[float, int]:
        with self.turn:
            sums, count = self.gang.take_losses()
            self.loss_sums += sums
            self.loss_counts += count
            taken = float(self.loss_sums[member]), int(self.loss_counts[member])
            self.loss_sums[member], self.loss_counts[member] = 0.0, 0
            return taken

    def _step_if_all_are_here(self) -> None:
        if not self.present or self.failure or not self.arrived >= self.present:
            return
        anyone = self.batches[next(iter(self.present))]
        batches = [self.batches.get(member, anyone) for member in range(len(self.gang.networks))]
        self.begun = time.perf_counter()
        try:
            self.gang.step(*(np.stack(parts) for parts in zip(*batches, strict=True)))
        except BaseException as error:
            self.failure = error
        self.arrived.clear()
        self.steps += 1
        self.turn.notify_all()
