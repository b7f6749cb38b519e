"""Device memory of the Triton backend: buffers, wiring of the replicas, noise keys, uploads."""

import functools
import itertools
import math

import numpy as np
import torch

from lgn.gates import GATES
from lgn.kernels.abilities import is_fused
from lgn.methods import Estimator
from lgn.randomness import splitmix64

WORD = 32
"""Images per machine word."""

TILE = 128
"""The most images that a kernel handles at once; a longer batch is padded to a multiple."""

PARTS = 32
"""The most parts that a class is summed in: enough programs to fill a GPU, few enough for one program to add."""

EVALUATION_BYTES, EVALUATION_IMAGES = 2**28, 8192
"""Bounds of an evaluation block: bytes of its two layers of activations, and images."""

KEY_STEPS = 256
"""Noise keys are computed for this many steps at once."""

UNFUSED_BYTES = 1300
"""What torch takes for a neuron beside that where a step is not fused: enough for CovJac, which takes most of all."""

RING = 3
"""The host may be this many steps ahead of the copies to the device."""


def padded_lanes(batch: int) -> int:
    """Number of images that a batch is padded to: 32, 64, 128 or a multiple of 128."""
    return max(WORD, 1 << (batch - 1).bit_length()) if batch <= TILE else -(-batch // TILE) * TILE


def class_parts(width: int, classes: int) -> tuple[int, int]:
    """Number of parts that a class's neurons are summed in, and neurons per part."""
    group = width // classes
    part = max(256, -(-group // PARTS))
    return -(-group // part), part


Shapes = dict[str, tuple[tuple[int, ...], torch.dtype]]


def state_shapes(depth: int, rows: int, used: int, packed: bool) -> Shapes:
    """Buffers of any batch size. rows: neurons per layer, of all replicas; used: inputs that some neuron reads."""
    hidden = depth - 1
    state = (
        {"state": ((depth, rows), torch.uint8)} if packed else {"state": ((depth, rows, 4), torch.float32)}
    )
    return state | {
        "logits": ((depth, rows, GATES), torch.float32),
        "moments": ((depth, rows, GATES), torch.float32),
        "squares": ((depth, rows, GATES), torch.float32),
        "first": ((depth, rows), torch.int32),
        "second": ((depth, rows), torch.int32),
        "pointers": ((hidden, rows + 1), torch.int32),
        "entries": ((hidden, 2 * rows), torch.int32),
        "other_inputs": ((hidden, 2 * rows), torch.int32),
        "places": ((used,), torch.int32),
        "levels": ((used,), torch.uint8),
    }


def pass_shapes(
    layers: int, rows: int, used: int, packed: bool, class_rows: int, parts: int, lanes: int
) -> Shapes:
    """Buffers of a forward pass that keeps `layers` layers of activations."""
    words = lanes // WORD
    activations = ((layers, rows, words), torch.int32) if packed else ((layers, rows, lanes), torch.float32)
    return {
        "inputs": ((used, words), torch.int32),
        "outputs": activations,
        "sums": ((parts, class_rows, lanes), torch.float32),
    }


def step_shapes(depth: int, rows: int, replicas: int, class_rows: int, pixels: int, lanes: int) -> Shapes:
    """Buffers of a training step, without those of its forward pass."""
    return {
        "gradients": ((2 if depth > 1 else 0, rows, lanes), torch.float32),
        "class_gradient": ((class_rows, lanes), torch.float32),
        "losses": ((replicas, lanes), torch.float64),
        "pixels": ((replicas * lanes * pixels,), torch.uint8),
        "header": ((replicas * (2 * depth + 1 + 2 + lanes),), torch.int32),
    }


def evaluation_lanes(width: int, packed: bool, images: int) -> int:
    """Number of images, padded, that one network evaluates at once."""
    lanes = int(EVALUATION_BYTES * (4 if packed else 1 / 8) // width // TILE * TILE)
    return min(max(lanes, TILE), EVALUATION_IMAGES, padded_lanes(images))


def evaluation_shapes(depth: int, width: int, used: int, classes: int, packed: bool, lanes: int) -> Shapes:
    """Buffers of one network's evaluation, with two layers of activations."""
    state = state_shapes(depth, width, 0, packed)["state"]
    return pass_shapes(2, width, used, packed, classes, class_parts(width, classes)[0], lanes) | {
        "state": state
    }


def shapes_bytes(shapes: Shapes) -> int:
    return sum(math.prod(shape) * dtype.itemsize for shape, dtype in shapes.values())


def allocate(shapes: Shapes, device: torch.device) -> dict[str, torch.Tensor]:
    return {name: torch.zeros(shape, dtype=dtype, device=device) for name, (shape, dtype) in shapes.items()}


def training_bytes(
    *,
    depth: int,
    width: int,
    inputs: int,
    classes: int,
    pixels: int,
    batch: int,
    straight_through: bool,
    replicas: int = 1,
    estimator: Estimator | None = None,
) -> int:
    """Bytes of device memory for training at one batch size. inputs: thermometer bits; at most 2 * width are used.

    estimator: if its step is not fused, torch's share of it counts too.
    """
    unfused = UNFUSED_BYTES if estimator and not is_fused(estimator) else 0
    rows, used = replicas * width, replicas * min(inputs, 2 * width)
    lanes, class_rows = padded_lanes(batch), replicas * classes
    return depth * rows * unfused + sum(
        map(
            shapes_bytes,
            (
                state_shapes(depth, rows, used, straight_through),
                pass_shapes(
                    depth, rows, used, straight_through, class_rows, class_parts(width, classes)[0], lanes
                ),
                step_shapes(depth, rows, replicas, class_rows, pixels, lanes),
            ),
        )
    )


def evaluation_bytes(*, depth: int, width: int, inputs: int, classes: int) -> int:
    """The most bytes of device memory that an evaluation adds to training: those of float activations."""
    lanes = evaluation_lanes(width, False, EVALUATION_IMAGES)
    return shapes_bytes(evaluation_shapes(depth, width, min(inputs, 2 * width), classes, False, lanes))


def replica_wiring(wirings: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]:
    """Joins replicas' wirings (depth, 2, width) int32 to the wiring of one network with the replicas side by side.

    Returns first and second (depth, replicas * width) int32; in layer 0 they index the used inputs only, those that
    some neuron reads. Also bits (used,) int32, the used inputs' indices among all thermometer bits, and begins
    (replicas + 1,): where each replica's inputs begin among the used ones.
    """
    placed, bits, begins = [], [], [0]
    for replica, wiring in enumerate(wirings):
        width = wiring.shape[2]
        used, compact = np.unique(wiring[0], return_inverse=True)
        wiring = wiring + np.int32(replica * width)
        wiring[0] = compact.reshape(2, width) + begins[-1]
        placed.append(wiring)
        bits.append(used)
        begins.append(begins[-1] + len(used))
    joined = np.concatenate(placed, axis=2)
    return (
        np.ascontiguousarray(joined[:, 0]),
        np.ascontiguousarray(joined[:, 1]),
        np.concatenate(bits),
        begins,
    )


@functools.lru_cache(maxsize=1024)
def _key_block(seed: int, block: int, depth: int) -> np.ndarray:
    """(KEY_STEPS, depth, 2) uint32: randomness.layer_key of all layers for the steps of one block."""
    steps = np.arange(block * KEY_STEPS, (block + 1) * KEY_STEPS, dtype=np.uint64)
    seeds = splitmix64(np.full((1, 1), seed % 2**64, np.uint64))
    keys = splitmix64(splitmix64(seeds + steps[:, None]) + np.arange(depth, dtype=np.uint64))
    low, high = keys & np.uint64(0xFFFFFFFF), keys >> np.uint64(32)
    return np.stack([low, high], axis=-1).astype(np.uint32)


def layer_keys(seed: int, step: int, depth: int) -> np.ndarray:
    """(depth, 2) int32: the bits of randomness.layer_key of every layer at one step."""
    return _key_block(seed, step // KEY_STEPS, depth)[step % KEY_STEPS].view(np.int32)


class Uploader:
    """Copies a step's bytes to a buffer on the device without waiting, through a ring of pinned memory."""

    def __init__(self, target: torch.Tensor):
        self.target = target
        self.ring = None
        if target.is_cuda:
            pinned = [torch.empty(target.shape, dtype=target.dtype, pin_memory=True) for _ in range(RING)]
            self.ring = itertools.cycle([(memory, torch.cuda.Event()) for memory in pinned])

    def send(self, values: np.ndarray | torch.Tensor) -> None:
        """Fills the beginning of the flat target with values of its dtype, from the host or any device."""
        values = torch.as_tensor(values).reshape(-1)
        target = self.target[: values.numel()]
        if self.ring is None or values.is_cuda:
            target.copy_(values)
            return
        memory, copied = next(self.ring)
        copied.synchronize()
        part = memory[: values.numel()]
        part.copy_(values)
        target.copy_(part, non_blocking=True)
        copied.record()
