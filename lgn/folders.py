"""Folders and files as people write them: ~ and $SCRATCH are what a shell makes of them."""

import os
import re
from pathlib import Path

from lgn.errors import LgnError


def expanded(path: str, where: str) -> str:
    """A path with ~ and environment variables replaced.

    Raises LgnError, which begins with `where`, where one of them stands for nothing.
    """
    for name in re.findall(r"\$(?:(\w+)|\{(\w+)\})", path):
        if "".join(name) not in os.environ:
            raise LgnError(
                f"{where}: {path!r} names the variable {''.join(name)}; allowed: those that are set"
            )
    found = os.path.expanduser(os.path.expandvars(path))
    if found.startswith("~"):
        raise LgnError(
            f"{where}: {path!r} begins with a home folder that there is not; allowed: a path without ~"
        )
    return found


def given_path(text: str) -> Path:
    """The path that a command-line argument means; shells leave the ~ of --output=~/x to us. Raises LgnError."""
    return Path(expanded(text, "path"))
