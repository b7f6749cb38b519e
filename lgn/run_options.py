"""Checks a run's method, optimizer and data: the names must exist, and every setting must have an effect.

torch is imported only for methods and optimizers that need it.
"""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from lgn.data.catalog import DatasetInfo
from lgn.errors import LgnError
from lgn.methods import NOISE_NAMES, noises, parametrizations
from lgn.settings import one_line

OWN_OPTIMIZERS = ("adam", "adam_inside", "adam_atan2", "sgd")
"""Optimizers of this suite; the others have the names of torch's classes."""

_DEFAULTS = {
    "noise": "none", "straight_through": False, "temperature": 1.0, "final_temperature": None, "init": "gaussian",
    "init_scale": 1.0, "init_bias": 0.0,
}  # fmt: skip
"""Settings that not every method uses, and their value for a method that does not use them."""

RETIRED = {"gradient_dtype": "float32"}
"""Settings of earlier versions' records and presets -> the only value that is still trained."""


def without_retired(settings: dict[str, Any]) -> dict[str, Any]:
    """A run's settings without retired ones. Raises ValueError if one of those has another value."""
    for key, only in RETIRED.items():
        if settings.get(key, only) != only:
            raise ValueError(f"{key}: {settings[key]!r} is of an earlier version; allowed: {only!r}")
    return {key: value for key, value in settings.items() if key not in RETIRED}


def options_text(key: str, options: Any) -> str:
    """A mapping, or its JSON text, as JSON text; an empty one as "". Raises ValueError for anything else."""
    if isinstance(options, str):
        with contextlib.suppress(ValueError):
            options = json.loads(options or "{}")
    try:
        if isinstance(options, Mapping):
            return json.dumps(dict(options), sort_keys=True, allow_nan=False) if options else ""
    except (TypeError, ValueError):
        pass
    raise ValueError(f"{key}: {options!r} is not allowed; allowed: a mapping of plain values")


def require_method(run) -> None:
    """Raises ValueError or LgnError if a run's method does not exist or does not use a setting that the run states.

    Removes options at their defaults from run.options, so that stating them does not change the hash.
    """
    if run.noise not in NOISE_NAMES and run.noise not in noises():
        raise ValueError(f"noise: {run.noise!r} is not allowed; allowed: {_listed('none', *noises())}")
    if run.parametrization == "softmax":
        if run.options:
            raise ValueError(f"options: {run.options} with parametrization softmax; allowed: none")
        return
    kind = parametrizations().get(run.parametrization)
    if kind is None:
        names = _listed(*parametrizations())
        raise ValueError(f"parametrization: {run.parametrization!r} is unknown; allowed: {names}")
    try:
        options = kind.Options.model_validate(json.loads(run.options or "{}"))
    except ValidationError as error:
        raise LgnError(f"options.{one_line(kind.Options, error)}") from None
    text = options_text("options", options.model_dump(exclude_defaults=True))
    object.__setattr__(run, "options", text)
    for key, default in _DEFAULTS.items():
        value, allowed = getattr(run, key), kind.applies.get(key, (default,))
        if allowed is not None and value not in allowed:
            said = ", ".join(json.dumps(one) if not isinstance(one, str) else one for one in allowed)
            raise ValueError(f"{key}: {value!r} with parametrization {kind.name}; allowed: {said}")


def require_optimizer(run) -> None:
    """Raises ValueError if a run's optimizer does not exist, or does not accept its options or epsilon."""
    name, options = run.optimizer, run.optimizer_options
    if name not in OWN_OPTIMIZERS:
        from lgn.kernels.optimizers import optimizer_names, require_arguments

        if name not in optimizer_names():
            raise ValueError(f"optimizer: {name!r} is unknown; allowed: {_listed(*optimizer_names())}")
        require_arguments(run.optimizer_settings)
    elif options:
        raise ValueError(f"optimizer_options: {options} with optimizer {name}; allowed: none")
    if name not in ("adam", "adam_inside") and run.epsilon != 1e-8:
        has = "which has none" if name in OWN_OPTIMIZERS else "whose eps is an argument in optimizer_options"
        raise ValueError(f"epsilon: {run.epsilon:g} with optimizer {name}, {has}; allowed: to leave it out")


def require_data(run, info: DatasetInfo) -> None:
    """Raises ValueError if a run does not fit its data set."""
    inputs = info.inputs(run.thresholds)
    most = info.max_value if info.thermometers else 1
    if run.thresholds > most:
        held = (
            f"whose values go up to {most}"
            if info.thermometers
            else "which has no column of numbers to encode"
        )
        raise ValueError(f"thresholds: {run.thresholds} on {run.dataset}, {held}; allowed: 1 to {most}")
    if run.width % info.classes:
        raise ValueError(
            f"width: {run.width} does not divide into the {info.classes} classes of {run.dataset}; "
            f"allowed: multiples of {info.classes}"
        )
    if run.wiring == "unique":
        for fan_in in {inputs, run.width} if run.depth > 1 else {inputs}:
            low, high = -(-fan_in // 2), fan_in * (fan_in - 1) // 2
            if not low <= run.width <= high:
                raise ValueError(
                    f"width: {run.width} with wiring unique on {fan_in} inputs; allowed: {low} to {high}"
                )


def _listed(*names: str) -> str:
    return ", ".join(map(repr, names))
