"""The map: a cell a depth and width, panels by recipe: which method is best, and where each claim holds."""

import math
import textwrap

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator, PercentFormatter

from analysis import claims, comparisons
from analysis.conditions import Setting
from analysis.figures.panels import (
    WRAP,
    grid,
    legend,
    method_legend,
    seeds_text,
    short_count,
    shown_methods,
)
from analysis.grid import Map, grid_values, map_settings, maps, tied
from analysis.style import NEUTRAL, PAGE, RC, STAR, method_style
from analysis.summary import CLAIM_NAMES
from analysis.tidy import Tables
from analysis.verdicts import Verdict
from lgn.methods import method_label

VERDICT_MARKS = {
    Verdict.REPRODUCED: "\N{CHECK MARK}",
    Verdict.WEAKER: "~",
    Verdict.NOT_REPRODUCED: "\N{BALLOT X}",
    Verdict.NOT_REACHED: "?",
}
_CLAIMS = ("speed_iterations", "speed_seconds", "gap_reduction", "unused_reduction")
"""Time an iteration compares kernels first, and hardly depends on where in the map."""

_ROW_HEIGHT = 1.7
_CELL_WIDTH = 0.4
"""Inches that the text of a cell takes at least: a map of many widths makes a wider figure."""

_TEXT = 7
_EMPTY = "0.92"
_UNLEARNT = {"facecolor": "white", "edgecolor": "0.8", "hatch": "////", "linewidth": 0}
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
    figure, panels = _method_maps(values, found, "final_accuracy", "final discrete test accuracy", digits=1)
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
    legend(figure, [*notes, _unlearnt_note()])
    return figure


def map_gap(tables: Tables, found: list[Setting]) -> Figure:
    """Discretisation gap at the end of training, a column of panels a method."""
    values = grid_values(tables, found)
    values["hatched"] = ~values["learnt"]
    figure, _ = _method_maps(values, found, "gap", "discretization gap at the end (points)", digits=2)
    legend(figure, [_unlearnt_note()])
    return figure


def map_unused(tables: Tables, found: list[Setting]) -> Figure:
    """Share of unused gates at the end of training, a column of panels a method."""
    values = grid_values(tables, found)
    values["hatched"] = ~values["learnt"]
    figure, _ = _method_maps(values, found, "unused_share", "unused gates at the end", digits=1)
    legend(figure, [_unlearnt_note()])
    return figure


def map_takeoff(tables: Tables, found: list[Setting]) -> Figure:
    """Iterations until a net counts as learnt, against width, a panel a depth."""
    shown, values, methods = maps(found), grid_values(tables, found), shown_methods(found)
    figure, axes = grid(len(shown), max(len(one.depths) for one in shown), height=_ROW_HEIGHT)
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
            panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _size(value)))
            panel.xaxis.set_minor_locator(NullLocator())
            panel.set_yscale("log")
            panel.yaxis.set_major_locator(LogLocator())
            panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(value)))
            panel.yaxis.set_minor_locator(NullLocator())
            panel.set_xlabel("width")
            panel.set_title(f"depth {depth}, {_seeds(one)}")
        row[0].set_ylabel(f"{_row_name(one)}\ntake-off (iterations)")
    notes = [
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
    pictures = [(one, _rows_of(values, one), "behind_best") for one in shown]
    for dataset in dict.fromkeys(one.dataset for one in shown):
        recipes = [one for one in shown if one.dataset == dataset]
        if len(recipes) > 1:
            every = Map(dataset, "", "", {k: s for one in recipes for k, s in one.settings.items()})
            pictures.append((every, values[values["dataset"] == dataset], "behind_any"))
    columns = 2 if len(pictures) <= 4 else WRAP
    rows = -(-len(pictures) // columns)
    figure = _figure(rows, columns, max(len(one.widths) for one in shown), height=1.9)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in axes[len(pictures) :]:
        unused.remove()
    for panel, (one, of_map, behind) in zip(axes, pictures, strict=False):
        _axes_of_map(panel, one)
        panel.set_ylabel("depth")
        for (depth, width), candidates in of_map.groupby(["depth", "width"]):
            _draw_best(panel, _place(one, depth, width), candidates, behind)
        name = (
            f"({letters[one.dataset, one.recipe]}) {one.label}" if behind == "behind_best" else "all of these"
        )
        panel.set_title(f"{one.dataset}, {name}\n{_seeds(one)}")
    handles = [
        Patch(color=_blend(method_style(m).color, 0.6), label=method_label(m)) for m in shown_methods(found)
    ]
    pale = Patch(color=_blend(NEUTRAL, _PALE), label="pale: not told from others by the seeds")
    legend(figure, [*handles, pale, _unlearnt_note("none has learnt")])
    return figure


def map_claims(tables: Tables, found: list[Setting]) -> Figure:
    """The claims at every setting: value, verdict, and how much of the paper's effect; a column of panels a recipe."""
    shown = maps(found)
    figure = _figure(len(_CLAIMS), len(shown), max(len(one.widths) for one in shown), height=1.55)
    axes = figure.subplots(len(_CLAIMS), len(shown), squeeze=False)
    colors = LinearSegmentedColormap.from_list(
        "who_is_ahead", [method_style("dlgn").color, "white", method_style("glgn").color]
    )
    norm = Normalize(-1, 1)
    for column, one in zip(axes.T, shown, strict=True):
        for panel in column:
            _axes_of_map(panel, one)
        column[0].set_title(f"{one.dataset}, {_seeds(one)}\n" + one.label.replace(", init_", "\ninit_"))
        for (depth, width), setting in one.settings.items():
            by_name = {claim["claim"]: claim for claim in claims.setting_claims(tables, setting)}
            for panel, name in zip(column, _CLAIMS, strict=True):
                claim = by_name[name]
                undecided = claim["verdict"] == Verdict.NOT_REACHED
                face = _EMPTY if undecided else colors(norm(_share_of_paper(claim)))
                text = f"{_effect_text(claim)}\n{VERDICT_MARKS[claim['verdict']]}"
                _draw_cell(panel, _place(one, depth, width), text, face)
    for panel, name in zip(axes[:, 0], _CLAIMS, strict=True):
        panel.set_ylabel(f"{textwrap.fill(CLAIM_NAMES[name], 16)}\ndepth")
    bar = _color_bar(
        figure, axes, norm, colors, "effect, as a share of the paper's (speed: of its logarithm)"
    )
    bar.ax.plot(1, 0.5, clip_on=False, transform=bar.ax.transAxes, **STAR)
    bar.set_ticks([-1, 0, 1], labels=["as much the other way", "none", "the paper's (cited) or more"])
    marks = [
        Line2D([], [], linestyle="none", label=f"{mark} {verdict}") for verdict, mark in VERDICT_MARKS.items()
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=len(marks), handlelength=0)
    return figure


def _method_maps(
    values: pd.DataFrame, found: list[Setting], name: str, quantity: str, digits: int
) -> tuple[Figure, dict[int, tuple[Axes, tuple[int, int], str]]]:
    """A measure by method (columns) and recipe (rows), in percent of images or gates.

    Also the panel, place and text colour of each row of values, by its index. Its column `hatched` says which cells say
    nothing.
    """
    shown, methods = maps(found), shown_methods(found)
    figure = _figure(len(shown), len(methods), max(len(one.widths) for one in shown), height=_ROW_HEIGHT)
    axes = figure.subplots(len(shown), len(methods), squeeze=False)
    known = values.loc[~values["hatched"], name]
    norm = Normalize(*((known.min(), known.max()) if len(known) else (0, 1)))
    colors = colormaps[RC["image.cmap"]]
    cells = {}
    for row, one in zip(axes, shown, strict=True):
        of_map = _rows_of(values, one)
        for panel, method in zip(row, methods, strict=True):
            _axes_of_map(panel, one)
            of_method = of_map[of_map["method"] == method]
            panel.set_title(f"{method_label(method)}, {_seeds(one, method)}" if len(of_method) else "")
            for index, cell in of_method.iterrows():
                place = _place(one, cell["depth"], cell["width"])
                face = None if cell["hatched"] else colors(norm(cell[name]))
                cells[index] = panel, place, _draw_cell(panel, place, _percent(cell, name, digits), face)
        row[0].set_ylabel(f"{_row_name(one)}\ndepth")
    bar = _color_bar(figure, axes, norm, colors, quantity)
    bar.ax.xaxis.set_major_formatter(PercentFormatter(1, symbol="" if "points" in quantity else "%"))
    return figure, cells


def _draw_cell(panel: Axes, place: tuple[int, int], text: str, face: tuple | str | None) -> str:
    """A cell with its text; face: its colour, None for one that says nothing. Returns the colour of the text."""
    x, y = place
    look = _UNLEARNT if face is None else {"facecolor": face, "edgecolor": "white", "linewidth": 0.8}
    panel.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **look))
    # Relative luminance, ITU-R BT.709.
    dark = face is not None and np.dot(to_rgb(face), (0.2126, 0.7152, 0.0722)) < 0.5
    color = "white" if dark else "black"
    panel.text(x, y, text, ha="center", va="center", fontsize=_TEXT, color=color, linespacing=1.05)
    return color


def _draw_best(panel: Axes, place: tuple[int, int], candidates: pd.DataFrame, behind: str) -> None:
    """The best of candidates; below it by how many points it leads, or which others the seeds do not tell from it."""
    first = candidates.loc[candidates["final_accuracy"].idxmax()]
    others = candidates.drop(first.name)
    ties = others[tied(others, behind)]
    letter = f" ({first['letter']})" if behind == "behind_any" else ""
    if first["final_accuracy"] < comparisons.learnt_accuracy(first["dataset"]):
        _draw_cell(panel, place, "-", None)
        return
    if len(ties) > 1 or (len(ties) and letter):
        below = f"or {len(ties)} other{'s' * (len(ties) != 1)}"
    elif len(ties):
        below = f"or {method_label(ties['method'].iloc[0])}"
    else:
        below = f"+{100 * others[behind].min():.1f}" if len(others) else "alone"
    face = _blend(method_style(first["method"]).color, _PALE if len(ties) else 0.6)
    _draw_cell(panel, place, f"{method_label(first['method'])}{letter}\n{below}", face)


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


def _axes_of_map(panel: Axes, one: Map) -> None:
    panel.set_xticks(range(len(one.widths)), [_size(width) for width in one.widths])
    panel.set_yticks(range(len(one.depths)), [str(depth) for depth in one.depths])
    panel.set_xlim(-0.5, len(one.widths) - 0.5)
    panel.set_ylim(-0.5, len(one.depths) - 0.5)
    panel.tick_params(length=0)
    panel.grid(False)
    for spine in panel.spines.values():
        spine.set_visible(False)
    panel.set_xlabel("width")


def _place(one: Map, depth: int, width: int) -> tuple[int, int]:
    return one.widths.index(width), one.depths.index(depth)


def _rows_of(values: pd.DataFrame, one: Map) -> pd.DataFrame:
    return values[(values["dataset"] == one.dataset) & (values["recipe"] == one.recipe)]


def _seeds(one: Map, method: str | None = None) -> str:
    """3 seeds; of one method, or of all."""
    return seeds_text(
        condition
        for setting in one.settings.values()
        for name, condition in setting.conditions.items()
        if method in (None, name)
    )


def _row_name(one: Map) -> str:
    return f"{one.dataset}, {one.label}".replace(", ", "\n")


def _percent(row: pd.Series, name: str, digits: int) -> str:
    """93.3, and below it ±0.5: half the width of its interval."""
    half = (row[f"{name}_high"] - row[f"{name}_low"]) / 2
    return f"{100 * row[name]:.{digits}f}" + ("" if math.isnan(half) else f"\n±{100 * half:.{digits}f}")


def _share_of_paper(claim: dict) -> float:
    """Measured effect over the paper's, 0 for none: of logarithms where the claim is a factor."""
    measured, paper = claim["measured"], claim["paper"]["value"]
    value = measured["bound"]["below"] if measured["bound"] else measured["value"]
    if not claim["claim"].startswith("speed"):
        return value / paper
    return math.log(value) / math.log(paper) if value > 0 else -1.0


def _effect_text(claim: dict) -> str:
    """0.55x; <0.55x where that is a bound; 98.2%; 1.5x with an arrow up where there was to be less; - for no value."""
    bound, value = claim["measured"]["bound"], claim["measured"]["value"]
    if claim["claim"].startswith("speed"):
        shown, value = ("<{}x", bound["below"]) if bound else ("{}x", value)
    elif value is not None and value < 0:
        shown, value = "{}x\N{UPWARDS ARROW}", 1 - value / 100
    else:
        return "-" if value is None or math.isnan(value) else f"{value:.1f}%"
    return "-" if value is None or math.isnan(value) else shown.format(_two_digits(value))


def _two_digits(value: float) -> str:
    """0.055; 5.5; 55; 555"""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _size(width: float) -> str:
    """500; 256k"""
    return f"{width:,.0f}" if width < 10_000 else short_count(width)


def _figure(rows: int, columns: int, widths: int, height: float) -> Figure:
    """Without its panels; a page wide, or as wide as the text of so many cells takes."""
    width = max(PAGE, 1.0 + columns * (0.3 + _CELL_WIDTH * widths))
    return Figure(figsize=(width, height * rows + 0.9), layout="constrained")


def _color_bar(figure: Figure, axes: np.ndarray, norm: Normalize, colors: Colormap, quantity: str):
    return figure.colorbar(
        ScalarMappable(norm, colors),
        ax=axes,
        location="bottom",
        shrink=0.6,
        aspect=45,
        pad=0.03,
        label=quantity,
    )


def _blend(color: str, share: float) -> tuple[float, ...]:
    """So much of a colour, the rest white: what alpha would give, on paper too."""
    return tuple(1 - share * (1 - part) for part in to_rgb(color))


def _unlearnt_note(text: str = "has not learnt") -> Patch:
    return Patch(label=text, **_UNLEARNT | {"linewidth": 0.3})
