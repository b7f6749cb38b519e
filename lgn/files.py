"""Paths from users, atomic file writes, and a lock per folder."""

import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from lgn.errors import LgnError


def expanded(path: str, where: str) -> str:
    """A path with ~ and environment variables replaced.

    Raises LgnError, which begins with `where`, if one of them is not set.
    """
    for name in re.findall(r"\$(?:(\w+)|\{(\w+)\})", path):
        if "".join(name) not in os.environ:
            raise LgnError(
                f"{where}: {path!r} names the variable {''.join(name)}; allowed: those that are set"
            )
    found = os.path.expanduser(os.path.expandvars(path))
    if found.startswith("~"):
        raise LgnError(f"{where}: {path!r} begins with an unknown home folder; allowed: a path without ~")
    return found


def given_path(text: str) -> Path:
    """The path of a command-line argument. A shell does not expand the ~ of --output=~/x. Raises LgnError."""
    return Path(expanded(text, "path"))


def require_ours(path: Path, begins: str) -> None:
    """Raises LgnError if a path exists and is not a file that begins with `begins`. An empty file is allowed."""
    if not path.exists():
        return
    if not path.is_file():
        raise LgnError(f"{path}: is not a file; allowed: the name of a file to write")
    with open(path, "rb") as file:
        start = file.read(len(begins.encode()))
    if start not in (b"", begins.encode()):
        raise LgnError(
            f"{path}: was not written by this command, it does not begin with {begins!r}; allowed: "
            "another name"
        )


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file atomically: a reader, or a crash at any moment, sees the old content or the new.

    Only one process at a time may write a path (see only_process). Raises LgnError if the file cannot be written; the
    old content then stays.
    """
    aside = path.with_name(f".{path.name}.partial")
    try:
        try:
            with open(aside, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
            _sync_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
    except OSError as error:
        raise LgnError(f"{path}: cannot be written ({error.strerror}); the old content is kept") from None


def write_json(path: Path, content: dict) -> None:
    """Writes a mapping as an indented JSON file; NaN becomes null."""
    write_bytes(path, (json.dumps(json_values(content), indent=2, allow_nan=False) + "\n").encode())


def make_folder(folder: Path) -> None:
    """Makes a folder and its parents. Raises LgnError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LgnError(f"{folder}: cannot be made ({error.strerror}); allowed: a writable folder") from None


def sha256(data: bytes | memoryview) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Locks a folder for this process. The system removes the lock when the process ends, for any reason.

    Raises LgnError if another process holds the lock. If the file system has no locks, there is no protection.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise LgnError(
                    f"{folder}: another process is training into it; allowed: one at a time"
                ) from None
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Waits until no other process holds this folder's lock. If the file system has no locks, it does not wait."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Writes a folder to disk: only then is a rename in it permanent."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def json_values(value):
    """A value for JSON; NaN and infinity become null."""
    if isinstance(value, dict):
        return {key: json_values(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [json_values(item) for item in value]
    if hasattr(value, "item"):  # a NumPy number
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
