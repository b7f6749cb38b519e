"""Launches the kernels of a pass, and nothing else, so that a CUDA graph can capture a step."""

from dataclasses import dataclass
from types import SimpleNamespace

import torch
import triton

from lgn.kernels.gpu import packed, soft
from lgn.kernels.gpu.backward import backward, loss_and_gradient
from lgn.kernels.gpu.memory import TILE, WORD, class_parts
from lgn.methods import Estimator, OptimizerSettings

# Work per program of four warps, Triton's default: neurons, or neurons times images of a tile.
ENCODE_BLOCK, SAMPLE_BLOCK, PACKED_BLOCK, CLASS_BLOCK = 128, 32, 128, 16
SOFT_VALUES, BACKWARD_VALUES = 2048, 1024


@dataclass(frozen=True)
class Launcher:
    """Launches kernels on the networks in `memory`, which holds memory.state_shapes; begins: see replica_wiring.

    The methods' buffers hold memory.pass_shapes, `state`, `lanes` and `packed`, whether the pass is packed. In
    training they also hold memory.step_shapes and the parts of the header: `keys`, `inverse_temperatures`, `rates`,
    `labels`.
    """

    memory: SimpleNamespace
    begins: list[int]
    estimator: Estimator
    depth: int
    width: int
    classes: int
    pixels: int
    group_temperature: float
    optimizer: OptimizerSettings

    @property
    def replicas(self) -> int:
        return len(self.begins) - 1

    def step(self, buffers: SimpleNamespace, batch: int) -> None:
        """The device's part of a training step. It reads and writes only memory at fixed addresses."""
        self.forward(buffers, batch)
        loss_and_gradient[(self.replicas, buffers.lanes // WORD)](
            buffers.sums, buffers.labels, buffers.losses, buffers.class_gradient, len(buffers.sums), self.classes,
            batch, buffers.lanes, self.group_temperature, self.optimizer.gradient_scale,
            CLASSES=triton.next_power_of_2(self.classes),
        )  # fmt: skip
        self.backward(buffers)

    def forward(self, buffers: SimpleNamespace, batch: int) -> None:
        """Class sums of a training pass."""
        self.sample(
            buffers, buffers.keys, buffers.inverse_temperatures, self.estimator.noise, 0, self.replicas
        )
        self.evaluate(buffers, batch, 0, self.replicas)

    def sample(
        self,
        buffers: SimpleNamespace,
        keys: torch.Tensor,
        inverse_temperatures: torch.Tensor,
        noise: str,
        replica: int,
        replicas: int,
    ) -> None:
        """Draws gates, or computes coefficients, of `replicas` networks from number `replica` on.

        keys (replicas, depth, 2) int32; inverse_temperatures (replicas,) float32: 1 / temperature.
        """
        kernel = packed.sample_gates if buffers.packed else soft.mix_coefficients
        rows, all_rows = replicas * self.width, self.replicas * self.width
        kernel[(triton.cdiv(self.depth * rows, SAMPLE_BLOCK),)](
            buffers.state, self.memory.logits[0, replica * self.width :], keys, self.depth, all_rows, rows, self.width,
            inverse_temperatures, NOISE=noise, BLOCK=SAMPLE_BLOCK,
        )  # fmt: skip

    def evaluate(self, buffers: SimpleNamespace, batch: int, replica: int, replicas: int) -> None:
        """Class sums of `replicas` networks from number `replica` on for the buffers' pixels."""
        memory, rows, start = self.memory, replicas * self.width, replica * self.width
        begin, words, tile = self.begins[replica], buffers.lanes // WORD, min(buffers.lanes, TILE)
        count, tiles = self.begins[replica + replicas] - begin, buffers.lanes // tile
        packed.encode[(triton.cdiv(count, ENCODE_BLOCK), words)](
            buffers.pixels, memory.places, memory.levels, buffers.inputs, begin, count, self.pixels, batch,
            replica * self.pixels, words, BLOCK=ENCODE_BLOCK,
        )  # fmt: skip
        kernel = packed.evaluate_gates if buffers.packed else soft.evaluate_mixtures
        block = PACKED_BLOCK if buffers.packed else SOFT_VALUES // tile
        # Training keeps all layers' outputs, evaluation two layers, alternately.
        kept = len(buffers.outputs)
        for layer in range(self.depth):
            source = buffers.outputs[(layer - 1) % kept] if layer else buffers.inputs
            kernel[(triton.cdiv(rows, block), tiles)](
                buffers.state[layer], memory.first[layer, start:], memory.second[layer, start:], source,
                buffers.outputs[layer % kept], rows, start if layer else begin, tiles, WORDS=tile // WORD, BLOCK=block,
            )  # fmt: skip
        kernel = packed.count_classes if buffers.packed else soft.sum_classes
        kernel[(replicas * self.classes, len(buffers.sums), tiles)](
            buffers.outputs[(self.depth - 1) % kept], buffers.sums, self.width // self.classes,
            class_parts(self.width, self.classes)[1], tiles, WORDS=tile // WORD, BLOCK=CLASS_BLOCK,
        )  # fmt: skip

    def backward(self, buffers: SimpleNamespace, logit_gradients: torch.Tensor | None = None) -> None:
        """Adam on all layers' logits, or only the gradients, into logit_gradients (depth, rows, 16) if given.

        Memory without logits gives the gradients of c0..c3, (depth, rows, 4).
        """
        memory, last, rows = self.memory, self.depth - 1, self.replicas * self.width
        tile = min(buffers.lanes, TILE)
        block = BACKWARD_VALUES // tile
        for layer in range(last, -1, -1):
            logits = None if memory.logits is None else memory.logits[layer]
            if logit_gradients is None:
                parameters, rates = (
                    (logits, memory.moments[layer], memory.squares[layer], None),
                    buffers.rates,
                )
            else:
                parameters, rates = (logits, None, None, logit_gradients[layer]), None
            if layer >= last - 1:
                # The last two layers read the gradient of the class sums, one row per class.
                above = buffers.class_gradient, self.width // self.classes
            else:
                above = buffers.gradients[(layer + 1) & 1], 1
            consumers, gradients = (None,) * 6, None
            if layer < last:
                consumers = (
                    memory.pointers[layer], memory.entries[layer], memory.other_inputs[layer], buffers.state[layer + 1],
                    buffers.outputs[layer], self.estimator.grad_factor,
                )  # fmt: skip
                gradients = buffers.gradients[layer & 1]
            below = buffers.outputs[layer - 1] if layer else buffers.inputs
            operands = below, memory.first[layer], memory.second[layer]
            backward[(triton.cdiv(rows, block),)](
                parameters, (buffers.keys, buffers.inverse_temperatures), (rates, self.optimizer.scaled_epsilon),
                layer, (self.depth, rows, self.width), above, consumers, gradients, operands, buffers.lanes // tile,
                KEEP=0 < layer < last, NOISE=self.estimator.noise, WORDS=tile // WORD, BLOCK=block,
            )  # fmt: skip
