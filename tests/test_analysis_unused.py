"""Unused gates by one threshold, whatever a run was recorded with."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.collect import ENTROPY_BINS, collect
from analysis.conditions import conditions
from analysis.figures import available_figures
from analysis.tidy import Tables
from analysis.unused import interpolated_shares, unused_by_layer, unused_shares, with_unused_shares
from lgn import metrics
from tests.analysis_records import reseal, write_run

THRESHOLD = metrics.unused_threshold()


def with_own_threshold(directory, own):
    """Makes a record one of those that counted by a threshold of their own; returns its entropies at the end."""
    entropies = np.load(directory / "gates.npz")["entropies"]
    run = json.loads((directory / "run.json").read_text())
    (directory / "run.json").write_text(json.dumps(run | {"unused_threshold": own}))
    history = pd.read_csv(directory / "history.csv")
    history.loc[history.index[-1], "unused_share"] = (entropies > own).mean()
    history.to_csv(directory / "history.csv", index=False)
    reseal(directory)
    return entropies


def study(tmp_path, shape, own=None, **settings) -> tuple[Tables, pd.DataFrame, list[np.ndarray]]:
    """Tables of three seeds, their condition, and the entropies at the end of their records."""
    directories = [write_run(tmp_path / "runs", "dlgn", seed, shape=shape, **settings) for seed in range(3)]
    if own is None:
        entropies = [np.load(path / "gates.npz")["entropies"] for path in directories]
    else:
        entropies = [with_own_threshold(path, own) for path in directories]
    collect(tmp_path / "runs", tmp_path)
    tables = Tables(tmp_path)
    (condition,) = conditions(tables.runs)
    return tables, condition, entropies


def in_the_bin(entropies):
    """Share of neurons in the threshold's own bin: how far a share from histograms may be off."""
    edge = np.searchsorted(ENTROPY_BINS, THRESHOLD)
    return ((entropies > ENTROPY_BINS[edge - 1]) & (entropies <= ENTROPY_BINS[edge])).mean()


def test_a_run_that_counted_by_the_one_threshold_keeps_the_share_that_it_recorded(tmp_path):
    tables, condition, entropies = study(tmp_path, (1000, 0.9, 0.03, 0.78))
    recorded = [(one > THRESHOLD).mean() for one in entropies]
    assert 0 < min(recorded) and max(recorded) < 1
    assert unused_shares(tables, condition) == pytest.approx(recorded)
    along = with_unused_shares(tables.history, condition)["unused_share"]
    assert along.tolist() == tables.history["unused_share"].tolist()


@pytest.mark.parametrize("settings", [{}, {"init_scale": 3.0}, {"init": "residual", "init_bias": 5.0}])
@pytest.mark.parametrize("own", [0.1, 1.725, 2.1])
def test_a_run_that_counted_by_another_threshold_is_counted_anew(tmp_path, settings, own):
    tables, condition, entropies = study(tmp_path, (1000, 0.9, 0.03, 0.78), own, **settings)
    found = unused_shares(tables, condition)
    by_layer = unused_by_layer(tables, condition)
    assert by_layer.shape == (3, 3)
    for share, layers, one in zip(found, by_layer.to_numpy(), entropies, strict=True):
        assert share == pytest.approx((one > THRESHOLD).mean(), abs=in_the_bin(one) + 1e-9)
        for of_layer, values in zip(layers, one, strict=True):
            assert of_layer == pytest.approx((values > THRESHOLD).mean(), abs=in_the_bin(values) + 1e-9)


def test_along_training_the_distribution_is_linear_between_the_points_that_are_known():
    """Below the threshold lie 0.25 at 1.0 nats and 0.5 a bit above it; then the own threshold is the nearer point."""
    quantiles = {"entropy_q05": 0.5, "entropy_q25": 1.0, "entropy_q75": 2.5, "entropy_q95": 2.7}
    history = pd.DataFrame([quantiles | {"entropy_q50": 2.0}, quantiles | {"entropy_q50": 2.0}])
    history["unused_share"] = [0.9, 0.7]  # above 0.75 nats, between the first two quantiles: no nearer
    expected = 1 - (0.25 + 0.25 * (THRESHOLD - 1.0) / (2.0 - 1.0))
    assert interpolated_shares(history[:1], own=0.75) == pytest.approx([expected])
    # 30% lie below 1.5 nats: from there to the median.
    expected = 1 - (0.3 + 0.2 * (THRESHOLD - 1.5) / (2.0 - 1.5))
    assert interpolated_shares(history[1:], own=1.5) == pytest.approx([expected])


def test_along_training_shares_reach_from_no_entropy_to_log_16():
    """Beyond the outer quantiles: from 95% at 0.4 nats to all at log 16, and from none at 0 to 5% at 2.2."""
    names = [f"entropy_q{q}" for q in ("05", "25", "50", "75", "95")]
    low, high = dict.fromkeys(names, 0.4), dict.fromkeys(names, 2.2)
    history = pd.DataFrame([low | {"unused_share": 1.0}, high | {"unused_share": 1.0}])
    expected = [0.05 * (np.log(16) - THRESHOLD) / (np.log(16) - 0.4), 1 - 0.05 * THRESHOLD / 2.2]
    assert interpolated_shares(history, own=0.0) == pytest.approx(expected)


def test_a_row_without_entropies_has_no_share():
    names = [f"entropy_q{q}" for q in ("05", "25", "50", "75", "95")]
    row = pd.DataFrame([dict.fromkeys([*names, "unused_share"], np.nan)])
    assert np.isnan(interpolated_shares(row, own=1.7)).all()


def test_shares_of_some_seeds_come_in_their_order(tmp_path):
    for seed, shape in enumerate([(1000, 0.9, 0.0, 0.95), (1000, 0.9, 0.0, 0.1), (1000, 0.9, 0.0, 0.95)]):
        with_own_threshold(write_run(tmp_path / "runs", "glgn", seed, shape=shape), 1.0)
    collect(tmp_path / "runs", tmp_path)
    tables = Tables(tmp_path)
    (condition,) = conditions(tables.runs)
    assert unused_shares(tables, condition).tolist() == [1, 0, 1]
    assert unused_shares(tables, condition, [1, 2]).tolist() == [0, 1]


def test_unused_gates_are_drawn_whatever_the_initialisation(tmp_path):
    for scale in (1.0, 3.0):
        write_run(tmp_path / f"{scale:g}" / "runs", "dlgn", 0, init_scale=scale)
        collect(tmp_path / f"{scale:g}" / "runs", tmp_path / f"{scale:g}")
        drawn = available_figures(Tables(tmp_path / f"{scale:g}").runs)
        assert "unused_gates" in drawn
