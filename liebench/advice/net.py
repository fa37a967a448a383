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
        id="idle-restart",
        setting="net.ipv4.tcp_slow_start_after_idle",
        scope="namespace",
        default="1",
        risk="a window learnt before the silence is sent at once into a path that may have changed: watch "
        "retransmissions",
        how="sysctl net.ipv4.tcp_slow_start_after_idle={to}",
        undo="sysctl net.ipv4.tcp_slow_start_after_idle={now}",
        probe="tcp-idle-restart",
        now=_restarts,
    ),
    Change(
        id="receive-window",
        setting="the last number of net.ipv4.tcp_rmem",
        scope="namespace",
        default="32 MiB from kernel 6.16 on, 6 MiB before",
        risk="each connection may take that much memory, up to tcp_mem in all",
        how='sysctl net.ipv4.tcp_rmem="4096 131072 {to}"',
        undo='sysctl net.ipv4.tcp_rmem="4096 131072 {now}"',
        probe="tcp-window",
        now=_rmem,
    ),
    Change(
        id="send-window",
        setting="the last number of net.ipv4.tcp_wmem",
        scope="namespace",
        default="4 MiB",
        risk="each connection may take that much memory, up to tcp_mem in all",
        how='sysctl net.ipv4.tcp_wmem="4096 16384 {to}"',
        undo='sysctl net.ipv4.tcp_wmem="4096 16384 {now}"',
        probe="tcp-window",
        now=_wmem,
    ),
    Change(
        id="backlog",
        setting="net.core.netdev_max_backlog",
        scope="host",
        default="1000",
        risk="packets wait longer where they were dropped before: the queue's length over the rate at "
        "which it is emptied",
        how="sysctl net.core.netdev_max_backlog={to}",
        undo="sysctl net.core.netdev_max_backlog={now}",
        probe="netdev-backlog",
        now=_backlog,
    ),
    Change(
        id="steer-packets",
        setting="which processors take a card's packets",
        scope="host",
        default="the one that takes the interrupt",
        risk="an interrupt between processors for each batch; caches of two processors hold the connection",
        how="do {to}",
        undo="echo 0 > /sys/class/net/DEVICE/queues/rx-N/rps_cpus ({now})",
        probe="net-interrupt",
        now=unknown,
    ),
    Change(
        id="cheaper-wiring",
        setting="how two programs of this host are joined",
        scope="process",
        default="as the orchestrator wires them",
        risk="less isolation between the two",
        how="use {to}",
        undo="go back to what it was ({now})",
        probe="net-virtual",
        now=unknown,
    ),
)
