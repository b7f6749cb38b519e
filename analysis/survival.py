"""Time to target as survival data: a run that did not reach it is censored, known only to take longer than it ran.

The target and reaching it are those of the claims (analysis.comparisons, docs/verdicts.md), here for single runs
rather than for the mean curve, as the count of runs that get there. The target is taken as given: that the baseline's
own seeds set it is in no interval here.
"""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy  # its submodules load when used: planning a preset needs none

from analysis import comparisons, measures
from analysis.conditions import Setting
from analysis.robust import compared, methods_of
from analysis.statistics import LEVEL, mean_interval
from analysis.tidy import Tables
from lgn.methods import method_label

SWAPS = 4096
"""Up to 12 shared seeds every swap of two methods' runs is enumerated; beyond, this many are drawn."""

COLUMNS = (
    "dataset", "depth", "width", "recipe", "method", "target_accuracy", "seeds", "reached", "horizon", "median",
    "median_low", "median_high", "restricted_mean", "restricted_mean_low", "restricted_mean_high", "log_rank",
    "log_rank_p", "log_rank_paired_p", "pairs",
)  # fmt: skip
SHOWN = (
    "dataset", "depth", "width", "recipe", "method", "target acc. %", "reached", "median iterations",
    "restricted mean iterations", "p against the first (paired log-rank)",
)  # fmt: skip

_GENERATOR_SEED = 19660316


@dataclass(frozen=True)
class Times:
    """Runs of one condition: seeds (n,); time (n,) to the target or, where not reached (n,) bool, to the run's end."""

    seeds: np.ndarray
    time: np.ndarray
    reached: np.ndarray

    def at(self, positions: np.ndarray) -> "Times":
        """The runs at these positions, in this order, repeats included."""
        return Times(self.seeds[positions], self.time[positions], self.reached[positions])

    @property
    def censored_data(self) -> "scipy.stats.CensoredData":
        """The same for scipy."""
        return scipy.stats.CensoredData(uncensored=self.time[self.reached], right=self.time[~self.reached])


@dataclass(frozen=True)
class Curve:
    """Kaplan-Meier: share (K,) of runs that have reached the target by time (K,), in steps, with its interval."""

    time: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class LogRank:
    """statistic: a standard normal if nothing differs, positive where the first is sooner.

    p_value: by that normal, two-sided. paired_p_value: exact, from swaps of the two runs of each of `pairs` seeds.
    """

    statistic: float
    p_value: float
    paired_p_value: float
    pairs: int


def times_to_target(history: pd.DataFrame, condition: pd.DataFrame, target: float) -> Times:
    """Iterations after which each run's smoothed discrete test accuracy first reaches the target.

    A run that diverged will never get there: it is watched as long as the longest run of its condition that did not,
    or for its budget, and not dropped where it stopped, which would leave only those that did not fail.
    """
    condition = condition.sort_values("seed")
    crossings, ends = [], []
    for part in comparisons.histories(history, condition):
        iterations = part["iteration"].to_numpy(float)
        accuracy = measures.smooth(part["test_accuracy_discrete"].to_numpy(float))
        crossings.append(
            float(measures.first_crossing(iterations, accuracy, np.array(target) - comparisons.ROUNDING))
        )
        ends.append(iterations[-1])
    diverged = (condition["status"] == "diverged").to_numpy()
    lasting = np.array(ends)[~diverged]
    budget = lasting.max() if len(lasting) else float(condition["iterations"].max())
    reached = np.isfinite(crossings)
    watched = np.where(diverged, budget, ends)
    return Times(condition["seed"].to_numpy(), np.where(reached, crossings, watched), reached)


def kaplan_meier(times: Times, level: float = LEVEL) -> Curve:
    """The curve from time 0 on; it ends where the last run does.

    Interval: scipy's exponential Greenwood (log-log). It is undefined where none or all have reached the target; there
    it is Clopper and Pearson's of the runs still watched, or of those that reached it. With one budget for all it
    covers a true share of 2 to 98% in at least 83% of cases with 2 to 7 seeds and 91% with 10, on average in more than
    95%. Censoring must not depend on the time to come, as with a fixed budget of iterations. In seconds that holds
    only nearly: a slow run is watched for longer.
    """
    found = scipy.stats.ecdf(times.censored_data).cdf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of the undefined ends, filled below
        interval = found.confidence_interval(level, method="log-log")
    # Share reached and runs watched just before each time, time 0 first.
    time, share = np.append(0.0, found.quantiles), np.append(0.0, found.probabilities)
    watched = np.array([(times.time >= t).sum() for t in time])
    none, every = share == 0, share == 1
    tail = (1 - level) / 2
    low = np.append(0.0, interval.low.probabilities)
    high = np.append(1.0, interval.high.probabilities)
    low = np.where(none, 0.0, np.where(every, tail ** (1 / max(1, times.reached.sum())), low))
    high = np.where(none, 1 - tail ** (1 / watched), np.where(every, 1.0, high))
    return Curve(time, share, low, high)


def median_time(curve: Curve) -> tuple[float, float, float]:
    """When half of the runs have reached the target, with its interval (Brookmeyer and Crowley 1982); inf: not reached.

    With fewer than six runs the interval is [0, inf]: 95% is more than so few can say of a median.
    """

    def first(share: np.ndarray) -> float:
        there = np.flatnonzero(share >= 0.5)
        return float(curve.time[there[0]]) if len(there) else math.inf

    return first(curve.share), first(curve.high), first(curve.low)


def horizon(of: list[Times]) -> float:
    """The longest time for which every run was watched: the shortest censored one, or the last to reach the target."""
    censored = np.concatenate([times.time[~times.reached] for times in of])
    return float(censored.min() if len(censored) else max(times.time.max() for times in of))


def restricted_mean(times: Times, until: float) -> tuple[float, float, float]:
    """Mean time to target up to a time that every run was watched for, with its interval over seeds.

    Area under the Kaplan-Meier curve of those still on their way. With nothing censored before, that is the mean of
    min(time, until), which needs no curve.
    """
    within = np.minimum(times.time, until)
    if (times.time[~times.reached] < until).any():
        raise ValueError("until: is later than the end of a censored run; allowed: at most survival.horizon")
    mean, low, high = mean_interval(within)
    return float(mean), float(low), float(high)


def log_rank(one: Times, other: Times) -> LogRank:
    """Whether two methods differ in time to target.

    scipy's test takes all runs as independent and many. Runs of equal seed share wiring and data order, and three
    against three make its normal too sure (0.02 where no reordering is rarer than 0.1): the paired value stands
    beside it. With 3 pairs that cannot be below 0.25, with 5 not below 0.0625, with 6 not below 0.03.
    """
    statistic = _log_rank_statistic(one, other)
    _, positions, other_positions = np.intersect1d(one.seeds, other.seeds, return_indices=True)
    paired = math.nan
    if len(positions):
        both = Times(*(np.append(getattr(one, n), getattr(other, n)) for n in ("seeds", "time", "reached")))
        test = scipy.stats.permutation_test(
            (positions, len(one.time) + other_positions),
            lambda first, second: _log_rank_statistic(both.at(first), both.at(second)),
            permutation_type="samples",
            n_resamples=SWAPS,
            vectorized=False,
            rng=np.random.default_rng(_GENERATOR_SEED),
        )
        paired = float(test.pvalue)
    return LogRank(statistic, float(2 * scipy.stats.norm.sf(abs(statistic))), paired, len(positions))


def _log_rank_statistic(one: Times, other: Times) -> float:
    """scipy's; 0 where nobody reached the target while both were watched, which is no difference."""
    if not (one.reached.any() or other.reached.any()):
        return 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.nan_to_num(scipy.stats.logrank(one.censored_data, other.censored_data).statistic))


def with_target(runs: pd.DataFrame) -> list[Setting]:
    """Settings where the baseline, whose best accuracy is the target, and another method share two seeds or more."""
    return [setting for setting in compared(runs) if setting.baseline in methods_of(setting)]


def survival_values(tables: Tables) -> pd.DataFrame:
    """A row a setting and method: runs that reached the target, median and restricted mean time, log-rank.

    The log-rank is against the baseline. Times are inf where not
    reached: then all that is known is that they exceed the budget.
    """
    rows = []
    for setting in with_target(tables.runs):
        goal = comparisons.target(tables.history, setting)
        methods = methods_of(setting)
        times = {m: times_to_target(tables.history, setting.conditions[m], goal) for m in methods}
        until = horizon(list(times.values()))
        for method, own in times.items():
            row = {"dataset": setting.dataset, "depth": setting.depth, "width": setting.width}
            row |= {"recipe": setting.recipe_text, "method": method, "target_accuracy": goal}
            row |= {"seeds": len(own.time), "reached": int(own.reached.sum()), "horizon": until}
            for name, values in (
                ("median", median_time(kaplan_meier(own))),
                ("restricted_mean", restricted_mean(own, until)),
            ):
                row |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
            if method != setting.baseline:
                test = log_rank(own, times[setting.baseline])
                row |= {"log_rank": test.statistic, "log_rank_p": test.p_value}
                row |= {"log_rank_paired_p": test.paired_p_value, "pairs": test.pairs}
            rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def survival_shown(values: pd.DataFrame) -> pd.DataFrame:
    """survival_values as text, for readers; times in iterations."""

    def time(row: pd.Series, name: str) -> str:
        shown = {part: row[f"{name}{part}"] for part in ("", "_low", "_high")}
        if np.isinf(shown[""]):
            return f"> {row['horizon']:,.0f}"
        low, high = ("-" if np.isinf(shown[part]) else f"{shown[part]:,.0f}" for part in ("_low", "_high"))
        return f"{shown['']:,.0f} [{low}, {high}]"

    rows = [
        (
            row["dataset"],
            row["depth"],
            f"{row['width']:,}",
            row["recipe"],
            method_label(row["method"]),
            f"{100 * row['target_accuracy']:.1f}",
            f"{row['reached']} of {row['seeds']}",
            time(row, "median"),
            time(row, "restricted_mean"),
            "-" if pd.isna(row["log_rank_paired_p"]) else f"{row['log_rank_paired_p']:.2g}",
        )
        for _, row in values.iterrows()
    ]
    return pd.DataFrame(rows, columns=SHOWN)
