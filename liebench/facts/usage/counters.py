"""Counters of the whole host. Read twice, around an idle sleep: what they grew by is the host's own doing.

Every name is there in every reading; its value is None where it could not be read. Widths: rows of /proc/interrupts and
/proc/softirqs (``unsigned int``), columns of softnet_stat and nf_conntrack (``%08x``) wrap at 2^32 per CPU, and so a
growth is taken modulo 2^32 of their sum; the others are 64 bits wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from liebench.facts.cards import cards
from liebench.facts.reader import Reader, as_int
from liebench.facts.usage.outside import Link
from liebench.facts.usage.sources import ARCSTATS, Sources, l2arc, numbers
from liebench.facts.usage.values import Rate

# mm/vmstat.c; Documentation/filesystems/proc.rst. workingset_refault was split in two in 5.9.
VMSTAT = (
    "pgfault", "pgmajfault", "pgpgin", "pgpgout", "workingset_refault_file", "workingset_refault_anon",
    "workingset_refault", "pgscan_file", "pgscan_anon", "pgscan_kswapd", "pgscan_direct",
    "pswpin", "pswpout", "zswpin", "zswpout", "swpin_zero", "swpout_zero",
    "oom_kill", "cow_ksm", "balloon_inflate", "balloon_deflate",
)  # fmt: skip
STAT = ("ctxt", "intr", "processes")
STEAL = 8  # word of the cpu line: ticks of 10 ms that the hypervisor says it took; 0 also where it says nothing
SOFTIRQS = ("TIMER", "NET_RX", "SCHED")
# Row of /proc/interrupts by what stands at its end: arch/x86/kernel/irq.c, arch/arm64/kernel/smp.c
ROWS = {
    "Local timer interrupts": "LOC",
    "arch_timer": "LOC",
    "Rescheduling interrupts": "RES",
    "Function call interrupts": "CAL",
    "TLB shootdowns": "TLB",
}
BALLOON_ROWS = ("reporting_vq", "inflate", "deflate")
SOFTNET = {"processed": 0, "dropped": 1, "squeezed": 2, "received_rps": 9}  # net/core/net-procfs.c
CONNTRACK = ("insert_failed", "drop", "early_drop")  # the others of that file count nothing any more
NETSTAT: dict[str, dict[str, tuple[str, ...]]] = {
    "/proc/net/snmp": {"Tcp": ("InSegs", "OutSegs", "RetransSegs"), "Udp": ("InDatagrams", "RcvbufErrors")},
    "/proc/net/netstat": {"TcpExt": ("TCPTimeouts", "TCPToZeroWindowAdv", "TCPBacklogDrop", "ListenDrops")},
}
PRESSURE = (("cpu", "some"), ("memory", "some"), ("memory", "full"), ("io", "some"), ("io", "full"))
DISK = {"ios": (3, 7), "read_sectors": (5,), "written_sectors": (9,), "flushes": (18,)}  # words of /proc/diskstats
KSM = "/sys/kernel/mm/ksm"
IDLE = "cpu[0-9]*/cpuidle/state*/usage"  # Documentation/admin-guide/pm/cpuidle.rst


class Count(NamedTuple):
    """One counter at one moment."""

    value: int | None
    source: str
    bits: int = 64


Counters = Mapping[str, Count]


def read(sources: Sources, disks: Iterable[str], links: Iterable[Link] | None, cards_of: Mapping[str, str]) -> Counters:
    """All of them as they stand now. ``disks``: by kernel name; ``cards_of``: link name -> its kind."""
    return {
        **_vmstat(sources),
        **_stat(sources),
        **_interrupts(sources),
        **_softnet(sources),
        **_netstat(sources),
        **_pressure(sources),
        **_files(sources.reader),
        **_disks(sources, disks),
        **_links(links, cards_of),
    }


def rates(before: Counters, after: Counters, ours: Mapping[str, tuple[int, int] | None] | None) -> dict[str, Rate]:
    """``ours``: liebench's share since boot by counter. One that is absent has none; None is unknown."""
    found = {}
    for name, count in after.items():
        first = before[name].value if name in before else None
        share = None if ours is None else ours.get(name, (0, 0))
        found[name] = Rate(count.value, grown(first, count.value, count.bits), share, count.bits, count.source)
    return found


def grown(before: int | None, after: int | None, bits: int) -> int | None:
    """What a counter grew by; None where it is not known, or fell (a processor, a device or a group went away)."""
    if before is None or after is None:
        return None
    if bits < 64:
        growth = (after - before) % (1 << bits)
        return growth if growth < 1 << (bits - 1) else None
    return after - before if after >= before else None


def _vmstat(sources: Sources) -> Counters:
    table = sources.table("/proc/vmstat")
    return {f"vmstat.{name}": Count(table.get(name), "/proc/vmstat") for name in VMSTAT}


def _stat(sources: Sources) -> Counters:
    lines = sources.lines("/proc/stat") or []
    table = sources.table("/proc/stat")
    cpu = next((line.split() for line in lines if line.startswith("cpu ")), [])
    found = {f"stat.{name}": Count(table.get(name), "/proc/stat") for name in STAT}
    found["stat.steal_ticks"] = Count(as_int(cpu[STEAL]) if len(cpu) > STEAL else None, "/proc/stat")
    return found


def _cells(line: str) -> tuple[str, list[str]]:
    label, _, rest = line.partition(":")
    return label.strip(), rest.split()


def _interrupts(sources: Sources) -> Counters:
    """Sums over processors. ``irq.devices``: all numbered rows but the timer's. Softirqs: where rows are masked."""
    lines = sources.lines("/proc/interrupts")
    names = (*dict.fromkeys(ROWS.values()), "devices", *BALLOON_ROWS)
    sums: dict[str, int | None] = dict.fromkeys(names)
    if lines:
        sums["devices"] = 0
    width = len(lines[0].split()) if lines else 0
    for line in (lines or [])[1:]:
        label, cells = _cells(line)
        total = sum(int(cell) for cell in cells[:width] if cell.isdecimal())
        named = next((name for end, name in ROWS.items() if line.endswith(end)), None)
        queue = cells[-1].partition("-")[2] if len(cells) > width and cells[-1].startswith("virtio") else ""
        kinds = [named] if named else ["devices"] if label.isdecimal() else []
        kinds += [queue] if queue in BALLOON_ROWS else []
        for kind in kinds:
            sums[kind] = (sums[kind] or 0) + total
    found = {f"irq.{name}": Count(sums[name], "/proc/interrupts", 32) for name in names}
    soft = dict(map(_cells, (sources.lines("/proc/softirqs") or [])[1:]))
    for name in SOFTIRQS:
        counted = [int(cell) for cell in soft.get(name, ()) if cell.isdecimal()]
        found[f"softirq.{name}"] = Count(sum(counted) if counted else None, "/proc/softirqs", 32)
    return found


def _softnet(sources: Sources) -> Counters:
    path = "/proc/net/softnet_stat"
    rows = _hex(sources.lines(path))
    found = {f"softnet.{name}": Count(_column(rows, at), path, 32) for name, at in SOFTNET.items()}
    return {**found, **_conntrack(sources)}


def _conntrack(sources: Sources) -> Counters:
    path = "/proc/net/stat/nf_conntrack"
    lines = sources.lines(path) or []
    heads = lines[0].split() if lines else []
    rows = _hex(lines[1:] or None)
    return {
        f"conntrack.{name}": Count(_column(rows, heads.index(name)) if name in heads else None, path, 32)
        for name in CONNTRACK
    }


def _hex(lines: list[str] | None) -> list[list[int]] | None:
    try:
        return None if lines is None else [[int(cell, 16) for cell in line.split()] for line in lines]
    except ValueError:
        return None


def _column(rows: list[list[int]] | None, at: int) -> int | None:
    return sum(row[at] for row in rows) if rows and all(len(row) > at for row in rows) else None


def _netstat(sources: Sources) -> Counters:
    """Pairs of lines, names above values; of this network namespace alone."""
    found: dict[str, Count] = {}
    for path, areas in NETSTAT.items():
        lines = [line.split() for line in sources.lines(path) or []]
        pairs = [(head, row) for head, row in zip(lines[::2], lines[1::2], strict=False) if head]
        tables = {head[0]: dict(zip(head[1:], row[1:], strict=False)) for head, row in pairs}
        for area, names in areas.items():
            table = tables.get(f"{area}:", {})
            found |= {f"{area.lower()}.{name}": Count(as_int(table.get(name)), path) for name in names}
    return found


def _pressure(sources: Sources) -> Counters:
    """Microseconds in which some, or all, were waiting (Documentation/accounting/psi.rst)."""
    found = {}
    for what, share in PRESSURE:
        path = f"/proc/pressure/{what}"
        line = next((line for line in sources.lines(path) or [] if line.startswith(f"{share} ")), "")
        found[f"pressure.{what}_{share}_us"] = Count(as_int(line.partition("total=")[2] or None), path)
    return found


def _sum_of(reader: Reader, folder: str, pattern: str) -> int | None:
    values = numbers(reader, folder, pattern)
    return sum(values) if values else None


def _files(reader: Reader) -> Counters:
    """Counters that have a file of their own."""
    cpus, blocks = "/sys/devices/system/cpu", "/sys/block"
    dev = [card.taken for card in cards(reader)]
    zfs = l2arc(reader)
    hits, misses = (f"*/bcache/stats_total/cache_{what}" for what in ("hits", "misses"))
    return {
        "idle.entries": Count(_sum_of(reader, cpus, IDLE), f"{cpus}/{IDLE}"),
        "irq.cards": Count(sum(map(sum, dev)) if dev and any(dev) else None, "/proc/interrupts", 32),
        "ksm.pages_scanned": Count(reader.number(f"{KSM}/pages_scanned"), f"{KSM}/pages_scanned"),
        "ksm.full_scans": Count(reader.number(f"{KSM}/full_scans"), f"{KSM}/full_scans"),
        "bcache.hits": Count(_sum_of(reader, blocks, hits), f"{blocks}/{hits}"),
        "bcache.misses": Count(_sum_of(reader, blocks, misses), f"{blocks}/{misses}"),
        "l2arc.hits": Count(zfs.get("l2_hits"), ARCSTATS),
        "l2arc.misses": Count(zfs.get("l2_misses"), ARCSTATS),
    }


def _disks(sources: Sources, disks: Iterable[str]) -> Counters:
    """Completed I/Os, sectors of 512 bytes and flushes (Linux 5.5) of each bottom disk, and of all of them together."""
    path = "/proc/diskstats"
    rows = {words[2]: words for line in sources.lines(path) or [] if len(words := line.split()) > 13}
    found: dict[str, Count] = {}
    for what, places in DISK.items():
        values = {name: _words(rows.get(name), places) for name in disks}
        found |= {f"disk.{name}.{what}": Count(value, path) for name, value in values.items()}
        known = [value for value in values.values() if value is not None]
        found[f"disk.{what}"] = Count(sum(known) if known and len(known) == len(values) else None, path)
    return found


def _words(row: list[str] | None, places: tuple[int, ...]) -> int | None:
    values = [as_int(row[place]) if row and len(row) > place else None for place in places]
    return None if None in values else sum(value or 0 for value in values)


def _links(links: Iterable[Link] | None, kinds: Mapping[str, str]) -> Counters:
    """Packets by kind of device, since each was made."""
    sums: dict[str, int | None] = {}
    for link in links or ():
        kind = kinds.get(link.name, "other")
        sums[kind] = None if link.packets is None else (sums.get(kind) or 0) + link.packets
    return {f"link.{kind}.packets": Count(value, "RTM_GETLINK, IFLA_STATS64") for kind, value in sums.items()}
