"""The decision rule: regions, the worse of two, looks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liebench.contract import Rhythm, Word
from liebench.judge.rule import LOOK_ALPHA, LOOKS, ORDER, decide, region, schedule, stop_reason
from liebench.stats import intervals
from liebench.stats.intervals import Interval, signed_rank_interval

settings.register_profile("fixed", derandomize=True, max_examples=80, deadline=None)
settings.load_profile("fixed")

B, H = math.log(1.05), math.log(1.20)


def normal(n: int, shift: float = 0.3, seed: int = 1) -> list[float]:
    return [float(v) for v in np.random.default_rng([n, seed]).standard_normal(n) + shift]


@given(st.lists(st.floats(-0.5, 0.5), min_size=12, max_size=24))
def test_swapped_arms_mirror_the_word(x: list[float]) -> None:
    one = decide(x, (), B, H, LOOK_ALPHA)
    other = decide([-v for v in x], (), B, H, LOOK_ALPHA)
    assert (one.word is Word.HONEST) == (other.word is Word.HONEST)
    assert (one.at_least in (Word.HARMLESS, Word.COSTLY)) == (other.word is Word.HELPFUL)


@given(st.floats(-1, 1), st.floats(0, 1), st.booleans())
def test_a_wider_interval_never_proves_more(low: float, width: float, target: bool) -> None:
    word, at_least, at_most = region(low, low + width, B, H, target)
    wide = region(low - 0.1, low + width + 0.1, B, H, target)
    assert wide[0] in (None, word)
    order = ORDER.index
    if not target:
        assert order(wide[1]) <= order(at_least) <= order(at_most) <= order(wide[2])
    if target:
        assert at_least is not Word.HELPFUL


@pytest.mark.parametrize(
    ("low", "high", "target", "expected"),
    [
        (-0.2, -0.1, False, (Word.HELPFUL, Word.HELPFUL, Word.HELPFUL)),
        (-B, B, False, (Word.HONEST, Word.HONEST, Word.HONEST)),
        (0.06, 0.18, False, (Word.HARMLESS, Word.HARMLESS, Word.HARMLESS)),
        (0.2, 9.0, False, (Word.COSTLY, Word.COSTLY, Word.COSTLY)),
        (0.06, 0.2, False, (None, Word.HARMLESS, Word.COSTLY)),
        (-math.inf, math.inf, False, (None, Word.HELPFUL, Word.COSTLY)),
        (-0.03, 0.02, True, (Word.HONEST, Word.HONEST, Word.HONEST)),
        (-0.2, 0.02, True, (None, Word.HONEST, Word.COSTLY)),
    ],
)
def test_regions(low: float, high: float, target: bool, expected: tuple[Word | None, Word, Word]) -> None:
    assert region(low, high, B, H, target) == expected


def test_worse_of_two_takes_the_higher_of_both_bounds() -> None:
    location, cost = normal(24, shift=0.0), [v + 5 for v in normal(24, shift=0.0, seed=2)]
    made = decide(location, cost, B, H, 0.0125)
    a, b = signed_rank_interval(location, 0.00625), signed_rank_interval(cost, 0.00625)
    assert (made.low, made.high) == (max(a.low, b.low), max(a.high, b.high))
    assert made.statistic == "mean"
    assert made.word is Word.COSTLY


def test_the_median_is_shown_where_the_mean_changes_nothing() -> None:
    x = [0.001 * v for v in normal(12, shift=0.0)]
    made = decide(x, [v + 0.0001 for v in x], B, H, 0.0125)
    assert (made.word, made.statistic) == (Word.HONEST, "median")


def test_the_shown_estimate_lies_in_the_interval() -> None:
    rng = np.random.default_rng(4)
    for _ in range(300):
        location, cost = rng.normal(rng.normal(0, 0.1), 0.1, (2, 12)) + rng.normal(0, 0.1, (2, 1))
        made = decide(location.tolist(), cost.tolist(), B, H, 0.05, target=bool(rng.random() < 0.5))
        assert made.low <= made.estimate <= made.high


def test_one_statistic_keeps_all_of_alpha() -> None:
    x = normal(12)
    assert decide(x, x, B, H, 0.0125).low == signed_rank_interval(x, 0.0125).low
    assert decide(x, (), B, H, 0.0125).cost is None


def test_a_deviation_to_either_side_is_worse_for_a_target() -> None:
    x = [v - 8 for v in normal(12)]
    made = decide(x, (), 1.0, 2.0, 0.0125, target=True)
    assert made.word is Word.COSTLY
    assert made.location.high < 0 < made.low
    assert Interval(-1.0, -3.0, 2.0, 5).magnitude() == Interval(1.0, 0.0, 3.0, 5)


def test_stop_reasons() -> None:
    honest = decide([0.0] * 12, (), B, H, 0.0125)
    assert stop_reason(honest, 12, LOOKS, 0.02) == "decided"
    near = decide([B + 0.001 * (i - 6) for i in range(12)], (), B, H, 0.0125)
    assert stop_reason(near, 12, LOOKS, 0.02) == "narrow"
    wide = decide([B + 0.1 * (i - 6) for i in range(12)], (), B, H, 0.0125)
    assert stop_reason(wide, 12, LOOKS, 0.02) == "continue"
    assert stop_reason(wide, 96, LOOKS, 0.02) == "last"


@pytest.mark.parametrize("rhythm", list(Rhythm))
def test_the_first_look_of_every_rhythm_can_decide(rhythm: Rhythm) -> None:
    looks, alpha = schedule(rhythm)
    share = alpha if rhythm is Rhythm.ONCE else alpha / 2  # `once` has a single statistic
    assert intervals.critical(looks[0], share) > 0
    assert alpha * len(looks) == pytest.approx(0.05)
