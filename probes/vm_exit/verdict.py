"""What vm-exit's samples say: the class of whoever intercepts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from liebench.contract import Proposal, Verdict, Word
from liebench.host import Host
from liebench.judge.verdicts import Evidence, case_verdict

HARDWARE = 200.0  # core cycles of a cpuid that nobody intercepts: 70-300
# class, from, to (core cycles of one cpuid), word. The gaps between them read "cannot tell". Published runs of
# kvm-unit-tests (x86/vmexit.c) took about 1,000-1,100 cycles below one hypervisor, 13,000-15,000 below two.
CLASSES = (
    ("none", 0.0, 400.0, Word.HONEST),
    ("one level", 900.0, 3000.0, Word.HARMLESS),
    ("nested", 8000.0, float("inf"), Word.COSTLY),
)
IMITATED = 12.0  # core cycles of a floating-point multiplication: 3-5 on hardware, tens in software


def judge(evidence: Evidence) -> Verdict:
    verdict = case_verdict(evidence)
    if evidence.case.id != "class" or verdict.low is None or verdict.high is None:
        return verdict
    facts = [block["reps"]["measured"]["facts"] for block in evidence.blocks]
    ghz = 1 / median(f["cycle_ns"] for f in facts)
    floats = median(f["float_cycles"] for f in facts)
    low, middle, high = (v + HARDWARE for v in (verdict.low, verdict.value or 0.0, verdict.high))
    word, term = exit_class(low, high, floats)
    why = f"{term}: one cpuid takes {middle:.0f} core cycles ({low:.0f} … {high:.0f})"
    return replace(verdict, word=word, at_least=None, at_most=None, term=term, why=f"{why} at {ghz:.2f} GHz")


def exit_class(low: float, high: float, float_cycles: float) -> tuple[Word, str]:
    """The class of whoever intercepts, from the interval of one cpuid and a float multiplication, in core cycles."""
    if float_cycles > IMITATED:
        return Word.COSTLY, "software"
    found = next(((word, name) for name, start, end, word in CLASSES if start <= low and high <= end), None)
    return found or (Word.INCONCLUSIVE, "cannot tell")


def delivers(verdict: Verdict, host: Host) -> str:
    exit_ = verdict.cases.get("class", verdict)
    witness = verdict.cases.get("witness")
    said = [exit_.why or "Not enough was measured to say what an exit costs"]
    if witness is not None and witness.value is not None:
        agrees = witness.word in (Word.HONEST, Word.HELPFUL)
        said.append(
            "a thread that counts on another processor agrees with the clock"
            if agrees
            else f"a thread that counts on another processor saw {witness.value:.2g} times as much as the clock"
        )
    return "; ".join(said) + "."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    term = verdict.cases.get("class", verdict).term
    if term in ("nested", "software"):
        why = f"leaving the guest is a {term} affair here: every wake-up, timer and interrupt pays for it"
        return [
            Proposal("ask-provider", "a host that is not itself a guest", why),
            Proposal("fewer-wakes", "gather wake-ups, timers and packets into batches", why),
        ]
    return []
