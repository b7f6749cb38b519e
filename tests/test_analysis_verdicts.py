"""Every branch of docs/verdicts.md on hand-made effects."""

import math

import pytest

from analysis.verdicts import Effect, Verdict, effect_verdict


def speed(point, low, high, **more):
    effect = Effect(point, low, high, **({"seeds": 3} | more))
    return effect_verdict(effect, no_effect=1.0, paper=4.5, logarithmic=True)[0]


def reduction(point, low, high, **more):
    effect = Effect(point, low, high, **({"seeds": 3} | more))
    return effect_verdict(effect, no_effect=0.0, paper=98.0, logarithmic=False)[0]


@pytest.mark.parametrize(
    "verdict, case",
    [
        (Verdict.REPRODUCED, (4.5, 4.0, 5.0)),
        (Verdict.REPRODUCED, (12.0, 9.0, 15.0)),
        # 4.5 ** 0.8 = 3.331: four fifths on a logarithmic scale.
        (Verdict.REPRODUCED, (3.34, 1.5, 9.0)),
        (Verdict.WEAKER, (3.32, 1.5, 9.0)),
        (Verdict.WEAKER, (1.2, 1.1, 1.3)),
        (Verdict.NOT_REPRODUCED, (1.5, 0.9, 4.0)),
        (Verdict.NOT_REPRODUCED, (1.0, 1.0, 1.0)),
        (Verdict.NOT_REPRODUCED, (0.3, 0.2, 0.5)),
    ],
)
def test_speed_up_by_interval_and_share(verdict, case):
    assert speed(*case) == verdict


@pytest.mark.parametrize(
    "verdict, case",
    [
        (Verdict.REPRODUCED, (98.0, 97.0, 99.0)),
        (Verdict.REPRODUCED, (78.5, 60.0, 90.0)),  # four fifths of 98 is 78.4
        (Verdict.WEAKER, (78.3, 60.0, 90.0)),
        (Verdict.NOT_REPRODUCED, (40.0, -5.0, 80.0)),
        (Verdict.NOT_REPRODUCED, (-50.0, -90.0, -10.0)),
    ],
)
def test_reduction_by_interval_and_share(verdict, case):
    assert reduction(*case) == verdict


def test_a_wide_interval_around_the_papers_value_buys_nothing():
    assert speed(1.5, 1.01, 20.0) == Verdict.WEAKER


def test_censored_glgn_is_not_reproduced_only_if_the_bound_shows_it():
    assert speed(math.nan, 0.0, 0.8, censored=True) == Verdict.NOT_REPRODUCED
    assert speed(math.nan, 0.0, 1.6, censored=True) == Verdict.UNDECIDED
    # Reached on average, yet not in every resample: a longer budget could still decide.
    assert speed(1.3, 0.0, 1.6, censored=True) == Verdict.UNDECIDED


def test_few_seeds_a_reason_or_an_undefined_interval_are_undecided():
    assert speed(4.5, 4.0, 5.0, seeds=2) == Verdict.UNDECIDED
    assert speed(4.5, math.nan, math.nan, seeds=1) == Verdict.UNDECIDED
    assert speed(4.5, math.nan, 5.0) == Verdict.UNDECIDED
    effect = Effect(4.5, 4.0, 5.0, 3, missing="the DLGN has not learnt")
    assert effect_verdict(effect, 1.0, 4.5, True) == (Verdict.UNDECIDED, "the DLGN has not learnt")


def test_the_reason_counts_seeds():
    assert effect_verdict(Effect(1, 1, 1, 1), 1.0, 4.5, True)[1] == "1 seed; a verdict takes 3"
    assert effect_verdict(Effect(1, 1, 1, 2), 1.0, 4.5, True)[1] == "2 seeds; a verdict takes 3"
