"""What paravirt's facts and wake-ups say in words, and what they advise. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from liebench.contract import Proposal, Verdict, Word
from liebench.host import Host
from liebench.judge.verdicts import Evidence, case_verdict

POLL = "/sys/module/haltpoll/parameters/guest_halt_poll_ns"
POLL_NS = "200000"  # the kernel's own default (Documentation/virt/guest-halt-polling.rst)


def judge(evidence: Evidence) -> Verdict:
    """The common words, and by name what is offered and not used."""
    verdict = case_verdict(evidence)
    facts = evidence.blocks[-1]["reps"]["seen"].get("facts", {}) if evidence.case.id == "offers" else {}
    left = facts.get("unused")
    return replace(verdict, why=f"{verdict.why}: {', '.join(map(str, left))}") if left else verdict


def delivers(verdict: Verdict, host: Host) -> str:
    offered, wake, poll = (verdict.cases.get(name) for name in ("offers", "wake", "halt-poll"))
    said = [offered.why] if offered is not None and offered.why else []
    if wake is not None and wake.delivered and wake.promised:
        said.append(
            f"a round trip between sleeping threads takes {wake.delivered / 1000:.2g} us across processors, "
            f"{wake.promised / 1000:.2g} us on one"
        )
    if poll is not None and poll.value:
        said.append(f"without polling before the halt it takes {poll.value:.2g} times as long")
    return "; ".join(said) + "." if said else "Nothing was measured."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    found = []
    poll, gear = verdict.cases.get("halt-poll"), verdict.cases.get("devices")
    if poll is not None and poll.word is Word.COSTLY and poll.value and host.read(POLL) == "0":
        why = f"a wake-up across processors takes {poll.value:.2g} times as long without it"
        found.append(Proposal("halt-poll", POLL_NS, why))
    if gear is not None and gear.term == "emulated":
        found.append(Proposal("ask-provider", "virtio devices", "an old device is emulated in software"))
    return found
