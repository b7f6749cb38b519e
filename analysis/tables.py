"""Every table of a preset, as md, tex and csv."""

from collections.abc import Sequence
from pathlib import Path

from analysis.claim_tables import claims_shown, verdicts_shown
from analysis.compare import compare_shown, compare_values
from analysis.fairness import fairness_shown, fairness_values
from analysis.grid import grid_shown, grid_values, map_settings
from analysis.output import write_table
from analysis.robust import robust_shown, robust_values
from analysis.summary import summary_shown, summary_values
from analysis.survival import survival_shown, survival_values
from analysis.tidy import Tables
from analysis.use import use_shown, use_values
from study.compared import Pair

_TABLES = {
    "summary": (summary_values, summary_shown),
    "robust": (robust_values, robust_shown),
    "time_to_target": (survival_values, survival_shown),
    "fairness": (fairness_values, fairness_shown),
}
"""name -> (tidy tables -> numbers, numbers -> text)."""


def write_tables(
    tables: Tables, claims: list[dict], folder: Path, compare: Sequence[Pair] = ()
) -> list[Path]:
    """Writes them, those of the claims, and of map, probe use and pairs where they are; returns the files."""
    paths = []
    for name, (values_of, shown_of) in _TABLES.items():
        values = values_of(tables)
        paths += write_table(name, shown_of(values), folder, values)
    if found := map_settings(tables.runs):
        values = grid_values(tables, found)
        paths += write_table("map", grid_shown(values), folder, values)
    if "use" in tables.probes:
        values = use_values(tables)
        paths += write_table("use", use_shown(values), folder, values)
    if compare:
        values = compare_values(tables, compare)
        paths += write_table("compare", compare_shown(values), folder, values)
    paths += write_table("verdicts", verdicts_shown(claims), folder)
    shown = claims_shown(claims)
    return paths + write_table("claims", shown.drop(columns="detail"), folder, shown)
