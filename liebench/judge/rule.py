"""The decision rule: looks, regions, the worse of two proven words. Pure.

Rule 1, the worse of two: location (median of samples) and cost (mean of samples) get an interval each, at half of
the look's alpha. Their maximum lies in [max of the lows, max of the highs]; the word is the one region that holds
this interval. A look spends the same share of alpha as every other look, so any of them may stop the case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from liebench.contract import Rhythm, Word
from liebench.stats.intervals import ALPHA, Interval, signed_rank_interval

RULE = 1  # version of the decision rule; `liebench verify` recomputes a log under its own version
LOOKS = (12, 24, 48, 96)  # blocks or windows
VISIT_LOOKS = (8, 12, 24)
ONCE_LOOKS = (6,)
LOOK_ALPHA = ALPHA / len(LOOKS)
ORDER = (Word.HELPFUL, Word.HONEST, Word.HARMLESS, Word.COSTLY)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What one look may say. ``low`` and ``high`` are the worse-of-two interval (of magnitudes for a target)."""

    word: Word
    at_least: Word
    at_most: Word
    estimate: float
    low: float
    high: float
    statistic: str  # "median" or "mean": whose estimate is shown
    location: Interval
    cost: Interval | None

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2


def schedule(rhythm: Rhythm) -> tuple[tuple[int, ...], float]:
    """The planned looks of a rhythm, in units of replication, and the alpha of each of them."""
    looks = {Rhythm.VISIT: VISIT_LOOKS, Rhythm.ONCE: ONCE_LOOKS}.get(rhythm, LOOKS)
    return looks, ALPHA / len(looks)


def word_at(effect: float, b: float, h: float) -> Word:
    """The region of one point: helpful below -b, honest [-b, b], harmless (b, h], costly above h."""
    return ORDER[(effect >= -b) + (effect > b) + (effect > h)]


def region(low: float, high: float, b: float, h: float, target: bool = False) -> tuple[Word | None, Word, Word]:
    """(word or None, at least, at most) for an interval. ``target``: of magnitudes, where nothing is helpful."""
    if target and low < 0:
        low, high = 0.0, max(abs(low), abs(high))
    at_least, at_most = word_at(low, b, h), word_at(high, b, h)
    return (at_least if at_least is at_most else None), at_least, at_most


def decide(
    location: Sequence[float], cost: Sequence[float], b: float, h: float, alpha: float, target: bool = False
) -> Decision:
    """Rule 1 on the effects of all blocks so far, at one look's ``alpha``.

    An empty ``cost``, or one equal to ``location``, means that one statistic carries the verdict with all of alpha.
    """
    if not cost or list(cost) == list(location):
        return decision(signed_rank_interval(location, alpha), None, b, h, target)
    return decision(signed_rank_interval(location, alpha / 2), signed_rank_interval(cost, alpha / 2), b, h, target)


def decision(location: Interval, cost: Interval | None, b: float, h: float, target: bool = False) -> Decision:
    """The words for one interval, or for the worse of two."""
    first = location.magnitude() if target else location
    second = first if cost is None else cost.magnitude() if target else cost
    low, high = max(first.low, second.low), max(first.high, second.high)
    word, at_least, at_most = region(low, high, b, h, target)
    alone = region(first.low, first.high, b, h, target)[1:]
    # One of the two estimates always lies in the worse-of-two interval; the mean is shown where it decides.
    pushed = alone != (at_least, at_most) and low <= second.estimate <= high
    shown = "mean" if cost is not None and (pushed or not low <= first.estimate <= high) else "median"
    estimate = second.estimate if shown == "mean" else first.estimate
    return Decision(
        word=word or Word.INCONCLUSIVE,
        at_least=at_least,
        at_most=at_most,
        estimate=estimate,
        low=low,
        high=high,
        statistic=shown,
        location=location,
        cost=cost,
    )


def stop_reason(made: Decision, units: int, looks: Sequence[int], narrow: float) -> str:
    """Why a case may stop after this look: ``decided``, ``narrow``, ``last``; else ``continue``."""
    if made.word is not Word.INCONCLUSIVE:
        return "decided"
    if made.half < narrow:
        return "narrow"
    return "last" if units >= looks[-1] else "continue"
