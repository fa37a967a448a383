"""From blocks to a decision, for every kind of case: the one path that the runner, the judge and verify share.

ratio, law   the worse-of-two interval of the per-block effects
reading      the same, after neighbours were merged where one value resembles the next (lag-1 above 0.3). A reading
             that trends *wanders*; it, and one with too few values to merge, has a range and no plus-minus, and
             its word is the region that holds the whole range.
bounds       the intersection of hard bounds; bounds that contradict each other mean that the quantity moved
once         median and interval from 6 values on, a range below
several arms (a ratio case with more than one delivered arm) every interval comes from every second block of the
             case, the 2nd, 4th, ...; the other half only chooses which arm the verdict speaks of
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from liebench.contract import Better, Case, Kind, Rhythm, Word
from liebench.judge.effects import Effects, MissingValue, effects, place_of, samples
from liebench.judge.rule import ORDER, Decision, decide, decision, schedule, stop_reason
from liebench.runfile.fields import Json, mapping, number
from liebench.stats.intervals import ALPHA, Interval, hodges_lehmann, signed_rank_interval
from liebench.stats.trend import kendall_p, lag1, theil_sen

NARROW, NARROW_TAIL = math.log(1.02), math.log(1.05)  # half widths at which more blocks add nothing
NARROW_SHARE, NARROW_TAIL_SHARE = 0.41, 0.82  # of `matters`: what 2 % and 5 % are of 5 %; for limits in other units
TREND_P, ALIKE = 0.01, 0.3
FEWEST = 9  # values below which no look can have an interval: 2 * 2^-9 is the last above the alpha of a look


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What the blocks of one case and arm say. ``how``: interval, range (wanders or too few), or bounds."""

    decision: Decision
    effects: Effects
    units: int  # units of replication that carry a value
    how: str
    why: str = ""
    merged: int = 1
    plain_location: Interval | None = None  # 95 % at this sample size, not corrected for looks
    plain_cost: Interval | None = None


def limits(case: Case) -> tuple[float, float]:
    """(b, h): ``matters`` and ``hurts`` on the effect scale."""
    if case.kind in (Kind.RATIO, Kind.LAW):
        return math.log(case.matters), math.log(case.hurts)
    return case.matters, case.hurts


def is_target(case: Case) -> bool:
    """Whether a deviation to either side is worse: where declared, and for every law, which is met or not."""
    return case.better is Better.TARGET or case.kind is Kind.LAW


def narrow(case: Case) -> float:
    """The half width at which more blocks add nothing, on the effect scale."""
    if case.target is not None:
        return case.target
    tail = case.quantile is not None
    share = (NARROW_TAIL_SHARE if tail else NARROW_SHARE) * limits(case)[0]
    fixed = NARROW_TAIL if tail else NARROW
    return min(fixed, share) if case.kind in (Kind.RATIO, Kind.LAW) else share


def judging_half(case: Case, blocks: Sequence[Json]) -> Sequence[Json]:
    """The blocks that intervals may use: every second one where several arms compete, else all."""
    return blocks[1::2] if competes(case, blocks) else blocks


def choosing_half(blocks: Sequence[Json]) -> Sequence[Json]:
    return blocks[0::2]


def competes(case: Case, blocks: Sequence[Json]) -> bool:
    """Whether several delivered arms of a ratio case stand in these blocks; a control has one pair, and no rival."""
    names = {a.id for a in case.delivered}
    if case.kind is not Kind.RATIO or len(names) < 2:
        return False
    labels = (set(mapping(b.get("reps"), f"{place_of(b)}.reps")) for b in blocks)
    return any(len(names & held) > 1 for held in labels)


def best_arm(case: Case, blocks: Sequence[Json]) -> str:
    """The delivered arm with the lowest cost on the choosing half; the first one where none has a value."""
    if not competes(case, blocks):
        return case.delivered[0].id if case.delivered else case.promised.id
    half = choosing_half(blocks)
    found = [(hodges_lehmann(effects(case, half, a.id, case.promised.id).location), a.id) for a in case.delivered]
    return min((f for f in found if not math.isnan(f[0])), default=(0.0, case.delivered[0].id))[1]


def read(case: Case, blocks: Sequence[Json], arm: str, promised: str) -> Estimate:
    """Judge label ``arm`` against label ``promised`` on these blocks of one case (or of one control)."""
    used = judging_half(case, blocks)
    if case.bounds:
        return _bounds(case, used, arm, promised)
    found = effects(case, used, arm, promised)
    if case.rhythm is Rhythm.ONCE:
        return _once(case, found)
    if case.kind is Kind.READING and case.rhythm is not Rhythm.VISIT:
        return _settled(case, found)
    return _plain(case, found)


def stop(case: Case, reading: Estimate, blocks: Sequence[Json]) -> str:
    """Stop reason of a look: decided, narrow, last, continue. A missing block has had its turn all the same."""
    looks, _ = schedule(case.rhythm)
    units = len({str(b.get("visit", "")) for b in blocks}) if case.rhythm is Rhythm.VISIT else len(blocks)
    reason = stop_reason(reading.decision, units, looks, narrow(case))
    return "continue" if reason == "narrow" and reading.how == "range" else reason


def _plain(case: Case, found: Effects, **more: int) -> Estimate:
    _, alpha = schedule(case.rhythm)
    made = decide(found.location, found.cost, *limits(case), alpha, is_target(case))
    few = "" if math.isfinite(made.low) and math.isfinite(made.high) else _too_few(case, len(found.location))
    return Estimate(
        decision=made,
        effects=found,
        units=len(found.location),
        how="interval",
        why=few,
        merged=more.get("merged", 1),
        plain_location=signed_rank_interval(found.location, ALPHA),
        plain_cost=signed_rank_interval(found.cost, ALPHA) if found.cost else None,
    )


def _too_few(case: Case, n: int) -> str:
    unit = {Rhythm.VISIT: "visits", Rhythm.WATCH: "windows", Rhythm.ONCE: "times"}.get(case.rhythm, "blocks")
    return f"too few {unit}: {n} of at least {schedule(case.rhythm)[0][0]}"


def _once(case: Case, found: Effects) -> Estimate:
    values = found.location
    if len(values) >= schedule(Rhythm.ONCE)[0][0]:
        return _plain(case, found)
    return _range(case, found, _too_few(case, len(values)), decides=False)


def _settled(case: Case, found: Effects) -> Estimate:
    """A reading after the check for wander."""
    values = found.location
    if len(values) >= FEWEST and _trends(values, narrow(case)):
        return _range(case, found, "wanders")
    merged, settled = 1, found
    while len(settled.location) >= FEWEST and _alike(settled):
        merged *= 2
        settled = _merge(settled)
    if merged > 1 and len(settled.location) < FEWEST:
        return _range(case, found, "alike")
    return _plain(case, settled, merged=merged)


def _trends(values: Sequence[float], limit: float) -> bool:
    return kendall_p(values) < TREND_P and abs(theil_sen(values)) * (len(values) - 1) > limit


def _alike(found: Effects) -> bool:
    return max(lag1(found.location), lag1(found.cost)) > ALIKE


def _merge(found: Effects) -> Effects:
    """Means of neighbours; an odd last value has no neighbour and is left out."""

    def pairs(values: Sequence[float]) -> tuple[float, ...]:
        return tuple(fmean(values[i : i + 2]) for i in range(0, len(values) - 1, 2))

    return replace(found, location=pairs(found.location), cost=pairs(found.cost))


def _range(case: Case, found: Effects, why: str, decides: bool = True) -> Estimate:
    """Lowest and highest value instead of an interval; ``decides`` False leaves the word open."""
    values = (*found.location, *found.cost)
    if not values:
        return _plain(case, found)
    span = Interval(median(found.location), min(values), max(values), len(found.location))
    made = decision(span, None, *limits(case), is_target(case))
    if not decides:
        made = replace(made, word=Word.INCONCLUSIVE, at_least=ORDER[0], at_most=ORDER[-1])
    return Estimate(decision=made, effects=found, units=len(found.location), how="range", why=why)


def _hard(case: Case, block: Json, arm: str, promised: str) -> tuple[float, float]:
    """(low, high) of one block: the intersection of its own bounds, less the claim (0 where none is stored)."""
    low, high = max(samples(block, arm, "low")), min(samples(block, arm, "high"))
    try:
        claim = median(samples(block, promised, case.quantity))
    except MissingValue:
        claim = 0.0
    return (claim - high, claim - low) if case.better is Better.HIGHER else (low - claim, high - claim)


def _bounds(case: Case, blocks: Sequence[Json], arm: str, promised: str) -> Estimate:
    held, numbers, missing = [], [], []
    for i, block in enumerate(blocks):
        try:
            held.append(_hard(case, block, arm, promised))
        except MissingValue as error:
            missing.append(str(error))
        else:
            numbers.append(int(number(block.get("n", i), f"blocks[{i}].n")))
    if not held:
        return _plain(case, Effects((), (), (), tuple(missing)))
    low, high = max(h[0] for h in held), min(h[1] for h in held)
    moved = low > high
    if moved:  # no single value satisfies all blocks: the widest statement that is true of every moment
        low, high = min(h[0] for h in held), max(h[1] for h in held)
    middles = tuple((a + b) / 2 for a, b in held)
    made = decision(Interval((low + high) / 2, low, high, len(held)), None, *limits(case), is_target(case))
    how, why = ("range", "wanders: the bounds of different blocks contradict each other") if moved else ("bounds", "")
    return Estimate(
        decision=made, effects=Effects(middles, (), tuple(numbers), tuple(missing)), units=len(held), how=how, why=why
    )
