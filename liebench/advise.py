"""From verdicts to changes worth trying, each with its evidence. Pure: never a constant, never a promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from liebench.changes import catalogue
from liebench.contract import Probe, Verdict
from liebench.host import Host

MEASURED, MET = "measured here", "condition met"


@dataclass(frozen=True, slots=True)
class Advice:
    """One change for this host. ``evidence``: ``measured here`` (the lie, not the change) or ``condition met``."""

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
                    change.id,
                    change.setting,
                    now,
                    change.default,
                    proposal.to,
                    proposal.why,
                    change.risk,
                    change.scope,
                    change.how.format(to=proposal.to, now=now),
                    change.undo.format(to=proposal.to, now=now),
                    change.probe,
                    MEASURED if verdict.value is not None else MET,
                )
            )
    return found
