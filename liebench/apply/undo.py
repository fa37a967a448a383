"""Taking applied changes back, to what was found; what somebody else has set meanwhile is left. Callers hold the lock.

Undo is explicit: nothing is taken back because a process ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from liebench.apply.ledger import Change, Ledger, found_as, same
from liebench.apply.target import Foreign, Hands
from liebench.errors import HostDirty, StorageFull, UsageError


def chosen(ledger: Ledger, which: str) -> list[Change]:
    """The changes that ``undo`` means, newest first: a number, ``all``, or the newest command's. Raises UsageError."""
    opened = list(reversed(ledger.open))
    if which == "all":
        return opened
    if which == "last":
        return [c for c in opened if c.group == opened[0].group]
    number = int(which) if which.isascii() and which.isdecimal() and len(which) < 10 else -1
    found = [c for c in opened if c.number == number]
    if not found:
        have = ", ".join(str(c.number) for c in reversed(opened)) or "none"
        raise UsageError(f"there is no applied change {which[:20]!r}; the numbers that are applied: {have}")
    later = [c for c in opened if c.path == found[0].path and c.number > number]
    if later:
        raise UsageError(f"change {later[0].number} set {found[0].key} after change {number}; undo that one first")
    return found


def undo(hands: Hands, changes: Sequence[Change]) -> list[str]:
    """Take these back, newest first. Raises HostDirty naming those that could not be, after trying all."""
    said, bad = [], []
    for change in changes:
        try:
            said.append(take_back(hands, replace(change), "as asked"))
        except (HostDirty, StorageFull) as error:
            bad.append(f"{change.key}: {error}")
    if bad:
        raise HostDirty("; ".join([*bad, *said]))
    return said


def take_back(hands: Hands, change: Change, why: str, insist: bool = False) -> str:
    """Undo one change, as far as it is ours. Returns what was done, in words. May be repeated after any cut.

    ``insist``: the value is put back even where the ledger cannot be written; the next start does the rest.
    """
    ignoring = contextlib.suppress(HostDirty) if insist else contextlib.nullcontext()
    with ignoring:
        if change.state != "undoing":
            hands.note("undoing", n=change.number)
    ledger = hands.ledger()
    said = _value_back(hands, change, ledger)
    with ignoring:
        said += _dropin_back(hands, change, ledger)
        said = f"{change.key}: {said} ({why})"
        hands.note("undone", n=change.number, said=said)
    return said


def _value_back(hands: Hands, change: Change, ledger: Ledger) -> str:
    if change.boot != hands.boot and change.number not in ledger.kept_once:
        return "the reboot has taken it back"
    now = hands.read(change)
    found = found_as(change, now)
    if found == "gone":
        return f"{change.path} is no longer there"
    if found == "other" and _bent(hands, change, now or ""):
        found = "new"
    if found == "other":
        return f"it is {now}, neither {change.from_} as found nor {change.to} as applied: somebody set it, it was left"
    if found == "new":
        _restore(hands, change)
    return f"it is {change.from_} again"


def _bent(hands: Hands, change: Change, now: str) -> bool:
    """Whether a third value is what the kernel makes of ours, and not an administrator's: it is asked once more.

    Only where the change was never seen in force: it was cut off between the write and the look.
    """
    if change.lived:
        return False
    before = hands.host.read(change.path) or ""
    try:
        hands.write(change.path, change.text)
    except OSError:
        return False  # it takes nothing of us, so it was not us
    if same(hands.read(change), now):
        return True
    hands.write(change.path, change.knob.text_for(before, now))
    return False


def _restore(hands: Hands, change: Change) -> None:
    """Write the old value; where the kernel had zeroed another setting for ours, that one brings ours back to zero."""
    steps = [(change.path, change.knob.text_for(hands.host.read(change.path) or "", change.from_))]
    if change.beside and change.from_ == "0":
        steps = list(change.beside.items())
    try:
        for path, text in steps:
            hands.write(path, text)
    except OSError as error:
        raise HostDirty(
            f"{change.path} cannot be written ({error.strerror}); it holds {change.to}, and it held {change.from_}: "
            f"write that as root, or `liebench undo {change.number}` as root"
        ) from error
    now = hands.read(change)
    if not same(now, change.from_):
        raise HostDirty(f"{change.path} was given {change.from_} again and reads {now}; set it by hand")


def _dropin_back(hands: Hands, change: Change, ledger: Ledger) -> str:
    """The drop-in without this change; one that somebody edited is left, and said."""
    try:
        found = hands.ours(change.dropin, ledger)
        if change.number in ledger.kept_once and found is not None:
            hands.set_dropin(change.dropin, ledger.kept(change.dropin, without=[change.number]), ledger)
    except Foreign as error:
        if change.number in ledger.kept_once:
            return f"; {error}"
    return ""
