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
        "size-below-limit",
        "what the program may allocate",
        "process",
        "whatever it asks for",
        "a program that is told less works with less: more misses, more collections",
        "set {to} (-Xmx, maxmemory, shared_buffers)",
        "give it the old size again ({now})",
        "memory-promise",
        _limit,
    ),
    Change(
        "map-random",
        "advice on a mapping that is read at random",
        "process",
        "MADV_NORMAL: readahead",
        "without readahead sequential reads of the mapping are slow",
        "call {to} on it",
        "call madvise(MADV_NORMAL) ({now})",
        "file-map",
        unknown,
    ),
    Change(
        "own-cache",
        "who caches the file",
        "process",
        "the kernel",
        "memory for the cache must be sized below the limit, and is not given back under pressure",
        "use {to}",
        "map the file again ({now})",
        "file-map",
        unknown,
    ),
    Change(
        "swappiness",
        "vm.swappiness, or the group's own",
        "host",
        "60",
        "0 means never swap in a memory control group: then the killer; high values page out what is used after all",
        "sysctl vm.swappiness={to}",
        "sysctl vm.swappiness={now}",
        "swap-cache",
        _swappiness,
    ),
)
