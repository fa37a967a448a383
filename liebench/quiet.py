"""Was the machine quiet, and do the neighbours suffer: pressure, load, steal, and the circuit breaker."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

from liebench.host import Host

LOOK_S = 0.25
MARGIN, LEAST = 20.0, 30.0  # percentage points of PSI some avg10; our own single task alone makes none
RESOURCES = ("cpu", "io", "memory")
STEAL, IDLE, IOWAIT = 7, 3, 4  # columns of /proc/stat (proc_stat(5))


def pressure(host: Host) -> dict[str, float | None]:
    """PSI ``some avg10`` in percent for each resource; None where the kernel has no PSI."""
    found: dict[str, float | None] = {}
    for name in RESOURCES:
        text = host.read(f"/proc/pressure/{name}") or ""
        value = text.partition("avg10=")[2].split(" ")[0]
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = None
    return found


def _ticks(host: Host) -> list[int]:
    line = (host.read("/proc/stat") or "").partition("\n")[0].split()[1:]
    return [int(word) for word in line if word.isdigit()]


@dataclass(slots=True)
class QuietWatch:
    """Looks at the machine between blocks, at most four times a second.

    The breaker knows only pressure: a level of 20 points above the start (at least 30 %) pauses the run, twice that
    stops it. A machine that was already under pressure is measured as it is; what we must not do is add to it.
    """

    host: Host
    start: dict[str, float | None] = field(default_factory=dict)
    worst: dict[str, float] = field(default_factory=dict)
    pauses: int = 0
    _looked: float = 0.0
    _first: list[int] = field(default_factory=list)
    _load: float | None = None

    def __post_init__(self) -> None:
        self.start = pressure(self.host)
        self._first, self._load = _ticks(self.host), _load()

    def check(self) -> str:
        """``ok``, ``pause`` or ``stop``."""
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return "ok"
        self._looked = now
        word = "ok"
        for name, value in pressure(self.host).items():
            before = self.start.get(name)
            if value is None or before is None:
                continue
            self.worst[name] = max(value, self.worst.get(name, 0.0))
            level = max(before + MARGIN, LEAST)
            if value > 2 * level:
                return "stop"
            word = "pause" if value > level else word
        self.pauses += word == "pause"
        return word

    def summary(self) -> dict[str, Any]:
        """What the run file keeps: load and pressure before and after, the share of stolen and busy time."""
        last = _ticks(self.host)
        moved = [b - a for a, b in zip(self._first, last, strict=False)]
        total = sum(moved[:8])
        known = total >= 100 and len(moved) > STEAL  # ticks of 10 ms say nothing about windows below a second
        return {
            "load_before": self._load,
            "load_after": _load(),
            "pressure_before": self.start,
            "pressure_worst": self.worst,
            "steal_share": moved[STEAL] / total if known else None,
            "busy_share": 1 - (moved[IDLE] + moved[IOWAIT]) / total if known else None,
            "pauses": self.pauses,
        }


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None
