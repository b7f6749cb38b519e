"""The map: which settings make one, its values against the records and the claims, and that each cell shows its own."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from analysis_records import write_run
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from analysis import grid, style
from analysis.claims import make_claims, write_claims
from analysis.cli import main
from analysis.collect import collect
from analysis.figures import FIGURES, available_figures, draw
from analysis.figures.claim_map import VERDICT_MARKS
from analysis.tidy import read_tables
from study.plan import Design
from study.preset import Preset

DEPTHS, WIDTHS = (2, 4), (20, 30)
RECIPES = ({}, {"init_scale": 3.0})
NEVER = 1e12
MAPS = [name for name in FIGURES if name.startswith("map")]


def shape(method, seed, depth, width, init_scale=1.0):
    """Take-off, final accuracy, gap, sharpness: by hand, so that what is best where is known."""
    if method == "glgn" and depth == 4 and width == 20 and init_scale == 1:
        return (NEVER if seed else 2000), 0.65, 0.0, 0.5  # takes off with seed 0 alone
    if method == "glgn" and depth == 4 and width == 30 and init_scale == 1:
        return NEVER, 0.85, 0.0, 0.5
    final = {"dlgn": 0.80, "glgn": 0.85, "hard_st": 0.75}[method]
    if depth == 4:
        final = {"dlgn": 0.70, "glgn": 0.60, "hard_st": (0.63, 0.75, 0.64)[seed]}[method]
    return 300, final + (0.05 if init_scale == 3 and depth == 2 else 0), 0.03 * (method == "dlgn"), 0.2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("map")
    for recipe, depth, width in itertools.product(RECIPES, DEPTHS, WIDTHS):
        for method, seed in itertools.product(("dlgn", "glgn", "hard_st"), (0, 1, 2)):
            curve = shape(method, seed, depth, width, **recipe)
            size = {"depth": depth, "width": width, "evaluations": 12}
            write_run(folder / "runs", method, seed, shape=curve, **size, **recipe)
    # As many as it takes for the first recipe to be that of most runs.
    write_run(folder / "runs", "gumbel_soft", 0, depth=3, width=20, evaluations=12)
    collect(folder / "runs", folder)
    return folder


@pytest.fixture(scope="module")
def tables(folder):
    return read_tables(folder)


@pytest.fixture(scope="module")
def values(tables):
    return grid.grid_values(tables, grid.map_settings(tables.runs))


def cell(values, method, depth, width, recipe=""):
    at = values.query("method == @method and depth == @depth and width == @width and recipe == @recipe")
    return at.iloc[0]


def drawn(name, tables):
    with style.styled():
        return draw(name, tables)


def panel(figure, title, number=0):
    return [axes for axes in figure.axes if axes.get_title().startswith(title)][number]


def texts(panel):
    """(depth, width) -> text of the cell."""
    return {
        (DEPTHS[round(y)], WIDTHS[round(x)]): text.get_text()
        for text in panel.texts
        for x, y in [text.get_position()]
    }


def cells(panel):
    """Rectangles that fill a cell: its (depth, width) -> rectangle."""
    found = [patch for patch in panel.patches if isinstance(patch, Rectangle) and patch.get_width() == 1]
    return {(DEPTHS[round(p.get_y() + 0.5)], WIDTHS[round(p.get_x() + 0.5)]): p for p in found}


# Which presets have a map


BASE = {
    "dataset": "digits", "thresholds": 4, "depth": 2, "width": 20, "group_temperature": 5, "iterations": 100,
    "temperature": 0.25,
}  # fmt: skip


def figures_of(*sweeps):
    return available_figures(Design(Preset(preset="p", base=BASE, seeds=[0], sweeps=list(sweeps))).table)


def vary(methods=("dlgn", "glgn"), depth=(2, 3), width=(20, 30), **fixed):
    return {"set": fixed, "vary": {"method": list(methods), "depth": list(depth), "width": list(width)}}


@pytest.mark.parametrize(
    "sweeps",
    [
        [vary(depth=[2])],
        [vary(width=[20])],
        [vary(methods=["hard_st"])],
        # Two depths and two widths, but no width at both depths with both methods.
        [vary(depth=[2], width=[20, 30]), vary(depth=[3], width=[30, 40])],
        # Four corners, of two recipes.
        [vary(width=[20]), vary(width=[30], init_scale=3)],
    ],
)
def test_without_two_depths_of_the_same_two_widths_there_is_no_map(sweeps):
    assert not set(MAPS) & set(figures_of(*sweeps))


@pytest.mark.parametrize("sweeps", [[vary()], [vary(width=[20, 30, 40]), vary(depth=[4], width=[20])]])
def test_two_depths_of_the_same_two_widths_are_a_map(sweeps):
    assert set(MAPS) <= set(figures_of(*sweeps))


def test_a_recipe_has_a_map_of_its_own_named_by_how_its_logits_start(tables):
    usual, other = grid.maps(grid.map_settings(tables.runs))
    assert (usual.recipe, usual.label, other.label) == ("", "N(0, 1) logits", "N(0, 3²) logits")
    assert list(usual.settings) == list(itertools.product(DEPTHS, WIDTHS)) == list(other.settings)
    assert usual.depths == [2, 4] and usual.widths == [20, 30]


@pytest.mark.parametrize(
    ("recipe", "label"),
    [
        ({}, "N(0, 1) logits, grad_factor 1"),
        ({"init_scale": 0.5}, "N(0, 0.5²) logits"),
        ({"init": "residual", "init_bias": 5.0}, "pass-through gates (+5)"),
        ({"init": "residual", "init_bias": 2.5, "init_scale": 3.0}, "pass-through gates (+2.5 on N(0, 3²))"),
        ({"grad_factor": 2.0}, "N(0, 1) logits, grad_factor 2"),
        ({"init_scale": 3.0, "grad_factor": 2.0}, "N(0, 3²) logits, grad_factor 2"),
    ],
)
def test_a_map_is_named_by_its_logits_first_and_then_by_the_rest_of_its_recipe(recipe, label):
    # Of one map more, so that every recipe is apart from most; and one of grad_factor 3, so that it is named.
    usual = [vary(), vary(width=[40, 50]), vary(grad_factor=3.0)]
    design = Design(Preset(preset="p", base=BASE, seeds=[0], sweeps=usual + [vary(**recipe)] * bool(recipe)))
    assert label in [one.label for one in grid.maps(grid.map_settings(design.table))]


# Values


def test_values_are_those_of_the_records(tables, values):
    runs = tables.runs.query("method == 'hard_st' and depth == 4 and width == 30 and init_scale == 1")
    row = cell(values, "hard_st", 4, 30)
    accuracy = runs["final_test_accuracy_discrete"]
    assert row["final_accuracy"] == pytest.approx(accuracy.mean())
    # With three seeds the interval spans them.
    interval = row["final_accuracy_low"], row["final_accuracy_high"]
    assert interval == pytest.approx((accuracy.min(), accuracy.max()))
    assert row["unused_share"] == pytest.approx(runs["final_unused_share"].mean())
    assert (row["seeds"], row["iterations_run"], len(values)) == (3, 10_000, 24)


def test_gap_and_unused_share_are_those_of_the_claims(tables, values):
    for claim in make_claims(tables):
        name = {"gap_reduction": "gap", "unused_reduction": "unused_share"}.get(claim["claim"])
        recipe = "init_scale 3" if claim["scale"].get("init_scale") == 3 else ""
        for method in ("dlgn", "glgn") if name else ():
            row = cell(values, method, claim["scale"]["depth"], claim["scale"]["width"], recipe)
            assert row[name] == pytest.approx(claim["measured"][method])


def test_take_off_is_where_the_running_median_is_a_fifth_of_the_way_from_chance_to_perfect(tables, values):
    found = []
    runs = tables.runs.query("method == 'dlgn' and depth == 2 and width == 20 and init_scale == 1")
    for run_id in runs["run_id"]:
        history = tables.history[tables.history["run_id"] == run_id]
        y = history["test_accuracy_discrete"].to_numpy(copy=True)
        y[1:-1] = np.median([y[:-2], y[1:-1], y[2:]], axis=0)
        x = history["iteration"].to_numpy()
        after = int(np.argmax(y >= 0.28))
        rise = (0.28 - y[after - 1]) / (y[after] - y[after - 1])
        found.append(x[after - 1] + rise * (x[after] - x[after - 1]))
    row = cell(values, "dlgn", 2, 20)
    assert row["takeoff"] == pytest.approx(np.mean(found))
    assert (row["takeoff_low"], row["takeoff_high"]) == pytest.approx((min(found), max(found)))
    assert row["took_off"] == 3 and row["learnt"]
    assert grid.takeoff_text(row) == f"{np.mean(found):,.0f} [{min(found):,.0f}, {max(found):,.0f}]"


def test_runs_that_do_not_take_off_count_up_to_their_budget(values):
    one, none = cell(values, "glgn", 4, 20), cell(values, "glgn", 4, 30)
    assert (one["took_off"], none["took_off"]) == (1, 0)
    assert one["takeoff_high"] == none["takeoff"] == 10_000
    assert one["takeoff"] == pytest.approx((one["takeoff_low"] + 2 * 10_000) / 3)
    assert grid.takeoff_text(none) == "> 10,000 (0 of 3)" and not none["learnt"]


def test_the_distance_to_the_best_is_paired_by_seed():
    best, other = pd.Series([0.9, 0.8, 0.7], index=[0, 1, 2]), pd.Series([0.7, 0.75, 0.1], index=[1, 2, 5])
    # Seeds 1 and 2 alone: 0.8 - 0.7 and 0.7 - 0.75; two seeds' interval spans both.
    assert grid.behind(best, other) == pytest.approx((0.025, -0.05, 0.1))
    assert np.isnan(grid.behind(best, pd.Series([0.5], index=[9]))).all()


def test_a_method_is_tied_with_the_best_only_where_the_seeds_do_not_tell(values):
    tied = grid.tied(values)
    kept = values[tied & (values["recipe"] == "")]
    found = {(d, w): list(part["method"]) for (d, w), part in kept.groupby(["depth", "width"])}
    # At depth 4 Hard-ST's seed 1 is above DLGN's, the others and the mean are below.
    assert found == {
        (2, 20): ["glgn"],
        (2, 30): ["glgn"],
        (4, 20): ["dlgn", "hard_st"],
        (4, 30): ["dlgn", "hard_st"],
    }


def test_of_any_recipe_the_best_is_one_for_each_depth_and_width(values):
    shallow = values[(values["depth"] == 2) & (values["behind_any"] == 0)]
    assert list(zip(shallow["method"], shallow["recipe"], strict=True)) == [("glgn", "init_scale 3")] * 2
    usual = cell(values, "glgn", 2, 20)
    assert usual["behind_best"] == 0 and usual["behind_any"] == pytest.approx(0.05, abs=0.02)
    assert not grid.tied(values, "behind_any")[usual.name]


def test_one_seed_tells_nothing_apart(tmp_path):
    for method, depth, width in itertools.product(("dlgn", "glgn"), DEPTHS, WIDTHS):
        write_run(tmp_path / "runs", method, 0, depth=depth, width=width, evaluations=12)
    collect(tmp_path / "runs", tmp_path)
    tables = read_tables(tmp_path)
    values = grid.grid_values(tables, grid.map_settings(tables.runs))
    assert list(values[values["behind_best"] == 0]["method"]) == ["glgn"] * 4
    assert grid.tied(values).all() and values["behind_best_low"].isna().all()
    for name in MAPS:
        drawn(name, tables).draw_without_rendering()


# Figures


def lines_of(figure, row, column):
    """(depth, width) -> the texts of a cell, a line a method, from the top."""
    found = {}
    for text in figure.axes[2 * row + column].texts:
        x, y = text.get_position()
        found.setdefault((DEPTHS[round(y)], WIDTHS[round(x)]), []).append(text)
    return {place: sorted(lines, key=lambda one: -one.get_position()[1]) for place, lines in found.items()}


@pytest.mark.parametrize(
    ("row", "name", "digits"), [(0, "final_accuracy", 1), (1, "gap", 2), (2, "unused_share", 1)]
)
def test_each_cell_has_a_line_a_method_grey_where_it_has_not_learnt(tables, values, row, name, digits):
    figure = drawn("map", tables)
    for column, recipe in enumerate(("", "init_scale 3")):
        for (depth, width), lines in lines_of(figure, row, column).items():
            for method, text in zip(("dlgn", "glgn", "hard_st"), lines, strict=True):
                one = cell(values, method, depth, width, recipe)
                assert text.get_text() == f"{100 * one[name]:.{digits}f}"
                told = one["final_accuracy"] >= 0.28 if row == 0 else one["learnt"]
                assert text.get_color() == (style.method_style(method).color if told else "0.6")


def test_the_best_is_bold_with_those_tied_and_coloured_where_it_is_alone(tables):
    figure = drawn("map", tables)
    usual, faces = lines_of(figure, 0, 0), cells(figure.axes[0])
    bold = {place: [text.get_fontweight() == "bold" for text in lines] for place, lines in usual.items()}
    assert bold[2, 20] == [False, True, False] and bold[4, 20] == [True, False, True]
    assert faces[2, 20].get_facecolor() != faces[4, 20].get_facecolor() == to_rgba("0.97")


def test_take_off_of_a_method_that_does_not_is_a_bound_at_its_budget(tables):
    lines = lines_of(drawn("map", tables), 3, 0)
    assert lines[4, 30][1].get_text() == "> 10k" and lines[4, 20][1].get_text().startswith("> ")
    assert not lines[2, 20][1].get_text().startswith(">")


def legend_texts(figure):
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


def claim_cells(tables):
    """Of each drawn claim: itself, the text in its cell and the cell; and the figure."""
    figure = drawn("map_claims", tables)
    order = ("speed_iterations", "speed_seconds", "gap_reduction", "unused_reduction")
    rows = np.array(figure.axes[:8]).reshape(4, 2)
    found = []
    for claim in make_claims(tables):
        if claim["claim"] in order:
            shown = rows[order.index(claim["claim"]), int("init_scale" in claim["scale"])]
            place = claim["scale"]["depth"], claim["scale"]["width"]
            found.append((claim, texts(shown)[place], cells(shown)[place]))
    return found, figure


def test_claims_show_their_value_and_verdict_or_the_number_of_why_there_is_none(tables):
    found, figure = claim_cells(tables)
    reasons = dict(text.split(" ", 1) for text in legend_texts(figure) if re.match(r"\?\d", text))
    verdicts, used = set(), set()
    for claim, text, _ in found:
        *value, mark = text.split("\n")
        assert mark[0] == VERDICT_MARKS[claim["verdict"]]
        if claim["verdict"] == "undecided":
            assert claim["reason"].startswith(reasons[mark])
            used.add(mark)
        whole = claim["measured_text"].replace("< ", "<").replace(" more", "\N{UPWARDS ARROW}")
        number = re.compile(r"[\d.]+")
        if whole == "-":
            assert not value and claim["verdict"] == "undecided"
        else:
            assert number.sub("", value[0]) == number.sub("", whole)
            # The cell has two digits of a factor, the claim three.
            assert float(number.search(value[0])[0]) == pytest.approx(
                float(number.search(whole)[0]), rel=0.06
            )
        verdicts.add(claim["verdict"])
    assert {"undecided", "not reproduced"} <= verdicts
    assert used == set(reasons) and len(set(reasons.values())) == len(reasons) > 1


def test_only_measured_effects_have_a_color_bounds_are_hatched_and_what_is_undecided_is_grey(tables):
    looks = set()
    for claim, text, drawn_cell in claim_cells(tables)[0]:
        bound, undecided = text.startswith("<"), claim["verdict"] == "undecided"
        assert bound == (claim["measured"]["bound"] is not None) == (drawn_cell.get_hatch() is not None)
        red, _, blue, _ = face = drawn_cell.get_facecolor()
        assert (face == to_rgba("0.92")) == undecided
        if bound and not undecided:
            assert face == to_rgba("white")
        elif not undecided:
            ahead = claim["measured"]["value"] - (1 if claim["claim"].startswith("speed") else 0)
            assert np.sign(red - blue) == np.sign(ahead)
        looks.add((bound, undecided))
    assert {(True, False), (False, True), (False, False)} <= looks


# Table


def test_the_table_is_written_where_there_is_a_map_and_nowhere_else(folder, values, tmp_path):
    write_claims([], folder / "claims.json")
    assert main(["tables", "--results", str(folder), "--output", str(tmp_path / "map")]) == 0
    written = pd.read_csv(tmp_path / "map" / "map.csv", keep_default_na=False)
    assert list(written.columns) == list(grid.COLUMNS) and len(written) == len(values)
    shown = (tmp_path / "map" / "map.md").read_text()
    assert "> 10,000 (0 of 3)" in shown and "Hard-ST" in shown

    write_run(tmp_path / "runs", "dlgn", 0)
    collect(tmp_path / "runs", tmp_path)
    write_claims([], tmp_path / "claims.json")
    assert main(["tables", "--results", str(tmp_path), "--output", str(tmp_path / "none")]) == 0
    assert not list((tmp_path / "none").glob("map.*"))


def test_a_preset_of_many_settings_has_maps_and_no_pages_of_panels():
    many = {"vary": {"method": ["dlgn", "glgn"], "depth": [2, 3, 4, 5], "width": [100, 200, 300, 400]}}
    few = {"vary": {"method": ["dlgn", "glgn"], "depth": [2, 3], "width": [100, 200]}}
    assert "learning_curves" in figures_of(few) and "learning_curves" not in figures_of(many)
    maps = {name for name in FIGURES if name.startswith("map")}
    assert maps <= set(figures_of(few)) and maps <= set(figures_of(many))
