"""What pydantic says of wrong settings, in one line that names the key, its value and what is allowed."""

import reprlib
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from lgn.errors import LgnError

MOST_SHOWN = 200
"""Characters of a key or value that a message repeats."""

_PATTERNS = {
    "device": "auto, cpu, cuda or cuda:N",
    "file_sha256": "64 hexadecimal digits",
    "preset": "1 to 64 letters, digits, _ and -, the first a letter or digit",
}
"""What a regular expression allows, in words, by its key."""

_short = reprlib.Repr()
_short.maxstring = _short.maxlong = _short.maxother = MOST_SHOWN
shown = _short.repr


def validated(model: type[BaseModel], data: dict[str, Any], where: str) -> Any:
    """The model of the data. Raises LgnError naming `where`, the key, its value and what is allowed."""
    try:
        return model.model_validate(data)
    except LgnError as error:
        raise LgnError(f"{where}: {error}") from None
    except ValidationError as error:
        raise LgnError(f"{where}: {one_line(model, error)}") from None


def named(key: object) -> str:
    """A key as it stands in a message."""
    return key[:MOST_SHOWN] if isinstance(key, str) else shown(key)


def one_line(model: type[BaseModel], errors: ValidationError) -> str:
    """The first of pydantic's errors, in a line."""
    error = errors.errors()[0]
    key = ".".join(named(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key; allowed: {', '.join(_keys_at(model, error['loc']))}"
    if error["type"] == "missing":
        return f"{key}: is missing and has no default"
    if error["type"] == "value_error":
        return error["msg"].removeprefix("Value error, ")
    return f"{key}: {shown(error['input'])} is not allowed; allowed: {_allowed(error)}"


def _allowed(error: dict[str, Any]) -> str:
    if error["type"] == "string_pattern_mismatch":
        return _PATTERNS[error["loc"][-1]]
    if error["type"] == "int_parsing":
        return "a whole number"
    return error["msg"].removeprefix("Input should be ")


def _keys_at(model: type[BaseModel], location: tuple) -> list[str]:
    """The keys allowed where an unknown one stood."""
    for part in location[:-1]:
        field = model.model_fields.get(part)
        inner = (field.annotation, *get_args(field.annotation)) if field else ()
        model = next(
            (kind for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel)), model
        )
    return list(model.model_fields)
