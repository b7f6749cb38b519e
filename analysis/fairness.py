"""Is the comparison fair? The claims' speed-up under other clocks, and against DLGN at difflogic's own grad_factor.

Target, times and intervals are those of the claims (analysis.comparisons, docs/verdicts.md). What changes is the clock,
or which DLGN is the baseline.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis import comparisons
from analysis.claims import NEAR_TARGET, diverged, unlike_machines
from analysis.comparisons import Curves
from analysis.conditions import Setting, comparable, settings, shared_seeds
from analysis.paper_values import OFFICIAL_BATCH, OFFICIAL_EVALUATION_INTERVAL, OFFICIAL_PASSES
from analysis.tidy import Tables
from lgn.data.files import dataset_info
from lgn.methods import MODES

PAPER_GRAD_FACTOR, DEEP_GRAD_FACTOR = 1.0, 2.0
"""The paper's baseline ran at 1; difflogic's README asks for 2 beyond 6 layers."""

COLUMNS = (
    "dataset", "depth", "width", "recipe", "glgn_temperature", "accounting", "clock", "baseline", "other", "seeds",
    "target_accuracy", "speed_up", "speed_up_below", "speed_up_low", "speed_up_high", "near_target",
    "near_target_below", "near_target_low", "near_target_high", "evaluation_share_baseline", "evaluation_share_other",
    "caveat",
)  # fmt: skip
SHOWN = (
    "scale", "clock", "baseline", "other", "seeds", "target acc. %", "speed-up to the target",
    f"to {NEAR_TARGET:.0%} of the target", "of the clock in evaluation, %", "caveat",
)  # fmt: skip

CLOCKS = {
    # name -> in words: the official code's counts an evaluation every 2,000 iterations
    "iterations": "iterations",
    "training": "training seconds",
    "official": "official clock",
    "paper_share": "official clock, the paper's share",
}
METHODS = {"dlgn": "DLGN", "glgn": "GLGN", "dlgn_grad_factor_2": "DLGN, grad_factor 2"}


@dataclass(frozen=True)
class Accounting:
    """One way to count: a clock of CLOCKS, the baseline, whose best is the target, and who races against it."""

    name: str
    clock: str
    baseline: str
    other: str


ACCOUNTINGS = (
    Accounting("iterations", "iterations", "dlgn", "glgn"),
    Accounting("training", "training", "dlgn", "glgn"),
    Accounting("official", "official", "dlgn", "glgn"),
    Accounting("paper_share", "paper_share", "dlgn", "glgn"),
    Accounting("training_grad_factor_2", "training", "dlgn_grad_factor_2", "glgn"),
    Accounting("official_grad_factor_2", "official", "dlgn_grad_factor_2", "glgn"),
    # GLGN takes no part in the last: what the baseline's own handicap is worth.
    Accounting("grad_factor_2_alone", "training", "dlgn", "dlgn_grad_factor_2"),
)


@dataclass(frozen=True)
class Race:
    """The speed-up of `other` over `baseline` under one accounting: (low, high, interval low, interval high) each.

    low < high where censored: the ratio then lies between. near: to NEAR_TARGET of the target. evaluation: share of
    the baseline's and of the other's clock that evaluation takes, NaN on a clock without it.
    """

    accounting: Accounting
    seeds: list[int]
    target: float
    ratio: tuple[float, float, float, float]
    near: tuple[float, float, float, float]
    evaluation: tuple[float, float]
    caveat: str


def compared(runs: pd.DataFrame) -> list[Setting]:
    """Settings where DLGN and GLGN share seeds."""
    return [s for s in comparable(settings(runs)) if shared_seeds(s.conditions["dlgn"], s.conditions["glgn"])]


def deep_baseline(setting: Setting, found: list[Setting]) -> pd.DataFrame | None:
    """The DLGN that differs from a setting's own in grad_factor alone, 2 in place of 1; None where none ran.

    It is a setting of its own by its recipe, so the pair crosses settings.
    """
    if not _at(setting, PAPER_GRAD_FACTOR):
        return None
    for other in found:
        same = (other.dataset, other.depth, other.width) == (setting.dataset, setting.depth, setting.width)
        if same and _but_grad_factor(other) == _but_grad_factor(setting) and _at(other, DEEP_GRAD_FACTOR):
            return other.conditions["dlgn"]
    return None


def images_evaluated(run: pd.Series) -> int:
    """Images that went through the network for one row of a run's history: three modes of three splits."""
    info = dataset_info(run["dataset"])
    train = _trained_on(run)
    held_out = info.train_images - train
    return len(MODES) * (min(int(run["train_evaluation_images"]), train) + held_out + info.test_images)


def official_images(run: pd.Series) -> float:
    """Images an iteration that the official code's evaluation would put through the network on this run's data.

    Every 2,000 iterations: training images twice (train mode, eval mode), test images a third time (bit-packed).
    """
    train_passes, test_passes = OFFICIAL_PASSES
    images = train_passes * _trained_on(run) + test_passes * dataset_info(run["dataset"]).test_images
    return images / OFFICIAL_EVALUATION_INTERVAL


def paper_share_images(run: pd.Series) -> float:
    """Images an iteration if evaluation is as large a share of all images as in the paper: 130 for 256 trained on.

    That is CIFAR-10's 50,000 and 10,000 images at batch 128. A small data set is evaluated in no time every 2,000
    iterations, a small batch trained on in none.
    """
    info = dataset_info("cifar10")
    train_passes, test_passes = OFFICIAL_PASSES
    images = train_passes * info.train_images + test_passes * info.test_images
    return run["batch_size"] * images / (OFFICIAL_EVALUATION_INTERVAL * OFFICIAL_BATCH)


_EVALUATED: dict[str, Callable[[pd.Series], float]] = {
    "official": official_images,
    "paper_share": paper_share_images,
}


def seconds_an_image(part: pd.DataFrame, run: pd.Series) -> float:
    """Seconds of evaluation an image, from a run's history: all that its clock of training leaves out between two rows.

    The median over the rows, since some intervals hold the writing of a checkpoint. Entropies and gate counts of a
    row are in it: an upper bound on the forward passes. Seeds that train in one launch wait for each other's
    evaluations, as the training clock of each counts the steps of all.
    """
    outside = np.diff(part["elapsed_seconds"].to_numpy(float) - part["training_seconds"].to_numpy(float))
    return float(np.median(outside)) / images_evaluated(run)


def evaluation_seconds(
    history: pd.DataFrame, condition: pd.DataFrame, seeds: list[int], clock: str
) -> np.ndarray:
    """(n,) seconds of evaluation that a clock counts for each iteration, by seed; 0 on a clock without it."""
    if clock not in _EVALUATED:
        return np.zeros(len(seeds))
    shared = condition[condition["seed"].isin(seeds)].sort_values("seed")
    parts = comparisons.histories(history, shared)
    return np.array(
        [
            seconds_an_image(part, run) * _EVALUATED[clock](run)
            for part, (_, run) in zip(parts, shared.iterrows(), strict=True)
        ]
    )


def with_evaluation(of: Curves, seconds: np.ndarray) -> Curves:
    """Curves whose clock also counts (n,) seconds of evaluation per iteration, spread evenly."""
    return replace(of, seconds=of.seconds + seconds[:, None] * of.iterations)


def races(tables: Tables, setting: Setting, found: list[Setting]) -> list[Race]:
    """The speed-up at a setting under every accounting that has its runs; found: all settings of the preset."""
    runs = {method: setting.conditions[method] for method in ("dlgn", "glgn")}
    deep = deep_baseline(setting, found)
    if deep is not None:
        runs["dlgn_grad_factor_2"] = deep
    return [
        _race(tables.history, setting.dataset, accounting, runs[accounting.baseline], runs[accounting.other])
        for accounting in ACCOUNTINGS
        if {accounting.baseline, accounting.other} <= set(runs)
        and shared_seeds(runs[accounting.baseline], runs[accounting.other])
    ]


def _race(
    history: pd.DataFrame, dataset: str, accounting: Accounting, baseline: pd.DataFrame, other: pd.DataFrame
) -> Race:
    seeds = shared_seeds(baseline, other)
    unit = "iterations" if accounting.clock == "iterations" else "seconds"
    clocked, shares = [], []
    for condition in (baseline, other):
        extra = evaluation_seconds(history, condition, seeds, accounting.clock)
        clocked.append(with_evaluation(comparisons.curves(history, condition, seeds), extra))
        training = comparisons.seconds_an_iteration(history, condition, seeds)
        shares.append(
            float((extra / (extra + training)).mean()) if accounting.clock in _EVALUATED else math.nan
        )
    first, second = clocked
    target = comparisons.best_accuracy(first)
    return Race(
        accounting,
        seeds,
        target,
        _first(comparisons.speed_up(first, second, unit)),
        _first(comparisons.speed_up(first, second, unit, share=NEAR_TARGET)),
        (shares[0], shares[1]),
        _caveat(dataset, target, unit, pd.concat([baseline, other]), seeds),
    )


def fairness_values(tables: Tables) -> pd.DataFrame:
    """A row a comparable setting and accounting: speed-ups with 95% intervals over paired seeds.

    Where `other` never gets there within its budget the speed-up is empty and speed_up_below bounds it; so near_target.
    """
    found = settings(tables.runs)
    rows = []
    for setting in compared(tables.runs):
        place = {"dataset": setting.dataset, "depth": setting.depth, "width": setting.width}
        place |= {"recipe": setting.recipe_text}
        place |= {"glgn_temperature": float(setting.conditions["glgn"]["temperature"].iloc[0])}
        rows += [place | _row(race) for race in races(tables, setting, found)]
    return pd.DataFrame(rows, columns=COLUMNS)


def fairness_shown(values: pd.DataFrame) -> pd.DataFrame:
    """fairness_values as text, for readers."""
    rows = []
    for _, row in values.iterrows():
        size = f"{row['dataset']}, {row['depth']} x {row['width']:,}"
        evaluation = [row["evaluation_share_baseline"], row["evaluation_share_other"]]
        cells = (
            ", ".join(filter(None, [size, row["recipe"], f"tau {row['glgn_temperature']:g}"])),
            CLOCKS[row["clock"]],
            METHODS[row["baseline"]],
            METHODS[row["other"]],
            row["seeds"],
            f"{100 * row['target_accuracy']:.1f}",
            _ratio_text(row, "speed_up"),
            _ratio_text(row, "near_target"),
            "-" if np.isnan(evaluation).any() else " and ".join(f"{100 * share:.1f}" for share in evaluation),
            row["caveat"] or "-",
        )
        rows.append(cells)
    return pd.DataFrame(rows, columns=SHOWN)


def _row(race: Race) -> dict[str, object]:
    counted = race.accounting
    row: dict[str, object] = {"accounting": counted.name, "clock": counted.clock}
    row |= {"baseline": counted.baseline, "other": counted.other}
    row |= {"seeds": len(race.seeds), "target_accuracy": race.target}
    for name, (low, high, interval_low, interval_high) in (
        ("speed_up", race.ratio),
        ("near_target", race.near),
    ):
        censored = low != high
        row |= {name: math.nan if censored else high, f"{name}_below": high if censored else math.nan}
        row |= {f"{name}_low": interval_low, f"{name}_high": interval_high}
    row |= dict(zip(("evaluation_share_baseline", "evaluation_share_other"), race.evaluation, strict=True))
    return row | {"caveat": race.caveat}


def _ratio_text(row: pd.Series, name: str) -> str:
    """0.91x [0.9x, 0.95x]; < 0.55x [0x, 1.1x] where only a bound is known"""
    censored = math.isnan(row[name])
    text = f"< {row[f'{name}_below']:.3g}x" if censored else f"{row[name]:.3g}x"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return text if math.isnan(low) or math.isnan(high) else f"{text} [{low:.3g}x, {high:.3g}x]"


def _caveat(dataset: str, target: float, unit: str, runs: pd.DataFrame, seeds: list[int]) -> str:
    """Why this race says little, if it does: the reasons that the claims have for "undecided" beforehand."""
    shared = runs[runs["seed"].isin(seeds)]
    if diverged(shared):
        return "runs diverged"
    if target < comparisons.learnt_accuracy(dataset):
        return "the baseline has not learnt"
    return unlike_machines(shared) if unit == "seconds" else ""


def _first(found: tuple[np.ndarray, ...]) -> tuple[float, float, float, float]:
    low, high, interval_low, interval_high = (float(values[0]) for values in found)
    return low, high, interval_low, interval_high


def _trained_on(run: pd.Series) -> int:
    """Training images that are not held out for validation; lgn.data rounds a class at a time, this all at once."""
    return round(dataset_info(run["dataset"]).train_images * (1 - run["validation_share"]))


def _at(setting: Setting, grad_factor: float) -> bool:
    dlgn = setting.conditions.get("dlgn")
    return dlgn is not None and (dlgn["grad_factor"] == grad_factor).all()


def _but_grad_factor(setting: Setting) -> dict[str, object]:
    return {name: value for name, value in setting.recipe.items() if name != "grad_factor"}
