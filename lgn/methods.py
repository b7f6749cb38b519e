"""The training methods by name: what they stand for, what legends call them, and what an estimator is."""

import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lgn.errors import LgnError

METHODS = {
    "dlgn": {"noise": "none", "straight_through": False, "temperature": 1.0},
    "glgn": {"noise": "gumbel", "straight_through": True},
    "gumbel_soft": {"noise": "gumbel", "straight_through": False},
    "hard_st": {"noise": "none", "straight_through": True, "temperature": 1.0},
}
"""Shorthands for `method` in a sweep. DLGN's softmax has no temperature in the paper: 1, and so for Hard-ST."""

WHAT_MAKES_A_METHOD = ("noise", "straight_through")
"""Settings that may not be stated otherwise beside `method`. Its temperature is what holds where none is stated."""

METHOD_LABELS = {"dlgn": "DLGN", "glgn": "GLGN", "gumbel_soft": "Gumbel soft", "hard_st": "Hard-ST"}

MODES = ("discrete", "soft", "train_mode")
"""How a network is evaluated: argmax gates; softmax(logits / temperature) without noise; as sampled in training."""


@dataclass(frozen=True)
class Estimator:
    """What a layer computes with. noise: "none" or a name in noise.NOISES. temperature: of the softmax, > 0.

    straight_through: forward takes the argmax gate, the logits' gradient is that of the soft weights.
    grad_factor: multiplies the gradient to each layer's inputs (difflogic's remedy for depth).
    gradient_dtype: what the gradient of a hidden layer's outputs is rounded to, "float32" or "bfloat16".
    """

    noise: str
    temperature: float
    straight_through: bool
    grad_factor: float = 1.0
    gradient_dtype: str = "float32"


BETA_1, BETA_2 = 0.9, 0.999
"""Adam's, and torch's defaults."""


@dataclass(frozen=True)
class OptimizerSettings:
    """How a step changes the logits. name: "adam", "adam_inside" (epsilon inside the root) or "sgd".

    Adam's step is learning_rate * m / (sqrt(v) + epsilon), m and v being the bias-corrected moments; adam_inside
    divides by sqrt(v + epsilon^2). Where sqrt(v) is far below epsilon both are plain descent at rate
    learning_rate / epsilon.
    loss_scale: factor on the loss that is differentiated; Adam is invariant when it and epsilon grow together.
    """

    learning_rate: float
    name: str = "adam"
    epsilon: float = 1e-8
    loss_scale: float = 1.0

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


def method_name(noise: str, straight_through: bool) -> str:
    """The method's name in run ids and tables: the paper's four, `gaussian_st` and its like for other noises."""
    for name, keys in METHODS.items():
        if (keys["noise"], keys["straight_through"]) == (noise, straight_through):
            return name
    return f"{noise}_{'st' if straight_through else 'soft'}"


def spell_out_method(stated: Mapping[str, Any], where: str, base: Mapping[str, Any] = {}) -> dict[str, Any]:
    """Settings with `method` replaced by what it stands for; those without it as they are.

    base: settings that these go on top of. Raises LgnError for a method that there is not, and where a setting of
    either says another noise or straight_through than the method.
    """
    if "method" not in stated:
        return dict(stated)
    method = stated["method"]
    if not isinstance(method, str) or method not in METHODS:
        allowed = f"{', '.join(METHODS)} (or noise and straight_through)"
        raise LgnError(f"{where}: method: {reprlib.repr(method)} is unknown; allowed: {allowed}")
    for key in WHAT_MAKES_A_METHOD:
        value, own = {**base, **stated}.get(key, METHODS[method][key]), METHODS[method][key]
        if str(value).lower() != str(own).lower():
            raise LgnError(
                f"{where}: {key}: {reprlib.repr(value)} beside method {method}, which stands for {str(own).lower()}; "
                "allowed: one of the two"
            )
    return METHODS[method] | {key: value for key, value in stated.items() if key != "method"}


def method_label(method: str) -> str:
    """The method's name in legends: DLGN, GLGN, Gumbel soft, Hard-ST, Gaussian ST, ..."""
    if method in METHOD_LABELS:
        return METHOD_LABELS[method]
    noise, suffix = method.rsplit("_", 1)
    return f"{noise.capitalize()} {'ST' if suffix == 'st' else suffix}"
