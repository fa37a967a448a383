"""Two dumps of the connections, paired by cookie: nothing in the kernel counts restarts after idle (linux/snmp.h)."""

from __future__ import annotations

from collections.abc import Iterable

from liebench.facts.sockets import OWN_RATE
from liebench.facts.usage.outside import Connection
from liebench.facts.usage.values import Sockets


def summary(
    before: list[Connection] | None, after: list[Connection] | None, restarts: int | None, elsewhere: int | None
) -> Sockets | None:
    """``restarts``: net.ipv4.tcp_slow_start_after_idle; with 0 no window is restarted."""
    if after is None:
        return None
    old = {c.cookie: c for c in before or ()}
    pairs = [(old[c.cookie], c) for c in after if c.cookie in old]
    return Sockets(
        open=len(after),
        elsewhere=elsewhere,
        own_rate=sum(c.congestion in OWN_RATE for c in after),
        resting=sum(_rests(c) for c in after),
        restarted=_restarted(pairs) if restarts == 1 and before is not None else 0 if restarts == 0 else None,
        limited=_known((c.rwnd_limited_us, c.sndbuf_limited_us) for c in after),
        busy_us=_sum(c.busy_us for c in after),
        rwnd_limited_us=_sum(c.rwnd_limited_us for c in after),
        sndbuf_limited_us=_sum(c.sndbuf_limited_us for c in after),
        window_busy_us=_sum(_less(a.busy_us, b.busy_us) for b, a in pairs),
        window_rwnd_limited_us=_sum(_less(a.rwnd_limited_us, b.rwnd_limited_us) for b, a in pairs),
        window_sndbuf_limited_us=_sum(_less(a.sndbuf_limited_us, b.sndbuf_limited_us) for b, a in pairs),
    )


def counted(here: int | None, elsewhere: int | None) -> Sockets | None:
    """Where only lines of /proc/net/tcp can be counted."""
    return None if here is None else Sockets(open=here, elsewhere=elsewhere)


def _rests(connection: Connection) -> bool:
    silent = connection.silent_ms
    return silent is not None and connection.congestion not in OWN_RATE and silent * 1000 > connection.rto_us > 0


def _restarted(pairs: list[tuple[Connection, Connection]]) -> int:
    """It rested, and has sent since: its time since the last data fell."""
    return sum(_rests(b) and a.silent_ms is not None and a.silent_ms < (b.silent_ms or 0) for b, a in pairs)


def _less(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else max(0, after - before)


def _sum(values: Iterable[int | None]) -> int | None:
    found = list(values)
    return None if None in found else sum(value or 0 for value in found)


def _known(values: Iterable[tuple[int | None, int | None]]) -> int | None:
    found = list(values)
    return None if any(None in pair for pair in found) else sum(any(pair) for pair in found)


def in_table(text: str | None) -> int | None:
    """Established connections to other hosts in a text of /proc/PID/net/tcp or tcp6.

    Left out: loopback peers, and connections of which both ends stand there, so that their peer is this host.
    """
    if text is None:
        return None
    rows = [row for line in text.splitlines()[1:] if len(row := line.split()) > 3 and row[3] == "01"]
    ends = {(row[1], row[2]) for row in rows}
    return sum((there, here) not in ends and not _loops(there.partition(":")[0]) for here, there in ends)


def _loops(address: str) -> bool:
    """As that file writes it: words of 32 bits in the machine's order (little here, big on s390)."""
    last = address[-8:]
    mapped = len(address) == 32 and address[:24] in ("0000000000000000FFFF0000", "00000000000000000000FFFF")
    if len(address) == 8 or mapped:
        return last.endswith("7F") or last.startswith("7F")
    return address in ("00000000000000000000000001000000", "00000000000000000000000000000001")
