"""What the commands' arguments have in common. Each package states its own commands; `lgn.cli` gathers them."""

import argparse
from pathlib import Path

from lgn.errors import LgnError
from lgn.folders import given_path


def add_execution(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)


def execution_of(options: argparse.Namespace):
    from lgn.run import parse_execution

    names = ("backend", "device", "threads", "snapshots")
    return parse_execution({name: value for name, value in vars(options).items() if name in names}, "lgn")


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir",
        type=given_path,
        default=None,
        help="folder of the data files (default: LGN_DATA, or data)",
    )


def data_dir_of(options: argparse.Namespace) -> Path:
    from lgn.data import default_data_dir

    return options.data_dir or default_data_dir()


def parse_settings(pairs: list[str]) -> dict[str, object]:
    """key=value strings to a mapping, values as in YAML. Raises LgnError where `=` is missing or a key stands twice."""
    from lgn.yaml_files import parse_yaml

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
