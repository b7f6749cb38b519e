"""Which neurons of trained nets do anything: the probe `use` (circuits/use.py) as shares of all neurons, over seeds."""

import pandas as pd

from analysis.conditions import settings
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
            of_method = measured[measured["run_id"].isin(condition["run_id"])]
            row = {"dataset": setting.dataset, "depth": setting.depth, "width": setting.width}
            row |= {"recipe": setting.recipe_text, "method": method, "seeds": len(of_method)}
            for name in COUNTS:
                found = mean_interval((of_method[name] / of_method["neurons"]).to_numpy(float))
                row |= dict(zip((name, f"{name}_low", f"{name}_high"), map(float, found), strict=True))
            rows.append(row)
    columns = [*_SETTING, *(f"{name}{part}" for name in COUNTS for part in ("", "_low", "_high"))]
    return pd.DataFrame(rows, columns=columns)


def use_shown(values: pd.DataFrame) -> pd.DataFrame:
    """use_values as text, for readers; shares in percent."""
    shown = values[list(_SETTING)].assign(method=values["method"].map(method_label))
    for name in COUNTS:
        parts = zip(values[name], values[f"{name}_low"], values[f"{name}_high"], strict=True)
        shown[f"{name} %"] = [
            with_interval(share, low, high, lambda x: f"{100 * x:.1f}") for share, low, high in parts
        ]
    return shown
