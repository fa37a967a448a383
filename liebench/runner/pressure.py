"""Was the machine quiet, and do the neighbours suffer: pressure, their run delay, load, steal, the circuit breaker."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psutil

from liebench.host import Host

LOOK_S = 0.25
MARGIN, LEAST = 20.0, 30.0  # percentage points of PSI some avg10; our own single task alone makes none
RESOURCES = ("cpu", "io", "memory")
DELAY_S = 2.0  # neighbours are looked at this often: it costs a read per process
DELAY_MARGIN, DELAY_LEAST = 0.5, 1.0  # seconds that others wait per second
MOST_PROCESSES = 512
KTHREAD = 0x00200000  # PF_KTHREAD, include/linux/sched.h
KNOWN_S = 1.0  # ticks of 10 ms say nothing about windows below a second


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


def _others(host: Host, ours: frozenset[int]) -> list[int]:
    """Other processes, at most MOST_PROCESSES of them; none where /proc cannot be read."""
    try:
        found = sorted(int(n) for n in os.listdir(host.root / "proc") if n.isdigit())
    except OSError:
        return []
    return [pid for pid in found[:MOST_PROCESSES] if pid not in ours]


def neighbours_wait_ns(host: Host, ours: frozenset[int]) -> dict[int, int]:
    """Run delay of every other process's first thread so far, by process (schedstat, second field)."""
    found: dict[int, int] = {}
    for pid in _others(host, ours):
        words = (host.read(f"/proc/{pid}/schedstat") or "").split()
        if len(words) == 3 and words[1].isdigit():
            found[pid] = int(words[1])
    return found


def blocked(host: Host, ours: frozenset[int]) -> int:
    """How many processes of others wait uninterruptibly at this moment, for a disk or for memory (proc_pid_stat(5)).

    Kernel threads do not count: they write back what we wrote.
    """
    found = 0
    for pid in _others(host, ours):
        fields = (host.read(f"/proc/{pid}/stat") or "").rpartition(")")[2].split()
        is_kernel = len(fields) > 6 and int(fields[6]) & KTHREAD
        found += bool(fields) and fields[0] == "D" and not is_kernel
    return found


def _ours() -> frozenset[int]:
    me = psutil.Process()
    try:
        return frozenset({me.pid, *(c.pid for c in me.children(recursive=True))})
    except psutil.Error:
        return frozenset({me.pid})


@dataclass(slots=True)
class Neighbours:
    """Seconds that other processes wait for a CPU per second; ``start`` is what they waited before we began."""

    host: Host
    start: float | None = None
    worst: float | None = None
    _at: float = 0.0
    _last: dict[int, int] = field(default_factory=dict)

    def look(self) -> float | None:
        """The share since the last look; None before there is one, or where no schedstat can be read."""
        now = time.monotonic()
        fresh = neighbours_wait_ns(self.host, _ours())
        before, at = self._last, self._at
        self._last, self._at = fresh, now
        if not at or not fresh or now <= at:
            return None
        moved = sum(max(0, value - before[pid]) for pid, value in fresh.items() if pid in before)
        share = moved / 1e9 / (now - at)
        if self.start is None:
            self.start = share
        self.worst = max(share, self.worst or 0.0)
        return share

    @property
    def due(self) -> bool:
        return time.monotonic() - self._at >= DELAY_S


@dataclass(kw_only=True, slots=True)
class QuietWatch:
    """Looks at the machine between blocks, at most four times a second; ``begin`` makes one.

    The breaker knows pressure and the neighbours' run delay: 20 points of PSI (or half a CPU of waiting) above what
    was there before the run pauses it, twice that level stops it. A machine that was already under pressure is
    measured as it is; what we must not do is add to it. Where nothing is known of before, nothing is pressed.
    """

    host: Host
    others: Neighbours | None = None
    before: Mapping[str, float | None] = field(default_factory=dict)  # pressure, by resource
    counted: Mapping[str, float] = field(default_factory=dict)  # counters, as they were before
    load: float | None = None
    began: float = field(default_factory=time.monotonic)
    worst: dict[str, float] = field(default_factory=dict)
    pauses: int = 0
    _looked: float = 0.0

    @classmethod
    def begin(cls, host: Host, baseline_s: float = 0.25) -> QuietWatch:
        """Look at the machine as it is before the run, and for ``baseline_s`` at how long its processes wait."""
        others, before, counted, began = Neighbours(host), pressure(host), counters(host), time.monotonic()
        others.look()
        time.sleep(baseline_s)
        others.look()
        return cls(host=host, others=others, before=before, counted=counted, load=_load(), began=began)

    def check(self) -> str:
        """``ok``, ``pause`` or ``stop``."""
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return "ok"
        self._looked = now
        words = [self._pressed(name, value) for name, value in pressure(self.host).items()]
        words.append(self._waiting())
        word = "stop" if "stop" in words else "pause" if "pause" in words else "ok"
        self.pauses += word == "pause"
        return word

    def _pressed(self, name: str, value: float | None) -> str:
        before = self.before.get(name)
        if value is None or before is None:
            return "ok"
        self.worst[name] = max(value, self.worst.get(name, 0.0))
        word = _level(value, max(before + MARGIN, LEAST))
        if word == "ok" or name == "cpu":
            return word
        # Waiting for a disk or for memory is what our own probes do: it is pressure where somebody else waits too.
        return word if blocked(self.host, _ours()) else "ok"

    def _waiting(self) -> str:
        others = self.others
        if others is None or not others.due or (share := others.look()) is None or others.start is None:
            return "ok"
        return _level(share, max(others.start + DELAY_MARGIN, DELAY_LEAST))

    def summary(self) -> dict[str, Any]:
        """What the run file keeps: load, pressure, counters over the run, how long others waited for a CPU."""
        last = counters(self.host)
        moved = {k: last[k] - self.counted[k] for k in last if k in self.counted}
        total = sum(v for k, v in moved.items() if k.startswith("time_"))
        known = total >= KNOWN_S
        idle = moved.get("time_idle", 0.0) + moved.get("time_iowait", 0.0)
        return {
            "load_before": self.load,
            "load_after": _load(),
            "pressure_before": dict(self.before),
            "pressure_worst": self.worst,
            "neighbours_wait_before": self.others.start if self.others else None,
            "neighbours_wait_worst": self.others.worst if self.others else None,
            "steal_share": moved.get("time_steal", 0.0) / total if known else None,
            "busy_share": 1 - idle / total if known else None,
            "counters": {k: v for k, v in moved.items() if not k.startswith("time_")},
            "span_s": time.monotonic() - self.began,
            "pauses": self.pauses,
        }


def _level(value: float, level: float) -> str:
    return "stop" if value > 2 * level else "pause" if value > level else "ok"


def counters(host: Host) -> dict[str, float]:
    """Counters of the whole machine since boot, by psutil: CPU time by kind (s), switches, interrupts, swap, disk, net.

    guest time is left out: the kernel counts it in user time already (proc_stat(5)).
    """
    psutil.PROCFS_PATH = str(host.root / "proc")
    found: dict[str, float] = {}
    try:
        times = psutil.cpu_times()._asdict()
        found |= {f"time_{k}": v for k, v in times.items() if not k.startswith("guest")}
        stats = psutil.cpu_stats()
        found |= {"context_switches": stats.ctx_switches, "interrupts": stats.interrupts}
        found |= {"softirqs": stats.soft_interrupts}
        swap = psutil.swap_memory()
        found |= {"swapped_in_bytes": swap.sin, "swapped_out_bytes": swap.sout}
        disk, net = psutil.disk_io_counters(), psutil.net_io_counters()
        found |= {"disk_read_bytes": disk.read_bytes, "disk_write_bytes": disk.write_bytes} if disk else {}
        found |= {"net_sent_bytes": net.bytes_sent, "net_received_bytes": net.bytes_recv} if net else {}
    except (OSError, ValueError, KeyError, IndexError, RuntimeError):
        pass  # a container may hide any of them; what was read before stays
    finally:
        psutil.PROCFS_PATH = "/proc"
    return found


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None
