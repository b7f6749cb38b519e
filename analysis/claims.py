"""The paper's claims, measured at every scale of a preset at which both DLGN and GLGN ran."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import comparisons, measures, paper_values
from analysis.conditions import Setting, comparable, settings, shared_seeds
from analysis.output import duration, reduction_text
from analysis.statistics import bootstrap, mean_interval
from analysis.tidy import Tables
from analysis.unused import unused_shares
from analysis.verdicts import Effect, Verdict, effect_verdict
from lgn.errors import LgnError
from lgn.files import json_values, make_folder, require_ours

MIN_BASELINE_GAP = 0.005
"""Half a point: a baseline gap whose interval reaches below it is nothing to reduce."""

MIN_BASELINE_UNUSED = 0.01
"""Of the smallest nets measured here, 360 gates, fewer than four: too few to tell a reduction by four fifths.

A fiftieth of what the paper's DLGN leaves. It does not follow from the threshold, below which 2.5% of gates start.
"""

NO_VERDICT = "-"
"""Of the time an iteration: implementations and not methods decide it."""

NEAR_TARGET = 0.9
"""The top of a flat curve is reached late and by luck: the speed-up to nine tenths of it is reported beside."""

MACHINE = (
    "environment_processor",
    "environment_threads",
    "environment_device",
    "environment_gpu",
    "environment_backend",
    "environment_together",
)
"""Seconds compare only between runs that agree in these; together: seeds that shared each step of a GPU."""

DEFINITIONS = {
    "speed_seconds": "DLGN's training seconds to its best discrete test accuracy, over GLGN's to the same accuracy",
    "speed_iterations": "DLGN's iterations to its best discrete test accuracy, over GLGN's to the same accuracy",
    "gap_reduction": "how much smaller GLGN's |train-mode - discrete| test accuracy is at the end of training",
    "unused_reduction": "how many fewer neurons keep an entropy above the 2.5th percentile of N(0, 1) logits",
    "time_per_iteration": "GLGN's training seconds an iteration, over DLGN's",
}


def diverged(runs: pd.DataFrame) -> str:
    """Why the end of these runs says nothing, empty if none diverged: it is where one of them broke off."""
    broken = runs.loc[runs["status"] == "diverged", "run_id"]
    return f"diverged: {', '.join(broken)}" if len(broken) else ""


def unlike_machines(runs: pd.DataFrame) -> str:
    """Why seconds of these runs do not compare, empty if they do."""
    for column in MACHINE:
        values = sorted(map(str, runs[column].unique())) if column in runs else []
        if len(values) > 1:
            return f"runs differ in {column.removeprefix('environment_')}: {', '.join(values)}"
    return ""


def make_claims(tables: Tables) -> list[dict]:
    """Every claim at every comparable setting, in a fixed order; the fields are those of claims.json."""
    return [
        claim for setting in comparable(settings(tables.runs)) for claim in setting_claims(tables, setting)
    ]


def setting_claims(tables: Tables, setting: Setting) -> list[dict]:
    """The five claims at one setting, on the seeds that DLGN and GLGN share."""
    pair = _Pair(tables, setting)
    return [pair.speed("seconds"), pair.speed("iterations"), pair.gap(), pair.unused(), pair.cost()]


class _Pair:
    """DLGN and GLGN at one setting."""

    def __init__(self, tables: Tables, setting: Setting):
        self.setting, self.tables, self.history = setting, tables, tables.history
        self.dlgn, self.glgn = setting.conditions["dlgn"], setting.conditions["glgn"]
        self.seeds = shared_seeds(self.dlgn, self.glgn)
        self.n = len(self.seeds)
        both = pd.concat([self.dlgn, self.glgn])
        self.runs = both[both["seed"].isin(self.seeds)]

    def speed(self, unit: str) -> dict:
        name = f"speed_{unit}"
        paper = paper_values.SPEED_UP_SECONDS if unit == "seconds" else paper_values.SPEED_UP_ITERATIONS
        if not self.n:
            return self._claim(name, {"value": paper}, _nothing("DLGN and GLGN share no seed"))
        baseline = comparisons.curves(self.history, self.dlgn, self.seeds)
        other = comparisons.curves(self.history, self.glgn, self.seeds)
        low, high, interval_low, interval_high = (
            float(x[0]) for x in comparisons.speed_up(baseline, other, unit)
        )
        target = comparisons.best_accuracy(baseline)
        learnt = comparisons.learnt_accuracy(self.setting.dataset)
        missing = diverged(self.runs)
        if not missing and target < learnt:
            missing = f"the DLGN has not learnt: its best accuracy is {target:.1%}, below {learnt:.1%}"
        elif not missing and unit == "seconds":
            missing = unlike_machines(self.runs)
        censored = low != high
        point = math.nan if censored else high
        effect = Effect(point, interval_low, interval_high, self.n, interval_low == 0, missing)
        verdict, reason = effect_verdict(effect, no_effect=1.0, paper=paper, logarithmic=True)
        measured, detail = self._race(baseline, other, unit, target)
        measured = {
            "value": None if censored else high,
            "bound": {"below": high} if censored else None,
        } | measured
        text = f"{'< ' if censored else ''}{high:.3g}x"
        return self._claim(name, {"value": paper}, (effect, verdict, reason, measured, detail, text))

    def _race(
        self, baseline: comparisons.Curves, other: comparisons.Curves, unit: str, target: float
    ) -> tuple:
        """What stands beside a speed-up: both times, how many single runs get there, and the ratio short of the top."""
        seeds = comparisons.all_seeds(baseline)
        time, _ = comparisons.times_to(baseline, np.array([target]), seeds, unit)
        other_time, end = comparisons.times_to(other, np.array([target]), seeds, unit)
        near_low, near_high, _, _ = comparisons.speed_up(baseline, other, unit, share=NEAR_TARGET)
        reached = {
            method: comparisons.runs_reaching(self.history, self._shared(runs), target)
            for method, runs in (("dlgn", self.dlgn), ("glgn", self.glgn))
        }
        there, near_known = bool(np.isfinite(other_time[0])), near_low[0] == near_high[0]
        measured = {
            "dlgn": float(time[0]),
            "glgn": float(other_time[0]) if there else None,
            "glgn_censored_at": None if there else end,
            "target_accuracy": target,
            "runs_reaching_target": reached,
            "value_near_target": float(near_high[0]) if near_known else None,
        }
        detail = (
            f"target {target:.1%}: DLGN after {duration(time[0])} {unit}, GLGN "
            + (f"after {duration(other_time[0])}" if there else f"not within {duration(end)}")
            + f" (means of {self.n}); single runs there: DLGN {reached['dlgn']}, GLGN {reached['glgn']} of {self.n};"
            + f" to {NEAR_TARGET:.0%} of the target: {'' if near_known else '< '}{near_high[0]:.3g}x"
        )
        return measured, detail

    def gap(self) -> dict:
        paper = {"value": paper_values.GAP_REDUCTION_PERCENT, **paper_values.GAP}
        if not self.n:
            return self._claim("gap_reduction", paper, _nothing("DLGN and GLGN share no seed"))
        dlgn, glgn = (comparisons.end_gaps(self.history, runs, self.seeds) for runs in (self.dlgn, self.glgn))
        return self._reduction("gap_reduction", paper, dlgn, glgn, MIN_BASELINE_GAP, "gap")

    def unused(self) -> dict:
        paper = {"value": paper_values.UNUSED_REDUCTION_PERCENT, **paper_values.UNUSED_SHARE}
        if not self.n:
            return self._claim("unused_reduction", paper, _nothing("DLGN and GLGN share no seed"))
        dlgn, glgn = (unused_shares(self.tables, runs, self.seeds) for runs in (self.dlgn, self.glgn))
        return self._reduction("unused_reduction", paper, dlgn, glgn, MIN_BASELINE_UNUSED, "unused share")

    def cost(self) -> dict:
        paper = {"value": paper_values.TIME_PER_ITERATION}
        if not self.n:
            nothing = _nothing("DLGN and GLGN share no seed", NO_VERDICT)
            return self._claim("time_per_iteration", paper, nothing)
        dlgn, glgn = (
            comparisons.seconds_an_iteration(self.history, runs, self.seeds)
            for runs in (self.dlgn, self.glgn)
        )
        point = float(glgn.mean() / dlgn.mean())
        low, high = bootstrap(lambda seeds: glgn[seeds].mean() / dlgn[seeds].mean(), self.n)
        effect = Effect(point, float(low), float(high), self.n)
        reason = unlike_machines(self.runs) or "no verdict: this compares implementations"
        backends = ", ".join(sorted(map(str, set(self.runs.get("environment_backend", [])))))
        times = f"DLGN {1e3 * dlgn.mean():.3g} ms, GLGN {1e3 * glgn.mean():.3g} ms"
        detail = f"{times} with this suite's kernels ({backends})"
        measured = {"value": point, "bound": None, "dlgn": float(dlgn.mean()), "glgn": float(glgn.mean())}
        text = f"{point:.3f}x"
        return self._claim("time_per_iteration", paper, (effect, NO_VERDICT, reason, measured, detail, text))

    def _reduction(
        self, name: str, paper: dict, dlgn: np.ndarray, glgn: np.ndarray, floor: float, noun: str
    ) -> dict:
        """A claim "GLGN's is x percent below DLGN's" about two paired (n,) shares."""
        _, base_low, base_high = mean_interval(dlgn)
        missing = diverged(self.runs) or self._unlearnt()
        lowest = dlgn.mean() if self.n < 2 else base_low
        if not missing and lowest < floor:
            within = "" if self.n < 2 else f" [{base_low:.2%}, {base_high:.2%}]"
            missing = f"the DLGN has no {noun} to reduce: {dlgn.mean():.2%}{within}, floor {floor:.1%}"
        point = measures.reduction_percent(dlgn.mean(), glgn.mean()) if dlgn.mean() >= floor else math.nan
        low, high = bootstrap(lambda s: measures.reduction_percent(dlgn[s].mean(), glgn[s].mean()), self.n)
        if math.isnan(point):
            low = high = math.nan
        effect = Effect(point, float(low), float(high), self.n, missing=missing)
        verdict, reason = effect_verdict(effect, no_effect=0.0, paper=paper["value"], logarithmic=False)
        measured = {"value": point, "bound": None, "dlgn": float(dlgn.mean()), "glgn": float(glgn.mean())}
        detail = f"{noun}: DLGN {dlgn.mean():.2%}, GLGN {glgn.mean():.2%} (means of {self.n})"
        text = "-" if math.isnan(point) else reduction_text(point)
        return self._claim(name, paper, (effect, verdict, reason, measured, detail, text))

    def _shared(self, runs: pd.DataFrame) -> pd.DataFrame:
        return runs[runs["seed"].isin(self.seeds)]

    def _unlearnt(self) -> str:
        """Why gap and unused share say nothing yet: a net at chance has no gap, and no use for its gates."""
        learnt = comparisons.learnt_accuracy(self.setting.dataset)
        for label, runs in (("DLGN", self.dlgn), ("GLGN", self.glgn)):
            reached = comparisons.end_accuracy(self.history, runs, self.seeds)
            if reached < learnt:
                return f"the {label} has not learnt: train-mode accuracy {reached:.1%} at the end, below {learnt:.1%}"
        return ""

    def _claim(self, name: str, paper: dict, found: tuple) -> dict:
        effect, verdict, reason, measured, detail, text = found
        last = {
            method: int(part["final_iteration"].max())
            for method, part in (("dlgn", self._shared(self.dlgn)), ("glgn", self._shared(self.glgn)))
            if len(part)
        }
        return {
            "claim": name,
            "definition": DEFINITIONS[name],
            "paper": paper | {"citation": paper_values.CITATION, "scale": paper_values.SCALE},
            "measured": measured,
            "measured_text": text,
            "interval": [effect.low, effect.high],
            "seeds": self.seeds,
            "scale": {
                "dataset": self.setting.dataset,
                "depth": self.setting.depth,
                "width": self.setting.width,
                **self.setting.recipe,
                "glgn_temperature": float(self.glgn["temperature"].iloc[0]),
                "iterations": last,
            },
            "verdict": str(verdict),
            "reason": reason,
            "detail": detail,
        }


def _nothing(why: str, verdict: str = Verdict.UNDECIDED) -> tuple:
    missing = Effect(math.nan, math.nan, math.nan, 0, missing=why)
    nothing = {"value": None, "bound": None, "dlgn": None, "glgn": None}
    return missing, verdict, why, nothing, why, "-"


def write_claims(claims: list[dict], path: Path) -> None:
    """claims.json; null stands for a missing or infinite number."""
    make_folder(path.parent)
    require_ours(path, "[")
    path.write_text(
        json.dumps(json_values(claims), indent=2, allow_nan=False, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )


def read_claims(path: Path) -> list[dict]:
    """The claims of a preset. Raises LgnError naming the file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LgnError(
            f"{path}: is missing; allowed: a folder that `python -m analysis claims` has filled"
        ) from None
    except (OSError, ValueError) as error:
        raise LgnError(f"{path}: cannot be read as JSON ({' '.join(str(error).split())})") from None
