"""Whole numbers as people write them: 1e5 is text to YAML 1.1, and 0-4 the number -4 to pydantic."""

import re
from fractions import Fraction

_EXPONENT = re.compile(r"\d+(\.\d+)?[eE]\+?\d{1,2}")
_RANGE = re.compile(r"(\d{1,9})-(\d{1,9})")


def whole(key: str, value: object) -> object:
    """The integer that a text such as 1e5 or 2.5e3 is exactly; else the value itself. Raises ValueError for a range."""
    if not isinstance(value, str):
        return value
    if ends := _RANGE.fullmatch(value):
        raise ValueError(
            f"{key}: {value!r} is a range; allowed: numbers, {_listed(*map(int, ends.groups()))}"
        )
    number = Fraction(value) if _EXPONENT.fullmatch(value) else None
    return int(number) if number is not None and number.denominator == 1 else value


def whole_values(settings: object) -> object:
    """`whole` of each value of a mapping."""
    if not isinstance(settings, dict):
        return settings
    return {key: whole(key, value) for key, value in settings.items()}


def whole_seeds(seeds: object) -> object:
    """`whole` of each item of a list."""
    return [whole("seeds", value) for value in seeds] if isinstance(seeds, list) else seeds


def _listed(first: int, last: int) -> str:
    shown = range(first, last + 1) if last - first < 10 else (first, first + 1, "...", last)
    return ",".join(map(str, shown))
