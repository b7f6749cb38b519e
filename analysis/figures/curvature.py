"""The Hessian's trace along training (the paper's Figure 7) and against the temperature."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator, SymmetricalLogLocator

from analysis.conditions import Setting, conditions
from analysis.figures.panels import (
    axis_from_zero,
    log_axis,
    method_legend,
    row_label,
    seeds_text,
    shown_methods,
)
from analysis.figures.probed import by_seed, probed_settings, rows_at
from analysis.statistics import mean_interval
from analysis.style import BAND, NEUTRAL, method_style, page
from analysis.tidy import Tables

_COLUMNS = 4
_CHECK: dict[str, Any] = {
    "color": "black",
    "marker": "x",
    "markersize": 3.5,
    "linestyle": "none",
    "linewidth": 0.8,
    "capsize": 1.5,
}
_MOMENTS = {"first": "at initialization", "last": "at the end of training"}


def hessian_trace(tables: Tables, found: list[Setting]) -> Figure:
    """Trace of the Hessian in logits / temperature.

    For each setting a row against temperature, at the start and at the end of training, then along training, a panel a
    method and temperature.
    """
    shown, rows = probed_settings(tables, "hessian")
    methods = shown_methods(shown)
    noises = sorted(rows["noise"].unique(), key=lambda noise: (noise != "none", noise))
    main, checks = _main_and_checks(rows)
    by_noise = [(main[main["noise"] == noise], noise) for noise in noises]
    by_setting = [(setting, _by_temperature(setting)) for setting in shown]
    columns = min(_COLUMNS, max(2, *(len(parts) for _, parts in by_setting)))
    heights = [lines for _, parts in by_setting for lines in (1, -(-len(parts) // columns))]
    figure = Figure(figsize=(page(), 1.75 * sum(heights) + 0.6), layout="constrained")
    blocks = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    linear = 10.0 ** math.floor(math.log10(np.abs(rows.loc[rows["trace"] != 0, "trace"]).median()))
    for number, (setting, parts) in enumerate(by_setting):
        summary = blocks[2 * number].subplots(1, len(_MOMENTS))
        for panel, (moment, text) in zip(summary, _MOMENTS.items(), strict=True):
            _draw_against_temperature(panel, by_noise, parts, moment)
            panel.set_title(f"{text}, {seeds_text(parts)}")
        along = blocks[2 * number + 1].subplots(heights[2 * number + 1], columns, squeeze=False, sharey=True)
        for panel, condition in zip(along.flat, parts, strict=False):
            _draw_along_training(panel, by_noise, condition, linear)
            _draw_checks(panel, checks, condition)
        for unused in along.flat[len(parts) :]:
            unused.remove()
        for first in (summary[0], *along[:, 0]):
            first.set_ylabel(row_label(setting, "trace of the Hessian"))
    averaged = [
        Line2D([], [], **_averaged_line(), label=f"mean over {noise.capitalize()} noise")
        for noise in noises
        if noise != "none"
    ]
    method_legend(figure, methods, averaged + _check_handles(checks))
    figure.legends[0].set_title("; ".join(_estimators(*part) for part in by_noise), FontProperties(size=7.5))
    return figure


def _main_and_checks(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of lines, and those of Hutchinson's estimator where the exact trace of the same loss is there too."""
    exact = rows.loc[rows["estimator"] == "exact", "run_id"]
    check = (rows["estimator"] == "hutchinson") & rows["run_id"].isin(exact)
    return rows[~check], rows[check]


def _draw_checks(panel: Axes, checks: pd.DataFrame, condition: pd.DataFrame) -> None:
    """Hutchinson's estimates with their standard errors, beside the exact line."""
    if checks["run_id"].isin(condition["run_id"]).any():
        x, (mean, _, _, error) = _traces(checks, condition, "iteration")
        panel.errorbar(x, mean, error, **_CHECK)


def _check_handles(checks: pd.DataFrame) -> list[Line2D]:
    if checks.empty:
        return []
    look = {
        name: value
        for name, value in _CHECK.items()
        if name in ("color", "marker", "markersize", "linestyle")
    }
    return [Line2D([], [], **look, label=f"Hutchinson, at most {checks['samples'].max():.0f} vectors")]


def _averaged_line() -> dict:
    """How a trace's mean over noise is drawn, whatever the method."""
    return {
        "color": NEUTRAL,
        "marker": "o",
        "markersize": 3,
        "markerfacecolor": "white",
        "linestyle": "--",
    }


def _line(noise: str, method: str) -> dict:
    """How a trace of a method is drawn: of the training loss in the method's own colour."""
    look = method_style(method)
    return (
        {"color": look.color, "marker": look.marker, "markersize": 3} if noise == "none" else _averaged_line()
    )


def _estimators(rows: pd.DataFrame, noise: str) -> str:
    """Which estimator and how many images a trace was taken with."""
    how = ", ".join(sorted(rows["estimator"].unique()))
    images = ", ".join(map(str, sorted(rows["images"].unique())))
    what = "coloured: training loss" if noise == "none" else f"grey: its mean over {noise.capitalize()} noise"
    return f"{what} (estimator {how}, {images} images)"


def _traces(rows: pd.DataFrame, condition: pd.DataFrame, place: str) -> tuple[np.ndarray, np.ndarray]:
    """A condition's places (P,), and (4, P): mean, low, high over seeds, and the estimator's standard error."""
    rows = rows[rows["run_id"].isin(condition["run_id"])]
    found, traces = by_seed(rows, [place], "trace")
    _, errors = by_seed(rows, [place], "standard_error")
    error = np.sqrt((errors**2).sum(0)) / len(errors)
    return found.get_level_values(place).to_numpy(), np.array([*mean_interval(traces), error])


def _draw_trace(panel: Axes, x: np.ndarray, values: np.ndarray, line: dict) -> None:
    """Mean and band over seeds; bars: the estimator's standard error of the mean."""
    mean, low, high, error = values
    panel.plot(x, mean, **line)
    panel.fill_between(x, low, high, color=line["color"], **BAND)
    if error.any():
        panel.errorbar(x, mean, error, color=line["color"], linestyle="none", linewidth=0.8, capsize=1.5)


def _draw_along_training(
    panel: Axes, by_noise: Iterable[tuple[pd.DataFrame, str]], condition: pd.DataFrame, linear: float
) -> None:
    """A condition's trace against iterations. linear: below it the y axis is linear."""
    method = condition["method"].iloc[0]
    for rows, noise in by_noise:
        x, values = _traces(rows, condition, "iteration")
        _draw_trace(panel, x, values, _line(noise, method))
        if (x > 0).any():
            axis_from_zero(panel, x[x > 0][0])
    panel.axhline(0, color=NEUTRAL, linewidth=0.8)
    panel.set_yscale("symlog", linthresh=linear)
    panel.yaxis.set_major_locator(SymmetricalLogLocator(panel.yaxis.get_transform(), subs=(1,)))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.set_xlabel("iterations")
    temperature = f"temperature {condition['temperature'].iloc[0]:g}"
    panel.set_title(f"{method_style(method).label}\n{temperature}, {seeds_text([condition])}")


def _draw_against_temperature(
    panel: Axes, by_noise: Iterable[tuple[pd.DataFrame, str]], parts: list[pd.DataFrame], moment: str
) -> None:
    """The first noisy method's trace at every temperature; levels: methods without noise."""
    levels = [part for part in parts if part["noise"].iloc[0] == "none"]
    noisy = [part for part in parts if part["noise"].iloc[0] != "none"]
    swept = [part for part in noisy if part["method"].iloc[0] == noisy[0]["method"].iloc[0]]
    for rows, noise in by_noise:
        if swept:
            found = [_traces(rows_at(rows, part, moment), part, "temperature") for part in swept]
            x, values = (np.concatenate(kind, -1) for kind in zip(*found, strict=True))
            _draw_trace(panel, x, values, _line(noise, swept[0]["method"].iloc[0]))
        for part in levels if noise == "none" else ():
            look = method_style(part["method"].iloc[0])
            [x], [[mean], [low], [high], _] = _traces(rows_at(rows, part, moment), part, "temperature")
            panel.axhline(mean, color=look.color, linestyle=look.line, linewidth=1)
            panel.axhspan(low, high, color=look.color, **BAND)
            panel.plot(x, mean, color=look.color, marker=look.marker, linestyle="none")
    panel.axhline(0, color=NEUTRAL, linewidth=0.8)
    panel.set_xscale("log")
    log_axis(panel.xaxis, lambda value: f"{value:g}")
    panel.set_xlabel("temperature")


def _by_temperature(setting: Setting) -> list[pd.DataFrame]:
    """The runs of each method at every temperature, in order."""
    parts = []
    for method in setting.conditions:
        every = conditions(setting.runs[setting.runs["method"] == method])
        parts += sorted(every, key=lambda part: part["temperature"].iloc[0])
    return parts
