"""What this host could detect, per metric and mode, and who makes its noise. Pure: a run file of equal sides in.

Both sides of every pair are the same, through the same path as a gate, so what differs is noise. The smallest rise
that n pairs find in about 80 % of cases is (1 + floor) exp(2 half widths) - 1: promised 1.9-4.2 % on recorded noise,
found in 76-88 %.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from liebench.compare.metrics import Key, RunMetrics
from liebench.contract import Outcome
from liebench.gate.pairs import Family, Metric, Pair, effects_of, pairs_of
from liebench.gate.policy import TAIL
from liebench.judge.controls import sentinel_of
from liebench.judge.family import ALPHA_LOOK, Limits, detectable, pairs_needed
from liebench.runfile.fields import Json, mapping, optional_number, sequence
from liebench.stats.intervals import signed_rank_interval

GATE_S = 600.0  # what a gate may take by default
CULPRITS: Mapping[str, str] = {
    "PREEMPTED": "preempted by this host's own processes",
    "STOLEN": "stolen by the hypervisor",
    "THROTTLED": "held back by a CPU quota",
    "MIGRATED": "moved to another processor",
    "MAJOR_FAULT": "waited for the disk (major faults)",
}
SIBLING = "somebody on the sibling thread"


@dataclass(frozen=True, slots=True)
class Culprit:
    """``share`` of repetitions that it touched; ``clean``: the half width without them over the one with all."""

    says: str
    share: float
    clean: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Noise:
    """One metric. Shares: 0.05 is 5 %. ``rerun``: detectable by the pairs that were measured; ``needs``: pairs for the
    limit, ``seconds`` what they take; ``history``: detectable against the runs that are stored, None below three."""

    metric: Metric
    pairs: int
    rerun: float
    needs: float
    seconds: float
    history: float | None
    word: str


def _word(rise: float, limits: Limits, seconds: float, budget_s: float, differs: bool) -> str:
    if differs:
        return "untrusted: two equal sides differ"
    if rise <= limits.limit / 2:
        return "quiet"
    if rise <= limits.limit:
        return "usable"
    if seconds <= budget_s:
        return f"needs {max(1, math.ceil(seconds / 60))} min"
    return "too noisy"


def noise_of(
    family: Family, doc: Json, blocks: Sequence[Json], past: Sequence[RunMetrics], budget_s: float = GATE_S
) -> list[Noise]:
    """Every metric of a gate with equal sides. ``past``: stored runs of this host for the mode ``history``."""
    pairs = pairs_of(blocks)
    count = sum(map(len, pairs.values())) or 1
    loop = optional_number(mapping(doc.get("instrument") or {}, "instrument").get("loop_s"), "instrument.loop_s")
    each_s = math.nan if loop is None else loop / count
    found = []
    for metric, question, rule in family.metrics():
        judged = family.words.get(metric)
        if judged is None or metric.statistic == TAIL:
            continue
        limits = rule.limits(metric.statistic)
        span = signed_rank_interval(effects_of(question, pairs.get(metric[:2], ()), *metric[2:]), ALPHA_LOOK)
        needs = pairs_needed(span, limits)
        seconds = needs * each_s * len(family.questions)
        rise = detectable(span, limits.floor)
        differs = judged.outcome in (Outcome.WORSE, Outcome.BETTER)
        word = _word(rise, limits, seconds, budget_s, differs)
        found.append(
            Noise(
                metric=metric,
                pairs=span.n,
                rerun=rise,
                needs=needs,
                seconds=seconds,
                history=_history(metric, past, limits),
                word=word,
            )
        )
    return found


def _history(metric: Metric, past: Sequence[RunMetrics], limits: Limits) -> float | None:
    """What one new run would show against the stored ones: floor and the reach of the prediction, twice over."""
    from liebench.compare.history import band_of  # numpy and scipy, which a gate that asks for a forecast does not need

    key = Key(metric.probe, metric.case, metric.arm, "level")
    ours = [r.values[key] for r in past if key in r.values]
    band = band_of([v.value for v in ours], [v.half for v in ours])
    if band is None or metric.statistic != "median":
        return None
    return math.expm1(min(limits.least + (band[1] - band[0]), 50))


Flags = Sequence[set[str]]  # of every repetition of a pair


def _flags(pairs: Mapping[tuple[str, str], Sequence[Pair]]) -> dict[tuple[str, str], list[Flags]]:
    """What touched the repetitions of each pair, by its place."""
    marks = iter(sentinel_of([block for found in pairs.values() for pair in found for block in pair])[1])
    return {
        key: [[flags for block in pair for flags in _of_block(block, next(marks))] for pair in found]
        for key, found in pairs.items()
    }


def _of_block(block: Json, disturbed: Collection[str]) -> Iterator[set[str]]:
    for label, rep in mapping(block.get("reps"), "reps").items():
        flags = sequence(mapping(rep, "rep").get("flags") or (), "flags")
        yield {*map(str, flags), *((SIBLING,) if label in disturbed else ())}


def culprits_of(family: Family, blocks: Sequence[Json]) -> list[Culprit]:
    """Who touched how many repetitions, and how much narrower the pairs are in which it touched none."""
    pairs = pairs_of(blocks)
    touched = _flags(pairs)
    every = [flags for found in touched.values() for pair in found for flags in pair]
    found = []
    for flag, says in {**CULPRITS, SIBLING: SIBLING}.items():
        share = sum(flag in flags for flags in every) / (len(every) or 1)
        if share:
            clean = {
                key: [pair for pair, flags in zip(pairs[key], held, strict=True) if not any(flag in f for f in flags)]
                for key, held in touched.items()
            }
            found.append(Culprit(says, share, _narrower(family, pairs, clean)))
    return sorted(found, key=lambda c: -c.share)


def _narrower(
    family: Family,
    pairs: Mapping[tuple[str, str], Sequence[Pair]],
    clean: Mapping[tuple[str, str], Sequence[Pair]],
) -> float | None:
    """Mean over the metrics of (half width of clean pairs) / (of all), at equal numbers of pairs."""
    ratios = []
    for metric, question, _ in family.metrics():
        both = [
            signed_rank_interval(effects_of(question, part.get(metric[:2], ()), *metric[2:]), ALPHA_LOOK)
            for part in (pairs, clean)
        ]
        if all(math.isfinite(s.half) and s.half > 0 for s in both):
            scale = math.sqrt(both[1].n / both[0].n)
            ratios.append(both[1].half * scale / both[0].half)
    return fmean(ratios) if ratios else None
