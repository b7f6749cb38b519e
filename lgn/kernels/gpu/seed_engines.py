"""One engine per seed for networks that are batched on one GPU: each thread trains one, and all step together."""

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import torch

from lgn.arrays import as_batch
from lgn.errors import LgnError
from lgn.kernels.gpu.batched import BatchedSeeds
from lgn.methods import OptimizerSettings
from lgn.network import LogicNetwork


def seed_engines(
    networks: list[LogicNetwork], thresholds: np.ndarray, optimizer: OptimizerSettings, device: str
) -> list["SeedEngine"]:
    """One engine per network. The networks differ in their seeds only."""
    barrier = _Barrier(BatchedSeeds(networks, thresholds, optimizer, device))
    return [SeedEngine(barrier, replica, network, device) for replica, network in enumerate(networks)]


class SeedEngine:
    """An Engine whose step() returns when every engine that has not left has called its own."""

    name = "triton"

    def __init__(self, barrier: "_Barrier", replica: int, network: LogicNetwork, device: str):
        self._barrier, self._replica = barrier, replica
        self.network, self.optimizer, self.device = network, barrier.batched.optimizer, device
        self.together, self.barrier_seconds = len(barrier.batched.networks), 0.0

    def step(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        batched, arrived = self._barrier.batched, time.perf_counter()
        pixels, labels = as_batch(pixels, labels, batched.pixels, batched.classes)
        self._barrier.step(self._replica, pixels, labels)
        self.barrier_seconds += max(0.0, self._barrier.begun - arrived)

    def take_losses(self) -> tuple[float, int]:
        return self._barrier.take_losses(self._replica)

    def scores(self, pixels: np.ndarray, mode: str, draw: int = 0) -> np.ndarray:
        with self._barrier.turn:
            return self._barrier.batched.scores(pixels, mode, draw, self._replica)

    def synchronize(self) -> None:
        """Waits for all networks' work, so a network's clock includes it."""
        with self._barrier.turn:
            self._barrier.batched.synchronize()

    def optimizer_state(self) -> dict[str, torch.Tensor]:
        with self._barrier.turn:
            return self._barrier.batched.optimizer_state(self._replica)

    def load_optimizer_state(self, moments: dict[str, torch.Tensor]) -> None:
        with self._barrier.turn:
            self._barrier.batched.load_optimizer_state(moments, self._replica)

    def squared_gradients(self) -> Iterator[torch.Tensor]:
        with self._barrier.turn:
            return iter([x.clone() for x in self._barrier.batched.squared_gradients(self._replica)])

    def leave(self) -> None:
        """Ends this network's training. Its logits move to the CPU; the other networks train on."""
        self._barrier.leave(self._replica)

    def stop_all(self, reason: BaseException) -> None:
        """Ends the training of all networks: their next step() raises LgnError."""
        self._barrier.stop(reason)


class _Barrier:
    """Holds the threads back until all have a batch. `turn` guards the networks and every attribute."""

    def __init__(self, batched: BatchedSeeds):
        self.batched, self.turn = batched, threading.Condition()
        replicas = range(len(batched.networks))
        self.present, self.arrived = set(replicas), set()
        self.batches: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.steps = 0
        self.begun = 0.0  # time.perf_counter() at the start of the latest step.
        self.failure: BaseException | None = None
        self.loss_sums, self.loss_counts = np.zeros(len(replicas)), np.zeros(len(replicas), int)

    def step(self, replica: int, pixels: np.ndarray, labels: np.ndarray) -> None:
        with self.turn:
            self.batches[replica] = pixels, labels
            self.arrived.add(replica)
            before = self.steps
            self._step_if_complete()
            self.turn.wait_for(lambda: self.steps > before or self.failure)
            if self.failure:
                reason = str(self.failure) or type(self.failure).__name__
                raise LgnError(f"seeds that train together were stopped: {reason}") from self.failure

    def leave(self, replica: int) -> None:
        with self.turn:
            if replica not in self.present:
                return
            network = self.batched.networks[replica]
            for logits in network.logits:
                logits.data = logits.data.cpu().clone()
            # Its rows train on with its last batch; nothing reads them.
            self.batched.networks[replica] = SimpleNamespace(
                iteration=network.iteration.clone(),
                noise_seed=network.noise_seed,
                estimator=network.estimator,
            )
            self.present.discard(replica)
            self._step_if_complete()

    def stop(self, reason: BaseException) -> None:
        with self.turn:
            self.failure = reason
            self.turn.notify_all()

    def take_losses(self, replica: int) -> tuple[float, int]:
        with self.turn:
            sums, count = self.batched.take_losses()
            self.loss_sums += sums
            self.loss_counts += count
            taken = float(self.loss_sums[replica]), int(self.loss_counts[replica])
            self.loss_sums[replica], self.loss_counts[replica] = 0.0, 0
            return taken

    def _step_if_complete(self) -> None:
        if not self.present or self.failure or not self.arrived >= self.present:
            return
        anyone = self.batches[next(iter(self.present))]
        batches = [self.batches.get(replica, anyone) for replica in range(len(self.batched.networks))]
        self.begun = time.perf_counter()
        try:
            self.batched.step(*(np.stack(parts) for parts in zip(*batches, strict=True)))
        except BaseException as error:
            self.failure = error
        self.arrived.clear()
        self.steps += 1
        self.turn.notify_all()
