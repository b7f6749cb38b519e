"""What temperature, depth and width do: which nets make a line, where its points stand, and what open marks say."""

import numpy as np
import pytest
from analysis_records import write_run
from matplotlib.figure import Figure

from analysis import style
from analysis.collect import collect
from analysis.conditions import settings
from analysis.figures import draw
from analysis.figures.outcomes import MEASURES
from analysis.figures.sweep import series
from analysis.tidy import read_tables
from study.plan import Design
from study.preset import Preset

BASE = {
    "dataset": "digits", "thresholds": 4, "depth": 2, "width": 20, "group_temperature": 5, "iterations": 100,
    "temperature": 0.25,
}  # fmt: skip
NEVER = (1e12, 0.9, 0.01, 0.4)


def scales(*sweeps):
    """Scale and recipe of each series of a preset."""
    table = Design(Preset(preset="p", base=BASE, seeds=[0], sweeps=list(sweeps))).table
    return [(one.scale, one.recipe) for one in series(settings(table))]


TWO = {"method": ["dlgn", "light"]}


@pytest.mark.parametrize(
    ("sweeps", "expected"),
    [
        ([{"vary": TWO}], []),
        ([{"set": {"method": "glgn"}, "vary": {"temperature": [0.1, 1]}}], [("temperature", "")]),
        ([{"vary": TWO | {"depth": [2, 3]}}], [("depth", "")]),
        ([{"vary": {"method": ["light"], "width": [20, 30]}}], [("width", "")]),
        ([{"vary": TWO}, {"set": {"depth": 3, "iterations": 200}, "vary": TWO}], []),
        ([{"vary": TWO | {"depth": [2, 3], "width": [20, 30]}}], []),  # a map
    ],
)
def test_nets_that_differ_in_the_scale_alone_make_a_series(sweeps, expected):
    for sweep in sweeps:
        if "light" in sweep["vary"].get("method", []):
            sweep["set"] = {"temperature": 1} | sweep.get("set", {})
    assert scales(*sweeps) == expected


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Three widths of two methods, of which one never takes off at the last; and a temperature of one of them."""
    folder = tmp_path_factory.mktemp("sweep")
    for seed in (0, 1, 2):
        for width in (20, 50, 200):
            write_run(folder / "runs", "dlgn", seed, width=width)
            write_run(folder / "runs", "glgn", seed, width=width, shape=NEVER if width == 200 else None)
        write_run(folder / "runs", "glgn", seed, temperature=1.0)
    collect(folder / "runs", folder)
    return read_tables(folder)


@pytest.fixture(scope="module")
def figure(tables) -> Figure:
    with style.styled():
        return draw("sweep", tables)


def panel(figure, row, name):
    return figure.axes[len(MEASURES) * row + list(MEASURES).index(name)]


def line_of(axes, method):
    """x and y of a method's line."""
    color = style.method_style(method).color
    return next(line.get_data() for line in axes.lines if line.get_color() == color)


def test_points_stand_at_what_ran_on_a_logarithmic_axis_of_widths(tables, figure):
    axes = panel(figure, 1, "final_accuracy")
    x, y = line_of(axes, "dlgn")
    ends = tables.runs.query("method == 'dlgn'").groupby("width")["final_test_accuracy_discrete"].mean()
    assert list(x) == list(axes.get_xticks()) == list(ends.index) and axes.get_xscale() == "log"
    assert y == pytest.approx(ends.to_numpy())
    assert axes.get_xlabel() == "width" and panel(figure, 1, "takeoff").get_ylabel().startswith(
        "digits, depth 3"
    )
    assert list(line_of(panel(figure, 0, "gap"), "glgn")[0]) == [0.25, 1.0]
    assert panel(figure, 0, "takeoff").get_title() == "iterations\nuntil it learns"


def test_no_line_leads_to_what_says_nothing_and_a_bound_points_up(figure):
    for name in ("takeoff", "gap", "unused_share"):
        axes = panel(figure, 1, name)
        assert np.isnan(line_of(axes, "glgn")[1]).tolist() == [False, False, True]
        marks = [c.lines[0] for c in axes.containers if c.lines[0].get_markerfacecolor() == "white"]
        assert [mark.get_marker() for mark in marks] == ["^" if name == "takeoff" else "s"]
    explained = [text.get_text() for text in figure.legends[0].get_texts()]
    assert explained[-2:] == ["lower bound: some runs never started to learn", "has not learnt"]
