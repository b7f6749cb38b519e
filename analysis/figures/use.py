"""Which neurons of trained nets do anything: unused by entropy beside what they do in the circuit."""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from analysis.conditions import Setting
from analysis.figures.panels import legend, panel_row, panel_rows, seeds_text, setting_title, shown_methods
from analysis.figures.probed import probed_settings
from analysis.style import NEUTRAL, method_style, titled
from analysis.tidy import Tables
from analysis.use import shares
from lgn.errors import LgnError

_MARKERS = {"unused": "o", "not_silent": "D", "after_constants": "s", "after_sharing": "^"}
"""Of the counts that are drawn; of `unused` the rest, those used."""


def use_of_gates(tables: Tables, found: list[Setting]) -> Figure:
    """Shares of neurons that are used by entropy, whose complement changes a class, that are left in the circuit."""
    shown, measured = probed_settings(tables, "use")
    figure, panels = panel_row(shown, height=0.5 + 0.45 * len(shown_methods(shown)))
    return _drawn(figure, panels, shown, measured)


def use_tuned_and_default(tables: Tables, found: list[Setting]) -> Figure:
    """The same of a leaderboard's nets: methods tuned on the left, at one setting for all on the right."""
    measured = tables.probe("use")
    sides = [_measured(setting, measured) for setting in found]
    pairs = zip(sides[::2], sides[1::2], strict=True)
    found = [side for pair in pairs if pair[0].conditions and pair[1].conditions for side in pair]
    if not found:
        raise LgnError(
            "use_tuned_and_default: use: no net was measured both tuned and at the default; allowed: one"
        )
    methods = len(shown_methods(found))
    figure, panels = panel_rows(len(found) // 2, 2, height=0.5 + 0.33 * methods)
    _drawn(figure, list(panels.flat), found, measured)
    for axes, setting in zip(panels.flat, found, strict=True):
        net = f"{setting.dataset}, depth {setting.depth}, width {setting.width:,}"
        seeds = seeds_text(setting.conditions.values())
        axes.set_title(f"{net}\n{setting.recipe['settings']}, {seeds}" * titled())
        axes.hlines(np.arange(1, methods) - 0.5, 0, 1.02, color=NEUTRAL, linewidth=0.3)
        # A share of 0 is a whole point.
        axes.set_xlim(-0.02, 1.02)
    return figure


def _measured(setting: Setting, rows: pd.DataFrame) -> Setting:
    runs = rows["run_id"].unique()
    parts = {method: part[part["run_id"].isin(runs)] for method, part in setting.conditions.items()}
    return replace(setting, conditions={method: part for method, part in parts.items() if len(part)})


def _drawn(figure: Figure, panels: list[Axes], shown: list[Setting], measured: pd.DataFrame) -> Figure:
    methods = shown_methods(shown)
    for axes, setting in zip(panels, shown, strict=True):
        for place, method in enumerate(methods):
            if method in setting.conditions:
                row = shares(measured, setting.conditions[method])
                _draw_counts(axes, place, row, method_style(method).color)
        axes.set_yticks(range(len(methods)), [method_style(method).label for method in methods])
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.set_xlim(0, 1.02)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel("share of all neurons")
        axes.set_title(setting_title(setting, beside=shown))
    panels[0].set_ylabel("method")
    handles = [
        Line2D([], [], color=NEUTRAL, marker=marker, linestyle="none", label=_name(count))
        for count, marker in _MARKERS.items()
    ]
    legend(figure, handles)
    return figure


def _draw_counts(axes: Axes, place: int, row: dict[str, float], color: str) -> None:
    for line, (count, marker) in enumerate(_MARKERS.items()):
        shares = [row[f"{count}{part}"] for part in ("", "_low", "_high")]
        mean, low, high = (1 - share for share in shares) if count == "unused" else shares
        y = place + 0.17 * (line - 1.5)
        axes.plot([low, high], [y, y], color=color, linewidth=1)
        axes.plot(mean, y, color=color, marker=marker, markersize=4)


def _name(count: str) -> str:
    return "used, by entropy" if count == "unused" else count
