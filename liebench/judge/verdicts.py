"""The words about one case: from its blocks to a verdict, and the entry of the decision log. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from liebench.contract import Better, Case, Kind, Meaning, Verdict, Word
from liebench.judge.effects import levels, place_of, samples
from liebench.judge.readings import Estimate, best_arm, is_target, narrow, read, stop
from liebench.judge.rule import ORDER, RULE
from liebench.runfile.fields import Json, mapping
from liebench.stats.intervals import Interval

DIGITS = 9  # significant digits of the decision log: more than any reader needs, fewer than two C libraries differ in


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One case with everything that was stored about it: what a probe's own judge receives."""

    case: Case
    blocks: Sequence[Json]  # ordinary blocks of this case, in the order they were run
    arm: str = ""  # the delivered label that is judged; "" lets the best arm be chosen on half of the blocks
    control: str = "none"  # status of this class of work: shown, not shown, failed, none
    control_failed: str = ""  # ids of the controls that failed
    probe: str = ""
    facts: Json = field(default_factory=dict)  # the probe's facts
    known: dict[str, Estimate] = field(default_factory=dict, init=False, compare=False, repr=False)  # readings so far

    @property
    def label(self) -> str:
        return self.arm or best_arm(self.case, self.blocks)

    @property
    def promised(self) -> str:
        return self.case.promised.id

    def reading(self, arm: str = "") -> Estimate:
        """The common statistics of one arm against the promised one."""
        label = arm or self.label
        if label not in self.known:
            self.known[label] = read(self.case, self.blocks, label, self.promised)
        return self.known[label]

    def samples(self, label: str, quantity: str = "") -> list[list[float]]:
        """Raw samples of a label, one list per block; raises effects.MissingValue where a block has none."""
        return [samples(block, label, quantity or self.case.quantity) for block in self.blocks]


Judge = Callable[[Evidence], Verdict]  # a probe's own judge of one case


@dataclass(frozen=True, slots=True)
class InterimLook:
    """What one look at a case saw. ``reading`` is None for a fact."""

    case: Case
    blocks: Sequence[Json]
    arm: str
    reading: Estimate | None
    stop: str  # decided | narrow | last | continue

    def record(self) -> dict[str, Any]:
        """The entry of the decision log; the runner replaces ``continue`` by ``budget`` where the budget ended it."""
        first = self.blocks[0] if self.blocks else {}
        made = self.reading.decision if self.reading else None
        return {
            "probe": first.get("probe"),
            "case": self.case.id,
            "control": first.get("control"),
            "arm": self.arm,
            "rule": RULE,
            "blocks": len(self.blocks),
            "location": _logged(made.location) if made else None,
            "cost": _logged(made.cost) if made and made.cost else None,
            "stop": self.stop,
        }


def _logged(interval: Interval) -> list[float | None]:
    values = (interval.estimate, interval.low, interval.high)
    return [float(f"{v:.{DIGITS}g}") if math.isfinite(v) else None for v in values]


def look(case: Case, blocks: Sequence[Json], arm: str, promised: str) -> InterimLook:
    """Judge all blocks so far of one case (or of one control: its labels are promised/null, promised/plant ...)."""
    if case.kind is Kind.FACT:
        return InterimLook(case, blocks, arm, None, "decided" if fact_values(case, blocks) else "continue")
    reading = read(case, blocks, arm, promised)
    return InterimLook(case, blocks, arm, reading, stop(case, reading, blocks))


def case_verdict(evidence: Evidence) -> Verdict:
    """The words about one case by the common judges, lowered where a control of its class of work failed."""
    if evidence.case.kind is Kind.FACT:
        return _fact(evidence)
    return under_control(_measured(evidence), evidence)


def under_control(verdict: Verdict, evidence: Evidence) -> Verdict:
    if evidence.control != "failed":
        return replace(verdict, control=evidence.control)
    why = f"control failed: {evidence.control_failed}"
    return replace(verdict, word=Word.INCONCLUSIVE, at_least=None, at_most=None, why=why, control="failed", limit=None)


def _measured(evidence: Evidence) -> Verdict:
    case, arm = evidence.case, evidence.label
    reading = evidence.reading(arm)
    made = reading.decision
    value, low, high = _shown(case, reading)
    known = reading.how == "bounds" or not reading.why.startswith("too few")
    return Verdict(
        word=made.word,
        at_least=made.at_least if known and math.isfinite(made.low) else None,
        at_most=made.at_most if known and math.isfinite(made.high) else None,
        value=value,
        low=low,
        high=high,
        unit=case.unit if case.kind is Kind.READING else "ratio",
        statistic=_statistic(case, reading),
        blocks=reading.units * reading.merged,
        why=_why(case, reading, low, high),
        limit=_limit(case, reading),
        arm=arm,
        promised=levels(case, evidence.blocks, evidence.promised),
        delivered=levels(case, evidence.blocks, arm),
    )


def _statistic(case: Case, reading: Estimate) -> str:
    if reading.how != "interval":
        return reading.how
    return f"quantile {case.quantile:g}" if case.quantile is not None else reading.decision.statistic


def _outward(case: Case, value: float) -> float | None:
    """From the effect scale to the terms of the case; None for what is not known."""
    if not math.isfinite(value):
        return None
    return value if case.kind is Kind.READING else math.exp(value) if value < 700 else None


def _shown(case: Case, reading: Estimate) -> tuple[float | None, float | None, float | None]:
    """(value, low, high) for the reader: the worse-of-two interval; for a target the signed one that governs."""
    made = reading.decision
    numbers = (made.estimate, made.low, made.high)
    if is_target(case):
        signed = made.cost if made.statistic == "mean" and made.cost else made.location
        numbers = (signed.estimate, signed.low, signed.high)
    if case.kind is Kind.READING and case.better is Better.HIGHER:
        numbers = (-numbers[0], -numbers[2], -numbers[1])
    value, low, high = (_outward(case, n) for n in numbers)
    return value, low, high


def _limit(case: Case, reading: Estimate) -> float | None:
    """The smallest lie this much data would have shown: the far end of the interval where no lie was proven."""
    made = reading.decision
    if made.word not in (Word.HONEST, Word.INCONCLUSIVE) or reading.why.startswith("too few"):
        return None
    return _outward(case, max(abs(made.low), abs(made.high)))


_RANGES = {"wanders": "wanders", "alike": "too few windows, each like the one before; all lie in"}


def _why(case: Case, reading: Estimate, low: float | None, high: float | None) -> str:
    if reading.how == "range" and reading.why in _RANGES:
        return f"{_RANGES[reading.why]} {low:.3g} to {high:.3g} {case.unit}"
    made = reading.decision
    if reading.why or made.word is not Word.INCONCLUSIVE:
        return reading.why
    if not reading.units:
        return "nothing was measured: " + (reading.effects.missing or ("no block",))[0]
    need = math.ceil(reading.units * (made.half / narrow(case)) ** 2)
    width = (
        f"{made.half:.3g} {case.unit}" if case.kind is Kind.READING else f"{100 * math.expm1(min(made.half, 50)):.3g} %"
    )
    more = f"; about {need} would settle it" if need > reading.units else "; it lies too close to a limit"
    return f"half width {width} after {reading.units}{more}"


def fact_values(case: Case, blocks: Sequence[Json]) -> list[str]:
    """The values of a fact in all repetitions, as keys of ``Case.words``."""
    found: list[str] = []
    for block in blocks:
        for label, stored in mapping(block.get("reps"), f"{place_of(block)}.reps").items():
            place = f"{place_of(block)}.reps.{label}"
            facts = mapping(mapping(stored, place).get("facts") or {}, f"{place}.facts")
            value = facts.get(case.quantity, facts.get("value"))
            if value is not None:
                found.append(str(value).lower() if isinstance(value, bool) else str(value))
    return found


def _fact(evidence: Evidence) -> Verdict:
    """The meaning of the worst value that was stored."""
    case = evidence.case
    values = fact_values(case, evidence.blocks)
    if not values:
        return Verdict(word=Word.INCONCLUSIVE, unit=case.unit, statistic="fact", why="nothing was stored")
    unknown = Meaning(Word.INCONCLUSIVE, f"the probe has no word for {values[-1]!r}")
    known = [case.words[v] for v in values if v in case.words]
    worst = max(known, key=lambda m: ORDER.index(m.word) if m.word in ORDER else -1) if known else unknown
    bound = worst.word if worst.word in ORDER else None
    return Verdict(
        word=worst.word,
        at_least=bound,
        at_most=bound,
        unit=case.unit,
        statistic="fact",
        blocks=len(values),
        why=worst.says,
        term=worst.term,
    )
