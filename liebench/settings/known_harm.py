"""Settings that are known to do harm, or to do nothing, on this kernel and host; each with its source. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from liebench.facts.reader import Reader, as_int
from liebench.facts.sockets import OWN_RATE
from liebench.facts.softnet import softnet
from liebench.host import Host
from liebench.settings.defaults_computed import version_of

REMOVED = {
    "net.ipv4.tcp_tw_recycle": "removed in 4.12 (commit 4396e46187ca): it broke clients behind one address",
    "kernel.unprivileged_userns_clone": "a key of Debian's and Ubuntu's kernels alone",
    "kernel.sched_child_runs_first": "the scheduler's own switches are gone or lie in debugfs since 5.13",
}
MOVED = "moved to /sys/kernel/debug/sched in 5.13 (commit 8a99b6833c88), its meaning changed in 6.6 (EEVDF)"


@dataclass(frozen=True, slots=True)
class Note:
    """What is known about a value. ``idle``: it has no effect here; else it can do harm."""

    says: str
    idle: bool = False


Judge = Callable[[str, Host], Note | None]


def note_of(key: str, now: str, host: Host) -> Note | None:
    """What is known about this value of this key on this host; None for nothing."""
    judge = NOTES.get(key)
    return judge(now, host) if judge else None


def gone(key: str) -> str:
    """Why a key that somebody sets does not exist here."""
    if key.startswith("kernel.sched_") and key not in REMOVED:
        return MOVED
    return REMOVED.get(key, "this kernel has no such key: a typing error, another version, or a module not loaded")


def _release(host: Host) -> tuple[int, int]:
    return version_of(host.facts.get("kernel", {}).get("release") or "") or (0, 0)


def _since(version: tuple[int, int], says: str) -> Judge:
    return lambda now, host: Note(says, idle=True) if _release(host) >= version else None


def _when(value: str, says: str) -> Judge:
    return lambda now, host: Note(says) if now == value else None


def _swappiness(now: str, host: Host) -> Note | None:
    if not host.facts.get("memory", {}).get("swap_mib"):
        return Note("there is no swap, so it decides nothing", idle=True)
    if now == "0":
        return Note("in a memory control group 0 means never swap: then the killer (commit 10316b313cbd)")
    return None


def _restart(now: str, host: Host) -> Note | None:
    control = host.facts.get("net", {}).get("congestion")
    if control in OWN_RATE:
        return Note(f"{control} sets its own rate: silence does not touch its window", idle=True)
    return None


def _background(now: str, host: Host) -> Note | None:
    most, own = as_int(host.read("/proc/sys/vm/dirty_ratio")), as_int(now)
    if most and own and own >= most:
        return Note("not below dirty_ratio: the kernel uses half of that (mm/page-writeback.c: domain_dirty_limits)")
    return None


def _replaced(by: str) -> Judge:
    """Ratio and bytes are two spellings: the one set last is in force, the other reads 0 (vm.rst)."""

    def judge(now: str, host: Host) -> Note | None:
        other = host.read(f"/proc/sys/vm/{by}")
        return Note(f"vm.{by} is in force in its place", idle=True) if now == "0" and other not in (None, "0") else None

    return judge


def _budget(now: str, host: Host) -> Note | None:
    rows, value = softnet(Reader(host.root)), as_int(now)
    if value and value > 300 and rows and not any(row.squeezed for row in rows):
        return Note("raised, and packet work was never cut short here (softnet_stat): it decides nothing", idle=True)
    return None


def _one_node(now: str, host: Host) -> Note | None:
    nodes = Reader(host.root).names("/sys/devices/system/node", "node[0-9]*")
    return Note("there is one memory node only", idle=True) if len(nodes) < 2 and now != "0" else None


NOTES: Mapping[str, Judge] = {
    "vm.swappiness": _swappiness,
    "vm.dirty_background_ratio": lambda now, host: (
        _replaced("dirty_background_bytes")(now, host) or _background(now, host)
    ),
    "vm.dirty_ratio": _replaced("dirty_bytes"),
    "vm.vfs_cache_pressure": _when("0", "names are never given back: it can end in want of memory (vm.rst)"),
    "vm.zone_reclaim_mode": _one_node,
    "kernel.numa_balancing": _one_node,
    "kernel.sched_rt_runtime_us": _when("-1", "a real-time thread that loops takes its processor for good"),
    "net.core.netdev_budget": _budget,
    "net.ipv4.tcp_slow_start_after_idle": _restart,
    "net.ipv4.tcp_low_latency": _since((4, 14), "without effect since 4.14 (ip-sysctl.rst: a legacy option)"),
    "net.ipv4.tcp_fack": _since((5, 4), "without effect (ip-sysctl.rst: a legacy option)"),
    "net.ipv4.tcp_adv_win_scale": _since((6, 6), "without effect since 6.6 (commit dfa2f0483360)"),
    "net.ipv4.tcp_window_scaling": _when("0", "no window above 64 KiB: 64 KiB a round trip at most (RFC 7323)"),
    "net.ipv4.tcp_sack": _when("0", "one lost segment makes others be sent again (RFC 2018)"),
    "net.ipv4.tcp_timestamps": _when("0", "tcp_tw_reuse does nothing without them (ip-sysctl.rst)"),
    "net.ipv4.tcp_moderate_rcvbuf": _when("0", "receive windows stay where they begin (ip-sysctl.rst)"),
    "net.ipv4.tcp_fin_timeout": lambda now, host: (
        Note("it bounds FIN-WAIT-2 alone; TIME-WAIT lasts 60 s all the same (include/net/tcp.h: TCP_TIMEWAIT_LEN)")
        if now != "60"
        else None
    ),
}
