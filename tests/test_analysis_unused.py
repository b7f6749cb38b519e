"""Unused gates by one threshold, whatever the initialisation."""

import numpy as np
import pytest

from analysis.collect import ENTROPY_BINS, collect
from analysis.conditions import conditions
from analysis.figures import available_figures
from analysis.tidy import Tables
from analysis.unused import NORMAL_THRESHOLD, threshold, unused_shares
from lgn import metrics
from tests.analysis_records import write_run


def shares(tmp_path, shape, **settings) -> tuple[np.ndarray, list[np.ndarray]]:
    """unused_shares of three seeds, and the entropies of their records."""
    directories = [write_run(tmp_path / "runs", "dlgn", seed, shape=shape, **settings) for seed in range(3)]
    collect(tmp_path / "runs", tmp_path)
    tables = Tables(tmp_path)
    (condition,) = conditions(tables.runs)
    entropies = [np.load(path / "gates.npz")["entropies"] for path in directories]
    return unused_shares(tables, condition), entropies


def test_the_normal_threshold_is_that_of_many_normal_logits():
    logits = np.random.default_rng(0).standard_normal((400_000, 16))
    # The quantile's own standard error is 0.0015 at this number.
    assert metrics.unused_threshold(metrics.entropies(logits)) == pytest.approx(NORMAL_THRESHOLD, abs=0.005)


def test_normal_logits_keep_the_share_that_was_recorded(tmp_path):
    found, entropies = shares(tmp_path, (1000, 0.9, 0.03, 0.9))
    # They start near 2.4 nats, above their own threshold and the other one; they end between the two.
    assert all((one > NORMAL_THRESHOLD).all() for one in entropies)
    assert found.max() < 0.5


@pytest.mark.parametrize("settings", [{"init_scale": 3.0}, {"init": "residual", "init_bias": 5.0}])
def test_any_other_start_is_measured_by_the_threshold_of_normal_logits(tmp_path, settings):
    found, entropies = shares(tmp_path, (1000, 0.9, 0.03, 0.72), **settings)
    edge = np.searchsorted(ENTROPY_BINS, NORMAL_THRESHOLD)
    for share, one in zip(found, entropies, strict=True):
        certain = (one >= ENTROPY_BINS[edge]).mean()
        possible = (one >= ENTROPY_BINS[edge - 1]).mean()
        assert certain <= share <= possible
        assert 0 < share < 1
        assert share == pytest.approx((one > NORMAL_THRESHOLD).mean(), abs=(possible - certain) + 1e-9)


def test_shares_of_some_seeds_come_in_their_order(tmp_path):
    for seed, shape in enumerate([(1000, 0.9, 0.0, 0.9), (1000, 0.9, 0.0, 0.1), (1000, 0.9, 0.0, 0.9)]):
        write_run(tmp_path / "runs", "glgn", seed, shape=shape, init_scale=3.0)
    collect(tmp_path / "runs", tmp_path)
    tables = Tables(tmp_path)
    (condition,) = conditions(tables.runs)
    assert unused_shares(tables, condition).tolist() == [1, 0, 1]
    assert unused_shares(tables, condition, [1, 2]).tolist() == [0, 1]


def test_figures_draw_the_threshold_that_tables_count_by_and_no_share_by_another(tmp_path):
    for scale in (1.0, 3.0):
        write_run(tmp_path / f"{scale:g}" / "runs", "dlgn", 0, init_scale=scale)
        collect(tmp_path / f"{scale:g}" / "runs", tmp_path / f"{scale:g}")
    normal, other = Tables(tmp_path / "1"), Tables(tmp_path / "3")
    assert (
        threshold(other.runs)
        == NORMAL_THRESHOLD
        != threshold(normal.runs)
        == normal.runs["unused_threshold"][0]
    )
    drawn = {"unused_share", "unused_threshold", "entropies_by_layer"}
    assert drawn <= set(available_figures(normal.runs))
    assert drawn & set(available_figures(other.runs)) == drawn - {"unused_share"}
