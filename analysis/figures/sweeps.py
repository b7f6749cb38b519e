"""What one factor does: temperature, and the kind of noise; a row of panels a setting."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis import paper_values
from analysis.conditions import Setting, by_temperature, of_the_softmax, settings
from analysis.figures.outcomes import (
    Point,
    dodges,
    draw_level,
    draw_point,
    draw_series,
    finish,
    noise_place,
    notes,
    outcomes,
)
from analysis.figures.panels import (
    cited_handle,
    grid,
    legend,
    method_legend,
    point_handle,
    row_label,
    seeds_text,
)
from analysis.style import STAR, method_style
from analysis.tidy import Tables

_ROW_HEIGHT = 2.0


def needs_temperatures(runs: pd.DataFrame) -> list[Setting]:
    """Settings where one method ran at two temperatures or more."""
    return [setting for setting in settings(runs) if _swept_methods(setting)]


def needs_noises(runs: pd.DataFrame) -> list[Setting]:
    """Settings where two kinds of noise or more ran with the same straight_through and temperature."""

    def most_kinds(setting: Setting) -> int:
        kinds = [
            (bool(p["straight_through"].iloc[0]), p["noise"].iloc[0]) for p in _noise_conditions(setting)
        ]
        return max(sum(way == on for way, noise in kinds if noise != "none") for on in (False, True))

    return [setting for setting in settings(runs) if most_kinds(setting) >= 2]


def temperature_sweep(tables: Tables, found: list[Setting]) -> Figure:
    """The three measures against the temperature; DLGN, where it has none to tune, as a level."""
    figure, axes = grid(len(found), 3, height=_ROW_HEIGHT, share_y=False)
    drawn: list[Point] = []
    for row, setting in zip(axes, found, strict=True):
        swept = {method: by_temperature(setting, method) for method in _swept_methods(setting)}
        for (method, parts), shift in zip(swept.items(), dodges(len(swept)), strict=True):
            measured = [outcomes(tables, setting, condition) for condition in parts.values()]
            for panel, points in zip(row, zip(*measured, strict=True), strict=True):
                draw_series(panel, list(parts), points, method_style(method), shift)
                drawn += points
        if "dlgn" in setting.conditions and "dlgn" not in swept:
            for panel, point in zip(row, outcomes(tables, setting, setting.conditions["dlgn"]), strict=True):
                if point.known:
                    draw_level(panel, point)
        _draw_paper(row, setting)
        ticks = sorted({temperature for parts in swept.values() for temperature in parts})
        for panel in row:
            panel.set_xscale("log")
            panel.margins(x=0.1)
            panel.xaxis.set_major_locator(FixedLocator(ticks))
            panel.xaxis.set_minor_locator(NullLocator())
            panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            panel.tick_params("x", labelrotation=45 if len(ticks) > 5 else 0)
            panel.set_xlabel("temperature")
        shown = [part for parts in swept.values() for part in parts.values()]
        finish(row, row_label(setting, seeds_text(shown)))
    methods = dict.fromkeys(method for setting in found for method in _swept_methods(setting))
    if any("dlgn" in setting.conditions for setting in found):
        methods["dlgn"] = None
    method_legend(figure, methods, [*notes(drawn), *_paper_handle(figure, found)], lines=True)
    return figure


def noise_types(tables: Tables, found: list[Setting]) -> Figure:
    """The three measures for every kind of noise, straight-through off and on."""
    figure, axes = grid(len(found), 3, height=_ROW_HEIGHT + 0.2, share_y=False)
    drawn: list[Point] = []
    methods: dict[str, None] = {}
    for row, setting in zip(axes, found, strict=True):
        shown = _noise_conditions(setting)
        for place, condition in enumerate(shown):
            method = condition["method"].iloc[0]
            methods[method] = None
            points = outcomes(tables, setting, condition)
            for panel, point in zip(row, points, strict=True):
                draw_point(panel, place, point, method_style(method))
            drawn += points
        for panel in row:
            names = list(map(_noise_text, shown))
            panel.set_xticks(range(len(shown)), names, rotation=50, ha="right", rotation_mode="anchor")
            panel.set_xlabel("noise (ST: straight-through)")
            panel.set_xlim(-0.5, len(shown) - 0.5)
        finish(row, row_label(setting, seeds_text(shown)))
    legend(figure, [*map(point_handle, methods), *notes(drawn)])
    return figure


def _draw_paper(row: np.ndarray, setting: Setting) -> None:
    """The paper's sweep: iterations beside those of any data set, accuracies beside those of its own alone."""
    temperature, _, final, iterations = np.array(paper_values.TEMPERATURE_SWEEP).T
    look = STAR | {"markersize": 6, "zorder": 5}
    if "dlgn" in setting.conditions:
        row[2].plot(temperature, iterations, **look)
    if setting.dataset == paper_values.DATASET:
        row[0].plot(temperature, final, **look)


def _paper_handle(figure: Figure, found: list[Setting]) -> list[Line2D]:
    """What the stars are, if there are any: their iterations are not to the target of the axis they stand at."""
    what = ["final accuracy"] if any(setting.dataset == paper_values.DATASET for setting in found) else []
    if any("dlgn" in setting.conditions for setting in found):
        what.append("iterations to converge,\nanother target than the axis's")
    return [cited_handle(figure, f"paper: {'; '.join(what)}")] if what else []


def _noise_text(condition: pd.DataFrame) -> str:
    """gumbel; gumbel, ST"""
    first = condition.iloc[0]
    return f"{first['noise']}, ST" if first["straight_through"] else first["noise"]


def _swept_methods(setting: Setting) -> list[str]:
    return [method for method in setting.conditions if _temperatures(setting, method) >= 2]


def _temperatures(setting: Setting, method: str) -> int:
    return setting.runs.loc[setting.runs["method"] == method, "temperature"].nunique()


def _noise_conditions(setting: Setting) -> list[pd.DataFrame]:
    """The conditions without noise, and the noisy ones at one temperature: GLGN's, or the commonest.

    In the order of noise_place, straight-through off before on.
    """
    conditions = of_the_softmax(setting.conditions.values())
    noisy = [part for part in conditions if part["noise"].iloc[0] != "none"]
    temperatures = [float(part["temperature"].iloc[0]) for part in noisy]
    if "glgn" in setting.conditions:
        one = float(setting.conditions["glgn"]["temperature"].iloc[0])
    else:
        one = max(sorted(set(temperatures)), key=temperatures.count, default=None)
    shown = [part for part in conditions if part["noise"].iloc[0] == "none"]
    shown += [part for part, temperature in zip(noisy, temperatures, strict=True) if temperature == one]
    return sorted(
        shown, key=lambda part: (noise_place(part["noise"].iloc[0]), bool(part["straight_through"].iloc[0]))
    )
