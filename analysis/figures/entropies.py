"""How sure the gates are: entropies by layer (the paper's Figure 9), and the share that keeps a high one, unused."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import paper_values
from analysis.collect import ENTROPY_BINS
from analysis.conditions import Setting
from analysis.figures.panels import (
    cited_handle,
    count_axis,
    draw_band,
    draw_cited,
    grid,
    legend,
    markers,
    mean_curve,
    method_legend,
    paired_panels,
    panel_row,
    percent_axis,
    row_label,
    seeds_text,
    setting_title,
    shown_methods,
)
from analysis.statistics import mean_interval
from analysis.style import NEUTRAL, method_style
from analysis.tidy import Tables
from analysis.unused import unused_by_layer, with_unused_shares
from lgn import metrics

_JOINED = 2
"""Bins of the table in one of the heat map: a single one, of gates that are certain, is too thin a line to see."""

_MOST = 0.3
"""Share of a layer at the dark end of the colours: above it there is but the bin of gates that are certain."""

_START_WIDTH, _START_GAP = 0.15, 0.08
"""Of the width of all layers together: the column of initial entropies, and the gap between it and the first layer."""

_THRESHOLD = {"color": "black", "linewidth": 0.8, "linestyle": (0, (4, 2))}

_LEAST_TOP = 0.05
"""An axis of shares by layer ends here at the lowest: less would magnify what is none."""


def entropies_by_layer(tables: Tables, found: list[Setting]) -> Figure:
    """Histogram of the entropies of every layer at the end, a heat map a method; beside it that at initialization."""
    methods = shown_methods(found)
    # Beside the rows there is the bar of colours.
    figure, axes = grid(len(found), len(methods), height=1.75 + 0.5 / len(found))
    for row, setting in zip(axes, found, strict=True):
        for panel, method in zip(row, methods, strict=True):
            if method not in setting.conditions:
                panel.set_axis_off()
                continue
            condition = setting.conditions[method]
            drawn = _draw_histograms(panel, tables.entropies, condition, setting.depth)
            panel.set_title(f"{method_style(method).label}, {seeds_text([condition])}")
        row[0].set_ylabel(row_label(setting, "entropy (nats)"))
        row[0].set_axis_on()
    bar = figure.colorbar(
        drawn, ax=axes, location="bottom", shrink=0.6, aspect=40, pad=0.04 / len(found), extend="max"
    )
    bar.set_label("share of a layer's neurons in a bin")
    bar.set_ticks([0, 0.01, 0.03, 0.1, 0.2, _MOST])
    bar.ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    legend(figure, [Line2D([], [], **_THRESHOLD, label="above it a gate counts as unused")])
    return figure


def unused_share(tables: Tables, found: list[Setting]) -> Figure:
    """Share of unused gates, two panels a setting: along training, and by layer at the end on an axis of its own."""
    figure, pairs = paired_panels(len(found))
    methods = shown_methods(found)
    for (along, by_layer), setting in zip(pairs, found, strict=True):
        shown = [method for method in methods if method in setting.conditions]
        for method in shown:
            look, condition = method_style(method), setting.conditions[method]
            history = with_unused_shares(tables.history, condition)
            curve = mean_curve(history, condition, "iteration", "unused_share")
            keep = curve[0] > 0
            style = {"linestyle": look.line, "marker": look.marker}
            draw_band(along, *(values[keep] for values in curve), look, **style, **markers(int(keep.sum())))
            by_run = unused_by_layer(tables, condition)
            interval = mean_interval(by_run.to_numpy())
            draw_band(by_layer, by_run.columns.to_numpy(), *interval, look, **style, markersize=3.5)
        draw_cited(along, paper_values.UNUSED_SHARE, shown)
        along.set_title(
            setting_title(setting, [setting.conditions[m] for m in shown]), x=0, horizontalalignment="left"
        )
        along.set_xlabel("iterations")
        along.set_ylabel("unused gates")
        along.set_ylim(-0.03, 1.03)
        count_axis(along)
        _layer_ticks(by_layer, setting.depth)
        by_layer.set_xlabel("layer, at the end")
        top = max(_LEAST_TOP, 1.05 * by_layer.dataLim.y1)
        by_layer.set_ylim(-0.03 * top, top)
        percent_axis(along.yaxis)
        percent_axis(by_layer.yaxis)
    method_legend(figure, methods, [cited_handle(figure, "paper")], lines=True)
    return figure


def unused_threshold(tables: Tables, found: list[Setting]) -> Figure:
    """Share of gates above an entropy, for every entropy that could be the threshold."""
    figure, panels = panel_row(found)
    methods = shown_methods(found)
    edges = ENTROPY_BINS
    for axes, setting in zip(panels, found, strict=True):
        shown = [method for method in methods if method in setting.conditions]
        for method in shown:
            look, condition = method_style(method), setting.conditions[method]
            shares = _shares_above(tables.entropies, condition, "final", setting.depth)
            style = {"linestyle": look.line, "marker": look.marker}
            draw_band(axes, edges, *mean_interval(shares), look, **style, **markers(len(edges)))
        first = setting.conditions[shown[0]]
        initial = _shares_above(tables.entropies, first, "initial", setting.depth).mean(0)
        axes.plot(edges, initial, color=NEUTRAL, linestyle=":")
        axes.axvline(metrics.unused_threshold(), **_THRESHOLD)
        axes.set_xlabel("entropy threshold (nats)")
        axes.set_title(setting_title(setting, [setting.conditions[m] for m in shown]))
        percent_axis(axes.yaxis)
    panels[0].set_ylabel("share of gates above it")
    extra = [
        Line2D([], [], color=NEUTRAL, linestyle=":", label="at initialization"),
        Line2D([], [], **_THRESHOLD, label="threshold used"),
    ]
    method_legend(figure, methods, extra, lines=True)
    return figure


def _draw_histograms(panel: Axes, entropies: pd.DataFrame, condition: pd.DataFrame, depth: int) -> QuadMesh:
    final, initial = (_histograms(entropies, condition, moment, depth) for moment in ("final", "initial"))
    look = {"cmap": colormaps["Greys"], "norm": PowerNorm(0.4, 0, _MOST), "rasterized": True}
    edges = ENTROPY_BINS[::_JOINED]
    right = 0.5 - _START_GAP * depth
    left = right - _START_WIDTH * depth
    start = initial.sum(1, keepdims=True)  # all layers: they start alike
    for x, counts in (([left, right], start), (np.arange(depth + 1) + 0.5, final)):
        drawn = panel.pcolormesh(x, edges, _mean_shares(counts).T, **look)
    panel.axhline(metrics.unused_threshold(), **_THRESHOLD)
    panel.set_ylim(0, edges[-1])
    panel.set_xlabel("layer (1 reads the input)")
    panel.grid(False)
    _layer_ticks(panel, depth)
    numbers = panel.get_xticks()
    panel.set_xticks([(left + right) / 2, *numbers], ["start", *(f"{number:g}" for number in numbers)])
    panel.set_xlim(left, depth + 0.5)
    return drawn


def _layer_ticks(panel: Axes, depth: int) -> None:
    """Every layer's number, or as many as there is room for, the first among them."""
    panel.set_xticks(range(1, depth + 1, -(-depth // 6)))
    panel.set_xlim(0.5, depth + 0.5)


def _mean_shares(counts: np.ndarray) -> np.ndarray:
    """(layers, bins / _JOINED) mean over runs of the share of a layer's neurons, from counts (n, layers, bins)."""
    joined = counts.reshape(*counts.shape[:2], -1, _JOINED).sum(-1)
    return (joined / joined.sum(-1, keepdims=True)).mean(0)


def _histograms(entropies: pd.DataFrame, condition: pd.DataFrame, moment: str, depth: int) -> np.ndarray:
    """(n, depth, bins) neurons of each run and layer in each bin of collect.ENTROPY_BINS."""
    rows = entropies[(entropies["moment"] == moment) & entropies["run_id"].isin(condition["run_id"])]
    run = pd.Index(condition["run_id"]).get_indexer(rows["run_id"])
    place = np.searchsorted(ENTROPY_BINS, (rows["low"] + rows["high"]) / 2) - 1
    counts = np.zeros((len(condition), depth, len(ENTROPY_BINS) - 1))
    np.add.at(counts, (run, rows["layer"].to_numpy() - 1, place), rows["count"].to_numpy())
    return counts


def _shares_above(entropies: pd.DataFrame, condition: pd.DataFrame, moment: str, depth: int) -> np.ndarray:
    """(n, edges) share of a run's neurons whose entropy is above each of collect.ENTROPY_BINS."""
    counts = _histograms(entropies, condition, moment, depth).sum(1)
    above = np.pad(counts[:, ::-1].cumsum(1)[:, ::-1], ((0, 0), (0, 1)))
    return above / above[:, :1]
