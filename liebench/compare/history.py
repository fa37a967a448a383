"""Runs of one host in the order of time: where the next is expected, and where something changed. Pure.

Prediction: a new run lies within mean ± t(K-1) s sqrt(1 + 1/K) of K past ones (see ``sides.difference``). A change
point is the split that a permutation of blocks of neighbours cannot explain, with a step of at least the limit and at
least five runs on either side: an alarm about a trend, never a verdict about one change. Tools that test the chosen
split as if it had been chosen beforehand find one in 25-57 % of series without any (Apache Otava 0.8.0,
simulated). As neighbours are permuted together, a step shows once about ten runs stand on either side of it (+10 % in
a noise of 2 %, 60 runs: found in 95 of 100 series with ten, in 48 with eight).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata
from scipy.stats import t as student

from liebench.compare.metrics import LIE, Key, RunMetrics
from liebench.contract import Case
from liebench.stats.intervals import ALPHA

FEWEST_TREND, SIDE = 30, 5
PERMUTATIONS, TREND_P = 999, 0.01
FEWEST_BAND = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One run's value of one metric, on the effect scale (a log of a cost, or a reading in its unit)."""

    run: str
    started: str
    value: float
    half: float
    config: str
    core: str


@dataclass(frozen=True, slots=True)
class Line:
    """One metric over time. ``band``: where the next run is expected with 95 %; ``changes``: indices of points that
    begin a new level; ``marks``: indices where configuration, core or work changed, with what did."""

    key: Key
    points: Sequence[Point]
    band: tuple[float, float] | None
    changes: Sequence[int]
    marks: Sequence[tuple[int, str]]


def band_of(values: Sequence[float], halves: Sequence[float]) -> tuple[float, float] | None:
    """Prediction interval of the next run; None below three runs. The spread is never below the runs' own doubt."""
    n = len(values)
    if n < FEWEST_BAND:
        return None
    x = np.asarray(values)
    within = float(np.mean(np.square([h / 1.96 for h in halves if math.isfinite(h)] or [0.0])))
    spread = math.sqrt(max(float(np.var(x, ddof=1)), float(np.mean(np.diff(x) ** 2)) / 2, within))
    reach = float(student.ppf(1 - ALPHA / 2, n - 1)) * spread * math.sqrt(1 + 1 / n)
    return float(np.mean(x)) - reach, float(np.mean(x)) + reach


def _strongest(ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(largest standardized rank sum over all splits, the split) for each row of ranks."""
    n = ranks.shape[1]
    k = np.arange(SIDE, n - SIDE + 1)
    sums = np.cumsum(ranks, axis=1)[:, k - 1]
    z = np.abs(sums - k * (n + 1) / 2) / np.sqrt(k * (n - k) * (n + 1) / 12)
    best = np.argmax(z, axis=1)
    return z[np.arange(len(z)), best], k[best]


def _split(values: np.ndarray, rng: np.random.Generator) -> int | None:
    """Where the level changed, if anywhere: the strongest split against permuted blocks of neighbours."""
    n = len(values)
    if n < 2 * SIDE + 2:
        return None
    ranks = rankdata(values)
    seen, split = _strongest(ranks[None, :])
    length = max(2, round(n ** (1 / 3)))
    blocks = [np.arange(i, min(i + length, n)) for i in range(0, n, length)]
    orders = [np.concatenate([blocks[j] for j in rng.permutation(len(blocks))]) for _ in range(PERMUTATIONS)]
    by_chance, _ = _strongest(ranks[np.asarray(orders)])
    p = (1 + int(np.sum(by_chance >= seen[0]))) / (PERMUTATIONS + 1)
    return int(split[0]) if p <= TREND_P else None


def change_points(values: Sequence[float], magnitude: float, seed: int = 1) -> list[int]:
    """Indices at which a new level begins, by at least ``magnitude``; none in a series of fewer than 30."""
    if len(values) < FEWEST_TREND:
        return []
    x, rng = np.asarray(values, dtype=float), np.random.default_rng(seed)
    found: list[int] = []
    open_parts = [(0, len(x))]
    while open_parts:
        start, end = open_parts.pop()
        split = _split(x[start:end], rng)
        if split is None:
            continue
        at = start + split
        if abs(float(np.median(x[at:end]) - np.median(x[start:at]))) >= magnitude:
            found.append(at)
            open_parts += [(start, at), (at, end)]
    return sorted(found)


def _marks(runs: Sequence[RunMetrics], key: Key) -> list[tuple[int, str]]:
    said = []
    for i in range(1, len(runs)):
        before, after = runs[i - 1], runs[i]
        what = [name for name in ("config", "core") if getattr(before, name) != getattr(after, name)]
        what += ["work"] if before.works.get(key[:2]) != after.works.get(key[:2]) else []
        if what:
            said.append((i, " and ".join({"config": "configuration"}.get(w, w) for w in what)))
    return said


def line_of(key: Key, runs: Sequence[RunMetrics], magnitude: float) -> Line:
    """One metric through these runs (of one host, in the order of time); runs that did not measure it are left out."""
    ours = [r for r in runs if key in r.values and not r.values[key].word]
    points = [
        Point(
            run=r.id,
            started=r.started,
            value=r.values[key].value,
            half=r.values[key].half,
            config=r.config,
            core=r.core,
        )
        for r in ours
    ]
    values, halves = [p.value for p in points], [p.half for p in points]
    return Line(key, points, band_of(values, halves), change_points(values, magnitude), _marks(ours, key))


def lies_of(runs: Sequence[RunMetrics], magnitude: float) -> list[Line]:
    """Every lie of one host's runs that was measured in blocks, probe by probe."""
    probes = sorted({k.probe for m in runs for k in m.values})
    return [x for p in probes for x in lines_of(p, runs, magnitude) if x.key.what == LIE and x.points]


def cases_of(runs: Sequence[RunMetrics]) -> dict[tuple[str, str], Case]:
    """The cases of these runs, each as the newest of them declares it."""
    return {key: case for m in runs for key, case in m.cases.items()}


def lines_of(probe: str, runs: Sequence[RunMetrics], magnitude: float) -> list[Line]:
    """Every metric of one probe."""
    keys = sorted({k for r in runs for k, v in r.values.items() if k.probe == probe and not v.word})
    return [line_of(key, runs, magnitude) for key in keys]
