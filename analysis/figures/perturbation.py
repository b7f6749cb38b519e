"""What trained nets bear: noise on their logits, and some of their layers discretised and the others not."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from analysis.conditions import Setting
from analysis.figures.panels import (
    axis_from_zero,
    draw_band,
    method_legend,
    panel_rows,
    percent_axis,
    setting_title,
    shown_methods,
    title_row,
)
from analysis.figures.probed import by_seed, probed_settings, rows_at
from analysis.statistics import mean_interval
from analysis.style import NEUTRAL, method_style
from analysis.tidy import Tables

GUMBEL_DEVIATION = math.pi / math.sqrt(6)
"""Standard deviation of the noise in training, whichever its kind."""

_ORDERS = {"first": "from the input on", "last": "from the output on"}


def perturbation(tables: Tables, found: list[Setting]) -> Figure:
    """Test accuracy of disturbed nets, a row a setting: under noise on the logits, and with some layers discrete.

    Layers become discrete from the input on, then from the output on; what was not measured has no panel.
    """
    probes = [probe for probe in ("noise", "layers") if probe in tables.probes]
    by_probe: dict[str, tuple[list[Setting], pd.DataFrame]] = {
        probe: probed_settings(tables, probe) for probe in probes
    }
    places = {place(s): s for shown, _ in by_probe.values() for s in shown}
    panels = [("noise", "")] * ("noise" in probes) + [("layers", order) for order in _ORDERS] * (
        "layers" in probes
    )
    figure, axes = panel_rows(len(places), len(panels), height=2.1)
    for row, (where, setting) in zip(axes, places.items(), strict=True):
        for panel, (probe, order) in zip(row, panels, strict=True):
            shown, rows = by_probe[probe]
            one = next((s for s in shown if place(s) == where), None)
            if one is None:
                panel.set_axis_off()
            elif probe == "noise":
                _draw_noise(panel, rows, one)
            else:
                _draw_layers(panel, rows[rows["discretised"] == order], one, _ORDERS[order])
        row[0].set_ylabel("test accuracy")
        title_row(row, setting_title(setting))
    methods = shown_methods(setting for shown, _ in by_probe.values() for setting in shown)
    note = Line2D([], [], color=NEUTRAL, linewidth=0.7, linestyle=":", label="noise in training")
    method_legend(figure, methods, [note] if "noise" in probes else [], lines=True)
    return figure


def place(setting: Setting) -> tuple:
    """What tells settings apart."""
    return setting.dataset, setting.depth, setting.width, setting.recipe_text


def _draw_noise(panel: Axes, rows: pd.DataFrame, setting: Setting) -> None:
    """Discrete test accuracy after normal noise on all logits, against the noise's standard deviation."""
    measured: set[float] = set()
    for method, condition in setting.conditions.items():
        scales, values = by_seed(rows_at(rows, condition, "last"), ["scale"], "discrete_accuracy")
        # Without noise: the accuracy at the end of training, on the same split.
        undisturbed = condition["final_test_accuracy_discrete"].mean()
        look, x = method_style(method), scales.get_level_values("scale").to_numpy()
        measured.update(x)
        draw_band(panel, x, mean_interval(values), look, linestyle=look.line, marker=look.marker)
        panel.plot([0, x[0]], [undisturbed, values[:, 0].mean()], color=look.color, linestyle=look.line)
    panel.axvline(GUMBEL_DEVIATION, color=NEUTRAL, linewidth=0.7, linestyle=":")
    axis_from_zero(panel, min(measured))
    # Accuracy falls within a factor of two or three, which ticks at decades alone would not place.
    panel.xaxis.set_major_locator(FixedLocator([0, *sorted(measured)]))
    panel.set_xlabel("noise on the logits\n(standard deviation)")
    percent_axis(panel.yaxis)


def _draw_layers(panel: Axes, rows: pd.DataFrame, setting: Setting, order: str) -> None:
    """Test accuracy against how many layers are discrete, the rest soft."""
    for method, condition in setting.conditions.items():
        layers, values = by_seed(rows_at(rows, condition, "last"), ["layers"], "accuracy")
        look, x = method_style(method), layers.get_level_values("layers").to_numpy()
        draw_band(panel, x, mean_interval(values), look, linestyle=look.line, marker=look.marker)
    panel.set_xticks(np.unique(np.linspace(0, setting.depth, 7).round()))
    panel.set_xlabel(f"discrete layers\n{order}")
    percent_axis(panel.yaxis)
