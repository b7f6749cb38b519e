"""Settings as people write them, in YAML or as key=value, to a typed model; what is wrong is named in one line."""

import re
from fractions import Fraction
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from lgn.errors import LgnError


def validated(model: type[BaseModel], data: dict[str, Any], where: str) -> Any:
    """The model of the data. Raises LgnError naming `where`, the key, its value and what is allowed."""
    try:
        return model.model_validate(data)
    except LgnError as error:
        raise LgnError(f"{where}: {error}") from None
    except ValidationError as error:
        raise LgnError(f"{where}: {one_line(model, error)}") from None


def one_line(model: type[BaseModel], errors: ValidationError) -> str:
    """The first of pydantic's errors, in a line."""
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
    """The keys allowed where an unknown one stood."""
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
    """The integer that a text such as 1e5 or 2.5e3 is exactly; else the value itself. Raises ValueError for a range."""
    if not isinstance(value, str):
        return value
    if ends := _RANGE.fullmatch(value):
        raise ValueError(
            f"{key}: {value!r} is a range; allowed: numbers, {_listed(*map(int, ends.groups()))}"
        )
    number = Fraction(value) if _EXPONENT.fullmatch(value) else None
    return int(number) if number is not None and number.denominator == 1 else value


def whole_values(settings: dict[str, Any]) -> dict[str, Any]:
    """`whole` of each value of a mapping."""
    return {key: whole(key, value) for key, value in settings.items()}


def _listed(first: int, last: int) -> str:
    shown = range(first, last + 1) if last - first < 10 else (first, first + 1, "...", last)
    return ",".join(map(str, shown))


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, of which YAML's readers take the last."""

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
    """The value that YAML text of plain data stands for.

    Raises ValueError where there is none, LgnError naming key and line where a key stands twice.
    """
    try:
        return _Loader(text).get_single_data()
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def parse_settings(pairs: list[str]) -> dict[str, object]:
    """key=value strings to a mapping, values as in YAML. Raises LgnError where `=` is missing or a key stands twice."""
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
