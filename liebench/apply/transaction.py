"""Apply, confirm, undo, and what the next start does about those that were cut off. Callers hold the lock.

Undo is explicit: nothing is taken back because a process ends. What is taken back on its own is what nobody confirmed
in time, and what an apply left half done.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from liebench.apply.ledger import FILE, Change, Ledger, found_as, same
from liebench.apply.target import Foreign, Hands, beside
from liebench.errors import HostDirty, Interrupted, LiebenchError, NeedUnmet, StorageFull, UsageError
from liebench.settings.knob import Knob
from liebench.stage.recovery import recover
from liebench.state.lock import exclusive


@dataclass(frozen=True, slots=True)
class Wanted:
    """A change that has been checked. ``overrides``: words about who else sets it, and loses."""

    knob: Knob
    now: str
    to: str
    evidence: str
    overrides: tuple[str, ...] = ()


def intended(hands: Hands, wanted: Sequence[Wanted], confirm_s: float | None, first: int) -> list[Change]:
    """The changes as the ledger will hold them, numbered from ``first`` on."""
    time, since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), hands.now_s()
    found = []
    for number, w in enumerate(wanted, first):
        text = w.knob.text_for(hands.host.read(w.knob.path) or "", w.to)
        found.append(
            Change(
                number=number,
                group=first,
                id=w.knob.id,
                key=w.knob.key,
                path=w.knob.path,
                from_=w.now,
                to=w.to,
                text=text,
                boot=hands.boot,
                since_s=since,
                confirm_s=confirm_s,
                time=time,
                evidence=w.evidence,
                risk=w.knob.risk,
                field=w.knob.field,
                bracketed=w.knob.bracketed,
                beside=beside(hands.host, w.knob.path),
            )
        )
    return found


def preflight(hands: Hands, changes: Sequence[Change], ledger: Ledger) -> None:
    """Everything that can be known beforehand. Raises; nothing has been changed then."""
    for change in changes:
        hands.may_write(change.path)
        try:
            hands.ours(change.dropin, ledger)
        except Foreign as error:
            raise UsageError(f"{error}; nothing was changed") from error


def apply(hands: Hands, changes: Sequence[Change], watch: Callable[[float], None]) -> None:
    """All of them or none. ``watch``: starts what takes them back after so many seconds.

    Raises UsageError for a value that the kernel refuses or bends; everything is as it was then.
    """
    preflight(hands, changes, hands.ledger())
    noted: list[Change] = []
    try:
        for change in changes:
            hands.note_intent(change)
            noted.append(change)
        if changes[0].confirm_s is not None:
            watch(changes[0].confirm_s)
        for change in changes:
            _set(hands, change)
            hands.note("live", n=change.number)
        if changes[0].confirm_s is None:
            _keep(hands, changes)
    except BaseException as error:
        left = _give_up(hands, noted)
        if left:
            raise HostDirty(f"{error or 'interrupted'}; {'; '.join(left)}") from error
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted("interrupted; nothing of this command is applied") from error
        raise


def _give_up(hands: Hands, noted: Sequence[Change]) -> list[str]:
    """Take back what an apply has done, whatever the ledger's disk does. Returns what could not be."""
    left = []
    for change in reversed(noted):
        try:
            take_back(hands, change, "it could not be applied", insist=True)
        except (LiebenchError, OSError) as error:
            left.append(f"{change.key} could not be taken back: {error}")
    return left


def _set(hands: Hands, change: Change) -> None:
    try:
        hands.write(change.path, change.text)
    except OSError as error:
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise NeedUnmet(
                f"to write {change.path} ({error.strerror})", "run it as root outside a container"
            ) from error
        raise UsageError(
            f"the kernel refuses {change.to[:80]!r} for {change.key} ({error.strerror}); nothing was changed"
        ) from error
    now = hands.read(change)
    if not same(now, change.to):
        raise UsageError(
            f"the kernel makes {(now or 'nothing')[:80]!r} of {change.to[:80]!r} for {change.key}; it was taken back, "
            "and nothing was changed"
        )


def _keep(hands: Hands, changes: Sequence[Change]) -> None:
    """Write the drop-ins, whose settled records make the changes done."""
    for file in dict.fromkeys(c.dropin for c in changes):
        ledger = hands.ledger()
        hands.set_dropin(file, ledger.kept(file, plus=[c.number for c in changes]), ledger)


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


def settle(hands: Hands) -> list[str]:
    """What every start does first: end what was cut off, and take back what nobody confirmed in time."""
    hands.sweep()
    said = recover(hands.state, hands.boot)  # a trial that was killed may have left its value in force
    ledger = hands.ledger()
    said += ledger.said
    for change in reversed(ledger.open):
        try:
            said += _settle_one(hands, change)
        except (LiebenchError, OSError) as error:
            said.append(f"{change.key}: {error}")
    return said


def _settle_one(hands: Hands, change: Change) -> list[str]:
    if change.state == "undoing":
        return [take_back(hands, change, "an undo had been cut off")]
    if change.state == "confirmed":
        _keep(hands, [change])
        return [f"{change.key} is {change.to} and stays so after a boot (it had been confirmed)"]
    if change.state == "intent" or (change.state == "live" and change.confirm_s is None):
        return [take_back(hands, change, "an apply had been cut off")]
    if change.waiting and change.left_s(hands.boot, hands.now_s()) <= 0:
        return [take_back(hands, change, "nobody confirmed it in time")]
    return []


def confirm(hands: Hands) -> list[str]:
    """Keep what waits: from now on it lasts over a boot. Values that somebody changed meanwhile are let go."""
    waiting = [c for c in hands.ledger().open if c.waiting]
    said, good = [], []
    for change in waiting:
        if found_as(change, hands.read(change)) == "new":
            good.append(change)
        else:
            said.append(take_back(hands, change, "so there was nothing to confirm"))
    for change in good:
        hands.note("confirmed", n=change.number)
    try:
        _keep(hands, good)
    except (Foreign, StorageFull) as error:
        raise HostDirty(f"confirmed and in force, but only until the next boot: {error}") from error
    return said + [f"{c.key} is {c.to} and stays so after a boot" for c in good]


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


def settle_if_any(hands: Hands) -> list[str]:
    """What was cut off or not confirmed in time is ended where we may, else why not; nothing is created."""
    if not (hands.state / FILE).exists():
        return []
    try:
        with exclusive(hands.state, "ending what was cut off"):
            return settle(hands)
    except LiebenchError as error:
        return [str(error)]
