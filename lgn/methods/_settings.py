"""Settings of a layer and of an optimizer step, as plain values for engines, records and error messages."""

import math
from dataclasses import dataclass

NOISE_NAMES = ("none", "gumbel", "gaussian", "logistic", "uniform")
"""The noises of lgn.noise, which the kernels have too; a method's file may add others."""

MODES = ("discrete", "soft", "train_mode")
"""Modes of evaluation: argmax gates; softmax(logits / temperature) without noise; sampled as in training."""


@dataclass(frozen=True)
class Estimator:
    """Settings of a layer's forward and backward pass. noise: "none" or a name in noises(). temperature: > 0.

    straight_through: training's forward uses discrete gates, and the gradient goes through the coefficients.
    grad_factor: multiplies the gradient to each layer's inputs (as in difflogic, for deep networks).
    candidates: inputs among which training chooses each input of a neuron; 1: wiring is fixed.
    parametrization: name of a method's file; options: its settings that differ from their defaults, as JSON text.
    """

    noise: str
    temperature: float
    straight_through: bool
    grad_factor: float = 1.0
    parametrization: str = "softmax"
    options: str = ""
    candidates: int = 1


BETA_1, BETA_2 = 0.9, 0.999
"""Adam's betas, torch's defaults."""


@dataclass(frozen=True)
class OptimizerSettings:
    """Settings of the optimizer. name: one of kernels.optimizers.optimizer_names().

    Adam's step is learning_rate * m / (sqrt(v) + epsilon), m and v being the bias-corrected moments; adam_inside
    divides by sqrt(v + epsilon^2). Where sqrt(v) is far below epsilon both are SGD with momentum at learning rate
    learning_rate / epsilon.
    loss_scale: factor on the loss before differentiation. Scaling it and epsilon together leaves Adam unchanged.
    options: further arguments of a torch optimizer, as JSON text.
    """

    learning_rate: float
    name: str = "adam"
    epsilon: float = 1e-8
    loss_scale: float = 1.0
    options: str = ""

    @property
    def inner_scale(self) -> float:
        """The power of two, at least 1, that scales epsilon to 2**-50 or above.

        Gradients of epsilon's size then have squares that are normal float32 numbers. The kernels multiply the loss and
        epsilon by it. This changes only exponents in Adam's arithmetic, so it is exact, unless numbers overflow.
        """
        return 2.0 ** max(0, -50 - math.floor(math.log2(self.epsilon)))

    @property
    def gradient_scale(self) -> float:
        """Factor on the gradients inside an engine."""
        return self.loss_scale * self.inner_scale

    @property
    def scaled_epsilon(self) -> float:
        """epsilon for gradients that are scaled by inner_scale."""
        return self.epsilon * self.inner_scale
