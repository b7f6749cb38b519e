"""Methods and recipes side by side: where there are any, their names, and that each line shows its own runs."""

import numpy as np
import pytest
from analysis_records import write_run
from matplotlib.container import ErrorbarContainer

from analysis import style
from analysis.collect import collect
from analysis.conditions import settings
from analysis.figures import available_figures, draw
from analysis.figures.outcomes import MEASURES, needs, recipe_words
from analysis.tidy import read_tables
from study.plan import Design
from study.preset import Preset

BASE = {
    "dataset": "digits", "thresholds": 4, "depth": 2, "width": 20, "group_temperature": 5, "iterations": 100,
    "temperature": 0.25,
}  # fmt: skip
NEVER = 1e12


def design(*sweeps):
    return Design(Preset(preset="p", base=BASE, seeds=[0], sweeps=list(sweeps))).table


def is_drawn(*sweeps):
    return "outcomes" in available_figures(design(*sweeps))


# Which presets have recipes


BOTH = {"vary": {"method": ["dlgn", "glgn"]}}
LARGE = {"set": {"method": "glgn", "init_scale": 3}}


def test_a_method_at_two_recipes_of_one_depth_and_width_is_what_it_takes():
    assert is_drawn(BOTH, LARGE)
    assert not is_drawn(BOTH)
    assert not is_drawn({"set": {"method": "dlgn"}}, LARGE)
    assert not is_drawn(BOTH, {"set": LARGE["set"] | {"depth": 3}})
    # A temperature or a budget is no recipe.
    assert not is_drawn(BOTH, {"set": {"method": "glgn"}, "vary": {"temperature": [0.1, 1]}})
    assert not is_drawn(BOTH, {"set": {"method": "glgn", "iterations": 200}})


def test_many_methods_at_one_recipe_have_lines_and_few_have_not():
    methods = ["dlgn", "hard_st", "light", "walsh", "cage"]
    assert is_drawn({"set": {"temperature": 1}, "vary": {"method": methods}})
    assert not is_drawn({"set": {"temperature": 1}, "vary": {"method": methods[1:]}})


def test_the_settings_of_a_map_are_left_to_its_figures():
    grid = {"method": ["dlgn", "glgn"], "depth": [2, 3], "width": [20, 30]}
    assert not is_drawn({"vary": grid}, {"set": {"init_scale": 3}, "vary": grid})
    beside = [{"set": LARGE["set"] | {"depth": 4}}, {"set": {"method": "glgn", "depth": 4}}]
    assert {s.depth for s in needs(design({"vary": grid}, *beside))} == {4}


def test_depths_have_rows_of_their_own_and_only_those_with_two_recipes():
    table = design({"vary": {"method": ["dlgn", "glgn"], "depth": [2, 3]}}, LARGE)
    assert [(s.depth, s.recipe) for s in needs(table)] == [(2, {}), (2, {"init_scale": 3.0})]


# Names


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, ""),
        ({"training_labels": "shuffled"}, "labels shuffled"),
        ({"training_labels": "redrawn"}, "labels redrawn each step"),
        ({"final_temperature": 0.1}, "annealed to 0.1"),
        ({"init_scale": 10}, "logits start at N(0, 10²)"),
        ({"learning_rate": 0.03}, "learning rate 0.03"),
        ({"optimizer": "sgd", "learning_rate": 1000}, "SGD, learning rate 1000"),
        ({"init": "residual", "init_bias": 5}, "pass-through gates, init_bias 5"),
        # Not N(0, 3²): one of the sixteen logits starts around 5.
        (
            {"init": "residual", "init_bias": 5, "init_scale": 3},
            "pass-through gates, init_scale 3, init_bias 5",
        ),
        ({"grad_factor": 2}, "grad_factor 2"),
        ({"epsilon": 1e-12}, "epsilon 1e-12"),
        ({"batch_size": 64, "training_labels": "shuffled"}, "batch_size 64, labels shuffled"),
    ],
)
def test_a_recipe_is_named_in_words_and_by_its_key_where_there_are_none(keys, words):
    # The usual recipe twice as often, or neither would go without saying.
    table = design(
        *[{"set": {"method": "dlgn", "depth": depth}} for depth in (2, 3)],
        {"set": {"method": "dlgn", "depth": 4} | keys},
    )
    assert recipe_words(settings(table)[-1]) == words


# Lines


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """GLGN at five recipes, DLGN at one; what does not learn and what is short, of other temperature or seeds."""
    folder = tmp_path_factory.mktemp("recipes")
    runs = folder / "runs"
    for seed in (0, 1, 2):
        write_run(runs, "dlgn", seed)
        write_run(runs, "glgn", seed, shape=(2000, 0.8, 0.02, 0.3))
        write_run(runs, "glgn", seed, init_scale=3.0, shape=(300, 0.85, 0.01, 0.6))
        write_run(runs, "glgn", seed, training_labels="shuffled", shape=(NEVER, 0.9, 0.01, 0.4))
        # Takes off with seed 0 alone.
        late = NEVER if seed else 1500
        write_run(runs, "glgn", seed, optimizer="sgd", learning_rate=10.0, shape=(late, 0.7, 0.01, 0.4))
    write_run(runs, "glgn", 0, grad_factor=2.0, temperature=0.5, iterations=5000, shape=(400, 0.8, 0.0, 0.3))
    collect(runs, folder)
    return read_tables(folder)


@pytest.fixture(scope="module")
def figure(tables):
    with style.styled():
        return draw("outcomes", tables)


def points(figure, name):
    """Name of a line -> (value, low, high, marker, whether filled) of a measure; no interval: low and high are None."""
    panel = figure.axes[list(MEASURES).index(name)]
    names = {
        y: label.get_text()
        for y, label in zip(figure.axes[0].get_yticks(), figure.axes[0].get_yticklabels(), strict=True)
    }
    found = {}
    for container in panel.containers:
        assert isinstance(container, ErrorbarContainer)
        line, _, bars = container.lines
        ends = bars[0].get_segments()[0][:, 0] if bars else (None, None)
        filled = line.get_markerfacecolor() == line.get_color()
        found[names[line.get_ydata()[0]]] = (line.get_xdata()[0], *ends, line.get_marker(), filled)
    return found


def finals(tables, column, **keys):
    runs = tables.runs[tables.runs["method"] == "glgn"]
    for key, value in keys.items():
        runs = runs[runs[key] == value]
    assert len(runs) == 3
    return runs[f"final_{column}"]


def test_lines_are_grouped_by_method_usual_recipe_first(figure):
    labels = figure.axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == [
        "DLGN",
        "GLGN",
        "labels shuffled",
        "grad_factor 2, temperature 0.5, 5k iterations, 1 seed",
        "logits start at N(0, 3²)",
        "SGD, learning rate 10",
    ]
    colors = [style.method_style(method).color for method in ("dlgn", *["glgn"] * 5)]
    assert [label.get_color() for label in labels] == colors
    assert [label.get_fontweight() for label in labels] == ["bold"] * 2 + ["normal"] * 4
    heights = figure.axes[0].get_yticks()
    assert (np.diff(heights) > 0).all() and figure.axes[0].yaxis_inverted()
    assert figure.axes[0].get_ylabel() == "digits\n3 x 20\n1 to 3 seeds"


@pytest.mark.parametrize(
    ("name", "column"),
    [("final_accuracy", "test_accuracy_discrete"), ("unused_share", "unused_share")],
)
def test_ends_are_those_of_the_records(tables, figure, name, column):
    shown = points(figure, name)
    for text, keys in (
        ("logits start at N(0, 3²)", {"init_scale": 3}),
        ("labels shuffled", {"training_labels": "shuffled"}),
    ):
        ends = finals(tables, column, **keys)
        # With three seeds the interval spans them.
        assert shown[text][:3] == pytest.approx((ends.mean(), ends.min(), ends.max()))


def test_the_gap_is_in_points(figure):
    shown = points(figure, "gap")
    # 0.02 and 0.01 of images, at the end all but fully there.
    assert shown["GLGN"][0] == pytest.approx(2, rel=0.02)
    assert shown["logits start at N(0, 3²)"][0] == pytest.approx(1, rel=0.02)


def test_one_seed_has_no_interval(figure):
    (single,) = [point for text, point in points(figure, "final_accuracy").items() if "1 seed" in text]
    assert single[1:3] == (None, None)


def test_what_does_not_take_off_is_an_open_triangle_at_what_it_takes_at_least(figure):
    shown = points(figure, "takeoff")
    assert shown["labels shuffled"] == (10_000, 10_000, 10_000, ">", False)
    value, low, high, marker, filled = shown["SGD, learning rate 10"]
    assert 1000 < low < 2000 and high == 10_000 and (marker, filled) == (">", False)
    assert value == pytest.approx((low + 2 * 10_000) / 3)
    assert shown["GLGN"][3:] == shown["logits start at N(0, 3²)"][3:] == ("o", True)
    assert shown["logits start at N(0, 3²)"][2] < shown["GLGN"][1]


@pytest.mark.parametrize("name", ["final_accuracy", "gap", "unused_share"])
def test_what_has_not_learnt_is_an_open_circle(figure, name):
    filled = {text: point[4] for text, point in points(figure, name).items()}
    # Of SGD's runs one has learnt: 0.7 and twice 0.1 are above 0.28 on average.
    assert filled == {text: text != "labels shuffled" for text in filled} and len(filled) == 6
    assert {point[3] for point in points(figure, name).values()} == {"o"}


@pytest.mark.parametrize("name", MEASURES)
def test_the_level_of_a_usual_recipe_runs_along_the_others_of_its_method(figure, name):
    panel = figure.axes[list(MEASURES).index(name)]
    (level,) = [line for line in panel.lines if line.get_linestyle() == ":"]
    assert set(level.get_xdata()) == {points(figure, name)["GLGN"][0]}
    first, last = figure.axes[0].get_yticks()[[1, -1]]
    assert level.get_ydata()[0] == first and last <= level.get_ydata()[1] < last + 1


def test_the_legend_names_the_marks_that_are_there_and_no_others(figure, tmp_path):
    def explained(figure):
        return [text.get_text() for text in figure.legends[0].get_texts()]

    assert explained(figure) == [
        "the method's usual settings",
        "lower bound: some runs never started to learn",
        "has not learnt",
    ]
    for scale in (1.0, 3.0):
        write_run(tmp_path / "runs", "glgn", 0, init_scale=scale)
    collect(tmp_path / "runs", tmp_path)
    with style.styled():
        assert explained(draw("outcomes", read_tables(tmp_path))) == ["the method's first settings"]
