"""Intervals and measures on cases worked by hand, and against scipy and against theory."""

import numpy as np
import pytest
from scipy import stats

from analysis import measures, statistics


def test_resamples_of_two_seeds_are_the_three_multisets_with_binomial_weights():
    indices, weights = statistics.resamples(2)
    assert indices.tolist() == [[0, 0], [0, 1], [1, 1]]
    assert weights.tolist() == [0.25, 0.5, 0.25]


def test_enumerated_bootstrap_mean_has_the_theoretical_mean_and_variance():
    values = np.array([1.0, 4.0, 2.0, 9.0, 5.0])
    indices, weights = statistics.resamples(5)
    means = values[indices].mean(1)
    assert weights.sum() == pytest.approx(1)
    assert (weights * means).sum() == pytest.approx(values.mean())
    # Variance of a bootstrap mean: the population variance over n.
    assert (weights * (means - values.mean()) ** 2).sum() == pytest.approx(values.var() / 5)


def test_tail_is_hesterbergs_for_five_and_tends_to_the_plain_one():
    # By hand: t(0.975, 4) = 2.776445, times sqrt(5/4) = 3.104160, and Phi(-3.104160) = 0.000954.
    assert statistics.tail(5) == pytest.approx(0.000954, abs=2e-6)
    assert statistics.tail(100_000) == pytest.approx(0.025, abs=1e-5)


def test_weighted_quantile_takes_the_first_value_that_reaches_the_share():
    values, weights = np.array([3.0, 1.0, np.inf]), np.array([0.25, 0.5, 0.25])
    assert [statistics.weighted_quantile(values, weights, q) for q in (0.5, 0.51, 0.75, 0.76)] == [
        1,
        3,
        3,
        np.inf,
    ]
    assert np.isnan(statistics.weighted_quantile(np.array([1.0, np.nan, 2.0]), weights, 0.1))


def test_interval_with_scipys_tails_agrees_with_scipys_percentile_bootstrap(monkeypatch):
    values = np.random.default_rng(1).exponential(size=12)
    monkeypatch.setattr(statistics, "tail", lambda n, level: (1 - level) / 2)
    _, low, high = statistics.mean_interval(values)
    scipys = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2)
    )
    assert low == pytest.approx(scipys.confidence_interval.low, abs=0.02 * values.std())
    assert high == pytest.approx(scipys.confidence_interval.high, abs=0.02 * values.std())


@pytest.mark.parametrize("n", [2, 3, 5, 9])
def test_identical_seeds_have_an_interval_of_no_width(n):
    assert [float(x) for x in statistics.mean_interval(np.full(n, 0.1))] == [0.1, 0.1, 0.1]


def test_three_seeds_span_from_lowest_to_highest():
    assert [float(x) for x in statistics.mean_interval(np.array([5.0, 1.0, 3.0]))] == [3, 1, 5]


def test_one_seed_has_no_interval():
    mean, low, high = statistics.mean_interval(np.array([0.7]))
    assert mean == 0.7 and np.isnan(low) and np.isnan(high)
    assert np.isnan(statistics.bootstrap(lambda seeds: float(len(seeds)), 1)).all()


def test_more_seeds_than_are_enumerated_give_the_same_interval_every_time():
    values = np.random.default_rng(3).standard_normal(10)
    assert statistics.mean_interval(values) == statistics.mean_interval(values)


def test_coverage_for_normal_seeds_is_what_the_docs_say():
    """docs/verdicts.md: 50% with 2 seeds, 75% with 3 (order statistics: 1 - 2 / 2^n), about 92% with 5."""
    generator = np.random.default_rng(4)
    for n, expected in ((2, 0.5), (3, 0.75), (5, 0.92)):
        # Columns are independent experiments: one call gives all their intervals.
        _, low, high = statistics.mean_interval(generator.standard_normal((n, 4000)))
        covered = ((low <= 0) & (high >= 0)).mean()
        assert covered == pytest.approx(
            expected, abs=0.025
        )  # three standard errors of 4,000 trials, at least


def test_a_paired_ratio_of_seeds_that_differ_by_a_factor_has_no_width():
    baseline = np.array([2.0, 8.0, 5.0])
    low, high = statistics.bootstrap(lambda seeds: (3 * baseline[seeds]).mean() / baseline[seeds].mean(), 3)
    assert float(low) == pytest.approx(3) and float(high) == pytest.approx(3)


def test_smoothing_removes_a_single_lucky_evaluation_and_keeps_a_step():
    assert measures.smooth([0, 0, 9, 0, 0, 5, 5]).tolist() == [0, 0, 0, 0, 0, 5, 5]
    assert measures.smooth(np.array([[1.0, 3, 2], [5, 4, 6]])).tolist() == [[1, 2, 2], [5, 5, 6]]


def test_first_crossing_interpolates_between_rows():
    x, y = np.array([0.0, 10, 20, 40]), np.array([0.1, 0.3, 0.2, 0.6])
    targets = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.61])
    # 0.2 lies half-way up the first segment (10 * 0.5); 0.4 half-way up the last (20 + 20 * 0.5).
    assert measures.first_crossing(x, y, targets).tolist() == [
        0,
        0,
        pytest.approx(5),
        10,
        pytest.approx(30),
        40,
        np.inf,
    ]


def test_align_interpolates_onto_all_evaluations_and_stops_with_the_shortest_run():
    grid, y = measures.align(
        [np.array([0.0, 2, 4]), np.array([0.0, 3])], [np.array([0.0, 2, 4]), np.array([6.0, 0])]
    )
    assert grid.tolist() == [0, 2, 3]
    assert y.tolist() == [[0, 2, 3], [6, 2, 0]]


def test_ratio_bounds_of_known_and_censored_times():
    never = np.inf
    low, high = measures.ratio_bounds(
        np.array([6.0, 6, never, never]), 10.0, np.array([3.0, never, 2, never]), 24.0
    )
    assert low.tolist() == [2, 0, 5, 0]
    assert high.tolist() == [2, 0.25, np.inf, np.inf]


def test_end_gap_averages_before_it_takes_the_absolute_value():
    discrete = np.full(10, 0.5)
    train_mode = discrete + np.array([0.4] * 7 + [0.02, -0.02, 0.0])
    assert measures.end_gap(train_mode, discrete) == pytest.approx(0)
    assert measures.end_gap(discrete - 0.03, discrete) == pytest.approx(0.03)


@pytest.mark.parametrize("rows, expected", [(1, 1), (2, 2), (3, 3), (29, 3), (31, 4), (80, 8)])
def test_the_end_is_a_tenth_of_the_rows_at_least_three(rows, expected):
    assert measures.end_rows(rows) == expected


def test_reduction_of_the_papers_gap_and_of_nothing():
    assert measures.reduction_percent(0.03, 0.0006) == pytest.approx(98)
    assert np.isnan(measures.reduction_percent(0.0, 0.1))
