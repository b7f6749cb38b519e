"""What each backend computes. A setting outside its statement is refused by name, or left to another backend.

A field of Estimator or OptimizerSettings that a statement leaves out must be at its default.
"""

from dataclasses import fields

from lgn.errors import LgnError
from lgn.methods import Estimator, OptimizerSettings
from lgn.noise import NOISES

ANY = None

_OPTIMIZERS = {
    "name": ("adam", "adam_inside", "sgd"), "learning_rate": ANY, "epsilon": ANY, "loss_scale": ANY,
}  # fmt: skip
_KERNELS = {
    "noise": ("none", "gumbel", "gaussian", "logistic", "uniform"),
    "temperature": ANY,
    "straight_through": (False, True),
    "grad_factor": ANY,
    "gradient_dtype": ("float32", "bfloat16"),
}

ABILITIES = {
    "torch": (_KERNELS | {"noise": ("none", *NOISES)}, _OPTIMIZERS),
    "numba": (_KERNELS, _OPTIMIZERS),
    "triton": (_KERNELS, _OPTIMIZERS),
}
"""backend -> allowed values of the fields of Estimator, and of OptimizerSettings."""

FUSED = ("adam",)
"""Optimizers that the kernels' own step has; with the others a step is an optimizer of torch's on their gradients."""


def inability(
    backend: str, estimator: Estimator | None = None, optimizer: OptimizerSettings | None = None
) -> str | None:
    """Which of these settings a backend does not compute, and what is allowed; None where it computes all."""
    for settings, able in zip((estimator, optimizer), ABILITIES[backend], strict=True):
        for field in fields(settings) if settings else ():
            value = getattr(settings, field.name)
            allowed = able.get(field.name, (field.default,))
            if allowed is not ANY and value not in allowed:
                name = "optimizer" if settings is optimizer and field.name == "name" else field.name
                stated = ", ".join(map(str, allowed))
                return f"{name}: {value} with backend {backend}; allowed there: {stated}"
    return None


def require_fused(optimizer: OptimizerSettings) -> None:
    """Raises LgnError for an optimizer that the kernels' own step does not have."""
    if optimizer.name not in FUSED:
        raise LgnError(f"optimizer: {optimizer.name} fused into kernels; allowed: {', '.join(FUSED)}")
