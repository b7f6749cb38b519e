"""Figures of gate distributions and chosen gates: what is drawn is what the records, or a table by hand, say."""

import pandas as pd
import pytest
from analysis_records import write_run, write_study

from analysis import style
from analysis.collect import collect
from analysis.figures import draw, gates, panels
from analysis.tidy import read_tables


def collected(folder):
    collect(folder / "runs", folder)
    return read_tables(folder)


def drawn(name, tables):
    with style.styled():
        return draw(name, tables)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_study(folder / "runs")
    return collected(folder)


def test_the_panel_by_layer_ends_a_little_above_what_it_shows_and_that_over_training_at_all(tables):
    figure = drawn("unused_gates", tables)
    for along, by_layer in zip(figure.axes[::3], figure.axes[1::3], strict=True):
        lines = [max(line.get_ydata()) for line in by_layer.lines]
        bands = [band.get_paths()[0].vertices[:, 1].max() for band in by_layer.collections]
        most = max([0.05, *lines, *bands])
        assert len(bands) >= 4 and most <= by_layer.get_ylim()[1] <= 1.15 * most
        assert along.get_ylim()[1] == pytest.approx(1.03)


def test_from_three_settings_on_two_pairs_of_panels_share_a_row():
    for pairs, height in ((1, 2.5), (2, 4.5), (3, 4.5), (7, 8.5)):
        figure, axes = panels.paired_panels(pairs)
        assert axes.shape == (pairs, 2) and len(figure.axes) == 2 * pairs
        assert figure.get_figheight() == height


def test_shares_of_constant_gates_by_hand():
    """Run b: 1 + 2 of 4 in the last layer, 3 + 1 of 8 in both; run a: none of 4, 2 of 8."""
    rows = [
        ("a", 1, "false", 2), ("a", 1, "and", 2), ("a", 2, "xor", 4), ("a", 2, "true", 0),
        ("b", 1, "true", 1), ("b", 1, "a", 3), ("b", 2, "false", 1), ("b", 2, "true", 2), ("b", 2, "b", 1),
        ("c", 2, "true", 4),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["run_id", "layer", "gate", "count"])
    table["run_id"] = table["run_id"].astype("category")
    condition = pd.DataFrame({"run_id": ["b", "a"]})
    last, every = gates.constant_shares(table, condition)
    assert last == pytest.approx([3 / 4, 0]) and every == pytest.approx([4 / 8, 2 / 8])
    assert gates.RANDOM_SHARE == 0.125


def test_nets_that_have_not_learnt_are_open_in_the_figure_of_constant_gates(tmp_path):
    # In train mode they end at 0.35 and 0.25: with ten classes a net has learnt from 0.28 on.
    for temperature, final in ((0.1, 0.3), (1.0, 0.2)):
        for seed in (0, 1):
            shape = (100, final, 0.05, 0.3)
            write_run(tmp_path / "runs", "glgn", seed, temperature=temperature, shape=shape)
    tables = collected(tmp_path)
    last, every = drawn("gates_by_layer", tables).axes[1:]
    for panel, layers in ((last, [3]), (every, [1, 2, 3])):
        points = [line for line in panel.lines if line.get_marker() == "s"]
        assert [line.get_markerfacecolor() == "white" for line in points] == [False, True]
        for line, temperature in zip(points, (0.1, 1.0), strict=True):
            runs = tables.runs.loc[tables.runs["temperature"] == temperature, "run_id"]
            of = tables.gates[tables.gates["run_id"].isin(runs) & tables.gates["layer"].isin(layers)]
            constant = of[of["gate"].isin(["false", "true"])]["count"].sum() / of["count"].sum()
            assert line.get_ydata() == pytest.approx([constant])
        assert 0.125 in [line.get_ydata()[0] for line in panel.lines if line.get_color() == "black"]
