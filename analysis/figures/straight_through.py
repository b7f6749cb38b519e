"""What straight-through does: each noise and temperature at which it ran off and on, a line of the figure each."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.conditions import Setting, conditions, of_the_softmax, settings, shared_seeds
from analysis.figures.outcomes import TITLES, Point, draw_point, noise_place, notes, outcomes, value_axes
from analysis.figures.panels import grid, legend, point_handle, row_label, seeds_text
from analysis.style import method_style
from analysis.tidy import Tables

_LINE_HEIGHT = 0.23
_APART = 0.19
"""From a line's middle to off (above) and on (below)."""

_NAME = 0.65
"""From one line of a setting's name to the next, in lines of a case."""

_LAST = 0.75
"""From the last line of a setting to its end and on to the first of the next."""

_CONNECTOR = {"color": "0.7", "linewidth": 1, "zorder": 2}


@dataclass(frozen=True)
class Case:
    """A noise and temperature. ran: the conditions with straight-through off and then, if it ran, on."""

    noise: str
    temperature: float
    ran: tuple[pd.DataFrame, ...]


@dataclass(frozen=True)
class Line:
    """A line of the figure: a case, or one of the setting's name. place: from the top, in lines of a case."""

    place: float
    label: str
    setting: Setting
    case: Case | None = None
    first: bool = False


def needs(runs: pd.DataFrame) -> list[Setting]:
    """Settings where a noise ran at one temperature with straight_through on and off."""
    return [setting for setting in settings(runs) if pairs(setting)]


def straight_through(tables: Tables, found: list[Setting]) -> Figure:
    """The three measures with straight-through off and on, and DLGN's."""
    lines = _lines(found)
    height = lines[-1].place + _LAST
    figure, axes = grid(1, 3, height=_LINE_HEIGHT * height + 1.0, share_y=True)
    cases = [line for line in lines if line.case]
    drawn = [point for line in cases for point in _draw_case(tables, axes[0], line)]
    for panel, title in zip(axes[0], TITLES, strict=True):
        panel.set_xlabel(title)
        panel.grid(visible=False, axis="y")
        panel.tick_params("y", length=0)
        for line in lines[1:]:
            if line.first:
                panel.axhline(line.place - _LAST, color="0.8", linewidth=0.6)
    value_axes(*(panel.xaxis for panel in axes[0]))
    names = axes[0, 0]
    names.set_ylim(height, -_NAME)
    names.set_yticks([line.place for line in lines], [line.label for line in lines])
    for line, label in zip(lines, names.get_yticklabels(), strict=True):
        label.set_fontweight("normal" if line.case else "bold")
    shown = [condition for line in cases for condition in line.case.ran]
    names.set_ylabel(f"noise, temperature\n({seeds_text(shown)})")
    methods = dict.fromkeys(condition["method"].iloc[0] for condition in shown)
    connector = Line2D([], [], **_CONNECTOR, label="straight-through off (above), on (below)")
    legend(figure, [*map(point_handle, methods), connector, *notes(drawn, across=True)])
    return figure


def _draw_case(tables: Tables, row: np.ndarray, line: Line) -> list[Point]:
    """Off above on, joined where both are known; returns the points drawn."""
    drawn: list[Point] = []
    looks = [method_style(condition["method"].iloc[0]) for condition in line.case.ran]
    places = [line.place - _APART, line.place + _APART] if len(looks) == 2 else [line.place]
    measured = [outcomes(tables, line.setting, condition) for condition in line.case.ran]
    for panel, points in zip(row, zip(*measured, strict=True), strict=True):
        if all(point.known for point in points):
            panel.plot([point.value for point in points], places, **_CONNECTOR)
        for place, point, look in zip(places, points, looks, strict=True):
            draw_point(panel, place, point, look, across=True)
        drawn += points
    return drawn


def pairs(setting: Setting) -> list[Case]:
    """Where both ran at one temperature: of one budget if any did, on the most shared seeds, for the longest."""
    ran: dict[tuple[str, float], tuple[list, list]] = {}
    for part in of_the_softmax(conditions(setting.runs)):
        first = part.iloc[0]
        both = ran.setdefault((first["noise"], float(first["temperature"])), ([], []))
        both[bool(first["straight_through"])].append(part)

    def preference(pair: tuple[pd.DataFrame, pd.DataFrame]) -> tuple:
        off, on = (int(part["iterations"].iloc[0]) for part in pair)
        return off == on, len(shared_seeds(*pair)), off + on

    cases = [
        Case(*key, max(itertools.product(*both), key=preference)) for key, both in ran.items() if all(both)
    ]
    return sorted(cases, key=lambda case: (noise_place(case.noise), case.temperature))


def _cases(setting: Setting) -> list[Case]:
    """The pairs, and DLGN as what noise is compared with."""
    cases = pairs(setting)
    dlgn = setting.conditions.get("dlgn")
    if dlgn is None or any(case.noise == "none" for case in cases):
        return cases
    return [Case("none", float(dlgn["temperature"].iloc[0]), (dlgn,)), *cases]


def _lines(found: list[Setting]) -> list[Line]:
    """The lines of the figure from the top: each setting's name and then its cases."""
    lines: list[Line] = []
    place = 0.0
    for setting in found:
        for number, label in enumerate(row_label(setting, "").strip().split("\n")):
            lines.append(Line(place, label, setting, first=number == 0))
            place += _NAME
        place += 1 - _NAME
        for case in _cases(setting):
            lines.append(Line(place, f"{case.noise}, {case.temperature:g}", setting, case))
            place += 1
        place += 2 * _LAST - 1
    return lines
