"""Two methods at one setting, seed by seed: how much they differ, in what a preset asks to compare (its `compare`)."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from analysis import comparisons, survival
from analysis.conditions import Setting, settings, shared_seeds
from analysis.output import with_interval
from analysis.statistics import mean_interval
from analysis.tidy import Tables
from analysis.unused import unused_shares
from lgn.methods import method_label
from study.compared import Pair

MEASURES = ("final_accuracy", "gap", "unused_share", "iterations_to_target")
COLUMNS: tuple[str, ...] = ("dataset", "depth", "width", "recipe", "method", "against", "seeds")
COLUMNS += (
    "target_accuracy",
    "horizon",
    "reached",
    "reached_against",
    *(f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")),
)
SHOWN = (
    "dataset", "depth", "width", "recipe", "method", "against", "seeds", "final acc., points", "gap, points",
    "unused, points", "target acc. %", "iterations to target", "runs there",
)  # fmt: skip


def compare_values(tables: Tables, pairs: Sequence[Pair]) -> pd.DataFrame:
    """A row a setting and pair that ran there: COLUMNS. Differences method - against at equal seed, with intervals.

    Shares in 0..1, means over the seeds that both ran. The target is the best of `against`; a run that does not get
    there is counted up to the horizon, for which every run was watched (analysis.survival).
    """
    rows = [
        _row(tables, setting, pair)
        for pair in pairs
        for setting in settings(tables.runs)
        if {pair.method, pair.against} <= set(setting.conditions)
        and shared_seeds(setting.conditions[pair.method], setting.conditions[pair.against])
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def compare_shown(values: pd.DataFrame) -> pd.DataFrame:
    """compare_values as text, for readers."""

    def shown(row: pd.Series, name: str, show: Callable[[float], str]) -> str:
        return with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"], show)

    def points(row: pd.Series, name: str, digits: int) -> str:
        return shown(row, name, lambda share: f"{100 * share:+.{digits}f}")

    rows = [
        (
            *row[["dataset", "depth"]],
            f"{row['width']:,}",
            row["recipe"],
            method_label(row["method"]),
            method_label(row["against"]),
            row["seeds"],
            points(row, "final_accuracy", 1),
            points(row, "gap", 2),
            points(row, "unused_share", 1),
            f"{100 * row['target_accuracy']:.1f}",
            shown(row, "iterations_to_target", "{:+,.0f}".format),
            f"{row['reached']}, {row['reached_against']} of {row['seeds']}",
        )
        for _, row in values.iterrows()
    ]
    return pd.DataFrame(rows, columns=SHOWN)


def _row(tables: Tables, setting: Setting, pair: Pair) -> dict[str, object]:
    both = [setting.conditions[name] for name in (pair.method, pair.against)]
    seeds = shared_seeds(*both)
    both = [condition[condition["seed"].isin(seeds)] for condition in both]
    history = tables.history
    target = comparisons.best_accuracy(comparisons.curves(history, both[1]))
    times = [survival.times_to_target(history, condition, target) for condition in both]
    horizon = survival.horizon(times)
    row = {"dataset": setting.dataset, "depth": setting.depth, "width": setting.width}
    row |= {
        "recipe": setting.recipe_text,
        "method": pair.method,
        "against": pair.against,
        "seeds": len(seeds),
    }
    row |= {"target_accuracy": target, "horizon": horizon}
    row |= dict(zip(("reached", "reached_against"), (int(own.reached.sum()) for own in times), strict=True))
    for name, (one, other) in {
        "final_accuracy": [comparisons.finals(history, part, "test_accuracy_discrete") for part in both],
        "gap": [comparisons.end_gaps(history, part) for part in both],
        "unused_share": [unused_shares(tables, part) for part in both],
        "iterations_to_target": [np.minimum(own.time, horizon) for own in times],
    }.items():
        found = map(float, mean_interval(one - other))
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), found, strict=True))
    return row
