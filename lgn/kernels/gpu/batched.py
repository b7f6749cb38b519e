"""Batched seeds: networks of one shape train side by side on one GPU. Each computes the same bits as alone.

A small network leaves most of a GPU idle and pays for every launch; batched networks share the GPU and the launches.
The kernels see one network: its layers have replicas * width rows, and no wire crosses between replicas.
"""

import contextlib
import math
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import torch

from lgn.arrays import as_pixels, as_thresholds, require_logits, require_mode
from lgn.errors import LgnError
from lgn.kernels.abilities import require_fused
from lgn.kernels.fanout import transposed_wiring
from lgn.kernels.frozen import Frozen, require_shared
from lgn.kernels.gpu.launch import Launcher
from lgn.kernels.gpu.memory import (
    Uploader,
    allocate,
    class_parts,
    evaluation_lanes,
    evaluation_shapes,
    layer_keys,
    padded_lanes,
    pass_shapes,
    replica_wiring,
    state_shapes,
    step_shapes,
)
from lgn.methods import BETA_1, BETA_2, OptimizerSettings
from lgn.network import LogicNetwork


class BatchedSeeds:
    """Trains and evaluates networks that differ in their seeds only. Every run computes the same bits.

    The networks' parameters become views into this class's logits, so state_dict() and load_state_dict() read and
    write the trained values. Wiring and `iteration` stay on the CPU. Only take_losses, scores, optimizer_state and
    synchronize wait for the device. From the second step of a batch size on, a step is one CUDA graph.
    """

    def __init__(
        self, networks: list[LogicNetwork], thresholds: np.ndarray, optimizer: OptimizerSettings, device: str
    ):
        network = networks[0]
        for name in ("estimator", "depth", "width", "inputs", "classes", "group_temperature"):
            values = {getattr(one, name) for one in networks}
            if len(values) > 1:
                raise LgnError(f"{name}: batched networks must have the same, these have {values}")
        require_fused(optimizer)
        for one in networks:
            require_logits(one)
        thresholds, self.frozen = as_thresholds(thresholds, network.inputs), [Frozen(n) for n in networks]
        self.networks, self.estimator, self.optimizer = networks, network.estimator, optimizer
        self.device, self.depth, self.width = torch.device(device), network.depth, network.width
        self.classes, self.group_temperature = network.classes, network.group_temperature
        self.rows, self.class_rows = len(networks) * self.width, len(networks) * self.classes
        self.packed, self.pixels = self.estimator.straight_through, thresholds.shape[1]
        first, second, bits, self.begins = replica_wiring([one.wiring for one in self.frozen])
        replica = np.repeat(np.arange(len(networks)), np.diff(self.begins))
        self.memory = SimpleNamespace(
            **allocate(state_shapes(self.depth, self.rows, len(bits), self.packed), self.device)
        )
        self.memory.first.copy_(torch.from_numpy(first))
        self.memory.second.copy_(torch.from_numpy(second))
        self.memory.places.copy_(torch.from_numpy(bits % self.pixels + replica * self.pixels))
        self.memory.levels.copy_(torch.from_numpy(thresholds.reshape(-1)[bits]))
        for layer in range(self.depth - 1):
            pointers, entries, other_inputs = transposed_wiring(first[layer + 1], second[layer + 1])
            self.memory.pointers[layer].copy_(torch.from_numpy(pointers))
            self.memory.entries[layer].copy_(torch.from_numpy(entries))
            self.memory.other_inputs[layer].copy_(torch.from_numpy(other_inputs))
        for replica, one in enumerate(networks):
            for logits, view in zip(one.logits, self._own(self.memory.logits, replica), strict=True):
                view.copy_(logits.detach())
                logits.data = view
        self.addresses = [[logits.data_ptr() for logits in one.logits] for one in networks]
        self.launcher = Launcher(
            self.memory, self.begins, self.estimator, self.depth, self.width, self.classes, self.pixels,
            self.group_temperature, self.optimizer,
        )  # fmt: skip
        # A tensor, because a GPU would multiply by the reciprocal of a Python number.
        self.divisor = torch.tensor(self.group_temperature, dtype=torch.float32, device=self.device)
        self.steps: dict[int, SimpleNamespace] = {}
        self.graphs: dict[int, torch.cuda.CUDAGraph | None] = {}
        self.latest: SimpleNamespace
        self.loss_count = 0

    def step(self, pixels: np.ndarray | torch.Tensor, labels: np.ndarray | torch.Tensor) -> None:
        """One training step of every network on (replicas, batch, pixels) uint8 and (replicas, batch) labels."""
        for network, addresses in zip(self.networks, self.addresses, strict=True):
            if hasattr(network, "logits"):  # It has not left.
                require_shared(network, addresses)
        batch, steps = pixels.shape[1], [int(network.iteration) for network in self.networks]
        step_sizes = [self.optimizer.learning_rate / (1 - BETA_1 ** (step + 1)) for step in steps]
        square_scales = [1 / math.sqrt(1 - BETA_2 ** (step + 1)) for step in steps]
        rates = np.stack([step_sizes, square_scales], axis=1).astype(np.float32)
        with self._on_device():
            one = self._upload(pixels, steps, rates, labels)
            if self.device.type != "cuda":
                self.launcher.step(one, batch)
            elif batch not in self.graphs:
                self.launcher.step(one, batch)
                self.graphs[batch] = None
            else:
                self._replay(one, batch)
        self.loss_count += 1
        for network in self.networks:
            network.iteration += 1

    def forward(self, pixels: np.ndarray | torch.Tensor, step: int) -> torch.Tensor:
        """(replicas, batch, classes) float32 scores under the training noise of a step; advances nothing."""
        batch = pixels.shape[1]
        self._take_logits()
        with self._on_device():
            one = self._upload(pixels, [step] * len(self.networks))
            self.launcher.forward(one, batch)
            sums = one.sums.sum(0).view(len(self.networks), self.classes, -1)[:, :, :batch]
            return sums.transpose(1, 2) / self.divisor

    def backward(self, gradient: torch.Tensor) -> list[torch.Tensor]:
        """Each layer's (replicas * width, 16) float32 gradient, from the gradient of the latest forward's scores."""
        batch, one = gradient.shape[1], self.latest
        class_gradient = one.class_gradient.view(len(self.networks), self.classes, -1)
        class_gradient[:, :, :batch] = gradient.to(self.device).transpose(1, 2) / self.divisor
        class_gradient[:, :, batch:] = 0
        gradients = torch.empty_like(self.memory.logits)
        with self._on_device():
            self.launcher.backward(one, gradients)
        return list(gradients)

    def take_losses(self) -> tuple[np.ndarray, int]:
        """(replicas,) float64 sums of the training losses of the steps since the last call, and their number."""
        total = np.zeros(len(self.networks))
        for one in self.steps.values():
            total += one.losses.sum(1).cpu().numpy()
            one.losses.zero_()
        count, self.loss_count = self.loss_count, 0
        return total, count

    def scores(
        self, pixels: np.ndarray | torch.Tensor, mode: str, draw: int = 0, replica: int = 0
    ) -> np.ndarray:
        """(n, classes) float32 scores of one network for (n, pixels) uint8; changes nothing."""
        network, depth, width = self.networks[replica], self.depth, self.width
        require_mode(mode)
        self.frozen[replica].require()
        self._take_logits()
        pixels = as_pixels(pixels, self.pixels)
        if not len(pixels):
            return np.empty((0, self.classes), np.float32)
        packed = mode == "discrete" or (mode == "train_mode" and self.packed)
        noise = self.estimator.noise if mode == "train_mode" else "none"
        keys = layer_keys(network.evaluation_noise_seed + draw, int(network.iteration), depth)
        lanes = evaluation_lanes(width, packed, len(pixels))
        inputs = self.begins[replica + 1] - self.begins[replica]
        shapes = evaluation_shapes(depth, width, inputs, self.classes, packed, lanes)
        scores = np.empty((len(pixels), self.classes), np.float32)
        with self._on_device():
            one = SimpleNamespace(**allocate(shapes, self.device), packed=packed, lanes=lanes)
            inverse_temperature = torch.tensor([1 / network.estimator.temperature], device=self.device)
            keys = torch.from_numpy(keys).to(self.device)
            self.launcher.sample(one, keys, inverse_temperature, noise, replica, 1)
            for start in range(0, len(pixels), lanes):
                one.pixels = torch.as_tensor(pixels[start : start + lanes]).contiguous().to(self.device)
                batch = len(one.pixels)
                self.launcher.evaluate(one, batch, replica, 1)
                scores[start : start + batch] = one.sums.sum(0)[:, :batch].t().cpu().numpy()
        return scores / np.float32(self.group_temperature)

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def optimizer_state(self, replica: int = 0) -> dict[str, torch.Tensor]:
        moments, squares = (self._own(x, replica) for x in (self.memory.moments, self.memory.squares))
        return {f"adam_m.{layer}": moment.clone().cpu() for layer, moment in enumerate(moments)} | {
            f"adam_v.{layer}": square.clone().cpu() for layer, square in enumerate(squares)
        }

    def load_optimizer_state(self, moments: dict[str, torch.Tensor], replica: int = 0) -> None:
        for layer in range(self.depth):
            self._own(self.memory.moments, replica)[layer].copy_(moments[f"adam_m.{layer}"])
            self._own(self.memory.squares, replica)[layer].copy_(moments[f"adam_v.{layer}"])

    def squared_gradients(self, replica: int = 0) -> Iterator[torch.Tensor]:
        return iter(self._own(self.memory.squares, replica))

    def _take_logits(self) -> None:
        """Copies in parameters that were given memory of their own."""
        for replica, (network, addresses) in enumerate(zip(self.networks, self.addresses, strict=True)):
            if not hasattr(network, "logits"):
                continue
            require_logits(network, self.device)
            views = self._own(self.memory.logits, replica)
            for logits, view, address in zip(network.logits, views, addresses, strict=True):
                if logits.data_ptr() != address:
                    view.copy_(logits.detach())

    def _own(self, tensor: torch.Tensor, replica: int) -> torch.Tensor:
        """One network's rows of a tensor (depth, rows, ...)."""
        return tensor[:, replica * self.width : (replica + 1) * self.width]

    def _on_device(self) -> contextlib.AbstractContextManager:
        """Triton launches on the current device."""
        return torch.cuda.device(self.device) if self.device.type == "cuda" else contextlib.nullcontext()

    def _upload(self, pixels, steps: list[int], rates=None, labels=None) -> SimpleNamespace:
        """Sends a batch, noise keys, temperatures, rates and labels to the device; returns the step's buffers."""
        one = self._buffers(pixels.shape[1])
        keys = [
            layer_keys(n.noise_seed, step, self.depth) for n, step in zip(self.networks, steps, strict=True)
        ]
        inverse_temperatures = np.array([1 / n.estimator.temperature for n in self.networks], np.float32)
        header = [np.stack(keys).reshape(-1), inverse_temperatures.view(np.int32)]
        on_device = isinstance(labels, torch.Tensor) and labels.is_cuda
        if rates is not None:
            header.append(rates.view(np.int32).reshape(-1))
            if not on_device:
                header.append(np.asarray(labels, np.int32).reshape(-1))
        one.send_header.send(np.concatenate(header))
        if on_device:
            one.labels[: labels.numel()].copy_(labels.reshape(-1))
        one.send_pixels.send(pixels)
        self.latest = one
        return one

    def _buffers(self, batch: int) -> SimpleNamespace:
        """Buffers of a training step at one padded batch size."""
        lanes = padded_lanes(batch)
        if lanes not in self.steps:
            depth, rows, replicas = self.depth, self.rows, len(self.networks)
            shapes = pass_shapes(
                depth, rows, self.begins[-1], self.packed, self.class_rows,
                class_parts(self.width, self.classes)[0], lanes,
            ) | step_shapes(depth, rows, replicas, self.class_rows, self.pixels, lanes)  # fmt: skip
            one = SimpleNamespace(**allocate(shapes, self.device), packed=self.packed, lanes=lanes)
            one.state = self.memory.state
            one.keys, inverse_temperatures, rates, one.labels = one.header.split(
                [2 * replicas * depth, replicas, 2 * replicas, replicas * lanes]
            )
            one.inverse_temperatures = inverse_temperatures.view(torch.float32)
            one.rates = rates.view(torch.float32)
            one.send_header, one.send_pixels = Uploader(one.header), Uploader(one.pixels)
            self.steps[lanes] = one
        return self.steps[lanes]

    def _replay(self, one: SimpleNamespace, batch: int) -> None:
        """Replays a step as one CUDA graph. It is captured after a first step has compiled and loaded the kernels."""
        if self.graphs[batch] is None:
            graph = torch.cuda.CUDAGraph()
            # Another thread may use CUDA meanwhile, to load data.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self.launcher.step(one, batch)
            self.graphs[batch] = graph
        self.graphs[batch].replay()
