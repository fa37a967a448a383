"""What the kernel claims about memory."""

from __future__ import annotations

from typing import Any

from liebench.facts.reader import Reader, as_int


def kib(reader: Reader, name: str) -> int | None:
    """A field of /proc/meminfo; None where it is unknown, or more than a machine can have."""
    words = (reader.field("/proc/meminfo", name) or "").split()
    found = as_int(words[0]) if words else None
    return found if found is not None and 0 <= found < 1 << 50 else None


def _mib(reader: Reader, name: str) -> int | None:
    found = kib(reader, name)
    return None if found is None else found // 1024


def facts(reader: Reader) -> dict[str, Any]:
    thp = reader.text("/sys/kernel/mm/transparent_hugepage/enabled") or ""
    chosen = thp.partition("[")[2].partition("]")[0]
    return {
        "total_mib": _mib(reader, "MemTotal"),
        "swap_mib": _mib(reader, "SwapTotal"),
        "thp": chosen or None,
        "mglru": reader.text("/sys/kernel/mm/lru_gen/enabled"),  # Documentation/admin-guide/mm/multigen_lru.rst
        "swappiness": reader.number("/proc/sys/vm/swappiness"),
    }
