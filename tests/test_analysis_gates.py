"""Figures of gate distributions and chosen gates: what is drawn is what the records, or a table by hand, say."""

import numpy as np
import pandas as pd
import pytest
from analysis_records import write_run, write_study
from matplotlib.collections import QuadMesh

from analysis import style
from analysis.collect import collect
from analysis.figures import available_figures, draw, gates, panels
from analysis.records import read_record
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


def test_the_heat_map_has_the_histogram_of_each_layer_and_of_all_layers_at_the_start(tables):
    figure = drawn("entropies_by_layer", tables)
    # Row 1 is depth 3, GLGN second of four methods; neurons by the records, not the collected bins.
    panel = figure.axes[4 + 1]
    start, end = (np.array(mesh.get_array()) for mesh in panel.collections if isinstance(mesh, QuadMesh))
    chosen = tables.runs.query("method == 'glgn' and depth == 3 and temperature == 0.25")
    records = [read_record(tables.results / "runs" / run_id).gates for run_id in chosen["run_id"]]
    edges = np.linspace(0, np.log(16), 33)
    assert len(records) == 3 and end.shape == (32, 3)
    for layer in range(3):
        counts = [np.histogram(record["entropies"][layer], edges)[0] for record in records]
        assert end[:, layer] == pytest.approx(np.mean(counts, axis=0) / 20)
    counts = [np.histogram(record["initial_entropies"], edges)[0] for record in records]
    assert start[:, 0] == pytest.approx(np.mean(counts, axis=0) / 60)


def test_the_panel_by_layer_ends_a_little_above_what_it_shows_and_that_over_training_at_all(tables):
    figure = drawn("unused_share", tables)
    for along, by_layer in zip(figure.axes[::2], figure.axes[1::2], strict=True):
        lines = [max(line.get_ydata()) for line in by_layer.lines]
        bands = [band.get_paths()[0].vertices[:, 1].max() for band in by_layer.collections]
        most = max([0.05, *lines, *bands])
        assert len(bands) == 4 and most <= by_layer.get_ylim()[1] <= 1.15 * most
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
    last, every = drawn("constant_gates", tables).axes
    for panel, layers in ((last, [3]), (every, [1, 2, 3])):
        points = [line for line in panel.lines if line.get_marker() == "s"]
        assert [line.get_markerfacecolor() == "white" for line in points] == [False, True]
        for line, temperature in zip(points, (0.1, 1.0), strict=True):
            runs = tables.runs.loc[tables.runs["temperature"] == temperature, "run_id"]
            of = tables.gates[tables.gates["run_id"].isin(runs) & tables.gates["layer"].isin(layers)]
            constant = of[of["gate"].isin(["false", "true"])]["count"].sum() / of["count"].sum()
            assert line.get_ydata() == pytest.approx([constant])
        assert 0.125 in [line.get_ydata()[0] for line in panel.lines if line.get_color() == "black"]


def test_constant_gates_are_drawn_where_a_method_of_the_legend_has_two_temperatures(tmp_path):
    def available(name, *runs):
        for method, settings in runs:
            write_run(tmp_path / name / "runs", method, 0, **settings)
        return "constant_gates" in available_figures(collected(tmp_path / name).runs)

    assert not available("one", ("dlgn", {}), ("glgn", {"temperature": 0.1}))
    assert available("two", ("dlgn", {}), ("glgn", {"temperature": 0.1}), ("glgn", {"temperature": 1.0}))
    noise = {"noise": "uniform", "straight_through": True}
    others = [("", noise | {"temperature": temperature}) for temperature in (0.1, 1.0)]
    assert not available("noise", ("dlgn", {}), *others)


def test_the_race_starts_where_a_net_has_learnt_and_names_the_marks_it_draws(tmp_path):
    for method, final in (("dlgn", 0.8), ("glgn", 0.5)):
        for seed in (0, 1, 2):
            write_run(tmp_path / "runs", method, seed, shape=(300, final, 0.01, 0.3))
    figure = drawn("speed_ratio", collected(tmp_path))
    (panel,), (legend,) = figure.axes, figure.legends
    of_glgn = [line for line in panel.lines if line.get_color() == style.method_style("glgn").color]
    curves = [line for line in of_glgn if line.get_linestyle() in ("-", "--")]
    assert [line.get_xdata()[0] for line in curves] == pytest.approx([0.1 + 0.2 * 0.9] * 2)
    labels = [text.get_text() for text in legend.get_texts()]
    assert sum(label.startswith("at most: GLGN not there") for label in labels) == 2
    assert not any(label.startswith("at least") for label in labels)


def test_a_race_of_nets_that_do_not_learn_is_not_drawn(tmp_path):
    for method in ("dlgn", "glgn"):
        for seed in (0, 1, 2):
            write_run(tmp_path / "runs", method, seed, shape=(300, 0.2, 0.01, 0.3))
    figure = drawn("speed_ratio", collected(tmp_path))
    (panel,) = figure.axes
    assert [text.get_text().splitlines()[0] for text in panel.texts] == ["neither reaches 28%,"]
    assert len(panel.lines) == 1 and not figure.legends  # the line of no difference alone
