"""What depth does, and what width does: a row of panels for settings that differ in one of them alone."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis import paper_values
from analysis.conditions import Setting, comparable, settings
from analysis.figures.outcomes import Point, dodges, draw_series, finish, move, notes, outcomes
from analysis.figures.panels import (
    cited_handle,
    grid,
    method_legend,
    scale_label,
    seeds_text,
    short_count,
    shown_methods,
)
from analysis.grid import maps
from analysis.style import STAR, method_style
from analysis.tidy import Tables

_ROW_HEIGHT = 2.0
_BESIDE = 10
"""Points from the paper's depth or width to its stars, which stand clear of what was measured there."""


def needs_depths(runs: pd.DataFrame) -> list[Setting]:
    """Settings of nets at two depths or more and one width; those of a map have figures of their own."""
    return [setting for series in _series(settings(runs), "depth") for setting in series]


def needs_widths(runs: pd.DataFrame) -> list[Setting]:
    """Settings of nets at two widths or more and one depth, as needs_depths."""
    return [setting for series in _series(settings(runs), "width") for setting in series]


def over_depth(tables: Tables, found: list[Setting]) -> Figure:
    """The three measures against the depth."""
    return _over(tables, found, "depth", paper_values.DEPTH)


def over_width(tables: Tables, found: list[Setting]) -> Figure:
    """The three measures against the width."""
    return _over(tables, found, "width", paper_values.WIDTH)


def _over(tables: Tables, found: list[Setting], scale: str, of_paper: int) -> Figure:
    rows = _series(found, scale)
    figure, axes = grid(len(rows), 3, height=_ROW_HEIGHT, share_y=False)
    drawn = [_draw_row(tables, row, series, scale) for row, series in zip(axes, rows, strict=True)]
    cited = False
    for row, series in zip(axes, rows, strict=True):
        if of_paper in [getattr(setting, scale) for setting in series]:
            _draw_paper(row, series, of_paper)
            cited = True
        shown = [condition for setting in series for condition in setting.conditions.values()]
        other = "width" if scale == "depth" else "depth"
        where = f"{series[0].dataset}, {other} {getattr(series[0], other):,}"
        finish(row, scale_label(where, series[0].recipe_text, seeds_text(shown)))
    extra = [*notes(point for points in drawn for point in points)]
    extra += [cited_handle(figure, "paper")] if cited else []
    method_legend(figure, shown_methods(found), extra, lines=True)
    return figure


def _draw_row(tables: Tables, row: np.ndarray, series: list[Setting], scale: str) -> list[Point]:
    """Each method's measures over the scale; returns all points drawn."""
    drawn: list[Point] = []
    methods = shown_methods(series)
    for method, shift in zip(methods, dodges(len(methods)), strict=True):
        ran = [setting for setting in series if method in setting.conditions]
        measured = [outcomes(tables, setting, setting.conditions[method]) for setting in ran]
        for panel, points in zip(row, zip(*measured, strict=True), strict=True):
            x = [getattr(setting, scale) for setting in ran]
            draw_series(panel, x, points, method_style(method), shift)
            drawn += points
    for panel in row:
        if scale == "width":
            panel.set_xscale("log")
        panel.xaxis.set_major_locator(FixedLocator([getattr(setting, scale) for setting in series]))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(value)))
        panel.set_xlabel(scale)
        panel.margins(x=0.1)
    return drawn


def _draw_paper(row: np.ndarray, series: list[Setting], x: int) -> None:
    """The paper's gaps at its own depth or width, and beside its own data set its accuracies."""
    for method in ("dlgn", "glgn"):
        look = STAR | {"markerfacecolor": method_style(method).color, "zorder": 5, "clip_on": False}
        move(row[1], row[1].plot(x, 100 * paper_values.GAP[method], **look), _BESIDE)
        if series[0].dataset == paper_values.DATASET:
            move(row[0], row[0].plot(x, paper_values.FINAL_ACCURACY[method], **look), _BESIDE)


def _series(found: list[Setting], scale: str) -> list[list[Setting]]:
    """Settings that differ in `scale` (depth or width) alone, by it: two or more, of one budget, and not of a map."""
    together: dict[tuple, list[Setting]] = {}
    mapped = {_place(setting) for one in maps(found) for setting in one.settings.values()}
    for setting in comparable(found):
        if _place(setting) not in mapped:
            other = setting.width if scale == "depth" else setting.depth
            budget = int(setting.conditions["dlgn"]["iterations"].iloc[0])
            key = (setting.dataset, other, setting.recipe_text, budget)
            together.setdefault(key, []).append(setting)
    series = [sorted(several, key=lambda one: getattr(one, scale)) for several in together.values()]
    return [several for several in series if len(several) >= 2]


def _place(setting: Setting) -> tuple[str, int, int, str]:
    return setting.dataset, setting.depth, setting.width, setting.recipe_text
