"""How much sooner GLGN gets to an accuracy than DLGN, for every accuracy that either reaches."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import comparisons, paper_values
from analysis.conditions import Setting, comparable, settings, shared_seeds
from analysis.figures.panels import cited_handle, log_axis, panel_row, percent_axis, setting_title
from analysis.style import BAND, NEUTRAL, STAR, method_style
from analysis.tidy import Tables

TARGET_STEP = 0.01
_LINES = {"iterations": "-", "seconds": "--"}
_BOUND = {"markersize": 3, "markeredgewidth": 0.6, "linestyle": "none"}


def needs(runs: pd.DataFrame) -> list[Setting]:
    """Settings where DLGN and GLGN share seeds."""
    return [s for s in comparable(settings(runs)) if shared_seeds(s.conditions["dlgn"], s.conditions["glgn"])]


def speed_ratio(tables: Tables, found: list[Setting]) -> Figure:
    """DLGN's time over GLGN's against the accuracy to reach; triangles where only a bound is known."""
    figure, panels = panel_row(found)
    look = method_style("glgn")
    for axes, setting in zip(panels, found, strict=True):
        dlgn, glgn = setting.conditions["dlgn"], setting.conditions["glgn"]
        seeds = shared_seeds(dlgn, glgn)
        baseline = comparisons.curves(tables.history, dlgn, seeds)
        other = comparisons.curves(tables.history, glgn, seeds)
        best = comparisons.best_accuracy(baseline)
        highest = max(best, comparisons.best_accuracy(other))
        lowest = comparisons.chance(setting.dataset)
        # From above both curves' starts: an accuracy had at iteration 0 takes no time.
        start = max(lowest, baseline.mean_accuracy(comparisons.all_seeds(baseline))[0])
        start = max(start, other.mean_accuracy(comparisons.all_seeds(other))[0]) + TARGET_STEP
        targets = np.union1d(np.arange(start, highest, TARGET_STEP), [best, highest])
        for unit, line in _LINES.items():
            _draw_ratio(axes, targets, comparisons.speed_up(baseline, other, unit, targets), look.color, line)
        axes.axhline(1, color=NEUTRAL, linewidth=0.8)
        axes.axvline(best, color=method_style("dlgn").color, linewidth=0.9, linestyle=":")
        axes.plot(best, paper_values.SPEED_UP_ITERATIONS, **STAR)
        axes.set_yscale("log")
        log_axis(axes.yaxis, lambda value: f"{value:g}x")
        percent_axis(axes.xaxis)
        axes.set_xlabel("discrete test accuracy to reach")
        axes.set_title(setting_title(setting, [dlgn[dlgn["seed"].isin(seeds)]]))
    panels[0].set_ylabel("DLGN's time over GLGN's\n(above 1: GLGN is faster)")
    figure.legend(
        handles=[*_legend(look.color), cited_handle(figure, "paper")],
        loc="outside upper center",
        ncols=3 if len(found) > 1 else 2,
        columnspacing=1.0,
    )
    return figure


def _draw_ratio(axes, targets: np.ndarray, ratio: tuple[np.ndarray, ...], color: str, line: str) -> None:
    low, high, interval_low, interval_high = ratio
    known = (low == high) & (low > 0) & np.isfinite(high)
    axes.plot(targets, np.where(known, high, np.nan), color=color, linestyle=line)
    inside = known & (interval_low > 0) & np.isfinite(interval_high)
    axes.fill_between(targets, interval_low, interval_high, where=inside, color=color, **BAND)
    face = color if line == "-" else "none"
    below, above = (low != high) & np.isfinite(high), (low > 0) & np.isinf(high)
    for bounded, values, marker in ((below, high, "v"), (above, low, "^")):
        axes.plot(targets[bounded], values[bounded], marker, color=color, markerfacecolor=face, **_BOUND)


def _legend(color: str) -> list[Line2D]:
    return [
        Line2D([], [], color=color, linestyle=_LINES["iterations"], label="in iterations"),
        Line2D([], [], color=color, linestyle=_LINES["seconds"], label="in training seconds"),
        Line2D([], [], color=color, marker="v", linestyle="none", label="at most: GLGN censored"),
        Line2D([], [], color=color, marker="^", linestyle="none", label="at least: DLGN censored"),
        Line2D([], [], color=method_style("dlgn").color, linestyle=":", label="DLGN's best"),
    ]
