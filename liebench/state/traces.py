"""What liebench itself did to the kernel's counters, so that whoever reads them can take it out (law 14).

Each user appends to a file of its own, ``<state>/traces.jsonl``, which all may read: numbers only. It holds two kinds
of trace, since no counter says who moved it:

    a span    one measurement: when it began and ended, and what every counter gained meanwhile. Rates leave out both
              the gain and the time, and so whatever others did in that time: that is lost, and nothing is invented.
    a share   events that are rare and each of which matters (kills, drops, steps of a clock), counted where they are
              done. They are subtracted one by one, and what others did meanwhile stays.

Times are of CLOCK_BOOTTIME. Traces of another boot are set aside. A span without an end is a measurement that goes on,
or one that was killed: what counters gained since boot is then unknown, and only a window speaks.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from liebench.state.jsonl import append, records

FILE, ASIDE = "traces.jsonl", "traces.before.jsonl"
SHARED = frozenset({"vmstat.oom_kill", "softnet.dropped", "clock.steps"})  # told by shares alone
ROOTS = Path("/var/lib/liebench")  # root's traces, which any user may read
LARGEST = 1 << 64
Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Own:
    """The traces of one boot. ``span_s``: seconds of measurements, ``gained``: what counters gained in them.

    ``shares``: events of our own by counter. ``unknown``: why counts since boot cannot be told; empty where they can.
    """

    span_s: float = 0.0
    gained: Counts = field(default_factory=dict)
    shares: Counts = field(default_factory=dict)
    unknown: str = ""

    def ours(self) -> dict[str, tuple[int, int]] | None:
        """liebench's share of each counter, as (low, high); None where it cannot be told."""
        if self.unknown:
            return None
        return {
            **{k: (n, n) for k, n in self.gained.items() if k not in SHARED},
            **{k: (n, n) for k, n in self.shares.items()},
        }


NOTHING = Own()


def now_s() -> float:
    """Seconds since boot, suspends among them (CLOCK_BOOTTIME, clock_gettime(2))."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Traces:
    """The traces of this process. ``boot``: token of this boot; without one nothing can be told apart, nor is noted.

    What cannot be written is not noted: a full disk must not end a measurement.
    """

    def __init__(self, state: Path, boot: str | None) -> None:
        self.path, self.boot = state / FILE, boot
        self._span = f"{os.getpid()}-{os.urandom(6).hex()}"

    def begin(self) -> None:
        """A measurement of this process begins."""
        self._note({"span": self._span, "begin_s": now_s()})

    def end(self, gained: Counts) -> None:
        """It has ended, and counters gained this much meanwhile."""
        self._note({"span": self._span, "end_s": now_s(), "gained": dict(gained)})

    def share(self, shares: Counts) -> None:
        """Events that this process has just caused, by counter (``SHARED``)."""
        counts = {name: count for name, count in shares.items() if count}
        if counts:
            self._note({"shares": counts, "at_s": now_s()})

    def _note(self, record: Mapping[str, Any]) -> None:
        if self.boot is None:
            return
        try:
            self._set_aside()
            append(self.path, {"boot": self.boot, **record})
        except OSError:
            return

    def _set_aside(self) -> None:
        """A file of another boot makes way for a new one."""
        if not self.path.exists():
            return
        found, _ = records(self.path)
        if found and found[-1].get("boot") != self.boot:
            self.path.replace(self.path.with_name(ASIDE))


def own_here(state: Path, boot: str | None) -> Own:
    """What this user and root did in this boot."""
    return own_traces((state,) if "LIEBENCH_STATE" in os.environ else (state, ROOTS), boot)


def own_traces(folders: Iterable[Path], boot: str | None) -> Own:
    """What the users of these state folders did in this boot; a folder without traces adds nothing."""
    seconds, gained, shares = 0.0, Counter[str](), Counter[str]()
    unknown = "" if boot is not None else "this kernel does not say which boot it is in"
    for path in {folder / FILE for folder in folders}:
        try:
            rows, damaged = records(path)
        except OSError as error:
            unknown = f"{path} cannot be read ({error.strerror})"
            continue
        if damaged:
            unknown = damaged[0]
        began: dict[str, float] = {}
        for row in (r for r in rows if r.get("boot") == boot):
            try:
                seconds += _read(row, began, gained, shares)
            except (KeyError, TypeError, ValueError) as error:
                unknown = f"{path} holds a trace that is none ({error})"
        if began:
            unknown = f"a measurement goes on, or was killed before it could say what it did ({path})"
    return Own(seconds, dict(gained), dict(shares), unknown)


def _read(row: Mapping[str, Any], began: dict[str, float], gained: Counter[str], shares: Counter[str]) -> float:
    """Add one record to what is known; returns the seconds of a span that ended. Raises ValueError for nonsense."""
    if "shares" in row:
        shares.update(_counts(row["shares"]))
        return 0.0
    name = str(row["span"])
    if "begin_s" in row:
        began[name] = float(row["begin_s"])
        return 0.0
    took = float(row["end_s"]) - began.pop(name)
    if not 0 <= took < LARGEST:
        raise ValueError(f"a span of {took:g} s")
    gained.update(_counts(row["gained"]))
    return took


def _counts(value: object) -> dict[str, int]:
    if not isinstance(value, dict) or not all(type(n) is int and 0 <= n < LARGEST for n in value.values()):
        raise ValueError("counts are whole numbers from 0 on")
    return {str(k): n for k, n in value.items()}
