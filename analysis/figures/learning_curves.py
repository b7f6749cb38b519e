"""Accuracy and discretisation gap along training (the paper's Figure 1), over iterations and over training seconds."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import paper_values
from analysis.comparisons import chance
from analysis.conditions import Setting, settings
from analysis.figures.panels import (
    cited_handle,
    count_axis,
    draw_band,
    draw_cited,
    markers,
    mean_curve,
    method_legend,
    panel_row,
    percent_axis,
    setting_title,
    shown_methods,
)
from analysis.style import NEUTRAL, method_style
from analysis.tidy import Tables


def needs(runs: pd.DataFrame) -> list[Setting]:
    """Settings where most methods ran: a recipe tried with one method is an ablation of these."""
    found = settings(runs)
    most = max(len(set(shown_methods([setting])) & set(setting.conditions)) for setting in found)
    enough = min(2, most)
    return [
        setting for setting in found if len(set(shown_methods([setting])) & set(setting.conditions)) >= enough
    ]


def accuracy_over_iterations(tables: Tables, found: list[Setting]) -> Figure:
    """Test accuracy against iterations: discrete solid, soft dashed."""
    return _accuracy(tables, found, "iteration", "iterations")


def accuracy_over_seconds(tables: Tables, found: list[Setting]) -> Figure:
    """Test accuracy against training seconds: discrete solid, soft dashed."""
    return _accuracy(tables, found, "training_seconds", "training time (s, evaluation not counted)")


def _accuracy(tables: Tables, found: list[Setting], x: str, label: str) -> Figure:
    figure, panels = panel_row(found)
    methods = shown_methods(found)
    for axes, setting in zip(panels, found, strict=True):
        shown = [method for method in methods if method in setting.conditions]
        for method in shown:
            look = method_style(method)
            for column, line in (("test_accuracy_soft", "--"), ("test_accuracy_discrete", "-")):
                curve = mean_curve(tables.history, setting.conditions[method], x, column)
                keep = curve[0] > 0
                marked = (
                    {"marker": look.marker, **markers(int(keep.sum()))} if line == "-" else {"linewidth": 1.0}
                )
                draw_band(axes, *(values[keep] for values in curve), look, linestyle=line, **marked)
        axes.axhline(chance(setting.dataset), color=NEUTRAL, linewidth=0.7, linestyle=":")
        if setting.dataset == paper_values.DATASET:
            draw_cited(axes, paper_values.FINAL_ACCURACY, shown)
        count_axis(axes)
        axes.set_xlabel(label)
        axes.set_title(setting_title(setting, [setting.conditions[m] for m in shown]))
        percent_axis(axes.yaxis)
    panels[0].set_ylabel("test accuracy")
    extra = [
        Line2D([], [], color=NEUTRAL, label="discrete"),
        Line2D([], [], color=NEUTRAL, linestyle="--", linewidth=1.0, label="soft"),
        Line2D([], [], color=NEUTRAL, linestyle=":", linewidth=0.7, label="chance"),
    ]
    if any(setting.dataset == paper_values.DATASET for setting in found):
        extra.append(cited_handle(figure, "paper, discrete"))
    method_legend(figure, methods, extra)
    return figure


def gap_over_training(tables: Tables, found: list[Setting]) -> Figure:
    """|train-mode - discrete| test accuracy against iterations."""
    figure, panels = panel_row(found)
    methods = shown_methods(found)
    for axes, setting in zip(panels, found, strict=True):
        shown = [method for method in methods if method in setting.conditions]
        for method in shown:
            look = method_style(method)
            curve = mean_curve(tables.history, setting.conditions[method], "iteration", "discretization_gap")
            keep = curve[0] > 0
            x, mean, low, high = (values[keep] for values in curve)
            style = {"linestyle": look.line, "marker": look.marker, **markers(len(x))}
            draw_band(axes, x, 100 * mean, 100 * low, 100 * high, look, **style)
        draw_cited(axes, {method: 100 * gap for method, gap in paper_values.GAP.items()}, shown)
        count_axis(axes)
        axes.set_xlabel("iterations")
        axes.set_title(setting_title(setting, [setting.conditions[m] for m in shown]))
    panels[0].set_ylabel("discretization gap\n(percentage points)")
    method_legend(figure, methods, [cited_handle(figure, "paper")], lines=True)
    return figure
