"""What the probes wrote, a file a run -> one table a probe."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from lgn.errors import LgnError
from lgn.files import write_bytes


def collect_probe(files: Iterable[str], output: str) -> None:
    """Writes one CSV table of the files of a probe, each <run_id>.csv: their rows behind a column run_id.

    Raises LgnError naming a file that cannot be read, has no rows or other columns than the first.
    """
    text, first = io.StringIO(), None
    writer = csv.writer(text, lineterminator="\n")
    for path in sorted(map(Path, files), key=lambda path: path.name):
        header, *rows = _read(path)
        if first is None:
            first = header
            writer.writerow(["run_id", *header])
        if header != first or not rows or {len(row) for row in rows} != {len(header)}:
            raise LgnError(
                f"{path}: has other columns than its probe's first file; allowed: {', '.join(first)}"
            )
        writer.writerows([path.stem, *row] for row in rows)
    write_bytes(Path(output), text.getvalue().encode())


def _read(path: Path) -> list[list[str]]:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise LgnError(f"{path}: cannot be read as a probe's rows ({' '.join(str(error).split())})") from None
    if not rows:
        raise LgnError(f"{path}: is empty; allowed: the rows of a probe")
    return rows
