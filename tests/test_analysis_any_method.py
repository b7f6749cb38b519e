"""Figures and tables of methods that the paper does not have: drawn as what ran, for a paper, and beside captions."""

import re
from pathlib import Path

import pytest
from analysis_records import write_run
from PIL import Image

from analysis import gallery, style
from analysis.cli import main
from analysis.collect import collect
from analysis.conditions import settings
from analysis.figures import FIGURES, available_figures, draw
from analysis.survival import survival_values
from analysis.tables import write_tables
from analysis.tidy import Tables, read_tables
from lgn.methods import method_label
from lgn.methods._names import shorthands

RAN = ("hard_st", "cage", "covjac", "light", "walsh", "walsh_hard")


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Six methods at one recipe, DLGN not among them, and one at another optimizer."""
    folder = tmp_path_factory.mktemp("any") / "any"
    for seed in (0, 1):
        for place, method in enumerate(RAN):
            shape = (300 + 100 * place, 0.9 - 0.02 * place, 0.01, 0.3)
            write_run(folder / "runs", "", seed, shape=shape, **shorthands()[method])
        write_run(folder / "runs", "", seed, **shorthands()["light"], optimizer="adam_atan2")
    collect(folder / "runs", folder)
    return folder


@pytest.fixture(scope="module")
def tables(results) -> Tables:
    return read_tables(results)


def labels(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("name", ["learning_curves", "unused_gates", "time_to_target"])
def test_legends_have_what_ran_in_the_order_of_the_methods(tables, name):
    with style.styled():
        assert labels(draw(name, tables))[: len(RAN)] == [method_label(method) for method in RAN]


def test_outcomes_have_a_line_for_each_method_and_recipe(tables):
    with style.styled():
        figure = draw("outcomes", tables)
    lines = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert lines == [*map(method_label, RAN[:4]), "adam_atan2", *map(method_label, RAN[4:])]


def test_the_first_method_sets_the_target(tables):
    assert {setting.baseline for setting in settings(tables.runs)} == {"hard_st"}
    values = survival_values(tables).set_index("method")
    assert list(values.index) == list(RAN) and values["log_rank"].isna().tolist() == [True] + [False] * 5


def test_tables_need_no_method_of_the_paper(tables, tmp_path):
    write_tables(tables, [], tmp_path)
    assert all(method_label(method) in (tmp_path / "summary.md").read_text() for method in RAN)
    assert "Yousefi" not in (tmp_path / "summary.md").read_text()


# One figure, for a paper


def figure_of(results, folder, *options):
    return main(["figure", "learning_curves", "--results", str(results), "--output", str(folder), *options])


def test_a_figure_for_a_paper_has_its_width_format_and_style(results, tmp_path):
    (tmp_path / "my.mplstyle").write_text("savefig.dpi: 50\n")
    options = ["--width", "3.25", "--format", "png", "--style", str(tmp_path / "my.mplstyle"), "--no-title"]
    assert (
        figure_of(results, tmp_path, *options, "--methods", "light", "cage", "--settings", "optimizer=adam")
        == 0
    )
    [png] = tmp_path.glob("learning_curves.*")
    assert Image.open(png).size[0] == 162


def test_titles_name_settings_unless_a_caption_does(tables):
    for titles in (True, False):
        with style.styled(width=3.25, titles=titles):
            figure = draw("learning_curves", tables)
        assert (
            any("digits" in axes.get_title(loc) for axes in figure.axes for loc in ("left", "center"))
            == titles
        )
        assert figure.get_figwidth() == 3.25
        lefts = {axes.get_subplotspec().colspan.start for axes in figure.axes}
        assert lefts == {0}  # below each other


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--methods", "dlgn"], "--methods: dlgn; allowed: cage, covjac, hard_st, light, walsh, walsh_hard"),
        (["--settings", "depth=7"], "--settings: depth: 7; allowed: 3"),
        (["--settings", "height=7"], "--settings: height: is no setting; allowed: dataset, "),
        (["--format", "bmp"], "--format: bmp; allowed: pdf, png, svg"),
        (["--width", "100"], "--width: 100; allowed: 2 to 20 inches"),
        (["--style", "nowhere"], "nowhere: is no style sheet of matplotlib"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(results, tmp_path, capsys, options, message):
    assert figure_of(results, tmp_path / "out", *options) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line and not (tmp_path / "out").exists()


# Gallery


def test_a_gallery_has_each_figure_beside_its_caption_in_the_order_of_kinds(tmp_path):
    for preset, names in {"one": ["outcomes", "learning_curves"], "two": ["map"]}.items():
        (tmp_path / preset).mkdir()
        for name in names:
            (tmp_path / preset / f"{name}.png").touch()
    assert main(["gallery", "--figures", str(tmp_path)]) == 0
    text = (tmp_path / "one" / "gallery.md").read_text()
    assert re.findall(r"!\[.*\]\((.*)\)", text) == ["learning_curves.png", "outcomes.png"]
    assert gallery.caption("outcomes", "one") in text and "of preset one" in text and "{{" not in text
    assert gallery.galleries(tmp_path / "two") == [tmp_path / "two" / "gallery.md"]


def test_every_kind_has_a_caption_and_no_caption_is_left_over(tables):
    captions = {path.stem for path in gallery.CAPTIONS.glob("*.rst")}
    assert (
        captions == {*FIGURES, "tables", "workflow", "leaderboard"}
        and set(available_figures(tables.runs)) <= captions
    )
