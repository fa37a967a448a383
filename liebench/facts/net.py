"""What the kernel is set to do with connections and packets (Documentation/networking/ip-sysctl.rst)."""

from __future__ import annotations

from typing import Any

from liebench.facts.reader import Reader, as_int

IPV4, CORE = "/proc/sys/net/ipv4", "/proc/sys/net/core"


def _most(reader: Reader, name: str) -> int | None:
    """The last of the three numbers of tcp_rmem and tcp_wmem: how far autotuning may go, in bytes."""
    words = (reader.text(f"{IPV4}/{name}") or "").split()
    return as_int(words[2]) if len(words) == 3 else None


def facts(reader: Reader) -> dict[str, Any]:
    return {
        "congestion": reader.text(f"{IPV4}/tcp_congestion_control"),
        "restarts": reader.number(f"{IPV4}/tcp_slow_start_after_idle"),
        "rmem_most": _most(reader, "tcp_rmem"),
        "wmem_most": _most(reader, "tcp_wmem"),
        "autotunes": reader.number(f"{IPV4}/tcp_moderate_rcvbuf"),
        "tunnels": len(reader.names("/sys/class/net", "*/tun_flags")),  # devices whose frames a process carries
        "backlog": reader.number(f"{CORE}/netdev_max_backlog"),  # not to be seen inside a network namespace
    }
