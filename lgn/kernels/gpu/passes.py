"""Forward and backward passes of a given state on a GPU: the fused step's launches without its softmax and Adam."""

import contextlib
from types import SimpleNamespace

import numpy as np
import torch

from lgn.arrays import Array, as_pixels, as_thresholds
from lgn.kernels.fanout import transposed_wiring
from lgn.kernels.frozen import Frozen
from lgn.kernels.gpu.launch import Launcher
from lgn.kernels.gpu.memory import (
    allocate,
    class_parts,
    evaluation_lanes,
    padded_lanes,
    pass_shapes,
    replica_wiring,
    step_shapes,
)
from lgn.methods import OptimizerSettings
from lgn.network import LogicNetwork


class TritonPasses:
    """kernels.cpu.passes.Passes with states, scores and gradients that are tensors on the device.

    Parameters of the network move there; its wiring and what its method keeps stay on the CPU. Nothing but scores_of
    waits for the device. Results are the same bits on every run.
    """

    name = "triton"

    def __init__(self, network: LogicNetwork, thresholds: np.ndarray, device: str):
        thresholds, self.frozen = as_thresholds(thresholds, network.inputs), Frozen(network)
        self.network, self.device, self.pixels = network, torch.device(device), thresholds.shape[1]
        for parameters in network.logits:
            parameters.data = parameters.data.to(self.device)
        first, second, bits, begins = replica_wiring([self.frozen.wiring])
        self.used, self.count = len(bits), 0
        read = [self._here(*transposed_wiring(*layer)) for layer in zip(first[1:], second[1:], strict=True)]
        placed = self._here(first, second, bits % self.pixels, thresholds.reshape(-1)[bits])
        names = ("first", "second", "places", "levels", "pointers", "entries", "other_inputs")
        memory = dict(zip(names, (*placed, *zip(*read, strict=True)), strict=False))
        self.launcher = Launcher(
            SimpleNamespace(**memory, logits=None), begins, network.estimator, network.depth, network.width,
            network.classes, self.pixels, network.group_temperature, OptimizerSettings(0.0),
        )  # fmt: skip
        # A tensor, because a GPU multiplies by the reciprocal of a number.
        self.divisor = torch.tensor(network.group_temperature, dtype=torch.float32, device=self.device)
        self.buffers: dict[tuple[int, bool], SimpleNamespace] = {}

    def own(self, tensor: torch.Tensor) -> torch.Tensor:
        """A copy that the kernels may read while the caller changes his."""
        return tensor.detach().to(self.device, copy=True).contiguous()

    def forward_of(self, state: torch.Tensor, pixels: Array) -> torch.Tensor:
        """(batch, classes) float32 scores of (batch, pixels) uint8; what backward_of takes is left in buffers."""
        pixels = as_pixels(pixels, self.pixels)
        self.count += 1
        key = padded_lanes(len(pixels)), state.dtype == torch.uint8
        if key not in self.buffers:
            network, lanes = self.network, key[0]
            step = step_shapes(network.depth, network.width, 1, network.classes, self.pixels, lanes)
            kept = {name: step[name] for name in ("gradients", "class_gradient")}
            self.buffers[key] = self._buffers(*key, network.depth, kept)
        return self._sums(self.buffers[key], state, pixels) / self.divisor

    def backward_of(self, state: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """(depth, width, 4) float32 gradient of c0..c3, for that of the latest forward_of's scores."""
        batch = len(gradient)
        buffers = self.buffers[padded_lanes(batch), state.dtype == torch.uint8]
        buffers.state = state
        buffers.class_gradient[:, :batch] = gradient.t() / self.divisor
        buffers.class_gradient[:, batch:] = 0
        found = torch.empty((*state.shape[:2], 4), device=self.device)
        with self._on_device():
            self.launcher.backward(buffers, found)
        return found

    def scores_of(self, state: torch.Tensor, pixels: Array) -> np.ndarray:
        """(n, classes) float32 scores of any number of images; disturbs no pending backward_of."""
        pixels, packed = as_pixels(pixels, self.pixels), state.dtype == torch.uint8
        scores = np.empty((len(pixels), self.network.classes), np.float32)
        if not len(pixels):
            return scores
        lanes = evaluation_lanes(self.network.width, packed, len(pixels))
        buffers = self._buffers(lanes, packed, 2)
        for start in range(0, len(pixels), lanes):
            block = pixels[start : start + lanes]
            scores[start : start + lanes] = self._sums(buffers, state, block).cpu().numpy()
        return scores / np.float32(self.network.group_temperature)

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _sums(self, buffers: SimpleNamespace, state: torch.Tensor, pixels: Array) -> torch.Tensor:
        """(batch, classes) class sums."""
        buffers.state = state.contiguous()
        buffers.pixels = torch.as_tensor(pixels).contiguous().to(self.device)
        with self._on_device():
            self.launcher.evaluate(buffers, len(pixels), 0, 1)
        return buffers.sums.sum(0)[:, : len(pixels)].t()

    def _buffers(self, lanes: int, packed: bool, layers: int, more: dict | None = None) -> SimpleNamespace:
        width, classes = self.network.width, self.network.classes
        shapes = pass_shapes(
            layers, width, self.used, packed, classes, class_parts(width, classes)[0], lanes
        ) | (more or {})
        return SimpleNamespace(
            **allocate(shapes, self.device), lanes=lanes, packed=packed, keys=None, inverse_temperatures=None
        )

    def _here(self, *arrays: np.ndarray) -> list[torch.Tensor]:
        return [torch.from_numpy(array).to(self.device) for array in arrays]

    def _on_device(self) -> contextlib.AbstractContextManager:
        """Triton launches on the current device."""
        return torch.cuda.device(self.device) if self.device.type == "cuda" else contextlib.nullcontext()
