"""Whole experiments on noise: blocks of two repetitions ordered by a coin, looks, verdicts by liebench.judge.rule.

Which noise *allows* a lie to be found is settled on experiments without one, before any lie is planted: a lie of
size e beyond a limit m needs log(1 + e) - log(m) >= 1.6 half widths (the interval at alpha 0.00625 is 2.73 standard
errors to a side, and 95 % power takes 1.645 more), and 95 % of the experiments must reach such an interval in 96
blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from liebench.contract import Rhythm, Word
from liebench.judge.rule import LOOK_ALPHA, LOOKS, ORDER, Decision, decide, schedule, stop_reason
from liebench.stats.intervals import signed_rank_interval

from tests.helpers.noise_models import SOURCES, Floats, noise

MATTERS, HURTS = math.log(1.05), math.log(1.20)
NARROW = math.log(1.02)
SAMPLES, BLOCKS = 20, LOOKS[-1]
POWER = 1 + 1.645 / 2.73
WIDE_ALLOWED = 0.05


@dataclass(frozen=True)
class Effects:
    """Log cost ratios under no change, shape (sessions, blocks)."""

    location: Floats
    cost: Floats


def to_effects(x: Floats, rng: np.random.Generator) -> Effects:
    """Blocks from consecutive repetitions: a coin decides which of the two is the promised arm."""
    sessions, repetitions, _ = x.shape
    sign = np.where(rng.random((sessions, repetitions // 2)) < 0.5, 1.0, -1.0)
    location, cost = np.median(x, axis=2), np.log(np.mean(np.exp(x), axis=2))
    return Effects(*(sign * (v[:, 1::2] - v[:, 0::2]) for v in (location, cost)))


@cache
def no_change(source: str, sessions: int, seed: int = 20161, blocks: int = BLOCKS) -> Effects:
    rng = np.random.default_rng([seed, SOURCES.index(source)])
    return to_effects(noise(source, sessions, 2 * blocks, SAMPLES, rng), rng)


def sequential(location: Floats, cost: Floats, rhythm: Rhythm = Rhythm.BLOCK) -> tuple[Decision, int, str]:
    """Looks until one of them stops the case: (decision, blocks, why)."""
    looks, alpha = schedule(rhythm)
    for n in looks:
        made = decide(location[:n].tolist(), cost[:n].tolist(), MATTERS, HURTS, alpha)
        why = stop_reason(made, n, looks, NARROW)
        if why != "continue":
            break
    return made, n, why


@dataclass(frozen=True)
class Rates:
    """What became of the experiments of one cell."""

    words: tuple[Word, ...]
    at_least: tuple[Word, ...]
    stops: tuple[str, ...]
    blocks: float

    def share(self, *words: Word) -> float:
        return sum(w in words for w in self.words) / len(self.words)

    def proves(self, word: Word) -> list[bool]:
        """For every session, whether it proved ``word`` or worse."""
        return [w in ORDER[ORDER.index(word) :] for w in self.at_least]

    def proven(self, word: Word) -> float:
        return sum(self.proves(word)) / len(self.words)


def rates(source: str, change: float, sessions: int, seed: int = 20161) -> Rates:
    """Plant a lie of this size (0.10: ten percent) by multiplication and judge every session."""
    found = no_change(source, sessions, seed)
    shift = math.log1p(change)
    rows = [sequential(a + shift, b + shift) for a, b in zip(found.location, found.cost, strict=True)]
    return Rates(
        tuple(r[0].word for r in rows),
        tuple(r[0].at_least for r in rows),
        tuple(r[2] for r in rows),
        float(np.mean([r[1] for r in rows])),
    )


@cache
def half_widths(source: str, sessions: int, seed: int = 20161) -> tuple[float, ...]:
    """Half widths of the better of both statistics at 96 blocks without a change: one proven is enough to find."""
    found = no_change(source, sessions, seed)
    return tuple(
        min(signed_rank_interval(v.tolist(), LOOK_ALPHA / 2).half for v in pair)
        for pair in zip(found.location, found.cost, strict=True)
    )


def allowing(source: str, change: float, limit: float, sessions: int, seed: int = 20161) -> list[bool]:
    """Which sessions have noise that lets a lie be proven beyond a limit; asked of them without a lie."""
    needed = (math.log1p(change) - limit) / POWER
    return [half <= needed for half in half_widths(source, sessions, seed)]


def allows(source: str, change: float, limit: float, sessions: int, seed: int = 20161) -> bool:
    """Whether this noise as a whole does: 95 % of its sessions do."""
    return sum(allowing(source, change, limit, sessions, seed)) >= (1 - WIDE_ALLOWED) * sessions


def coverage(values: Floats, truth: float = 0.0, alpha: float = 0.05) -> tuple[int, int]:
    """How many of the rows' plain intervals hold the truth, of how many."""
    spans = [signed_rank_interval(row.tolist(), alpha) for row in values]
    return sum(s.low <= truth <= s.high for s in spans), len(spans)
