"""Limits of our own control group, version 1 or 2: the tightest on the way up to the root counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from liebench.facts.mounts import mounts_in
from liebench.facts.reader import Reader, as_int, cpu_list

ROOTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
UNIFIED = ""  # the one "controller" under which /proc/self/cgroup lists version 2
NO_LIMIT = 1 << 60  # version 1 writes "none" as the largest number of pages


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Control groups as they are mounted here: ``root`` is the group that stands at ``point``."""

    point: str
    root: str
    controllers: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowed:
    """What control groups allow a process. None: no limit that can be seen. ``*_by``: the file that says so."""

    cpus: float | None = None
    cpus_by: str = ""
    period_us: int | None = None
    cpuset: int | None = None
    memory: int | None = None  # bytes; more of it is killed (or swapped)
    memory_by: str = ""
    high: int | None = None  # bytes; more of it is throttled (memory.high, version 2)
    high_by: str = ""


def hierarchies(reader: Reader) -> list[Hierarchy]:
    """What mountinfo lists (proc(5)); the usual places where it lists none."""
    found = []
    for mount in mounts_in(reader.text("/proc/self/mountinfo")):
        if mount.kind in ("cgroup", "cgroup2"):
            names = {UNIFIED} if mount.kind == "cgroup2" else set(mount.whole.split(","))
            found.append(Hierarchy(mount.point, mount.root, frozenset(names)))
    usual = [Hierarchy(root, "/", frozenset({UNIFIED})) for root in ROOTS]
    usual += [Hierarchy(f"{ROOTS[0]}/{name}", "/", frozenset({name})) for name in ("cpu", "cpuset", "memory")]
    return found or usual


def own_groups(text: str | None) -> dict[str, str]:
    """Controller -> the path of a process, from its /proc/pid/cgroup."""
    found: dict[str, str] = {}
    for line in (text or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _below(path: str, root: str) -> list[str] | None:
    """The parts of ``path`` below ``root``; None where it lies elsewhere, also outside of a cgroup namespace."""
    whole, top = ([p for p in text.split("/") if p] for text in (path, root))
    if ".." in whole or whole[: len(top)] != top:
        return None
    return whole[len(top) :]


def folders_of(reader: Reader, controller: str, own: dict[str, str]) -> list[str]:
    """Folders of a process's group and of those above it, its own first, where they are mounted and can be seen.

    A hierarchy may be mounted twice, one of them narrowed to a container's part: the longest way up counts.
    """
    found: list[list[str]] = [[]]
    for mounted in hierarchies(reader):
        parts = _below(own.get(controller, "/"), mounted.root) if controller in mounted.controllers else None
        if parts is not None:
            levels = (mounted.point + "".join(f"/{p}" for p in parts[:n]) for n in range(len(parts), -1, -1))
            found.append([folder for folder in levels if reader.exists(folder)])
    return max(found, key=len)


def _v2_cpus(text: str | None) -> float | None:
    quota, _, period = (text or "").partition(" ")
    top, bottom = as_int(quota), as_int(period)
    return top / bottom if top and bottom and top > 0 and bottom > 0 else None


def _v1_cpus(reader: Reader, folder: str) -> float | None:
    quota, period = (reader.number(f"{folder}/cpu.cfs_{what}_us") for what in ("quota", "period"))
    return quota / period if quota and period and quota > 0 and period > 0 else None


def _bytes(number: int | None) -> int | None:
    return number if number is not None and 0 <= number < NO_LIMIT else None


def no_limit(text: str | None) -> bool:
    """Whether a limit's file says "none", in either version's words, or is missing."""
    return text in (None, "", "max") or _bytes(as_int(text)) is None


def throttled_us(reader: Reader) -> int | None:
    """Sum of the throttled time of every group from ours to the root (cpu.stat: usec in version 2, ns in 1)."""
    own, found = own_groups(reader.text("/proc/self/cgroup")), []
    for controller, field, per_us in ((UNIFIED, "throttled_usec", 1), ("cpu", "throttled_time", 1000)):
        for folder in folders_of(reader, controller, own):
            value = as_int(reader.field(f"{folder}/cpu.stat", field, " "))
            found += [] if value is None else [value // per_us]
    return sum(found) if found else None


def throttling(reader: Reader) -> dict[str, dict[str, float]]:
    """Folder -> what its CPU quota and memory.high did so far, for our group and those above that have a limit.

    ``periods``, ``throttled`` (periods), ``throttled_us``, ``high``; a group without a quota has no periods.
    """
    own = own_groups(reader.text("/proc/self/cgroup"))
    found: dict[str, dict[str, float]] = {}
    for controller, field, per_us in ((UNIFIED, "throttled_usec", 1), ("cpu", "throttled_time", 1000)):
        for folder in folders_of(reader, controller, own):
            row = {
                key: value / (per_us if key == "throttled_us" else 1)
                for key, name in (("periods", "nr_periods"), ("throttled", "nr_throttled"), ("throttled_us", field))
                if (value := as_int(reader.field(f"{folder}/cpu.stat", name, " "))) is not None and 0 <= value < 1 << 64
            }
            if row.get("periods"):
                found[folder] = row
            high = as_int(reader.field(f"{folder}/memory.events", "high", " "))
            if controller == UNIFIED and high is not None and 0 <= high < 1 << 64:
                found.setdefault(folder, {})["high"] = high
    return found


def foreign_cpus(reader: Reader) -> list[int]:
    """CPUs that somebody else's cpuset with processes in it pins for itself (a subset of the online ones)."""
    own = own_groups(reader.text("/proc/self/cgroup"))
    online = set(cpu_list(reader.text("/sys/devices/system/cpu/online")))
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


Limit = tuple[float, str]


def _tightest(found: list[Limit]) -> tuple[float | None, str]:
    return min(found, key=lambda limit: limit[0], default=(None, ""))


def _limits(folders: list[str], name: str, read: Callable[[str], float | None]) -> list[Limit]:
    return [(value, f"{f}/{name}") for f in folders if (value := read(f)) is not None]


def _period(reader: Reader, by: str) -> int | None:
    if by.endswith("cpu.max"):
        return as_int((reader.text(by) or "").partition(" ")[2])
    return reader.number(by.replace("quota", "period"))


def allowed(reader: Reader, cgroup: str | None = None) -> Allowed:
    """What a process may use whose /proc/pid/cgroup says ``cgroup``; without it, this one.

    The kernel enforces every group on the way up, so the smallest limit is the one in force. In version 1
    hierarchical_memory_limit of memory.stat also counts groups above what is mounted here.
    """
    own = own_groups(reader.text("/proc/self/cgroup") if cgroup is None else cgroup)
    two, cpu, memory = (folders_of(reader, name, own) for name in (UNIFIED, "cpu", "memory"))
    cpus, cpus_by = _tightest(
        _limits(two, "cpu.max", lambda f: _v2_cpus(reader.text(f"{f}/cpu.max")))
        + _limits(cpu, "cpu.cfs_quota_us", lambda f: _v1_cpus(reader, f))
    )
    most, most_by = _tightest(
        _limits(two, "memory.max", lambda f: _bytes(reader.number(f"{f}/memory.max")))
        + _limits(memory, "memory.limit_in_bytes", lambda f: _bytes(reader.number(f"{f}/memory.limit_in_bytes")))
        + _limits(memory[:1], "memory.stat", lambda f: _hierarchical(reader, f))
    )
    high, high_by = _tightest(_limits(two, "memory.high", lambda f: _bytes(reader.number(f"{f}/memory.high"))))
    sets = [cpu_list(reader.text(f"{f}/cpuset.cpus.effective")) for f in two[:1]]
    sets += [cpu_list(reader.text(f"{f}/cpuset.effective_cpus")) for f in folders_of(reader, "cpuset", own)[:1]]
    return Allowed(
        cpus=cpus,
        cpus_by=cpus_by,
        period_us=_period(reader, cpus_by) if cpus_by else None,
        cpuset=min((len(s) for s in sets if s), default=None),
        memory=None if most is None else int(most),
        memory_by=most_by,
        high=None if high is None else int(high),
        high_by=high_by,
    )


def _hierarchical(reader: Reader, folder: str) -> int | None:
    return _bytes(as_int(reader.field(f"{folder}/memory.stat", "hierarchical_memory_limit", " ")))


def view(reader: Reader) -> dict[str, Any]:
    """Where this process's CPU time and memory (its page cache too) are counted, and whether all above can be seen.

    ``top`` is ``whole`` where the mount begins at the kernel's own root: that one has no cgroup.type (version 2), or a
    release_agent (version 1). Everywhere else somebody above may limit us unseen: ``hidden``.
    """
    own, found = own_groups(reader.text("/proc/self/cgroup")), {}
    for name, file in (("cpu", "cpu.stat"), ("memory", "memory.stat")):
        for controller in (UNIFIED, name):
            folders = folders_of(reader, controller, own)
            counted = [f for f in folders if reader.exists(f"{f}/{file}")]
            if counted:
                top = "whole" if _is_whole(reader, folders[-1], controller) else "hidden"
                found[name] = {"group": counted[0], "top": top}
    return found


def _is_whole(reader: Reader, top: str, controller: str) -> bool:
    if controller == UNIFIED:
        return not reader.exists(f"{top}/cgroup.type")
    return reader.exists(f"{top}/release_agent")


def facts(reader: Reader) -> dict[str, Any]:
    """``cpus``: quota in CPUs; ``memory_mib``: limit; None where there is none."""
    found = allowed(reader)
    v2 = reader.exists("/sys/fs/cgroup/cgroup.controllers")
    v1 = reader.exists("/sys/fs/cgroup/cpu") or reader.exists("/sys/fs/cgroup/memory")
    return {
        "cgroup": "v2" if v2 else "v1" if v1 else None,
        "cpus": found.cpus,
        "memory_mib": None if found.memory is None else found.memory >> 20,
    }
