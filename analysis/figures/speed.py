"""How much sooner GLGN gets to an accuracy than DLGN, for every accuracy that either reaches once it has learnt."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis import comparisons, paper_values
from analysis.comparisons import Curves
from analysis.conditions import Setting, shared_seeds
from analysis.figures.panels import cited_handle, legend, log_axis, panel_row, percent_axis, setting_title
from analysis.style import BAND, NEUTRAL, PAGE, STAR, method_style
from analysis.tidy import Tables

TARGET_STEP = 0.01
_LINES = {"iterations": "-", "seconds": "--"}
_BOUND = {"markersize": 3, "markeredgewidth": 0.6, "linestyle": "none"}


def speed_ratio(tables: Tables, found: list[Setting]) -> Figure:
    """DLGN's time over GLGN's against the accuracy to reach; triangles where only a bound is known."""
    figure, panels = panel_row(found)
    figure.set_figwidth(PAGE)  # also of one panel: the legend is long
    marks: set[str] = set()
    for axes, setting in zip(panels, found, strict=True):
        dlgn, glgn = setting.conditions["dlgn"], setting.conditions["glgn"]
        seeds = shared_seeds(dlgn, glgn)
        baseline = comparisons.curves(tables.history, dlgn, seeds)
        other = comparisons.curves(tables.history, glgn, seeds)
        marks |= _draw_setting(axes, baseline, other, comparisons.learnt_accuracy(setting.dataset))
        axes.set_xlabel("discrete test accuracy to reach")
        axes.set_title(setting_title(setting, [dlgn[dlgn["seed"].isin(seeds)]]))
    # Panels share it.
    panels[0].set_yscale("log")
    log_axis(panels[0].yaxis, lambda value: f"{value:g}x")
    panels[0].set_ylabel("DLGN's time over GLGN's\n(above 1: GLGN is faster)")
    handles = [handle for mark, handle in _handles().items() if mark in marks]
    legend(figure, [*handles, *([cited_handle(figure, "paper")] if "best" in marks else [])])
    return figure


def _draw_setting(axes: Axes, baseline: Curves, other: Curves, learnt: float) -> set[str]:
    """Returns the marks that it drew, keys of _handles. learnt: the accuracy from which on a race says something."""
    axes.axhline(1, color=NEUTRAL, linewidth=0.8)
    percent_axis(axes.xaxis)
    best = comparisons.best_accuracy(baseline)
    highest = max(best, comparisons.best_accuracy(other))
    if highest < learnt:
        axes.set_xlim(learnt, 1)
        note = f"neither reaches {learnt:.0%},\nfrom which a net has learnt"
        axes.text(0.5, 0.3, note, transform=axes.transAxes, ha="center", va="center", fontsize=7.5)
        return set()
    targets = np.union1d(np.arange(learnt, highest, TARGET_STEP), [highest])
    marks = set()
    if best >= learnt:
        targets = np.union1d(targets, [best])
        axes.axvline(best, color=method_style("dlgn").color, linewidth=0.9, linestyle=":")
        axes.plot(best, paper_values.SPEED_UP_ITERATIONS, **STAR)
        marks.add("best")
    for unit in _LINES:
        marks |= _draw_ratio(axes, targets, comparisons.speed_up(baseline, other, unit, targets), unit)
    return marks


def _draw_ratio(axes: Axes, targets: np.ndarray, ratio: tuple[np.ndarray, ...], unit: str) -> set[str]:
    """Returns the marks that it drew, keys of _handles."""
    low, high, interval_low, interval_high = ratio
    color = method_style("glgn").color
    known = (low == high) & (low > 0) & np.isfinite(high)
    axes.plot(targets, np.where(known, high, np.nan), color=color, linestyle=_LINES[unit])
    inside = known & (interval_low > 0) & np.isfinite(interval_high)
    axes.fill_between(targets, interval_low, interval_high, where=inside, color=color, **BAND)
    marks = {mark for mark, some in ((unit, known), ("band", inside)) if some.any()}
    below, above = (low != high) & np.isfinite(high), (low > 0) & np.isinf(high)
    for bounded, values, side in ((below, high, "below"), (above, low, "above")):
        if bounded.any():
            axes.plot(targets[bounded], values[bounded], **_bound(side, unit))
            marks.add(f"{side} {unit}")
    return marks


def _bound(side: str, unit: str) -> dict:
    color = method_style("glgn").color
    face = color if unit == "iterations" else "none"
    return {"marker": "v" if side == "below" else "^", "color": color, "markerfacecolor": face, **_BOUND}


def _handles() -> dict[str, Line2D | Patch]:
    """mark -> its entry in the legend."""
    color = method_style("glgn").color
    texts = {"iterations": "in iterations", "seconds": "in training seconds"}
    lines = {unit: Line2D([], [], color=color, linestyle=_LINES[unit], label=texts[unit]) for unit in _LINES}
    sides = {"below": "at most: GLGN not there", "above": "at least: DLGN not there"}
    bounds = {
        f"{side} {unit}": Line2D(
            [], [], label=f"{text}, {texts[unit]}", **_bound(side, unit) | {"markersize": 4}
        )
        for side, text in sides.items()
        for unit in _LINES
    }
    best = Line2D([], [], color=method_style("dlgn").color, linestyle=":", label="DLGN's best")
    return lines | {"band": Patch(color=color, label="95% interval", **BAND)} | bounds | {"best": best}
