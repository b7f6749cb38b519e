"""The command line, `lgn <command>`. Every command calls one library function.

Each package defines its own commands. This module defines evaluate and fetch, and runs all.
"""

import argparse
import csv
import importlib
import math
import os
import sys
from pathlib import Path

from lgn.errors import LgnError
from lgn.files import given_path
from lgn.stopping import Stopped

COMMAND_MODULES = ("study.cli", "lgn.cli", "probes.cli", "circuits.cli")
"""Modules that define commands. Nothing else in lgn names the packages above it."""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; wrong input prints one line on standard error and returns 2."""
    # Spinning OpenMP threads starve the other runs on the machine; must be set before torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        options = _parse(arguments)
        status = options.command(options) or 0
        sys.stdout.flush()
        return status
    except LgnError as error:
        print(f"lgn: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        # torch.OutOfMemoryError, by name: only commands that compute load torch.
        if type(error).__name__ != "OutOfMemoryError":
            raise
        print(f"lgn: out of memory on the device: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    except Stopped as stopped:
        print(f"lgn: stopped, {stopped}; the same command goes on from there", file=sys.stderr)
        return 128 + stopped.signal
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of the output has exited, as `head` does. Python must not write to it at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options of a command. Its positional arguments may come before and after its options."""
    parser = _parser()
    options, left = parser.parse_known_args(arguments)
    if left and (not hasattr(options, "several") or any(text.startswith("-") for text in left)):
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    if left:
        vars(options)[options.several] += left
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lgn", description="Train and evaluate logic gate networks.")
    commands = parser.add_subparsers(required=True, metavar="command")
    for module in COMMAND_MODULES:
        importlib.import_module(module).add_commands(commands)
    return parser


def add_execution(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", default="auto", help="auto, torch, numba or triton (default: auto)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--threads", type=int, default=1, help="threads per run (default: 1)")


def execution_of(options: argparse.Namespace):
    from lgn.execution import Execution
    from lgn.settings import validated

    names = ("backend", "device", "threads", "snapshots")
    given = {name: value for name, value in vars(options).items() if name in names}
    return validated(Execution, given, "lgn")


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    help = "folder of the data files (default: LGN_DATA, or data)"
    parser.add_argument("--data-dir", type=given_path, help=help)


def data_dir_of(options: argparse.Namespace) -> Path:
    from lgn.data import default_data_dir

    return options.data_dir or default_data_dir()


def add_commands(commands) -> None:
    """Adds this module's commands to the subparsers of `lgn`."""
    evaluate = commands.add_parser("evaluate", help="evaluate a run's stored weights again")
    evaluate.add_argument("record", type=given_path, help="directory of a record")
    add_execution(evaluate)
    add_data_dir(evaluate)
    evaluate.set_defaults(command=_evaluate)

    fetch = commands.add_parser("fetch", help="download a data set into the data folder and check it")
    fetch.add_argument("dataset")
    fetch.add_argument(
        "--report", type=given_path, help="write the data set's sizes and checksum to this JSON file"
    )
    add_data_dir(fetch)
    fetch.set_defaults(command=_fetch)


def _evaluate(options) -> None:
    from lgn.restore import evaluate_record

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("column", "recorded", "now"))
    found = evaluate_record(options.record, data_dir_of(options), execution_of(options))
    for column, (recorded, now) in found.items():
        writer.writerow((column, recorded, "" if math.isnan(now) else f"{now:.7g}"))


def _fetch(options) -> None:
    from lgn.data import describe, fetch
    from lgn.files import require_ours, write_json

    if options.report:
        require_ours(options.report, '{\n  "dataset"')
    fetch(options.dataset, data_dir_of(options))
    found = describe(options.dataset, data_dir_of(options))
    print(", ".join(f"{key} {value}" for key, value in found.items()))
    if options.report:
        write_json(options.report, found)
