"""What a condition came to, in three measures, and how they are drawn: the panels of every figure of one factor.

Final discrete accuracy, gap, and iterations to nine tenths of DLGN's best.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from analysis import comparisons
from analysis.conditions import Setting
from analysis.figures.panels import short_count
from analysis.statistics import bootstrap, mean_interval
from analysis.style import NEUTRAL, MethodStyle, method_style
from analysis.tidy import Tables

TARGET_SHARE = 0.9
"""Of DLGN's best accuracy: near enough to it that slower temperatures and noises still get there and compare."""

NOISES = ("none", "gumbel", "gaussian", "logistic", "uniform")
"""Kinds of noise, in the order of every figure."""


def noise_place(noise: str) -> tuple[int, str]:
    """Where a noise stands among others: those of NOISES in their order, then the rest."""
    return (NOISES.index(noise) if noise in NOISES else len(NOISES)), noise


TITLES = (
    "final discrete\ntest accuracy",
    "discretization gap\n(points)",
    f"iterations to {TARGET_SHARE:.0%}\nof DLGN's best",
)

_DODGE = 4.5
"""Points between the marks of two methods at one place."""

_LEAST_SPAN = 0.03
"""Of an accuracy axis: whole percents then make three ticks or more."""

_MOST_TICKS = 7
_STEPS = [1, 2, 5, 10]

_ROOM = 0.15
"""For arrows: what a time axis has beyond the last of what is drawn, as a share of its logarithmic length."""

# From the budget on to what is later, up or to the right.
_UP = Path([(0, 0), (0, 1), (-0.3, 0.6), (0, 1), (0.3, 0.6)], [1, 2, 1, 2, 2])
_RIGHT = Path(_UP.vertices[:, ::-1], _UP.codes)
_ARROW = {"markersize": 14, "markerfacecolor": "none", "markeredgewidth": 1, "clip_on": False}


@dataclass(frozen=True)
class Point:
    """A measure of one condition: value with its 95% interval, NaN where there is none.

    censored: not reached; value is then the budget. clipped: the interval goes on beyond the budget, its high end.
    learnt: False for the gap of nets that have not, which is none.
    """

    value: float
    low: float
    high: float
    censored: bool = False
    clipped: bool = False
    learnt: bool = True

    @property
    def known(self) -> bool:
        """Whether a line may lead to it."""
        return self.learnt and not self.censored


def outcomes(tables: Tables, setting: Setting, condition: pd.DataFrame) -> tuple[Point, Point, Point]:
    """Final discrete accuracy, gap in points, iterations to the target."""
    accuracy = comparisons.finals(tables.history, condition, "test_accuracy_discrete")
    gap = 100 * comparisons.end_gaps(tables.history, condition)
    learnt = comparisons.has_learnt(tables.history, condition, setting.dataset)
    return (
        Point(*map(float, mean_interval(accuracy))),
        Point(*map(float, mean_interval(gap)), learnt=learnt),
        _time(tables, setting, condition),
    )


def _time(tables: Tables, setting: Setting, condition: pd.DataFrame) -> Point:
    if "dlgn" not in setting.conditions:
        return Point(np.nan, np.nan, np.nan)
    best = comparisons.target(tables.history, setting)
    if best < comparisons.learnt_accuracy(setting.dataset):
        return Point(np.nan, np.nan, np.nan)  # a race to chance level says nothing
    goal = np.array([TARGET_SHARE * best])
    curves = comparisons.curves(tables.history, condition)
    budget = float(curves.iterations[-1])

    def time(seeds: np.ndarray) -> float:
        return float(comparisons.times_to(curves, goal, seeds, "iterations")[0][0])

    value = time(comparisons.all_seeds(curves))
    if np.isinf(value):
        return Point(budget, np.nan, np.nan, censored=True)
    low, high = bootstrap(time, len(curves.seeds))
    return Point(value, float(low), float(min(high, budget)), clipped=bool(np.isinf(high)))


def dodges(number: int) -> list[float]:
    """How far to the right of their place the marks of so many methods stand, in points."""
    return [_DODGE * (position - (number - 1) / 2) for position in range(number)]


def draw_series(
    panel: Axes, x: Sequence[float], points: Sequence[Point], look: MethodStyle, shift: float
) -> None:
    """Points over x, joined where they are known; shift: to the right, in points."""
    y = [point.value if point.known else np.nan for point in points]
    move(panel, panel.plot(x, y, color=look.color, linestyle=look.line, linewidth=1), shift)
    for place, point in zip(x, points, strict=True):
        draw_point(panel, place, point, look, shift=shift)


def draw_point(
    panel: Axes, place: float, point: Point, look: MethodStyle, *, shift: float = 0.0, across: bool = False
) -> None:
    """A point with its interval; the place is on the x axis or, if the value goes across, on the y axis."""
    bar, cap, arrow = (panel.hlines, "|", _RIGHT) if across else (panel.vlines, "_", _UP)
    same = {"color": look.color, "zorder": 3}
    drawn: list[Artist] = []

    def mark(value: float, marker: str | Path, **keywords) -> None:
        at = (value, place) if across else (place, value)
        drawn.extend(panel.plot(*at, marker=marker, **same, **keywords))

    if np.isfinite([point.low, point.high]).all():
        drawn.append(bar(place, point.low, point.high, linewidth=1, **same))
        for end in [point.low] if point.clipped else [point.low, point.high]:
            mark(end, cap, markersize=4)
    if point.censored or point.clipped:
        mark(point.value if point.censored else point.high, arrow, **_ARROW)
    mark(point.value, look.marker, markerfacecolor=look.color if point.learnt else "white")
    move(panel, drawn, shift)


def move(panel: Axes, drawn: Iterable[Artist], points: float) -> None:
    """Moves what is drawn at data coordinates to the right, by so many points at whatever scale."""
    for artist in drawn:
        artist.set_transform(
            panel.transData + ScaledTranslation(points / 72, 0, panel.get_figure().dpi_scale_trans)
        )


def draw_level(panel: Axes, point: Point) -> None:
    """DLGN across a panel, with its interval as a band."""
    look = method_style("dlgn")
    panel.axhline(point.value, color=look.color, linestyle=look.line, linewidth=1)
    if np.isfinite([point.low, point.high]).all():
        panel.axhspan(point.low, point.high, color=look.color, alpha=0.15, linewidth=0)


def notes(points: Iterable[Point], *, across: bool = False) -> list[Line2D]:
    """What a legend has to say about these points beside their methods."""
    points = list(points)
    found = []
    if not all(point.learnt for point in points):
        found.append(
            Line2D([], [], color=NEUTRAL, marker="o", markerfacecolor="white", linestyle="none",
                   label="has not learnt")
        )  # fmt: skip
    if any(point.censored or point.clipped for point in points):
        found.append(
            Line2D([], [], color=NEUTRAL, marker="$\N{RIGHTWARDS ARROW}$" if across else "$\N{UPWARDS ARROW}$",
                   markersize=8, linestyle="none", label="not reached in the budget")
        )  # fmt: skip
    return found


def finish(row: Sequence[Axes], label: str) -> None:
    """Titles and value axes of a row of three panels that is drawn, and its label."""
    for panel, title in zip(row, TITLES, strict=True):
        panel.set_title(title)
    value_axes(*(panel.yaxis for panel in row))
    row[0].set_ylabel(label)


def value_axes(accuracy: Axis, gap: Axis, time: Axis) -> None:
    """Limits and ticks of the axes of the three measures, by what is drawn."""
    low, high = accuracy.get_view_interval()
    margin = max(0.0, _LEAST_SPAN - (high - low)) / 2
    _limit(accuracy, low - margin, high + margin)
    _ticks(accuracy, whole_percents(low - margin, high + margin), lambda value: f"{100 * value:.0f}%")
    top = gap.get_view_interval()[1]
    _limit(gap, -0.04 * top, top)
    gap.set_major_locator(MaxNLocator(6, steps=_STEPS))
    limits = np.sort(time.axes.dataLim.get_points(), axis=0)[:, "xy".index(time.axis_name)]
    if np.isfinite(limits).all():
        low, high = limits
        ticks = counts_around(low, high * (high / low) ** _ROOM)
        time.axes.set(**{f"{time.axis_name}scale": "log"})
        _limit(time, ticks[0], ticks[-1])
        decades = [tick for tick in ticks if math.log10(tick).is_integer()]
        _ticks(time, ticks if len(ticks) <= _MOST_TICKS else decades, short_count)


def whole_percents(low: float, high: float) -> list[float]:
    """Shares between two that are whole percents, at most six."""
    percents = MaxNLocator(5, integer=True, steps=_STEPS).tick_values(100 * low, 100 * high)
    return [percent / 100 for percent in percents if 100 * low <= percent <= 100 * high]


def counts_around(low: float, high: float) -> list[float]:
    """1, 2 and 5 of every decade, from the last below `low` to the first above `high`: two or more."""
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    counts = [count * 10.0**decade for decade in decades for count in (1, 2, 5)]
    first = max(count for count in counts if count < low)
    last = min(count for count in counts if count > high)
    return [count for count in counts if first <= count <= last]


def _limit(axis: Axis, low: float, high: float) -> None:
    axis.axes.set(**{f"{axis.axis_name}lim": (low, high)})


def _ticks(axis: Axis, ticks: list[float], show) -> None:
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: show(value)))
