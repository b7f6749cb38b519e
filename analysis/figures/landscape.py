"""The soft network's loss around trained logits (the paper's Figure 8), and on lines between two methods' nets."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import LogLocator, NullLocator

from analysis.conditions import Setting
from analysis.figures.panels import (
    draw_band,
    method_legend,
    percent_axis,
    row_label,
    seeds_text,
    shown_methods,
)
from analysis.figures.probed import by_seed, compared, probed_settings, rows_at
from analysis.statistics import mean_interval
from analysis.style import RC, method_style, page
from analysis.tidy import Tables

RISE = 0.1
"""Nats above the centre, where a thick contour shows how wide the valley is."""

CONTOURS = 10
"""Levels on the common logarithmic scale."""

FINE = 401
"""Points along each direction between which the loss on a plane is interpolated, to measure an area."""

_OUTLINE: list[AbstractPathEffect] = [withStroke(linewidth=2.4, foreground="black")]


def loss_surface(tables: Tables, found: list[Setting]) -> Figure:
    """The loss on a plane of two random directions around two methods, on one scale; and the lines between nets."""
    every, rows = probed_settings(tables, "plane")
    shown, methods = compared(every)
    line_rows = tables.probe("line") if "line" in tables.probes else pd.DataFrame({"run_id": []})
    lines = [_measured(setting, line_rows) for setting in shown]
    joined = [method for method in shown_methods(shown) if any(method in part for part in lines)]
    runs = tables.runs.set_index("run_id")["method"]
    origin = runs[line_rows["other_run_id"].iloc[0]] if joined else ""
    panels = [f"plane_{method}" for method in methods] + (["loss", "accuracy"] if joined else [])
    figure = Figure(figsize=(page(), 2.0 * len(shown) + 1.0), layout="constrained")
    axes = figure.subplots(len(shown), len(panels), squeeze=False)
    planes = {
        (number, method): _plane(rows, setting.conditions[method])
        for number, setting in enumerate(shown)
        for method in methods
        if method in setting.conditions
    }
    losses = np.concatenate([plane.to_numpy().ravel() for plane in planes.values()])
    norm = LogNorm(losses.min(), losses.max())
    for number, (row, setting) in enumerate(zip(axes, shown, strict=True)):
        for panel, method in zip(row, methods, strict=False):
            if (number, method) not in planes:
                panel.set_axis_off()
                continue
            width = _draw_plane(panel, planes[number, method], norm)
            seeds = seeds_text([setting.conditions[method]])
            panel.set_title(f"{method_style(method).label}, {seeds}\n{width}")
        first = next(panel for panel in row if panel.axison)
        first.set_ylabel(row_label(setting, "second direction"))
        if joined:
            _draw_line(row[-2:], lines[number], line_rows, origin)
    colors = ScalarMappable(norm, colormaps[RC["image.cmap"]])
    bar = figure.colorbar(
        colors,
        ax=axes[:, : len(methods)],
        location="bottom",
        aspect=30,
        pad=0.03,
        label="test loss of the soft net (nats)",
    )
    bar.ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    bar.ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    bar.ax.xaxis.set_minor_locator(NullLocator())
    note = Line2D(
        [],
        [],
        color="white",
        linewidth=1.2,
        path_effects=_OUTLINE,
        label=f"{RISE:g} nats above the centre",
    )
    method_legend(figure, [origin, *joined] if joined else [], [note], lines=True)
    return figure


def _measured(setting: Setting, rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """method -> those of its runs that have rows."""
    parts = {m: runs[runs["run_id"].isin(rows["run_id"])] for m, runs in setting.conditions.items()}
    return {method: part for method, part in parts.items() if len(part)}


def _plane(rows: pd.DataFrame, condition: pd.DataFrame) -> pd.DataFrame:
    """Mean loss over seeds: a row a y, a column an x."""
    places, losses = by_seed(rows_at(rows, condition, "last"), ["y", "x"], "loss")
    return pd.Series(losses.mean(0), places).unstack("x")


def _draw_plane(panel: Axes, plane: pd.DataFrame, norm: LogNorm) -> str:
    """Colours and contours; returns how wide the thick contour is, in words."""
    panel.pcolormesh(plane.columns, plane.index, plane, norm=norm, cmap=RC["image.cmap"], rasterized=True)
    level = plane.iloc[len(plane.index) // 2, len(plane.columns) // 2] + RISE
    assert norm.vmin is not None and norm.vmax is not None  # the figure's panels share them
    for levels, width, effects in (
        (np.geomspace(norm.vmin, norm.vmax, CONTOURS + 2), 0.5, []),
        (np.array([level]), 1.2, _OUTLINE),
    ):
        levels = levels[(levels > plane.min(axis=None)) & (levels < plane.max(axis=None))]
        if len(levels):
            contour = panel.contour(
                plane.columns, plane.index, plane, levels, colors="white", linewidths=width
            )
            contour.set_path_effects(effects)
    panel.plot(0, 0, marker="+", color="white", markersize=6)
    panel.set_aspect("equal")
    panel.grid(False)
    panel.set_xlabel("first direction")
    radius, closed = valley(plane, level)
    return f"radius {'' if closed else 'at least '}{radius:.2f}"


def valley(plane: pd.DataFrame, level: float) -> tuple[float, bool]:
    """How wide the loss stays below a level: radius of the circle of equal area; and whether the window holds it all.

    plane: a row a y, a column an x; bilinear between them. Where it leaves the window, the radius is a lower bound.
    """
    x, y = plane.columns.to_numpy(float), plane.index.to_numpy(float)
    fine_x, fine_y = np.linspace(x[0], x[-1], FINE), np.linspace(y[0], y[-1], FINE)
    along_x = np.array([np.interp(fine_x, x, losses) for losses in plane.to_numpy()])
    below = np.array([np.interp(fine_y, y, losses) for losses in along_x.T]) < level
    edge = np.concatenate([below[0], below[-1], below[:, 0], below[:, -1]])
    area = below.mean() * (x[-1] - x[0]) * (y[-1] - y[0])
    return math.sqrt(area / math.pi), not edge.any()


def _draw_line(
    panels: list[Axes], conditions: dict[str, pd.DataFrame], rows: pd.DataFrame, origin: str
) -> None:
    """Loss of the soft net and accuracy of the discrete one from a method's nets to every other method's measured."""
    if not conditions:
        for panel in panels:
            panel.set_axis_off()
        return
    start = method_style(origin)
    for panel, column, label in zip(
        panels, ("loss", "discrete_accuracy"), ("test loss (nats)", "discrete accuracy"), strict=True
    ):
        for method, condition in conditions.items():
            places, values = by_seed(rows_at(rows, condition, "last"), ["position"], column)
            look, x = method_style(method), places.get_level_values("position").to_numpy()
            end: dict[str, Any] = {"marker": look.marker, "markevery": [-1]}
            draw_band(panel, x, mean_interval(values), look, linestyle=look.line, **end)
            panel.plot(x[0], values[:, 0].mean(), color=start.color, marker=start.marker, zorder=3)
        panel.set_title(f"{label}\n{seeds_text(conditions.values())}")
        names = [method_style(method).label for method in conditions]
        panel.set_xlabel(
            f"from {start.label} (0)\nto {names[0] if len(names) == 1 else 'another method'} (1)"
        )
    percent_axis(panels[1].yaxis)
