"""A ratio is not yet a cost: unit cost of a lie x how often this host does the thing. Pure.

The unit cost is delivered - promised per event, from the blocks of the case that ``events`` names, with its 95 %
interval carried through the rate; the rate comes from a kernel counter read at both ends of the run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from liebench.contract import Better, Kind, Subject, Word
from liebench.judge.effects import differences
from liebench.judge.readings import limits
from liebench.judge.rule import ORDER
from liebench.judge.run import Run, RunVerdicts, open_run
from liebench.runfile.fields import Json, flag, mapping, number, section, text
from liebench.stats.intervals import Interval, signed_rank_interval

RARE, OFTEN = 0.001, 0.01  # share of a CPU, or seconds waited per second
NO_COUNTER = "no counter says how often"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bill:
    """What one lie costs this host. Shares are of one CPU (``is_cpu``) or seconds waited per second.

    ``rate`` is in events per second, ``unit_seconds`` in seconds per event; None is "not known".
    """

    what: str = ""
    rate: float | None = None
    unit_seconds: float | None = None
    share: float | None = None
    low: float | None = None
    high: float | None = None
    is_cpu: bool = True
    says: str = NO_COUNTER

    @property
    def known(self) -> bool:
        return self.share is not None

    @property
    def often(self) -> str:
        """How often, without the word: ``rare here (0.02 % of a CPU)``; only where it is known."""
        return self.says.split(", ", 1)[-1]


def bill(doc: Json, verdicts: RunVerdicts) -> dict[str, Bill]:
    """The bill of every probe that was judged. Raises RunUnreadable for a damaged document."""
    run = open_run(doc)
    probes = section(doc, "probes")
    return {name: _one(run, name, mapping(probes[name], f"probes.{name}"), verdicts) for name in verdicts.probes}


def _one(run: Run, probe: str, row: Json, verdicts: RunVerdicts) -> Bill:
    place = f"probes.{probe}.events"
    if row.get("events") is None:
        return Bill()
    events = mapping(row["events"], place)
    what, is_cpu = text(events.get("what", ""), f"{place}.what"), flag(events.get("is_cpu", True), f"{place}.is_cpu")
    rate = _rate(events, place)
    if rate is None:
        return Bill(what=what, is_cpu=is_cpu)
    unit = _unit_cost(run, probe, events, verdicts, place)
    if unit is None:
        return Bill(what=what, rate=rate, is_cpu=is_cpu, says=f"{rate:.3g} a second, at a cost that was not measured")
    share, low, high = (rate * v for v in (unit.estimate, unit.low, unit.high))
    says = words(verdicts.probes[probe].word, share, is_cpu)
    return Bill(
        what=what,
        rate=rate,
        unit_seconds=unit.estimate,
        share=share,
        low=_known(low),
        high=_known(high),
        is_cpu=is_cpu,
        says=says,
    )


def _known(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def _rate(events: Json, place: str) -> float | None:
    """Events per second; None where the counter was not readable or was reset."""
    if events.get("first") is None or events.get("last") is None or events.get("span_s") is None:
        return None
    first, last, span = (number(events[k], f"{place}.{k}") for k in ("first", "last", "span_s"))
    return (last - first) / span if span > 0 and last >= first else None


def _unit_cost(run: Run, probe: str, events: Json, verdicts: RunVerdicts, place: str) -> Interval | None:
    """Seconds per event with a 95 % interval; None for rigs, throughputs, facts, and where nothing was measured."""
    key = (probe, text(events.get("case"), f"{place}.case"))
    case, detail = run.cases.get(key), verdicts.details.get(key)
    if case is None or detail is None or case.kind is Kind.FACT or case.bounds:
        return None
    if case.subject is not Subject.HOST or case.better is Better.HIGHER:
        return None
    values = differences(case, run.ordinary.get(key, ()), detail.arm, case.promised.id)
    if not values:
        return None
    scale = number(events.get("to_seconds", 1e-9), f"{place}.to_seconds")
    span = signed_rank_interval(values)
    return Interval(span.estimate * scale, span.low * scale, span.high * scale, span.n)


def words(word: Word, share: float, is_cpu: bool = True) -> str:
    """``costly, rare here (0.02 % of a CPU)``."""
    size = abs(share)
    often = "rare here" if size < RARE else "often here" if size >= OFTEN else "now and then here"
    saved = "saves " if share < 0 else ""
    amount = f"{100 * size:.2g} % of a CPU" if is_cpu else f"{size:.2g} s waited per second"
    return f"{word.value}, {often} ({saved}{amount})"


def order(verdicts: RunVerdicts, bills: Mapping[str, Bill]) -> list[str]:
    """Probe ids, the dearest first: proven harm before open questions; among equals what is often here by its share,
    then what nobody counts by how far it lies beyond its own limit, and what is rare here last."""

    def key(name: str) -> tuple[int, int, float, float, str]:
        found, word = bills.get(name, Bill()), verdicts.probes[name].word
        rank = ORDER.index(word) if word in ORDER else ORDER.index(Word.HARMLESS) - 0.5
        tier = 1 if found.share is None else 0 if abs(found.share) >= RARE else 2
        return -int(2 * rank), tier, -abs(found.share or 0.0), -_beyond(verdicts, name), name

    return sorted(verdicts.probes, key=key)


def _beyond(verdicts: RunVerdicts, name: str) -> float:
    """How large the leading effect is in units of its own limit ``hurts``; 0 for facts and what was not measured."""
    detail, verdict = verdicts.details.get((name, verdicts.leads.get(name, ""))), verdicts.probes[name]
    if detail is None or detail.case.kind is Kind.FACT or verdict.value is None:
        return 0.0
    _, hurts = limits(detail.case)
    if verdict.unit == "ratio":
        return abs(math.log(verdict.value)) / hurts if verdict.value > 0 and hurts else 0.0
    return abs(verdict.value) / hurts if hurts else 0.0
