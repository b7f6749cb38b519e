"""What trained nets bear: noise on their logits, and some of their layers discretised and the others not."""

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from analysis.conditions import Setting
from analysis.figures.panels import (
    axis_from_zero,
    draw_band,
    grid,
    method_legend,
    panel_row,
    percent_axis,
    row_label,
    seeds_text,
    setting_title,
    shown_methods,
)
from analysis.figures.probed import by_seed, probed_settings, rows_at
from analysis.statistics import mean_interval
from analysis.style import NEUTRAL, method_style
from analysis.tidy import Tables

GUMBEL_DEVIATION = math.pi / math.sqrt(6)
"""Standard deviation of the noise in training, whichever its kind."""

_ORDERS = {"first": "from the input on", "last": "from the output on"}


def perturbation(tables: Tables, found: list[Setting]) -> Figure:
    """Discrete test accuracy after normal noise on all logits, against the noise's standard deviation."""
    shown, rows = probed_settings(tables, "noise")
    figure, panels = panel_row(shown)
    for panel, setting in zip(panels, shown, strict=True):
        measured: set[float] = set()
        for method, condition in setting.conditions.items():
            scales, values = by_seed(rows_at(rows, condition, "last"), ["scale"], "discrete_accuracy")
            # Without noise: the accuracy at the end of training, on the same split.
            undisturbed = condition["final_test_accuracy_discrete"].mean()
            look, x = method_style(method), scales.get_level_values("scale").to_numpy()
            measured.update(x)
            draw_band(panel, x, *mean_interval(values), look, linestyle=look.line, marker=look.marker)
            panel.plot([0, x[0]], [undisturbed, values[:, 0].mean()], color=look.color, linestyle=look.line)
        panel.axvline(GUMBEL_DEVIATION, color=NEUTRAL, linewidth=0.7, linestyle=":")
        axis_from_zero(panel, min(measured))
        # Accuracy falls within a factor of two or three, which ticks at decades alone would not place.
        panel.xaxis.set_major_locator(FixedLocator([0, *sorted(measured)]))
        panel.set_xlabel("standard deviation of the noise\n(logit units)")
        panel.set_title(setting_title(setting, setting.conditions.values()))
        percent_axis(panel.yaxis)
    panels[0].set_ylabel("discrete test accuracy")
    note = Line2D([], [], color=NEUTRAL, linewidth=0.7, linestyle=":", label="that of the noise in training")
    method_legend(figure, shown_methods(shown), [note], lines=True)
    return figure


def layerwise_discretization(tables: Tables, found: list[Setting]) -> Figure:
    """Test accuracy against how many layers are discrete, from the input or from the output on, and the rest soft."""
    shown, rows = probed_settings(tables, "layers")
    figure, axes = grid(len(shown), len(_ORDERS), height=2.0, share_y="row")
    for row, setting in zip(axes, shown, strict=True):
        by_method = setting.conditions
        for panel, (order, text) in zip(row, _ORDERS.items(), strict=True):
            of_order = rows[rows["discretised"] == order]
            for method, condition in by_method.items():
                layers, values = by_seed(rows_at(of_order, condition, "last"), ["layers"], "accuracy")
                look = method_style(method)
                x = layers.get_level_values("layers").to_numpy()
                draw_band(panel, x, *mean_interval(values), look, linestyle=look.line, marker=look.marker)
            panel.set_xticks(np.unique(np.linspace(0, setting.depth, 7).round()))
            panel.set_xlabel("discrete layers, the others soft")
            percent_axis(panel.yaxis)
            panel.set_title(f"{text}, {seeds_text(by_method.values())}")
        row[0].set_ylabel(row_label(setting, "test accuracy"))
    method_legend(figure, shown_methods(shown), lines=True)
    return figure
