"""The gradient beside Adam's epsilon: by layer, at the start and at the end; when a net learns, by their ratio."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.conditions import SCALE_COLUMNS, Setting, by_temperature, settings
from analysis.figures.panels import (
    layer_axis,
    legend,
    log_axis,
    method_legend,
    panel_row,
    setting_title,
    short_count,
    shown_methods,
)
from analysis.grid import grid_values
from analysis.statistics import mean_interval
from analysis.style import NEUTRAL, method_style, page
from analysis.tidy import Tables
from lgn.methods import method_label

_EPSILON: dict[str, Any] = {"color": "black", "linewidth": 1.0, "linestyle": (0, (6, 2))}
_MARKERS = "osD^vPX<>*hp"
_KNOBS = 3
"""How many settings beside epsilon must vary for the figure over the ratio."""


def needs_epsilons(runs: pd.DataFrame) -> list[Setting]:
    """The settings of data sets, depths and widths at which two epsilons ran."""
    return [
        setting
        for setting in settings(runs)
        if "epsilon" in runs and _place(runs, setting)["epsilon"].nunique() > 1
    ]


def gradient_by_layer(tables: Tables, found: list[Setting]) -> Figure:
    """Root mean square of the logits' gradient by layer, at the first step (dashed) and at the end; epsilon across."""
    figure, panels = panel_row(found)
    methods = shown_methods(found)
    for axes, setting in zip(panels, found, strict=True):
        for method in (method for method in methods if method in setting.conditions):
            look = method_style(method)
            for rows, line in zip(_ends(tables.layers, setting.conditions[method]), ("--", "-"), strict=True):
                if rows.size:
                    axes.plot(
                        np.arange(1, setting.depth + 1), np.exp(mean_interval(np.log(rows))[0]), color=look.color,
                        linestyle=line, marker=look.marker, markersize=3,
                    )  # fmt: skip
        axes.axhline(setting.runs["epsilon"].iloc[0], **_EPSILON)
        axes.set_yscale("log")
        layer_axis(axes, setting.depth)
        axes.set_title(setting_title(setting, beside=found))
    panels[0].set_ylabel("gradient_rms of the logits")
    extra = [
        Line2D([], [], color=NEUTRAL, linestyle="--", label="first step"),
        Line2D([], [], color=NEUTRAL, label="end of training"),
        Line2D([], [], **_EPSILON, label="epsilon"),
    ]
    method_legend(figure, methods, extra)
    return figure


def needs_ratios(runs: pd.DataFrame) -> list[Setting]:
    """The settings with the baseline of a data set and depth at which epsilon and other settings vary."""
    every = settings(runs) if "epsilon" in runs else []
    found = [setting for setting in every if setting.baseline in setting.conditions]
    points = _points(found)
    knobs = {_knob(point, points) for point in points}
    return found if "epsilon" in knobs and len(knobs) > _KNOBS else []


def takeoff_over_ratio(tables: Tables, found: list[Setting]) -> Figure:
    """Iterations until the baseline learns against the ratio of its first layer's gradient to epsilon.

    Each point is a setting; marker and colour say what it varies. A hollow point is a lower bound: a seed never learns.
    """
    figure = Figure(figsize=(page(), 3.6), layout="constrained")
    axes = figure.subplots()
    points = _points(found)
    knobs = list(dict.fromkeys(_knob(point, points) for point in points))
    for setting, (_, row) in zip(points, grid_values(tables, points).iterrows(), strict=True):
        first, _ = _ends(tables.layers, setting.conditions[setting.baseline])
        ratio = np.exp(np.log(first[:, 0] / setting.runs["epsilon"].iloc[0]).mean())
        number = knobs.index(_knob(setting, points))
        whole = row["took_off"] == row["seeds"]
        axes.plot(
            [ratio, ratio], [row["takeoff_low"], row["takeoff_high"]], color=f"C{number}", linewidth=0.8
        )
        axes.plot(
            ratio, row["takeoff"], color=f"C{number}", marker=_MARKERS[number],
            markerfacecolor=f"C{number}" if whole else "white", linestyle="none",
        )  # fmt: skip
    axes.axvline(1, color=NEUTRAL, linewidth=0.7, linestyle=":")
    axes.set_xscale("log")
    axes.set_yscale("log")
    log_axis(axes.yaxis, short_count)
    axes.set_xlabel("gradient_rms of layer 1 at the first step / epsilon")
    axes.set_ylabel(f"iterations until {method_label(points[0].baseline)} learns")
    handles = [
        Line2D([], [], color=f"C{number}", marker=_MARKERS[number], linestyle="none", label=knob)
        for number, knob in enumerate(knobs)
    ]
    hollow = Line2D([], [], color=NEUTRAL, marker="o", markerfacecolor="white", linestyle="none")
    hollow.set_label("lower bound: some runs never started to learn")
    legend(figure, [*handles, hollow])
    return figure


def _place(runs: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """The runs of a setting's data set, depth and width."""
    same = np.logical_and.reduce([runs[name] == getattr(setting, name) for name in SCALE_COLUMNS])
    return runs[same]


def _points(found: list[Setting]) -> list[Setting]:
    """Each setting with the baseline alone, once for every temperature of its softmax."""
    return [
        replace(setting, conditions={setting.baseline: part})
        for setting in found
        for part in by_temperature(setting, setting.baseline).values()
    ]


def _knob(point: Setting, points: list[Setting]) -> str:
    """What a point varies: the names of its recipe, else width, depth or temperature where few points have its own."""
    if varied := [name for name in point.recipe if name != "epsilon"]:
        return ", ".join(varied)
    if point.conditions[point.baseline]["temperature"].iloc[0] != 1:
        return "temperature"
    for name in ("width", "depth"):
        if getattr(point, name) not in pd.Series([getattr(one, name) for one in points]).mode().to_list():
            return name
    return "epsilon"


def _ends(layers: pd.DataFrame, condition: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(seeds, depth) gradient_rms at the first step that was recorded and at the end; of runs that recorded any."""
    first, last = [], []
    if "gradient_rms" in layers:
        for run_id in condition["run_id"]:
            rows = layers[(layers["run_id"] == run_id) & (layers["gradient_rms"] > 0)]
            if len(rows):
                by_iteration = rows.pivot(index="iteration", columns="layer", values="gradient_rms").dropna()
                first.append(by_iteration.iloc[0].to_numpy())
                last.append(by_iteration.iloc[-1].to_numpy())
    return np.array(first), np.array(last)
