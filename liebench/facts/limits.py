"""Limits of our own control group, version 1 or 2: the tightest on the way up to the root counts."""

from __future__ import annotations

from typing import Any

from liebench.facts.reader import Reader, as_int, cpu_list

ROOTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")


def _levels(path: str) -> list[str]:
    """``/a/b`` -> ``['/a/b', '/a', '']``. Inside a cgroup namespace the path is ``/``."""
    parts = [p for p in path.split("/") if p and p != ".."]
    return ["".join(f"/{p}" for p in parts[:n]) for n in range(len(parts), -1, -1)]


def _own(reader: Reader) -> dict[str, str]:
    """Controller -> our path; the unified hierarchy has the controller ``""``."""
    found: dict[str, str] = {}
    for line in (reader.text("/proc/self/cgroup") or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _v2_cpus(text: str | None) -> float | None:
    quota, _, period = (text or "").partition(" ")
    top, bottom = as_int(quota), as_int(period)
    return top / bottom if top and bottom else None


def throttled_us(reader: Reader) -> int | None:
    """Sum of the throttled time of every group from ours to the root (cpu.stat: usec in version 2, ns in 1)."""
    own = _own(reader)
    found: list[int] = []
    for root in ROOTS:
        for level in _levels(own.get("", "/")):
            value = as_int(reader.field(f"{root}{level}/cpu.stat", "throttled_usec", " "))
            found += [] if value is None else [value]
    for level in _levels(own.get("cpu", "/")):
        value = as_int(reader.field(f"/sys/fs/cgroup/cpu{level}/cpu.stat", "throttled_time", " "))
        found += [] if value is None else [value // 1000]
    return sum(found) if found else None


def foreign_cpus(reader: Reader) -> list[int]:
    """CPUs that somebody else's cpuset with processes in it pins for itself (a subset of the online ones)."""
    own, online = _own(reader), set(cpu_list(reader.text("/sys/devices/system/cpu/online")))
    found: set[int] = set()
    for root, ours, name in (
        ("/sys/fs/cgroup/cpuset", own.get("cpuset", "/"), "cpuset.cpus"),
        ("/sys/fs/cgroup", own.get("", "/"), "cpuset.cpus"),
    ):
        for group in reader.groups(root):
            pinned = set(cpu_list(reader.text(f"{root}{group}/{name}")))
            mine = f"{ours}/".startswith(f"{group}/")
            if pinned and not mine and pinned < online and reader.text(f"{root}{group}/cgroup.procs"):
                found |= pinned
    return sorted(found)


def facts(reader: Reader) -> dict[str, Any]:
    """``cpus``: quota in CPUs; ``memory_mib``: limit; None where there is none."""
    own = _own(reader)
    cpus: list[float | None] = []
    memory: list[int | None] = []
    for root in ROOTS:
        for level in _levels(own.get("", "/")):
            cpus.append(_v2_cpus(reader.text(f"{root}{level}/cpu.max")))
            memory.append(reader.number(f"{root}{level}/memory.max"))
    for level in _levels(own.get("cpu", "/")):
        quota = reader.number(f"/sys/fs/cgroup/cpu{level}/cpu.cfs_quota_us")
        period = reader.number(f"/sys/fs/cgroup/cpu{level}/cpu.cfs_period_us")
        cpus.append(quota / period if quota and period and quota > 0 else None)
    for level in _levels(own.get("memory", "/")):
        limit = reader.number(f"/sys/fs/cgroup/memory{level}/memory.limit_in_bytes")
        memory.append(limit if limit is not None and limit < 1 << 60 else None)
    v2 = reader.exists("/sys/fs/cgroup/cgroup.controllers")
    v1 = reader.exists("/sys/fs/cgroup/cpu") or reader.exists("/sys/fs/cgroup/memory")
    known = [m for m in memory if m is not None]
    return {
        "cgroup": "v2" if v2 else "v1" if v1 else None,
        "cpus": min((c for c in cpus if c is not None), default=None),
        "memory_mib": min(known) // (1 << 20) if known else None,
    }
