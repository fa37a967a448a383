"""What the host's own counters of the backlog say, and which size a burst needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from liebench.contract import Kind, Meaning, Proposal, Verdict, Word
from liebench.facts.softnet import Softnet
from liebench.host import Host
from liebench.judge.verdicts import Evidence, case_verdict

RARE = 1e-6  # of all packets since the start: below that nobody feels it
MOST = 10_000  # beyond, the queue delays more than it saves: at 200,000 packets a second by 50 ms
DROPS = {
    "none": Meaning(Word.HONEST, "no packet was dropped in the backlog since this host started", "none"),
    "rare": Meaning(Word.HARMLESS, "hardly any packets were dropped in the backlog since this host started", "rare"),
    "drops": Meaning(Word.COSTLY, "packets that had arrived were dropped in the backlog", "drops"),
    "unknown": Meaning(Word.INCONCLUSIVE, "softnet_stat cannot be read here", "cannot tell"),
}
NEEDED = {
    "within": Meaning(Word.HONEST, "the size a burst needs lies where it is computed", "as computed"),
    "outside": Meaning(Word.HARMLESS, "the size a burst needs does not lie where it is computed", "not as computed"),
}


def counted(rows: Sequence[Softnet] | None, steered: Sequence[str], ours: int = 0) -> Mapping[str, Any]:
    """The facts of ``drops``. ``ours``: packets that floods of ours had dropped, which are not the host's."""
    if rows is None:
        return {"value": "unknown"}
    processed, dropped, squeezed = (sum(getattr(r, k) for r in rows) for k in ("processed", "dropped", "squeezed"))
    dropped = max(0, dropped - ours)
    share = dropped / max(1, processed + dropped)
    value = "none" if not dropped else "rare" if share < RARE else "drops"
    return {
        "value": value, "processed": processed, "dropped": dropped, "squeezed": squeezed, "share": share,
        "used": bool(steered), "ours": ours,
    }  # fmt: skip


def bracket(packets: float, arrivals: float, served: float) -> tuple[float, float]:
    """Sizes between which the smallest lies that loses nothing of a burst.

    The queue is taken whole before it is worked on, so that twice its size may be held (process_backlog).
    """
    within = packets / arrivals * served  # served while the burst arrives
    return max(0.0, (packets - within) / 2), packets * max(0.0, 1 - served / arrivals)


def judge(evidence: Evidence) -> Verdict:
    verdict = case_verdict(evidence)
    if evidence.case.kind is not Kind.FACT or not evidence.blocks:
        return verdict
    facts = evidence.blocks[-1]["reps"]["seen"]["facts"]
    if evidence.case.id == "needed":
        where = f"{facts['needed']:.0f} packets, computed {facts['low']:.0f} to {facts['high']:.0f}"
        return replace(verdict, why=f"{verdict.why}: {where}")
    if facts.get("value") in (None, "unknown"):
        return verdict
    said = f"{facts['dropped']} of {facts['processed'] + facts['dropped']}"
    path = (
        "packets are handed between processors here, so the queue is in use"
        if facts["used"]
        else "a card that polls (NAPI) goes past this queue: here only loopback and virtual cards use it"
    )
    ours = f"; {facts['ours']} more were floods of ours" if facts["ours"] else ""
    squeezed = f"; {facts['squeezed']} times a processor ran out of time or budget" if facts["squeezed"] else ""
    return replace(verdict, why=f"{verdict.why} ({said}); {path}{ours}{squeezed}")


def delivers(verdict: Verdict, host: Host) -> str:
    found = verdict.cases
    said = [found["drops"].why] if "drops" in found else []
    lost, needed = found.get("lost"), found.get("needed")
    if lost is not None and lost.value is not None:
        said.append(f"of a burst of 4000 packets that are dear to receive {lost.value:.0f} % are lost on our pair")
    if needed is not None and needed.why:
        said.append(needed.why)
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + "." if said else "Not enough was measured."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    """Only where packets of this host were dropped: twice the size, never lower, and never beyond what helps."""
    drops, size = verdict.cases.get("drops"), host.facts.get("net", {}).get("backlog")
    if drops is None or drops.term != "drops" or not size or size >= MOST:
        return []
    return [Proposal("backlog", str(min(MOST, 2 * size)), drops.why)]
