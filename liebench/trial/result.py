"""What a trial showed: a change tried both ways in coin-ordered pairs, judged against the present value. Pure.

The target must be better, family-wise, beyond a practical limit; every guard (the other cases of the probe, and tails)
must be the same or better. A win is published only after a second trial with another seed has won too, and the gain
that is published is that second trial's alone: of many changes that are tried, the first numbers of the winners are
too good (the winner's curse).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from statistics import fmean

from liebench.contract import Outcome
from liebench.gate.pairs import Family, Pair, costs_of, pairs_of
from liebench.gate.policy import Level
from liebench.gate.table import gate_family, gate_table, stored_policy
from liebench.judge.rows import Row
from liebench.runfile.fields import Json, mapping, records, refuse, text, whole


class Found(StrEnum):
    """What became of a trial."""

    WIN = "win"
    NO_EFFECT = "no effect here"
    LOSS = "loss"
    GUARD = "won, but something else lost"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What was tried. ``scope``: how narrowly; ``workload``: by what it was shown, in words."""

    knob: str
    key: str
    now: str
    to: str
    scope: str
    workload: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialResult:
    """``ratio, low, high``: cost ratio to / now of the strongest target, below 1 is a gain; None: not known."""

    subject: Subject
    found: Found
    why: str
    case: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int = 0
    rows: Sequence[Row] = field(default_factory=tuple)


def subject_of(doc: Json) -> Subject:
    """Raises RunUnreadable where the file is no trial's."""
    row = mapping(doc.get("change"), "change")
    return Subject(**{f.name: text(row.get(f.name), f"change.{f.name}") for f in fields(Subject)})


def carried_over(family: Family, doc: Json) -> str:
    """Where what came first in a pair still works on the second half; empty where nothing of it shows.

    That the second half of every pair is dearer, or cheaper, cancels in the estimate; a trace that one of the values
    leaves does not. It alone makes the sum of a pair's halves depend on their order, and half of that difference is
    what it adds to the estimate (Grizzle 1965, Biometrics 21).
    """
    pairs = pairs_of(records(doc, "blocks"))
    for metric, question, rule in family.metrics():
        if rule.level is not Level.ERROR or metric.statistic != "median":
            continue
        both = pairs.get(metric[:2], ())
        orders = [costs_of(question, [p for p in both if first(p) == side], *metric[2:]) for side in (0, 1)]
        apart, reach = _apart(*([sum(halves) for halves in found] for found in orders))
        if (abs(apart) - reach) / 2 > rule.limits("median").beyond / 2:
            return f"{'/'.join(metric[:3])} depends on which value came first in a pair: give it longer to settle"
    return ""


def _apart(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """Difference of two means with the half width of its 95 % interval (Welch 1947); infinite below three of each."""
    from scipy.stats import ttest_ind

    if min(len(a), len(b)) < 3:
        return 0.0, math.inf
    found = ttest_ind(a, b, equal_var=False)
    apart, span = fmean(a) - fmean(b), found.confidence_interval(0.95)
    half = float(span.high - span.low) / 2
    return apart, half if math.isfinite(half) else 0.0


def first(pair: Pair) -> int:
    """0 where the baseline's half came first, else 1."""
    before, after = (whole(block.get("n"), "blocks.n") for block in pair)
    if before == after:
        refuse("blocks.n", "a number that the other half of its pair does not have", after)
    return int(after < before)


def trial_result(doc: Json) -> TrialResult:
    """Today's words about a trial's file. Raises RunUnreadable naming the place."""
    subject, policy = subject_of(doc), stored_policy(doc)
    family = gate_family(doc, policy)
    table = gate_table(doc, policy, family)
    targets = {r.name: r for r in table.rows if r.level == Level.ERROR and r.value is not None}
    if table.failed or table.skipped or not targets:
        said = [*table.failed.values(), *(f"needs {n}: {c}" for n, c in table.skipped.values())]
        rows = [mapping(row, "probes") for row in mapping(doc.get("probes"), "probes").values()]
        left = [mapping(skip, "left_out") for row in rows for skip in mapping(row.get("left_out"), "left_out").values()]
        said += [f"needs {skip.get('needs')}: {skip.get('cure')}" for skip in left]
        said += [r.why for r in table.rows if r.level == Level.ERROR and r.why]
        return TrialResult(
            subject=subject, found=Found.CANNOT_TELL, why=(said or ["nothing was measured"])[0], rows=table.rows
        )
    strongest = min(targets.values(), key=lambda r: r.value or math.inf)
    found, why = _found(targets, [r for r in table.rows if r.level == Level.WARN], carried_over(family, doc))
    if found is Found.LOSS:
        strongest = max(targets.values(), key=lambda r: r.value or 0.0)
    return TrialResult(
        subject=subject,
        found=found,
        why=why,
        case=place_of(strongest),
        ratio=strongest.value,
        low=strongest.low,
        high=strongest.high,
        pairs=strongest.blocks,
        rows=table.rows,
    )


def place_of(row: Row) -> str:
    """Where a row was measured, as ``TrialResult.case`` names it."""
    return "/".join(p for p in (row.probe, row.case, row.arm) if p)


def _found(targets: Mapping[str, Row], guards: Sequence[Row], carried: str) -> tuple[Found, str]:
    words = {row.word for row in targets.values()}
    if carried:
        return Found.CANNOT_TELL, carried
    failed = next((r.why for r in targets.values() if "control failed" in r.why), "")
    if failed:
        return Found.CANNOT_TELL, failed
    if Outcome.WORSE in words:
        worse = next(r for r in targets.values() if r.word == Outcome.WORSE)
        found = Found.GUARD if Outcome.BETTER in words else Found.LOSS
        return found, f"{worse.probe}/{worse.case} is worse with it"
    if Outcome.BETTER in words:
        lost = [r for r in guards if r.word == Outcome.WORSE]
        open_ones = [r for r in guards if r.word == Outcome.INCONCLUSIVE]
        if lost:
            return Found.GUARD, f"{lost[0].probe}/{lost[0].case} is worse with it"
        if open_ones:
            row = open_ones[0]
            return Found.CANNOT_TELL, f"the target won, but of the guard {row.probe}/{row.case} nothing is proven"
        return Found.WIN, ""
    if words == {Outcome.SAME}:
        return Found.NO_EFFECT, "what differs is proven to be less than the limit"
    return Found.CANNOT_TELL, "the interval is too wide: more pairs, or a quieter machine"
