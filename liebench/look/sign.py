"""Signs of trouble in the kernel's own counters: two snapshots in, suspects out. Pure but for ``take``.

Every sign is a share or a rate against a threshold, and says where the threshold comes from. What counts is how many
times the threshold was reached in the window between the two snapshots, or a quarter of that for the whole time since
boot, whichever is more: what goes on now weighs more than what once was. For a share of time that is the score, which
can reach 20 for a threshold of 5 %. A rate, or a share of events, has no such end: above its threshold each doubling
adds 1. From a score of 1 on it is a suspect; the highest stand first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HISTORY = 0.25  # what an excess since boot weighs beside the same excess in the window
OURS = "liebench's own"
DAY, HOUR, MINUTE = 86400, 3600, 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """Counters that only grow, and values that do not (``state``), as they stood at ``at_s`` of a monotonic clock.

    ``blind`` says what could not be read, each with why and what to do about it. ``since_boot``: whether the counts
    speak of the host since it started; where not, only the window does.
    """

    at_s: float
    uptime_s: float | None
    counters: Mapping[str, float]
    state: Mapping[str, Any] = field(default_factory=dict)
    blind: tuple[str, ...] = ()
    since_boot: bool = True


@dataclass(frozen=True, slots=True)
class Window:
    """Two snapshots and the time between them."""

    before: Snapshot
    after: Snapshot

    @property
    def seconds(self) -> float:
        return max(self.after.at_s - self.before.at_s, 0.0)

    def moved(self, name: str) -> float | None:
        """What a counter gained; None where it is missing, or went backwards as after a hot-unplug or a wrap."""
        old, new = self.before.counters.get(name), self.after.counters.get(name)
        return None if old is None or new is None or new < old else new - old

    def total(self, name: str) -> float | None:
        """A counter since boot; None where it is missing or negative."""
        value = self.after.counters.get(name) if self.after.since_boot else self.moved(name)
        return None if value is None or value < 0 else value

    def names(self, prefix: str, suffix: str) -> list[str]:
        """What stands between ``prefix`` and ``suffix`` in the names of counters."""
        keys = [k for k in self.after.counters if k.startswith(prefix) and k.endswith(suffix)]
        return sorted(key[len(prefix) : len(key) - len(suffix)] for key in keys)

    def state(self, name: str) -> Any:
        return self.after.state.get(name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspect:
    """One sign above its threshold. ``values`` are the numbers seen; ``settle`` is the command that would settle it."""

    id: str
    says: str
    since: str
    score: float
    settle: str
    limit: str  # the threshold, and where it comes from
    values: Mapping[str, float | str | None]


@dataclass(frozen=True, slots=True)
class Calm:
    """One sign that was looked at and lies below its threshold."""

    id: str
    what: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """One sign that the counters cannot decide, with the reason."""

    id: str
    why: str


Finding = Suspect | Calm | Unknown


@dataclass(frozen=True, kw_only=True, slots=True)
class Sign:
    """A counter over another one, or per second, against a threshold.

    ``least`` is how many events it takes in the window before it is judged at all; since boot ten times as many.
    ``says`` has places for ``{amount}``, ``{count}`` and ``{name}``. ``percent``: the value is a share;
    ``of_time``: of time.
    """

    id: str
    what: str
    top: tuple[str, ...]
    bottom: tuple[str, ...] = ()
    scale: float = 1.0  # units of top and bottom to a plain share or number
    least: float = 1.0
    unit: str = "per second"
    percent: bool = False
    of_time: bool = False
    limit: float
    source: str  # of the limit
    says: str
    settle: str

    def find(self, window: Window, name: str = "") -> Finding | None:
        """What this sign says; None where its counters do not exist here."""
        top, bottom = (tuple(key.format(name=name) for key in keys) for keys in (self.top, self.bottom))
        total = _sum(window.total, top)
        if total is None:
            return None
        moved = _sum(window.moved, top)
        now = self._value(moved, _below(window.moved, bottom, window.seconds), self.least)
        ever = self._value(total, _below(window.total, bottom, window.after.uptime_s), 10 * self.least)
        score = self._score(max(now or 0, HISTORY * (ever or 0)) / self.limit)
        if now is None and moved is None:
            return Unknown(self.id, f"{self._label(name)}: the counter went backwards, or came or went meanwhile")
        if score < 1:
            return Calm(self.id, self.what)
        recent = (now or 0) >= HISTORY * (ever or 0)
        value, count = (now, moved) if recent else (ever, total)
        says = self.says.format(amount=self.amount(value or 0), count=_plain(count or 0), name=name)
        return Suspect(
            id=self.id + (f":{name}" if name else ""),
            says=says,
            since=since(window, recent),
            score=score,
            settle=self.settle,
            limit=f"{self.amount(self.limit)} ({self.source})",
            values={"window": now, "boot": ever, "count_window": moved, "count_boot": total},
        )

    def ever(self, window: Window, name: str = "") -> float | None:
        """The value since boot, however few the events."""
        bottom = _below(window.total, tuple(key.format(name=name) for key in self.bottom), window.after.uptime_s)
        return self._value(_sum(window.total, tuple(key.format(name=name) for key in self.top)), bottom, 0)

    def amount(self, value: float) -> str:
        return f"{_plain(100 * value)} %" if self.percent else f"{_plain(value)} {self.unit}"

    def _label(self, name: str) -> str:
        return f"{self.what} of {name}" if name else self.what

    def _score(self, times: float) -> float:
        """From how many times the threshold was reached to the score: see the head of this module."""
        return times if self.of_time or times <= 1 else 1 + math.log2(times)

    def _value(self, top: float | None, bottom: float | None, least: float) -> float | None:
        if top is None or bottom is None or bottom <= 0:
            return None
        value = self.scale * top / bottom if top >= least else 0.0
        return value if math.isfinite(value) else None


def _sum(read: Callable[[str], float | None], names: Sequence[str]) -> float | None:
    found = [value for name in names if (value := read(name)) is not None]
    return sum(found) if found else None


def _below(read: Callable[[str], float | None], names: Sequence[str], time_s: float | None) -> float | None:
    return _sum(read, names) if names else time_s


def _plain(value: float) -> str:
    """A number that people read: three digits, thousands apart, no exponent below a million million."""
    if value >= 1000:
        return f"{value:,.0f}" if value < 1e12 else f"{value:.2e}"
    return f"{value:.3g}"


def since(window: Window, recent: bool) -> str:
    """``in the last 3.0 s``, or ``since boot, 2 days ago``."""
    if recent:
        return f"in the last {window.seconds:.1f} s"
    return f"since boot, {span(window.after.uptime_s)} ago"


def span(seconds: float | None) -> str:
    """A time span in its largest fitting unit."""
    if seconds is None:
        return "an unknown time"
    for size, word in ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds:.0f} seconds"


def number(word: object) -> float | None:
    """A counter as the kernel writes it; None for anything else, also for what no counter of 64 bits can hold."""
    text = str(word)
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        return None
    return float(text)


def find_all(signs: Sequence[Sign], window: Window) -> list[Finding]:
    return [found for sign in signs if (found := sign.find(window)) is not None]
