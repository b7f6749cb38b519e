"""Accuracy and discretisation gap along training (the paper's Figure 1), over iterations and over training seconds."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from analysis import comparisons, measures
from analysis.conditions import Setting
from analysis.figures.panels import (
    MOST_ROWS,
    count_axis,
    draw_band,
    markers,
    mean_curve,
    method_legend,
    panel_row,
    panel_rows,
    percent_axis,
    setting_title,
    several_methods,
    short_count,
    shown_methods,
    title_row,
)
from analysis.published import PUBLISHED, QUANTITIES, Published, matching
from analysis.statistics import mean_interval
from analysis.style import NEUTRAL, method_style
from analysis.tidy import Tables

_PUBLISHED_LINE: dict[str, Any] = {"color": "black", "linewidth": 0.9, "linestyle": (0, (6, 2, 1, 2))}
_LINEAR_POINTS = 1.0
"""The axis of gaps is linear up to here, logarithmic beyond: gaps at the end are below, early peaks far above."""
_POINT_TICKS = (0.5, 1, 3, 10, 30, 100)
_STRIP = 0.2
"""Width of the strip of end gaps, of that of its panel."""


def needs(runs: pd.DataFrame) -> list[Setting]:
    """Settings where two methods or more ran, or of too many those with most."""
    return several_methods(runs)


def learning_curves(tables: Tables, found: list[Setting]) -> Figure:
    """A row a setting: test accuracy over iterations and over training seconds, and the gap over iterations.

    Of more settings than rows have room for: accuracy over iterations alone, a panel each.
    """
    methods = shown_methods(found)
    whole = len(found) <= MOST_ROWS
    figure, panels = panel_rows(len(found), 3) if whole else panel_row(found)
    all_learnt = True
    for row, setting in zip(panels, found, strict=True):
        row = row if whole else [row]
        shown = _shown(setting, methods)
        _draw_accuracy(row[0], tables, setting, shown, "iteration", "iterations")
        for entry in published_for(setting):
            _draw_published(row[0], entry)
        if whole:
            _draw_accuracy(row[1], tables, setting, shown, "training_seconds", "training seconds")
            all_learnt &= _draw_gaps(row[2], tables, setting, shown)
        title_row(row, setting_title(setting, [setting.conditions[m] for m in shown], found))
        if whole or setting is found[0]:
            row[0].set_ylabel("test accuracy")
    extra = [
        Line2D([], [], color=NEUTRAL, label="discrete"),
        Line2D([], [], color=NEUTRAL, linestyle="--", linewidth=1.0, label="train mode"),
        Line2D([], [], color=NEUTRAL, linestyle=":", linewidth=0.7, label="chance"),
    ]
    if any(map(published_for, found)):
        extra.append(Line2D([], [], **_PUBLISHED_LINE, label="published for this net (cited)"))
    if whole:
        end: dict[str, Any] = {
            "color": NEUTRAL,
            "marker": "o",
            "linestyle": "-",
            "linewidth": 1,
            "markersize": 3.5,
        }
        extra.append(Line2D([], [], **end, label="gap at the end, unsigned"))
        if not all_learnt:
            extra.append(Line2D([], [], **end, markerfacecolor="white", label="the same, not learnt"))
    method_legend(figure, methods, extra)
    return figure


def _draw_accuracy(
    axes: Axes, tables: Tables, setting: Setting, shown: list[str], x: str, label: str
) -> None:
    """Discrete solid, train mode dashed."""
    for method in shown:
        look = method_style(method)
        for column, line in (("test_accuracy_train_mode", "--"), ("test_accuracy_discrete", "-")):
            curve = mean_curve(tables.history, setting.conditions[method], x, column)
            keep = curve[0] > 0
            marked: dict[str, Any] = (
                {"marker": look.marker, **markers(int(keep.sum()))} if line == "-" else {"linewidth": 1.0}
            )
            at, *interval = (values[keep] for values in curve)
            draw_band(axes, at, interval, look, linestyle=line, **marked)
    axes.axhline(comparisons.chance(setting.dataset), color=NEUTRAL, linewidth=0.7, linestyle=":")
    count_axis(axes)
    axes.set_xlabel(label)
    percent_axis(axes.yaxis)


def published_for(setting: Setting) -> list[Published]:
    """Final accuracies published for a setting's own net."""
    return [
        entry
        for entry in PUBLISHED
        if entry.quantity == "final_accuracy" and matching(entry, [setting]) is not None
    ]


def _draw_published(axes: Axes, entry: Published) -> None:
    """A line across the panel that says whose number it is; at the left, where curves are still low."""
    axes.axhline(entry.value, **_PUBLISHED_LINE)
    _, show, _ = QUANTITIES[entry.quantity]
    number = f"{entry.relation} {show(entry.value)}".strip()
    axes.annotate(
        f"{entry.work}, published {number}", (0, entry.value), (3, -2), xycoords=axes.get_yaxis_transform(),
        textcoords="offset points", fontsize=7, va="top",
    )  # fmt: skip


def _draw_gaps(axes: Axes, tables: Tables, setting: Setting, shown: list[str]) -> bool:
    """Train-mode minus discrete test accuracy against iterations; in a strip beside it the gaps at the end.

    A curve begins when the method starts to learn: before, both accuracies are noise about chance. The axis of
    iterations is linear: on a logarithmic one a slow method would learn in the last tenth. Returns
    whether all have learnt.
    """
    strip = axes.inset_axes((1.02, 0, _STRIP, 1), sharey=axes)
    all_learnt = True
    for place, method in enumerate(shown):
        look, condition = method_style(method), setting.conditions[method]
        x, *difference = _mean_difference(tables.history, condition)
        _, accuracy, _, _ = mean_curve(tables.history, condition, "iteration", "test_accuracy_train_mode")
        learnt = accuracy >= comparisons.learnt_accuracy(setting.dataset)
        keep = np.maximum.accumulate(learnt)
        if keep.any():
            style: dict[str, Any] = {"marker": look.marker, **markers(int(keep.sum()))}
            draw_band(axes, x[keep], [values[keep] for values in difference], look, **style)
        _draw_end(strip, place, tables.history, condition, method, learnt[-1])
        all_learnt &= bool(learnt[-1])
        # The whole of training, whenever curves begin.
        axes.plot(x[[0, -1]], [0, 0], color=NEUTRAL, linewidth=0.7, zorder=1)
    _strip_axes(strip, len(shown))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(value)))
    axes.set_xlabel("iterations")
    axes.set_ylabel("train mode minus\ndiscrete (points)")
    _points_axis(axes)
    return all_learnt


def _shown(setting: Setting, methods: list[str]) -> list[str]:
    return [method for method in methods if method in setting.conditions]


def _mean_difference(
    history: pd.DataFrame, condition: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """iterations, mean, low, high (T,) of train-mode minus discrete test accuracy in points, smoothed for each seed."""
    parts = comparisons.histories(history, condition)
    differences = [part["test_accuracy_train_mode"] - part["test_accuracy_discrete"] for part in parts]
    x, y = measures.align(
        [part["iteration"].to_numpy(float) for part in parts],
        [measures.smooth(100 * difference.to_numpy(float)) for difference in differences],
    )
    return x, *mean_interval(y)


def _draw_end(
    strip: Axes, place: int, history: pd.DataFrame, condition: pd.DataFrame, method: str, learnt: bool
) -> None:
    """The gap that the claim is about, with its interval; hollow where the net has not learnt and it says nothing."""
    mean, low, high = mean_interval(100 * comparisons.end_gaps(history, condition))
    look = method_style(method)
    strip.plot([place, place], [low, high], color=look.color, linewidth=1)
    face = look.color if learnt else "white"
    strip.plot(place, mean, color=look.color, marker=look.marker, markersize=3.5, markerfacecolor=face)


def _strip_axes(strip: Axes, methods: int) -> None:
    """A place a method."""
    strip.set_xlim(-0.7, methods - 0.3)
    strip.set_xticks([])
    strip.set_xlabel("end")
    strip.tick_params(left=False, labelleft=False)
    strip.spines["left"].set_visible(False)
    strip.set_facecolor("0.96")


def _points_axis(axes: Axes) -> None:
    """Signed points, linear around 0 and logarithmic beyond."""
    axes.set_yscale("symlog", linthresh=_LINEAR_POINTS, linscale=1)
    axes.yaxis.set_major_locator(FixedLocator([*(-t for t in reversed(_POINT_TICKS)), 0, *_POINT_TICKS]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}" if value else "0"))
