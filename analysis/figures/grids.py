"""The map: a cell a depth and width, panels by recipe: which method is best, and what each comes to where."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator, PercentFormatter

from analysis import comparisons
from analysis.conditions import Setting
from analysis.figures import cells
from analysis.figures.panels import WRAP, grid, legend, method_legend, short_count, shown_methods
from analysis.grid import Map, grid_values, map_settings, maps, tied
from analysis.style import NEUTRAL, RC, method_style
from analysis.tidy import Tables
from lgn.methods import METHODS, method_label
from lgn.metrics import unused_threshold

_BEST = {"linewidth": 1.6, "linestyle": "-"}
_TIED = {"linewidth": 0.9, "linestyle": (0, (2, 1.5))}
_PALE = 0.15
"""How much of its colour is left to a method that is best, but not by the seeds."""


def needs(runs: pd.DataFrame) -> list[Setting]:
    """The settings of every map: depths and widths, two each at least, that DLGN and GLGN ran at one recipe."""
    return map_settings(runs)


def map_accuracy(tables: Tables, found: list[Setting]) -> Figure:
    """Final discrete test accuracy, a column of panels a method; the best method of a setting is framed."""
    values = grid_values(tables, found)
    # By the accuracy shown. A net that has learnt in train mode alone has a gap, and map_gap tells.
    values["hatched"] = values["final_accuracy"] < values["dataset"].map(comparisons.learnt_accuracy)
    figure, bar, panels = _method_maps(values, found, shown_methods(found), "final_accuracy", _accuracy_text)
    bar.set_label("final discrete test accuracy (\N{PLUS-MINUS SIGN} half of its 95% interval over seeds)")
    values["tied"] = tied(values) & ~values["hatched"]
    for _, row in values[values["tied"]].iterrows():
        panel, (x, y), color = panels[row.name]
        frame = _BEST if row["behind_best"] == 0 else _TIED
        panel.add_patch(
            Rectangle((x - 0.42, y - 0.42), 0.84, 0.84, facecolor="none", edgecolor=color, **frame)
        )
    notes = [
        Patch(facecolor="none", edgecolor="black", label="best method of the setting", **_BEST),
        Patch(facecolor="none", edgecolor="black", label="not told from it by the seeds", **_TIED),
    ]
    legend(figure, [*notes, *_unlearnt_note(values, "below {} discrete: not learnt")])
    return figure


def map_gap(tables: Tables, found: list[Setting]) -> Figure:
    """Discretisation gap at the end of training, a column of panels a method that can have one."""
    values = grid_values(tables, found)
    values["hatched"] = ~values["learnt"]
    methods = [method for method in shown_methods(found) if not _trains_discrete(method)]
    figure, bar, _ = _method_maps(values, found, methods, "gap", _gap_text)
    bar.set_label("discretization gap at the end (points) [95% interval over seeds]")
    bar.ax.xaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    legend(figure, _unlearnt_note(values, "below {} in train mode: not learnt"))
    return figure


def map_unused(tables: Tables, found: list[Setting]) -> Figure:
    """Share of unused gates at the end of training, a column of panels a method."""
    values = grid_values(tables, found)
    values["hatched"] = ~values["learnt"]
    figure, bar, _ = _method_maps(values, found, shown_methods(found), "unused_share", _unused_text)
    bar.set_label(
        "unused gates at the end (%) [95% interval over seeds]:\n"
        f"entropy above the threshold of N(0, 1) logits (about {unused_threshold():.1f} nats)"
    )
    legend(figure, _unlearnt_note(values, "below {} in train mode: not learnt"))
    return figure


def map_takeoff(tables: Tables, found: list[Setting]) -> Figure:
    """Iterations until a net counts as learnt, against width, a panel a depth."""
    shown, values, methods = maps(found), grid_values(tables, found), shown_methods(found)
    figure, axes = grid(len(shown), max(len(one.depths) for one in shown), height=1.7)
    for row, one in zip(axes, shown, strict=True):
        of_map = _rows_of(values, one)
        for unused in row[len(one.depths) :]:
            unused.remove()
        for panel, depth in zip(row, one.depths, strict=False):
            of_depth = of_map[of_map["depth"] == depth]
            for number, method in enumerate(methods):
                # Intervals on one line would hide each other.
                shift = 1 + 0.05 * (number - (len(methods) - 1) / 2)
                _draw_takeoff(panel, of_depth[of_depth["method"] == method], method, shift)
            panel.axhline(of_depth["iterations_run"].max(), color=NEUTRAL, linewidth=0.7, linestyle=":")
            panel.set_xscale("log")
            panel.set_xlim(one.widths[0] / 1.2, one.widths[-1] * 1.2)
            panel.xaxis.set_major_locator(FixedLocator(one.widths))
            panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: cells.size(value)))
            panel.xaxis.set_minor_locator(NullLocator())
            panel.set_yscale("log")
            panel.yaxis.set_major_locator(LogLocator())
            panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(value)))
            panel.yaxis.set_minor_locator(NullLocator())
            panel.set_xlabel("width")
            panel.set_title(f"depth {depth}, {cells.seeds([one])}")
        row[0].set_ylabel(cells.row_name(one, f"iterations to {cells.learnt_text([one.dataset])}"))
    interval = figure.axes[0].errorbar(
        [], [], [], color=NEUTRAL, linestyle="none", linewidth=1, capsize=2, label="95% interval over seeds"
    )
    notes = [
        interval,
        Line2D([], [], color=NEUTRAL, marker="^", markersize=6, markerfacecolor="none", linestyle="none",
               label="at least: not all runs took off"),
        Line2D([], [], color=NEUTRAL, linewidth=0.7, linestyle=":", label="budget"),
    ]  # fmt: skip
    method_legend(figure, methods, notes, lines=True)
    return figure


def map_best(tables: Tables, found: list[Setting]) -> Figure:
    """Which method ends most accurate at each setting, a panel a recipe; then of all methods and recipes."""
    shown, values = maps(found), grid_values(tables, found)
    letters = {(one.dataset, one.recipe): chr(ord("a") + i) for i, one in enumerate(shown)}
    values["letter"] = [letters[key] for key in zip(values["dataset"], values["recipe"], strict=True)]
    best = values.groupby(["dataset", "recipe", "depth", "width"])["final_accuracy"].transform("max")
    values["hatched"] = best < values["dataset"].map(comparisons.learnt_accuracy)
    pictures = [([one], "behind_best") for one in shown]
    for dataset in dict.fromkeys(one.dataset for one in shown):
        recipes = [one for one in shown if one.dataset == dataset]
        if len(recipes) > 1:
            pictures.append((recipes, "behind_any"))
    columns = 2 if len(pictures) <= 4 else WRAP
    rows = -(-len(pictures) // columns)
    figure = cells.map_figure(rows, columns, shown, height=1.9)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in axes[len(pictures) :]:
        unused.remove()
    for panel, (pooled, behind) in zip(axes, pictures, strict=False):
        one = pooled[0]
        every = Map(one.dataset, "", "", {place: s for part in pooled for place, s in part.settings.items()})
        cells.axes_of_map(panel, every)
        panel.set_ylabel("depth")
        of_any = pd.concat([_rows_of(values, part) for part in pooled])
        for (depth, width), candidates in of_any.groupby(["depth", "width"]):
            _draw_best(panel, cells.place(every, depth, width), candidates, behind)
        name = f"({letters[one.dataset, one.recipe]}) {one.label}" if len(pooled) == 1 else _pooled(pooled)
        panel.set_title(f"{one.dataset}, {name}\n{cells.budget(pooled)}, {cells.seeds(pooled)}")
    handles = [
        Patch(color=cells.blend(method_style(m).color, 0.6), label=method_label(m))
        for m in shown_methods(found)
    ]
    handles += [
        cells.text_note("+1.2: points ahead of the next"),
        Patch(color=cells.blend(NEUTRAL, _PALE), label="pale: seeds do not tell it from others"),
        *_unlearnt_note(values, "all below {} discrete: not learnt"),
    ]
    legend(figure, handles)
    return figure


def _pooled(recipes: list[Map]) -> str:
    """Names the panel of all recipes; where they ran for unlike numbers of iterations, it says so."""
    alike = len({cells.budget([one]) for one in recipes}) == 1
    return "all of these" if alike else "all of these, across budgets"


def _trains_discrete(method: str) -> bool:
    """Whether the train mode is the discrete net itself, which then has no gap."""
    keys = METHODS.get(method, {})
    return keys.get("noise") == "none" and keys["straight_through"]


def _method_maps(
    values: pd.DataFrame,
    found: list[Setting],
    methods: list[str],
    name: str,
    text: Callable[[pd.Series], str],
) -> tuple[Figure, Colorbar, dict]:
    """A row of panels a map, a column a method; cells that are `hatched` in values have no colour.

    Returns the figure, its colour bar, and row of values -> its panel, place and colour of text.
    """
    shown = maps(found)
    figure = cells.map_figure(len(shown), len(methods), shown, cells.ROW_HEIGHT)
    axes = figure.subplots(len(shown), len(methods), squeeze=False)
    known = values.loc[~values["hatched"] & values["method"].isin(methods), name]
    norm = Normalize(*((known.min(), known.max()) if len(known) else (0, 1)))
    colors = colormaps[RC["image.cmap"]]
    drawn = {}
    for row, one in zip(axes, shown, strict=True):
        of_map = _rows_of(values, one)
        for panel, method in zip(row, methods, strict=True):
            cells.axes_of_map(panel, one)
            of_method = of_map[of_map["method"] == method]
            panel.set_title(f"{method_label(method)}, {cells.seeds([one], method)}" if len(of_method) else "")
            for index, cell in of_method.iterrows():
                place = cells.place(one, cell["depth"], cell["width"])
                look = ("white", cells.UNLEARNT) if cell["hatched"] else (colors(norm(cell[name])), None)
                drawn[index] = panel, place, cells.draw_cell(panel, place, text(cell), *look)
        for panel in row[1:]:
            panel.set_yticklabels([])
        row[0].set_ylabel(cells.row_name(one, "depth"))
    bar = cells.color_bar(figure, axes, norm, colors, "")
    bar.ax.xaxis.set_major_formatter(PercentFormatter(1))
    return figure, bar, drawn


def _draw_best(panel: Axes, place: tuple[int, int], candidates: pd.DataFrame, behind: str) -> None:
    """The best of candidates; below it by how many points it leads, or which others the seeds do not tell from it."""
    first = candidates.loc[candidates["final_accuracy"].idxmax()]
    others = candidates.drop(first.name)
    ties = others[tied(others, behind)]
    letter = f" ({first['letter']})" if behind == "behind_any" else ""
    if first["hatched"]:
        cells.draw_cell(panel, place, "", hatch=cells.UNLEARNT)
        return
    if len(ties) > 1 or (len(ties) and letter):
        below = f"or {len(ties)} other{'s' * (len(ties) != 1)}"
    elif len(ties):
        below = f"or {method_label(ties['method'].iloc[0])}"
    else:
        below = f"+{100 * others[behind].min():.1f}" if len(others) else "alone"
    face = cells.blend(method_style(first["method"]).color, _PALE if len(ties) else 0.6)
    cells.draw_cell(panel, place, f"{method_label(first['method'])}{letter}\n{below}", face)


def _draw_takeoff(panel: Axes, rows: pd.DataFrame, method: str, shift: float) -> None:
    look = method_style(method)
    rows = rows.sort_values("width")
    x, value = shift * rows["width"].to_numpy(float), rows["takeoff"].to_numpy()
    panel.plot(x, value, color=look.color, linestyle=look.line, linewidth=1)
    known = (rows["took_off"] == rows["seeds"]).to_numpy()
    for which, marker, face in ((known, look.marker, look.color), (~known, "^", "none")):
        # An interval need not hold its value.
        error = np.clip([value - rows["takeoff_low"], rows["takeoff_high"] - value], 0, None)[:, which]
        panel.errorbar(
            x[which], value[which], error, color=look.color, marker=marker, markerfacecolor=face,
            markersize=4 if face == look.color else 6, linestyle="none", linewidth=1, capsize=2,
        )  # fmt: skip


def _rows_of(values: pd.DataFrame, one: Map) -> pd.DataFrame:
    return values[(values["dataset"] == one.dataset) & (values["recipe"] == one.recipe)]


def _accuracy_text(row: pd.Series) -> str:
    """93.3, and below it ±0.5: half the width of its interval."""
    half = (row["final_accuracy_high"] - row["final_accuracy_low"]) / 2
    return f"{100 * row['final_accuracy']:.1f}" + ("" if math.isnan(half) else f"\n±{100 * half:.1f}")


def _gap_text(row: pd.Series) -> str:
    """1.33, and below it [0.80, 1.75]: half a width could seem to reach below 0, where no gap is."""
    return _with_ends(row, "gap", lambda share: f"{100 * share:.2f}")


def _unused_text(row: pd.Series) -> str:
    """7.5, and below it [6.1, 9.5]; from ten percent on whole percent, as cells are small."""
    return _with_ends(row, "unused_share", lambda share: f"{100 * share:.{0 if share >= 0.0995 else 1}f}")


def _with_ends(row: pd.Series, name: str, show: Callable[[float], str]) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return show(row[name]) + ("" if math.isnan(low) else f"\n[{show(low)}, {show(high)}]")


def _unlearnt_note(values: pd.DataFrame, label: str) -> list[Patch]:
    """Explains hatched cells, where there are any. label: with a place for the limit."""
    limit = cells.learnt_text(values["dataset"])
    return [cells.hatched_note(label.format(limit))] if values["hatched"].any() else []
