"""The map of the claims: at each width and depth what was measured, its verdict, or why there is none."""

import math
import textwrap

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis import claims
from analysis.claim_tables import CLAIM_NAMES
from analysis.conditions import Setting, comparable, settings
from analysis.figures import cells
from analysis.figures.panels import legend
from analysis.grid import maps
from analysis.paper_values import BASELINE, PROPOSED
from analysis.style import STAR, method_style
from analysis.tidy import Tables
from analysis.verdicts import Verdict

VERDICT_MARKS = {
    Verdict.REPRODUCED: "\N{CHECK MARK}",
    Verdict.WEAKER: "~",
    Verdict.NOT_REPRODUCED: "\N{BALLOT X}",
    Verdict.UNDECIDED: "?",
}
_CLAIMS = ("speed_iterations", "speed_seconds", "gap_reduction", "unused_reduction")
"""Time an iteration compares kernels first, and hardly depends on where in the map."""

_UNDECIDED = "0.92"


def needs(runs: pd.DataFrame) -> list[Setting]:
    """The settings of every map of the two methods that the paper compares."""
    return [setting for one in maps(comparable(settings(runs))) for setting in one.settings.values()]


def map_claims(tables: Tables, found: list[Setting]) -> Figure:
    """The claims at every setting: value, verdict, and how much of the paper's effect; a column of panels a recipe."""
    shown = maps(found)
    figure = cells.map_figure(len(_CLAIMS), len(shown), shown, height=1.6)
    axes = figure.subplots(len(_CLAIMS), len(shown), squeeze=False)
    colors = LinearSegmentedColormap.from_list(
        "who_is_ahead", [method_style(BASELINE).color, "white", method_style(PROPOSED).color]
    )
    norm = Normalize(-1, 1)
    reasons: list[str] = []
    measured = [
        {place: _by_name(claims.setting_claims(tables, setting)) for place, setting in one.settings.items()}
        for one in shown
    ]
    for row, name in zip(axes, _CLAIMS, strict=True):
        row[0].set_ylabel(f"{textwrap.fill(CLAIM_NAMES[name], 16)}\ndepth")
        for panel, one, of_map in zip(row, shown, measured, strict=True):
            cells.axes_of_map(panel, one)
            for (depth, width), by_name in of_map.items():
                claim = by_name[name]
                cells.draw_cell(
                    panel,
                    cells.place(one, depth, width),
                    "\n".join(filter(None, [_effect_text(claim), _mark(claim, reasons)])),
                    _face(claim, norm, colors),
                    cells.BOUND if claim["measured"]["bound"] else None,
                )
    for column, one in zip(axes.T, shown, strict=True):
        column[0].set_title(f"{one.label}\n{one.dataset}, {cells.budget([one])}, {cells.seeds([one])}")
    bar = cells.color_bar(
        figure, axes, norm, colors, "measured effect, as a share of the paper's (speed: of its logarithm)"
    )
    bar.ax.plot(1, 0.5, clip_on=False, transform=bar.ax.transAxes, **STAR)
    bar.set_ticks(
        [-1, 0, 1], labels=["as much the other way, or more", "none", "the paper's (cited), or more"]
    )
    _legends(figure, reasons)
    return figure


def _by_name(found: list[dict]) -> dict[str, dict]:
    return {claim["claim"]: claim for claim in found}


def _legends(figure: Figure, reasons: list[str]) -> None:
    """Above: what is in a cell. Below: why it is undecided."""
    question = VERDICT_MARKS[Verdict.UNDECIDED]
    marks: list[Artist] = [
        cells.text_note(f"{VERDICT_MARKS[verdict]} {verdict}")
        for verdict in (Verdict.REPRODUCED, Verdict.WEAKER, Verdict.NOT_REPRODUCED)
    ]
    marks += [
        Patch(
            facecolor=_UNDECIDED,
            label=f"{question} {Verdict.UNDECIDED}" + (", see below" if reasons else ""),
        ),
        cells.hatched_note("< a bound, no effect: GLGN was not there within its budget", cells.BOUND),
        cells.text_note("\N{UPWARDS ARROW} more by this factor, not less"),
    ]
    legend(figure, marks)
    if reasons:
        figure.legend(
            handles=[
                cells.text_note(f"{question}{number} {reason}") for number, reason in enumerate(reasons, 1)
            ],
            loc="outside lower center",
            ncols=2,
            handlelength=0,
        )


def _mark(claim: dict, reasons: list[str]) -> str:
    """The mark of a verdict; of one undecided with the number of its reason, which joins the reasons if it is new."""
    mark = VERDICT_MARKS[claim["verdict"]]
    if claim["verdict"] != Verdict.UNDECIDED:
        return mark
    # What follows the colon are numbers of this setting.
    reason = claim["reason"].split(":")[0]
    if reason not in reasons:
        reasons.append(reason)
    return f"{mark}{reasons.index(reason) + 1}"


def _face(claim: dict, norm: Normalize, colors: Colormap) -> tuple | str:
    """Colour of a cell: an effect that was measured and no bound; grey where it decides nothing."""
    if claim["verdict"] == Verdict.UNDECIDED:
        return _UNDECIDED
    return "white" if claim["measured"]["bound"] else colors(norm(_share_of_paper(claim)))


def _share_of_paper(claim: dict) -> float:
    """Measured effect over the paper's, 0 for none: of logarithms where the claim is a factor."""
    value, paper = claim["measured"]["value"], claim["paper"]["value"]
    if not claim["claim"].startswith("speed"):
        return value / paper
    return math.log(value) / math.log(paper) if value > 0 else -1.0


def _effect_text(claim: dict) -> str:
    """0.55x; <0.55x where that is a bound; 98.2%; 1.5x with an arrow up where there was to be less; else empty."""
    bound, value = claim["measured"]["bound"], claim["measured"]["value"]
    if bound:
        return f"<{_two_digits(bound['below'])}x"
    if value is None or math.isnan(value):
        return ""
    if claim["claim"].startswith("speed"):
        return f"{_two_digits(value)}x"
    return f"{value:.1f}%" if value >= 0 else f"{_two_digits(1 - value / 100)}x\N{UPWARDS ARROW}"


def _two_digits(value: float) -> str:
    """0.055; 5.5; 55; 555"""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
