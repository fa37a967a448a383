"""What ``liebench look`` prints, and its ``--json`` form. Pure: a look in, text out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from liebench.look.look import Look, strongest
from liebench.words import clean

WIDTH = 80
MOST = 4000  # characters of one list
NONE = (
    "No suspect: nothing that these counters tell. They tell nothing of slow memory, of a "
    "flush that does not flush or of a neighbour on the same core; `liebench run` measures."
)


def _wrapped(text: str, first: str, rest: str) -> Iterator[str]:
    yield from textwrap.wrap(
        clean(text, MOST), WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )  # fmt: skip


def _listed(title: str, items: Sequence[str], between: str) -> Iterator[str]:
    if items:
        yield ""
        yield from _wrapped(f"{title}: {between.join(items)}", "", "  ")


def as_text(look: Look) -> str:
    """The five strongest suspects, what was calm in one line, and what could not be told."""
    lines = [f"Counters read twice, {look.seconds:.1f} s apart; nothing was written, no load was made.", ""]
    shown = strongest(look)
    for rank, suspect in enumerate(shown, 1):
        lines += _wrapped(f"{suspect.says}, {suspect.since}", f"{rank} ◆ ", "    ")
        lines += _wrapped(f"score {suspect.score:.2g}; threshold {suspect.limit}", "    ", "    ")
        lines += _wrapped(f"what settles it: {suspect.settle}", "    ", "    ")
    if not shown:
        lines += _wrapped(NONE, "", "")
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
