"""What ``liebench look`` prints, and its ``--json`` form. Pure: a look in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from liebench.look.look import Look, strongest
from liebench.words import clean, wrapped

MOST = 4000  # characters of one list
INDENT = " " * 4
NONE = (
    "No suspect: nothing that these counters tell. They tell nothing of slow memory, of a "
    "flush that does not flush or of a neighbour on the same core; `liebench run` measures."
)


def _listed(title: str, items: Sequence[str], between: str) -> Iterator[str]:
    if items:
        yield ""
        yield from wrapped(clean(f"{title}: {between.join(items)}", MOST), "", "  ")


def as_text(look: Look) -> str:
    """The five strongest suspects, what was calm in one line, and what could not be told."""
    lines = [f"Counters read twice, {look.seconds:.1f} s apart; nothing was written, no load was made.", ""]
    shown = strongest(look)
    for rank, suspect in enumerate(shown, 1):
        lines += wrapped(clean(f"{suspect.says}, {suspect.since}", MOST), f"{rank} ◆ ", INDENT)
        lines += wrapped(clean(f"score {suspect.score:.2g}; threshold {suspect.limit}", MOST), INDENT)
        lines += wrapped(clean(f"what settles it: {suspect.settle}", MOST), INDENT)
    if not shown:
        lines += wrapped(NONE)
    left = [s.id for s in look.suspects[len(shown) :]]
    lines += _listed("Above their thresholds too", left, ", ")
    lines += _listed("Looked at and calm", look.calm, ", ")
    lines += _listed("Cannot be told", look.unknown, "; ")
    return "\n".join(lines)


def as_json(look: Look) -> dict[str, Any]:
    """Every suspect, strongest first, with the numbers that were seen; missing is null."""
    return {
        "schema": "liebench.look/1",
        "exit": 0,
        "seconds": look.seconds,
        "suspects": [asdict(suspect) for suspect in look.suspects],
        "calm": list(look.calm),
        "unknown": list(look.unknown),
    }
