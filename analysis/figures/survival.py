"""Time to target of single runs as survival data: how many are there by when, and the mean time of each method."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from analysis import comparisons, robust, survival
from analysis.claims import NEAR_TARGET
from analysis.conditions import Setting
from analysis.figures.panels import (
    count_axis,
    method_legend,
    paired_panels,
    percent_axis,
    setting_title,
    shown_methods,
    title_row,
)
from analysis.style import NEUTRAL, MethodStyle, method_style
from analysis.tidy import Tables
from lgn.methods import method_label

_ABOVE = 0.11
"""Of the height of the curves: how far apart the mean times stand above them."""

_LATER: dict[str, Any] = {"marker": ">", "markersize": 5, "markerfacecolor": "white"}
"""A mean time that counts some runs up to their budget alone: the true one is later."""


def time_to_target(tables: Tables, found: list[Setting]) -> Figure:
    """Kaplan-Meier: share of runs that have reached the baseline's best accuracy, and nine tenths of it.

    Above the curves each method's mean time, up to the budget where some runs do not get there.
    """
    figure, pairs = paired_panels(len(found), height=1.6 + 0.06 * len(shown_methods(found)))
    for pair, setting in zip(pairs, found, strict=True):
        best, methods = comparisons.target(tables.history, setting), robust.methods_of(setting)
        for panel, share in zip(pair, (1, NEAR_TARGET), strict=True):
            times = {
                method: survival.times_to_target(tables.history, setting.conditions[method], share * best)
                for method in methods
            }
            _draw_target(panel, times)
            goal = f"{method_label(setting.baseline)}'s best" if share == 1 else f"{share:.0%} of it"
            panel.set_xlabel(f"iterations to\n{goal}, {share * best:.1%}")
        title = setting_title(setting, [setting.conditions[method] for method in methods])
        unlearnt = best < comparisons.learnt_accuracy(setting.dataset)
        title_row(pair, f"{title}\n{method_label(setting.baseline)} has not learnt" if unlearnt else title)
        pair[0].set_ylabel("runs at the target")
    notes = [
        Line2D([], [], color=NEUTRAL, marker="|", markersize=7, linestyle="none",
               label="censored: its budget ends first"),
        Line2D([], [], color=NEUTRAL, marker="o", linewidth=1, label="above: mean time, 95% interval"),
        Line2D([], [], color=NEUTRAL, linestyle="none", label="lower bound: some runs are censored", **_LATER),
    ]  # fmt: skip
    method_legend(figure, shown_methods(found), notes, lines=True)
    return figure


def _draw_target(panel: Axes, times: dict[str, survival.Times]) -> None:
    """times: to one target, by method."""
    until = survival.horizon(list(times.values()))
    for number, (method, own) in enumerate(times.items()):
        look = method_style(method)
        _draw_steps(panel, own, look)
        _draw_mean(panel, own, until, 1 + _ABOVE * (len(times) - number), look)
    panel.axhline(1, color=NEUTRAL, linewidth=0.5)
    count_axis(panel)
    first, last = min(own.time.min() for own in times.values()), max(own.time.max() for own in times.values())
    panel.set_xlim(max(1, min(first / 2, last / 20)), 1.5 * last)
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_yticks(np.linspace(0, 1, 5))
    panel.set_ylim(-0.04, 1 + _ABOVE * (len(times) + 1))
    percent_axis(panel.yaxis)


def _draw_steps(panel: Axes, times: survival.Times, look: MethodStyle) -> None:
    """From the first run there to the last, or to the end of those that are not."""
    curve = survival.kaplan_meier(times)
    steps = np.diff(curve.share, prepend=0) > 0
    marks: dict[str, Any] = {"color": look.color, "linestyle": "none"}
    if steps.any():
        # Before and after lines of all methods would hide each other, and say nothing.
        start = np.flatnonzero(steps)[0]
        time, share = curve.time[start:], curve.share[start:]
        panel.plot(
            np.append(time[0], time),
            np.append(0, share),
            color=look.color,
            linestyle=look.line,
            drawstyle="steps-post",
        )
        panel.plot(curve.time[steps], curve.share[steps], marker=look.marker, markersize=3.5, **marks)
    lost = np.searchsorted(curve.time, times.time[~times.reached])
    panel.plot(curve.time[lost], curve.share[lost], marker="|", markersize=8, **marks)


def _draw_mean(panel: Axes, times: survival.Times, until: float, height: float, look: MethodStyle) -> None:
    """until: the budget that all runs had, up to which those not there are counted."""
    mean, low, high = survival.restricted_mean(times, until)
    later = (~times.reached).any()
    panel.plot([low, high], [height, height], color=look.color, linewidth=1)
    mark = _LATER if later else {"marker": look.marker}
    panel.plot(mean, height, color=look.color, linestyle="none", **mark)
