"""From verdicts to changes worth trying, each with its evidence. Pure: never a constant, never a promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from liebench.advice.catalogue import change_of
from liebench.contract import Proposal, Verdict
from liebench.errors import UnknownChange
from liebench.host import Host
from liebench.probe import Probe

MEASURED, MET = "measured here", "condition met"
UNTOLD = (KeyError, TypeError, ValueError, AttributeError)  # facts that an old or edited run file lacks


class Grade(StrEnum):
    """What trials on this host say about a change, the strongest first (``liebench.advice.evidence``)."""

    PROVED = "proved"
    ONCE = "seen once"
    NARROW = "proved in a smaller scope"
    LAPSED = "proof lapsed"
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


@dataclass(frozen=True, slots=True)
class Advised:
    """Advice in the order of the verdicts, and a sentence for each piece of it that could not be drawn."""

    advice: tuple[Advice, ...]
    said: tuple[str, ...] = ()


def advise_run(host: Host, verdicts: Mapping[str, Verdict], probes: Mapping[str, Probe]) -> Advised:
    """Advice of every probe that gives some. A change equal to its value is no advice.

    What one probe proposes wrongly, or what facts of an old or edited run file do not tell, costs that piece alone.
    """
    found: list[Advice] = []
    said: list[str] = []
    for name, verdict in verdicts.items():
        probe = probes.get(name)
        if probe is None or probe.advise is None:
            continue
        try:
            proposals = probe.advise(verdict, host)
        except UNTOLD as error:
            said.append(_without(name, error))
            continue
        for proposal in proposals:
            try:
                found += _advice(host, name, verdict, proposal)
            except UnknownChange as error:
                said.append(f"{error}; its other advice stands")
            except UNTOLD as error:
                said.append(_without(f"{name} ({proposal.change})", error))
    return Advised(tuple(found), tuple(said))


def _without(what: str, error: Exception) -> str:
    return f"no advice of {what}: the run file holds too few facts of its host ({type(error).__name__}: {error})"


def _advice(host: Host, name: str, verdict: Verdict, proposal: Proposal) -> list[Advice]:
    """One piece, or none where its value is in force. Raises UnknownChange, and UNTOLD for want of facts."""
    change = change_of(proposal.change, name)
    now = change.now(host)
    if now == proposal.to:
        return []
    how, undo = change.steps(host, proposal.to, now)
    return [
        Advice(
            change=change.id,
            setting=change.setting,
            now=now,
            default=change.default,
            to=proposal.to,
            why=proposal.why,
            risk=change.risk,
            scope=change.scope,
            how=how,
            undo=undo,
            probe=change.probe,
            evidence=MEASURED if verdict.value is not None else MET,
        )
    ]
