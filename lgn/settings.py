"""Reads settings from YAML or key=value into a typed model. An error is one line: key, value and what is allowed."""

import re
from fractions import Fraction
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from lgn.errors import LgnError


def validated(model: type[BaseModel], data: dict[str, Any], where: str) -> Any:
    """The data as a model. Raises LgnError naming `where`, the key, its value and what is allowed."""
    try:
        return model.model_validate(data)
    except LgnError as error:
        raise LgnError(f"{where}: {error}") from None
    except ValidationError as error:
        raise LgnError(f"{where}: {one_line(model, error)}") from None


def one_line(model: type[BaseModel], errors: ValidationError) -> str:
    """The first of pydantic's errors, in one line."""
    error = errors.errors()[0]
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key; allowed: {', '.join(_keys_at(model, error['loc']))}"
    if error["type"] == "missing":
        return f"{key}: is missing and has no default"
    if error["type"] == "value_error":
        return error["msg"].removeprefix("Value error, ")
    allowed = re.sub("^(Input|String|List) should ", "", error["msg"]).removeprefix("be ")
    return f"{key}: {error['input']!r} is not allowed; allowed: {allowed}"


def _keys_at(model: type[BaseModel], location: tuple) -> list[str]:
    """The keys that are allowed at the place of an unknown key."""
    for part in location[:-1]:
        field = model.model_fields.get(part)
        inner = (field.annotation, *get_args(field.annotation)) if field else ()
        model = next(
            (kind for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel)), model
        )
    return list(model.model_fields)


_EXPONENT = re.compile(r"\d+(\.\d+)?[eE]\+?\d{1,2}")
_RANGE = re.compile(r"(\d{1,9})-(\d{1,9})")


def whole(key: str, value: object) -> object:
    """The exact integer of a text such as 1e5 or 2.5e3; other values unchanged. Raises ValueError for a range."""
    if not isinstance(value, str):
        return value
    if ends := _RANGE.fullmatch(value):
        raise ValueError(
            f"{key}: {value!r} is a range; allowed: numbers, {_listed(*map(int, ends.groups()))}"
        )
    number = Fraction(value) if _EXPONENT.fullmatch(value) else None
    return int(number) if number is not None and number.denominator == 1 else value


def _listed(first: int, last: int) -> str:
    shown = range(first, last + 1) if last - first < 10 else (first, first + 1, "...", last)
    return ",".join(map(str, shown))


class _Loader(yaml.SafeLoader):
    """Refuses a key that occurs twice in one mapping; YAML readers would use the last one."""

    def compose_mapping_node(self, anchor):
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in lines:
                raise LgnError(
                    f"line {line}: {key.value}: stands in line {lines[name]} already; allowed: once"
                )
            lines[name] = line
        return node


def parse_yaml(text: str) -> Any:
    """The value of YAML text of plain data.

    Raises ValueError for invalid text, and LgnError naming key and line if a key occurs twice.
    """
    try:
        return _Loader(text).get_single_data()
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def parse_settings(pairs: list[str]) -> dict[str, object]:
    """A mapping from key=value strings, with YAML values. Raises LgnError if `=` is missing or a key occurs twice."""
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise LgnError(f"{pair!r}: is not a setting; allowed: key=value")
        if key in settings:
            raise LgnError(f"{key}: is given twice")
        try:
            settings[key] = parse_yaml(value)
        except LgnError as error:
            raise LgnError(f"{key}: {error}") from None
        except ValueError:
            raise LgnError(f"{key}: {value!r} is not a value; allowed: a YAML scalar") from None
    return settings
