"""What stands between this process and the kernel, as the kernel tells it (proc_pid_status(5))."""

from __future__ import annotations

from typing import Any

from liebench.facts.reader import Reader, as_int

STATUS = "/proc/self/status"


def facts(reader: Reader) -> dict[str, Any]:
    """``filters`` (Linux 5.9) counts stacked seccomp filters, ``seccomp`` is their mode; ``tracer`` is 0 for nobody."""
    return {
        "seccomp": as_int(reader.field(STATUS, "Seccomp")),
        "filters": as_int(reader.field(STATUS, "Seccomp_filters")),
        "tracer": as_int(reader.field(STATUS, "TracerPid")),
        "store_bypass": reader.field(STATUS, "Speculation_Store_Bypass"),
    }
