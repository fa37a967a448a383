"""Disks: how long a request took, how long a disk was busy, discards, and requests that never end (iostats.rst).

The time in I/O is the time in which at least one request was there: at 100 % a disk that serves many at once may still
have room, so it is a suspect only together with slow requests.
"""

from __future__ import annotations

from liebench.facts.reader import Reader
from liebench.look.sign import OURS, Calm, Finding, Sign, Suspect, Window, number, since

COLUMNS = {
    "reads": 0,
    "read_ms": 3,
    "writes": 4,
    "write_ms": 7,
    "busy_ms": 9,
    "discards": 11,
    "discard_ms": 14,
    "flushes": 15,
    "flush_ms": 16,
}
FLIGHT = 8
ETCD = "etcd: its log wants flushes below 10 ms at p99"
SIGNS = (
    Sign(
        id="disk-slow",
        what="request times",
        top=("disk.{name}.read_ms", "disk.{name}.write_ms"),
        bottom=("disk.{name}.reads", "disk.{name}.writes"),
        least=100,
        unit="ms",
        limit=10.0,
        source=ETCD,
        says="a request to {name} took {amount} on average",
        settle="liebench run block-remote",
    ),
    Sign(
        id="flush-slow",
        what="flush times",
        top=("disk.{name}.flush_ms",),
        bottom=("disk.{name}.flushes",),
        least=20,
        unit="ms",
        limit=10.0,
        source=ETCD,
        says="a flush of {name} took {amount} on average",
        settle="liebench run flush-honesty",
    ),
    Sign(
        id="disk-busy",
        what="time in I/O",
        top=("disk.{name}.busy_ms",),
        scale=1e-3,
        least=100,
        percent=True,
        of_time=True,
        limit=0.9,
        source=f"{OURS}: below it there is room",
        says="{name} had requests in {amount} of the time",
        settle="liebench run block-remote",
    ),
    Sign(
        id="discard",
        what="discards",
        top=("disk.{name}.discard_ms",),
        scale=1e-3,
        least=10,
        percent=True,
        of_time=True,
        limit=0.1,
        source=f"{OURS}: a tenth of the time",
        says="{name} spent {amount} of the time on discards",
        settle="liebench run block-stall",
    ),
)


def read(reader: Reader) -> dict[str, float]:
    """Counters of every disk that has served a request; partitions and idle loop devices have no row here."""
    found: dict[str, float] = {}
    for name in reader.names("/sys/block"):
        words = [number(word) for word in (reader.text(f"/sys/block/{name}/stat") or "").split()]
        if len(words) < 11 or None in words:
            continue
        row = {key: words[at] or 0.0 for key, at in COLUMNS.items() if at < len(words)}
        if row["reads"] + row["writes"]:
            found |= {f"disk.{name}.{key}": value for key, value in row.items()}
            found[f"disk.{name}.flight"] = words[FLIGHT] or 0.0
    return found


def find(window: Window) -> list[Finding]:
    found: list[Finding | None] = []
    for name in window.names("disk.", ".reads"):
        found += [sign.find(window, name) for sign in SIGNS]
        found.append(_stuck(window, name))
    return [f for f in found if f is not None]


def _stuck(window: Window, name: str) -> Finding | None:
    """Requests in flight at both ends of the window, and none that ended in between."""
    flight = min(shot.counters.get(f"disk.{name}.flight", 0.0) for shot in (window.before, window.after))
    done = [window.moved(f"disk.{name}.{kind}") for kind in ("reads", "writes", "flushes", "discards")]
    if None in done[:2] or window.seconds <= 0:
        return None
    if not flight or any(done):
        return Calm("disk-stuck", "requests that never end")
    return Suspect(
        id=f"disk-stuck:{name}",
        says=f"{name} holds {flight:.0f} requests and finished none",
        since=since(window, True),
        score=10 * window.seconds,
        settle="liebench run block-stall",
        limit=f"0.1 s ({OURS}: without a request that ends)",
        values={"in_flight": flight},
    )
