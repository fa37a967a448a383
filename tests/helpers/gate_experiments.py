"""Whole gates on noise: builds of 20 metrics in coin-ordered pairs, judged by ``gate.pairs.Family`` at its looks.

One stream of noise runs through a build. In every round each open metric takes its turn in random order: baseline
and candidate back to back, a repetition of 20 samples each, a coin decides which comes first. Metrics whose question
is settled get no more pairs. A change is planted by multiplication, into the first metric only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from liebench.contract import Arm, Case, Outcome
from liebench.gate.pairs import STATISTICS, Family, Metric, Question, questions
from liebench.gate.policy import TAIL, Policy

from tests.helpers.noise_models import SOURCES, TRACES, Floats, simulate, trace

METRICS, SAMPLES = 20, 20
REPETITION_S, OVERHEAD = 0.020, 1.15


@dataclass(frozen=True)
class Setting:
    """``change`` of the first metric and ``limit`` of the gate, as shares; a tail's limit is twice that."""

    change: float
    limit: float
    floor: float = 0.01

    @property
    def says(self) -> str:
        return (
            f"+{100 * self.change:g} %, limit {100 * self.limit:g} %"
            if self.change
            else f"no change, limit {100 * self.limit:g} %"
        )


STILL, FOUND, STILL_TIGHT, FOUND_TIGHT = (Setting(*s) for s in ((0, 0.05), (0.075, 0.05), (0, 0.03), (0.05, 0.03)))
SETTINGS = (STILL, FOUND, STILL_TIGHT, FOUND_TIGHT)


@dataclass(frozen=True)
class Build:
    """What a gate said about each metric (worse, better, same, inconclusive), and the pairs it took of each."""

    words: tuple[Outcome, ...]
    pairs: tuple[int, ...]

    @property
    def minutes(self) -> float:
        """Of a build on a real host: two repetitions a pair, and what stands around them."""
        return sum(self.pairs) * 2 * REPETITION_S * OVERHEAD / 60


def asked(limit: float, floor: float = 0.01, metrics: int = METRICS) -> list[Question]:
    """The gate's questions, by its own constructors: one arm's cost per case."""
    cases = {
        ("p", f"c{i}"): ("cpu", False, Case(id=f"c{i}", quantity="ns", unit="ns", arms=(Arm(id="a", promised=True),)))
        for i in range(metrics)
    }
    return questions(cases, Policy().with_limits(limit, floor))


def stream(source: str, builds: int, rng: np.random.Generator, rounds: int = 192) -> Floats:
    """Log times, shape (builds, repetitions, samples); a trace that is too short goes on from its start."""
    repetitions = rounds * METRICS * 2
    if source not in TRACES:
        return simulate(source, builds, repetitions, SAMPLES, rng)
    x = trace(source)
    starts = rng.integers(0, len(x), (builds, 1))
    picked: Floats = x[(starts + np.arange(repetitions * SAMPLES)) % len(x)]
    return picked.reshape(builds, repetitions, SAMPLES)


def costs(x: Floats) -> dict[str, Floats]:
    """The three statistics of every repetition, as logs of costs."""
    times = np.exp(x)
    return {
        "median": np.log(np.median(times, axis=-1)),
        "mean": np.log(np.mean(times, axis=-1)),
        TAIL: np.log(np.quantile(times, 0.9, axis=-1)),
    }


def gated(repetitions: dict[str, Floats], setting: Setting, rng: np.random.Generator, coin: bool = True) -> Build:
    """One build. ``repetitions``: of each statistic the costs in the order in which they are taken.

    Without the ``coin`` the candidate is always second: what must not be done.
    """
    family = Family(asked(setting.limit, setting.floor))
    effects: dict[Metric, list[float]] = {m: [] for m, _, _ in family.metrics()}
    at, taken, planted = 0, [0] * METRICS, float(np.log1p(setting.change))
    for last, look in enumerate(family.looks(), 1):
        while True:
            turns = [k for k in range(METRICS) if ("p", f"c{k}") not in family.closed and taken[k] < look]
            if not turns:
                break
            for k in rng.permutation(turns):
                first = -1.0 if rng.random() < 0.5 and coin else 1.0
                for statistic, cost in repetitions.items():
                    effect = first * float(cost[at + 1] - cost[at]) + (planted if k == 0 else 0.0)
                    effects[Metric("p", f"c{k}", "a", statistic)].append(effect)
                taken[k] += 1
                at += 2
        family.look(effects)
        if len(family.closed) == METRICS or last == len(family.looks()):
            break
    return Build(tuple(_word(family, k) for k in range(METRICS)), tuple(taken))


def _word(family: Family, k: int) -> Outcome:
    """The worst of a metric's statistics; a tail speaks only where it is worse."""
    words = {s: family.words[Metric("p", f"c{k}", "a", s)].outcome for s in STATISTICS}
    if Outcome.WORSE in words.values():
        return Outcome.WORSE
    return next(
        w for w in (Outcome.INCONCLUSIVE, Outcome.BETTER, Outcome.SAME) if w in (words["median"], words["mean"])
    )


@lru_cache(maxsize=2)
def _taken(source: str, size: int, seed: int, part: int) -> tuple[dict[str, Floats], Sequence[int]]:
    """Costs of all repetitions of some builds, and a seed for the coins of each."""
    rng = np.random.default_rng([seed, SOURCES.index(source), part])
    return costs(stream(source, size, rng)), rng.integers(0, 2**63, size).tolist()


def builds(source: str, setting: Setting, count: int, seed: int, chunk: int = 25) -> list[Build]:
    """So many builds on this noise; the same seed gives the same noise and coins for every setting."""
    found: list[Build] = []
    for part in range(0, count, chunk):
        x, coins = _taken(source, min(chunk, count - part), seed, part)
        found += [
            gated({s: v[i] for s, v in x.items()}, setting, np.random.default_rng(coin)) for i, coin in enumerate(coins)
        ]
    return found
