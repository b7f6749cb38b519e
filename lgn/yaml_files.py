"""YAML as this suite reads it: plain data, every key once."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from lgn.errors import LgnError


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
        return yaml.load(text, Loader=_Loader)
    except LgnError:
        raise
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    except Exception as error:
        # PyYAML lets through whatever its constructors raise: ValueError for 2001-99-99, KeyError for !!bool x,
        # IndexError for !!int '', AttributeError for !!timestamp x, RecursionError for brackets without end.
        raise ValueError(f"{type(error).__name__}: {error}") from None


def read_mapping(path: Path | str) -> dict[Any, Any]:
    """The mapping in a YAML file. Raises LgnError, naming the file, where there is none or a key stands twice."""
    try:
        config = parse_yaml(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LgnError(f"{path}: not a readable YAML file: {' '.join(str(error).split())}") from None
    except LgnError as error:
        raise LgnError(f"{path}: {error}") from None
    if not isinstance(config, dict):
        raise LgnError(f"{path}: holds {type(config).__name__}; allowed: a mapping of keys")
    return config


def check_config_files(paths: Iterable[Path | str]) -> None:
    """Looks at the files that Snakemake merges into one configuration, with a reader of its own that says nothing.

    Raises LgnError as read_mapping, and where two of them name a preset: what they merge into is neither.
    """
    named = [path for path in paths if "preset" in read_mapping(path)]
    if len(named) > 1:
        raise LgnError(f"{named[1]}: preset: is named by {named[0]} too; allowed: one a call")
