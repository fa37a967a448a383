"""Defaults that the kernel computes, from memory, processors, the disk or its build: one function each.

Rules from the size of memory are right within ``TOLERANCE``: the kernel counts what was free while it booted.
"""

from __future__ import annotations

import gzip
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from liebench.facts.memory import kib
from liebench.facts.reader import Reader, as_int, cpu_list
from liebench.host import Host

TOLERANCE = 0.15
PAGE_KB = 4
THP = "/sys/kernel/mm/transparent_hugepage"
CONFIGS = ("/boot/config-{release}", "/lib/modules/{release}/config", "/usr/lib/modules/{release}/config")


@dataclass(frozen=True, slots=True)
class DefaultRule:
    """How the kernel computes a default. ``limit`` as in ``Known``; ``near``: right within ``TOLERANCE``."""

    compute: Callable[[Kernel], str | None]
    source: str
    limit: bool = False
    near: bool = False


class Kernel:
    """What rules need of a host: version, build, memory, processors."""

    def __init__(self, host: Host) -> None:
        self.host, self.reader = host, Reader(host.root)
        self.version = version_of(host.facts.get("kernel", {}).get("release") or "")

    @property
    def memory_kb(self) -> int | None:
        """MemTotal; None where it is unknown, or no memory that a machine can have."""
        found = kib(self.reader, "MemTotal")
        return found if found is not None and found >= 1024 else None

    @property
    def small_pages(self) -> bool:
        """Whether pages are of 4 KiB, which rules that count pages take for granted."""
        return self.host.root != Path("/") or os.sysconf("SC_PAGE_SIZE") == PAGE_KB * 1024

    @property
    def nodes(self) -> int:
        return len(self.reader.names("/sys/devices/system/node", "node[0-9]*")) or 1

    def config(self, name: str) -> str | None:
        """A value of the kernel's build: ``y``, a number or a word; ``n`` where it is off, None where nobody tells."""
        text = _config(self.reader, self.host.facts.get("kernel", {}).get("release") or "")
        if text is None:
            return None
        found = re.search(rf"^CONFIG_{name}=(.*)$", text, re.MULTILINE)
        return found[1].strip().strip('"') if found else "n"


def version_of(release: str) -> tuple[int, int] | None:
    """``6.1.0-13-amd64`` as (6, 1); None where it is no version."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else None


def _config(reader: Reader, release: str) -> str | None:
    for path in CONFIGS:
        if text := reader.text(path.format(release=release)):
            return text
    try:
        return gzip.decompress(reader.path("/proc/config.gz").read_bytes()).decode("utf-8", "replace")
    except (OSError, EOFError, ValueError):
        return None


def by_version(values: tuple[tuple[str, str], ...], version: tuple[int, int] | None) -> str | None:
    """The value in force: of the last span that begins at or before this version."""
    held = [value for since, value in values if version and (version_of(since) or (0, 0)) <= version]
    return held[-1] if held else None


def rule_of(key: str) -> DefaultRule | None:
    """The rule of a key; keys of disks have one for every disk."""
    if key.startswith("/sys/block/"):
        name, _, attribute = key.removeprefix("/sys/block/").partition("/queue/")
        return _disk_rule(name, attribute)
    return DEFAULT_RULES.get(key)


def _disk_rule(name: str, attribute: str) -> DefaultRule | None:
    queue = f"/sys/block/{name}/queue"

    def scheduler(kernel: Kernel) -> str | None:
        queues = len(kernel.reader.names(f"/sys/block/{name}/mq"))
        offered = (kernel.reader.text(f"{queue}/scheduler") or "").replace("[", "").replace("]", "").split()
        if not queues or kernel.version is None or kernel.version < (5, 0):
            return None
        return "mq-deadline" if queues == 1 and "mq-deadline" in offered else "none"

    def read_ahead(kernel: Kernel) -> str | None:
        best = kernel.reader.number(f"{queue}/optimal_io_size")
        return None if best is None else str(max(128, 2 * best // 1024))

    def throttle(kernel: Kernel) -> str | None:
        turns = kernel.reader.number(f"{queue}/rotational")
        if kernel.config("BLK_WBT_MQ") != "y" or turns is None:
            return None
        return "0" if "[bfq]" in (kernel.reader.text(f"{queue}/scheduler") or "") else ("2000", "75000")[bool(turns)]

    return {
        "scheduler": DefaultRule(scheduler, "block/elevator.c: elevator_get_default"),
        "read_ahead_kb": DefaultRule(
            read_ahead, "block/blk-settings.c: 128 KiB, or twice the optimal request", limit=True
        ),
        "wbt_lat_usec": DefaultRule(throttle, "block/blk-wbt.c: wbt_default_latency_nsec"),
    }.get(attribute)


def _of_memory(compute: Callable[[int, Kernel], str | None]) -> Callable[[Kernel], str | None]:
    return lambda kernel: compute(kernel.memory_kb, kernel) if kernel.memory_kb else None


def _min_free(memory_kb: int, kernel: Kernel) -> str | None:
    """calculate_min_free_kbytes, and what khugepaged raises it to with pages of 2 MiB."""
    least = max(128, min(math.isqrt(16 * memory_kb), 262144))
    thp = kernel.reader.text(f"{THP}/enabled")
    zones = _zones(kernel.reader)
    if not kernel.small_pages:
        return None
    if thp is None or "[never]" in thp or not zones:
        return str(least) if thp is None or "[never]" in thp else None
    pages = min(512 * zones * (2 + 3 * 3), memory_kb // PAGE_KB // 20)
    return str(max(least, pages * PAGE_KB))


def _zones(reader: Reader) -> int:
    """Zones with memory, but the movable one."""
    found, name = 0, ""
    for line in (reader.text("/proc/zoneinfo") or "").splitlines():
        if line.startswith("Node"):
            name = line.split()[-1]
        elif line.split()[:1] == ["present"] and name not in ("Movable", "Device"):
            found += line.split()[-1] != "0"
    return found


def _tcp_mem(memory_kb: int, kernel: Kernel) -> str | None:
    if kernel.version is None or kernel.version < (4, 4) or not kernel.small_pages:
        return None
    limit = max(memory_kb // PAGE_KB // 16, 128)
    return f"{limit // 4 * 3} {limit} {limit // 4 * 3 * 2}"


def _rmem(memory_kb: int, kernel: Kernel) -> str | None:
    spans = (("3.10", "87380 6291456"), ("4.20", "131072 6291456"), ("6.16", "131072 33554432"))
    return _window(by_version(spans, kernel.version), memory_kb)


def _wmem(memory_kb: int, kernel: Kernel) -> str | None:
    return _window("16384 4194304" if kernel.version else None, memory_kb)


def _window(span: str | None, memory_kb: int) -> str | None:
    """tcp_init: the largest window is no more than a 128th of memory."""
    if span is None:
        return None
    first, most = (int(word) for word in span.split())
    return f"4096 {first} {max(first, min(most, memory_kb * 1024 // 128))}"


def _hashed(memory_kb: int) -> int:
    """Buckets of the table of connections: one in 128 KiB, a power of two, at most 512 Ki (tcp_init)."""
    return min(1 << max(0, math.ceil(math.log2(memory_kb / 128))), 512 * 1024)


def _syn_backlog(memory_kb: int, kernel: Kernel) -> str | None:
    known = kernel.version is not None and kernel.version >= (5, 4)
    return str(max(128, _hashed(memory_kb) // 128)) if known else None


def _threads(memory_kb: int, kernel: Kernel) -> str | None:
    return str(memory_kb // (16 * 8))  # stacks of 16 KiB, on x86-64 and arm64


def _pids(kernel: Kernel) -> str | None:
    cpus = len(cpu_list(kernel.reader.text("/sys/devices/system/cpu/possible")))
    return str(max(32768, 1024 * cpus)) if cpus else None


def _budget_us(kernel: Kernel) -> str | None:
    if kernel.version is None or kernel.version < (4, 12):
        return None
    hz = as_int(kernel.config("HZ")) if kernel.version >= (5, 8) else 1000
    return str(2_000_000 // hz) if hz else None


def _balancing(kernel: Kernel) -> str | None:
    built = kernel.config("NUMA_BALANCING_DEFAULT_ENABLED")
    return "0" if kernel.nodes == 1 or built == "n" else None if built is None else "1"


def _watchdog(kernel: Kernel) -> str | None:
    """A KVM guest is not watched (commit 692297d8f968); elsewhere it depends on the build and on the counters."""
    guest = kernel.host.facts.get("virt", {}).get("hypervisor_flag")
    return "0" if guest or kernel.config("HARDLOCKUP_DETECTOR") == "n" else None


def _huge(kernel: Kernel) -> str | None:
    chosen = [w for w in ("always", "madvise", "never") if kernel.config(f"TRANSPARENT_HUGEPAGE_{w.upper()}") == "y"]
    return chosen[0] if chosen else None


def _defrag(kernel: Kernel) -> str | None:
    return by_version((("3.10", "always"), ("4.6", "madvise")), kernel.version)


def _built(name: str, off: str | None = None) -> Callable[[Kernel], str | None]:
    def compute(kernel: Kernel) -> str | None:
        value = kernel.config(name)
        return off if value == "n" else value

    return compute


DEFAULT_RULES: Mapping[str, DefaultRule] = {
    "vm.min_free_kbytes": DefaultRule(_of_memory(_min_free), "mm/page_alloc.c, mm/khugepaged.c", limit=True, near=True),
    "net.ipv4.tcp_mem": DefaultRule(_of_memory(_tcp_mem), "net/ipv4/tcp.c: tcp_init_mem", limit=True, near=True),
    "net.ipv4.tcp_rmem": DefaultRule(
        _of_memory(_rmem),
        "net/ipv4/tcp.c: tcp_init; commits a337531b942b (4.20), 572be9bf9d0d (6.16)",
        limit=True,
        near=True,
    ),
    "net.ipv4.tcp_wmem": DefaultRule(_of_memory(_wmem), "net/ipv4/tcp.c: tcp_init", limit=True, near=True),
    "net.ipv4.tcp_max_syn_backlog": DefaultRule(_of_memory(_syn_backlog), "net/ipv4/tcp_ipv4.c", limit=True),
    "net.ipv4.tcp_max_tw_buckets": DefaultRule(
        _of_memory(lambda kb, kernel: str(_hashed(kb) // 2)), "net/ipv4/tcp_ipv4.c", limit=True
    ),
    "net.ipv4.tcp_congestion_control": DefaultRule(_built("DEFAULT_TCP_CONG"), "net/ipv4/Kconfig: DEFAULT_TCP_CONG"),
    "net.core.default_qdisc": DefaultRule(
        _built("DEFAULT_NET_SCH", "pfifo_fast"), "net/sched/Kconfig: DEFAULT_NET_SCH"
    ),
    "net.core.netdev_budget_usecs": DefaultRule(
        _budget_us, "net/core/hotdata.c: two ticks; commits 7acf8a1e8a28, a4837980fd9f"
    ),
    "kernel.numa_balancing": DefaultRule(_balancing, "mm/mempolicy.c: check_numabalancing_enable"),
    "kernel.nmi_watchdog": DefaultRule(_watchdog, "kernel/watchdog.c, commit 692297d8f968"),
    "kernel.threads-max": DefaultRule(_of_memory(_threads), "kernel/fork.c: set_max_threads", limit=True, near=True),
    "kernel.pid_max": DefaultRule(_pids, "kernel/pid.c: 1024 for each processor", limit=True),
    "fs.file-max": DefaultRule(
        _of_memory(lambda kb, kernel: str(max(kb // 10, 8192))), "fs/file_table.c", limit=True, near=True
    ),
    f"{THP}/enabled": DefaultRule(_huge, "mm/Kconfig: TRANSPARENT_HUGEPAGE_*"),
    f"{THP}/defrag": DefaultRule(_defrag, "mm/huge_memory.c, commit 444eb2a449ef"),
}
