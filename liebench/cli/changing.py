"""What apply, undo and status share: the hands of this host, the settling at every start, and how changes are shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from liebench.cli import common

if TYPE_CHECKING:
    from liebench.apply.ledger import Change
    from liebench.apply.target import Hands

SYSTEM_STATE = Path("/var/lib/liebench")


def make_hands() -> Hands:
    from liebench import host
    from liebench.apply.target import Hands
    from liebench.state.files import state_dir

    return Hands(host.read_host(), state_dir())


def settle_first(hands: Hands) -> None:
    """What was cut off or not confirmed in time is ended, and said."""
    from liebench.apply.settle import settle

    for line in settle(hands):
        common.say(line)


def row(hands: Hands, change: Change) -> dict[str, Any]:
    """A change as JSON: what it is, and what is in force now."""
    from liebench.apply.ledger import found_as

    now = hands.read(change)
    left = change.left_s(hands.boot, hands.now_s()) if change.waiting else None
    found = {"old": "taken back by somebody", "new": "in force", "gone": "no longer there", "other": "set by somebody"}
    return {
        "number": change.number, "key": change.key, "path": change.path, "from": change.from_, "to": change.to,
        "now": now, "found": found[found_as(change, now)], "state": "waits" if change.waiting else change.state,
        "left_s": None if left is None else round(max(left, 0.0), 1), "evidence": change.evidence,
        "applied": change.time, "file": None if change.waiting else change.dropin,
    }  # fmt: skip


def deliver(text: str, out: Path | None) -> None:
    """An export to standard output, or to a file, whole or not at all."""
    if out is None:
        print(text, end="")
        return
    from liebench.export.files import write_whole

    write_whole(out, text.encode())
    print(out)
