"""Finds the methods: the files of this package."""

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lgn.methods._method import Method

PACKAGE = "lgn.methods"


def parametrizations() -> dict[str, "type[Method]"]:
    """name -> class of every method's file, by file name. It loads them on the first call, because they need torch."""
    from lgn.methods._method import Method

    found = {}
    for module in _files():
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, Method) and kind.__module__ == module.__name__:
                found[kind.name] = kind
    return found


def noises() -> dict:
    """name -> function from uniforms (width, size) in (0, 1) to noise of that shape: lgn.noise's and the files' own."""
    from lgn.noise import NOISES

    return NOISES | {
        name: noise for module in _files() for name, noise in getattr(module, "NOISES", {}).items()
    }


def method_of(estimator):
    """The method of an Estimator, with its options."""
    return _method(estimator.parametrization, estimator.options)


@cache
def _method(name: str, options: str):
    kind = parametrizations()[name]
    return kind(kind.Options.model_validate_json(options or "{}"))


def _files() -> tuple[ModuleType, ...]:
    return _loaded(tuple(importlib.import_module(PACKAGE).__path__))


@cache
def _loaded(folders: tuple[str, ...]) -> tuple[ModuleType, ...]:
    names = sorted(found.name for found in pkgutil.iter_modules(folders) if not found.name.startswith("_"))
    return tuple(importlib.import_module(f"{PACKAGE}.{name}") for name in names)
