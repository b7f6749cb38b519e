"""What layers share: soft weights of gates, their coefficients, the keys of noise, a changed gradient."""

import torch

from lgn.gates import COEFFICIENTS
from lgn.methods import Estimator, noises
from lgn.noise import uniforms
from lgn.randomness import layer_key


def change_gradient(x: torch.Tensor, factor: float) -> torch.Tensor:
    """x itself; its gradient, summed over its readers, is multiplied by factor."""
    if factor == 1 or not x.requires_grad:
        return x
    y = x.view_as(x)
    y.register_hook(lambda gradient: gradient * factor)
    return y


def soft_weights(
    logits: torch.Tensor, estimator: Estimator, mode: str, key: tuple[int, int] | None
) -> torch.Tensor:
    """(width, 16) softmax of the logits, with their noise in train_mode, over the temperature."""
    noisy = logits
    if mode == "train_mode" and estimator.noise != "none":
        u = uniforms(key, logits.shape[0], logits.device)
        noisy = logits + noises()[estimator.noise](u).to(logits.dtype)
    return torch.softmax(noisy / estimator.temperature, -1)


def gate_coefficients(weights: torch.Tensor) -> torch.Tensor:
    """(width, 4) coefficients c0..c3 of the mixture: four numbers stand for sixteen gates."""
    return weights @ torch.as_tensor(COEFFICIENTS, dtype=weights.dtype, device=weights.device)


def sampling_keys(noise_seed: int, step: int, depth: int) -> list[tuple[int, int]]:
    """The layer keys of one step."""
    return [layer_key(noise_seed, step, layer) for layer in range(depth)]
