"""The rule that turns a measured effect into a verdict; docs/verdicts.md states it in words and says why."""

import math
from dataclasses import dataclass
from enum import StrEnum

MIN_SEEDS = 3
ENOUGH = 0.8
"""Share of the paper's effect that counts as reproducing it."""


class Verdict(StrEnum):
    """The four words a claim can get."""

    REPRODUCED = "reproduced"
    WEAKER = "weaker"
    NOT_REPRODUCED = "not reproduced"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Effect:
    """A measured effect. low, high: its 95% interval; point: the measured value, NaN where it is missing.

    censored: some resamples only bound the effect, so an end of the interval is a bound, not an estimate.
    missing: why it could not be determined, empty if it could.
    """

    point: float
    low: float
    high: float
    seeds: int
    censored: bool = False
    missing: str = ""


def effect_verdict(effect: Effect, no_effect: float, paper: float, logarithmic: bool) -> tuple[Verdict, str]:
    """Verdict and reason for a claim "larger than no_effect, as large as paper" (paper > no_effect).

    logarithmic: compare factors (speed-up) and not differences (percent).
    """
    undecided = _undecided(effect)
    if undecided:
        return Verdict.UNDECIDED, undecided
    if effect.high < no_effect:
        return Verdict.NOT_REPRODUCED, "the interval lies on the other side of no effect"
    if effect.low <= no_effect and effect.censored:
        return Verdict.UNDECIDED, "the budget only bounds the effect, and the bound does not decide"
    if effect.low <= no_effect:
        return Verdict.NOT_REPRODUCED, "the interval includes no effect"
    share = _share(effect.point, no_effect, paper, logarithmic)
    reason = f"{100 * share:.0f}% of the paper's effect" + (
        " (on a logarithmic scale)" if logarithmic else ""
    )
    return (Verdict.REPRODUCED if share >= ENOUGH else Verdict.WEAKER), reason


def _undecided(effect: Effect) -> str:
    if effect.missing:
        return effect.missing
    if effect.seeds < MIN_SEEDS:
        return f"{effect.seeds} seed{'s' * (effect.seeds != 1)}; a verdict takes {MIN_SEEDS}"
    if math.isnan(effect.low) or math.isnan(effect.high):
        return "the interval is not defined in every resample of the seeds"
    return ""


def _share(value: float, no_effect: float, paper: float, logarithmic: bool) -> float:
    if logarithmic:
        return math.log(value / no_effect) / math.log(paper / no_effect)
    return (value - no_effect) / (paper - no_effect)
