"""Files that a command writes where its user says: its own of an earlier call it replaces, others it leaves alone."""

from pathlib import Path

from lgn.errors import LgnError


def require_ours(path: Path, begins: str) -> None:
    """Raises LgnError where a path holds anything but a file that begins as ours do. An empty file is nobody's."""
    if not path.exists():
        return
    if not path.is_file():
        raise LgnError(f"{path}: is no file; allowed: the name of a file to write")
    with open(path, "rb") as file:
        start = file.read(len(begins.encode()))
    if start not in (b"", begins.encode()):
        raise LgnError(
            f"{path}: is a file that this command did not write, since it does not begin with {begins!r}; allowed: "
            "another name"
        )
