"""Every metric on cases worked by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from lgn import metrics
from lgn.randomness import Batches


def test_accuracy_counts_hits():
    scores = np.array([[1, 3, 2], [5, 4, 4], [0, 0, 1], [2, 2, 0]])
    assert metrics.accuracy(scores, np.array([1, 0, 0, 0])) == 0.75
    assert math.isnan(metrics.accuracy(np.empty((0, 3)), np.empty(0)))


def test_entropy_of_known_distributions():
    uniform, two = np.zeros(16), np.array([50.0, 50.0] + [-50.0] * 14)
    collapsed = np.array([1000.0] + [0.0] * 15)
    assert metrics.entropies(np.stack([uniform, two, collapsed])) == pytest.approx(
        [math.log(16), math.log(2), 0]
    )
    random = np.random.default_rng(0).normal(size=(3, 5, 16))
    weights = np.exp(random) / np.exp(random).sum(-1, keepdims=True)
    np.testing.assert_allclose(metrics.entropies(random), stats.entropy(weights, axis=-1))


def test_of_other_fresh_neurons_97_5_percent_are_above_the_unused_threshold():
    """The threshold is a quantile of 100,000: with density 0.15 there, its standard error is 0.0034 nats."""
    threshold = metrics.unused_threshold()
    assert threshold == metrics.unused_threshold()
    assert threshold == pytest.approx(1.887, abs=0.01)
    fresh = metrics.entropies(np.random.default_rng(1).standard_normal((400_000, 16)))
    assert metrics.unused_share(fresh, threshold) == pytest.approx(0.975, abs=0.0015)


def test_unused_share_counts_what_is_above_the_threshold():
    assert metrics.unused_share(np.array([0.0, 0.5, 1.0, 2.0]), 0.5) == 0.5


def test_gate_counts_by_layer():
    counts = metrics.gate_counts(np.array([[0, 0, 15], [3, 3, 3]]))
    assert counts.shape == (2, 16)
    assert (counts[0, 0], counts[0, 15], counts[1, 3], counts.sum()) == (2, 1, 3, 6)


def test_entropy_columns_by_layer():
    row = metrics.entropy_columns(np.array([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 3.0]]), threshold=0.5)
    assert row["unused_share"] == 0.5
    assert (row["unused_share_layer01"], row["unused_share_layer02"]) == (0.0, 1.0)
    assert (row["entropy_q50_layer01"], row["entropy_q50_layer02"]) == (0.0, 1.0)
    assert row["entropy_q50"] == 0.5


@pytest.mark.parametrize(
    ("iterations", "evaluations"), [(1, 2), (7, 8), (500, 40), (500_000, 80), (10**9, 200)]
)
def test_evaluation_schedule_has_both_ends_and_is_dense_early(iterations, evaluations):
    schedule = metrics.evaluation_schedule(iterations, evaluations)
    assert schedule[0] == 0 and schedule[-1] == iterations
    assert (np.diff(schedule) > 0).all()
    assert len(schedule) <= evaluations
    if iterations >= 500:
        assert len(schedule) >= 0.7 * evaluations
        assert (schedule <= iterations / 10).sum() > len(schedule) / 3
        assert np.diff(schedule).max() <= 2 * iterations / evaluations + 1


def test_batches_are_full_and_cover_every_epoch():
    batches = Batches(images=10, batch_size=4, seed=0)
    indices = np.concatenate([batches[i] for i in range(10)])
    assert indices.shape == (40,)
    for epoch in indices.reshape(4, 10):
        assert sorted(epoch) == list(range(10))
    assert not (indices[:10] == indices[10:20]).all()


def test_a_batch_depends_on_seed_and_iteration_alone():
    walked = Batches(images=100, batch_size=30, seed=3)
    for i in range(57):
        walked[i]
    assert (walked[57] == Batches(images=100, batch_size=30, seed=3)[57]).all()
    assert (walked[57] != Batches(images=100, batch_size=30, seed=4)[57]).any()


def test_a_batch_larger_than_the_data_spans_epochs():
    assert sorted(Batches(images=3, batch_size=9, seed=0)[2]) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
