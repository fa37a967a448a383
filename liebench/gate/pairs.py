"""From pairs of baseline and candidate to words and an exit code. Pure; the runner asks the same family at its looks.

A metric is one arm's own cost: by median (where it lies), mean (what it costs) and 90th percentile (its tail), which
are gated together: no single one sees everything (a stall in 2 % of operations that makes the mean 8 % larger is seen
by the median in 3 % of experiments, by the mean in all).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, median
from typing import NamedTuple

from liebench.contract import Better, Case, Kind, Outcome, Rhythm, Subject
from liebench.gate.policy import TAIL, Level, LevelRule, Policy
from liebench.judge.effects import MissingValue, cost_of, samples
from liebench.judge.family import LOOKS, Judged, first_look, judge_family, settled
from liebench.runfile.fields import Json
from liebench.stats.intervals import quantile

BASELINE, CANDIDATE = "baseline", "candidate"
NOISE = "both sides alike"  # what is switched where nothing is
TIMES = ("ns", "us", "ms", "s")
RULE = 1  # version of this family's rule, as it stands in the decision log
TAIL_SAMPLES = 20  # of one repetition, for its 90th percentile; under the coin any statistic of a repetition will do
STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "median": median,
    "mean": fmean,
    TAIL: lambda values: quantile(values, 0.9),
}
Pair = tuple[Json, Json]  # the two blocks: baseline, candidate


class Metric(NamedTuple):
    probe: str
    case: str
    arm: str
    statistic: str


def as_costs(case: Case) -> Case | None:
    """A case as a gate sees it: costs of its arms as ratios; None where it has none that one block can give."""
    if case.rhythm is not Rhythm.BLOCK:
        return None
    if case.kind is Kind.READING and case.unit in TIMES and case.better is Better.LOWER and not case.bounds:
        return replace(case, kind=Kind.RATIO)
    return case if case.kind is Kind.RATIO else None


def gated_case(case: Case, rigs: bool = False) -> Case | None:
    """The same, of a case about this host. A rig of ours can show what a change does (``rigs``), but gates nobody."""
    return as_costs(case) if rigs or case.subject is not Subject.RIG else None


def gated_arms(case: Case) -> tuple[str, ...]:
    """Arms that do work: the claimed arm of a reading does none."""
    return tuple(a.id for a in (case.delivered if case.kind is Kind.READING else case.arms))


@dataclass(frozen=True, slots=True)
class Question:
    """One case of the gate. ``case`` as the probe declares it, ``rules`` by arm (an arm that is off is left out)."""

    probe: str
    case: Case
    rules: Mapping[str, LevelRule]


def questions(
    cases: Mapping[tuple[str, str], tuple[str, bool, Case]], policy: Policy, rigs: bool = False
) -> list[Question]:
    """What of a plan is gated. ``cases``: (probe, case id) -> (layer, preview, case)."""
    found = []
    for (probe, name), (layer, preview, case) in cases.items():
        if gated_case(case, rigs) is None:
            continue
        rules = {arm: policy.rule(layer, probe, name, arm, preview) for arm in gated_arms(case)}
        rules = {arm: rule for arm, rule in rules.items() if rule.level is not Level.OFF}
        if rules:
            found.append(Question(probe, case, rules))
    return found


def effects_of(question: Question, pairs: Sequence[Pair], arm: str, statistic: str) -> list[float]:
    """Log cost ratio candidate / baseline of every pair that has both."""
    return [after - before for before, after in costs_of(question, pairs, arm, statistic)]


def costs_of(question: Question, pairs: Sequence[Pair], arm: str, statistic: str) -> list[tuple[float, float]]:
    """(baseline, candidate) on the scale of the effects, of every pair that has both."""
    case, found = as_costs(question.case), []
    assert case is not None
    of = STATISTICS[statistic]
    for before, after in pairs:
        try:
            if statistic == TAIL and min(len(samples(b, arm, case.quantity)) for b in (before, after)) < TAIL_SAMPLES:
                continue
            found.append((cost_of(case, before, arm, of), cost_of(case, after, arm, of)))
        except MissingValue:
            continue
    return found


def all_effects(
    questions: Sequence[Question], pairs: Mapping[tuple[str, str], Sequence[Pair]]
) -> dict[Metric, list[float]]:
    """The effects of every metric that has any. Where a repetition has one sample, its statistics are one metric."""
    found: dict[Metric, list[float]] = {}
    for question in questions:
        both = pairs.get((question.probe, question.case.id), ())
        for arm in question.rules:
            rows = {s: effects_of(question, both, arm, s) for s in STATISTICS}
            for statistic, values in rows.items():
                if values and (statistic == "median" or values != rows["median"]):
                    found[Metric(question.probe, question.case.id, arm, statistic)] = values
    return found


@dataclass(slots=True)
class Family:
    """All metrics of one gate from look to look. A metric whose question is settled keeps its words."""

    questions: Sequence[Question]
    words: dict[Metric, Judged] = field(default_factory=dict)
    closed: set[tuple[str, str]] = field(default_factory=set)  # (probe, case) that need no more pairs

    @property
    def size(self) -> int:
        return sum(len(q.rules) for q in self.questions) * len(STATISTICS)

    def looks(self) -> tuple[int, ...]:
        """The first is the first that can decide so large a family."""
        return tuple(n for n in LOOKS if n >= first_look(self.size))

    def look(self, effects: Mapping[Metric, Sequence[float]]) -> None:
        """Judge everything by its effects so far, each level of the policy a family of its own."""
        for level in (Level.ERROR, Level.WARN):
            rules = {m: r for m, _, r in self.metrics() if r.level is level and m in effects}
            limits = {m: r.limits(m.statistic) for m, r in rules.items()}
            frozen = {m: self.words[m] for m in rules if m[:2] in self.closed and m in self.words}
            self.words |= judge_family({m: effects[m] for m in rules}, limits, frozen)
        for question in self.questions:
            key = (question.probe, question.case.id)
            if all(self._answered(question, arm, rule) for arm, rule in question.rules.items()):
                self.closed.add(key)

    def metrics(self) -> Iterator[tuple[Metric, Question, LevelRule]]:
        """Everything that is gated, statistic by statistic."""
        for q in self.questions:
            for arm, rule in q.rules.items():
                for statistic in STATISTICS:
                    yield Metric(q.probe, q.case.id, arm, statistic), q, rule

    def _answered(self, question: Question, arm: str, rule: LevelRule) -> bool:
        found = {s: self.words.get(Metric(question.probe, question.case.id, arm, s)) for s in STATISTICS}
        if any(j is not None and j.outcome is Outcome.WORSE for j in found.values()):
            return True
        return found["median"] is not None and all(
            settled(j, rule.limits(s)) for s, j in found.items() if j is not None and s != TAIL
        )


def look_record(metric: Metric, judged: Judged, stop: str) -> dict[str, object]:
    """The entry of the decision log for one metric at one look, on the log scale; unknown ends are null."""
    sizes = {"estimate": judged.estimate, "low": judged.low, "high": judged.high, "p": judged.p}
    logged = {k: float(f"{v:.9g}") if math.isfinite(v) else None for k, v in sizes.items()}
    head = {"rule": RULE, "blocks": judged.n, "outcome": judged.outcome.value, "stop": stop}
    return metric._asdict() | head | logged


def pairs_of(blocks: Sequence[Json]) -> dict[tuple[str, str], list[Pair]]:
    """The complete pairs of a gate's run file, by (probe, case), in the order they were measured."""
    open_ones: dict[tuple[str, str, int], dict[str, Json]] = {}
    for block in blocks:
        side, number = block.get("side"), block.get("pair")
        if side in (BASELINE, CANDIDATE) and isinstance(number, int) and block.get("control") is None:
            key = (str(block.get("probe")), str(block.get("case")), number)
            open_ones.setdefault(key, {})[side] = block
    found: dict[tuple[str, str], list[Pair]] = {}
    for (probe, case, _), sides in sorted(open_ones.items(), key=lambda item: item[0]):
        if len(sides) == 2:
            found.setdefault((probe, case), []).append((sides[BASELINE], sides[CANDIDATE]))
    return found


def rounds(
    questions: Sequence[Question], blocks: Sequence[Json]
) -> Iterator[tuple[Family, Mapping[tuple[str, str], Sequence[Pair]]]]:
    """A finished gate look by look: before each, the family and the pairs that this look is about."""
    family, pairs = Family(questions), pairs_of(blocks)
    most = max((len(p) for p in pairs.values()), default=0)
    for n in (*(n for n in family.looks() if n < most), *([most] if most else ())):
        yield family, {key: found[:n] for key, found in pairs.items()}


def replay(questions: Sequence[Question], blocks: Sequence[Json]) -> Family:
    """The words of a finished gate from its run file: the same looks, the same order."""
    family = Family(questions)
    for family, pairs in rounds(questions, blocks):
        family.look(all_effects(questions, pairs))
    return family
