"""Unused gates, of high entropy: over training, by layer, and whatever the threshold (the paper's Figure 9)."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.collect import ENTROPY_BINS
from analysis.conditions import Setting
from analysis.figures.panels import (
    count_axis,
    draw_band,
    markers,
    mean_curve,
    method_legend,
    panel_rows,
    percent_axis,
    setting_title,
    shown_methods,
    title_row,
)
from analysis.statistics import mean_interval
from analysis.style import NEUTRAL, method_style
from analysis.tidy import Tables
from analysis.unused import unused_by_layer, with_unused_shares
from lgn import metrics

_THRESHOLD: dict[str, Any] = {"color": "black", "linewidth": 0.8, "linestyle": (0, (4, 2))}

_LEAST_TOP = 0.05
"""An axis of shares by layer ends here at the lowest: less would magnify what is none."""


def unused_gates(tables: Tables, found: list[Setting]) -> Figure:
    """Share of unused gates, three panels a setting: along training, by layer at the end, and at any threshold."""
    figure, rows = panel_rows(len(found), 3)
    methods = shown_methods(found)
    for (along, by_layer, above), setting in zip(rows, found, strict=True):
        shown = [method for method in methods if method in setting.conditions]
        for method in shown:
            look, condition = method_style(method), setting.conditions[method]
            history = with_unused_shares(tables.history, condition)
            curve = mean_curve(history, condition, "iteration", "unused_share")
            keep = curve[0] > 0
            style: dict[str, Any] = {"linestyle": look.line, "marker": look.marker}
            x, *interval = (values[keep] for values in curve)
            draw_band(along, x, interval, look, **style, **markers(int(keep.sum())))
            by_run = unused_by_layer(tables, condition)
            by_layer_mean = mean_interval(by_run.to_numpy())
            draw_band(by_layer, by_run.columns.to_numpy(), by_layer_mean, look, **style, markersize=3.5)
            shares = _shares_above(tables.entropies, condition, "final", setting.depth)
            style |= markers(len(ENTROPY_BINS))
            draw_band(above, ENTROPY_BINS, mean_interval(shares), look, **style)
        initial = _shares_above(
            tables.entropies, setting.conditions[shown[0]], "initial", setting.depth
        ).mean(0)
        above.plot(ENTROPY_BINS, initial, color=NEUTRAL, linestyle=":")
        above.axvline(metrics.unused_threshold(), **_THRESHOLD)
        above.set_xlabel("entropy threshold (nats)")
        above.set_ylabel("gates above the threshold")
        title_row([along], setting_title(setting, [setting.conditions[m] for m in shown], found))
        along.set_xlabel("iterations")
        along.set_ylabel("unused gates")
        along.set_ylim(-0.03, 1.03)
        count_axis(along)
        by_layer.set_xticks(range(1, setting.depth + 1, -(-setting.depth // 6)))
        by_layer.set_xlim(0.5, setting.depth + 0.5)
        by_layer.set_xlabel("layer, at the end")
        top = max(_LEAST_TOP, 1.05 * by_layer.dataLim.y1)
        by_layer.set_ylim(-0.03 * top, top)
        for panel in (along, by_layer, above):
            percent_axis(panel.yaxis)
    extra = [
        Line2D([], [], color=NEUTRAL, linestyle=":", label="at initialization"),
        Line2D([], [], **_THRESHOLD, label="threshold used"),
    ]
    method_legend(figure, methods, extra, lines=True)
    return figure


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
