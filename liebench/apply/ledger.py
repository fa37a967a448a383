"""The ledger of applied changes, and what follows from it: states, drop-ins, differences. Pure.

``<state>/applied.jsonl`` only grows. A change is ``intent`` (old and new value, before anything is touched), ``live``
(written and read back), ``done`` (it will be there after a boot, too); or it waits after ``live`` to be ``confirmed``;
``undoing`` and ``undone`` end it. ``dropin`` records say which contents of a drop-in are ours; a settled one makes the
changes that it holds ``done``. Every step may be done twice, so whoever is killed between two of them is followed by
somebody who looks at what is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as made_of
from typing import Any

from liebench.errors import RunUnreadable
from liebench.settings.knob import Knob, Scope, as_it_is

FILE = "applied.jsonl"
SCHEMA = "liebench.applied/1"
SYSCTLS, VALUES = "/etc/sysctl.d/90-liebench.conf", "/etc/tmpfiles.d/90-liebench.conf"
STATES = ("intent", "live", "confirmed", "done", "undoing", "undone")
OPEN = ("intent", "live", "confirmed", "done", "undoing")


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One applied change, by its number. ``text``: what the whole file holds with it. ``beside``: settings that the
    kernel zeroes together with this one, with what they held. ``confirm_s``: seconds to confirm it, of the clock that
    counts from boot, which stood at ``since_s``; None: it needs no confirmation. ``group``: changes of one command.
    ``lived``: it was read back once; before that, a third value may be what the kernel made of ours.
    """

    number: int
    group: int
    id: str
    key: str
    path: str
    from_: str
    to: str
    text: str
    boot: str | None
    since_s: float
    confirm_s: float | None
    time: str
    evidence: str
    risk: str
    state: str = "intent"
    said: str = ""
    field: int | None = None
    bracketed: bool = False
    beside: Mapping[str, str] = made_of(default_factory=dict)
    lived: bool = False

    @property
    def knob(self) -> Knob:
        """How its file is read and written: from the ledger alone, whatever today's catalogue holds."""
        return Knob(
            id=self.id,
            key=self.key,
            path=self.path,
            scope=Scope.HOST,
            valid=as_it_is,
            risk=self.risk,
            default="",
            source="",
            field=self.field,
            bracketed=self.bracketed,
        )

    @property
    def dropin(self) -> str:
        return SYSCTLS if self.path.startswith("/proc/sys/") else VALUES

    @property
    def waiting(self) -> bool:
        return self.state == "live" and self.confirm_s is not None

    def left_s(self, boot: str | None, now_s: float) -> float:
        """Seconds that are left to confirm it; none after a reboot."""
        if self.confirm_s is None or boot != self.boot:
            return 0.0
        return self.since_s + self.confirm_s - now_s


@dataclass(frozen=True, slots=True)
class Ledger:
    """``hashes``: per drop-in the contents that count as ours, by digest; None is "no file". ``made``: drop-ins whose
    folder is ours too. ``kept_once``: numbers that a drop-in has held, so that a boot may have set them."""

    changes: tuple[Change, ...]
    hashes: Mapping[str, tuple[str | None, ...]] = made_of(default_factory=dict)
    made: frozenset[str] = frozenset()
    kept_once: frozenset[int] = frozenset()
    said: tuple[str, ...] = ()

    @property
    def open(self) -> tuple[Change, ...]:
        return tuple(c for c in self.changes if c.state in OPEN)

    @property
    def next_number(self) -> int:
        return max((c.number for c in self.changes), default=0) + 1

    def kept(self, dropin: str, without: Sequence[int] = (), plus: Sequence[int] = ()) -> list[Change]:
        """The changes that a drop-in holds: those that are done, or were confirmed; of one file the newest."""
        rows = [
            c
            for c in self.open
            if c.dropin == dropin and c.number not in without and (c.state in ("done", "confirmed") or c.number in plus)
        ]
        newest = {c.path: c for c in rows}
        return sorted(newest.values(), key=lambda c: c.number)


def ledger_of(rows: Iterable[Mapping[str, Any]], said: Sequence[str] = ()) -> Ledger:
    """Replay the records. Raises RunUnreadable for those of a newer liebench."""
    changes: dict[int, Change] = {}
    hashes: dict[str, tuple[str | None, ...]] = {}
    made: set[str] = set()
    kept: set[int] = set()
    notes = list(said)
    for row in rows:
        kind, number = row.get("record"), row.get("n")
        if kind == "intent":
            _known(row)
            try:
                change = Change(**{k: v for k, v in row["change"].items() if k in Change.__dataclass_fields__})
                changes[change.number] = change
            except (KeyError, TypeError, AttributeError):
                notes.append(f"a change of the ledger cannot be understood and was passed over: {str(row)[:80]}")
        elif kind == "dropin" and isinstance(row.get("file"), str):
            hashes[row["file"]] = (row.get("new"), row.get("old"))
            made |= {row["file"]} if row.get("made") else set()
            numbers = [n for n in row.get("holds", ()) if n in changes]
            kept.update(numbers)
            for n in numbers if row.get("settled") else ():
                if changes[n].state in ("live", "confirmed"):
                    changes[n] = replace(changes[n], state="done")
        elif kind in STATES and isinstance(number, int) and number in changes:
            known = changes[number]
            lived = known.lived or kind == "live"
            changes[number] = replace(known, state=str(kind), said=str(row.get("said", "")), lived=lived)
        else:
            notes.append(f"a record of the ledger belongs to no change and was passed over: {str(row)[:80]}")
    return Ledger(tuple(changes[n] for n in sorted(changes)), hashes, frozenset(made), frozenset(kept), tuple(notes))


def _known(row: Mapping[str, Any]) -> None:
    name, _, version = str(row.get("schema", SCHEMA)).rpartition("/")
    if name != "liebench.applied" or version != "1":
        raise RunUnreadable(
            f"the ledger of applied changes has schema {str(row.get('schema'))[:40]!r}, this liebench reads {SCHEMA}; "
            "upgrade liebench, nothing was changed"
        )


def originals(ledger: Ledger) -> dict[str, str]:
    """What the settings that are applied held before the first change of ours, by path."""
    found: dict[str, str] = {}
    for change in ledger.open:
        found.setdefault(change.path, change.from_)
    return found


def same(one: str | None, other: str | None) -> bool:
    """Values are equal whatever white space the kernel puts between their numbers."""
    return (one or "").split() == (other or "").split() and (one is None) == (other is None)


def found_as(change: Change, now: str | None) -> str:
    """``old``, ``new``, ``gone`` or ``other`` (an administrator's), by the value that is in force."""
    if now is None:
        return "gone"
    return "new" if same(now, change.to) else "old" if same(now, change.from_) else "other"


def digest(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()
