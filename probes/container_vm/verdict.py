"""What container-vm's ratios say in a sentence, and which workload belongs where. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from liebench.contract import Proposal, Verdict, Word
from liebench.host import Host

WORKS: Mapping[str, tuple[str, bool]] = {  # what it is, headline
    "compute": ("computing", False),
    "call": ("a system call", True),
    "fork": ("a process that ends at once", True),
    "exec": ("starting a program", False),
    "switch": ("handing over to another process and back", False),
    "fault": ("the first touch of a page", False),
    "copy": ("copying memory", False),
    "file": ("writing a small file in memory", False),
    "trip": ("a round trip through loopback", True),
}
PLACES = {"container": "in a container", "namespaces": "in namespaces of ours", "guest": "in a guest"}


def _row(found: Mapping[str, Verdict], place: str) -> list[str]:
    rows = [(work, found[f"{place}-{work}"]) for work in WORKS if f"{place}-{work}" in found]
    return [f"{work} {v.value:.2g}" for work, v in rows if v.value]


def delivers(verdict: Verdict, host: Host) -> str:
    found, said = verdict.cases, []
    for place, words in PLACES.items():
        row = _row(found, place)
        if row:
            said.append(f"{words} the same work takes times as long: {', '.join(row)}")
    start = found.get("container-start")
    if start is not None and start.delivered and start.promised:
        said.append(f"a container starts and ends in {start.delivered:.0f} ms, a program in {start.promised:.1f} ms")
    idle = [(w, found.get(f"{p}-footprint")) for p, w in PLACES.items()]
    sizes = [f"{v.delivered:.0f} KiB {words}" for words, v in idle if v is not None and v.delivered]
    if sizes:
        said.append(f"doing nothing takes {', '.join(sizes)}")
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + "." if said else "Not enough was measured."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    start = verdict.cases.get("container-start")
    if start is None or start.word is not Word.COSTLY or not start.delivered or start.delivered < 10:
        return []
    why = f"a container takes {start.delivered:.0f} ms to start and end, and what runs in it next to nothing more"
    return [Proposal("keep-containers", "containers that stay up and take work, not one for each piece of it", why)]
