"""Can this run be trusted: its null and planted controls, and the sentinel beside its repetitions. Pure.

A control fails only on proof: the null's whole interval lies outside its band, or the plant's excludes its known
size with the tolerance. An interval too wide to say either is "not shown", which lowers no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from liebench.contract import Case, Kind
from liebench.judge.effects import Effects, MissingValue, effects, is_void, outward, place_of, samples
from liebench.judge.readings import limits, read
from liebench.judge.rule import LOOK_ALPHA
from liebench.runfile.fields import Json, mapping, optional_number, refuse, text
from liebench.stats.intervals import Interval, signed_rank_interval

DIFFERENCES = (Kind.READING, Kind.FACT)  # their plants are sizes in the unit of the case
CLAIMS = ("promised", "claimed")
SENTINEL_LIMIT = 1 / 0.9  # chain8/chain1 above this times the best seen on that CPU: something took the ports
MODE_FEWEST = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """One control of a run. Numbers are in the case's terms: a ratio, or a difference in the unit."""

    id: str
    work: str
    kind: str  # null | plant
    probe: str
    case: str
    status: str  # shown | not shown | failed
    expect: float
    tolerance: float
    value: float | None
    low: float | None
    high: float | None
    blocks: int
    unit: str = "ratio"


@dataclass(frozen=True, slots=True)
class Modes:
    """Two groups of repetitions told apart by the sentinel: ``factor`` is slow / fast of the same label's medians."""

    share: float
    factor: float
    everything: Interval  # effect with all blocks: what the user gets
    clean: Interval  # effect with clean blocks only: what the change did
    balanced: bool  # the clean share does not differ between the arms, so ``clean`` may be believed


@dataclass(frozen=True, slots=True)
class Sentinel:
    """How many repetitions had somebody on the sibling thread; ``share`` is None where no sentinel was taken."""

    repetitions: int = 0
    taken: int = 0
    disturbed: int = 0
    best: Mapping[str, float] = field(default_factory=dict)  # lowest chain8/chain1 by CPU

    @property
    def share(self) -> float | None:
        return self.disturbed / self.taken if self.taken else None


def labels_of(blocks: Sequence[Json]) -> tuple[str, str] | None:
    """(delivered, promised) labels of a control's blocks; None before a block with both."""
    for block in blocks:
        reps = mapping(block.get("reps"), f"{place_of(block)}.reps")
        claims = [label for label in CLAIMS if label in reps]
        others = [label for label in reps if label not in claims]
        if claims and others:
            return others[0], claims[0]
        if len(claims) == 2:
            return "measured" if "measured" in reps else claims[0], claims[1]
    return None


def band_of(case: Case, kind: str, expect: float, tolerance: float) -> tuple[float, float]:
    """The effects a control may show. ``tolerance`` is relative for a ratio, in the unit for a reading."""
    if case.kind is Kind.READING:
        return expect - tolerance, expect + tolerance
    return math.log(expect * (1 - tolerance)), math.log(expect * (1 + tolerance))


def judge_control(entry: Json, case: Case, blocks: Sequence[Json], place: str) -> Control:
    """Status of one control from its own blocks. Only the median speaks: a burst moves the mean of both arms."""
    kind = text(entry.get("kind"), f"{place}.kind")
    if kind not in ("null", "plant"):
        refuse(f"{place}.kind", "null or plant", kind)
    ratio = case.kind not in DIFFERENCES
    b, _ = limits(case) if case.kind is not Kind.FACT else (0.0, 0.0)
    expect = optional_number(entry.get("expect"), f"{place}.expect")
    tolerance = optional_number(entry.get("tolerance"), f"{place}.tolerance")
    expect = (1.0 if ratio else 0.0) if expect is None or kind == "null" else expect
    tolerance = (case.matters - 1 if ratio else b) if tolerance is None else tolerance
    if ratio and not (expect > 0 and 0 <= tolerance < 1):
        refuse(f"{place}.expect", "a ratio above 0 with a tolerance in [0, 1)", (expect, tolerance))
    labels = labels_of(blocks)
    if case.kind is Kind.FACT:
        status, span = _event(case, blocks, kind, expect, tolerance)
        return _control(entry, case, kind, status, expect, tolerance, span, place)
    if case.bounds and labels:
        span = read(case, blocks, *labels).decision.location
    else:
        found = effects(case, blocks, *labels) if labels else Effects(())
        span = signed_rank_interval(found.location, LOOK_ALPHA)
    status = _status(span, band_of(case, kind, expect, tolerance), b, kind)
    return _control(entry, case, kind, status, expect, tolerance, span, place)


def _control(
    entry: Json, case: Case, kind: str, status: str, expect: float, tolerance: float, span: Interval, place: str
) -> Control:
    ratio = case.kind not in DIFFERENCES
    value, lower, upper = (outward(v, ratio) for v in (span.estimate, span.low, span.high))
    name, work, probe = (text(entry.get(k, ""), f"{place}.{k}") for k in ("id", "work", "probe"))
    unit = "ratio" if ratio else case.unit
    return Control(
        id=name,
        work=work,
        kind=kind,
        probe=probe,
        case=case.id,
        status=status,
        expect=expect,
        tolerance=tolerance,
        value=value,
        low=lower,
        high=upper,
        blocks=span.n,
        unit=unit,
    )


def _event(case: Case, blocks: Sequence[Json], kind: str, expect: float, tolerance: float) -> tuple[str, Interval]:
    """A fact is an event inside a window: the planted one must be among those seen, and a null must see none."""
    seen: list[float] = []
    windows = 0
    for block in blocks:
        windows += kind in mapping(block.get("reps"), f"{place_of(block)}.reps")
        try:
            seen += samples(block, kind, case.quantity)
        except MissingValue:
            continue
    nearest = min(seen, key=lambda v: abs(v - expect), default=math.nan)
    span = Interval(nearest, min(seen, default=math.nan), max(seen, default=math.nan), windows)
    if not windows:
        return "not shown", span
    if kind == "null":
        return ("failed" if seen else "shown"), span
    return ("shown" if abs(nearest - expect) <= tolerance else "failed"), span


def _status(span: Interval, band: tuple[float, float], b: float, kind: str) -> str:
    low, high = band
    if span.low > high or span.high < low:
        return "failed"
    if kind == "null":
        return "shown" if -b <= span.low and span.high <= b else "not shown"
    # A plant is shown when a lie was seen, of a size that agrees, with an interval that could have disagreed.
    seen = span.low > 0 if (low + high) > 0 else span.high < 0
    return "shown" if seen and span.high - span.low < max(abs(low + high), 2 * b) else "not shown"


def by_work(controls: Sequence[Control]) -> dict[str, tuple[str, str]]:
    """Class of work -> (status, ids of the failed ones): failed if any failed, shown if all are shown."""
    found: dict[str, tuple[str, str]] = {}
    for work in {c.work for c in controls}:
        ours = [c for c in controls if c.work == work]
        failed = ", ".join(c.id for c in ours if c.status == "failed")
        all_shown = all(c.status == "shown" for c in ours)
        found[work] = ("failed", failed) if failed else ("shown" if all_shown else "not shown", "")
    return found


Marks = Sequence[Collection[str]]  # for each block of a list, by its place there, the labels that were disturbed
Chains = tuple[str, float]  # a CPU, and its sentinel ratio


def _chains(block: Json) -> dict[str, Chains | None]:
    """What the sentinel said beside each repetition of a block, by label; None where there was none."""
    found: dict[str, Chains | None] = {}
    for label, stored in mapping(block.get("reps"), f"{place_of(block)}.reps").items():
        place = f"{place_of(block)}.reps.{label}"
        rep = mapping(stored, place)
        chains = mapping(rep.get("sentinel") or {}, f"{place}.sentinel")
        alibi = mapping(rep.get("alibi") or {}, f"{place}.alibi")
        one, eight = (optional_number(chains.get(k), f"{place}.sentinel.{k}") for k in ("chain1_ns", "chain8_ns"))
        cpu = str(alibi.get("cpu_first", "?"))
        found[label] = (cpu, eight / one) if one and eight and one > 0 else None
    return found


def sentinel_of(blocks: Sequence[Json]) -> tuple[Sentinel, Marks]:
    """The summary of a run, and for each of these blocks the labels of the repetitions that were disturbed."""
    rows = [_chains(block) for block in blocks]
    taken = [chains for row in rows for chains in row.values() if chains]
    best: dict[str, float] = {}
    for cpu, ratio in taken:
        best[cpu] = min(ratio, best.get(cpu, ratio))
    marks = [
        frozenset(label for label, held in row.items() if held and held[1] > best[held[0]] * SENTINEL_LIMIT)
        for row in rows
    ]
    return Sentinel(sum(map(len, rows)), len(taken), sum(map(len, marks)), best), marks


def modes_of(case: Case, blocks: Sequence[Json], arm: str, promised: str, marks: Marks) -> Modes | None:
    """The two groups of one case; None where either has fewer than three repetitions with samples.

    ``marks``: of these very blocks, in the same order.
    """
    groups: dict[bool, list[float]] = {False: [], True: []}
    seen = {label: [0, 0] for label in (arm, promised)}
    for label in (arm, promised):
        values = [
            (_median(block, label, case.quantity), label in marked) for block, marked in zip(blocks, marks, strict=True)
        ]
        clean = [v for v, dirty in values if v is not None and not dirty]
        if not clean or median(clean) <= 0:
            return None
        for value, dirty in values:
            if value is not None:
                groups[dirty].append(value / median(clean))
                seen[label][dirty] += 1
    if min(map(len, groups.values())) < MODE_FEWEST:
        return None
    spotless = [b for b, marked in zip(blocks, marks, strict=True) if not {arm, promised}.intersection(marked)]
    shares = [dirty / (clean + dirty) for clean, dirty in seen.values()]
    return Modes(
        len(groups[True]) / sum(map(len, groups.values())),
        median(groups[True]) / median(groups[False]),
        signed_rank_interval(effects(case, blocks, arm, promised).location),
        signed_rank_interval(effects(case, spotless, arm, promised).location),
        abs(shares[0] - shares[1]) <= 2 / math.sqrt(max(1, min(map(sum, seen.values())))),
    )


def _median(block: Json, label: str, quantity: str) -> float | None:
    """Median of a repetition, None where it has nothing to say."""
    reps = mapping(block.get("reps"), f"{place_of(block)}.reps")
    rep = reps.get(label)
    place = f"{place_of(block)}.reps.{label}"
    if rep is None or is_void(mapping(rep, place), f"{place}.flags"):
        return None
    values = mapping(rep.get("samples") or {}, f"{place}.samples").get(quantity)
    return median(samples(block, label, quantity)) if values else None
