"""How far a host meets each mechanism that can cost it something: counts, rates and settings, as frozen values.

No names of processes, addresses, users or paths. None: could not be read here; never zero for want of a reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SCHEMA = 1
WHOLE = 0.95  # share of the kernel's threads that must have been seen before "none of that kind" may be said
SLACK = 8  # threads that may come and go between two readings
MOST_VANISHED = 0.05
MANY = 1 << 31  # a counter of 32 bits that has gone so far at today's rate may have wrapped

Counts = Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class PerSecond:
    """A rate: bounds of it, and whether the time since boot (``since`` is "boot") or the window carried it."""

    low: float
    high: float
    since: str


@dataclass(frozen=True, slots=True)
class Rate:
    """One counter. ``boot``: its value now; ``window``: what it grew by in the window; ``bits``: where it wraps.

    ``boot`` is None for what is not kept since boot. ``ours``: (low, high) of what liebench did to it since boot.
    """

    boot: int | None
    window: int | None
    ours: tuple[int, int] | None = None
    bits: int = 64
    source: str = ""

    def theirs(self) -> tuple[int, int] | None:
        """(low, high) of the value since boot without liebench's share; None where one of the two is unknown.

        A share above the value: the counter has wrapped, or the notes are of another boot.
        """
        if self.boot is None or self.ours is None or not 0 <= self.ours[0] <= min(self.ours[1], self.boot):
            return None
        low, high = self.ours
        return max(0, self.boot - high), self.boot - low


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """How much of the host the counts speak of.

    ``threads`` were seen of ``threads_of_kernel`` (/proc/loadavg counts them in every pid namespace). ``vanished``:
    processes that ended while they were read. ``masked``: kernel files that are there, but empty; ``lxcfs``: those a
    daemon answers in the kernel's place. Namespaces are counted among visible processes; where ``exact_mounts`` is
    False, a chroot counts as a mount namespace of its own.
    """

    processes: int
    threads: int
    threads_of_kernel: int | None
    vanished: int
    hidepid: str | None
    first_pid_namespace: bool | None
    real_cgroup_root: bool | None
    net_namespaces: int | None
    mount_namespaces: int | None
    exact_mounts: bool
    masked: tuple[str, ...]
    lxcfs: tuple[str, ...]
    root: bool

    @property
    def whole(self) -> bool:
        """Whether all processes were seen, so that "none of that kind" may be said."""
        if self.threads_of_kernel is None or self.first_pid_namespace is False:
            return False
        if self.vanished > MOST_VANISHED * max(self.processes, 1):
            return False
        return self.threads >= WHOLE * self.threads_of_kernel - SLACK


@dataclass(frozen=True, kw_only=True, slots=True)
class Disk:
    """A disk at the bottom of a mounted file system or a swap area. Labels: kind as ``facts.volumes`` knows it."""

    name: str
    kind: str
    model: str | None
    size_bytes: int | None
    rotational: bool | None
    write_cache: str | None
    read_ahead_kb: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Control groups: what is in force for this process, and how many populated groups of others have limits.

    ``cpus``, ``memory``, ``high`` (bytes): the tightest on the way up that can be seen, None for none. ``groups``: how
    many others were walked, without liebench's; None where no hierarchy is mounted. ``cut``: there were more.
    ``contained_*``: of those, groups of containers and what stands above them.
    """

    cpus: float | None
    period_us: int | None
    memory: int | None
    high: int | None
    swap_forbidden: bool | None
    address_space: int | None
    groups: int | None
    cut: bool
    quotas: int | None
    memory_limits: int | None
    highs: int | None
    contained_quotas: int | None
    contained_memory_limits: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Links:
    """Network devices of this namespace by kind; ``card`` has hardware, or a hypervisor, behind it.

    ``ports``, ``owners``: of each bridge, how many devices it joins and how many namespaces stand behind them.
    """

    kinds: Mapping[str, int]
    ports: tuple[int, ...]
    owners: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sockets:
    """Established TCP connections of this namespace to other hosts. Times in microseconds.

    ``own_rate``: their congestion control sets its own pace, idle or not. ``resting``: silent for longer than their
    retransmission timeout. ``restarted``: seen at both ends of the window, and sent again after such a rest.
    ``limited``: ever held back by the other's window or their own buffer. ``*_us`` since each was opened;
    ``window_*`` in the window. ``elsewhere``: connections of other network namespaces, counts alone. All but ``open``
    and ``elsewhere`` are None where the kernel's socket diagnostics cannot be asked.
    """

    open: int
    elsewhere: int | None = None
    own_rate: int | None = None
    resting: int | None = None
    restarted: int | None = None
    limited: int | None = None
    busy_us: int | None = None
    rwnd_limited_us: int | None = None
    sndbuf_limited_us: int | None = None
    window_busy_us: int | None = None
    window_rwnd_limited_us: int | None = None
    window_sndbuf_limited_us: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What this host uses, recorded before anything of liebench loads it.

    ``uptime_s``: CLOCK_BOOTTIME. ``clock_moved_s``: wall clock against the stamps of this boot, 0 below a minute;
    beyond it, "since boot" is "since the image started". ``overlays``: layers of each overlay mount; ``copy_ups``:
    files that were copied into their upper layers, None where that could not be counted in time. ``stacks``: what lies
    between mounts (swap areas) and disks. ``own_s``: seconds of this boot in which liebench measured, which rates since
    boot leave out together with what counters gained then.
    """

    uptime_s: float | None
    window_s: float
    clock_moved_s: float | None
    seen: Seen
    rates: Mapping[str, Rate]
    settings: Mapping[str, str | int | None]
    processes: Counts
    mounts: Mapping[str, int]
    stacks: Counts
    overlays: tuple[int, ...] | None
    copy_ups: int | None
    disks: tuple[Disk, ...]
    limits: Limits
    links: Links | None
    sockets: Sockets | None
    own_s: float = 0.0
    schema: int = SCHEMA

    def since_boot(self, name: str) -> tuple[float, float] | None:
        """(low, high) per second since boot without liebench's share; None where unknown or perhaps wrapped."""
        rate = self.rates.get(name)
        theirs = rate.theirs() if rate else None
        quiet_s = (self.uptime_s or 0.0) - self.own_s
        if rate is None or theirs is None or quiet_s <= 0:
            return None
        now = self.in_window(name)
        if rate.bits < 64 and now is not None and now * quiet_s > MANY:
            return None
        return theirs[0] / quiet_s, theirs[1] / quiet_s

    def in_window(self, name: str) -> float | None:
        """Per second in the window; None where it was not counted."""
        rate = self.rates.get(name)
        return None if rate is None or rate.window is None or self.window_s <= 0 else rate.window / self.window_s

    def per_second(self, name: str) -> PerSecond | None:
        """The larger of both; None where neither is known."""
        boot, now = self.since_boot(name), self.in_window(name)
        if now is not None and (boot is None or now >= boot[1]):
            return PerSecond(now, now, "window")
        return None if boot is None else PerSecond(max(boot[0], now or 0.0), boot[1], "boot")
