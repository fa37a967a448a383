"""Apply and confirm: the changes of one command, all of them or none. Callers hold the lock."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from liebench.apply.ledger import Change, Ledger, found_as, same
from liebench.apply.target import Foreign, Hands, beside
from liebench.apply.undo import take_back
from liebench.errors import HostDirty, Interrupted, LiebenchError, NeedUnmet, StorageFull, UsageError
from liebench.settings.knob import Knob


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
            keep(hands, changes)
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


def keep(hands: Hands, changes: Sequence[Change]) -> None:
    """Write the drop-ins, whose settled records make the changes done."""
    for file in dict.fromkeys(c.dropin for c in changes):
        ledger = hands.ledger()
        hands.set_dropin(file, ledger.kept(file, plus=[c.number for c in changes]), ledger)


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
        keep(hands, good)
    except (Foreign, StorageFull) as error:
        raise HostDirty(f"confirmed and in force, but only until the next boot: {error}") from error
    return said + [f"{c.key} is {c.to} and stays so after a boot" for c in good]
