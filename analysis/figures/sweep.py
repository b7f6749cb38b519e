"""What temperature, depth and width do: the measures of analysis.grid over one of them, a row of panels a series."""

from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis.conditions import Setting, by_temperature, settings
from analysis.figures.outcomes import AT_LEAST_UP, MEASURES, measured, notes, set_axis
from analysis.figures.panels import (
    MOST_PANELS,
    method_legend,
    panel_rows,
    scale_label,
    seeds_text,
    short_count,
    shown_methods,
)
from analysis.grid import maps, outcome
from analysis.style import method_style, titled
from analysis.tidy import Tables

Condition = tuple[Setting, pd.DataFrame]


@dataclass(frozen=True)
class Series:
    """Conditions that differ in `scale` alone. where: their data set and size, in words; recipe: theirs.

    points: method -> value of the scale -> setting and condition.
    """

    scale: str
    where: str
    recipe: str
    points: dict[str, dict[float, Condition]]


def needs(runs: pd.DataFrame) -> list[Setting]:
    """Settings of a method at two temperatures, depths or widths; none where series would fill pages."""
    found = settings(runs)
    every = series(found)
    shown = {id(setting) for one in every for parts in one.points.values() for setting, _ in parts.values()}
    return [setting for setting in found if id(setting) in shown] if len(every) <= MOST_PANELS else []


def sweep(tables: Tables, found: list[Setting]) -> Figure:
    """The measures over temperature, depth or width, each method at its own values."""
    every = series(found)
    figure, axes = panel_rows(len(every), len(MEASURES), height=1.65)
    drawn: list[dict] = []
    for row, one in zip(axes, every, strict=True):
        for method, parts in one.points.items():
            rows = [outcome(tables, *condition) for condition in parts.values()]
            for panel, name in zip(row, MEASURES, strict=True):
                _draw_line(panel, list(parts), rows, name, method)
            drawn += rows
        ticks = sorted({value for parts in one.points.values() for value in parts})
        for panel, name in zip(row, MEASURES, strict=True):
            _scale_axis(panel, one.scale, ticks)
            set_axis(panel.yaxis, name)
        conditions = [part for parts in one.points.values() for _, part in parts.values()]
        label = scale_label(one.where, one.recipe, seeds_text(conditions)) if titled() else ""
        row[0].set_ylabel(label)
    for panel, (title, unit, _) in zip(axes[0], MEASURES.values(), strict=True):
        panel.set_title(title if title.startswith(unit) else f"{title}\n({unit})")
    methods = [method for method in shown_methods(found) if any(method in one.points for one in every)]
    method_legend(figure, methods, notes(drawn, AT_LEAST_UP), lines=True)
    return figure


def series(found: list[Setting]) -> list[Series]:
    """Every series of these settings: over temperature within one, over depth or width across those of one budget.

    The nets of a map are left to its figure.
    """
    every = []
    for setting in found:
        ran = {
            method: {value: (setting, part) for value, part in by_temperature(setting, method).items()}
            for method in setting.conditions
        }
        where = f"{setting.dataset}, {setting.depth} x {setting.width:,}"
        every.append(Series("temperature", where, setting.recipe_text, ran))
    mapped = {id(setting) for one in maps(found) for setting in one.settings.values()}
    for scale, other in (("depth", "width"), ("width", "depth")):
        together: dict[tuple, list[Setting]] = {}
        for setting in found:
            if id(setting) not in mapped and setting.conditions:
                budget = int(next(iter(setting.conditions.values()))["iterations"].iloc[0])
                key = (setting.dataset, getattr(setting, other), setting.recipe_text, budget)
                together.setdefault(key, []).append(setting)
        for (dataset, fixed, recipe, _), parts in together.items():
            points: dict[str, dict[float, Condition]] = {}
            for setting in sorted(parts, key=attrgetter(scale)):
                for method, condition in setting.conditions.items():
                    points.setdefault(method, {})[getattr(setting, scale)] = (setting, condition)
            every.append(Series(scale, f"{dataset}, {other} {fixed:,}", recipe, points))
    return [one for one in every if max(map(len, one.points.values()), default=0) > 1]


def _draw_line(panel: Axes, x: list[float], rows: list[dict], name: str, method: str) -> None:
    """A measure at its own place on the scale, with its interval; joined where it says something."""
    look = method_style(method)
    found = [measured(row, name) for row in rows]
    joined = [one.value if one.filled else np.nan for one in found]
    panel.plot(x, joined, color=look.color, linestyle=look.line, linewidth=1)
    for place, one in zip(x, found, strict=True):
        marker = AT_LEAST_UP if one.at_least else {"marker": look.marker, "markersize": 4}
        face = look.color if one.filled else "white"
        panel.errorbar(
            place, one.value, yerr=one.error, color=look.color, markerfacecolor=face, linewidth=1, capsize=2,
            **marker,
        )  # fmt: skip


def _scale_axis(panel: Axes, scale: str, ticks: list[float]) -> None:
    """Ticks at what ran; temperature and width on a logarithmic axis."""
    if scale != "depth":
        panel.set_xscale("log")
    panel.margins(x=0.1)
    panel.xaxis.set_major_locator(FixedLocator(ticks))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(value)))
    panel.tick_params("x", labelrotation=60 if len(ticks) > 4 else 0)
    panel.set_xlabel(scale)
