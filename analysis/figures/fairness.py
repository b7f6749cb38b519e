"""What the speed-up becomes under other clocks, and against a DLGN at the grad_factor that its authors ask for."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from analysis import paper_values
from analysis.claims import NEAR_TARGET
from analysis.conditions import Setting, settings
from analysis.fairness import ACCOUNTINGS, Race, compared, races
from analysis.figures.panels import cited_handle, setting_title
from analysis.style import NEUTRAL, PAGE, STAR, method_style
from analysis.tidy import Tables

_LABELS = {
    "iterations": "iterations",
    "training": "training seconds",
    "official": "official clock",
    "paper_share": "official clock,\nthe paper's share",
    "training_grad_factor_2": "DLGN at grad_factor 2:\ntraining seconds",
    "official_grad_factor_2": "DLGN at grad_factor 2:\nofficial clock",
    "grad_factor_2_alone": "DLGN at grad_factor 2\nover DLGN at 1",
}
_PAPER = {"iterations": paper_values.SPEED_UP_ITERATIONS, "official": paper_values.SPEED_UP_SECONDS}
_APART = 0.16
_COLUMNS = 2
"""Beside the names of the rows, a third has no room for its title."""

_BEYOND = 1.6
"""Factor by which the axis goes on beyond all that is drawn."""


def needs(runs: pd.DataFrame) -> list[Setting]:
    """Settings where DLGN and GLGN share seeds."""
    return compared(runs)


def fair_comparison(tables: Tables, found: list[Setting]) -> Figure:
    """The speed-up to the target (filled) and to nine tenths of it (open), a row an accounting; arrows are bounds."""
    every = settings(tables.runs)
    by_setting = [races(tables, setting, every) for setting in found]
    present = {race.accounting.name for part in by_setting for race in part}
    rows = [accounting.name for accounting in ACCOUNTINGS if accounting.name in present]
    columns = min(len(found), _COLUMNS)
    lines = -(-len(found) // columns)
    figure = Figure(figsize=(PAGE, (0.9 + 0.3 * len(rows)) * lines + 0.5), layout="constrained")
    axes = list(figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).flat)
    for unused in axes[len(found) :]:
        unused.remove()
    shown = [race for part in by_setting for race in part if not race.caveat]
    ends = [end for race in shown for ratio in (race.ratio, race.near) for end in ratio[1:]]
    drawn = [end for end in [1, *_PAPER.values(), *ends] if 0 < end < math.inf]
    left, right = min(drawn) / _BEYOND, max(drawn) * _BEYOND
    for panel, setting, part in zip(axes, found, by_setting, strict=False):
        panel.set_xscale("log")
        panel.set_xlim(left, right)
        for race in part:
            _draw_race(panel, rows.index(race.accounting.name), race, left)
        for row, name in enumerate(rows):
            if name not in {race.accounting.name for race in part}:
                _note(panel, row, "not run")
        for name, value in _PAPER.items():
            panel.plot(value, rows.index(name), **STAR)
        panel.axvline(1, color=NEUTRAL, linewidth=0.8)
        panel.set_yticks(range(len(rows)), [_LABELS[name] for name in rows])
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.xaxis.set_major_locator(LogLocator(base=10, numticks=6))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
        panel.tick_params("x", labelbottom=True)
        panel.set_xlabel("speed-up (right of 1x: faster than DLGN)")
        dlgn = setting.conditions["dlgn"]
        panel.set_title(setting_title(setting, [dlgn[dlgn["seed"].isin(part[0].seeds)]]))
    axes[0].set_ylabel("what is counted")
    figure.legend(handles=_handles(figure), loc="outside upper center", ncols=3, columnspacing=1.3)
    return figure


def _draw_race(panel: Axes, row: int, race: Race, left: float) -> None:
    if race.caveat:
        _note(panel, row, race.caveat)
        return
    look = method_style("dlgn" if race.accounting.other == "dlgn_grad_factor_2" else "glgn")
    for ratio, shift, face in ((race.ratio, -_APART, look.color), (race.near, _APART, "white")):
        low, high, interval_low, interval_high = ratio
        if not math.isnan(interval_low):
            ends = [max(left, interval_low), interval_high]
            panel.plot(ends, [row + shift] * 2, color=look.color, linewidth=1)
        marker = "<" if low != high else look.marker
        panel.plot(high, row + shift, marker, color=look.color, markerfacecolor=face, markersize=4.5)


def _note(panel: Axes, row: int, text: str) -> None:
    """Words in the place of a race, at the left, where they hide no star."""
    panel.annotate(
        text, (0.02, row), xycoords=panel.get_yaxis_transform(), va="center", fontsize=7, color=NEUTRAL
    )


def _handles(figure: Figure) -> list[Line2D]:
    glgn, dlgn = method_style("glgn"), method_style("dlgn")
    note = {"color": NEUTRAL, "linestyle": "none"}
    return [
        Line2D([], [], color=glgn.color, marker=glgn.marker, label=glgn.label),
        Line2D([], [], color=dlgn.color, marker=dlgn.marker, label=f"{dlgn.label}, grad_factor 2"),
        Line2D([], [], marker="o", **note, label="to the target"),
        Line2D([], [], marker="o", markerfacecolor="white", **note, label=f"to {NEAR_TARGET:.0%} of it"),
        Line2D([], [], marker="<", **note, label="at most"),
        cited_handle(figure, "paper"),
    ]
