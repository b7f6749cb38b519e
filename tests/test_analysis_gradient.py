"""The figures of the gradient beside epsilon, drawn from records with known gradients."""

import numpy as np
import pytest
from analysis_records import write_run

from analysis.collect import collect
from analysis.figures.gradient import gradient_by_layer, needs_epsilons, needs_ratios, takeoff_over_ratio
from analysis.tidy import read_tables

GRADIENT = (1e-11, 1e-9, 1e-5)


def tables(tmp_path, *runs):
    for settings in runs:
        for seed in (0, 1):
            write_run(tmp_path / "runs", **{"method": "dlgn", "gradient": GRADIENT, "seed": seed} | settings)
    collect(tmp_path / "runs", tmp_path)
    return read_tables(tmp_path)


def test_layers_have_the_gradient_and_older_records_have_none(tmp_path):
    found = tables(tmp_path, {"epsilon": 1e-8}, {"epsilon": 1e-9, "gradient": None})
    ids = found.runs.set_index("run_id")["epsilon"]
    layers = found.layers.assign(epsilon=found.layers["run_id"].map(ids).astype(float))
    with_gradient = layers[(layers["epsilon"] == 1e-8) & (layers["iteration"] > 0)]
    for layer, (rms, below) in enumerate(zip(GRADIENT, (1, 1, 0), strict=True), start=1):
        rows = with_gradient[with_gradient["layer"] == layer]
        np.testing.assert_allclose(rows["gradient_rms"], rms, rtol=1e-6)
        assert (rows["below_epsilon_share"] == below).all()
    assert layers[layers["epsilon"] == 1e-9]["gradient_rms"].isna().all()


def test_gradient_by_layer_has_a_panel_an_epsilon_and_a_line_at_it(tmp_path):
    found = tables(tmp_path, {"epsilon": 1e-8}, {"epsilon": 4e-7})
    settings = needs_epsilons(found.runs)
    figure = gradient_by_layer(found, settings)
    for axes, epsilon in zip(figure.axes, (1e-8, 4e-7), strict=True):
        first, last, across = axes.get_lines()
        np.testing.assert_allclose(first.get_ydata(), GRADIENT, rtol=1e-5)
        np.testing.assert_allclose(last.get_ydata(), GRADIENT, rtol=1e-5)
        assert set(across.get_ydata()) == {epsilon}


def test_one_epsilon_needs_no_figure(tmp_path):
    found = tables(tmp_path, {"epsilon": 1e-8}, {"epsilon": 1e-8, "init_scale": 2})
    assert needs_epsilons(found.runs) == []
    assert needs_ratios(found.runs) == []


def test_takeoff_is_drawn_over_the_ratio_of_each_setting(tmp_path):
    """Ratio: 1e-11 over epsilon. A softmax temperature is a point of its own, at its own gradient."""
    found = tables(
        tmp_path,
        {"epsilon": 1e-8},
        {"epsilon": 1e-10},
        {"init_scale": 2, "gradient": (3e-10, 1e-9, 1e-5)},
        {"batch_size": 64},
        {"temperature": 0.5, "gradient": (2e-11, 1e-9, 1e-5)},
        {"width": 40},
    )
    figure = takeoff_over_ratio(found, needs_ratios(found.runs))
    points = [line for line in figure.axes[0].get_lines() if line.get_marker() not in ("", "None", None)]
    ratios = sorted(float(np.ravel(line.get_xdata())[0]) for line in points)
    assert ratios == pytest.approx([1e-3, 1e-3, 1e-3, 2e-3, 3e-2, 1e-1], rel=1e-5)
    labels = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {"epsilon", "init_scale", "batch_size", "temperature", "width"} <= labels
