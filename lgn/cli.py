"""The command line: lgn train | pieces | evaluate | verify | probe | fetch | design | keys. Each is a library call."""

import argparse
import importlib
import os
import sys

from lgn.errors import LgnError
from lgn.stopping import Stopped

ROOMS = ("study.cli", "lgn.commands", "probes.cli", "circuits.cli")
"""Modules that state commands. They are above this one: nothing else in lgn may know of them."""


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
        # Torch's, by its name, since torch is loaded only by commands that compute.
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
        # Whoever read the output has gone, as `head` does; nothing more can be said to it, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options of a command. What it takes several of may stand before and after its options alike."""
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
    for room in ROOMS:
        importlib.import_module(room).add_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
