"""Outcomes of methods at one data set, depth and width: other noises, controls, remedies.

There is a row of panels for each data set, depth and width, and a line for each method and recipe. A recipe is the
rest of the settings. The measures are those of analysis.grid.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator

from analysis.conditions import SCALE_COLUMNS, Setting, recipe_text, settings
from analysis.figures.panels import legend, log_axis, percent_axis, seeds_text, short_count, shown_methods
from analysis.grid import grid_values, map_settings
from analysis.style import NEUTRAL, method_style, page
from analysis.tidy import Tables
from lgn.methods import method_label

MEASURES = {
    "takeoff": ("iterations\nuntil it learns", "iterations", 1),
    "final_accuracy": ("final discrete\ntest accuracy", "of test images", 1),
    "gap": ("discretization gap\nat the end", "points", 100),
    "unused_share": ("unused gates\nat the end", "of gates", 1),
}
"""Column of grid_values -> title, unit, and what it is multiplied by, of each panel of a row."""

_OPTIMIZERS = {"adam": "Adam", "adam_inside": "epsilon inside the root", "sgd": "SGD"}

_WORDS: dict[str, Callable] = {
    "training_labels": lambda value: "labels redrawn each step" if value == "redrawn" else f"labels {value}",
    "final_temperature": lambda value: "not annealed" if value is None else f"annealed to {value:g}",
    "init": {"gaussian": "normal logits", "residual": "pass-through gates"}.get,
    "init_scale": "logits start at N(0, {:g}²)".format,
    "optimizer": lambda value: _OPTIMIZERS.get(value, value),
    "epsilon": "epsilon {:g}".format,
    "loss_scale": "loss times {:g}".format,
    "learning_rate": "learning rate {:g}".format,
}
"""Setting of a run -> its value in words."""

_LINE, _BETWEEN = 0.155, 0.7
"""Height of a line in inches; what is left between two methods, in lines."""

_AXIS, _TOP = 0.45, 0.75
"""Inches of the ticks and unit below the lines of a row, and of legend and titles above all."""

_LEAST = {"gap": 0.5, "unused_share": 0.1}
"""Where the axis of a measure ends at least, or noise about nothing would fill it."""

_LEVEL: dict[str, Any] = {"linewidth": 0.9, "linestyle": ":"}
_POINT: dict[str, Any] = {"marker": "o", "markersize": 4}
AT_LEAST: dict[str, Any] = {"marker": ">", "markersize": 5}
AT_LEAST_UP: dict[str, Any] = {"marker": "^", "markersize": 5}
"""Marks of a lower bound: some runs never started to learn. The true value is to the right, or above."""

_MANY = 5
"""From this many methods on, one recipe is enough for the figure: fewer are easy to compare as curves."""


@dataclass(frozen=True)
class Measured:
    """A measure as it is drawn: value, error (2, 1) or None, filled where it says something, at_least for a bound."""

    value: float
    error: np.ndarray | None
    filled: bool
    at_least: bool


def measured(row: Mapping, name: str) -> Measured:
    """A measure of a row of grid_values, in the unit of its axis."""
    factor = MEASURES[name][2]
    value, low, high = (factor * row[f"{name}{end}"] for end in ("", "_low", "_high"))
    # An interval need not hold its value; one seed has none.
    error = np.clip([[value - low], [high - value]], 0, None) if np.isfinite([low, high]).all() else None
    there = bool(row["took_off"] == row["seeds"])
    timed = name == "takeoff"
    return Measured(value, error, there if timed else bool(row["learnt"]), timed and not there)


@dataclass(frozen=True)
class _Line:
    """One method at one recipe: its place, its text, its row of grid_values. usual: its method's first."""

    y: float
    text: str
    values: pd.Series
    usual: bool

    @property
    def color(self) -> str:
        return method_style(self.values["method"]).color


def needs(runs: pd.DataFrame) -> list[Setting]:
    """Settings of places where a method ran at two recipes, or many methods did; but those of a map."""
    mapped = {_key(setting) for setting in map_settings(runs)}
    found = [setting for setting in settings(runs) if _key(setting) not in mapped]
    return [setting for place in _places(found) for setting in place]


def outcomes(tables: Tables, found: list[Setting]) -> Figure:
    """Iterations until it learns, final accuracy, gap and unused share by method and recipe; the usual recipe first."""
    values = grid_values(tables, found)
    places = _places(found)
    rows = [_lines(values, place) for place in places]
    heights = [_LINE * (lines[-1].y + 1) for lines in rows]
    figure = Figure(figsize=(page(), sum(heights) + _AXIS * len(rows) + _TOP), layout="constrained")
    axes = figure.subplots(
        len(rows), len(MEASURES), squeeze=False, sharey="row", gridspec_kw={"height_ratios": heights}
    )
    for row, lines, place in zip(axes, rows, places, strict=True):
        for panel, name in zip(row, MEASURES, strict=True):
            _draw_measure(panel, lines, name)
        _name_lines(row[0], lines)
        row[0].set_ylabel(_place_text(place))
    for panel, (title, _, _) in zip(axes[0], MEASURES.values(), strict=True):
        panel.set_title(title)
    figure.align_ylabels()
    lines = [line for lines in rows for line in lines]
    legend(figure, [*_levels(lines), *notes([line.values for line in lines], AT_LEAST)])
    return figure


def recipe_words(setting: Setting) -> str:
    """What sets a setting apart, in words: SGD, learning rate 10; empty for the usual recipe."""
    words, recipe = dict(_WORDS), dict(setting.recipe)
    if recipe.get("optimizer") == "sgd":
        recipe.pop("epsilon", None)  # it has none
    if setting.runs["init"].iloc[0] == "gaussian":
        recipe.pop("init_bias", None)  # 0, the only value it can have
    else:
        del words["init_scale"]  # not all logits have mean 0
    return ", ".join(
        words[name](value) if name in words else recipe_text({name: value}) for name, value in recipe.items()
    )


def _key(setting: Setting) -> tuple:
    return setting.dataset, setting.depth, setting.width, setting.recipe_text


def _places(found: list[Setting]) -> list[list[Setting]]:
    """Settings by data set, depth and width, in their order: those where a method ran at two recipes, or many ran."""
    together: dict[tuple, list[Setting]] = {}
    for setting in found:
        together.setdefault(_key(setting)[: len(SCALE_COLUMNS)], []).append(setting)
    return [
        place
        for place in together.values()
        if len(methods := shown_methods(place)) >= _MANY or any(len(_ran(place, m)) >= 2 for m in methods)
    ]


def _ran(place: list[Setting], method: str) -> list[Setting]:
    """The settings at which a method ran, its usual recipe first: the one that least sets apart."""
    return sorted((s for s in place if method in s.conditions), key=lambda setting: len(setting.recipe))


def _lines(values: pd.DataFrame, place: list[Setting]) -> list[_Line]:
    by_key = {(*row[[*SCALE_COLUMNS, "recipe"]], row["method"]): row for _, row in values.iterrows()}
    lines, y = [], 0.0
    for method in shown_methods(place):
        ran = _ran(place, method)
        for number, setting in enumerate(ran):
            row = by_key[*_key(setting), method]
            text = _line_text(setting, ran[0], method)
            lines.append(_Line(y, text, row, usual=number == 0))
            y += 1
        y += _BETWEEN * (len(ran) > 1)
    return lines


def _place_text(place: list[Setting]) -> str:
    one = place[0]
    seeds = seeds_text(condition for setting in place for condition in setting.conditions.values())
    # In short lines: a row of two recipes is not high.
    return f"{one.dataset}\n{one.depth} x {one.width:,}\n{seeds}"


def _line_text(setting: Setting, usual: Setting, method: str) -> str:
    """The recipe, and where they are not those of the method's usual recipe its temperature, budget and seeds."""
    own, other = setting.conditions[method], usual.conditions[method]
    parts = [method_label(method)] if setting is usual else []
    parts += filter(None, [recipe_words(setting)])
    temperature, iterations = own["temperature"].iloc[0], own["iterations"].iloc[0]
    if temperature != other["temperature"].iloc[0]:
        parts.append(f"temperature {temperature:g}")
    if iterations != other["iterations"].iloc[0]:
        parts.append(f"{short_count(iterations)} iterations")
    if len(own) != len(other):
        parts.append(seeds_text([own]))
    return ", ".join(parts)


def _name_lines(panel: Axes, lines: list[_Line]) -> None:
    """Names of the lines on the axis that a row of panels shares, in their method's colour, its first line in bold."""
    panel.set_yticks([line.y for line in lines], [line.text for line in lines])
    panel.set_ylim(lines[-1].y + 0.6, -0.6)
    for label, line in zip(panel.get_yticklabels(), lines, strict=True):
        label.set(color=line.color, fontweight="bold" if line.usual else "normal")


def _draw_measure(panel: Axes, lines: list[_Line], name: str) -> None:
    for line in lines:
        one = measured(line.values, name)
        panel.errorbar(
            one.value, line.y, xerr=one.error, color=line.color,
            markerfacecolor=line.color if one.filled else "white", linewidth=1, capsize=2,
            **(AT_LEAST if one.at_least else _POINT),
        )  # fmt: skip
        last = max(other.y for other in lines if other.values["method"] == line.values["method"])
        if line.usual and last > line.y:
            panel.plot([one.value] * 2, [line.y, last + 0.5], color=line.color, zorder=1, **_LEVEL)
    panel.set_xlabel(MEASURES[name][1])
    panel.tick_params("y", length=0)
    set_axis(panel.xaxis, name)


def set_axis(axis: XAxis | YAxis, name: str) -> None:
    """Few ticks, as a panel is small; gap and unused share from 0."""
    if name == "takeoff":
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        low, high = axis.get_view_interval()
        log_axis(axis, short_count)
        if high > 10 * low:
            axis.set_major_locator(LogLocator(numticks=6))
        return
    axis.set_major_locator(MaxNLocator(5 if name == "gap" else 4, steps=[1, 2, 2.5, 5, 10]))
    if name in _LEAST:
        top = max(_LEAST[name], axis.get_view_interval()[1])
        axis.axes.set(**{f"{axis.axis_name}lim": (-0.05 * top, top)})
    if name != "gap":
        percent_axis(axis)


def _levels(lines: list[_Line]) -> list[Line2D]:
    """What dotted lines are, where there are any."""
    if all(line.usual for line in lines):
        return []
    # Where all recipes are as common, none is usual.
    first = "usual" if any(line.usual and not line.values["recipe"] for line in lines) else "first"
    return [Line2D([], [], color=NEUTRAL, label=f"the method's {first} settings", **_LEVEL)]


def notes(rows: Iterable[Mapping], bound: dict) -> list[Line2D]:
    """What open marks of rows of grid_values mean, where there are any; bound: how a lower bound is marked."""
    rows = list(rows)
    found = []
    open_point: dict[str, Any] = {"color": NEUTRAL, "linestyle": "none", "markerfacecolor": "white"}
    if any(row["took_off"] < row["seeds"] for row in rows):
        found.append(
            Line2D([], [], label="lower bound: some runs never started to learn", **bound, **open_point)
        )
    if not all(row["learnt"] for row in rows):
        found.append(Line2D([], [], label="has not learnt", **_POINT, **open_point))
    return found
