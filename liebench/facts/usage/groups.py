"""Control groups of others: which have limits, and what those did. Version 1 and 2.

Throttling stands only in the group that owns the quota, and goes with it; so every group is asked, and a sum since boot
is a lower bound (Documentation/admin-guide/cgroup-v2.rst, Documentation/scheduler/sched-bwc.rst).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from liebench.facts.limits import UNIFIED, allowed, folders_of, hierarchies, no_limit, own_groups, view
from liebench.facts.reader import Reader, as_int
from liebench.facts.usage.census import container_of
from liebench.facts.usage.counters import Count
from liebench.facts.usage.values import Limits

OURS = "liebench-"
ABOVE = re.compile(r"/(docker|lxc|garden|ecs|buildkit|machine\.slice|kubepods[^/]*)(/|$)")  # what holds containers
CONTROLLERS = (UNIFIED, "cpu", "memory")
CPU_STAT = {"nr_periods": ("periods", 1), "nr_throttled": ("throttled", 1), "throttled_usec": ("throttled_us", 1)}
CPU_STAT |= {"throttled_time": ("throttled_us", 1000)}  # version 1 counts nanoseconds
EVENTS = {"high": "memory_high", "max": "memory_max"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A control group with a limit; ``ours``: it limits this process too."""

    folder: str
    ours: bool
    contained: bool
    quota: bool
    memory: bool
    high: bool


@dataclass(frozen=True, slots=True)
class Groups:
    """``limited``: those with processes in them; ``walked``: how many others there are, None without any hierarchy."""

    limited: tuple[Group, ...]
    walked: int | None
    cut: bool


def walk(reader: Reader, most: int) -> Groups:
    """Every group that can be seen, liebench's own left out; at most ``most`` of a hierarchy."""
    own = own_groups(reader.text("/proc/self/cgroup"))
    limited: list[Group] = []
    walked, cut, seen = 0, False, set[str]()
    for mounted in hierarchies(reader):
        for controller in CONTROLLERS:
            if controller not in mounted.controllers or mounted.point in seen or not reader.exists(mounted.point):
                continue
            seen.add(mounted.point)
            way = set(folders_of(reader, controller, own))
            count = 0
            for folder in _below(reader, mounted.point):
                count += folder != mounted.point
                if count > most:
                    cut = True
                    break
                group = _group(reader, folder, mounted.point, folder in way)
                limited += [group] if group else []
            walked = max(walked, min(count, most))
    return Groups(tuple(limited), walked if seen else None, cut)


def _below(reader: Reader, top: str) -> Iterator[str]:
    """A group and those below it, parents first."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        yield folder
        try:
            with os.scandir(reader.path(folder)) as entries:
                names = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
                waiting += [f"{folder}/{name}" for name in names if not name.startswith(OURS)]
        except OSError:
            continue


def _group(reader: Reader, folder: str, top: str, ours: bool) -> Group | None:
    """None for a group without a limit, or without a process in it or below it."""
    at = str(reader.path(folder))
    two = (_text(f"{at}/cpu.max") or "max").split()[0]
    one = as_int(_text(f"{at}/cpu.cfs_quota_us"))
    quota = two != "max" or (one is not None and one > 0)
    memory = not no_limit(_text(f"{at}/memory.max")) or not no_limit(_text(f"{at}/memory.limit_in_bytes"))
    high = not no_limit(_text(f"{at}/memory.high"))
    if not (quota or memory or high) or not _populated(reader, folder):
        return None
    path = folder.removeprefix(top)
    inside = container_of(path) is not None or ABOVE.search(path) is not None
    return Group(folder=folder, ours=ours, contained=inside, quota=quota, memory=memory, high=high)


def _populated(reader: Reader, folder: str) -> bool:
    """Version 2 says so of a whole subtree; in version 1 each group lists its own."""
    events = _text(f"{reader.path(folder)}/cgroup.events")
    if events is not None:
        return "populated 1" in events
    return any(_text(f"{reader.path(below)}/cgroup.procs") for below in _below(reader, folder))


def _text(path: str) -> str | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, 1 << 14).decode("utf-8", "replace").strip()
    except OSError:
        return None
    finally:
        os.close(fd)


def counters(reader: Reader, found: Groups) -> dict[str, Count]:
    """What the limits did, summed over all groups that have one. A group that goes makes the sum fall: then None."""
    names = [*dict.fromkeys(name for name, _ in CPU_STAT.values()), *EVENTS.values()]
    sums: dict[str, int | None] = dict.fromkeys(names, None if found.walked is None else 0)
    for group in found.limited:
        at = reader.path(group.folder)
        rows = [(CPU_STAT, f"{at}/cpu.stat")] if group.quota else []
        if group.memory or group.high:
            local = f"{at}/memory.events.local"
            events = {key: (name, 1) for key, name in EVENTS.items()}
            rows.append((events, local if os.path.exists(local) else f"{at}/memory.events"))
        for table, path in rows:
            for name, value in _counted(_text(path), table):
                sums[name] = (sums[name] or 0) + value
    memory = EVENTS.values()
    source = {name: "memory.events.local" if name in memory else "cpu.stat" for name in sums}
    return {f"group.{name}": Count(value, source[name]) for name, value in sums.items()}


def _counted(text: str | None, table: dict[str, tuple[str, int]]) -> Iterator[tuple[str, int]]:
    for line in (text or "").splitlines():
        key, _, word = line.partition(" ")
        value = as_int(word)
        if key in table and value is not None and value >= 0:
            name, divisor = table[key]
            yield name, value // divisor


def limits(reader: Reader, found: Groups, address_space: int | None) -> Limits:
    """``address_space``: RLIMIT_AS of this process."""
    mine = allowed(reader)
    others = [group for group in found.limited if not group.ours]

    def count(chosen: Iterable[bool]) -> int | None:
        return None if found.walked is None else sum(chosen)

    return Limits(
        cpus=mine.cpus,
        period_us=mine.period_us,
        memory=mine.memory,
        high=mine.high,
        swap_forbidden=_swap_forbidden(reader),
        address_space=address_space,
        groups=found.walked,
        cut=found.cut,
        quotas=count(g.quota for g in others),
        memory_limits=count(g.memory for g in others),
        highs=count(g.high for g in others),
        contained_quotas=count(g.quota and g.contained for g in others),
        contained_memory_limits=count(g.memory and g.contained for g in others),
    )


def _swap_forbidden(reader: Reader) -> bool | None:
    """Whether a group above gives this process no swap: memory.swap.max is 0, or memory.memsw the memory limit."""
    own = own_groups(reader.text("/proc/self/cgroup"))
    two, one = (folders_of(reader, name, own) for name in (UNIFIED, "memory"))
    swap = [value for f in two if (value := reader.text(f"{f}/memory.swap.max")) is not None]
    names = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
    pairs = [(reader.number(f"{f}/{names[0]}"), reader.number(f"{f}/{names[1]}")) for f in one]
    known = [(memory, both) for memory, both in pairs if memory is not None and both is not None]
    if not swap and not known:
        return None
    return "0" in swap or any(memory == both and not no_limit(str(both)) for memory, both in known)


def real_root(reader: Reader) -> bool | None:
    """Whether the groups' roots that can be seen are the kernel's own; None where no group can be seen."""
    tops = {area["top"] for area in view(reader).values()}
    return tops == {"whole"} if tops else None
