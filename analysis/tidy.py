"""The tidy tables of a preset as one value, read from results/<preset>/."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lgn.errors import LgnError

TABLES = ("runs", "history", "layers", "gates", "entropies")


@dataclass(frozen=True)
class Tables:
    """Columns: see analysis.collect. Every table has a run_id."""

    runs: pd.DataFrame
    history: pd.DataFrame
    layers: pd.DataFrame
    gates: pd.DataFrame
    entropies: pd.DataFrame


def read_tables(results: Path) -> Tables:
    """The tables that `python -m analysis collect` wrote. Raises LgnError naming the file that cannot be read."""
    return Tables(**{name: _read(results / f"{name}.csv") for name in TABLES})


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except FileNotFoundError:
        raise LgnError(
            f"{path}: is missing; allowed: a folder that `python -m analysis collect` has filled"
        ) from None
    except (OSError, ValueError) as error:
        raise LgnError(f"{path}: cannot be read as CSV ({' '.join(str(error).split())})") from None
