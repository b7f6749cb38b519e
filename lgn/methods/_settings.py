"""What a layer and a step compute with: plain values that engines, records and refusals name."""

import math
from dataclasses import dataclass

NOISE_NAMES = ("none", "gumbel", "gaussian", "logistic", "uniform")
"""Those of lgn.noise, which kernels have too; a method's file may bring others."""

MODES = ("discrete", "soft", "train_mode")
"""How a network is evaluated: argmax gates; softmax(logits / temperature) without noise; as sampled in training."""


@dataclass(frozen=True)
class Estimator:
    """What a layer computes with. noise: "none" or a name in noises(). temperature: of the relaxation, > 0.

    straight_through: forward in training takes discrete gates, the parameters' gradient is that of the coefficients.
    grad_factor: multiplies the gradient to each layer's inputs (difflogic's remedy for depth).
    candidates: how many each input of a neuron is chosen from in training; 1: wiring is fixed.
    parametrization: name of a method's file; options: its settings that are not at their defaults, as JSON text.
    """

    noise: str
    temperature: float
    straight_through: bool
    grad_factor: float = 1.0
    parametrization: str = "softmax"
    options: str = ""
    candidates: int = 1


BETA_1, BETA_2 = 0.9, 0.999
"""Adam's, and torch's defaults."""


@dataclass(frozen=True)
class OptimizerSettings:
    """How a step changes the parameters. name: one of kernels.optimizers.optimizer_names().

    Adam's step is learning_rate * m / (sqrt(v) + epsilon), m and v being the bias-corrected moments; adam_inside
    divides by sqrt(v + epsilon^2). Where sqrt(v) is far below epsilon both are plain descent at rate
    learning_rate / epsilon.
    loss_scale: factor on the loss that is differentiated; Adam is invariant when it and epsilon grow together.
    options: further arguments of an optimiser of torch's, as JSON text.
    """

    learning_rate: float
    name: str = "adam"
    epsilon: float = 1e-8
    loss_scale: float = 1.0
    options: str = ""

    @property
    def inner_scale(self) -> float:
        """A power of two, at least 1, that brings epsilon to 2**-50 or above.

        Gradients of epsilon's size then have squares that float32 holds as normal numbers. The kernels multiply loss
        and epsilon by it. That changes the exponents of Adam's arithmetic and nothing else: exact, unless numbers
        overflow.
        """
        return 2.0 ** max(0, -50 - math.floor(math.log2(self.epsilon)))

    @property
    def gradient_scale(self) -> float:
        """What the gradients are multiplied by inside."""
        return self.loss_scale * self.inner_scale

    @property
    def scaled_epsilon(self) -> float:
        """epsilon beside gradients that are scaled so."""
        return self.epsilon * self.inner_scale
