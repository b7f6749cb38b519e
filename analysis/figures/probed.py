"""What the figures of probes share: which runs were measured, and their values with a row a seed."""

from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.conditions import Setting, settings
from analysis.figures.panels import shown_methods
from analysis.tidy import Tables


def probed_settings(tables: Tables, probe: str) -> tuple[list[Setting], pd.DataFrame]:
    """The settings that a probe measured, with the measured runs and the shown methods alone; and the probe's rows.

    A method is stood for by its condition of most probed seeds, see analysis.conditions. Raises LgnError where the
    preset lacks the probe.
    """
    rows = tables.probe(probe)
    found = settings(tables.runs[tables.runs["run_id"].isin(rows["run_id"].unique())])
    return _with(found, shown_methods(found)), rows


def compared(shown: list[Setting]) -> tuple[list[Setting], list[str]]:
    """The settings, whole, with one of the first two methods, and these, for figures with panels for two methods."""
    methods = shown_methods(shown)[:2]
    return [setting for setting in shown if any(method in setting.conditions for method in methods)], methods


def rows_at(rows: pd.DataFrame, condition: pd.DataFrame, moment: str) -> pd.DataFrame:
    """A condition's rows of each run's "first" or "last" probed iteration."""
    rows = rows[rows["run_id"].isin(condition["run_id"])]
    iterations = rows.groupby("run_id", observed=True)["iteration"]
    return rows[rows["iteration"] == iterations.transform("min" if moment == "first" else "max")]


def by_seed(rows: pd.DataFrame, index: list[str], column: str) -> tuple[pd.Index, np.ndarray]:
    """The places (P,) that all runs of rows have, and a column there, (n, P): a row a run.

    index: what makes a place, such as ["iteration"]. Rows of one run and place (draws of noise) are averaged first.
    """
    table = rows.pivot_table(
        index=index, columns="run_id", values=column, aggfunc="mean", observed=True
    ).dropna()
    return table.index, table.to_numpy(float).T


def _with(found: list[Setting], methods: list[str]) -> list[Setting]:
    """The settings that have any of these methods, with no others and in their order."""
    parts = [
        replace(setting, conditions={m: setting.conditions[m] for m in methods if m in setting.conditions})
        for setting in found
    ]
    return [setting for setting in parts if setting.conditions]
