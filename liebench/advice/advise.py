"""From verdicts to changes worth trying, each with its evidence. Pure: never a constant, never a promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from liebench.advice.catalogue import catalogue
from liebench.contract import Verdict
from liebench.host import Host
from liebench.probe import Probe

MEASURED, MET = "measured here", "condition met"


class Grade(StrEnum):
    """What trials on this host say about a change, the strongest first (``liebench.advice.evidence``)."""

    PROVED = "proved"
    ONCE = "seen once"
    OPEN = "not tried"
    NO_GAIN = "tried without gain"


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """One change for this host. ``evidence``: ``measured here`` (the lie, not the change) or ``condition met``, and
    once it was graded what trials say."""

    change: str
    setting: str
    now: str
    default: str
    to: str
    why: str
    risk: str
    scope: str
    how: str
    undo: str
    probe: str
    evidence: str
    grade: Grade = Grade.OPEN


def advise_run(host: Host, verdicts: Mapping[str, Verdict], probes: Mapping[str, Probe]) -> Sequence[Advice]:
    """Advice of every probe that gives some, in the order of ``verdicts``. A change equal to its value is no advice."""
    known, found = catalogue(), []
    for name, verdict in verdicts.items():
        probe = probes.get(name)
        if probe is None or probe.advise is None:
            continue
        for proposal in probe.advise(verdict, host):
            change = known[proposal.change]
            now = change.now(host)
            if now == proposal.to:
                continue
            found.append(
                Advice(
                    change=change.id,
                    setting=change.setting,
                    now=now,
                    default=change.default,
                    to=proposal.to,
                    why=proposal.why,
                    risk=change.risk,
                    scope=change.scope,
                    how=change.how.format(to=proposal.to, now=now),
                    undo=change.undo.format(to=proposal.to, now=now),
                    probe=change.probe,
                    evidence=MEASURED if verdict.value is not None else MET,
                )
            )
    return found
