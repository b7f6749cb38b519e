"""What the figures share: a grid of panels, bands over seeds, titles and legends."""

import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullLocator,
    PercentFormatter,
)

from analysis import measures
from analysis.comparisons import histories
from analysis.conditions import Setting, method_rank, recipe_text, settings
from analysis.statistics import mean_interval
from analysis.style import BAND, COLUMN, MethodStyle, method_style, page, titled

WRAP = 3
MOST_PANELS, MOST_ROWS = 8, 4
"""Settings that a figure with a panel each, and one with a row each, can show on a page."""
_TWO_PANELS = 4.5
"""Inches from which on a figure has two or more panels in a row."""

_ROW = 28
"""Characters along the height of a panel."""
_TITLE = 40
"""Characters of a line of a title where panels stand three a row."""
_NO_BREAK = "\u00a0"


def grid(
    rows: int, columns: int, *, height: float = 2.3, share_y: bool | Literal["row", "col"] = True
) -> tuple[Figure, np.ndarray]:
    """A figure of rows x columns panels and its axes (rows, columns); one panel makes a one-column figure."""
    width = min(page(), COLUMN) if columns == 1 else page()
    figure = Figure(figsize=(width, height * rows + 0.5), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, sharey=share_y)


def panel_row(settings: list[Setting], *, height: float = 2.3) -> tuple[Figure, list[Axes]]:
    """One panel a setting, wrapped; panels share the y axis."""
    columns = min(len(settings), WRAP, across())
    rows = -(-len(settings) // columns)
    figure, axes = grid(rows, columns, height=height)
    flat = list(axes.flat)
    for unused in flat[len(settings) :]:
        unused.remove()
    return figure, flat[: len(settings)]


def across() -> int:
    """How many panels fit in a row: one in a column of a paper, any number on a page."""
    return 1 if page() < _TWO_PANELS else 99


def panel_rows(rows: int, columns: int, *, height: float = 1.8) -> tuple[Figure, np.ndarray]:
    """A row of panels a setting, axes (rows, columns); below each other where a figure is narrow."""
    deep = columns if across() < columns else 1
    figure = Figure(figsize=(page(), height * rows * deep + 0.5), layout="constrained")
    axes = figure.subplots(rows * deep, columns // deep, squeeze=False)
    return figure, axes.reshape(rows, columns)


def paired_panels(pairs: int, *, height: float = 2.0) -> tuple[Figure, np.ndarray]:
    """Two panels in a row for each setting, axes (pairs, 2); from three settings on, two pairs in a row."""
    beside = 1 if pairs <= 2 or across() == 1 else 2
    figure, axes = panel_rows(-(-pairs // beside), 2 * beside, height=height)
    axes = axes.reshape(-1, 2)
    for unused in axes[pairs:].flat:
        unused.remove()
    return figure, axes[:pairs]


def title_row(row: Sequence[Axes] | np.ndarray, title: str) -> None:
    """Names the setting of a row of panels above its first, from the left."""
    row[0].set_title(title, x=0, horizontalalignment="left")


def seeds_text(conditions: Iterable[pd.DataFrame]) -> str:
    """3 seeds; 2 to 3 seeds"""
    counts = [len(condition) for condition in conditions]
    low, high = min(counts), max(counts)
    return f"{low} seed{'s' * (low != 1)}" if low == high else f"{low} to {high} seeds"


def setting_title(
    setting: Setting, conditions: Iterable[pd.DataFrame] | None = None, beside: Iterable[Setting] = ()
) -> str:
    """Data set, depth, width; then what sets it apart, the methods' temperatures and the seeds; "" without titles.

    beside: the settings of the other panels, which it must be distinct from (see recipe_beside).
    """
    if not titled():
        return ""
    conditions = list(setting.conditions.values() if conditions is None else conditions)
    ran = sorted({float(part["temperature"].iloc[0]) for part in conditions})
    temperature = f"temperature {' and '.join(f'{value:g}' for value in ran)}, "
    scale = f"{setting.dataset}, depth {setting.depth}, width {setting.width:,}"
    recipe = _lines(recipe_beside(setting, beside), _TITLE)
    return "\n".join([scale, *recipe, temperature + seeds_text(conditions)])


def recipe_beside(setting: Setting, others: Iterable[Setting]) -> str:
    """A setting's recipe_text. One that has none names its own values of what the others of its size are set apart by.

    Alone it would go without saying; beside a panel that says group_temperature 100, its own must be said.
    """
    if setting.recipe:
        return setting.recipe_text
    size = (setting.dataset, setting.depth, setting.width)
    same_size = [other for other in others if (other.dataset, other.depth, other.width) == size]
    names = dict.fromkeys(name for other in same_size for name in other.recipe)
    own = {name: setting.runs[name].iloc[0] for name in names}
    return recipe_text({name: value for name, value in own.items() if not pd.isna(value)})


def row_label(setting: Setting, quantity: str) -> str:
    """Names a row of panels: its setting, in lines as long as a panel is high, and what its first axis shows."""
    return scale_label(
        f"{setting.dataset}, {setting.depth} x {setting.width:,}", setting.recipe_text, quantity
    )


def scale_label(scale: str, recipe_text: str, quantity: str) -> str:
    """The lines of row_label, for a row of more than one setting."""
    return "\n".join([scale, *_lines(recipe_text, _ROW), quantity])


def _lines(recipe: str, most: int) -> list[str]:
    """A recipe's text in lines of at most `most` characters, broken between its settings."""
    whole = recipe.replace(" ", _NO_BREAK).replace(f",{_NO_BREAK}", ", ")
    return [line.replace(_NO_BREAK, " ") for line in textwrap.wrap(whole, most)]


def shown_methods(settings: Iterable[Setting]) -> list[str]:
    """The methods that ran at any of these, in the order of every legend."""
    return sorted(set().union(*(setting.conditions for setting in settings)), key=method_rank)


def several_methods(runs: pd.DataFrame, most: int = MOST_PANELS) -> list[Setting]:
    """Settings where two methods or more ran: a recipe tried with one is an ablation of these.

    Where these are more than `most`, those with most methods.
    """
    found = settings(runs)
    ran = sorted({len(setting.conditions) for setting in found})
    for least in ran if len(ran) == 1 else filter(lambda methods: methods > 1, ran):
        several = [setting for setting in found if len(setting.conditions) >= least]
        if len(several) <= most:
            break
    return several


def several_rows(runs: pd.DataFrame) -> list[Setting]:
    """several_methods, for a figure with a row of panels each."""
    return several_methods(runs, MOST_ROWS)


def mean_curve(
    history: pd.DataFrame, condition: pd.DataFrame, x: str, column: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x, mean, low, high (T,) of a smoothed history column over a condition's seeds."""
    parts = histories(history, condition)
    xs = [part[x].to_numpy(float) for part in parts]
    grid_x, y = measures.align(xs, [measures.smooth(part[column].to_numpy(float)) for part in parts])
    return grid_x, *mean_interval(y)


def draw_band(axes: Axes, x: np.ndarray, interval: Sequence[np.ndarray], look: MethodStyle, **line: Any):
    """The line of (mean, low, high) and, with more than one seed, its 95% band."""
    mean, low, high = interval
    axes.plot(x, mean, color=look.color, **line)
    if np.isfinite(low).any():
        axes.fill_between(x, low, high, color=look.color, **BAND)


def markers(points: int) -> dict[str, Any]:
    """Keywords for sparse markers on a curve of this many points."""
    return {"markevery": max(1, points // 6), "markersize": 3.5}


def method_legend(
    figure: Figure, methods: Iterable[str], extra: Iterable[Line2D] = (), *, lines: bool = False
) -> None:
    """One legend above all panels. lines: show each method's own line style, else a solid line with its marker."""
    looks = [method_style(method) for method in methods]
    handles = [
        Line2D(
            [],
            [],
            color=look.color,
            marker=look.marker,
            linestyle=look.line if lines else "-",
            label=look.label,
        )
        for look in looks
    ]
    handles += list(extra)
    legend(figure, handles)


def point_handle(method: str) -> Line2D:
    """A method's entry in the legend of a figure without lines."""
    look = method_style(method)
    return Line2D([], [], color=look.color, marker=look.marker, linestyle="none", label=look.label)


def legend(figure: Figure, handles: list) -> None:
    """A legend above all panels, in as few rows as their width allows."""
    columns = 7 if figure.get_figwidth() > COLUMN else (2 if len(handles) <= 4 else 3)
    renderer = FigureCanvasAgg(figure).get_renderer()
    # Text of another resolution, or in a PDF, is a little wider or narrower.
    most = 0.94 * figure.bbox.width
    for ncols in range(min(len(handles), columns), 0, -1):
        drawn = figure.legend(
            handles=handles,
            loc="outside upper center",
            ncols=ncols,
            columnspacing=1.3,
            handlelength=2.2,
        )
        if ncols == 1 or drawn.get_window_extent(renderer).width <= most:
            return
        drawn.remove()


class _ExactPercent(PercentFormatter):
    """Shares as percent: every tick with as few decimals, the same for all of an axis, as show it exactly."""

    def format_ticks(self, values):
        percents = 100 * np.asarray(values, dtype=float)
        exact = (d for d in range(4) if np.allclose(percents, np.round(percents, d), rtol=0, atol=1e-6))
        decimals = next(exact, 4)
        # Adding 0 turns a -0 into a 0.
        return [f"{round(percent, decimals) + 0:.{decimals}f}%" for percent in percents]


def percent_axis(axis) -> None:
    """Shares shown as percent."""
    axis.set_major_formatter(_ExactPercent(1.0))


def count_axis(axes: Axes) -> None:
    """A logarithmic axis of iterations: 100, 1k, 100k, 1M."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(value)))


def axis_from_zero(axes: Axes, first: float) -> None:
    """The x axis of what is drawn: from 0, and logarithmic from the first value after it on."""
    last = axes.dataLim.x1
    axes.set_xscale("symlog", linthresh=first, linscale=0.5)
    axes.set_xlim(-0.15 * first, 1.2 * last)
    decades = 10.0 ** np.arange(np.ceil(np.log10(first)), np.floor(np.log10(last)) + 1)
    axes.xaxis.set_major_locator(FixedLocator([0, *decades]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(value)))


def log_axis(axis, show: Callable[[float], str]) -> None:
    """A logarithmic axis with ticks at 1, 2 and 5 of every decade."""
    axis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: show(value)))
    axis.set_minor_locator(NullLocator())


def short_count(value: float) -> str:
    """950, 12k, 1.5M"""
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


def layer_axis(axes: Axes, depth: int) -> None:
    """Whole layer numbers from the input on."""
    axes.set_xlabel("layer (1 reads the input)")
    axes.set_xlim(0.5, depth + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
