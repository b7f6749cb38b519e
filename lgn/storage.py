"""Files that are whole or not there at all, and folders that one process at a time writes into."""

import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from lgn.errors import LgnError


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file so that a reader, or a crash at any moment, sees the old content or the new, never a part.

    One process at a time may write a path (see only_process). Raises LgnError where the file cannot be written; what
    was there before stays.
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
        raise LgnError(
            f"{path}: cannot be written ({error.strerror}); what was stored before is kept"
        ) from None


def write_json(path: Path, content: dict) -> None:
    """A mapping as an indented JSON file; NaN becomes null."""
    write_bytes(path, (json.dumps(_json(content), indent=2, allow_nan=False) + "\n").encode())


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it. Raises LgnError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LgnError(f"{folder}: cannot be made ({error.strerror}); allowed: a writable folder") from None


def sha256(data: bytes | memoryview) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Holds a folder for this process; the system lets go of it when the process ends, however that happens.

    Raises LgnError where another process holds it. A file system that cannot lock folders goes unguarded.
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
    """Waits until no other process is in here with this folder. A file system that cannot lock goes unguarded."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """A rename is on disk only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _json(value):
    """JSON without NaN: null says that there is no number."""
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_json(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
