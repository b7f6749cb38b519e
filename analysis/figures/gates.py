"""Which gates the trained nets choose: by layer, and how many constant ones, which use no input, by temperature."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis import comparisons
from analysis.conditions import Setting, by_temperature
from analysis.figures.panels import (
    across,
    layer_axis,
    legend,
    percent_axis,
    point_handle,
    recipe_beside,
    row_label,
    seeds_text,
    shown_methods,
)
from analysis.statistics import mean_interval
from analysis.style import NEUTRAL, MethodStyle, method_style, page, titled
from analysis.tidy import Tables
from lgn.gates import GATES

GATE_FAMILIES = {
    # family -> (gates, colour): what a gate does with its two inputs
    "constant": (("false", "true"), "#999999"),
    "passes one on": (("a", "b"), "#56B4E9"),
    "negates one": (("not_a", "not_b"), "#0072B2"),
    "and-like (one 1 in four)": (("and", "a_and_not_b", "not_a_and_b", "nor"), "#E69F00"),
    "or-like (three 1s in four)": (("or", "a_or_not_b", "not_a_or_b", "nand"), "#D55E00"),
    "xor, xnor": (("xor", "xnor"), "#009E73"),
}
CONSTANT = GATE_FAMILIES["constant"][0]

RANDOM_SHARE = len(CONSTANT) / GATES
"""Of constant gates, were all gates equally likely."""

_RANDOM: dict[str, Any] = {"color": "black", "linewidth": 0.8, "linestyle": (0, (4, 2))}
_RANDOM_LABEL = f"random gates: {RANDOM_SHARE:.1%} constant"

_COLUMNS = 4


def gates_by_layer(tables: Tables, found: list[Setting]) -> Figure:
    """Which gates the trained nets choose, by layer, in six families, a panel a setting and method.

    Below, where a method ran at two temperatures, the share of constant gates against the temperature.
    """
    shown = [(setting, method) for setting in found for method in setting.conditions]
    swept = [s for s in found if any(len(by_temperature(s, method)) > 1 for method in s.conditions)]
    columns = min(_COLUMNS, across(), len(shown))
    heights = [1.7 * -(-len(shown) // columns), *[1.8] * len(swept)]
    figure = Figure(figsize=(page(), sum(heights) + 0.6), layout="constrained")
    blocks = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    axes = blocks[0].subplots(-(-len(shown) // columns), columns, squeeze=False, sharey=True)
    for unused in axes.flat[len(shown) :]:
        unused.remove()
    for panel, (setting, method) in zip(axes.flat, shown, strict=False):
        condition = setting.conditions[method]
        _draw_families(panel, tables.gates[tables.gates["run_id"].isin(condition["run_id"])])
        name = f"{method_style(method).label}, {seeds_text([condition])}"
        panel.set_title(f"{_place_text(setting, found)}{name}")
        layer_axis(panel, setting.depth)
    for first in axes[:, 0]:
        first.set_ylabel("gates chosen")
    for block, setting in zip(blocks[1:], swept, strict=True):
        _draw_constant(block.subplots(1, 2, sharey=True), tables, setting)
    handles: list[Artist] = [Patch(color=color, label=name) for name, (_, color) in GATE_FAMILIES.items()]
    handles.append(Line2D([], [], **_RANDOM, label=_RANDOM_LABEL))
    if swept:
        handles += map(point_handle, shown_methods(swept))
        handles.append(
            Line2D([], [], color=NEUTRAL, marker="o", markerfacecolor="white", linestyle="none",
                   label="has not learnt")
        )  # fmt: skip
    legend(figure, handles)
    return figure


def _place_text(setting: Setting, found: list[Setting]) -> str:
    """Data set and size, then what sets it apart, each on its line; empty without titles."""
    if not titled():
        return ""
    lines = [f"{setting.dataset}, {setting.depth} x {setting.width:,}", recipe_beside(setting, found)]
    return "".join(f"{line}\n" for line in lines if line)


def _draw_constant(row: np.ndarray, tables: Tables, setting: Setting) -> None:
    """Share of constant gates against the temperature of training: in the last layer, and in all."""
    shown = {method: by_temperature(setting, method) for method in setting.conditions}
    for method, parts in shown.items():
        # By temperature (2, seeds): in the last layer, in all.
        shares = [constant_shares(tables.gates, part) for part in parts.values()]
        learnt = [comparisons.has_learnt(tables.history, part, setting.dataset) for part in parts.values()]
        for place, panel in enumerate(row):
            points = [mean_interval(both[place]) for both in shares]
            _draw_points(panel, list(parts), points, learnt, method_style(method))
    for panel in row:
        panel.axhline(RANDOM_SHARE, **_RANDOM)
        panel.set_ylim(-0.03, 1.03)
        panel.set_xlabel("temperature")
        _temperature_ticks(panel, {temperature for parts in shown.values() for temperature in parts})
        percent_axis(panel.yaxis)
    row[0].set_title("in the last layer")
    row[1].set_title("in all layers")
    every = [part for parts in shown.values() for part in parts.values()]
    row[0].set_ylabel(row_label(setting, f"constant gates\n{seeds_text(every)}"))


def constant_shares(gates: pd.DataFrame, condition: pd.DataFrame) -> np.ndarray:
    """(2, n) share of constant gates in each run's last layer, and in all its layers."""
    rows = gates[gates["run_id"].isin(condition["run_id"])]
    last = rows[rows["layer"] == rows["layer"].max()]
    return np.stack([_constant_share(part, condition["run_id"]) for part in (last, rows)])


def _constant_share(rows: pd.DataFrame, run_ids: Iterable[str]) -> np.ndarray:
    constant = rows["count"].where(rows["gate"].isin(CONSTANT), 0)
    counts = pd.DataFrame({"constant": constant, "all": rows["count"]})
    totals = counts.groupby(rows["run_id"], observed=True).sum().loc[list(run_ids)]
    return (totals["constant"] / totals["all"]).to_numpy()


def _draw_families(panel: Axes, rows: pd.DataFrame) -> None:
    """Stacked bars of the rows of gates.csv of one condition."""
    counts = rows.pivot_table(index="layer", columns="gate", values="count", aggfunc="sum")
    shares = counts.div(counts.sum(axis=1), axis=0)
    bottom = np.zeros(len(shares))
    look: dict[str, Any] = {"width": 0.9, "edgecolor": "white", "linewidth": 0.3}
    for gates, color in GATE_FAMILIES.values():
        height = shares[list(gates)].sum(axis=1).to_numpy()
        panel.bar(shares.index, height, bottom=bottom, color=color, **look)
        bottom += height
    panel.axhline(RANDOM_SHARE, **_RANDOM)
    panel.set_ylim(0, 1)
    panel.grid(False)
    percent_axis(panel.yaxis)


def _draw_points(
    panel: Axes, x: list[float], points: list[tuple], learnt: list[bool], look: MethodStyle
) -> None:
    """points: mean, low and high at each x; a method at one temperature alone has no line."""
    mean, low, high = np.array(points).T
    panel.plot(x, mean, color=look.color, linestyle=look.line, linewidth=1)
    panel.vlines(x, low, high, color=look.color, linewidth=1)
    for where, value, known in zip(x, mean, learnt, strict=True):
        face = look.color if known else "white"
        panel.plot(where, value, color=look.color, marker=look.marker, markerfacecolor=face)


def _temperature_ticks(panel: Axes, temperatures: set[float]) -> None:
    ticks = sorted(temperatures)
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(FixedLocator(ticks))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
