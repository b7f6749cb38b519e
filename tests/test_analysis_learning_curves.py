"""Curves along training: which mode is drawn, the signed gap and its end, published lines, titles and ticks."""

from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
from analysis_records import write_run
from matplotlib.figure import Figure

from analysis import style
from analysis.collect import collect
from analysis.conditions import settings
from analysis.figures import draw, panels
from analysis.figures.learning_curves import needs
from analysis.tidy import read_tables
from lgn.methods import METHODS

NET = {"dataset": "cifar10", "thresholds": 3, "depth": 4, "width": 12_000}
TAKE_OFF_ROW = 5
DIFFERENCES = (0.03, 0.01, -0.01)
"""Train mode minus discrete, by seed: mean 1 point, mean of absolute values 5/3 points."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> SimpleNamespace:
    """DLGN takes off at a known row, GLGN stays at 20%, below the limit of 28%; soft is another number altogether."""
    folder = tmp_path_factory.mktemp("curves")
    for seed in range(3):
        for method in ("dlgn", "glgn"):
            write_run(folder / "runs", method, seed)
    collect(folder / "runs", folder)
    read = read_tables(folder)
    history = read.history.copy()
    row = history.groupby("run_id", observed=True).cumcount()
    learns = (history["method"] == "dlgn") & (row >= TAKE_OFF_ROW)
    train_mode = learns.map({True: 0.5, False: 0.2})
    differences = history["seed"].map(dict(enumerate(DIFFERENCES)))
    history = history.assign(
        test_accuracy_train_mode=train_mode,
        test_accuracy_discrete=train_mode - differences,
        test_accuracy_soft=0.7,
    )
    return SimpleNamespace(runs=read.runs, history=history)


def drawn(name: str, tables) -> Figure:
    with style.styled():
        return draw(name, tables)


def lines_of(axes, method: str) -> list:
    return [line for line in axes.lines if line.get_color() == style.method_style(method).color]


@pytest.mark.parametrize("place", [0, 1])
def test_dashed_is_the_train_mode(tables, place):
    figure = drawn("learning_curves", tables)
    dashed, solid = lines_of(figure.axes[place], "dlgn")
    assert (dashed.get_linestyle(), solid.get_linestyle()) == ("--", "-")
    assert dashed.get_ydata()[[0, -1]] == pytest.approx([0.2, 0.5])
    assert solid.get_ydata()[[0, -1]] == pytest.approx([0.19, 0.49])
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "train mode" in labels and "soft" not in labels


def test_the_curve_of_the_gap_has_a_sign_and_begins_at_take_off(tables):
    axes = drawn("learning_curves", tables).axes[2]
    (curve,) = lines_of(axes, "dlgn")
    iterations = sorted(set(tables.history["iteration"]))
    # The running median leaves a step where it is.
    assert list(curve.get_xdata()) == iterations[TAKE_OFF_ROW:]
    assert curve.get_ydata() == pytest.approx([1.0] * len(curve.get_xdata()))
    assert lines_of(axes, "glgn") == []
    assert axes.get_xlim()[0] <= 0 and axes.get_xlim()[1] >= iterations[-1]


def test_the_gap_at_the_end_is_the_claims_and_hollow_where_nothing_was_learnt(tables):
    figure = drawn("learning_curves", tables)
    (strip,) = figure.axes[2].child_axes
    for method, learnt in (("dlgn", True), ("glgn", False)):
        look = style.method_style(method)
        span, mark = lines_of(strip, method)
        assert list(span.get_ydata()) == pytest.approx([1, 3])
        assert mark.get_ydata()[0] == pytest.approx(5 / 3)
        assert mark.get_marker() == look.marker
        assert mark.get_markerfacecolor() == (look.color if learnt else "white")
    assert strip.get_ylim() == figure.axes[2].get_ylim()
    assert "the same, not learnt" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_hollow_marks_are_explained_only_where_there_are_some(tables):
    runs = tables.runs.query("method == 'dlgn'")
    figure = drawn("learning_curves", SimpleNamespace(runs=runs, history=tables.history))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[-1] == "gap at the end, unsigned" and "the same, not learnt" not in labels


@pytest.fixture(scope="module")
def recipes(tmp_path_factory) -> SimpleNamespace:
    """difflogic's net at its GroupSum temperature and, in more runs, at another."""
    folder = tmp_path_factory.mktemp("recipes")
    for seed, temperature in ((0, 33.3), (1, 33.3), (0, 100)):
        write_run(folder / "runs", "dlgn", seed, **NET, group_temperature=temperature)
    collect(folder / "runs", folder)
    return read_tables(folder)


def test_a_published_number_of_the_same_net_is_a_line_with_its_name(recipes):
    figure = drawn("learning_curves", recipes)
    for axes in figure.axes[::3]:
        levels = [line.get_ydata()[0] for line in axes.lines if line.get_color() == "black"]
        assert levels == [0.5127]
        assert [text.get_text() for text in axes.texts] == ["difflogic, published 51.27%"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "published for this net (cited)" in labels


@pytest.mark.parametrize("change", [{"thresholds": 31}, {"depth": 5}, {"width": 12_010}])
def test_of_another_net_no_published_number_is_drawn(recipes, change):
    runs = recipes.runs.assign(**change)
    figure = drawn("learning_curves", SimpleNamespace(runs=runs, history=recipes.history))
    assert not any(axes.texts for axes in figure.axes)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "published for this net (cited)" not in labels


def test_panels_of_unlike_recipes_are_told_apart(recipes):
    titles = [axes.get_title().split("\n") for axes in drawn("learning_curves", recipes).axes[::3]]
    assert titles == [
        ["cifar10, depth 4, width 12,000", "group_temperature 33.3", "temperature 1, 2 seeds"],
        ["cifar10, depth 4, width 12,000", "group_temperature 100", "temperature 1, 1 seed"],
    ]


def test_a_recipe_is_not_said_beside_nets_of_another_size(recipes):
    usual, rare = settings(recipes.runs)
    assert panels.recipe_beside(usual, [usual]) == ""
    assert panels.recipe_beside(usual, [usual, replace(rare, depth=5)]) == ""
    assert panels.recipe_beside(usual, [usual, rare]) == "group_temperature 33.3"
    assert panels.recipe_beside(rare, [usual, rare]) == "group_temperature 100"


@pytest.mark.parametrize(
    "ticks, shown",
    [
        ([0, 0.2, 1], ["0%", "20%", "100%"]),
        ([0.94, 0.945, 0.95], ["94.0%", "94.5%", "95.0%"]),
        ([-1e-17, 0.1 + 0.2], ["0%", "30%"]),
    ],
)
def test_percent_ticks_have_as_few_decimals_as_all_of_them_need(ticks, shown):
    axes = Figure().subplots()
    panels.percent_axis(axes.yaxis)
    assert axes.yaxis.get_major_formatter().format_ticks(ticks) == shown


def test_of_too_many_settings_those_with_most_methods_have_panels():
    def widths(methods, several):
        return pd.DataFrame(
            [NET | {"method": m, "noise": m, "straight_through": False, "temperature": 1, "seed": 0, "width": width}
             for m in methods for width in several]
        ).assign(run_id=range(len(methods) * len(several)), iterations=100)  # fmt: skip

    pairs, four = widths(["dlgn", "glgn"], range(20, 70, 10)), widths(list(METHODS), [100, 110, 120])
    assert len(needs(pd.concat([pairs, four]))) == panels.MOST_PANELS
    assert {one.width for one in needs(pd.concat([pairs, widths(["dlgn", "glgn"], [90]), four]))} == {
        100,
        110,
        120,
    }
