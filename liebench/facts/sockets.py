"""Live TCP connections as ss(8) describes them (-tin). Pure: text in, numbers out, and no address kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

OWN = re.compile(r"\[?(127\.|::1\]|::ffff:127\.)")
OWN_RATE = frozenset({"bbr", "bbr2", "bbr3"})  # set their own rate (cong_control): silence does not touch their window
NUMBERS = {
    "cwnd": r"\bcwnd:(\d+)",
    "rto_ms": r"\brto:([\d.]+)",
    "rtt_ms": r"\brtt:([\d.]+)",
    "silent_ms": r"\blastsnd:(\d+)",
    "busy_ms": r"\bbusy:(\d+)ms",
    "rwnd_limited_ms": r"\brwnd_limited:(\d+)ms",
    "sndbuf_limited_ms": r"\bsndbuf_limited:(\d+)ms",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """One established connection to another host. Numbers that ss leaves out are 0, and None where that is unknown."""

    congestion: str
    cwnd: int
    rto_ms: float
    rtt_ms: float
    silent_ms: float | None  # since its last data
    busy_ms: float
    rwnd_limited_ms: float
    sndbuf_limited_ms: float

    def decayed(self, initial: int) -> int:
        """The window its next burst begins with where the kernel restarts after idle (tcp_cwnd_restart)."""
        window, left = self.cwnd, (self.silent_ms or 0) - self.rto_ms
        while left > 0 and window > initial and self.rto_ms > 0:
            window, left = window // 2, left - self.rto_ms
        return max(window, min(initial, self.cwnd))

    def limited(self) -> float:
        """Share of its sending time in which the other's window or its own send buffer held it back."""
        return (self.rwnd_limited_ms + self.sndbuf_limited_ms) / self.busy_ms if self.busy_ms else 0.0


def parse(text: str) -> list[Connection]:
    """What ``ss -tinH state established`` prints: a line of addresses, and below it, indented, one of facts."""
    found, peer = [], ""
    for line in text.splitlines():
        if not line[:1].isspace():
            peer = line.split()[3] if len(line.split()) > 3 else ""
            continue
        if not peer or OWN.match(peer):
            continue
        values = {key: re.search(pattern, line) for key, pattern in NUMBERS.items()}
        numbers: dict[str, Any] = {key: float(hit[1]) if hit else 0.0 for key, hit in values.items()}
        if not values["silent_ms"]:
            numbers["silent_ms"] = None  # never sent anything
        names = re.match(r"\s*(?:(?:ts|sack|ecn|ecnseen|fastopen|cwnd_event)\s+)*([a-z][a-z0-9_-]*)\b", line)
        found.append(Connection(congestion=names[1] if names else "", cwnd=int(numbers.pop("cwnd")), **numbers))
    return found
