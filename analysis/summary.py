"""The table of conditions: a row each, with what it reached."""

import math
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis import comparisons
from analysis.conditions import SCALE_COLUMNS, condition_columns, conditions, method_rank, settings
from analysis.output import duration, with_interval
from analysis.statistics import mean_interval
from analysis.tidy import Tables
from analysis.unused import unused_shares
from lgn.methods import method_label

_SHARES = (
    # column, header, digits of its percentages
    ("final_accuracy", "final acc. %", 1),
    ("best_accuracy", "best acc. %", 1),
    ("gap", "gap, points", 2),
    ("unused_share", "unused %", 1),
)


def summary_values(tables: Tables) -> pd.DataFrame:
    """A row a condition: settings, seeds, and mean, low, high of each measure (shares in 0..1).

    Times are those of the mean curve to the target of the condition's setting, the baseline's best; empty where it is
    not reached. runs_reaching counts single runs.
    """
    rows = []
    varied = [n for n in condition_columns(tables.runs) if tables.runs[n].nunique(dropna=False) > 1]
    kept = list(dict.fromkeys([*SCALE_COLUMNS, "temperature", *varied]))
    for setting in settings(tables.runs):
        has_target = setting.baseline in setting.conditions
        target = comparisons.target(tables.history, setting) if has_target else math.nan
        for condition in sorted(conditions(setting.runs), key=_order):
            first = condition.iloc[0]
            row = {"source": "measured", "method": first["method"], **{name: first[name] for name in kept}}
            rows.append(row | condition_values(tables, condition, target))
    return pd.DataFrame(rows)


def condition_values(tables: Tables, condition: pd.DataFrame, target: float) -> dict[str, object]:
    """The measures of one condition; times are NaN without a target."""
    history = tables.history
    row: dict[str, object] = {"seeds": len(condition)}
    curves = comparisons.curves(history, condition)
    per_seed = {
        "final_accuracy": comparisons.finals(history, condition, "test_accuracy_discrete"),
        "best_accuracy": comparisons.best_of_runs(history, condition),
        "gap": comparisons.end_gaps(history, condition),
        "unused_share": unused_shares(tables, condition),
        "iterations_to_converge": comparisons.iterations_to_converge(history, condition),
        "milliseconds_an_iteration": 1e3 * comparisons.seconds_an_iteration(history, condition),
    }
    for name, values in per_seed.items():
        row[name], row[f"{name}_low"], row[f"{name}_high"] = (float(x) for x in mean_interval(values))
    row["iterations_run"] = int(condition["final_iteration"].max())
    row["target_accuracy"] = target
    if math.isnan(target):
        return row | {
            "iterations_to_target": math.nan,
            "seconds_to_target": math.nan,
            "runs_reaching": math.nan,
        }
    for unit in ("iterations", "seconds"):
        time, _ = comparisons.times_to(curves, np.array([target]), comparisons.all_seeds(curves), unit)
        row[f"{unit}_to_target"] = float(time[0]) if np.isfinite(time[0]) else math.nan
    row["runs_reaching"] = comparisons.runs_reaching(history, condition, target)
    return row


def summary_shown(values: pd.DataFrame) -> pd.DataFrame:
    """The same rows as text: percentages with their 95% intervals."""
    described = [
        n for n in values.columns[: values.columns.get_loc("seeds")] if n not in ("source", "method")
    ]
    # Some settings are in the method's name; the budget is in the iterations run.
    in_name = ("parametrization", "noise", "straight_through")
    described = [n for n in described if n not in (*in_name, "iterations", "evaluations")]
    rows = []
    for _, row in values.iterrows():
        cells = {"method": method_label(row["method"])}
        cells |= {name.replace("_", " "): _plain(row[name]) for name in described}
        cells["seeds"] = str(int(row["seeds"]))
        for name, header, digits in _SHARES:
            low, high = row[f"{name}_low"], row[f"{name}_high"]
            cells[header] = with_interval(row[name], low, high, partial(_percent, digits))
        converged, low, high = (row[f"iterations_to_converge{end}"] for end in ("", "_low", "_high"))
        cells["iterations to within 1% of the best"] = with_interval(converged, low, high, duration)
        cells["iterations to target"] = _time(row, "iterations")
        cells["seconds to target"] = _time(row, "seconds")
        cells["runs there"] = (
            "-" if pd.isna(row["runs_reaching"]) else f"{row['runs_reaching']:.0f} of {row['seeds']}"
        )
        rows.append(cells)
    return pd.DataFrame(rows)


def _percent(digits: int, share: float) -> str:
    return f"{100 * share:.{digits}f}"


def _time(row: pd.Series, unit: str) -> str:
    if pd.isna(row["target_accuracy"]):
        return "-"
    if pd.isna(row[f"{unit}_to_target"]):
        return "not reached"
    return duration(row[f"{unit}_to_target"])


def _plain(value: Any) -> str:
    if pd.isna(value):
        return "-"
    if isinstance(value, float | np.floating):
        return f"{value:g}" if abs(float(value)) < 1e5 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int | np.integer) and not isinstance(value, bool) else str(value)


def _order(condition: pd.DataFrame) -> tuple:
    rank = method_rank(condition["method"].iloc[0])
    return *rank, float(condition["temperature"].iloc[0]), int(condition["iterations"].iloc[0])
