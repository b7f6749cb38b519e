"""Some of a preset's runs: of these methods, and of these settings."""

from collections.abc import Mapping, Sequence

from analysis.conditions import setting_columns
from analysis.tidy import Tables
from lgn.errors import LgnError


def selected(
    tables: Tables, methods: Sequence[str] = (), stated: Mapping[str, object] | None = None
) -> Tables:
    """The tables with the runs of these methods (all where none is named) that have the stated settings.

    Raises LgnError for a method or a value that no run has, naming those that there are.
    """
    runs = tables.runs
    for method in methods:
        _require("--methods", method, runs["method"])
    if methods:
        runs = runs[runs["method"].isin(methods)]
    for key, value in (stated or {}).items():
        if key not in setting_columns(runs):
            raise LgnError(f"--settings: {key}: is no setting; allowed: {', '.join(setting_columns(runs))}")
        _require(f"--settings: {key}", value, runs[key])
        runs = runs[runs[key] == value]
    chosen = Tables(tables.results)
    chosen.runs = runs
    return chosen


def _require(where: str, value: object, column) -> None:
    if not (column == value).any():
        raise LgnError(f"{where}: {value}; allowed: {', '.join(map(str, sorted(column.dropna().unique())))}")
