"""Checks the arrays that enter a network or an engine: kernels read memory without checking shapes or types.

Values that a cast keeps exactly are cast; others are refused by name. Every function raises LgnError.
"""

from typing import TypeAlias

import numpy as np
import torch

from lgn.errors import LgnError
from lgn.methods import MODES

Array: TypeAlias = np.ndarray | torch.Tensor


def as_pixels(pixels: Array, columns: int, name: str = "pixels") -> Array:
    """The same numbers as (n, columns) uint8. They may be integers or floats of any size."""
    if pixels.ndim != 2 or pixels.shape[1] != columns:
        raise LgnError(f"{name}: shape {tuple(pixels.shape)}; allowed: (any, {columns})")
    return as_bytes(pixels, name)


def as_bytes(values: Array, name: str) -> Array:
    """The same numbers as uint8. bool is refused: a caller who passes it means something else."""
    if isinstance(values, torch.Tensor):
        if values.dtype == torch.uint8:
            return values
        exact = values.detach().double() if values.is_floating_point() else values.detach()
        return torch.from_numpy(as_bytes(exact.cpu().numpy(), name)).to(values.device)
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind not in "iuf":
        raise LgnError(f"{name}: {values.dtype}; allowed: integers from 0 to 255")
    with np.errstate(invalid="ignore"):
        bytes_ = values.astype(np.uint8)
    if (bytes_ != values).any():
        raise LgnError(f"{name}: {values[bytes_ != values][0]}; allowed: integers from 0 to 255")
    return bytes_


def as_thresholds(thresholds: np.ndarray, inputs: int) -> np.ndarray:
    """(count, pixels) uint8: one threshold for each of a network's inputs."""
    if thresholds.ndim != 2 or thresholds.size != inputs:
        raise LgnError(
            f"thresholds: shape {thresholds.shape}; allowed: (count, pixels) of count * pixels = {inputs}, "
            "the network's inputs"
        )
    return as_bytes(thresholds, "thresholds")


def as_batch(pixels: Array, labels: Array, columns: int, classes: int) -> tuple[Array, Array]:
    """The arguments of a training step: as_pixels(pixels), as_labels(labels)."""
    pixels = as_pixels(pixels, columns)
    return pixels, as_labels(labels, len(pixels), classes)


def as_labels(labels: Array, images: int, classes: int) -> Array:
    """(images,) int64 from 0 to classes - 1, at least one. Tensors on a GPU are returned without a check of values."""
    if not images:
        raise LgnError("pixels: 0 images in a training step; allowed: at least 1")
    if labels.shape != (images,):
        raise LgnError(f"labels: shape {tuple(labels.shape)}; allowed: ({images},)")
    if isinstance(labels, torch.Tensor):
        if labels.is_cuda and labels.dtype in (torch.int32, torch.int64):
            return labels  # Checking the values would wait for the device.
        labels = labels.cpu().numpy()
    if labels.dtype.kind not in "iuf":
        raise LgnError(f"labels: {labels.dtype}; allowed: integers from 0 to {classes - 1}")
    with np.errstate(invalid="ignore"):
        whole = labels.astype(np.int64, copy=False)
    # Read as unsigned, a negative label exceeds every class.
    if whole.view(np.uint64).max() >= classes or (labels.dtype.kind == "f" and (whole != labels).any()):
        wrong = labels[(whole != labels) | (whole < 0) | (whole >= classes)][0]
        raise LgnError(f"labels: {wrong}; allowed: integers from 0 to {classes - 1}")
    return whole


def require_bits(bits: torch.Tensor, inputs: int) -> None:
    """Accepts (n, inputs) bits, or reals from 0 to 1, of any dtype."""
    if bits.ndim != 2 or bits.shape[1] != inputs:
        raise LgnError(f"bits: shape {tuple(bits.shape)}; allowed: (any, {inputs})")
    if bits.dtype == torch.bool or not bits.numel():
        return
    if bits.is_complex():
        raise LgnError(f"bits: {bits.dtype}; allowed: bool, integers or floats")
    low, high = (float(bound) for bound in torch.aminmax(bits.detach()))
    if not (low >= 0 and high <= 1):
        raise LgnError(f"bits: from {low:g} to {high:g}; allowed: 0 to 1")


def exact_bits(bits: torch.Tensor) -> torch.Tensor:
    """Bits that passed require_bits, as uint8. Refuses values between 0 and 1."""
    if bits.dtype == torch.bool:
        return bits.view(torch.uint8)
    exact = bits.detach().to(torch.uint8)
    if bits.is_floating_point() and not torch.equal(exact.to(bits.dtype), bits):
        between = float(bits.detach()[exact != bits][0])
        raise LgnError(f"bits: {between:g} on accelerated kernels; allowed: 0 and 1, or backend torch")
    return exact


def require_mode(mode: str) -> None:
    if mode not in MODES:
        raise LgnError(f"mode: {mode!r}; allowed: {', '.join(MODES)}")


def require_logits(network, device: torch.device | str | None = None) -> None:
    """Refuses parameters that the kernels cannot use, or, if a device is given, that are on another kind of device."""
    kind, size = device and torch.device(device).type, network.method.size
    # ParameterList's own iterator would take longer than the rest of this function.
    for layer, logits in enumerate(network.logits._parameters.values()):
        if logits.dtype != torch.float32 or logits.shape != (network.width, size):
            raise LgnError(
                f"logits.{layer}: {tuple(logits.shape)} {logits.dtype}; allowed with kernels: "
                f"({network.width}, {size}) torch.float32, or backend torch"
            )
        if kind and logits.device.type != kind:
            raise LgnError(f"logits.{layer}: on device {logits.device}; allowed with these kernels: {kind}")


def stacked_wiring(network) -> np.ndarray:
    """(depth, 2, width) int32 wiring of a network. Every number is checked to be an existing input's."""
    layers = []
    for layer in range(network.depth):
        wiring = network.wiring(layer).cpu().numpy()
        fan_in = network.width if layer else network.inputs
        if wiring.shape != (2, network.width) or wiring.dtype.kind not in "iu":
            raise LgnError(
                f"wiring_{layer}: {wiring.shape} {wiring.dtype}; allowed: (2, {network.width}) int32"
            )
        if wiring.min() < 0 or wiring.max() >= fan_in:
            raise LgnError(
                f"wiring_{layer}: reads inputs {wiring.min()} to {wiring.max()}; allowed: 0 to {fan_in - 1}"
            )
        layers.append(wiring.astype(np.int32))
    return np.stack(layers)
