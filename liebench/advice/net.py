"""Changes around connections, queues and virtual networks."""

from __future__ import annotations

from liebench.advice.change import Change, unknown
from liebench.host import Host


def _restarts(host: Host) -> str:
    return str(host.facts.get("net", {}).get("restarts"))


def _backlog(host: Host) -> str:
    return str(host.facts.get("net", {}).get("backlog"))


def _most(name: str, host: Host) -> str:
    found = host.facts.get("net", {}).get(name)
    return "unknown" if found is None else f"{found} bytes"


def _rmem(host: Host) -> str:
    return _most("rmem_most", host)


def _wmem(host: Host) -> str:
    return _most("wmem_most", host)


CHANGES = (
    Change(
        "idle-restart",
        "net.ipv4.tcp_slow_start_after_idle",
        "namespace",
        "1",
        "a window learnt before the silence is sent at once into a path that may have changed: watch retransmissions",
        "sysctl net.ipv4.tcp_slow_start_after_idle={to}",
        "sysctl net.ipv4.tcp_slow_start_after_idle={now}",
        "tcp-idle-restart",
        _restarts,
    ),
    Change(
        "receive-window",
        "the last number of net.ipv4.tcp_rmem",
        "namespace",
        "32 MiB from kernel 6.16 on, 6 MiB before",
        "each connection may take that much memory, up to tcp_mem in all",
        'sysctl net.ipv4.tcp_rmem="4096 131072 {to}"',
        'sysctl net.ipv4.tcp_rmem="4096 131072 {now}"',
        "tcp-window",
        _rmem,
    ),
    Change(
        "send-window",
        "the last number of net.ipv4.tcp_wmem",
        "namespace",
        "4 MiB",
        "each connection may take that much memory, up to tcp_mem in all",
        'sysctl net.ipv4.tcp_wmem="4096 16384 {to}"',
        'sysctl net.ipv4.tcp_wmem="4096 16384 {now}"',
        "tcp-window",
        _wmem,
    ),
    Change(
        "backlog",
        "net.core.netdev_max_backlog",
        "host",
        "1000",
        "packets wait longer where they were dropped before: the queue's length over the rate at which it is emptied",
        "sysctl net.core.netdev_max_backlog={to}",
        "sysctl net.core.netdev_max_backlog={now}",
        "netdev-backlog",
        _backlog,
    ),
    Change(
        "steer-packets",
        "which processors take a card's packets",
        "host",
        "the one that takes the interrupt",
        "an interrupt between processors for each batch; caches of two processors hold the connection",
        "do {to}",
        "echo 0 > /sys/class/net/DEVICE/queues/rx-N/rps_cpus ({now})",
        "net-interrupt",
        unknown,
    ),
    Change(
        "cheaper-wiring",
        "how two programs of this host are joined",
        "process",
        "as the orchestrator wires them",
        "less isolation between the two",
        "use {to}",
        "go back to what it was ({now})",
        "net-virtual",
        unknown,
    ),
)
