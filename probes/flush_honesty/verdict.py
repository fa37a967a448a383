"""What can be said of a flush: caught, or not disproved. Never honest: only a power cut knows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from liebench.contract import Kind, Meaning, Proposal, Verdict, Word
from liebench.facts.volumes import Volume
from liebench.host import Host
from liebench.judge.verdicts import Evidence, case_verdict

CAUGHT, OPEN = "caught", "not disproved"
FEW = 0.9  # of the flushes asked for must reach the disk; some may be shared
FLAT = 2.0  # a flush that takes less than twice as long after two thousand times as much
DEAR_US = 10_000.0  # etcd wants 99 % of its flushes below 10 ms (its documentation, "hardware")
SENT = {
    "sent": Meaning(
        Word.INCONCLUSIVE, "every flush reached the disk; whether it then does anything, only a power cut tells", OPEN
    ),
    "missing": Meaning(
        Word.COSTLY, "the disk says that it keeps writes in a volatile cache, and flushes do not reach it", CAUGHT
    ),
    "unneeded": Meaning(
        Word.INCONCLUSIVE, "the disk says that it has no volatile cache, so the kernel sends it no flush", OPEN
    ),
    "unknown": Meaning(
        Word.INCONCLUSIVE, "which disk it lies on, or what reaches it, cannot be told from here", "cannot tell"
    ),
}


def sent(volume: Volume | None, reached: int | None, ever: int | None, asked: int) -> Mapping[str, Any]:
    """The facts of ``sent``: flushes that the disk counted against those asked for, beside what its queue claims.

    A disk that counted none since boot convicts nobody: not every driver counts them.
    """
    if volume is None or reached is None or volume.write_cache is None:
        return {"value": "unknown"}
    if not ever and volume.write_cache != "write through":
        return {"value": "unknown"}
    known = {"device": volume.name, "write_cache": volume.write_cache, "asked": asked, "reached": reached}
    if reached >= FEW * asked:
        return {"value": "sent", **known}
    return {"value": "unneeded" if volume.write_cache == "write through" else "missing", **known}


def judge(evidence: Evidence) -> Verdict:
    verdict = case_verdict(evidence)
    if evidence.case.kind is Kind.FACT:
        return _sent(verdict, evidence)
    if evidence.case.id == "slope":
        return _slope(verdict)
    return _cut(verdict, len(evidence.blocks)) if evidence.case.id == "cut" else verdict


def _sent(verdict: Verdict, evidence: Evidence) -> Verdict:
    facts = evidence.blocks[-1]["reps"]["seen"]["facts"] if evidence.blocks else {}
    if "reached" not in facts:
        return verdict
    seen = f"{facts['device']} ({facts['write_cache']}): {facts['reached']} of {facts['asked']} flushes"
    return replace(verdict, why=f"{seen}; {verdict.why}")


def _open(verdict: Verdict, why: str) -> Verdict:
    return replace(verdict, word=Word.INCONCLUSIVE, at_least=None, at_most=None, term=OPEN, why=why)


def _slope(verdict: Verdict) -> Verdict:
    """Time alone convicts nobody: a disk whose writes are durable at once has nothing left to flush either."""
    if verdict.high is None or verdict.low is None:
        return verdict
    times = f"a flush after 8 MiB takes {verdict.value:.2g} times as long as after 4 KiB"
    if verdict.high < FLAT:
        return _open(verdict, f"{times}: either every write is durable at once, or a flush does nothing")
    if verdict.low > FLAT:
        return _open(verdict, f"{times}, as one that has something to write must")
    return _open(verdict, f"{times}: whether it grows with what was written cannot be told")


def _cut(verdict: Verdict, cuts: int) -> Verdict:
    if verdict.value is None or verdict.control == "failed":
        return verdict
    if verdict.low is not None and verdict.low > 0:
        why = f"{verdict.value:.0f} % of flushed writes were gone after the power was cut"
        return replace(verdict, word=Word.COSTLY, term=CAUGHT, why=why)
    return _open(verdict, f"no flushed write was lost in {cuts} power cuts")


def delivers(verdict: Verdict, host: Host) -> str:
    found, said = verdict.cases, []
    cost = found.get("cost")
    if cost is not None and cost.delivered and cost.promised:
        said.append(
            f"a small write that is flushed takes {cost.delivered:.0f} us, one that is not {cost.promised:.0f} us"
        )
    said += [found[name].why for name in ("sent", "slope", "cut") if name in found and found[name].why]
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + "." if said else "Not enough was measured."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    found, said = verdict.cases, []
    way, cost = found.get("sent"), found.get("cost")
    if way is not None and way.term == CAUGHT:
        said.append(Proposal("flush-through", "mount with barriers, write_cache as the disk has it", way.why))
    if cost is not None and cost.delivered and cost.word is Word.COSTLY:
        dear = f", above the {DEAR_US / 1000:g} ms that etcd asks for" if cost.delivered > DEAR_US else ""
        why = f"a flushed write takes {cost.delivered:.0f} us here, {cost.value:.2g} times one that is not{dear}"
        said.append(Proposal("batch-commits", "group commit, or several changes in one transaction", why))
    return said


def flushes(host: Host) -> int | None:
    """Flush requests of all disks so far (field 18 of /proc/diskstats, Documentation/admin-guide/iostats.rst)."""
    rows = [line.split() for line in (host.read("/proc/diskstats") or "").splitlines()]
    found = [int(row[18]) for row in rows if len(row) > 18 and row[18].isdigit()]
    return sum(found) if found else None
