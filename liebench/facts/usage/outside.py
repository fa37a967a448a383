"""What does not lie in files: asked of the running kernel (``live.machine``), or told by a test."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Link(NamedTuple):
    """One network device as RTM_GETLINK describes it. ``kind`` is "" where it has none, as a card or ``lo``."""

    name: str
    number: int
    kind: str
    loopback: bool
    master: int | None
    netnsid: int | None  # of the namespace in which its other end stands, where that is not this one
    packets: int | None  # received and sent


class Connection(NamedTuple):
    """One established TCP connection to another host (struct tcp_info)."""

    cookie: int
    congestion: str
    rto_us: int
    silent_ms: int | None  # since it last sent data; None where it never did
    busy_us: int | None
    rwnd_limited_us: int | None
    sndbuf_limited_us: int | None


class Audit(NamedTuple):
    """struct audit_status."""

    enabled: int
    lost: int


def _nothing() -> None:
    return None


def _nothing_of(name: str) -> None:
    return None


def _no_watch() -> Callable[[], int | None]:
    return _nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class Outside:
    """``own_pid``: this process as /proc numbers it: it and what it started is left out of every count."""

    own_pid: Callable[[], int | None] = _nothing
    uptime_s: Callable[[], float | None] = _nothing
    suspended_ms: Callable[[], int | None] = _nothing
    clock: Callable[[], tuple[int, int] | None] = _nothing  # state and status of adjtimex(2)
    watch_steps: Callable[[], Callable[[], int | None]] = _no_watch  # arms a watch; asked later: 1 where one was seen
    links: Callable[[], list[Link] | None] = _nothing
    connections: Callable[[], list[Connection] | None] = _nothing
    nat_chains: Callable[[], int | None] = _nothing  # chains of nftables that rewrite addresses, in this namespace
    reflinks: Callable[[str], bool | None] = _nothing_of  # of the XFS mounted there
    audit: Callable[[], Audit | None] = _nothing
    exceeded_us: Callable[[str], int | None] = _nothing_of  # of the EBS volume of that disk (``facts.ebs``)
    address_space: Callable[[], int | None] = _nothing  # RLIMIT_AS of this process
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
