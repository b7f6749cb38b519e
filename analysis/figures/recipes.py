"""What a recipe does to a method: controls and remedies at one data set, depth and width, beside the usual recipe.

A row of panels a data set, depth and width, a line a method and recipe. The measures are those of analysis.grid.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator

from analysis.conditions import PAPER_METHODS, SCALE_COLUMNS, Setting, recipe_text, settings
from analysis.figures.panels import legend, log_axis, percent_axis, seeds_text, short_count
from analysis.grid import grid_values, map_settings
from analysis.style import NEUTRAL, PAGE, method_style
from analysis.tidy import Tables
from lgn.methods import method_label

MEASURES = {
    "takeoff": ("take-off", "iterations", 1),
    "final_accuracy": ("final discrete\ntest accuracy", "of test images", 1),
    "gap": ("discretization gap\nat the end", "points", 100),
    "unused_share": ("unused gates\nat the end", "of gates", 1),
}
"""Column of grid_values -> title, unit, and what it is multiplied by, of each panel of a row."""

_OPTIMIZERS = {"adam": "Adam", "adam_inside": "epsilon inside the root", "sgd": "plain descent"}

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

_LEVEL = {"linewidth": 0.9, "linestyle": ":"}
_POINT = {"marker": "o", "markersize": 4}
_AT_LEAST = {"marker": ">", "markersize": 5}


@dataclass(frozen=True)
class _Line:
    """One method at one recipe: where it is drawn, its words, its row of grid_values. usual: its method's first."""

    y: float
    text: str
    values: pd.Series
    usual: bool

    @property
    def color(self) -> str:
        return method_style(self.values["method"]).color

    @property
    def all_took_off(self) -> bool:
        return self.values["took_off"] == self.values["seeds"]


def needs(runs: pd.DataFrame) -> list[Setting]:
    """Settings of a data set, depth and width where a method ran at two recipes; those of a map have their figures."""
    mapped = {_key(setting) for setting in map_settings(runs)}
    found = [setting for setting in settings(runs) if _key(setting) not in mapped]
    return [setting for place in _places(found) for setting in place]


def recipes(tables: Tables, found: list[Setting]) -> Figure:
    """Take-off, final accuracy, gap and unused share of each method and recipe; its usual recipe first, and a level."""
    values = grid_values(tables, found)
    places = _places(found)
    rows = [_lines(values, place) for place in places]
    heights = [_LINE * (lines[-1].y + 1) for lines in rows]
    figure = Figure(figsize=(PAGE, sum(heights) + _AXIS * len(rows) + _TOP), layout="constrained")
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
    legend(figure, _notes([line for lines in rows for line in lines]))
    return figure


def recipe_words(setting: Setting) -> str:
    """What sets a setting apart, in words: plain descent, rate 10; empty for the usual recipe."""
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
    """Settings by data set, depth and width, in their order: those where one of the four methods ran at two recipes."""
    together: dict[tuple, list[Setting]] = {}
    for setting in found:
        if set(PAPER_METHODS) & set(setting.conditions):
            together.setdefault(_key(setting)[: len(SCALE_COLUMNS)], []).append(setting)
    return [place for place in together.values() if any(len(_ran(place, m)) >= 2 for m in PAPER_METHODS)]


def _ran(place: list[Setting], method: str) -> list[Setting]:
    """The settings at which a method ran, its usual recipe first: the one that least sets apart."""
    return sorted((s for s in place if method in s.conditions), key=lambda setting: len(setting.recipe))


def _lines(values: pd.DataFrame, place: list[Setting]) -> list[_Line]:
    by_key = {(*row[[*SCALE_COLUMNS, "recipe"]], row["method"]): row for _, row in values.iterrows()}
    lines, y = [], 0.0
    for method in PAPER_METHODS:
        ran = _ran(place, method)
        for number, setting in enumerate(ran):
            row = by_key[*_key(setting), method]
            text = _line_text(setting, ran[0], method)
            lines.append(_Line(y, text, row, usual=number == 0))
            y += 1
        y += _BETWEEN * bool(ran)
    return lines


def _place_text(place: list[Setting]) -> str:
    one = place[0]
    seeds = seeds_text(s.conditions[m] for s in place for m in PAPER_METHODS if m in s.conditions)
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
    _, unit, factor = MEASURES[name]
    for line in lines:
        value, low, high = (factor * line.values[f"{name}{end}"] for end in ("", "_low", "_high"))
        at_least = name == "takeoff" and not line.all_took_off
        filled = line.all_took_off if name == "takeoff" else line.values["learnt"]
        # An interval need not hold its value; one seed has none.
        error = np.clip([[value - low], [high - value]], 0, None) if np.isfinite([low, high]).all() else None
        panel.errorbar(
            value, line.y, xerr=error, color=line.color, markerfacecolor=line.color if filled else "white",
            linewidth=1, capsize=2, **(_AT_LEAST if at_least else _POINT),
        )  # fmt: skip
        last = max(other.y for other in lines if other.values["method"] == line.values["method"])
        if line.usual and last > line.y:
            panel.plot([value, value], [line.y, last + 0.5], color=line.color, zorder=1, **_LEVEL)
    panel.set_xlabel(unit)
    panel.tick_params("y", length=0)
    _set_axis(panel, name)


def _set_axis(panel: Axes, name: str) -> None:
    """Few ticks, as a panel is narrow; gap and unused share from 0."""
    if name == "takeoff":
        panel.set_xscale("log")
        low, high = panel.get_xlim()
        log_axis(panel.xaxis, short_count)
        if high > 10 * low:
            panel.xaxis.set_major_locator(LogLocator(numticks=6))
        return
    panel.xaxis.set_major_locator(MaxNLocator(5 if name == "gap" else 4, steps=[1, 2, 2.5, 5, 10]))
    if name in _LEAST:
        right = max(_LEAST[name], panel.get_xlim()[1])
        panel.set_xlim(-0.05 * right, right)
    if name != "gap":
        percent_axis(panel.xaxis)


def _notes(lines: list[_Line]) -> list[Line2D]:
    """What the marks mean, of those that are there."""
    # Where all recipes are as common, none is usual.
    first = "usual" if any(line.usual and not line.values["recipe"] for line in lines) else "first"
    notes = [Line2D([], [], color=NEUTRAL, label=f"the method's {first} recipe", **_LEVEL)]
    open_point = {"color": NEUTRAL, "linestyle": "none", "markerfacecolor": "white"}
    if not all(line.all_took_off for line in lines):
        notes.append(Line2D([], [], label="at least: not all runs took off", **_AT_LEAST, **open_point))
    if not all(line.values["learnt"] for line in lines):
        notes.append(Line2D([], [], label="has not learnt", **_POINT, **open_point))
    return notes
