"""Scores of the final runs: a row a method, net and kind of setting, with intervals over seeds and shared ranks."""

import json
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import scipy

from analysis import comparisons
from analysis.leaderboard.trials import FINAL_SEEDS, Choice
from analysis.statistics import bootstrap, mean_interval
from analysis.survival import times_to_target
from analysis.tidy import Tables
from analysis.unused import unused_shares
from lgn.run import Run

TARGETS = {"digits": 0.85, "mnist": 0.93, "fashion_mnist": 0.82, "cifar10": 0.4}
"""Test accuracy that time to target is counted to. Part of the protocol's version: docs/leaderboard.md."""

VERSION = 1
"""Of the protocol."""

TUNED, DEFAULT, FREE = "tuned", "default", "free"
"""Kinds of rows: a method's best trial on a net, its first, and the best of its nets."""

_STATED = (
    "learning_rate",
    "temperature",
    "group_temperature",
    "epsilon",
    "optimizer",
    "iterations",
    "batch_size",
)


def score_table(chosen: Sequence[Choice], finals: Tables) -> pd.DataFrame:
    """The leaderboard's rows, best first on each net; accuracies and shares in 0..1, times in iterations and seconds.

    A method's rank on a net is one more than the number of methods whose accuracy is higher with a paired 95% interval
    above 0, both tuned: those that seeds do not tell apart share it. deficit: to the tuned method of the highest mean.
    The free rows of a data set and a number of gates compare each method's best net of at most so many gates. Nets
    whose final runs have no record are left out.
    """
    ran = [choice for choice in chosen if len(final_runs(choice.tuned, finals.runs))]
    rows = []
    for net in dict.fromkeys(choice.net for choice in ran):
        there = [choice for choice in ran if choice.net == net]
        rows += _compared(
            [(TUNED, c, c.tuned) for c in there] + [(DEFAULT, c, c.default) for c in there], finals
        )
    for dataset, gates in dict.fromkeys((choice.net[0], choice.gates) for choice in ran):
        there = [choice for choice in ran if choice.net[0] == dataset and choice.gates <= gates]
        free = [
            _best_net([c for c in there if c.default.method == m])
            for m in {c.default.method: 0 for c in there}
        ]
        if len({choice.net for choice in there}) > 1:
            rows += [row | {"gates": gates} for row in _compared([(FREE, c, c.tuned) for c in free], finals)]
    return pd.DataFrame(rows).astype({"rank": "Int64", "reached": "Int64"}) if rows else pd.DataFrame(rows)


def _best_net(choices: Sequence[Choice]) -> Choice:
    """Of one method's nets that with the best trial, with the trials of all of them; of several the first."""
    best = max(choices, key=lambda choice: choice.best)
    others = [choice for choice in choices if choice is not best]
    return Choice(
        best.trials + tuple(run for choice in others for run in choice.trials),
        best.validation + tuple(accuracy for choice in others for accuracy in choice.validation),
    )


def _compared(entries: Sequence[tuple[str, Choice, Run]], finals: Tables) -> list[dict[str, object]]:
    """A row an entry, (kind, choice, setting): scores, and rank and deficit among those that are not DEFAULT."""
    entries = [entry for entry in entries if len(final_runs(entry[2], finals.runs))]
    conditions = [final_runs(run, finals.runs) for _, _, run in entries]
    by_seed = [accuracies(finals, condition) for condition in conditions]
    rivals = [values for (kind, _, _), values in zip(entries, by_seed, strict=True) if kind != DEFAULT]
    best = max(rivals, key=lambda values: values.mean(), default=None)
    rows = [
        _row(choice, kind, run, finals, condition)
        | _interval("deficit", *paired(best, own))
        | {"rank": math.nan if kind == DEFAULT else 1 + sum(paired(other, own)[1] > 0 for other in rivals)}
        for (kind, choice, run), condition, own in zip(entries, conditions, by_seed, strict=True)
    ]
    return sorted(rows, key=lambda row: (row["kind"] == DEFAULT, -row["accuracy"], row["method"]))


def final_runs(run: Run, runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of runs.csv of a trial's settings on the final seeds, by seed."""
    wanted = [run.model_copy(update={"seed": seed}).run_id for seed in FINAL_SEEDS]
    return runs[runs["run_id"].isin(wanted)].sort_values("seed")


def paired(one: pd.Series, other: pd.Series) -> tuple[float, float, float]:
    """Mean of one - other, values by seed, over the seeds that both have, and its 95% interval; NaN without any."""
    difference = (one - other).dropna()
    if not len(difference):
        return math.nan, math.nan, math.nan
    mean, low, high = map(float, mean_interval(difference.to_numpy()))
    return mean, low, high


def over_nets(scores: pd.DataFrame, finals: Tables) -> pd.DataFrame:
    """A row a method that ran on all nets, tuned: interquartile mean of accuracy over nets and seeds.

    Its 95% interval: seeds are resampled together on all nets (Agarwal et al. 2021, arXiv:2108.13264, with this
    suite's intervals).
    """
    tuned, rows = scores[scores["kind"] == TUNED], []
    for method, part in tuned.groupby("method", sort=True):
        values = [
            accuracies(finals, finals.runs[finals.runs["run_id"].isin(json.loads(ids))])
            for ids in part["run_ids"]
        ]
        # A row a seed that ran on every net.
        table = pd.concat(values, axis=1).dropna().to_numpy()
        if len(part) < tuned.groupby(["dataset", "depth", "width"]).ngroups or not len(table):
            continue
        low, high = bootstrap(partial(_middle, table), len(table))
        rows.append({"method": method, "nets": len(part), "seeds": len(table), "accuracy": _middle(table),
                     "accuracy_low": float(low), "accuracy_high": float(high)})  # fmt: skip
    return pd.DataFrame(rows).sort_values("accuracy", ascending=False) if rows else pd.DataFrame()


def _middle(values: np.ndarray, rows: np.ndarray | slice = slice(None)) -> float:
    return float(scipy.stats.trim_mean(values[rows].reshape(-1), 0.25))


def accuracies(tables: Tables, condition: pd.DataFrame) -> pd.Series:
    """Discrete test accuracy at the end of each run of a condition, by seed."""
    values = comparisons.finals(tables.history, condition, "test_accuracy_discrete")
    return pd.Series(values, sorted(condition["seed"]))


def _interval(name: str, mean: float, low: float, high: float) -> dict[str, float]:
    return {name: mean, f"{name}_low": low, f"{name}_high": high}


def _row(choice: Choice, kind: str, run: Run, finals: Tables, condition: pd.DataFrame) -> dict[str, Any]:
    history, target = finals.history, TARGETS.get(run.dataset, math.nan)
    times = times_to_target(history, condition, target)
    half_reached = 2 * times.reached.sum() > len(times.time)
    milliseconds = 1e3 * comparisons.seconds_an_iteration(history, condition)
    row = {
        "dataset": run.dataset, "depth": run.depth, "width": run.width, "gates": run.depth * run.width,
        "method": run.method, "kind": kind, "seeds": len(condition),
    }  # fmt: skip
    measured = {
        "accuracy": accuracies(finals, condition).to_numpy(),
        "gap": comparisons.end_gaps(history, condition),
        "unused_share": unused_shares(finals, condition),
        "gates_left_share": _gates_left(finals, condition),
    }
    for name, values in measured.items():
        row |= _interval(name, *(float(x) for x in mean_interval(values)))
    trials = [v for v in choice.validation if not math.isnan(v)]
    return row | {
        "target": target,
        "reached": math.nan if math.isnan(target) else int(times.reached.sum()),
        # The median run, censored where it is: empty is later than the run's end.
        "iterations_to_target": float(np.median(times.time)) if half_reached else math.nan,
        "seconds_to_target": float(np.median(times.time) * np.min(milliseconds) / 1e3)
        if half_reached
        else math.nan,
        # The fastest of the seeds: what else ran on the machine only adds.
        "milliseconds_an_iteration": float(np.min(milliseconds)),
        "trials": len(choice.trials),
        "best_trial": max(trials, default=math.nan),
        "median_trial": float(np.median(trials)) if trials else math.nan,
        **{name: getattr(run, name) for name in _STATED},
        "backend": _only(condition, "environment_backend"),
        "threads": _only(condition, "environment_threads"),
        "processor": _only(condition, "environment_processor"),
        "version": _only(condition, "environment_lgn"),
        "command": train_command(run),
        "run_ids": json.dumps(list(condition["run_id"])),
    }


def train_command(run: Run) -> str:
    """What trains a final run again, on its first seed."""
    settings = run.model_copy(update={"seed": FINAL_SEEDS[0]}).model_dump(exclude_defaults=True)
    shown = (f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in settings.items())
    return f"lgn train {' '.join(shown)} --output run"


def _gates_left(finals: Tables, condition: pd.DataFrame) -> np.ndarray:
    """Share of a run's gates that its circuit has after synthesis, of the probe `use`; NaN where it was not taken."""
    if "use" not in finals.probes:
        return np.full(len(condition), np.nan)
    probe = finals.probe("use").set_index("run_id")
    share = probe["after_synthesis"].astype(float) / probe["neurons"]
    return share.reindex(condition["run_id"]).to_numpy(float)


def _only(condition: pd.DataFrame, column: str) -> str:
    values = sorted(set(condition[column].astype(str))) if column in condition else []
    return ", ".join(values)
