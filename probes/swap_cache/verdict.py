"""What swap-cache's samples say of a swappiness, and which value they advise. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from liebench.contract import Meaning, Proposal, Verdict, Word
from liebench.host import Host

DEFAULT = 60
REGIMES = {  # case -> its words
    "cold-to-spare": "with cold memory to spare",
    "contested": "where everything is wanted",
}
KNOB_WORDS = {
    "none": Meaning(
        Word.HARMLESS, "no effect here: this host has no swap, so there is nothing to weigh files against", "no effect"
    ),
    "swap": Meaning(
        Word.HONEST, "this host has swap; whether its value suits, the regimes tell (--disturb neighbours)", "in force"
    ),
}


def suggested(dearer: float) -> float:
    """The kernel's own formula: relative cost of file I/O over both, of 200 (Documentation/admin-guide/sysctl/vm.rst).

    ``dearer``: what a page from swap costs over one from the file. Ten times dearer is 18, twice as cheap 133.
    """
    r = 1 / dearer
    return 200 * r / (1 + r)


def _won(verdict: Verdict | None) -> int | None:
    """The value that beat the default; None where none did."""
    if verdict is None or verdict.word is not Word.HELPFUL or not verdict.arm.startswith("swappiness-"):
        return None
    return int(verdict.arm.removeprefix("swappiness-"))


def delivers(verdict: Verdict, host: Host) -> str:
    said = []
    for name, words in REGIMES.items():
        found = verdict.cases.get(name)
        if found is None or not found.value:
            continue
        won = _won(found)
        if won is not None:
            share = f"{100 * found.value:.0f} % of the time that {DEFAULT} takes"
            said.append(f"{words} {won} does the same work in {share}")
        else:
            said.append(f"{words} nothing that was tried beats {DEFAULT}")
    other = verdict.cases.get("mglru")
    if other is not None and other.value:
        said.append(f"with its other way to choose pages it takes {other.value:.2g} times as long")
    page = verdict.cases.get("page")
    if page is not None and page.value:
        formula = f"by the kernel's formula {suggested(page.value):.0f}"
        said.append(f"a page from swap costs {page.value:.2g} times one from the file: {formula}")
    knob = verdict.cases.get("knob")
    if knob is not None and knob.term == "no effect":
        said.insert(0, f"{knob.why}; what follows was tried on swap of ours" if said else knob.why)
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + "." if said else "Not enough was measured."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    """Only a value that won in one regime and lost in none. 0 with its danger, which the catalogue states."""
    judged = [verdict.cases.get(name) for name in REGIMES]
    won = {value for value in map(_won, judged) if value is not None}
    lost = any(v is not None and v.word not in (Word.HELPFUL, Word.HONEST) for v in judged)
    if len(won) != 1 or lost:
        return []
    return [Proposal("swappiness", str(*won), "it won here in one regime and lost in none")]
