"""Robust statistics and survival: against cases worked by hand, enumeration, scipy's own bootstrap, and coverage."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from analysis_records import write_run, write_study
from scipy import stats

from analysis import comparisons, robust, statistics, style, survival
from analysis.collect import collect
from analysis.conditions import settings
from analysis.figures import available_figures, draw
from analysis.tidy import read_tables


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_study(folder / "runs")
    collect(folder / "runs", folder)
    return read_tables(folder)


def times(reached, censored=()):
    """Runs of seeds 0, 1, ...: those that reached the target first."""
    seen = np.array([*reached, *censored], dtype=float)
    return survival.Times(np.arange(len(seen)), seen, np.arange(len(seen)) < len(reached))


# Interquartile mean and stratified resamples


def test_the_interquartile_mean_drops_a_quarter_at_each_end_and_nothing_of_three():
    assert robust.interquartile_mean(np.array([100.0, 2, 3, 4, 5, 6, 7, -100])) == 4.5
    assert robust.interquartile_mean(np.array([0.0, 1, 8])) == 3
    assert robust.interquartile_mean(np.array([[0.0, 9], [1, 1], [2, 1], [50, 0]])).tolist() == [1.5, 1]


def test_resamples_of_two_strata_are_all_pairs_of_theirs_and_never_mix_them():
    indices, weights = robust.stratified_resamples((2, 3))
    assert len(indices) == 3 * 10 and weights.sum() == pytest.approx(1)
    assert set(indices[:, :2].ravel()) == {0, 1} and set(indices[:, 2:].ravel()) == {2, 3, 4}


def test_enumerated_strata_weigh_as_all_ordered_resamples_do():
    """Brute force: every one of 2^2 * 3^3 ordered draws is equally likely."""
    values = np.array([1.0, 5, 2, 3, 11])
    every = [
        values[[*one, *other]].mean()
        for one in itertools.product([0, 1], repeat=2)
        for other in itertools.product([2, 3, 4], repeat=3)
    ]
    indices, weights = robust.stratified_resamples((2, 3))
    means = values[indices].mean(1)
    for power in (1, 2, 3):
        assert (weights * means**power).sum() == pytest.approx(np.mean(np.power(every, power)))


def test_too_many_resamples_are_drawn_the_same_every_time_and_unlike_in_each_stratum():
    robust.stratified_resamples.cache_clear()
    indices, weights = robust.stratified_resamples((5, 5, 5))
    robust.stratified_resamples.cache_clear()
    again, _ = robust.stratified_resamples((5, 5, 5))
    assert (indices == again).all() and len(indices) == statistics.DRAWS
    assert weights.sum() == pytest.approx(1)
    assert (indices[:, :5] != indices[:, 5:10] - 5).mean() > 0.7


@pytest.mark.parametrize("n", [2, 3, 5, 9])
def test_one_stratum_has_the_interval_of_the_rest_of_the_suite(n):
    values = np.random.default_rng(n).standard_normal(n)
    low, high = robust.stratified_interval(values, np.zeros(n), lambda runs: runs.mean(0))
    _, expected_low, expected_high = statistics.mean_interval(values)
    assert (float(low), float(high)) == pytest.approx((float(expected_low), float(expected_high)))
    assert robust.stratified_tail((n,)) == pytest.approx(statistics.tail(n))


def test_differences_between_strata_do_not_widen_the_interval():
    noise = np.array([0.0, 1, 2, 0, 1, 2])
    strata = np.repeat([0, 1], 3)
    near = robust.stratified_interval(noise, strata, lambda runs: runs.mean(0))
    far = robust.stratified_interval(noise + 100 * strata, strata, lambda runs: runs.mean(0))
    assert np.subtract(*near) == pytest.approx(np.subtract(*far))
    shuffled = [3, 0, 4, 1, 5, 2]
    assert robust.stratified_interval(noise[shuffled], strata[shuffled], lambda runs: runs.mean(0)) == near


def test_a_stratum_of_one_seed_has_no_interval():
    assert np.isnan(robust.stratified_interval(np.arange(4.0), np.array([0, 0, 0, 1]))).all()


def test_with_scipys_tails_the_interval_is_that_of_scipys_bootstrap_of_two_samples(monkeypatch):
    """scipy resamples each of several samples by itself, which is a stratified bootstrap."""
    generator = np.random.default_rng(5)
    one, other = generator.exponential(size=9), 1 + generator.exponential(size=12)
    monkeypatch.setattr(robust, "stratified_tail", lambda sizes, level: (1 - level) / 2)
    low, high = robust.stratified_interval(np.append(one, other), np.repeat([0, 1], [9, 12]))
    scipys = stats.bootstrap(
        (one, other),
        lambda x, y, axis: stats.trim_mean(np.concatenate([x, y], axis=axis), 0.25, axis=axis),
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(6),
    ).confidence_interval
    assert (float(low), float(high)) == pytest.approx((scipys.low, scipys.high), abs=0.03)


def covered(sizes, apart, statistic, trials=4000):
    """Share of intervals that hold the truth, 0: normal runs of strata that lie so far apart, a column a study."""
    strata = np.repeat(np.arange(len(sizes)), sizes)
    centres = apart * (np.arange(len(sizes)) - (len(sizes) - 1) / 2)
    generator = np.random.default_rng(7)
    runs = generator.standard_normal((len(strata), trials)) + centres[strata][:, None]
    low, high = robust.stratified_interval(runs, strata, statistic)
    return ((low <= 0) & (high >= 0)).mean()


@pytest.mark.parametrize("sizes, expected", [((3,), 0.75), ((2, 2), 0.66), ((3, 3), 0.9)])
def test_coverage_of_few_strata_is_what_the_docstring_says(sizes, expected):
    for apart in (0, 5):
        assert covered(sizes, apart, robust.interquartile_mean) == pytest.approx(expected, abs=0.025)


@pytest.mark.long
@pytest.mark.parametrize("sizes, expected", [((3, 3, 3), 0.93), ((3, 3, 3, 3), 0.93), ((5, 5), 0.94)])
def test_coverage_of_more_strata_is_what_the_docstring_says(sizes, expected):
    for apart in (0, 5):
        assert covered(sizes, apart, lambda runs: runs.mean(0)) == pytest.approx(expected, abs=0.025)
    if len(sizes) > 2:
        assert covered(sizes, 5, robust.interquartile_mean) == pytest.approx(0.88, abs=0.03)


# Probability of improvement


def test_ties_are_half_a_win_and_accuracies_equal_but_for_rounding_tie():
    found = robust.probability_of_improvement([0.5, 0.9, 0.3, 0.1 + 0.2], [0.4, 0.95, 0.2, 0.3])
    assert (found.value, found.wins, found.pairs) == (2.5 / 4, 2.5, 4)


def test_pairs_and_not_ranks_decide():
    """Each seed wins by a little though seeds differ by more: unpaired, only 6 of 9 comparisons would be won."""
    dlgn = np.array([0.1, 0.5, 0.9])
    assert robust.probability_of_improvement(dlgn + 0.01, dlgn).value == 1


@pytest.mark.parametrize("wins, pairs", [(0, 3), (3, 3), (2, 5), (6, 6)])
def test_the_interval_of_a_win_share_is_scipys_exact_one(wins, pairs):
    won = np.arange(pairs) < wins
    found = robust.probability_of_improvement(won.astype(float), np.full(pairs, 0.5))
    exact = stats.binomtest(wins, pairs).proportion_ci()
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))


def test_the_interval_covers_at_least_95_percent_also_with_ties():
    """Enumerated over all outcomes of 3 and 5 pairs, for wins, ties and losses of any probability."""
    for pairs in (3, 5):
        outcomes = list(itertools.product([0.0, 0.5, 1.0], repeat=pairs))
        found = [robust.probability_of_improvement(np.array(x), np.full(pairs, 0.5)) for x in outcomes]
        for win, tie in itertools.product(np.linspace(0, 1, 11), repeat=2):
            if win + tie > 1 + 1e-9:
                continue
            share = {0.0: max(0.0, 1 - win - tie), 0.5: tie, 1.0: win}
            chances = np.array([math.prod(share[x] for x in outcome) for outcome in outcomes])
            truth = win + tie / 2
            inside = np.array([x.low - 1e-12 <= truth <= x.high + 1e-12 for x in found])
            assert chances[inside].sum() >= 0.95


def test_five_pairs_never_exclude_one_half_and_six_can():
    assert robust.probability_of_improvement(np.ones(5), np.zeros(5)).low < 0.5
    assert robust.probability_of_improvement(np.ones(6), np.zeros(6)).low > 0.5


def test_without_pairs_there_is_no_probability():
    assert math.isnan(robust.probability_of_improvement(np.array([]), np.array([])).value)


# Pools


def test_settings_with_the_same_methods_and_data_set_make_a_pool_on_shared_seeds(tmp_path):
    for seed in (0, 1, 2):
        for method in ("dlgn", "glgn"):
            for depth in (2, 3):
                if (method, depth, seed) != ("glgn", 3, 0):
                    write_run(tmp_path / "runs", method, seed, depth=depth)
        write_run(tmp_path / "runs", "hard_st", seed, depth=4)
    collect(tmp_path / "runs", tmp_path)
    tables = read_tables(tmp_path)
    [pool] = robust.pools(robust.compared(tables.runs))
    assert pool.methods == ["dlgn", "glgn"] and pool.seeds == [[0, 1, 2], [1, 2]]
    scores, strata = robust.final_scores(tables.history, pool)
    assert strata.tolist() == [0, 0, 0, 1, 1]
    last = tables.history.query("method == 'dlgn' and iteration == 10_000").set_index(["depth", "seed"])
    expected = last["test_accuracy_discrete"].loc[[(2, 0), (2, 1), (2, 2), (3, 1), (3, 2)]]
    assert scores["dlgn"].tolist() == expected.tolist()


def test_a_method_of_other_seeds_is_left_out_and_takes_no_other_along(tmp_path):
    for method, seeds in (
        ("dlgn", (0, 1, 2)),
        ("glgn", (0, 1)),
        ("hard_st", (1, 2)),
        ("gumbel_soft", (0, 1, 2)),
    ):
        for seed in seeds:
            write_run(tmp_path / "runs", method, seed)
    collect(tmp_path / "runs", tmp_path)
    [setting] = robust.compared(read_tables(tmp_path).runs)
    assert robust.methods_of(setting) == ["dlgn", "glgn", "gumbel_soft"]


def test_times_to_a_target_need_two_methods_with_two_seeds_each(tmp_path):
    def available(name, *runs):
        for method, seed in runs:
            write_run(tmp_path / name / "runs", method, seed)
        collect(tmp_path / name / "runs", tmp_path / name)
        return "time_to_target" in available_figures(read_tables(tmp_path / name).runs)

    assert not available("one", ("dlgn", 0), ("dlgn", 1))
    assert not available("apart", ("dlgn", 0), ("dlgn", 1), ("glgn", 1), ("glgn", 2))
    assert available("without_dlgn", *[(method, seed) for method in ("glgn", "hard_st") for seed in (0, 1)])


def test_the_table_has_the_interquartile_mean_of_a_pools_runs(tables):
    values = robust.robust_values(tables).set_index("method")
    assert (values["runs"] == 6).all() and (values["settings"] == 2).all()
    finals = tables.history.query("method == 'hard_st' and iteration == 10_000")["test_accuracy_discrete"]
    assert values.loc["hard_st", "final_accuracy_iqm"] == pytest.approx(np.mean(sorted(finals)[1:5]))
    assert values.loc["glgn", "improvement"] == 1 and math.isnan(values.loc["dlgn", "improvement"])


# Survival


def test_kaplan_meier_by_hand():
    """Reached at 2, 5, 5 and 9, censored at 3 and 9. At risk before 2, 5, 9: 6, 4, 2.

    Still on their way: 5/6, then 5/6 * 2/4 = 5/12, then 5/12 * 1/2 = 5/24.
    """
    curve = survival.kaplan_meier(times([2, 5, 5, 9], [3, 9]))
    assert curve.time.tolist() == [0, 2, 3, 5, 9]
    assert curve.share == pytest.approx([0, 1 / 6, 1 / 6, 7 / 12, 19 / 24])
    # Exponential Greenwood at 5: sum of d / (n (n - d)) is 1 / (6 * 5) + 2 / (4 * 2), over log(5/12) squared.
    error = 1.959964 * math.sqrt(1 / 30 + 1 / 4) / abs(math.log(5 / 12))
    around = [1 - math.exp(-math.exp(math.log(-math.log(5 / 12)) + sign * error)) for sign in (-1, 1)]
    assert (curve.low[3], curve.high[3]) == pytest.approx(around, rel=1e-5)


def test_kaplan_meier_of_conovers_fan_belts():
    """Conover 1999, page 91: ten belts, five censored; the textbook's curve."""
    curve = survival.kaplan_meier(times([77, 47, 81, 56, 80], [62, 60, 43, 71, 37]))
    assert 1 - curve.share[1:] == pytest.approx([1, 1, 0.875, 0.75, 0.75, 0.75, 0.75, 0.5, 0.25, 0])


def test_where_none_or_all_are_there_the_interval_is_clopper_and_pearsons():
    curve = survival.kaplan_meier(times([4, 5, 6]))
    none, every = stats.binomtest(0, 3).proportion_ci(), stats.binomtest(3, 3).proportion_ci()
    assert (curve.low[0], curve.high[0]) == pytest.approx((0, none.high))
    assert (curve.low[-1], curve.high[-1]) == pytest.approx((every.low, 1))
    assert (np.diff(curve.low) >= 0).all() and (np.diff(curve.high) >= 0).all()
    nobody = survival.kaplan_meier(times([], [7, 7, 7]))
    assert nobody.share.tolist() == [0, 0] and nobody.high == pytest.approx([none.high] * 2)


@pytest.mark.parametrize("n, least", [(2, 0.83), (3, 0.83), (5, 0.83), (7, 0.83), (10, 0.91)])
def test_the_curves_interval_covers_what_the_docstring_says(n, least):
    """One budget for all: the number of runs there is binomial, so that coverage is a sum and needs no simulation."""
    ends = []
    for k in range(n + 1):
        curve = survival.kaplan_meier(times(np.arange(1, k + 1), [n + 1] * (n - k)))
        ends.append((curve.low[-1], curve.high[-1]))
    low, high = np.array(ends).T
    truths = np.linspace(0.02, 0.98, 193)
    chances = stats.binom.pmf(np.arange(n + 1)[:, None], n, truths)
    coverage = (chances * ((low[:, None] <= truths) & (truths <= high[:, None]))).sum(0)
    assert coverage.min() >= least and coverage.mean() > 0.95


def test_the_median_is_where_half_are_there_or_not_reached():
    assert survival.median_time(survival.kaplan_meier(times([10, 20, 30])))[0] == 20
    assert survival.median_time(survival.kaplan_meier(times([10], [50, 50]))) == (math.inf, 0, math.inf)
    value, low, high = survival.median_time(survival.kaplan_meier(times(np.arange(1.0, 13))))
    # By hand from the band: 12 runs, the interval holds one half from the third on and leaves it after the ninth.
    assert value == 6 and 2 <= low <= 4 and 8 <= high <= 10


def test_of_five_runs_a_median_has_no_bound_and_of_six_it_has():
    assert survival.median_time(survival.kaplan_meier(times([1, 2, 3, 4, 5])))[1:] == (0, math.inf)
    _, low, high = survival.median_time(survival.kaplan_meier(times([1, 2, 3, 4, 5, 6])))
    assert low >= 1 and high <= 6


def test_the_restricted_mean_is_the_area_above_the_curve():
    own = times([2, 5, 9], [12, 15])
    curve = survival.kaplan_meier(own)
    until = survival.horizon([own, times([30, 40])])
    assert until == 12
    steps = np.append(curve.time[curve.time < until], until)
    area = (np.diff(steps) * (1 - curve.share[curve.time < until])).sum()
    mean, low, high = survival.restricted_mean(own, until)
    assert mean == pytest.approx(area) == pytest.approx((2 + 5 + 9 + 12 + 12) / 5)
    assert low < mean < high
    with pytest.raises(ValueError, match="until: is later than the end of a censored run"):
        survival.restricted_mean(own, 13)


def test_the_log_rank_of_bland_and_altman_is_scipys():
    """Gliomas of two kinds (Bland and Altman 2004): chi-squared 7.50, P = 0.006."""
    one = times([6, 13, 21, 30, 37, 38, 49, 50, 63, 79, 86, 98, 202, 219], [31, 47, 80, 82, 82, 149])
    other = times(
        [10, 10, 12, 13, 14, 15, 16, 17, 18, 20, 24, 24, 25, 28, 30, 33, 35, 37, 40, 40, 46, 48, 76, 81, 82, 91,
         112, 181],
        [34, 40, 70],
    )  # fmt: skip
    found = survival.log_rank(one, survival.Times(other.seeds + 100, other.time, other.reached))
    assert found.pairs == 0 and math.isnan(found.paired_p_value)
    assert found.statistic**2 == pytest.approx(7.5, abs=0.01)
    assert found.p_value == pytest.approx(0.0062, abs=1e-4)


def test_the_log_rank_by_hand_and_its_exact_paired_value_for_three_seeds():
    """1, 2, 3 against 4, 5, 6. Expected of the first: 3/6 + 2/5 + 1/4 = 1.15, variance 1/4 + 6/25 + 3/16 = 0.6775.

    Of the 8 ways to swap runs within seeds only this one and its mirror are as extreme: 2 / 8.
    """
    found = survival.log_rank(times([1, 2, 3]), times([4, 5, 6]))
    assert found.statistic == pytest.approx((3 - 1.15) / math.sqrt(0.6775))
    assert found.p_value == pytest.approx(2 * stats.norm.sf(found.statistic))
    assert (found.paired_p_value, found.pairs) == (0.25, 3)
    assert survival.log_rank(times([4, 5, 6]), times([1, 2, 3])).statistic == pytest.approx(-found.statistic)


def test_the_paired_value_is_the_share_of_swaps_at_least_as_extreme():
    one, other = times([3, 9, 4, 8], [20]), times([5, 2, 11, 30], [31])
    observed, extreme = survival.log_rank(one, other), 0
    for swaps in itertools.product([False, True], repeat=5):
        swapped = np.array(swaps)
        parts = [
            survival.Times(one.seeds, np.where(s, a.time, b.time), np.where(s, a.reached, b.reached))
            for s, a, b in ((swapped, other, one), (swapped, one, other))
        ]
        statistic = stats.logrank(*(part.censored_data for part in parts)).statistic
        extreme += abs(statistic) >= abs(observed.statistic) - 1e-9
    assert observed.paired_p_value == pytest.approx(extreme / 32)


def test_methods_that_never_get_there_do_not_differ():
    found = survival.log_rank(times([], [9, 9]), times([], [9, 9]))
    assert (found.statistic, found.p_value, found.paired_p_value) == (0, 1, 1)


def study_times(tables, method, share=1.0, depth=3):
    [setting] = [s for s in settings(tables.runs) if s.depth == depth]
    goal = share * comparisons.target(tables.history, setting)
    condition = setting.conditions[method]
    return survival.times_to_target(tables.history, condition, goal), goal, condition


@pytest.mark.parametrize("method", ["dlgn", "glgn", "hard_st"])
def test_runs_that_reach_the_target_are_those_the_claims_count(tables, method):
    own, goal, condition = study_times(tables, method)
    assert own.reached.sum() == comparisons.runs_reaching(tables.history, condition, goal)
    assert (own.time[~own.reached] == 10_000).all() and (own.time[own.reached] <= 10_000).all()


def test_a_run_that_diverged_is_watched_as_long_as_the_others():
    history = pd.DataFrame(
        {
            "run_id": ["a"] * 3 + ["b"] * 3,
            "iteration": [0, 10, 20, 0, 50, 100],
            "test_accuracy_discrete": [0.1, 0.2, 0.2, 0.1, 0.6, 0.6],
            "training_seconds": [0.0, 1, 2, 0, 5, 10],
        }
    )
    condition = pd.DataFrame({"run_id": ["a", "b"], "seed": [0, 1], "status": ["diverged", "completed"]})
    own = survival.times_to_target(history, condition, 0.6)
    assert own.time == pytest.approx([100, 50]) and own.reached.tolist() == [False, True]
    # Where none is left that did not, as long as they were to run.
    every = condition.assign(status="diverged", iterations=400)
    assert survival.times_to_target(history, every, 0.7).time == pytest.approx([400, 400])
    # Dropped at 20 it would leave one run of one there at 50.
    assert survival.kaplan_meier(own).share[-1] == pytest.approx(0.5)


def test_the_table_of_times_has_each_method_against_dlgn(tables):
    values = survival.survival_values(tables).query("depth == 3").set_index("method")
    assert values.index.tolist() == ["dlgn", "glgn", "gumbel_soft", "hard_st", "uniform_st"]
    assert (values["horizon"] == 10_000).all()
    assert values.loc["glgn", "median"] < 1000 and values.loc["glgn", "reached"] == 3
    # 0.88 against DLGN's 0.90: never there.
    assert values.loc["hard_st", "median"] == math.inf and values.loc["hard_st", "restricted_mean"] == 10_000
    assert values.loc["glgn", "log_rank"] > 0 and math.isnan(values.loc["dlgn", "log_rank"])
    assert values.loc["glgn", "log_rank_paired_p"] >= 0.25


# Figures


def drawn(name, tables):
    with style.styled():
        return draw(name, tables)


def line_of(axes, method):
    look = style.method_style(method)
    return next(x for x in axes.lines if x.get_color() == look.color and len(x.get_xdata()) > 2)


def test_the_curve_drawn_ends_at_the_share_of_runs_that_the_claims_count(tables):
    # Row 1, left panel: depth 3, the claims' target.
    panel = drawn("time_to_target", tables).axes[2]
    for method in ("dlgn", "gumbel_soft"):
        own, _, _ = study_times(tables, method)
        shares = line_of(panel, method).get_ydata()
        assert (shares[0], shares[-1]) == (0, pytest.approx(own.reached.mean())) and own.reached.any()
    # None of Hard-ST's gets there: a bar at the end of each, and no curve.
    own, _, _ = study_times(tables, "hard_st")
    of_method = [x for x in panel.lines if x.get_color() == style.method_style("hard_st").color]
    [bars] = [x for x in of_method if x.get_marker() == "|"]
    assert not own.reached.any() and list(bars.get_xdata()) == [10_000] * 3
    assert not bars.get_ydata().any() and not any(x.get_drawstyle() == "steps-post" for x in of_method)


def test_mean_times_stand_above_the_curves_open_where_some_run_is_not_there(tables):
    panel = drawn("time_to_target", tables).axes[2]
    values = survival.survival_values(tables).query("depth == 3").set_index("method")
    for method in values.index:
        marks = [
            x for x in panel.lines
            if x.get_color() == style.method_style(method).color and len(x.get_xdata()) == 1 and x.get_ydata()[0] > 1
        ]  # fmt: skip
        [mark] = marks
        assert mark.get_xdata()[0] == pytest.approx(values.loc[method, "restricted_mean"])
        censored = values.loc[method, "reached"] < 3
        assert (mark.get_marker() == ">") == censored
