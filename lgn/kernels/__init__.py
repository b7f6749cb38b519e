"""Backends train and evaluate the same LogicNetwork. The device selects one by default.

Each backend is a class with the Engine's methods. A seed gives the same wiring, logits, noise and batches in all.
"""

import importlib.util
import os
import sys
from collections.abc import Iterator
from functools import cache
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from lgn.errors import LgnError
from lgn.kernels.abilities import FUSED, inability, is_fused
from lgn.kernels.frozen import Frozen
from lgn.methods import Estimator, OptimizerSettings
from lgn.network import LogicNetwork

BACKENDS = ("auto", "torch", "numba", "triton")

LOSS_UNIT = 2.0**-28
"""Losses are summed as multiples of this, exactly up to 2**25, so a checkpoint in between does not change the sum."""


class Engine(Protocol):
    """Owns the optimiser of one network. The network's parameters are always current.

    together: number of batched networks. barrier_seconds: time that step() has waited for the other networks.
    """

    network: LogicNetwork
    name: str
    device: str
    optimizer: OptimizerSettings
    together: int
    barrier_seconds: float

    def step(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        """One training step on (batch, pixels) uint8 and (batch,) int64; advances network.iteration."""

    def take_losses(self) -> tuple[float, int]:
        """Sum and number of the training losses of the steps since the last call."""

    def scores(self, pixels: np.ndarray, mode: str, draw: int = 0) -> np.ndarray:
        """(n, classes) float32 scores in one of methods.MODES; changes nothing."""

    def synchronize(self) -> None:
        """Returns when the device has finished all work."""

    def optimizer_state(self) -> dict[str, torch.Tensor]:
        """Adam's moments: adam_m.{layer} and adam_v.{layer}, (width, 16) float32; empty for SGD.

        They are moments of gradients times optimizer.gradient_scale. Another optimizer gives every tensor that it
        keeps. No name occurs in the network's state_dict.
        """

    def load_optimizer_state(self, moments: dict[str, torch.Tensor]) -> None:
        """Restores what optimizer_state returned; the step count is network.iteration."""

    def squared_gradients(self) -> Iterator[torch.Tensor]:
        """Adam's second moment of each layer (width, 16), of gradients times optimizer.gradient_scale."""


class KernelPasses(Protocol):
    """What kernels.unfused needs of kernels: forward and backward pass, and scores."""

    network: LogicNetwork
    name: str
    device: str
    frozen: Frozen

    def scores(self, pixels: np.ndarray, mode: str, draw: int = 0) -> np.ndarray:
        """As Engine.scores."""

    def synchronize(self) -> None:
        """As Engine.synchronize."""

    def forward(self, pixels: np.ndarray | torch.Tensor, step: int) -> torch.Tensor:
        """(batch, classes) float32 scores in train_mode, with the noise of a step; advances nothing."""

    def backward(self, gradient: torch.Tensor) -> list[torch.Tensor]:
        """Each layer's float32 gradient of its parameters, from the gradient of the latest forward's scores."""


@runtime_checkable
class KernelEngine(Engine, KernelPasses, Protocol):
    """An engine with its own kernels, whose forward and backward pass other code may call (kernels.module)."""


def make_engine(
    network: LogicNetwork,
    thresholds: np.ndarray,
    optimizer: OptimizerSettings,
    backend: str = "auto",
    device: str = "auto",
    threads: int = 1,
) -> Engine:
    """The engine for this network. threads: for the numba backend; torch has its own setting.

    Raises LgnError for a backend or device that cannot run here, and for settings that the backend does not compute.
    """
    backend, device = resolve(backend, device, network.estimator, optimizer)
    if backend == "torch":
        from lgn.kernels.reference import ReferenceEngine

        return ReferenceEngine(network, thresholds, optimizer, device)
    fused = optimizer if optimizer.name in FUSED else OptimizerSettings(optimizer.learning_rate)
    if not is_fused(network.estimator):
        from lgn.kernels.methods import MethodPasses, passes_of
        from lgn.kernels.unfused import Unfused

        return Unfused(MethodPasses(passes_of(network, thresholds, backend, device, threads)), optimizer)
    if backend == "numba":
        from lgn.kernels.cpu.engine import NumbaEngine

        engine = NumbaEngine(network, thresholds, fused, threads)
    else:
        from lgn.kernels.gpu.engine import TritonEngine

        engine = TritonEngine(network, thresholds, fused, device)
    if fused is optimizer:
        return engine
    from lgn.kernels.unfused import Unfused

    return Unfused(engine, optimizer)


def resolve(
    backend: str,
    device: str,
    estimator: Estimator | None = None,
    optimizer: OptimizerSettings | None = None,
) -> tuple[str, str]:
    """Resolves "auto" to a backend and a device on this machine, for these settings.

    If the kernels do not compute the settings, "auto" is torch, and standard error says so once. Raises LgnError for a
    backend or device that cannot run here, and for settings that the backend does not compute.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise LgnError(f"device: {device} was asked for, but torch sees no GPU here; allowed: cpu")
    if (torch.device(device).index or 0) >= max(1, torch.cuda.device_count()):
        last = torch.cuda.device_count() - 1
        raise LgnError(f"device: {device} is not there; allowed: cpu, cuda:0 to cuda:{last}")
    if backend == "auto":
        backend = "numba" if device == "cpu" else "triton" if _triton_is_here() else "torch"
        if reason := _refusal(backend, estimator, optimizer):
            if backend != "torch" and not _refusal("torch", estimator, optimizer):
                _say(f"lgn: {reason}; backend auto takes torch instead")
            backend = "torch"
    if backend not in BACKENDS:
        raise LgnError(f"backend: {backend!r} is unknown; allowed: {', '.join(BACKENDS)}")
    if backend == "numba" and device != "cpu":
        raise LgnError(
            f"backend: numba runs on the cpu, not on device {device}; allowed there: torch, triton"
        )
    if backend == "triton" and not _triton_is_here():
        raise LgnError("backend: triton is not installed here; allowed: torch, numba")
    if backend == "triton" and device == "cpu" and os.environ.get("TRITON_INTERPRET") != "1":
        raise LgnError(
            "backend: triton needs a GPU, or TRITON_INTERPRET=1 to try it slowly without; allowed: torch, numba"
        )
    if reason := _refusal(backend, estimator, optimizer):
        raise LgnError(reason)
    return backend, device


def _refusal(backend: str, estimator: Estimator | None, optimizer: OptimizerSettings | None) -> str | None:
    """Why a backend cannot compute these settings, and what is allowed, in one line; None if it can."""
    if backend == "numba":
        from numba import config

        if config.DISABLE_JIT:
            return "backend: numba with NUMBA_DISABLE_JIT=1; allowed: to leave it unset, or backend torch"
    return inability(backend, estimator, optimizer)


@cache
def _say(line: str) -> None:
    """Prints a line on standard error, once a process."""
    print(line, file=sys.stderr, flush=True)


def _triton_is_here() -> bool:
    return importlib.util.find_spec("triton") is not None
