"""The map: outcomes of each method by width and depth; a column of panels a recipe, a row a measure."""

from collections.abc import Callable

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from analysis import comparisons
from analysis.conditions import Setting
from analysis.figures import cells
from analysis.figures.panels import legend, short_count, shown_methods
from analysis.grid import Map, grid_values, map_settings, maps, tied
from analysis.style import method_style, titled
from analysis.tidy import Tables
from lgn.methods import method_label

_PALE = 0.2
"""How much of its colour a cell has where a method is the best, alone."""
_UNLEARNT_COLOR = "0.6"
_LINE = 0.118
"""Inches of a method's line in a cell."""


def needs(runs: pd.DataFrame) -> list[Setting]:
    """The settings of every map: depths and widths, two each at least, that two methods ran at one recipe."""
    return map_settings(runs)


def map_of_outcomes(tables: Tables, found: list[Setting]) -> Figure:
    """Cells with a line for each method; rows of panels for accuracy, gap, unused gates, iterations until it learns."""
    values, shown, methods = grid_values(tables, found), maps(found), shown_methods(found)
    # By the accuracy shown: a net that has learnt in train mode alone has a gap and gates in use.
    discrete = values["final_accuracy"] >= values["dataset"].map(comparisons.learnt_accuracy)
    values["tied"] = tied(values) & discrete
    known = {"final_accuracy": discrete, "gap": values["learnt"], "unused_share": values["learnt"]}
    always = values["seeds"] > 0
    height = max(len(one.depths) for one in shown) * (_LINE * len(methods) + 0.05) + 0.5
    figure = cells.map_figure(len(_MEASURES), len(shown), shown, height)
    axes = figure.subplots(len(_MEASURES), len(shown), squeeze=False)
    for row, (name, (quantity, text)) in zip(axes, _MEASURES.items(), strict=True):
        for panel, one in zip(row, shown, strict=True):
            cells.axes_of_map(panel, one)
            of_map = values[(values["dataset"] == one.dataset) & (values["recipe"] == one.recipe)]
            for (depth, width), cell in of_map.groupby(["depth", "width"]):
                at, valid = cells.place(one, depth, width), known.get(name, always)
                _draw_cell(panel, at, cell, text, valid, colored=name == "final_accuracy")
        row[0].set_ylabel(f"{quantity}\ndepth")
    for panel, one in zip(axes[0], shown, strict=True):
        panel.set_title(_title(one) if titled() else "")
    handles: list[Artist] = [
        Patch(color=method_style(method).color, label=method_label(method)) for method in methods
    ]
    handles += [
        cells.text_note("bold: best, or tied with the best"),
        cells.text_note("coloured: best without a tie"),
        cells.text_note("grey: has not learnt"),
        cells.text_note("> lower bound: some runs never started to learn"),
    ]
    legend(figure, handles)
    return figure


def _title(one: Map) -> str:
    return f"{one.label}\n{one.dataset}, {cells.budget([one])}, {cells.seeds([one])}"


def _draw_cell(
    panel: Axes, at: tuple[int, int], rows: pd.DataFrame, text: Callable, valid: pd.Series, *, colored: bool
) -> None:
    """rows: of the methods at one width and depth. valid: by row, whether the value means something."""
    x, y = at
    best = rows[rows["tied"]]
    alone = colored and len(best) == 1
    face = cells.blend(method_style(best["method"].iloc[0]).color, _PALE) if alone else "0.97"
    panel.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, linewidth=0))
    for line, (index, row) in enumerate(rows.iterrows()):
        panel.text(
            x, y + 0.5 - (line + 0.6) / (len(rows) + 0.2), text(row), ha="center", va="center", fontsize=7,
            color=method_style(row["method"]).color if valid[index] else _UNLEARNT_COLOR,
            fontweight="bold" if colored and row["tied"] else "normal",
        )  # fmt: skip


def _takeoff_text(row: pd.Series) -> str:
    """1.2k; > 80k where some runs never started to learn"""
    count = short_count(float(f"{row['takeoff']:.2g}"))
    return count if row["took_off"] == row["seeds"] else f"> {count}"


_MEASURES: dict[str, tuple[str, Callable[[pd.Series], str]]] = {
    "final_accuracy": ("final discrete test\naccuracy (%)", lambda row: f"{100 * row['final_accuracy']:.1f}"),
    "gap": ("gap at the\nend (points)", lambda row: f"{100 * row['gap']:.2f}"),
    "unused_share": ("unused gates\nat the end (%)", lambda row: f"{100 * row['unused_share']:.1f}"),
    "takeoff": ("iterations until\nit learns", _takeoff_text),
}
"""Column of grid_values -> what a row of panels shows, and a method's text in a cell."""
