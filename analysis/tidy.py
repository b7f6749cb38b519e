"""The tidy tables of a preset as one value, read from results/<preset>/."""

from functools import cached_property
from pathlib import Path

import pandas as pd

from lgn.data.own import is_own, read_own
from lgn.errors import LgnError
from lgn.run_options import RETIRED

TABLES = ("runs", "history", "layers", "gates", "entropies")

PROBE = "probe_"
"""Begins the name of a probe's table."""


class Tables:
    """Columns: see analysis.collect. Every table has a run_id. Each is read when first asked for: few need all."""

    def __init__(self, results: Path):
        self.results = results

    def path(self, name: str) -> Path:
        """<name>.csv, or <name>.csv.xz where results are kept. Raises LgnError where it is missing."""
        path = self.results / f"{name}.csv"
        found = [p for p in (path, path.with_name(f"{path.name}.xz")) if p.is_file()]
        if not found:
            raise LgnError(
                f"{path}: is missing; allowed: a folder that `python -m analysis collect` has filled"
            )
        return found[0]

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Raises LgnError where a file of one's own, which says how many classes there are, is not that of the runs.

        And where a setting that is gone tells runs apart.
        """
        runs = _read(self.path("runs"))
        for key, only in RETIRED.items():
            if key in runs and (others := sorted({*runs[key].dropna()} - {only})):
                found = f"{self.path('runs')}: {key}: {others[0]!r}"
                raise LgnError(f"{found} is of an earlier version; allowed: {only!r}")
        if "file_sha256" in runs:
            for dataset, digest in set(zip(runs["dataset"], runs["file_sha256"], strict=True)):
                if is_own(dataset):
                    read_own(dataset, digest)
        return runs

    @cached_property
    def history(self) -> pd.DataFrame:
        return _read_rows(self.path("history"))

    @cached_property
    def layers(self) -> pd.DataFrame:
        return _read_rows(self.path("layers"))

    @cached_property
    def gates(self) -> pd.DataFrame:
        return _read_rows(self.path("gates"))

    @cached_property
    def entropies(self) -> pd.DataFrame:
        return _read_rows(self.path("entropies"))

    @cached_property
    def probes(self) -> list[str]:
        """Names of the probes whose tables are there."""
        return sorted(
            path.name.removeprefix(PROBE).split(".")[0] for path in self.results.glob(f"{PROBE}*.csv*")
        )

    def probe(self, name: str) -> pd.DataFrame:
        """A probe's table: run_id, iteration, and the columns of its rows (see probes)."""
        return _read_rows(self.path(f"{PROBE}{name}"))


def read_tables(results: Path) -> Tables:
    """The tables that `python -m analysis collect` wrote. Raises LgnError naming a file that is missing.

    One that cannot be read raises it when it is asked for.
    """
    tables = Tables(results)
    for name in TABLES:
        tables.path(name)
    return tables


def _read_rows(path: Path) -> pd.DataFrame:
    """A table with many rows a run: ids as a category take little memory, and rows are picked by id often."""
    return _read(path, {"run_id": "category"})


def _read(path: Path, kinds: dict[str, str] | None = None) -> pd.DataFrame:
    try:
        # The copy gathers columns of a kind in one block: read_csv leaves one a column, and picking rows visits each.
        return pd.read_csv(path, dtype=kinds).copy()
    except (OSError, ValueError) as error:
        raise LgnError(f"{path}: cannot be read as CSV ({' '.join(str(error).split())})") from None
