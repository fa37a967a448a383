"""Changes around memory: limits, mappings and caches of one's own, swap."""

from __future__ import annotations

from liebench.advice.change import Change, unknown
from liebench.host import Host


def _limit(host: Host) -> str:
    known = host.facts["limits"]["memory_mib"]
    return "no limit" if known is None else f"a limit of {known} MiB"


def _swappiness(host: Host) -> str:
    return str(host.facts["memory"]["swappiness"])


CHANGES = (
    Change(
        id="size-below-limit",
        setting="what the program may allocate",
        scope="process",
        default="whatever it asks for",
        risk="a program that is told less works with less: more misses, more collections",
        how="set {to} (-Xmx, maxmemory, shared_buffers)",
        undo="give it the old size again ({now})",
        probe="memory-promise",
        now=_limit,
    ),
    Change(
        id="map-random",
        setting="advice on a mapping that is read at random",
        scope="process",
        default="MADV_NORMAL: readahead",
        risk="without readahead sequential reads of the mapping are slow",
        how="call {to} on it",
        undo="call madvise(MADV_NORMAL) ({now})",
        probe="file-map",
        now=unknown,
    ),
    Change(
        id="own-cache",
        setting="who caches the file",
        scope="process",
        default="the kernel",
        risk="memory for the cache must be sized below the limit, and is not given back under pressure",
        how="use {to}",
        undo="map the file again ({now})",
        probe="file-map",
        now=unknown,
    ),
    Change(
        id="swappiness",
        setting="vm.swappiness, or the group's own",
        scope="host",
        default="60",
        risk="0 means never swap in a memory control group: then the killer; high values page out what is "
        "used after all",
        how="sysctl vm.swappiness={to}",
        undo="sysctl vm.swappiness={now}",
        probe="swap-cache",
        now=_swappiness,
    ),
)
