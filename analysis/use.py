"""Which neurons of trained nets do anything: the probe `use` (circuits/use.py) as shares of all neurons, over seeds."""

from collections import Counter

import pandas as pd

from analysis.conditions import (
    METHOD_COLUMNS,
    SCALE_COLUMNS,
    Setting,
    condition_columns,
    conditions,
    method_rank,
    settings,
)
from analysis.output import with_interval
from analysis.statistics import mean_interval
from analysis.tidy import Tables
from lgn.methods import method_label

COUNTS = ("unused", "not_silent", "reaching_an_output", "after_constants", "after_sharing", "after_synthesis")

_SETTING = ("dataset", "depth", "width", "recipe", "method", "seeds")


def use_values(tables: Tables) -> pd.DataFrame:
    """A row a setting and method that were measured: the mean share of neurons of each count, and its interval.

    Means are over seeds; NaN where a count is missing of one, as after_synthesis is where ABC was not.
    """
    measured = tables.probe("use")
    rows = []
    for setting in settings(tables.runs[tables.runs["run_id"].isin(measured["run_id"].unique())]):
        for method, condition in setting.conditions.items():
            row = {"dataset": setting.dataset, "depth": setting.depth, "width": setting.width}
            row |= {"recipe": setting.recipe_text, "method": method}
            rows.append(row | shares(measured, condition))
    columns = [*_SETTING, *(f"{name}{part}" for name in COUNTS for part in ("", "_low", "_high"))]
    return pd.DataFrame(rows, columns=columns)


def shares(measured: pd.DataFrame, condition: pd.DataFrame) -> dict[str, float]:
    """The seeds of a condition that were measured, and the mean share of each count with its interval over them."""
    runs = measured[measured["run_id"].isin(condition["run_id"])]
    row: dict[str, float] = {"seeds": len(runs)}
    for name in COUNTS:
        found = mean_interval((runs[name] / runs["neurons"]).to_numpy(float))
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), map(float, found), strict=True))
    return row


def tuned_and_default(runs: pd.DataFrame) -> list[Setting]:
    """Two settings a net, such as a leaderboard's: every method at its own ("tuned"), and at one of all ("default").

    The default is what the most methods ran at. A method's own is its other, or the default where it ran at no other.
    Without nets where all ran at the default alone, where methods have none in common, where one ran at three or more,
    or where some trained on other labels, as controls do.
    """
    found = []
    keys = [name for name in condition_columns(runs) if name not in METHOD_COLUMNS] + ["temperature"]
    for (dataset, depth, width), part in runs.groupby(list(SCALE_COLUMNS), sort=True):
        ran = {
            method: {
                tuple(own[keys].iloc[0].astype(str)): own
                for own in conditions(part[part["method"] == method])
            }
            for method in sorted(part["method"].unique(), key=method_rank)
        }
        counts = Counter(key for several in ran.values() for key in several)
        default, shared = counts.most_common(1)[0]
        if shared < 2 or max(map(len, ran.values())) != 2 or part["training_labels"].nunique() > 1:
            continue
        tuned = {method: next((s[k] for k in s if k != default), s.get(default)) for method, s in ran.items()}
        common = {method: several[default] for method, several in ran.items() if default in several}
        baseline = next(iter(ran))
        for kind, shown in (("tuned", tuned), ("default", common)):
            found.append(Setting(dataset, int(depth), int(width), {"settings": kind}, part, shown, baseline))
    return found


def use_shown(values: pd.DataFrame) -> pd.DataFrame:
    """use_values as text, for readers; shares in percent."""
    shown = values[list(_SETTING)].assign(method=values["method"].map(method_label))
    for name in COUNTS:
        parts = zip(values[name], values[f"{name}_low"], values[f"{name}_high"], strict=True)
        shown[f"{name} %"] = [
            with_interval(share, low, high, lambda x: f"{100 * x:.1f}") for share, low, high in parts
        ]
    return shown
