"""What container-vm's ratios say in a sentence, whose clock they hang on, and what belongs where. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from liebench.contract import Proposal, Verdict, Word
from liebench.host import Host
from liebench.judge.verdicts import Evidence, case_verdict

WORKS: Mapping[str, tuple[str, bool]] = {  # what it is, headline
    "call": ("a system call", True),
    "fork": ("a process that ends at once", True),
    "fault": ("the first touch of a page", True),
    "trip": ("a round trip through loopback", True),
    "compute": ("computing", False),
    "exec": ("starting a program", False),
    "switch": ("handing over to another process and back", False),
    "copy": ("copying memory", False),
    "file": ("writing a small file in memory", False),
}
EVERY: Mapping[str, Sequence[str]] = {  # the works of each place
    "container": tuple(WORKS),
    "guest": tuple(WORKS),
    "inside": ("call", "fork", "trip"),
}
WORDS = {
    "container": "in a container",
    "guest": "in a guest",
    "inside": "in namespaces inside that guest, against the guest",
}
EMULATED = "emulated"  # in qemu's words "tcg"
CLOCK_OFF, LATE_NS = 0.1, 10e6  # a guest's clock that is further off convicts nobody; how late a word of it may be
SMALL = 1.1


def judge(evidence: Evidence) -> Verdict:
    """The common verdict, with who ran the place; of a guest, only as far as its clock goes as the host's."""
    verdict, place = case_verdict(evidence), evidence.case.id.partition("-")[0]
    facts = evidence.facts.get("guest" if place == "inside" else place)
    by = str(facts.get("by", "")) if isinstance(facts, Mapping) else ""
    verdict = replace(verdict, term=by)
    if place == "container":
        return verdict
    own, host, count = clocks(evidence)
    if abs(own - host) > CLOCK_OFF * host + LATE_NS * count:
        why = f"the guest's clock counts {own / host:.3g} s in a second of the host's"
        return replace(verdict, word=Word.INCONCLUSIVE, at_least=None, at_most=None, why=why)
    return verdict


def clocks(evidence: Evidence) -> tuple[float, float, int]:
    """(its own clock, the host's between its two words, times): how long all work of a guest in this case took."""
    reps = [rep for block in evidence.blocks for rep in block["reps"].values() if "host_ns" in rep["facts"]]
    return sum(r["elapsed_ns"] for r in reps), sum(r["facts"]["host_ns"] for r in reps), len(reps)


def time_of(ns: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


def _rows(found: Mapping[str, Verdict], place: str) -> Iterator[str]:
    for work in EVERY[place]:
        v = found.get(f"{place}-{work}")
        if v is not None and v.value and v.promised and v.delivered:
            yield f"{WORKS[work][0]} {v.value:.2f} ({time_of(v.delivered)} against {time_of(v.promised)})"


def _place(found: Mapping[str, Verdict], place: str) -> str:
    rows, said = ", ".join(_rows(found, place)), []
    if rows:
        said.append(f"times as long as beside it: {rows}")
    start, idle = found.get(f"{place}-start"), found.get(f"{place}-footprint")
    if start is not None and start.delivered and start.promised:
        own, bare = time_of(1e6 * start.delivered), time_of(1e6 * start.promised)
        said.append(f"starting and ending one takes {own}, a program {bare}")
    if idle is not None and idle.delivered:
        said.append(f"doing nothing it takes {idle.delivered / 1024:.{0 if idle.delivered > 10240 else 1}f} MiB")
    by = next((v.term for k, v in found.items() if k.startswith(f"{place}-") and v.term), "")
    note = "emulated: no word about virtual machines on hardware" if by == EMULATED else by
    note = "namespaces of our own" if by == "own" else note
    note = f" ({note})" if note and place != "inside" else ""
    return f"{WORDS[place]}{note}, {'; '.join(said)}" if said else ""


def delivers(verdict: Verdict, host: Host) -> str:
    said = [text for place in WORDS if (text := _place(verdict.cases, place))]
    return " ".join(f"{text[:1].upper()}{text[1:]}." for text in said) or "Not enough was measured."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    """From this host's own containers only: a guest of ours is a demonstration."""
    found = verdict.cases
    return [*_keep(found), *_network(found.get("container-trip"))]


def _keep(found: Mapping[str, Verdict]) -> Iterator[Proposal]:
    """Where starting one is what costs, and the work in it was seen to cost little."""
    start = found.get("container-start")
    works = [v for w in WORKS if (v := found.get(f"container-{w}")) is not None and v.value]
    most = max((v.value for v in works if v.value), default=0.0)
    if start is None or start.word is not Word.COSTLY or not start.delivered or start.delivered < 10 or not works:
        return
    if any(v.word is Word.COSTLY for v in works):
        return
    why = (
        f"a container takes {start.delivered:.0f} ms to start and end, "
        f"and work in one that is up at most {most:.2f} times as long as on the host"
    )
    yield Proposal("keep-containers", "containers that stay up and take work, not one for each piece of it", why)


def _network(trip: Verdict | None) -> Iterator[Proposal]:
    if trip is None or trip.word not in (Word.COSTLY, Word.HARMLESS) or not trip.value or trip.value < SMALL:
        return
    why = f"a round trip inside a container of its own network takes {trip.value:.2f} times as long as on the host"
    yield Proposal("container-network", "the host's network", why)
