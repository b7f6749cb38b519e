"""The map: outcomes of each method by width, depth and initialisation.

Measures are those of the claims and their limits (analysis.comparisons, analysis.survival); none is defined here.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import comparisons, survival
from analysis.conditions import Setting, recipe_text, settings
from analysis.output import with_interval
from analysis.statistics import mean_interval
from analysis.tidy import Tables
from analysis.unused import unused_shares
from lgn.methods import method_label

MEASURES = ("final_accuracy", "gap", "unused_share", "takeoff", "behind_best", "behind_any")
"""Columns of grid_values that have an interval, in columns of the same name with _low and _high."""

KEYS = ("dataset", "depth", "width")
INIT_COLUMNS = ("init", "init_scale", "init_bias")
COLUMNS: tuple[str, ...] = (
    *KEYS,
    "recipe",
    "method",
    "temperature",
    "seeds",
    "iterations_run",
    "learnt",
    "took_off",
)
COLUMNS += tuple(f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high"))
SHOWN: tuple[str, ...] = (*KEYS, "recipe", "method", "seeds", "final acc. %", "behind the best here, points")
SHOWN += (
    "behind the best of any recipe, points",
    "gap, points",
    "unused %",
    "iterations until it learns",
    "learnt",
)


@dataclass(frozen=True)
class Map:
    """Settings that differ in depth and width alone. settings: (depth, width) -> setting; label: of its recipe."""

    dataset: str
    recipe: str
    label: str
    settings: dict[tuple[int, int], Setting]

    @property
    def depths(self) -> list[int]:
        return sorted({depth for depth, _ in self.settings})

    @property
    def widths(self) -> list[int]:
        return sorted({width for _, width in self.settings})


def maps(found: Iterable[Setting]) -> list[Map]:
    """The maps among settings, in their order: two depths or more that share two widths with two methods."""
    together: dict[tuple[str, str], dict[tuple[int, int], Setting]] = {}
    for setting in (one for one in found if len(one.conditions) > 1):
        parts = together.setdefault((setting.dataset, setting.recipe_text), {})
        parts[setting.depth, setting.width] = setting
    kept = {key: parts for key, parts in together.items() if _spans_a_grid(parts)}
    names = dict.fromkeys(name for parts in kept.values() for s in parts.values() for name in s.recipe)
    return [
        Map(*key, _label(next(iter(parts.values())).recipe, parts, names), parts)
        for key, parts in kept.items()
    ]


def map_settings(runs: pd.DataFrame) -> list[Setting]:
    """The settings of all maps of a runs table, or a design before anything ran."""
    return [setting for one in maps(settings(runs)) for setting in one.settings.values()]


def has_map(runs: pd.DataFrame) -> bool:
    """Whether a runs table, or a design, has a map, and so its table."""
    return bool(map_settings(runs))


def grid_values(tables: Tables, found: list[Setting]) -> pd.DataFrame:
    """A row a setting and method: COLUMNS. Shares in 0..1, mean over seeds with its 95% interval.

    takeoff: iterations until a run's smoothed discrete test accuracy counts as learnt, mean over runs. took_off
    counts the runs that learn. Where some never do, it is the restricted mean, below the true mean. learnt: by
    train-mode accuracy at the end, as for the claims on gap and unused share. behind_best: final accuracy of the best
    method at the setting minus this one's, at equal seed; behind_any: of the best method and recipe at this data set,
    depth and width.
    """
    rows, scores = [], []
    for setting in found:
        for condition in setting.conditions.values():
            rows.append(outcome(tables, setting, condition))
            final = comparisons.finals(tables.history, condition, "test_accuracy_discrete")
            scores.append(pd.Series(final, index=sorted(condition["seed"])))
    for name, keys in (("behind_best", (*KEYS, "recipe")), ("behind_any", KEYS)):
        for together in _groups(rows, keys):
            best = max(together, key=lambda i: scores[i].mean())
            for i in together:
                rows[i] |= _interval(name, behind(scores[best], scores[i]))
    return pd.DataFrame(rows, columns=COLUMNS)


def behind(best: pd.Series, other: pd.Series) -> tuple[float, float, float]:
    """Mean of best - other (by seed), with its interval, over the seeds that both have; NaN where none."""
    difference = (best - other).dropna().to_numpy()
    if not len(difference):
        return np.nan, np.nan, np.nan
    mean, low, high = map(float, mean_interval(difference))
    return mean, low, high


def tied(values: pd.DataFrame, name: str = "behind_best") -> pd.Series:
    """Whether a row is the best or tied with it: its interval of `name` reaches 0, or there is none."""
    return ~(values[f"{name}_low"] > comparisons.ROUNDING)


def grid_shown(values: pd.DataFrame) -> pd.DataFrame:
    """grid_values as text, for readers."""

    def points(row: pd.Series, name: str, digits: int) -> str:
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        return with_interval(row[name], low, high, lambda share: f"{100 * share:.{digits}f}")

    rows = [
        (
            *row[list(KEYS)],
            row["recipe"],
            method_label(row["method"]),
            row["seeds"],
            points(row, "final_accuracy", 1),
            points(row, "behind_best", 1),
            points(row, "behind_any", 1),
            points(row, "gap", 2),
            points(row, "unused_share", 1),
            takeoff_text(row),
            "yes" if row["learnt"] else "no",
        )
        for _, row in values.iterrows()
    ]
    return pd.DataFrame(rows, columns=SHOWN)


def takeoff_text(row: pd.Series) -> str:
    """1,200 [900, 1,500]; > 5,000 (2 of 3) where some runs never start to learn"""
    if row["took_off"] < row["seeds"]:
        return f"> {row['takeoff']:,.0f} ({row['took_off']} of {row['seeds']})"
    return with_interval(row["takeoff"], row["takeoff_low"], row["takeoff_high"], "{:,.0f}".format)


def outcome(tables: Tables, setting: Setting, condition: pd.DataFrame) -> dict[str, object]:
    """The outcome of a condition: a row of grid_values without the columns that compare methods."""
    history = tables.history
    limit = comparisons.learnt_accuracy(setting.dataset)
    times = survival.times_to_target(history, condition, limit)
    row = {
        "dataset": setting.dataset,
        "depth": setting.depth,
        "width": setting.width,
        "recipe": setting.recipe_text,
        "method": condition["method"].iloc[0],
        "temperature": float(condition["temperature"].iloc[0]),
        "seeds": len(condition),
        "iterations_run": int(condition["final_iteration"].max()),
        "learnt": comparisons.has_learnt(history, condition, setting.dataset),
        "took_off": int(times.reached.sum()),
    }
    for name, values in (
        ("final_accuracy", comparisons.finals(history, condition, "test_accuracy_discrete")),
        ("gap", comparisons.end_gaps(history, condition)),
        ("unused_share", unused_shares(tables, condition)),
    ):
        row |= _interval(name, mean_interval(values))
    return row | _interval("takeoff", survival.restricted_mean(times, survival.horizon([times])))


def _interval(name: str, found: tuple) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), map(float, found), strict=True))


def _groups(rows: list[dict], keys: tuple[str, ...]) -> list[list[int]]:
    """Positions of rows that agree in keys."""
    found: dict[tuple, list[int]] = {}
    for i, row in enumerate(rows):
        found.setdefault(tuple(row[key] for key in keys), []).append(i)
    return list(found.values())


def _spans_a_grid(parts: dict[tuple[int, int], Setting]) -> bool:
    widths: dict[int, set[int]] = {}
    for depth, width in parts:
        widths.setdefault(depth, set()).add(width)
    return any(len(one & other) >= 2 for one, other in itertools.combinations(widths.values(), 2))


def _label(recipe: dict[str, object], parts: dict[tuple[int, int], Setting], names: Iterable[str]) -> str:
    """How logits start, then the rest of the recipe; where that is empty, all that sets the other maps apart."""
    run = next(iter(parts.values())).runs.iloc[0]
    apart = recipe or {name: run[name] for name in names}
    rest = {name: value for name, value in apart.items() if name not in INIT_COLUMNS}
    return ", ".join(filter(None, [initial_logits(run), recipe_text(rest)]))


def initial_logits(run: pd.Series) -> str:
    """N(0, 1) logits; N(0, 3²) logits; pass-through gates (+5), whose noise is named where it is not N(0, 1)."""
    scale = "1" if run["init_scale"] == 1 else f"{run['init_scale']:g}\N{SUPERSCRIPT TWO}"
    if run["init"] == "gaussian":
        return f"N(0, {scale}) logits"
    return f"pass-through gates (+{run['init_bias']:g}{'' if scale == '1' else f' on N(0, {scale})'})"
