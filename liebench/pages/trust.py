"""Can this run be trusted: controls, neighbours, and the receipt of what the run touched, as sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from liebench.judge.controls import Control
from liebench.judge.run import RunVerdicts
from liebench.words import clean, short

STOLEN, SEEN, WAITED = 0.02, 0.1, 0.5  # shares from which somebody else was there
COUNTED = (
    ("disk_read_bytes", "read from disks"),
    ("disk_write_bytes", "written to disks"),
    ("swapped_out_bytes", "swapped out"),
    ("net_sent_bytes", "sent"),
)


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence, and whether it speaks for the run. ``details``: what of it is not as it should be."""

    good: bool
    text: str
    details: tuple[str, ...] = field(default=())


def trust(doc: Mapping[str, Any], verdicts: RunVerdicts) -> list[Said]:
    """The controls, the neighbours, what the run changed."""
    return [*_controls(verdicts), *_neighbours(doc, verdicts), *_receipt(doc)]


def _controls(verdicts: RunVerdicts) -> Iterator[Said]:
    for kind, all_well, what in (
        ("null", "nothing where nothing was", "The same thing measured twice"),
        ("plant", "its known size", "A planted lie"),
    ):
        group = [c for c in verdicts.controls if c.kind == kind]
        if not group:
            continue
        shown = [c for c in group if c.status == "shown"]
        failed = [c for c in group if c.status == "failed"]
        said = f"{what} gave {all_well} in {len(shown)} of {len(group)} controls"
        open_ = len(group) - len(shown) - len(failed)
        said += f"; {open_} had too few blocks to show it" if open_ else ""
        said += f"; {len(failed)} FAILED: no verdict stands on that kind of work" if failed else ""
        yield Said(not failed and bool(shown), f"{said}.", tuple(_one(c) for c in group if c.status != "shown"))


def _one(c: Control) -> str:
    unit = "×" if c.unit == "ratio" else clean(c.unit, 16)
    found = "nothing" if c.value is None else f"{short(c.value)} {unit} ({short(c.low)} … {short(c.high)})"
    planted = f"planted {short(c.expect)} {unit}, " if c.kind == "plant" else ""
    return f"{clean(c.probe, 60)}/{clean(c.case, 60)}: {planted}found {found}, {c.status}"


def _neighbours(doc: Mapping[str, Any], verdicts: RunVerdicts) -> Iterator[Said]:
    quiet = doc.get("quiet") or {}
    steal, load = quiet.get("steal_share"), quiet.get("load_before")
    stolen = "is unknown: the run was too short to tell" if steal is None else f"was {100 * steal:.1f} %"
    yield Said(steal is None or steal < STOLEN, f"Stolen time {stolen}; the load before the run was {short(load, 2)}.")
    waited, before = quiet.get("neighbours_wait_worst"), quiet.get("neighbours_wait_before")
    if waited is not None and before is not None:
        text = f"Other processes waited for a CPU {short(waited, 2)} s per second at worst ({short(before, 2)} before)."
        yield Said(waited < before + WAITED, text)
    share = verdicts.sentinel.share
    if share is not None:
        text = f"A foreign thread on the core's sibling showed in {100 * share:.0f} % of the repetitions"
        yield Said(share < SEEN, f"{text}." if share < SEEN else f"{text}: small differences drown in that.")
    stopped = str(doc.get("stopped"))
    if stopped == "budget":
        yield Said(False, "The run ended at its time budget: some questions got fewer blocks. A longer --budget helps.")
    elif stopped != "done":
        yield Said(False, f"The run ended early: {clean(stopped, 40)}.")


def _receipt(doc: Mapping[str, Any]) -> Iterator[Said]:
    counters = (doc.get("quiet") or {}).get("counters") or {}
    moved = [f"{_bytes(n)} {what}" for key, what in COUNTED if (n := counters.get(key))]
    if moved:
        yield Said(True, f"While it ran, this whole host counted {', '.join(moved)}.")
    changed = (doc.get("receipt") or {}).get("difference", [])
    yield from (Said(False, f"Changed during the run: {clean(line)}") for line in changed)
    if not changed and doc.get("receipt"):
        what = "No sysctl, mount, swap, link, module, control group or clocksource differs after the run."
        yield Said(True, what)


def _bytes(n: float) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if n >= size:
            return f"{short(n / size)} {unit}"
    return f"{n:.0f} bytes"
