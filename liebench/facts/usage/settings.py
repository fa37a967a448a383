"""How this host is set, where that decides whether a mechanism is in use: state by settings, rate by counters.

Counters outlive their mechanism (pages once swapped, once merged): a counter counts only while its setting is on.
"""

from __future__ import annotations

from collections.abc import Mapping

from liebench.facts.reader import Reader, as_int
from liebench.facts.softnet import steering
from liebench.facts.usage.outside import Outside
from liebench.facts.usage.sources import Sources, l2arc, numbers, paths

Setting = str | int | None
CPUS = "/sys/devices/system/cpu"
CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
UNSYNCHRONISED = 0x40  # STA_UNSYNC of adjtimex(2)
BALLOON_DEVICE = "0x0005"
BALLOON_BITS = {1: "stats", 2: "deflate_on_oom", 3: "hinting", 5: "reporting"}  # linux/virtio_balloon.h
OTHER_BALLOONS = {  # driver folders: Hyper-V, VMware, Xen
    "/sys/bus/vmbus/drivers/hv_balloon": "hv_balloon",
    "/sys/module/vmw_balloon": "vmw_balloon",
    "/sys/devices/system/xen_memory": "xen_memory",
}
GVISOR = "#1 SMP Sun Jan 10 15:06:54 PST 2016"  # what gVisor answers in /proc/version, every release of it


def settings(sources: Sources, outside: Outside) -> dict[str, Setting]:
    """By ``area.name``; a switch is 1 or 0."""
    return {
        **_processor(sources),
        **_clock(sources, outside),
        **_memory(sources),
        **_swap(sources),
        **_ksm(sources.reader),
        **_balloon(sources),
        **_compressed(sources),
        **_network(sources, outside),
        **_filters(sources, outside),
    }


def _switch(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _range_count(text: str | None) -> int | None:
    """Numbers in a list such as ``0-3,8``."""
    total = 0
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        low, high = as_int(first), as_int(last or first)
        if low is None or high is None or not 0 <= low <= high < 1 << 16:
            return None
        total += high - low + 1
    return total


def _processor(sources: Sources) -> Mapping[str, Setting]:
    """Bit 31 of CPUID leaf 1, as the flag ``hypervisor``; a hypervisor may hide, so its absence is weak."""
    reader = sources.reader
    lists = paths(reader, CPUS, "cpu[0-9]*/topology/thread_siblings_list")
    siblings = [count for path in lists if (count := _range_count(reader.text(path))) is not None]
    flags = sources.reader.field("/proc/cpuinfo", "flags")
    return {
        "cpu.online": _range_count(reader.text(f"{CPUS}/online")),
        "cpu.threads_per_core": max(siblings, default=None),
        "cpu.smt_active": reader.number(f"{CPUS}/smt/active"),
        "cpu.hypervisor": None if flags is None else int("hypervisor" in flags.split()),
        "cpu.idle_driver": reader.text(f"{CPUS}/cpuidle/current_driver"),
    }


def _clock(sources: Sources, outside: Outside) -> Mapping[str, Setting]:
    """``clock.state``: of adjtimex(2), 5 is TIME_ERROR. ``clock.vdso_off``: by the command line, for every program."""
    told, line = outside.clock(), sources.text("/proc/cmdline")
    return {
        "clock.source": sources.reader.text(CLOCKSOURCE),
        "clock.vdso_off": None if line is None else int("vdso=0" in line.split()),
        "clock.state": told[0] if told else None,
        "clock.unsynchronised": int(bool(told[1] & UNSYNCHRONISED)) if told else None,
        "clock.suspended_ms": outside.suspended_ms(),
    }


def _memory(sources: Sources) -> Mapping[str, Setting]:
    """CommitLimit binds in mode 2 alone (Documentation/mm/overcommit-accounting.rst)."""
    table = sources.table("/proc/meminfo")
    return {
        "memory.total_kib": table.get("MemTotal"),
        "memory.committed_kib": table.get("Committed_AS"),
        "memory.commit_limit_kib": table.get("CommitLimit"),
        "memory.overcommit": sources.number("/proc/sys/vm/overcommit_memory"),
    }


def _swap(sources: Sources) -> Mapping[str, Setting]:
    """A line per area below one of headings (proc(5)); the headings alone are certain: no swap."""
    lines = sources.lines("/proc/swaps")
    rows = [line.split() for line in lines[1:]] if lines else []
    sizes = [(as_int(row[2]), as_int(row[3])) for row in rows if len(row) > 4]
    known = lines is not None and len(sizes) == len(rows) and all(None not in pair for pair in sizes)
    return {
        "swap.areas": len(rows) if lines is not None else None,
        "swap.size_kib": sum(size or 0 for size, _ in sizes) if known else None,
        "swap.used_kib": sum(used or 0 for _, used in sizes) if known else None,
    }


def _ksm(reader: Reader) -> Mapping[str, Setting]:
    """run 0 keeps what was merged: off is off only where nothing is shared (Documentation/admin-guide/mm/ksm.rst)."""
    folder = "/sys/kernel/mm/ksm"
    built = reader.exists(folder) if reader.exists("/sys/kernel/mm") else None
    return {
        "ksm.built": _switch(built),
        "ksm.run": reader.number(f"{folder}/run"),
        "ksm.pages_sharing": reader.number(f"{folder}/pages_sharing"),
        "ksm.pages_shared": reader.number(f"{folder}/pages_shared"),
    }


def _balloon(sources: Sources) -> Mapping[str, Setting]:
    """Features of virtio devices are written bit 0 first. A driver without a device takes nothing."""
    reader, devices = sources.reader, "/sys/bus/virtio/devices"
    there = [n for n in reader.names(devices) if reader.text(f"{devices}/{n}/device") == BALLOON_DEVICE]
    bits = reader.text(f"{devices}/{there[0]}/features") if there else None
    known = reader.exists("/sys/bus")
    other = next((name for folder, name in OTHER_BALLOONS.items() if reader.exists(folder)), "none" if known else None)
    return {
        "balloon.driver": "virtio" if there else other,
        **{f"balloon.{name}": int(bits[b : b + 1] == "1") if bits else None for b, name in BALLOON_BITS.items()},
        "balloon.pages": sources.table("/proc/vmstat").get("nr_balloon_pages"),
    }


def _compressed(sources: Sources) -> Mapping[str, Setting]:
    """zswap keeps what it holds when it is switched off; a zram device without a size means nothing."""
    reader = sources.reader
    switch = reader.text("/sys/module/zswap/parameters/enabled")
    sizes = numbers(reader, "/sys/block", "zram*/disksize")
    stats = [(reader.text(path) or "").split() for path in paths(reader, "/sys/block", "zram*/mm_stat")]
    held = [as_int(words[0]) for words in stats if words]
    return {
        "zswap.enabled": {"Y": 1, "N": 0}.get(switch or ""),
        "zswap.stored_kib": sources.table("/proc/meminfo").get("Zswapped"),
        "zram.sized": sum(size > 0 for size in sizes) if reader.exists("/sys/block") else None,
        "l2arc.bytes": l2arc(reader).get("l2_size"),
        "zram.stored_bytes": sum(value or 0 for value in held) if held and None not in held else None,
    }


def _network(sources: Sources, outside: Outside) -> Mapping[str, Setting]:
    """Of this network namespace; netdev_max_backlog is the first namespace's alone, and stands in no other."""
    reader = sources.reader
    tables = reader.text("/proc/net/ip_tables_names")
    return {
        "net.backlog": reader.number("/proc/sys/net/core/netdev_max_backlog"),
        "net.steered_cards": len(steering(reader)) if reader.exists("/sys/class/net") else None,
        "tcp.restarts_after_idle": reader.number("/proc/sys/net/ipv4/tcp_slow_start_after_idle"),
        "conntrack.count": reader.number("/proc/sys/net/netfilter/nf_conntrack_count"),
        "conntrack.max": reader.number("/proc/sys/net/netfilter/nf_conntrack_max"),
        "nat.legacy": None if tables is None else int("nat" in tables.split()),
        "nat.chains": outside.nat_chains(),
    }


def _filters(sources: Sources, outside: Outside) -> Mapping[str, Setting]:
    """``audit.enabled`` 0 does not say that no task carries a context: only audit=0 at boot, or a kernel without it."""
    reader, line, told = sources.reader, sources.text("/proc/cmdline"), outside.audit()
    version = sources.text("/proc/version")
    built = reader.exists("/proc/self/loginuid") if reader.exists("/proc/self/status") else None
    return {
        "audit.built": _switch(built),
        "audit.off_at_boot": None if line is None else int("audit=0" in line.split()),
        "audit.enabled": told.enabled if told else None,
        "audit.lost": told.lost if told else None,
        "gvisor.inside": None if version is None else int(GVISOR in version),
        "kvm.device": _switch(reader.exists("/dev/kvm") if reader.exists("/dev") else None),
    }
