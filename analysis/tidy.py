"""The tidy tables of a preset as one value, read from results/<preset>/."""

from functools import cached_property
from pathlib import Path

import pandas as pd

from lgn.errors import LgnError

TABLES = ("runs", "history", "layers", "gates", "entropies")


class Tables:
    """Columns: see analysis.collect. Every table has a run_id. Each is read when first asked for: few need all."""

    def __init__(self, results: Path):
        self.results = results

    @cached_property
    def runs(self) -> pd.DataFrame:
        return _read(self.results / "runs.csv")

    @cached_property
    def history(self) -> pd.DataFrame:
        return _read_rows(self.results / "history.csv")

    @cached_property
    def layers(self) -> pd.DataFrame:
        return _read_rows(self.results / "layers.csv")

    @cached_property
    def gates(self) -> pd.DataFrame:
        return _read_rows(self.results / "gates.csv")

    @cached_property
    def entropies(self) -> pd.DataFrame:
        return _read_rows(self.results / "entropies.csv")


def read_tables(results: Path) -> Tables:
    """The tables that `python -m analysis collect` wrote. Raises LgnError naming a file that is missing.

    One that cannot be read raises it when it is asked for.
    """
    for path in (results / f"{name}.csv" for name in TABLES):
        if not path.is_file():
            raise LgnError(
                f"{path}: is missing; allowed: a folder that `python -m analysis collect` has filled"
            )
    return Tables(results)


def _read_rows(path: Path) -> pd.DataFrame:
    """A table with many rows a run: ids as a category take little memory, and rows are picked by id often."""
    return _read(path, {"run_id": "category"})


def _read(path: Path, kinds: dict[str, str] | None = None) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=kinds)
    except (OSError, ValueError) as error:
        raise LgnError(f"{path}: cannot be read as CSV ({' '.join(str(error).split())})") from None
