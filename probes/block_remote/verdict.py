"""What block-remote's samples say: was the device touched, does it turn, who tells how long one waits. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from liebench.contract import Kind, Meaning, Proposal, Verdict, Word
from liebench.facts.volumes import Volume, volumes
from liebench.host import Host
from liebench.judge.verdicts import Evidence, case_verdict

TURNING_US = 1000.0  # half a turn takes 2 ms at 15,000 a minute, and no disk turns faster
LEAST_AHEAD_KIB, MOST_AHEAD_KIB = 128, 16384  # the kernel's own (VM_READAHEAD_PAGES); as much as the trial can show
TOUCHED = 0.95  # of the bytes asked for must have been seen at the device
TURNS = {
    "plausible": Meaning(Word.HONEST, "small reads take as long as its queue's claim lets expect", "plausible"),
    "denied": Meaning(
        Word.HARMLESS,
        "the queue says that the disk turns, and small reads are too quick for that: the kernel tunes readahead, "
        "writeback and scheduler for the wrong disk",
        "does not turn",
    ),
    "slow": Meaning(
        Word.HARMLESS, "small reads take as long as on a disk that turns, and its queue says that it does not", "slow"
    ),
    "unknown": Meaning(Word.INCONCLUSIVE, "which device it lies on cannot be told from here", "cannot tell"),
}


def turning(volume: Volume | None, us: float) -> Mapping[str, Any]:
    """The facts of ``turns``: the claim of the queue against the median small read."""
    if volume is None or volume.rotational is None:
        return {"value": "unknown", "us": us}
    slow = us > TURNING_US
    value = "plausible" if slow == volume.rotational else "slow" if slow else "denied"
    return {"value": value, "us": us, "device": volume.name, "kind": volume.kind, "why": volume.why}


def judge(evidence: Evidence) -> Verdict:
    """The common words; none where the device was not touched as often as was asked."""
    verdict = case_verdict(evidence)
    if evidence.case.kind is Kind.FACT:
        return _turns(verdict, evidence)
    for label in {label for block in evidence.blocks for label in block["reps"]}:
        shares = [share for block in evidence.blocks if (share := _share(block, label)) is not None]
        if shares and median(shares) < TOUCHED:
            why = (
                f"the device saw {100 * median(shares):.0f} % of what was asked of it (arm {label}): "
                "a cache, a hole or a layer below answered instead"
            )
            return replace(verdict, word=Word.INCONCLUSIVE, at_least=None, at_most=None, why=why)
    return _confessed(verdict, evidence)


def _confessed(verdict: Verdict, evidence: Evidence) -> Verdict:
    """The volume's own word, where it has one: an EBS volume counts how long it was asked for more than it sells."""
    reps = [rep.get("facts", {}) for block in evidence.blocks for rep in block["reps"].values()]
    exceeded = sum(float(facts.get("exceeded_us") or 0) for facts in reps)
    if not exceeded:
        return verdict
    confession = f"the volume itself says that demand exceeded its limits for {exceeded / 1000:.0f} ms of this"
    return replace(verdict, why="; ".join(w for w in (verdict.why, confession) if w))


def _share(block: Mapping[str, Any], label: str) -> float | None:
    found = block["reps"].get(label, {}).get("facts", {}).get("device_share")
    return None if found is None else float(found)


def _turns(verdict: Verdict, evidence: Evidence) -> Verdict:
    facts = evidence.blocks[-1]["reps"]["seen"]["facts"] if evidence.blocks else {}
    if facts.get("value") in (None, "unknown"):
        return verdict
    return replace(verdict, why=f"disk {facts['device']}: {verdict.why} ({facts['us']:.0f} us); {facts['why']}")


def delivers(verdict: Verdict, host: Host) -> str:
    found, said = verdict.cases, []
    far = found.get("against")
    if far is not None and far.value and far.promised and far.delivered:
        us = f"{far.delivered:.0f} against {far.promised:.0f} us"
        said.append(f"a small read takes {far.value:.3g} times as long there ({us})")
    turns = found.get("turns")
    if turns is not None and turns.why:
        said.append(turns.why)
    untold = [(n, found[n].value) for n in ("iowait-free", "iowait-busy", "iowait-aio") if n in found]
    words = {
        "iowait-free": "while its processor has nothing else to do",
        "iowait-busy": "while its processor is busy",
        "iowait-aio": "with asynchronous I/O",
    }
    shares = [f"{max(v, 0):.0f} % {words[n]}" for n, v in untold if v is not None]
    if shares:
        said.append(f"of the time that a process waits for the disk, iowait leaves out {', '.join(shares)}")
    depth = found.get("depth")
    if depth is not None and depth.delivered:
        said.append(f"it works on {depth.delivered:.0f} requests at once where {depth.promised:.0f} are sent")
    said += _cached(found)
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + "." if said else "Not enough was measured."


def _in_order(ahead: Verdict) -> str:
    return f"reads in order through the page cache take {ahead.value:.2g} times as long as large ones past it"


def _mapped(around: Verdict) -> str:
    return f"a byte of a mapping costs as much as {around.value:.2g} small reads: its surroundings are read too"


def _cached(found: Mapping[str, Verdict]) -> list[str]:
    """What readahead makes of reads through the page cache, where it is worth a word."""
    said, ahead, around = [], found.get("ahead"), found.get("around")
    if ahead is not None and ahead.word in (Word.HARMLESS, Word.COSTLY) and ahead.value:
        said.append(_in_order(ahead))
    if around is not None and around.word is Word.COSTLY and around.value:
        said.append(_mapped(around))
    return said


def worth_reading_ahead(latency_us: float, us_per_4k: float) -> int:
    """KiB of readahead that are worth a trial, as a power of two: four times what the disk delivers while it answers.

    The next window is asked for while the last one is used up (mm/readahead.c, the async part), so half of a window
    must last until the disk has answered and delivered. On a virtio disk (45 us, 2 GB/s) reads in order levelled off
    at that, 512 KiB, and those of a mapping took 2.3 times as long with four times as much.
    """
    wanted = int(4 * latency_us * 4 / us_per_4k)
    return 1 << (min(max(wanted, LEAST_AHEAD_KIB), MOST_AHEAD_KIB) - 1).bit_length()


def _readahead(found: Mapping[str, Verdict], host: Host) -> Sequence[Proposal]:
    """More where reads in order wait for the disk, less where reads of a mapping fetch what nobody asked for."""
    ahead, around, small = (found.get(name) for name in ("ahead", "around", "small"))
    if ahead is None or around is None or small is None:
        return ()
    if not (ahead.promised and ahead.delivered and small.delivered):
        return ()
    kib = worth_reading_ahead(small.delivered, min(ahead.promised, ahead.delivered))
    now = [v.read_ahead_kb for v in volumes(host) if v.read_ahead_kb is not None]
    what = ""
    if ahead.word is Word.COSTLY and any(value < kib for value in now):
        what = _in_order(ahead)
    elif around.word is Word.COSTLY and any(value > kib for value in now):
        what = _mapped(around)
    rule = f"{kib} KiB, at least the kernel's own 128, keep this disk busy while it answers ({small.delivered:.0f} us)"
    return (Proposal("readahead", str(kib), f"{what}; {rule}"),) if what else ()


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    found, said = verdict.cases, []
    far, turns, wait = found.get("against"), found.get("turns"), found.get("iowait-busy")
    if far is not None and far.word is Word.COSTLY and far.value:
        why = f"a small read takes {far.value:.2g} times as long on the farther volume"
        said.append(Proposal("near-volume", "logs, temporary files and caches on the nearer volume", why))
    if turns is not None and turns.term == "does not turn":
        said.append(Proposal("not-rotational", "0", "the queue says that the disk turns, and it does not"))
    said += _readahead(found, host)
    if wait is not None and wait.word is Word.COSTLY and wait.value:
        why = f"iowait leaves {wait.value:.0f} % of a process's waiting for the disk untold where its processor is busy"
        said.append(Proposal("watch-latency", "latency and queue of each disk (await, aqu-sz of iostat)", why))
    return said
