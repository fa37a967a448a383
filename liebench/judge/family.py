"""A family of metrics, each baseline against candidate in coin-ordered pairs: which are worse, better, same. Pure.

Each effect is the log of a cost ratio candidate / baseline of one pair (or a difference in a unit); above 0 is worse.
Two numbers decide: the ``floor``, below which nothing is called a difference at all, and the ``limit``, the contract.

worse         Holm over the family rejects "the effect is at most the floor", and the estimate is beyond the limit
better        the mirror of it
same          the whole interval lies inside the limit
inconclusive  else

Looks at 12, 24, 48, 96, 192 pairs, each with a fifth of alpha, so any of them may stop a metric; the family-wise
error of "worse" over all looks and metrics is at most 2.5 %, and so is that of "better", whatever the noise is,
because the coin makes both orders of a pair equally likely (Holm 1979; exact p of Wilcoxon's signed rank).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from liebench.contract import Outcome
from liebench.stats.intervals import ALPHA, Interval, both_sides, holm

Name = TypeVar("Name", bound=Hashable)
LOOKS = (12, 24, 48, 96, 192)
ALPHA_LOOK = ALPHA / len(LOOKS)  # two-sided
POWER_HALVES = 2.0  # a difference of floor + 2 half widths is found in about 80 % (measured: 76-88 %)


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one metric, as shares: 0.05 is 5 %. ``proves_same``: whether "same" is asked of it, or only "not worse"."""

    limit: float = 0.05
    floor: float = 0.01
    proves_same: bool = True

    @property
    def beyond(self) -> float:
        return math.log1p(self.limit)

    @property
    def least(self) -> float:
        return math.log1p(self.floor)


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One metric at one look. ``detectable``: the smallest rise this many pairs would find in 80 % of cases, a share.

    ``low`` and ``high`` are of the effect at this look's alpha; infinite where no interval exists yet.
    """

    outcome: Outcome
    estimate: float
    low: float
    high: float
    p: float  # of "at most the floor"
    n: int
    detectable: float
    p_better: float = 1.0  # of "at least minus the floor"

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2


def first_look(family: int) -> int:
    """The first look at which a family of so many metrics can say "worse": 2^-n <= alpha / 2 / looks / family."""
    enough = next(n for n in range(1, 200) if 2.0**-n <= ALPHA_LOOK / 2 / max(1, family))
    return next((look for look in LOOKS if look >= enough), LOOKS[-1])


def detectable(interval: Interval, floor: float) -> float:
    """The rise that so many pairs find in about 80 % of cases: floor and two half widths; infinite without interval."""
    if not math.isfinite(interval.half):
        return math.inf
    return math.expm1(math.log1p(floor) + POWER_HALVES * interval.half)


def pairs_needed(interval: Interval, limits: Limits) -> float:
    """How many pairs make a rise of the size of the limit detectable, by the width that this interval has."""
    room = limits.beyond - limits.least
    if not math.isfinite(interval.half) or room <= 0:
        return math.inf
    return interval.n * (POWER_HALVES * interval.half / room) ** 2


def judge_family(
    effects: Mapping[Name, Sequence[float]],
    limits: Mapping[Name, Limits],
    frozen: Mapping[Name, Judged],
) -> dict[Name, Judged]:
    """Words about every metric at one look. ``frozen`` ones keep theirs; the worse among them leave the family.

    A frozen "same" can no longer fall, but stays counted: that only makes the others harder to call.
    """
    tests = {n: both_sides(v, ALPHA_LOOK, limits[n].least) for n, v in effects.items() if n not in frozen}
    worse = _fallen({n: t[1] for n, t in tests.items()}, list(effects), frozen, Outcome.WORSE)
    better = _fallen({n: t[2] for n, t in tests.items()}, list(effects), frozen, Outcome.BETTER)
    judged = {}
    for name in effects:
        if name in frozen:
            judged[name] = frozen[name]
            continue
        (span, p, p_better), bounds = tests[name], limits[name]
        outcome = Outcome.INCONCLUSIVE
        if name in worse and span.estimate > bounds.beyond:
            outcome = Outcome.WORSE
        elif name in better and span.estimate < -bounds.beyond:
            outcome = Outcome.BETTER
        elif -bounds.beyond < span.low and span.high < bounds.beyond:
            outcome = Outcome.SAME
        judged[name] = Judged(
            outcome=outcome,
            estimate=span.estimate,
            low=span.low,
            high=span.high,
            p=p,
            n=span.n,
            detectable=detectable(span, bounds.floor),
            p_better=p_better,
        )
    return judged


def _fallen(
    ps: Mapping[Name, float], names: Sequence[Name], frozen: Mapping[Name, Judged], taken: Outcome
) -> set[Name]:
    """Which metrics exceed their floor to this side, family-wise."""
    family = [n for n in names if not (n in frozen and frozen[n].outcome is taken)]
    fallen = holm([ps.get(n, 1.0) for n in family], ALPHA_LOOK / 2)
    return {n for n, fell in zip(family, fallen, strict=True) if fell}


def settled(judged: Judged, limits: Limits) -> bool:
    """Whether more pairs cannot be needed."""
    return judged.outcome is not Outcome.INCONCLUSIVE or (not limits.proves_same and judged.high < limits.beyond)


def mirrored(judged: Judged) -> Judged:
    """The same statement with both sides exchanged."""
    swap = {Outcome.WORSE: Outcome.BETTER, Outcome.BETTER: Outcome.WORSE}
    return replace(
        judged,
        outcome=swap.get(judged.outcome, judged.outcome),
        estimate=-judged.estimate,
        low=-judged.high,
        high=-judged.low,
        p=judged.p_better,
        p_better=judged.p,
    )
