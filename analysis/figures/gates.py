"""What the gates do: entropies by layer (the paper's Figure 9), unused share, and which gates are chosen."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis import paper_values
from analysis.collect import ENTROPY_BINS
from analysis.conditions import Setting
from analysis.figures.panels import (
    cited_handle,
    count_axis,
    draw_band,
    draw_cited,
    grid,
    layer_axis,
    markers,
    mean_curve,
    method_legend,
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

GATE_FAMILIES = {
    # family -> (gates, colour): what a gate does with its two inputs
    "constant": (("false", "true"), "#999999"),
    "passes one on": (("a", "b"), "#56B4E9"),
    "negates one": (("not_a", "not_b"), "#0072B2"),
    "and-like (one 1 in four)": (("and", "a_and_not_b", "not_a_and_b", "nor"), "#E69F00"),
    "or-like (three 1s in four)": (("or", "a_or_not_b", "not_a_or_b", "nand"), "#D55E00"),
    "xor, xnor": (("xor", "xnor"), "#009E73"),
}


def entropies_by_layer(tables: Tables, found: list[Setting]) -> Figure:
    """Entropy of the gate distributions at the end, a panel a method: median and 5 to 95% of the neurons of a layer."""
    methods = shown_methods(found)
    figure, axes = grid(len(found), len(methods), height=1.8)
    for row, setting in zip(axes, found, strict=True):
        for panel, method in zip(row, methods, strict=True):
            if method not in setting.conditions:
                panel.set_axis_off()
                continue
            condition, look = setting.conditions[method], method_style(method)
            final, initial = (_layer_means(tables.layers, condition, moment) for moment in ("last", "first"))
            x = final["layer"]
            panel.fill_between(
                x, initial["entropy_q05"], initial["entropy_q95"], color=NEUTRAL, alpha=0.25, linewidth=0
            )
            panel.plot(x, initial["entropy_q50"], color=NEUTRAL, linestyle=":")
            panel.fill_between(
                x, final["entropy_q05"], final["entropy_q95"], color=look.color, alpha=0.3, linewidth=0
            )
            panel.plot(x, final["entropy_q50"], color=look.color, marker=look.marker, linestyle="-")
            panel.axhline(
                condition["unused_threshold"].mean(), color="black", linewidth=0.7, linestyle=(0, (4, 2))
            )
            panel.set_ylim(0, 1.03 * ENTROPY_BINS[-1])
            panel.set_title(f"{look.label}, {seeds_text([condition])}")
            layer_axis(panel, setting.depth)
        row[0].set_ylabel(row_label(setting, "entropy (nats)"))
        row[0].set_axis_on()
    handles = [
        Line2D([], [], color="black", marker="o", label="median at the end"),
        Patch(color="black", alpha=0.3, linewidth=0, label="5 to 95% of neurons"),
        Line2D([], [], color=NEUTRAL, linestyle=":", label="at initialization"),
        Line2D(
            [], [], color="black", linewidth=0.7, linestyle=(0, (4, 2)), label="threshold of an unused gate"
        ),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4 if len(methods) > 1 else 2)
    return figure


def unused_share(tables: Tables, found: list[Setting]) -> Figure:
    """Share of unused gates: along training on the left, by layer at the end on the right."""
    figure, axes = grid(len(found), 2, height=2.0)
    methods = shown_methods(found)
    for row, setting in zip(axes, found, strict=True):
        shown = [method for method in methods if method in setting.conditions]
        for method in shown:
            look, condition = method_style(method), setting.conditions[method]
            curve = mean_curve(tables.history, condition, "iteration", "unused_share")
            keep = curve[0] > 0
            style = {"linestyle": look.line, "marker": look.marker}
            draw_band(row[0], *(values[keep] for values in curve), look, **style, **markers(int(keep.sum())))
            layers, values = _layer_values(tables.layers, condition, "last", "unused_share")
            draw_band(row[1], layers, *mean_interval(values), look, **style)
        draw_cited(row[0], paper_values.UNUSED_SHARE, shown)
        count_axis(row[0])
        row[0].set_xlabel("iterations")
        row[0].set_ylabel("unused gates")
        row[0].set_title(setting_title(setting, [setting.conditions[m] for m in shown]))
        row[1].set_title("at the end, by layer\n")
        layer_axis(row[1], setting.depth)
        row[0].set_ylim(-0.03, 1.03)
        percent_axis(row[0].yaxis)
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
            mean, low, high = mean_interval(_shares_above(tables.entropies, condition, "final"))
            draw_band(
                axes,
                edges,
                mean,
                low,
                high,
                look,
                linestyle=look.line,
                marker=look.marker,
                **markers(len(edges)),
            )
        first = setting.conditions[shown[0]]
        axes.plot(
            edges, _shares_above(tables.entropies, first, "initial").mean(0), color=NEUTRAL, linestyle=":"
        )
        axes.axvline(first["unused_threshold"].mean(), color="black", linewidth=0.7, linestyle=(0, (4, 2)))
        axes.set_xlabel("entropy threshold (nats)")
        axes.set_title(setting_title(setting, [setting.conditions[m] for m in shown]))
        percent_axis(axes.yaxis)
    panels[0].set_ylabel("share of gates above it")
    extra = [
        Line2D([], [], color=NEUTRAL, linestyle=":", label="at initialization"),
        Line2D([], [], color="black", linewidth=0.7, linestyle=(0, (4, 2)), label="threshold used"),
    ]
    method_legend(figure, methods, extra, lines=True)
    return figure


def gates_by_layer(tables: Tables, found: list[Setting]) -> Figure:
    """Which gates the trained nets choose, by layer, in six families; means over seeds."""
    methods = shown_methods(found)
    figure, axes = grid(len(found), len(methods), height=1.8)
    for row, setting in zip(axes, found, strict=True):
        for panel, method in zip(row, methods, strict=True):
            if method not in setting.conditions:
                panel.set_axis_off()
                continue
            condition = setting.conditions[method]
            rows = tables.gates[tables.gates["run_id"].isin(condition["run_id"])]
            counts = rows.pivot_table(index="layer", columns="gate", values="count", aggfunc="sum")
            shares = counts.div(counts.sum(axis=1), axis=0)
            bottom = np.zeros(len(shares))
            for gates, color in GATE_FAMILIES.values():
                height = shares[list(gates)].sum(axis=1).to_numpy()
                panel.bar(
                    shares.index,
                    height,
                    bottom=bottom,
                    color=color,
                    width=0.9,
                    edgecolor="white",
                    linewidth=0.3,
                )
                bottom += height
            panel.set_title(f"{method_style(method).label}, {seeds_text([condition])}")
            panel.set_ylim(0, 1)
            panel.grid(False)
            layer_axis(panel, setting.depth)
            percent_axis(panel.yaxis)
        row[0].set_ylabel(row_label(setting, "gates chosen"))
    handles = [Patch(color=color, label=name) for name, (_, color) in GATE_FAMILIES.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=3 if len(methods) > 1 else 2)
    return figure


def _layer_values(
    layers: pd.DataFrame, condition: pd.DataFrame, moment: str, column: str
) -> tuple[np.ndarray, np.ndarray]:
    """Layer numbers (depth,) and a column (n, depth) at each run's first or last evaluation."""
    rows = layers[layers["run_id"].isin(condition["run_id"])]
    iterations = rows.groupby("run_id")["iteration"].transform("min" if moment == "first" else "max")
    table = rows[rows["iteration"] == iterations].pivot(index="run_id", columns="layer", values=column)
    return table.columns.to_numpy(), table.to_numpy(float)


def _layer_means(layers: pd.DataFrame, condition: pd.DataFrame, moment: str) -> dict[str, np.ndarray]:
    """layer, and the mean over seeds of its entropy quantiles."""
    found = {}
    for column in ("entropy_q05", "entropy_q50", "entropy_q95"):
        found["layer"], values = _layer_values(layers, condition, moment, column)
        found[column] = values.mean(0)
    return found


def _shares_above(entropies: pd.DataFrame, condition: pd.DataFrame, moment: str) -> np.ndarray:
    """(n, edges) share of a run's neurons whose entropy is above each of collect.ENTROPY_BINS."""
    rows = entropies[(entropies["moment"] == moment) & entropies["run_id"].isin(condition["run_id"])]
    shares = []
    for run_id in condition["run_id"]:
        run = rows[rows["run_id"] == run_id]
        counts = np.histogram((run["low"] + run["high"]) / 2, bins=ENTROPY_BINS, weights=run["count"])[0]
        above = np.append(counts[::-1].cumsum()[::-1], 0)
        shares.append(above / above[0])
    return np.array(shares)
