"""The training methods by name: what they stand for, what legends call them, and what an estimator is."""

from dataclasses import dataclass

METHODS = {
    "dlgn": {"noise": "none", "straight_through": False, "temperature": 1.0},
    "glgn": {"noise": "gumbel", "straight_through": True},
    "gumbel_soft": {"noise": "gumbel", "straight_through": False},
    "hard_st": {"noise": "none", "straight_through": True, "temperature": 1.0},
}
"""Shorthands for `method` in a sweep. DLGN's softmax has no temperature in the paper: 1, and so for Hard-ST."""

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


def method_name(noise: str, straight_through: bool) -> str:
    """The method's name in run ids and tables: the paper's four, `gaussian_st` and its like for other noises."""
    for name, keys in METHODS.items():
        if (keys["noise"], keys["straight_through"]) == (noise, straight_through):
            return name
    return f"{noise}_{'st' if straight_through else 'soft'}"


def method_label(method: str) -> str:
    """The method's name in legends: DLGN, GLGN, Gumbel soft, Hard-ST, Gaussian ST, ..."""
    if method in METHOD_LABELS:
        return METHOD_LABELS[method]
    noise, suffix = method.rsplit("_", 1)
    return f"{noise.capitalize()} {'ST' if suffix == 'st' else suffix}"
