"""The samples of a run as series: one per probe, case and arm, with a repetition's samples per block. Pure.

What pyperf and benchstat get. Left out: controls, which are about the instrument; claims, which nobody measured; facts;
and probes that failed, which get no word either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from liebench.contract import Case, Kind, State
from liebench.judge.effects import MissingValue, samples
from liebench.judge.run import open_run
from liebench.runfile.fields import Json


@dataclass(slots=True)
class Series:
    """``reps``: the raw samples of each repetition that has any, in the order of blocks, in ``case.unit``."""

    probe: str
    case: Case
    arm: str
    reps: list[list[float]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.probe}/{self.case.id}/{self.arm}"


def series_of(doc: Json) -> list[Series]:
    """Every arm with samples; void repetitions are left out as judges do. Raises RunUnreadable naming the place."""
    run = open_run(doc)
    found: dict[tuple[str, str, str], Series] = {}
    for (probe, _), blocks in run.ordinary.items():
        case = run.cases[probe, str(blocks[0]["case"])]
        if case.kind is Kind.FACT or doc["probes"][probe].get("state") != State.MEASURED:
            continue
        for arm in case.delivered if case.kind is Kind.READING else case.arms:
            one = Series(probe, case, arm.id)
            for block in blocks:
                one.reps += _samples(block, arm.id, case)
            if one.reps:
                found[probe, case.id, arm.id] = one
    return list(found.values())


def _samples(block: Json, label: str, case: Case) -> Sequence[list[float]]:
    try:
        return [samples(block, label, case.quantity)]
    except MissingValue:
        return []


def processors(doc: Json) -> int:
    """How many processors the run saw; 1 where the file does not say."""
    host = doc.get("host")
    cpu = host.get("cpu") if isinstance(host, dict) else None
    online = cpu.get("online") if isinstance(cpu, dict) else None
    return online if isinstance(online, int) and not isinstance(online, bool) and online > 0 else 1
