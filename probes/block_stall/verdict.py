"""What an open loop saw of a disk: its longest silence, and who waits while it hangs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from liebench.contract import Kind, Proposal, Verdict, Word
from liebench.facts.volumes import volumes
from liebench.host import Host
from liebench.judge.verdicts import Evidence, case_verdict


def judge(evidence: Evidence) -> Verdict:
    verdict = case_verdict(evidence)
    if verdict.word is Word.INCONCLUSIVE and verdict.value is None:
        return verdict
    if evidence.case.kind is Kind.LAW:
        return replace(verdict, why=verdict.why or _who_waits([b["reps"]["waited"]["facts"] for b in evidence.blocks]))
    return _longest(verdict, evidence)


def _longest(verdict: Verdict, evidence: Evidence) -> Verdict:
    """A hang is rare, so its typical window shows none: the longest of all decides, for it did happen."""
    longest, case = max(samples[0] for samples in evidence.samples("measured")), evidence.case
    word = Word.COSTLY if longest >= case.hurts else Word.HARMLESS if longest >= case.matters else Word.HONEST
    seconds = sum(float(b["reps"]["measured"]["elapsed_ns"]) for b in evidence.blocks) / 1e9
    if verdict.control == "failed":
        return verdict
    why = f"the longest wait for the disk in {seconds:.1f} s was {_ms(longest)}"
    return replace(
        verdict,
        word=word,
        value=longest,
        low=None,
        high=None,
        why=why,
        statistic="longest",
        at_least=None,
        at_most=None,
    )


def _ms(value: float) -> str:
    return f"{value / 1000:.2f} s" if value >= 1000 else f"{max(value, 0):.3g} ms"


def _who_waits(facts: Sequence[dict[str, Any]]) -> str:
    def typical(name: str) -> float:
        return float(median(f[name] for f in facts))

    def most(kind: str) -> str:
        return _ms(typical(f"{kind}_longest_ms"))

    return (
        f"while its server was stopped for {_ms(typical('stopped_ms'))} a read waited {most('read')}, a flushed "
        f"write {most('sync')}, a cached read {most('cached')}, a cached write {most('write')}; a closed loop's 99th "
        f"percentile of the reads says {_ms(typical('read_closed_p99_ms'))}"
    )


def _timeouts(host: Host) -> str:
    known = [f"{v.name} after {v.io_timeout_ms / 1000:g} s" for v in volumes(host) if v.io_timeout_ms]
    return f"the kernel says something of a hang of {', '.join(known)} and no sooner" if known else ""


def delivers(verdict: Verdict, host: Host) -> str:
    found = verdict.cases
    said = [found[name].why for name in ("longest-read", "longest-sync", "hang") if name in found and found[name].why]
    said += [timeouts] if (timeouts := _timeouts(host)) else []
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + "." if said else "Not enough was measured."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    worst = max((v.value or 0.0 for k, v in verdict.cases.items() if k.startswith("longest")), default=0.0)
    if worst < 1000:
        return []
    return [
        Proposal(
            "io-timeout",
            "timeouts in the application, and log and data on separate paths",
            f"a request waited {worst / 1000:.1f} s for the disk",
        )
    ]
