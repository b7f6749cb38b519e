"""Names of the training methods: their settings and their labels in legends."""

import json
import reprlib
from collections.abc import Mapping
from typing import Any

from lgn.errors import LgnError
from lgn.methods._registry import parametrizations

METHODS = {
    "dlgn": {"noise": "none", "straight_through": False, "temperature": 1.0},
    "glgn": {"noise": "gumbel", "straight_through": True},
    "gumbel_soft": {"noise": "gumbel", "straight_through": False},
    "hard_st": {"noise": "none", "straight_through": True, "temperature": 1.0},
}
"""The paper's four methods, shorthands for `method`. DLGN and Hard-ST have no temperature in the paper: here 1."""

WHAT_MAKES_A_METHOD = ("parametrization", "noise", "straight_through")
"""Settings that must agree with `method` if stated. The method's temperature is only a default."""

METHOD_LABELS = {"dlgn": "DLGN", "glgn": "GLGN", "gumbel_soft": "Gumbel soft", "hard_st": "Hard-ST"}


def shorthands() -> dict[str, dict[str, Any]]:
    """Every name for `method` -> its settings: the paper's four, then those of the methods' files."""
    found = dict(METHODS)
    for kind in parametrizations().values():
        for name, (_, settings) in kind.named.items():
            chosen = {"temperature": 1.0, "parametrization": kind.name, "noise": "none"}
            chosen["straight_through"] = (kind.applies.get("straight_through") or (False,))[0]
            found[name] = chosen | settings
    return found


def method_name(
    noise: str, straight_through: bool, parametrization: str = "softmax", options: str = ""
) -> str:
    """The method's name in run ids and tables: the paper's four, and names such as `gaussian_st` for other noises.

    For another parametrization: the shorthand that states most of its settings, or else the parametrization's name.
    """
    if parametrization == "softmax":
        for name, keys in METHODS.items():
            if (keys["noise"], keys["straight_through"]) == (noise, straight_through):
                return name
        return f"{noise}_{'st' if straight_through else 'soft'}"
    found = {}
    for name, keys in shorthands().items():
        stated = as_options(keys.get("options"))
        if (keys.get("parametrization"), keys["noise"], keys["straight_through"]) == (
            parametrization, noise, straight_through,
        ) and stated.items() <= as_options(options).items():  # fmt: skip
            found[name] = len(stated)
    return max(found, key=lambda name: found[name]) if found else f"{parametrization}_{noise}"


def spell_out_method(stated: Mapping[str, Any], where: str, base: Mapping[str, Any] = {}) -> dict[str, Any]:
    """Settings with `method` replaced by its settings; unchanged without `method`.

    base: settings below the stated ones. Raises LgnError for an unknown method, and if a stated or base setting has
    another parametrization, noise, straight_through or option than the method.
    """
    if "method" not in stated:
        return dict(stated)
    method = stated["method"]
    known = METHODS if isinstance(method, str) and method in METHODS else shorthands()
    if not isinstance(method, str) or method not in known:
        allowed = f"{', '.join(known)} (or noise and straight_through)"
        raise LgnError(f"{where}: method: {reprlib.repr(method)} is unknown; allowed: {allowed}")
    stands_for = {"parametrization": "softmax"} | known[method]
    beside = {**base, **stated}
    for key in WHAT_MAKES_A_METHOD:
        _require_equal(where, key, beside.get(key, stands_for[key]), method, stands_for[key])
    options, own = as_options(beside.get("options")), as_options(stands_for.get("options"))
    for key, value in own.items():
        _require_equal(where, f"options.{key}", options.get(key, value), method, value)
    spelled = known[method] | {key: value for key, value in stated.items() if key != "method"}
    return spelled | {"options": options | own} if own else spelled


def _require_equal(where: str, key: str, value: object, method: str, own: object) -> None:
    if str(value).lower() != str(own).lower():
        raise LgnError(
            f"{where}: {key}: {reprlib.repr(value)} beside method {method}, which stands for {str(own).lower()}; "
            "allowed: one of the two"
        )


def as_options(options: object) -> dict[str, Any]:
    """Options, a mapping or its JSON text, as a mapping; empty for anything else, which other checks refuse."""
    if isinstance(options, str) and options:
        try:
            options = json.loads(options)
        except ValueError:
            return {}
    return dict(options) if isinstance(options, Mapping) else {}


def method_label(method: str) -> str:
    """The method's name in legends: DLGN, GLGN, Gumbel soft, Hard-ST, Gaussian ST, Light, ..."""
    if method in METHOD_LABELS:
        return METHOD_LABELS[method]
    for kind in parametrizations().values():
        if method in kind.named:
            return kind.named[method][0]
    noise, _, suffix = method.rpartition("_")
    return f"{noise.capitalize()} {'ST' if suffix == 'st' else suffix}" if noise else method
