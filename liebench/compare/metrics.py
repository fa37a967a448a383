"""What a run file says in numbers that other runs can be held against: one value per run, metric and statistic. Pure.

A metric is one arm's own cost (``level``), or a delivered arm against the promised one (``lie``). Values are logs of
costs or of cost ratios, so that a difference of two of them is the log of a ratio; a reading's stay in its unit.
Higher is worse in both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, NamedTuple

from liebench.contract import Better, Case, Kind, Subject
from liebench.errors import NotComparable
from liebench.judge.effects import MissingValue, cost_of, effects
from liebench.judge.readings import ALIKE, FEWEST
from liebench.judge.run import Run, open_run
from liebench.judge.verdicts import fact_values
from liebench.runfile.fields import Json, mapping, section
from liebench.stats.intervals import signed_rank_interval
from liebench.stats.trend import lag1

LEVEL, LIE, FACT = "level", "lie", "fact"


class Key(NamedTuple):
    """Names a metric; the same in every run."""

    probe: str
    case: str
    arm: str
    what: str  # level | lie | fact

    @property
    def name(self) -> str:
        return "/".join((self.probe, self.case, self.arm)) + (f" ({self.what})" if self.what != LEVEL else "")


@dataclass(frozen=True, slots=True)
class Value:
    """One run's value of one metric. ``half``: half of its 95 % interval within that run, infinite below 6 blocks.

    ``word`` is a fact's value as it was stored, and then the numbers are not known (NaN).
    """

    value: float
    half: float
    blocks: int
    word: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunMetrics:
    """The metrics of one run with what decides whether they may be compared."""

    id: str
    started: str
    host: str
    kind: str
    config: str
    core: str
    rule: str
    cases: Mapping[tuple[str, str], Case]
    works: Mapping[tuple[str, str], str]  # what was done, in a form that is equal where the work is the same
    values: Mapping[Key, Value]
    facts: Json  # of the host
    layers: Mapping[str, str]  # of the probes
    previews: frozenset[str] = frozenset()  # probes that fail no gate


def _hash(doc: Json, name: str) -> str:
    return str(section(doc, "hashes").get(name) or "")


def _layer(row: object) -> str:
    claim = mapping(row, "probes").get("claim") or {}
    return str(mapping(claim, "claim").get("layer") or "")


def work_of(case: Case) -> str:
    """What a case measures, as text: equal for equal work. Limits and words are the reader's, not the work's."""
    arms = ";".join(f"{a.id}:{a.promised}:{sorted(a.args.items(), key=str)}:{a.number}" for a in case.arms)
    return f"{case.kind} {case.quantity} {case.unit} {case.better} {case.rhythm} {case.quantile} {arms}"


def one_value(values: Sequence[float], alone: bool = True) -> Value | None:
    """``alone``: whether these values are independent; else half of what they span stands for an interval."""
    if not values:
        return None
    span = signed_rank_interval(values)
    return Value(span.estimate, span.half if alone else (max(values) - min(values)) / 2, len(values))


def independent(values: Sequence[float]) -> tuple[Sequence[float], bool]:
    """(means of neighbours, merged until one no longer resembles the next; whether that was reached)."""
    while len(values) >= FEWEST and lag1(values) > ALIKE:
        values = [fmean(values[i : i + 2]) for i in range(0, len(values) - 1, 2)]
    return values, lag1(values) <= ALIKE


def _levels(case: Case, blocks: Sequence[Json], arm: str) -> Value | None:
    found = []
    for block in blocks:
        try:
            found.append(cost_of(case, block, arm, median))
        except MissingValue:
            continue
    return one_value(found)


def _numbers(case: Case, blocks: Sequence[Json]) -> Iterator[tuple[str, str, Value | None]]:
    promised = case.promised.id
    for arm in case.arms:
        if case.kind is Kind.RATIO:
            yield arm.id, LEVEL, _levels(case, blocks, arm.id)
        if not arm.promised:
            yield arm.id, LIE, one_value(*independent(effects(case, blocks, arm.id, promised).location))


def _stated(case: Case, blocks: Sequence[Json]) -> str:
    """A fact's value in the last block that has one, empty without."""
    return next((found[0] for block in reversed(blocks) if (found := fact_values(case, [block]))), "")


def _values(run: Run) -> Iterator[tuple[Key, Value]]:
    for (probe, name), blocks in run.ordinary.items():
        case = run.cases[probe, name]
        if case.subject is Subject.RIG or case.bounds:
            continue
        if case.kind is Kind.FACT:
            word = _stated(case, blocks)
            if word:
                yield Key(probe, name, "", FACT), Value(math.nan, math.nan, len(blocks), word)
            continue
        for arm, what, value in _numbers(case, blocks):
            if value is not None and math.isfinite(value.value):
                yield Key(probe, name, arm, what), value


def run_metrics(doc: Json) -> RunMetrics:
    """Every number of a run that speaks of its host. Raises RunUnreadable naming the place; NotComparable of a gate."""
    if doc.get("kind") != "run":
        raise NotComparable(
            f"{doc.get('id')} is a {doc.get('kind')}: it holds two sides that it has judged; compare runs"
        )
    run = open_run(doc)
    tool: Mapping[str, Any] = section(doc, "tool")
    return RunMetrics(
        id=str(doc.get("id")),
        started=str(doc.get("started")),
        host=_hash(doc, "host"),
        kind=_hash(doc, "kind"),
        config=_hash(doc, "config"),
        core=str(tool.get("core") or ""),
        rule=str(tool.get("rule") or ""),
        cases=run.cases,
        works={key: work_of(case) for key, case in run.cases.items()},
        values=dict(_values(run)),
        facts=section(doc, "host"),
        layers={name: _layer(row) for name, row in section(doc, "probes").items()},
        previews=frozenset(
            k for k, row in section(doc, "probes").items() if mapping(row, f"probes.{k}").get("preview")
        ),
    )


def direction(case: Case, value: float) -> float:
    """A reading whose deviation to either side is worse is compared by its size."""
    target = case.better is Better.TARGET or case.kind is Kind.LAW
    return abs(value) if target else value
