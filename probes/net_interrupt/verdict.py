"""What the counters of the host's cards say, and what packets take from a processor. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from liebench.contract import Kind, Meaning, Proposal, Verdict, Word
from liebench.facts.cards import Card
from liebench.host import Host
from liebench.judge.verdicts import Evidence, case_verdict

CROWDED = 0.8  # of a card's interrupts on one processor: from there on the others hardly help
FEWEST = 1000  # interrupts below which a share says nothing
RATE = 20_000  # packets a second that the demonstration takes
SPREAD = {
    "spread": Meaning(Word.HONEST, "several processors take the card's interrupts", "spread"),
    "one": Meaning(Word.HARMLESS, "one processor takes nearly all of a card's interrupts", "on one"),
    "few": Meaning(Word.INCONCLUSIVE, "too few interrupts since this host started to say who takes them", "too few"),
    "single": Meaning(Word.HONEST, "this host has one processor, and no choice", "one processor"),
    "none": Meaning(
        Word.INCONCLUSIVE, "no card of its own is seen here: in a container or namespace, ask the host", "no card"
    ),
}
ALLOWANCE = {
    "kept": Meaning(Word.HONEST, "the card's allowance was never exceeded", "kept"),
    "exceeded": Meaning(Word.COSTLY, "the card says that its allowance was exceeded: packets waited or were dropped",
                        "exceeded"),
    "none": Meaning(Word.HONEST, "no card here keeps such counters", "no such counters"),
}  # fmt: skip
PAUSE = {
    "fits": Meaning(Word.HONEST, "what arrives while a processor is away fits into the card's ring", "fits"),
    "overflows": Meaning(Word.HARMLESS, "what arrives while a processor is away does not fit into the card's ring",
                         "does not fit"),
    "unknown": Meaning(Word.INCONCLUSIVE, "no card here tells the length of its ring", "cannot tell"),
}  # fmt: skip


def spread(found: Sequence[Card], processors: int) -> Mapping[str, Any]:
    """The facts of ``spread``: the busiest card, and the share of its interrupts that one processor takes."""
    if not found:
        return {"value": "none"}
    card = max(found, key=lambda c: sum(c.taken))
    total = sum(card.taken)
    share = max(card.taken, default=0) / total if total else 0.0
    known = {"card": card.driver, "queues": card.queues, "steered": card.steered, "share": share, "total": total}
    if processors == 1:
        return {"value": "single", **known}
    value = "few" if total < FEWEST else "one" if share >= CROWDED and not card.steered else "spread"
    return {"value": value, **known}


def allowance(exceeded: Mapping[str, int]) -> Mapping[str, Any]:
    """The facts of ``allowance``, from the counters that end in allowance_exceeded."""
    if not exceeded:
        return {"value": "none"}
    worst = max(exceeded, key=lambda key: exceeded[key])
    return {"value": "exceeded" if exceeded[worst] else "kept", "worst": worst, "times": exceeded[worst]}


def pause(longest_ms: float, ring: int | None, rate: float) -> Mapping[str, Any]:
    """The facts of ``pause``: packets that arrive at ``rate`` a second while a processor is away for so long."""
    if not ring:
        return {"value": "unknown", "longest_ms": longest_ms}
    waiting = rate * longest_ms / 1000
    value = "overflows" if waiting > ring else "fits"
    return {"value": value, "longest_ms": longest_ms, "ring": ring, "rate": rate, "waiting": waiting}


def judge(evidence: Evidence) -> Verdict:
    verdict = case_verdict(evidence)
    if evidence.case.kind is not Kind.FACT or not evidence.blocks:
        return verdict
    facts = evidence.blocks[-1]["reps"]["seen"]["facts"]
    said = _said(evidence.case.id, facts)
    return replace(verdict, why=f"{verdict.why} ({said})") if said else verdict


def _said(case: str, facts: Mapping[str, Any]) -> str:
    if case == "spread" and facts.get("total"):
        queues = "1 queue" if facts["queues"] == 1 else f"{facts['queues']} queues"
        return f"{facts['card']}, {queues}, {100 * facts['share']:.0f} % on the busiest processor"
    if case == "allowance" and facts.get("times"):
        return f"{facts['worst']} {facts['times']} times"
    if case == "pause" and facts.get("ring"):
        return (
            f"away for up to {facts['longest_ms']:.2g} ms; at {facts['rate']:.0f} packets a second "
            f"{facts['waiting']:.0f} wait, the ring holds {facts['ring']}"
        )
    return ""


def delivers(verdict: Verdict, host: Host) -> str:
    found = verdict.cases
    said = [found[name].why for name in ("spread", "allowance", "pause") if name in found and found[name].why]
    taking = found.get("taking")
    if taking is not None and taking.value and taking.value > 1:
        lost = 1 - 1 / taking.value
        said.append(
            f"{RATE} packets a second take {100 * lost:.1f} % of the processor that takes them, "
            f"{1e6 * lost / RATE:.1f} us each"
        )
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + "." if said else "Not enough was measured."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    one, kept = verdict.cases.get("spread"), verdict.cases.get("allowance")
    said = []
    if one is not None and one.term == "on one":
        to = "ethtool -L DEVICE combined N where the card has more queues, else rps_cpus for all processors of its node"
        said.append(Proposal("spread-packets", to, one.why))
    if kept is not None and kept.term == "exceeded":
        said.append(Proposal("ask-provider", "a size with a larger allowance, or fewer packets", kept.why))
    return said
