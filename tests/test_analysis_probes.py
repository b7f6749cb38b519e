"""Figures of probes: the numbers drawn are those of the made-up tables, worked out here by other means."""

import numpy as np
import pandas as pd
import pytest
from analysis_records import write_probes, write_run
from matplotlib.collections import QuadMesh
from matplotlib.contour import QuadContourSet
from matplotlib.image import AxesImage

from analysis import style
from analysis.cli import main
from analysis.collect import collect
from analysis.figures import FIGURES, available_figures, draw
from analysis.figures.class_gates import agreement, firing_shares
from analysis.figures.landscape import RISE, valley
from analysis.figures.lemma import holds_from, relative_error
from analysis.figures.panels import axis_from_zero
from analysis.figures.probed import by_seed, probed_settings, rows_at
from analysis.tidy import Tables, read_tables
from analysis.use import tuned_and_default, use_shown, use_values
from lgn.errors import LgnError
from lgn.methods import METHODS

PROBE_FIGURES = [name for name, kind in FIGURES.items() if kind.probes]
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probed")
    for seed in SEEDS:
        for method in METHODS:
            write_run(folder / "runs", method, seed)
        write_run(folder / "runs", "glgn", seed, temperature=1.0)
    write_run(folder / "runs", "dlgn", 0, depth=2)
    collect(folder / "runs", folder)
    write_probes(folder)
    return folder


@pytest.fixture(scope="module")
def tables(study) -> Tables:
    return read_tables(study)


def drawn(name, tables):
    with style.styled():
        figure = draw(name, tables)
    figure.draw_without_rendering()
    return figure


def copy_study(study, folder, **changed: pd.DataFrame) -> Tables:
    """The study with other tables of probes, and no probes but these."""
    for name in ("runs", "history", "layers", "gates", "entropies"):
        (folder / f"{name}.csv").write_bytes((study / f"{name}.csv").read_bytes())
    for name, rows in changed.items():
        rows.to_csv(folder / f"probe_{name}.csv", index=False)
    return read_tables(folder)


def line_of(panel, style_name):
    """The drawn line of a method, by its colour."""
    color = style.method_style(style_name).color
    return next(line for line in panel.lines if line.get_color() == color and len(line.get_xdata()) > 2)


def test_a_figure_of_a_probe_is_there_where_its_table_is(study, tables, tmp_path):
    assert set(PROBE_FIGURES) <= set(available_figures(tables.runs, tables.probes))
    bare = copy_study(study, tmp_path, noise=tables.probe("noise"))
    assert set(available_figures(bare.runs, bare.probes)) & set(PROBE_FIGURES) == {"perturbation"}
    with pytest.raises(LgnError, match="lemma: not in this preset.*a preset with the probe lemma"):
        draw("lemma", bare)
    assert main(["figure", "lemma", "--results", str(tmp_path), "--output", str(tmp_path / "f")]) == 2


@pytest.mark.parametrize("method", ("hard_st", "glgn"))
@pytest.mark.parametrize("name", PROBE_FIGURES)
def test_one_method_and_seed_alone_can_be_drawn(study, tables, tmp_path, name, method):
    kept = tables.runs.query("method == @method and seed == 1 and temperature in (1, 0.25)")["run_id"]
    probe = FIGURES[name].probes[0]
    rows = tables.probe(probe)
    figure = drawn(name, copy_study(study, tmp_path, **{probe: rows[rows["run_id"].isin(kept)]}))
    assert any("1 seed" in axes.get_title() for axes in figure.axes)


def test_only_probed_runs_stand_for_a_method(study, tables, tmp_path):
    """Unprobed, the temperature of most company is 0.25: probed at 1 alone, GLGN is shown at 1, by its probed seeds."""
    kept = tables.runs.query("method == 'glgn' and temperature == 1 and seed < 2 or method == 'dlgn'")
    rows = tables.probe("noise")
    [setting], _ = probed_settings(
        copy_study(study, tmp_path, noise=rows[rows["run_id"].isin(kept["run_id"])]), "noise"
    )
    assert setting.depth == 3 and list(setting.conditions) == ["dlgn", "glgn"]
    glgn = setting.conditions["glgn"]
    assert set(glgn["temperature"]) == {1.0} and sorted(glgn["seed"]) == [0, 1]


def test_rows_are_taken_at_each_runs_own_end_and_draws_are_averaged_before_runs():
    rows = pd.DataFrame(
        [("a", 5, 1.0, 0.2), ("a", 9, 1.0, 0.4), ("a", 9, 1.0, 0.8), ("b", 7, 1.0, 0.0), ("b", 7, 2.0, 0.5)],
        columns=["run_id", "iteration", "scale", "accuracy"],
    ).astype({"run_id": pd.CategoricalDtype(["a", "b", "c"])})
    condition = pd.DataFrame({"run_id": ["a", "b"]})
    assert list(rows_at(rows, condition, "last").index) == [1, 2, 3, 4]
    assert list(rows_at(rows, condition, "first").index) == [0, 3, 4]
    places, values = by_seed(rows_at(rows, condition, "last"), ["scale"], "accuracy")
    # Scale 2 is missing in a; at 1, a's two draws are one value.
    assert places.get_level_values("scale").tolist() == [1.0]
    assert values.tolist() == [[pytest.approx(0.6)], [0.0]]


def test_hessian_traces_are_means_over_seeds_with_the_estimators_error(tables):
    figure = drawn("hessian_trace", tables)
    panel = next(axes for axes in figure.axes if axes.get_title() == "DLGN\ntemperature 1, 3 seeds")
    exact, averaged = panel.lines[:2]
    # (1 - 0.5) (1 + seed) + iteration / 1e5, over seeds 0, 1, 2.
    assert exact.get_ydata() == pytest.approx([1.0, 1.0001, 1.01, 1.1])
    assert exact.get_xdata().tolist() == averaged.get_xdata().tolist() == [0, 10, 1000, 10_000]
    [bars] = panel.containers  # those of the estimate alone
    first = bars[2][0].get_segments()[0]
    assert np.diff(first[:, 1]) == pytest.approx(2 * np.sqrt(0.01**2 + 0.02**2 + 0.03**2) / 3)
    # An interval over three seeds reaches from the lowest to the highest.
    band = panel.collections[0].get_paths()[0].vertices
    at_start = band[band[:, 0] == 0][:, 1]
    assert (at_start.min(), at_start.max()) == pytest.approx((0.5, 1.5))
    [legend] = figure.legends
    assert legend.get_title().get_text() == (
        "coloured: training loss (estimator exact, 100 images); "
        "grey: its mean over Gumbel noise (estimator per_image, 100 images)"
    )


def test_hutchinsons_estimates_stand_beside_exact_traces_and_for_them_where_there_are_none(
    study, tables, tmp_path
):
    rows = tables.probe("hessian").astype({"run_id": str})
    exact = rows[rows["noise"] == "none"]
    vectors = exact.assign(estimator="hutchinson", trace=exact["trace"] + 7, standard_error=0.3, samples=200)

    def panel_of(folder, table):
        folder.mkdir()
        figure = drawn("hessian_trace", copy_study(study, folder, hessian=table))
        title = "DLGN\ntemperature 1, 3 seeds"
        return figure, next(axes for axes in figure.axes if axes.get_title() == title)

    figure, panel = panel_of(tmp_path / "both", pd.concat([rows, vectors]))
    assert panel.lines[0].get_ydata() == pytest.approx([1.0, 1.0001, 1.01, 1.1])
    marks = next(line for line in panel.lines if line.get_marker() == "x")
    assert marks.get_ydata() == pytest.approx([8.0, 8.0001, 8.01, 8.1])
    bars = panel.containers[-1][2][0].get_segments()[0]
    assert np.diff(bars[:, 1]) == pytest.approx(2 * 0.3 / np.sqrt(3))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "Hutchinson, at most 200 vectors" in texts

    _, panel = panel_of(tmp_path / "alone", pd.concat([rows[rows["noise"] != "none"], vectors]))
    assert panel.lines[0].get_ydata() == pytest.approx([8.0, 8.0001, 8.01, 8.1])
    assert not [line for line in panel.lines if line.get_marker() == "x"]


def test_the_legend_of_hessian_traces_has_every_colour_that_is_drawn(tables):
    figure = drawn("hessian_trace", tables)
    [legend] = figure.legends
    explained = {
        text.get_text(): (line.get_color(), line.get_marker())
        for text, line in zip(legend.get_texts(), legend.get_lines(), strict=True)
    }
    looks = {label: style.method_style(method) for method, label in
             {"dlgn": "DLGN", "glgn": "GLGN", "gumbel_soft": "Gumbel soft", "hard_st": "Hard-ST"}.items()}  # fmt: skip
    assert explained == {label: (look.color, look.marker) for label, look in looks.items()} | {
        "mean over Gumbel noise": (style.NEUTRAL, "o")
    }
    shown = {(line.get_color(), line.get_marker()) for axes in figure.axes for line in axes.lines
             if line.get_marker() in set("os^D") and line.get_linestyle() != "None"}  # fmt: skip
    assert shown == set(explained.values())


def test_hessian_traces_against_temperature_at_the_start_and_end(tables):
    figure = drawn("hessian_trace", tables)
    glgn, dlgn = style.method_style("glgn").color, style.method_style("dlgn").color
    for panel, title, grown in zip(
        figure.axes[:2],
        ("at initialization, 3 seeds", "at the end of training, 3 seeds"),
        (0, 0.1),
        strict=True,
    ):
        assert panel.get_title() == title
        assert panel.get_yscale() == "linear"
        swept = next(line for line in panel.lines if line.get_color() == glgn)
        # (temperature - 0.5) (1 + seed), 1 + seed being 2 in the mean and 1 to 3 over seeds, and what training adds.
        assert swept.get_xdata() == pytest.approx([0.25, 1.0])
        assert swept.get_ydata() == pytest.approx([-0.5 + grown, 1.0 + grown])
        band = panel.collections[0].get_paths()[0].vertices
        assert sorted(set(band[band[:, 0] == 0.25][:, 1])) == pytest.approx([-0.75 + grown, -0.25 + grown])
        level = next(line for line in panel.lines if line.get_color() == dlgn and line.get_marker() == "None")
        assert level.get_ydata() == pytest.approx([1.0 + grown] * 2)
        averaged = next(
            line for line in panel.lines if line.get_linestyle() == "--" and line.get_marker() == "o"
        )
        assert averaged.get_ydata() == pytest.approx([-0.5 + grown, 1.0 + grown])


def test_hessian_traces_of_every_temperature_have_a_panel(tables):
    figure = drawn("hessian_trace", tables)
    starts = {axes.get_title(): axes.lines[0].get_ydata()[0] for axes in figure.axes[2:]}
    assert starts == {
        "DLGN\ntemperature 1, 3 seeds": pytest.approx(1.0),
        "GLGN\ntemperature 0.25, 3 seeds": pytest.approx(-0.5),
        "GLGN\ntemperature 1, 3 seeds": pytest.approx(1.0),
        "Gumbel soft\ntemperature 0.25, 3 seeds": pytest.approx(-0.5),
        "Hard-ST\ntemperature 1, 3 seeds": pytest.approx(1.0),
    }


def test_where_the_expansion_holds_is_read_off_between_temperatures():
    temperatures = np.array([1.0, 2, 4, 8, 16, 32, 64])
    assert holds_from(temperatures, 2 / temperatures) == pytest.approx(20)
    assert holds_from(temperatures, 0.01 / temperatures) == 1
    assert holds_from(temperatures, 20 / temperatures) == np.inf
    # Below 10% by chance at 2: it has to stay there.
    assert holds_from(temperatures, np.array([1, 0.01, 1, 0.2, 0.05, 0.01, 0.001])) == pytest.approx(11.3137)


def test_the_relative_error_is_a_ratio_of_means_with_the_interval_of_its_seeds():
    errors, terms = np.array([[1.0], [-2.0], [3.0]]), np.array([[0.5], [8.0], [-0.5]])
    ratio, low, high = relative_error(errors, terms)
    # Ratios of single seeds are 2, 1/4 and 6, 2.75 in the mean; of the sizes' means it is 6 / 9.
    assert ratio == pytest.approx([2 / 3])
    # Resamples of one seed three times are the ends with three seeds.
    assert (low, high) == (pytest.approx([0.25]), pytest.approx([6.0]))
    alone, low, high = relative_error(errors[:1], terms[:1])
    assert alone == pytest.approx([2.0]) and np.isnan([low, high]).all()


def test_the_lemmas_error_its_order_and_where_it_is_small(tables):
    figure = drawn("lemma", tables)
    sizes, ratios = figure.axes[:5], figure.axes[5:]
    assert [axes.get_title().splitlines()[0] for axes in sizes] == [
        "at initialization", "DLGN trained", "GLGN trained", "Gumbel soft trained", "Hard-ST trained",
    ]  # fmt: skip
    for panel in ratios:
        assert panel.lines[0].get_ydata() == pytest.approx([10, 1, 0.1, 0.01])
        assert any(patch.get_x() == pytest.approx(10) for patch in panel.patches)
        assert panel.get_title() == "stays below 10%\nfrom temperature 10"
        # The error's standard error, a tenth of it in each seed: over the mean of three, over the term.
        bars = panel.containers[0][2][0].get_segments()[0]
        assert np.diff(bars[:, 1]) == pytest.approx(2 * 10 * 0.1 * np.sqrt(1 + 4 + 9) / 6)
        marks = [line for line in panel.lines if line.get_linestyle() == ":" and len(line.get_xdata()) == 2]
        assert sorted(line.get_xdata()[0] for line in marks) == [0.25, 0.25, 1, 1]
    for panel in sizes:
        assert "3 seeds" in panel.get_title()
        assert any(text.get_text() == "order from 10 to 100:\n3.00 [3.00, 3.00]" for text in panel.texts), (
            panel.texts
        )
        term, error = panel.lines[:2]
        # (1 + seed) tau^-2 and tau^-3: their ratio 1 / tau is 10% at 10.
        assert term.get_ydata() == pytest.approx([200, 2, 0.02, 0.0002])
        assert error.get_ydata() == pytest.approx([2000, 2, 0.002, 2e-6])
        assert any(patch.get_x() == pytest.approx(10) for patch in panel.patches)


def test_an_error_that_is_not_told_from_zero_is_open_and_has_no_order(study, tables, tmp_path):
    rows = tables.probe("lemma").assign(error_standard_error=lambda rows: rows["error"])
    panel = drawn("lemma", copy_study(study, tmp_path, lemma=rows)).axes[1]
    assert panel.texts[0].get_text().endswith("not resolved")
    faces = [line.get_markerfacecolor() for line in panel.lines if line.get_marker() == "o"]
    shown = [len(line.get_xdata()) for line in panel.lines if line.get_marker() == "o"]
    assert dict(zip(faces, shown, strict=True))["white"] == 4


def test_an_expansion_that_holds_nowhere_says_so(study, tables, tmp_path):
    rows = tables.probe("lemma").assign(error=lambda rows: rows["trace_term"])
    panel = drawn("lemma", copy_study(study, tmp_path, lemma=rows)).axes[5]
    assert panel.get_title() == "not below 10%\nat any temperature"
    assert not panel.patches


def test_planes_share_one_scale_and_the_thick_contour_is_a_rise_above_the_centre(tables):
    dlgn, glgn, *lines, _ = drawn("loss_surface", tables).axes
    meshes = [
        next(part for part in panel.collections if isinstance(part, QuadMesh)) for panel in (dlgn, glgn)
    ]
    x = np.linspace(-1, 1, 9)
    loss = 0.6 + 0.3 * (x[:, None] ** 2 + x**2)  # seeds 0 to 2: 0.5, 0.6, 0.7 in the centre
    for mesh in meshes:
        assert np.asarray(mesh.get_array()).reshape(9, 9) == pytest.approx(loss)
        assert (mesh.norm.vmin, mesh.norm.vmax) == pytest.approx((0.6, 1.2))
    thick = [part for part in dlgn.collections if isinstance(part, QuadContourSet)][-1]
    radii = np.hypot(*np.concatenate([path.vertices for path in thick.get_paths()]).T)
    # Linear interpolation between grid points, 0.25 apart, of a parabola.
    assert radii == pytest.approx((RISE / 0.3) ** 0.5, abs=0.03)
    assert [panel.get_title() for panel in lines] == [
        "test loss (nats)\n3 seeds",
        "discrete accuracy\n3 seeds",
    ]
    assert line_of(lines[0], "glgn").get_ydata() == pytest.approx([0.6, 0.85, 1.1, 1.35, 1.6])
    assert line_of(lines[1], "glgn").get_ydata()[-1] == pytest.approx(0.8)
    for method in ("gumbel_soft", "hard_st"):
        assert line_of(lines[0], method).get_ydata()[-1] == pytest.approx(1.6)
    assert lines[0].get_xlabel() == "from DLGN (0)\nto another method (1)"
    # The area within the contour, by the shoelace formula.
    x, y = np.concatenate([path.vertices for path in thick.get_paths()]).T
    area = abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2
    for panel, label in ((dlgn, "DLGN"), (glgn, "GLGN")):
        start, radius = panel.get_title().rsplit(" ", 1)
        assert start == f"{label}, 3 seeds\nradius"
        assert float(radius) == pytest.approx((area / np.pi) ** 0.5, abs=0.01)


def test_a_valley_that_leaves_the_window_is_at_least_so_wide(study, tables, tmp_path):
    x = np.linspace(-1, 1, 81)
    bowl = pd.DataFrame(x[:, None] ** 2 + x**2, index=x, columns=x)
    radius, closed = valley(bowl, 0.25)
    assert closed and radius == pytest.approx(0.5, abs=0.01)
    trench = pd.DataFrame(np.broadcast_to(x**2, (81, 81)), index=x, columns=x)
    radius, closed = valley(trench, 0.25)
    # Half of the window's area of 4.
    assert not closed and radius == pytest.approx((2 / np.pi) ** 0.5, abs=0.01)
    flat = tables.probe("plane").assign(loss=lambda rows: 0.5 + rows["x"] ** 2)
    figure = drawn("loss_surface", copy_study(study, tmp_path, plane=flat))
    assert all("radius at least" in panel.get_title() for panel in figure.axes[:2])


def test_a_surface_needs_no_lines(study, tables, tmp_path):
    figure = drawn("loss_surface", copy_study(study, tmp_path, plane=tables.probe("plane")))
    assert len(figure.axes) == 3  # two planes and the scale


def test_noise_on_logits_starts_from_the_undisturbed_accuracy(tables):
    figure = drawn("perturbation", tables)
    panel = figure.axes[0]
    line = line_of(panel, "dlgn")
    # Seed s has draws 0 to s, each 0.01 lower: 0, 0.005 and 0.01 lower in the mean of its draws.
    assert line.get_ydata() == pytest.approx(0.9 / (1 + np.array([0.3, 1, 10])) - 0.005)
    runs = tables.runs.query("method == 'dlgn' and depth == 3")
    from_zero = next(
        other for other in panel.lines if other.get_color() == line.get_color() and other is not line
    )
    assert from_zero.get_xdata()[0] == 0
    assert from_zero.get_ydata()[0] == pytest.approx(runs["final_test_accuracy_discrete"].mean())
    assert panel.get_xticks().tolist() == [0, 0.3, 1, 10]  # those measured
    # The standard deviation of Gumbel noise, a draw of which says the same.
    mark = next(other for other in panel.lines if other.get_linestyle() == ":" and len(other.get_xdata()) == 2
                and other.get_color() == style.NEUTRAL)  # fmt: skip
    noise = np.random.default_rng(0).gumbel(size=100_000)
    assert mark.get_xdata()[0] == pytest.approx(noise.std(), rel=0.01)


def test_layers_are_discretised_from_either_end(tables):
    _, first, last = drawn("perturbation", tables).axes
    assert first.get_xlabel() == "discrete layers\nfrom the input on"
    assert line_of(first, "glgn").get_ydata() == pytest.approx([0.89, 0.87, 0.85, 0.83])
    assert line_of(last, "glgn").get_ydata() == pytest.approx([0.89, 0.88, 0.87, 0.86])


def test_gates_of_a_class_are_shares_of_what_fires_less_the_mean_over_classes(tables):
    [setting], rows = probed_settings(tables, "class_gates")
    shares = firing_shares(rows, setting.conditions["glgn"], layer=3)
    # Weights 0 to 15, in class 1 the gate `and` 1 + seed more: 120 in all, or 121 + seed.
    more = np.array([2 / 121, 3 / 122, 4 / 123])
    assert shares.shape == (3, 16, 2)
    assert shares[:, 1].T == pytest.approx(np.array([[1 / 120] * 3, more]))
    assert shares.sum(1) == pytest.approx(np.ones((3, 2)))
    figure = drawn("gates_by_class", tables)
    panels = figure.axes[:4]
    # All but `false`, which never fires, differ in the same direction in all seeds: 15 gates of 2 classes.
    assert [panel.get_title() for panel in panels] == [
        f"{label}, layer {layer}\n3 seeds agree: 30\nby chance: 7.5"
        for label in ("DLGN", "GLGN")
        for layer in (1, 3)
    ]
    image = next(part for part in panels[3].get_children() if isinstance(part, AxesImage))
    assert image.get_array()[1].tolist() == pytest.approx(
        [50 * (1 / 120 - more.mean()), 50 * (more.mean() - 1 / 120)]
    )
    assert image.norm.vmax == -image.norm.vmin == pytest.approx(np.abs(image.get_array()).max())


def test_seeds_agree_where_their_differences_share_a_sign():
    # Two gates and two classes: the second gate takes what the first leaves; in seed 2 the other way round.
    first = np.array([[0.6, 0.4], [0.7, 0.3], [0.1, 0.9]])
    shares = np.stack([first, 1 - first], 1)
    agree, chance = agreement(shares)
    assert not agree.any() and chance == 4 / 4
    agree, chance = agreement(shares[:2])
    assert agree.all() and chance == 4 / 2
    # A gate that is as common in all classes differs nowhere, and is not counted.
    constant = np.concatenate([shares / 2, np.full((3, 1, 2), 0.5)], 1)
    agree, chance = agreement(constant[:2])
    assert agree.sum(1).tolist() == [2, 2, 0] and chance == 2


def test_differences_that_seeds_do_not_share_have_no_colour(study, tables, tmp_path):
    rows = tables.probe("class_gates")
    of_seed_2 = rows["run_id"].isin(tables.runs.query("seed == 2")["run_id"])
    turned = rows.assign(**{"class": rows["class"].where(~of_seed_2, 1 - rows["class"])})
    panels = drawn("gates_by_class", copy_study(study, tmp_path, class_gates=turned)).axes[:4]
    for panel in panels:
        assert "3 seeds agree: 0\n" in panel.get_title()
        image = next(part for part in panel.get_children() if isinstance(part, AxesImage))
        assert not image.get_array().any()


def test_with_one_seed_every_difference_has_a_colour_and_is_said_to_be_unchecked(study, tables, tmp_path):
    rows = tables.probe("class_gates")
    alone = rows[rows["run_id"].isin(tables.runs.query("seed == 1")["run_id"])]
    panel = drawn("gates_by_class", copy_study(study, tmp_path, class_gates=alone)).axes[0]
    assert panel.get_title() == "DLGN, layer 1\n1 seed, unchecked"
    image = next(part for part in panel.get_children() if isinstance(part, AxesImage))
    assert np.abs(image.get_array()[1:]).min() > 0


def test_an_axis_from_zero_shows_zero_and_all_that_is_drawn():
    panel = style.Figure().subplots()
    panel.plot([0, 5, 60_000], [1, 2, 3])
    axis_from_zero(panel, 5)
    left, right = panel.get_xlim()
    assert left < 0 and right > 60_000
    assert panel.get_xticks().tolist() == [0, 10, 100, 1000, 10_000]


def test_use_is_a_share_of_all_neurons_and_empty_without_abc(tables):
    values = use_values(tables)
    assert set(values["seeds"]) == {3}
    assert values["unused"].tolist() == pytest.approx([0.1] * len(values))  # 0, 6 and 12 of 60
    assert (values["unused_low"] < values["unused"]).all() and (
        values["unused"] < values["unused_high"]
    ).all()
    shown = use_shown(values)
    assert set(shown["after_synthesis %"]) == {"-"} and set(shown["reaching_an_output %"]) == {
        "83.3 [83.3, 83.3]"
    }


def test_tuned_is_a_methods_own_setting_and_default_is_that_of_all():
    base = dict(dataset="digits", depth=4, width=720, temperature=1.0, training_labels="true")
    rows = [base | dict(method=method, learning_rate=0.01) for method in ("dlgn", "glgn", "hard_st")]
    rows += [base | dict(method="dlgn", learning_rate=0.1), base | dict(method="glgn", learning_rate=0.01)]
    rows[-1]["temperature"] = 0.25
    rows.append(
        base | dict(method="dlgn", learning_rate=0.01, depth=12)
    )  # Without another method: not a net of two.
    runs = pd.DataFrame([row | dict(seed=seed) for row in rows for seed in SEEDS])
    runs["run_id"] = runs.index.astype(str)
    tuned, default = tuned_and_default(runs)
    assert (tuned.recipe["settings"], default.recipe["settings"], tuned.depth) == ("tuned", "default", 4)
    found = {
        kind: {
            method: (*condition[["learning_rate", "temperature"]].iloc[0], len(condition))
            for method, condition in setting.conditions.items()
        }
        for kind, setting in (("tuned", tuned), ("default", default))
    }
    assert found["tuned"] == {"dlgn": (0.1, 1, 3), "glgn": (0.01, 0.25, 3), "hard_st": (0.01, 1, 3)}
    assert found["default"] == dict.fromkeys(("dlgn", "glgn", "hard_st"), (0.01, 1, 3))
    third = runs[runs["learning_rate"] == 0.1].assign(learning_rate=0.2)
    assert tuned_and_default(pd.concat([runs, third])) == []
    runs.loc[runs["learning_rate"] == 0.1, "training_labels"] = "shuffled"
    assert tuned_and_default(runs) == []
