"""A first look at a host: its counters twice, then the strongest suspects. ``judge`` is pure; nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from liebench.facts.reader import Reader, as_int
from liebench.look import clock, cpu, disk, memory, net
from liebench.look.sign import Calm, Finding, Snapshot, Suspect, Unknown, Window, number

MOST = 5
FILES = {  # what is read, and what is lost where it cannot be
    "/proc/stat": "steal",
    "/proc/vmstat": "reclaim, refaults, swap",
    "/proc/net/softnet_stat": "drops before the protocol",
    "/proc/net/snmp": "TCP and UDP counters",
    "/proc/net/netstat": "TCP's own counters",
    "/proc/pressure/cpu": "pressure (a kernel with CONFIG_PSI, booted with psi=1)",
}


@dataclass(frozen=True, slots=True)
class Outside:
    """What does not lie in files: asked of the running kernel, or told by a test."""

    log: Callable[[], str | None] = lambda: None
    connections: Callable[[], Any] = lambda: None
    cards: Callable[[], dict[str, dict[str, int]]] = dict


@dataclass(frozen=True, slots=True)
class Look:
    """Suspects, strongest first; what was calm; what the counters could not decide, and what could not be read."""

    seconds: float
    suspects: tuple[Suspect, ...]
    calm: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OwnTraces:
    """What liebench itself did in this boot: seconds of measurements, what counters gained in them, and why counts
    since boot cannot be told; empty where they can."""

    seconds: float = 0.0
    gained: Mapping[str, int] = field(default_factory=dict)
    unknown: str = ""


NOTHING = OwnTraces()


def counters(reader: Reader) -> dict[str, float]:
    """Every counter as it stands now; what is missing is left out."""
    return cpu.read(reader) | memory.read(reader) | net.read(reader) | disk.read(reader)


def take(reader: Reader, at_s: float, outside: Outside | None = None, own: OwnTraces = NOTHING) -> Snapshot:
    """The counters without what is liebench's own. ``outside`` is asked where it is given."""
    found = {name: count - own.gained.get(name, 0) for name, count in counters(reader).items()}
    found["softnet.ours"] = float(own.gained.get("softnet.ours", 0))  # by packets of its own floods
    words = (reader.text("/proc/uptime") or "").split()
    uptime = number(words[0].partition(".")[0]) if words else None
    state = cpu.state(reader)
    if outside is not None:
        found |= net.cards(outside.cards())
        state |= clock.state(reader, outside.log()) | {
            "connections": outside.connections(),
            "restarts": as_int(reader.text("/proc/sys/net/ipv4/tcp_slow_start_after_idle")),
        }
    blind = tuple(f"{path}: {lost}" for path, lost in FILES.items() if reader.text(path) is None)
    blind += (f"counts since boot: {own.unknown}",) if own.unknown else ()
    quiet_s = None if uptime is None else max(uptime - own.seconds, 0.0)
    return Snapshot(at_s=at_s, uptime_s=quiet_s, counters=found, state=state, blind=blind, since_boot=not own.unknown)


def observe(reader: Reader, seconds: float, outside: Outside, own: OwnTraces = NOTHING) -> Window:
    """Two snapshots, ``seconds`` apart; what is dear to ask is asked once, after the window."""
    before = take(reader, time.monotonic(), Outside(cards=outside.cards), own)
    time.sleep(seconds)
    return Window(before, take(reader, time.monotonic(), outside, own))


def judge(window: Window) -> Look:
    """Every sign's finding, ranked: suspects by score, then by name."""
    found: list[Finding] = [f for area in (cpu, memory, net, disk, clock) for f in area.find(window)]
    suspects = sorted((f for f in found if isinstance(f, Suspect)), key=lambda f: (-f.score, f.id))
    raised = {s.id.partition(":")[0] for s in suspects}
    calm = _once(f.what for f in found if isinstance(f, Calm) and f.id not in raised)
    unknown = _once([f.why for f in found if isinstance(f, Unknown)])
    return Look(window.seconds, tuple(suspects), calm, (*unknown, *window.after.blind))


def _once(texts: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def strongest(look: Look, most: int = MOST) -> Sequence[Suspect]:
    return look.suspects[:most]
