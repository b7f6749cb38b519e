"""What one factor does: temperature, kind of noise, straight-through on or off; depth, width.

Each figure has a row of panels a setting, or of settings that differ in depth or width alone: final discrete accuracy,
gap, and iterations to nine tenths of DLGN's best.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis import comparisons, paper_values
from analysis.conditions import Setting, comparable, conditions, settings
from analysis.figures.panels import (
    cited_handle,
    grid,
    legend,
    log_axis,
    method_legend,
    percent_axis,
    row_label,
    scale_label,
    seeds_text,
    short_count,
    shown_methods,
)
from analysis.grid import maps
from analysis.statistics import bootstrap, mean_interval
from analysis.style import NEUTRAL, STAR, MethodStyle, method_style
from analysis.tidy import Tables

TARGET_SHARE = 0.9
"""Of DLGN's best accuracy: near enough to it that slower temperatures and noises still get there and compare."""

NOISES = ("none", "gumbel", "gaussian", "logistic", "uniform")
_ROW_HEIGHT = 1.9


@dataclass(frozen=True)
class Point:
    """A measure of one condition: value with its 95% interval. censored: not reached; value is then the budget."""

    value: float
    low: float
    high: float
    censored: bool = False


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


def needs_straight_through(runs: pd.DataFrame) -> list[Setting]:
    """Settings where a noise ran with straight_through on and off."""
    return [setting for setting in settings(runs) if _both_ways(setting)]


def needs_depths(runs: pd.DataFrame) -> list[Setting]:
    """Settings of nets at two depths or more and one width; those of a map have figures of their own."""
    return [setting for series in _series(settings(runs), "depth") for setting in series]


def needs_widths(runs: pd.DataFrame) -> list[Setting]:
    """Settings of nets at two widths or more and one depth, as needs_depths."""
    return [setting for series in _series(settings(runs), "width") for setting in series]


def temperature_sweep(tables: Tables, found: list[Setting]) -> Figure:
    """The three measures against the temperature; DLGN, which has none to tune, as a level."""
    figure, axes = grid(len(found), 3, height=_ROW_HEIGHT, share_y=False)
    swept = dict.fromkeys(method for setting in found for method in _swept_methods(setting))
    for row, setting in zip(axes, found, strict=True):
        shown = {
            method: _by_temperature(setting.runs[setting.runs["method"] == method])
            for method in _swept_methods(setting)
        }
        for measure, panel in enumerate(row):
            for method, points in shown.items():
                values = [_measures(tables, setting, condition)[measure] for condition in points.values()]
                _draw_points(panel, list(points), values, method_style(method), joined=True)
            _draw_level(panel, tables, setting, measure)
            panel.set_xscale("log")
            ticks = sorted({temperature for points in shown.values() for temperature in points})
            panel.xaxis.set_major_locator(FixedLocator(ticks))
            panel.xaxis.set_minor_locator(NullLocator())
            panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            panel.tick_params("x", labelrotation=45 if len(ticks) > 5 else 0)
            panel.set_xlabel("temperature")
        _draw_paper(row, setting)
        _label(row, setting, [part for points in shown.values() for part in points.values()])
    notes = [*_notes(), cited_handle(figure, "paper, to converge")]
    method_legend(figure, dict.fromkeys([*swept, "dlgn"]), notes, lines=True)
    return figure


def noise_types(tables: Tables, found: list[Setting]) -> Figure:
    """The three measures for every kind of noise, straight-through on (filled) and off (open)."""
    figure, axes = grid(len(found), 3, height=_ROW_HEIGHT, share_y=False)
    for row, setting in zip(axes, found, strict=True):
        shown = _noise_conditions(setting)
        present = [noise for noise in NOISES if any(part["noise"].iloc[0] == noise for part in shown)]
        for measure, panel in enumerate(row):
            for condition in shown:
                first = condition.iloc[0]
                on = bool(first["straight_through"])
                x = present.index(first["noise"]) + (0.14 if on else -0.14)
                point = _measures(tables, setting, condition)[measure]
                _draw_points(panel, [x], [point], method_style(first["method"]), filled=on)
            panel.set_xticks(range(len(present)), present, rotation=30)
            panel.set_xlabel("noise")
            panel.set_xlim(-0.5, len(present) - 0.5)
        _label(row, setting, shown)
    extra = [
        Line2D([], [], color=NEUTRAL, marker="o", linestyle="none", label="straight-through on"),
        Line2D([], [], color=NEUTRAL, marker="o", linestyle="none", markerfacecolor="white", label="off"),
    ]
    legend(figure, [*extra, *_notes()])
    return figure


def straight_through(tables: Tables, found: list[Setting]) -> Figure:
    """The three measures with straight-through off and on, a line a kind of noise."""
    figure, axes = grid(len(found), 3, height=_ROW_HEIGHT, share_y=False)
    for row, setting in zip(axes, found, strict=True):
        pairs = _both_ways(setting)
        for measure, panel in enumerate(row):
            for number, (_noise, pair) in enumerate(pairs.items()):
                shift = 0.04 * (number - (len(pairs) - 1) / 2)
                values = [_measures(tables, setting, condition)[measure] for condition in pair]
                look = method_style(pair[1]["method"].iloc[0])
                _draw_points(panel, [shift, 1 + shift], values, look, joined=True)
            panel.set_xticks([0, 1], ["off", "on"])
            panel.set_xlim(-0.3, 1.3)
            panel.set_xlabel("straight-through")
        _label(row, setting, [part for pair in pairs.values() for part in pair])
    pairs = {noise: pair for setting in found for noise, pair in _both_ways(setting).items()}
    handles = [_pair_handle(*pair) for pair in pairs.values()]
    legend(figure, [*handles, *_notes()])
    return figure


def over_depth(tables: Tables, found: list[Setting]) -> Figure:
    """The three measures against the depth."""
    return _over(tables, found, "depth", paper_values.DEPTH)


def over_width(tables: Tables, found: list[Setting]) -> Figure:
    """The three measures against the width."""
    return _over(tables, found, "width", paper_values.WIDTH)


def _over(tables: Tables, found: list[Setting], scale: str, of_paper: int) -> Figure:
    rows = _series(found, scale)
    figure, axes = grid(len(rows), 3, height=_ROW_HEIGHT, share_y=False)
    for row, series in zip(axes, rows, strict=True):
        values = [getattr(setting, scale) for setting in series]
        for method in shown_methods(series):
            points = [
                (x, _measures(tables, setting, setting.conditions[method]))
                for x, setting in zip(values, series, strict=True)
                if method in setting.conditions
            ]
            for panel, measured in zip(row, zip(*(three for _, three in points), strict=True), strict=True):
                _draw_points(panel, [x for x, _ in points], list(measured), method_style(method), joined=True)
        for panel in row:
            if scale == "width":
                panel.set_xscale("log")
            panel.xaxis.set_major_locator(FixedLocator(values))
            panel.xaxis.set_minor_locator(NullLocator())
            panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(value)))
            panel.set_xlabel(scale)
        if of_paper in values:
            _draw_paper_end(row, series, of_paper)
        shown = [condition for setting in series for condition in setting.conditions.values()]
        other = "width" if scale == "depth" else "depth"
        where = f"{series[0].dataset}, {other} {getattr(series[0], other):,}"
        _finish(row, scale_label(where, series[0].recipe_text, seeds_text(shown)))
    cited = any(getattr(setting, scale) == of_paper for setting in found)
    notes = [*_notes(), *([cited_handle(figure, "paper")] if cited else [])]
    method_legend(figure, shown_methods(found), notes, lines=True)
    return figure


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


def _draw_paper_end(row: np.ndarray, series: list[Setting], x: int) -> None:
    """The paper's gaps at its own depth or width, and beside its own data set its accuracies."""
    for method in ("dlgn", "glgn"):
        look = STAR | {"markerfacecolor": method_style(method).color}
        row[1].plot(x, 100 * paper_values.GAP[method], **look)
        if series[0].dataset == paper_values.DATASET:
            row[0].plot(x, paper_values.FINAL_ACCURACY[method], **look)


def _measures(tables: Tables, setting: Setting, condition: pd.DataFrame) -> tuple[Point, Point, Point]:
    """Final discrete accuracy, gap in points, iterations to the target."""
    accuracy = comparisons.finals(tables.history, condition, "test_accuracy_discrete")
    gap = 100 * comparisons.end_gaps(tables.history, condition)
    return (
        Point(*map(float, mean_interval(accuracy))),
        Point(*map(float, mean_interval(gap))),
        _time(tables, setting, condition),
    )


def _time(tables: Tables, setting: Setting, condition: pd.DataFrame) -> Point:
    if "dlgn" not in setting.conditions:
        return Point(np.nan, np.nan, np.nan)
    baseline = comparisons.curves(tables.history, setting.conditions["dlgn"])
    goal = np.array([TARGET_SHARE * comparisons.best_accuracy(baseline)])
    curves = comparisons.curves(tables.history, condition)

    def time(seeds: np.ndarray) -> float:
        return float(comparisons.times_to(curves, goal, seeds, "iterations")[0][0])

    value = time(comparisons.all_seeds(curves))
    if np.isinf(value):
        return Point(float(curves.iterations[-1]), np.nan, np.nan, censored=True)
    low, high = bootstrap(time, len(curves.seeds))
    return Point(value, float(low), float(min(high, curves.iterations[-1])))


def _draw_points(
    panel: Axes, x: list[float], points: list[Point], look: MethodStyle, *, joined=False, filled=True
) -> None:
    values = np.array([point.value for point in points])
    known = np.array([not point.censored for point in points])
    if joined:
        panel.plot(x, np.where(known, values, np.nan), color=look.color, linestyle=look.line, linewidth=1)
    for position, point in zip(x, points, strict=True):
        face = look.color if filled else "white"
        marker = "^" if point.censored else ("o" if not joined else look.marker)
        error = None
        if np.isfinite([point.low, point.high]).all():
            # An interval is not centred on its value, and need not even hold it.
            error = [[max(0.0, point.value - point.low)], [max(0.0, point.high - point.value)]]
        panel.errorbar(
            position, point.value, error, color=look.color, marker=marker, markersize=6 if point.censored else 4,
            markerfacecolor="none" if point.censored else face, linewidth=1, capsize=2,
        )  # fmt: skip


def _draw_level(panel: Axes, tables: Tables, setting: Setting, measure: int) -> None:
    if "dlgn" not in setting.conditions or "dlgn" in _swept_methods(setting):
        return
    point = _measures(tables, setting, setting.conditions["dlgn"])[measure]
    look = method_style("dlgn")
    panel.axhline(point.value, color=look.color, linestyle=look.line, linewidth=1)
    if np.isfinite([point.low, point.high]).all():
        panel.axhspan(point.low, point.high, color=look.color, alpha=0.15, linewidth=0)


def _draw_paper(row: np.ndarray, setting: Setting) -> None:
    """The paper's sweep: iterations beside those of any data set, accuracies beside those of its own alone."""
    temperature, _, final, iterations = np.array(paper_values.TEMPERATURE_SWEEP).T
    look = STAR | {"markersize": 6}
    if "dlgn" in setting.conditions:
        row[2].plot(temperature, iterations, **look)
    if setting.dataset == paper_values.DATASET:
        row[0].plot(temperature, final, **look)


def _label(row: np.ndarray, setting: Setting, shown: list[pd.DataFrame]) -> None:
    _finish(row, row_label(setting, seeds_text(shown)))


def _finish(row: np.ndarray, label: str) -> None:
    for panel, title in zip(
        row,
        (
            "final discrete test accuracy",
            "discretization gap (points)",
            f"iterations to {TARGET_SHARE:.0%} of DLGN's best",
        ),
        strict=True,
    ):
        panel.set_title(title)
    percent_axis(row[0].yaxis, None)
    row[1].set_ylim(bottom=-0.04 * row[1].get_ylim()[1])
    if row[2].has_data() and np.isfinite(row[2].dataLim.get_points()).all():
        row[2].set_yscale("log")
        log_axis(row[2].yaxis, short_count)
    row[0].set_ylabel(label)


def _notes() -> list[Line2D]:
    return [Line2D([], [], color=NEUTRAL, marker="^", markersize=6, markerfacecolor="none", linestyle="none",
                   label="not reached: budget")]  # fmt: skip


def _pair_handle(off: pd.DataFrame, on: pd.DataFrame) -> Line2D:
    before, look = (method_style(part["method"].iloc[0]) for part in (off, on))
    label = f"{before.label} \N{RIGHTWARDS ARROW} {look.label}"
    return Line2D([], [], color=look.color, marker=look.marker, linestyle=look.line, label=label)


def _by_temperature(runs: pd.DataFrame) -> dict[float, pd.DataFrame]:
    """temperature -> its condition of most seeds, then of the longest budget."""
    found: dict[float, pd.DataFrame] = {}
    for part in conditions(runs):
        temperature = float(part["temperature"].iloc[0])
        other = found.get(temperature)
        if other is None or (len(part), part["iterations"].iloc[0]) > (
            len(other),
            other["iterations"].iloc[0],
        ):
            found[temperature] = part
    return dict(sorted(found.items()))


def _swept_methods(setting: Setting) -> list[str]:
    return [method for method in setting.conditions if _temperatures(setting, method) >= 2]


def _temperatures(setting: Setting, method: str) -> int:
    return setting.runs.loc[setting.runs["method"] == method, "temperature"].nunique()


def _noise_conditions(setting: Setting) -> list[pd.DataFrame]:
    """The conditions without noise, and the noisy ones at one temperature: GLGN's, or the commonest."""
    noisy = [part for part in setting.conditions.values() if part["noise"].iloc[0] != "none"]
    temperatures = [float(part["temperature"].iloc[0]) for part in noisy]
    if "glgn" in setting.conditions:
        one = float(setting.conditions["glgn"]["temperature"].iloc[0])
    else:
        one = max(sorted(set(temperatures)), key=temperatures.count, default=None)
    bare = [part for part in setting.conditions.values() if part["noise"].iloc[0] == "none"]
    return bare + [part for part, temperature in zip(noisy, temperatures, strict=True) if temperature == one]


def _both_ways(setting: Setting) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """noise -> (condition with straight_through off, with it on), where both ran at one temperature."""
    by_kind = {
        (p["noise"].iloc[0], bool(p["straight_through"].iloc[0])): p for p in setting.conditions.values()
    }
    pairs = {
        n: (by_kind[n, False], by_kind[n, True]) for n in NOISES if {(n, False), (n, True)} <= set(by_kind)
    }
    return {n: pair for n, pair in pairs.items() if pd.concat(pair)["temperature"].nunique() == 1}
