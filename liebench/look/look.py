"""A first look at a host: its counters twice, then the strongest suspects. ``judge`` is pure; nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


def take(reader: Reader, at_s: float, outside: Outside | None = None) -> Snapshot:
    """Every counter as it stands now; what is missing is left out. ``outside`` is asked where it is given."""
    counters = cpu.read(reader) | memory.read(reader) | net.read(reader) | disk.read(reader)
    words = (reader.text("/proc/uptime") or "").split()
    uptime = number(words[0].partition(".")[0]) if words else None
    state = cpu.state(reader)
    if outside is not None:
        counters |= net.cards(outside.cards())
        state |= clock.state(reader, outside.log()) | {
            "connections": outside.connections(),
            "restarts": as_int(reader.text("/proc/sys/net/ipv4/tcp_slow_start_after_idle")),
        }
    blind = tuple(f"{path}: {lost}" for path, lost in FILES.items() if reader.text(path) is None)
    return Snapshot(at_s, uptime, counters, state, blind)


def observe(reader: Reader, seconds: float, outside: Outside) -> Window:
    """Two snapshots, ``seconds`` apart; what is dear to ask is asked once, after the window."""
    before = take(reader, time.monotonic(), Outside(cards=outside.cards))
    time.sleep(seconds)
    return Window(before, take(reader, time.monotonic(), outside))


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
