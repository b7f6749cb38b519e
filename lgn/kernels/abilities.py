"""The settings that each backend computes. Others are refused by name, or another backend takes them.

A field of Estimator or OptimizerSettings that is not listed must be at its default. A function lists values where
files can add more.
"""

from collections.abc import Callable
from dataclasses import fields

from lgn.errors import LgnError
from lgn.kernels.optimizers import optimizer_names
from lgn.methods import NOISE_NAMES, Estimator, OptimizerSettings, method_of, noises, parametrizations

ANY = None
Allowed = dict[str, tuple | Callable | None]

_OPTIMIZERS: Allowed = {
    "name": optimizer_names, "learning_rate": ANY, "epsilon": ANY, "loss_scale": ANY, "options": ANY,
}  # fmt: skip
_FUSED: Allowed = {
    "noise": NOISE_NAMES,
    "temperature": ANY,
    "straight_through": (False, True),
    "grad_factor": ANY,
    "parametrization": ("softmax",),
    "options": ("",),
    "candidates": (1,),
}
_ANY_METHOD: Allowed = {
    "noise": lambda: ("none", *noises()), "parametrization": lambda: tuple(parametrizations()), "options": ANY,
}  # fmt: skip

ABILITIES: dict[str, tuple[Allowed, Allowed]] = {
    "torch": (_FUSED | _ANY_METHOD | {"candidates": ANY}, _OPTIMIZERS),
    "numba": (_FUSED | _ANY_METHOD, _OPTIMIZERS),
    "triton": (_FUSED | _ANY_METHOD, _OPTIMIZERS),
}
"""backend -> allowed values of Estimator's fields, and of OptimizerSettings' fields."""

FUSED = ("adam",)
"""Optimizers that the kernels compute themselves. For the others torch steps on the kernels' gradients."""


def inability(
    backend: str, estimator: Estimator | None = None, optimizer: OptimizerSettings | None = None
) -> str | None:
    """The first of these settings that a backend does not compute, and what is allowed; None if it computes all."""
    for settings, able in zip((estimator, optimizer), ABILITIES[backend], strict=True):
        for field in fields(settings) if settings else ():
            value = getattr(settings, field.name)
            allowed = able.get(field.name, (field.default,))
            allowed = allowed() if callable(allowed) else allowed
            if allowed is not ANY and value not in allowed:
                name = "optimizer" if settings is optimizer and field.name == "name" else field.name
                stated = ", ".join(map(str, allowed))
                return f"{name}: {value} with backend {backend}; allowed there: {stated}"
    if backend != "torch" and estimator and not method_of(estimator).on_cells(estimator):
        return (
            f"parametrization: {estimator.parametrization} without straight_through with backend {backend}, whose "
            "neurons are c0 + c1 a + c2 b + c3 ab; allowed: straight_through, or backend torch"
        )
    return None


def is_fused(estimator: Estimator) -> bool:
    """Whether the kernels compute the whole method. Otherwise torch gives them coefficients or gates."""
    return estimator.parametrization == "softmax" and estimator.noise in NOISE_NAMES


def require_fused(optimizer: OptimizerSettings) -> None:
    """Raises LgnError for an optimizer that is not fused into the kernels."""
    if optimizer.name not in FUSED:
        raise LgnError(f"optimizer: {optimizer.name} fused into kernels; allowed: {', '.join(FUSED)}")
