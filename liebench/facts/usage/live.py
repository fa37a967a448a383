"""The running kernel, asked as a reader of files cannot: netlink, adjtimex, timerfd, an ioctl. Nothing is changed."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import resource
import socket
import struct
import time
from collections.abc import Callable

from liebench.facts.clock import Timex, adjtimex
from liebench.facts.reader import Reader
from liebench.facts.usage import netlink
from liebench.facts.usage.outside import Audit, Connection, Link, Outside

# rtnetlink(7), linux/if_link.h
NETLINK_ROUTE, GET_LINK, GET_ADDRESS, ARPHRD_LOOPBACK = 0, 18, 22, 772
IFNAME, MASTER, LINKINFO, STATS64, NETNSID, INFO_KIND = 3, 10, 18, 23, 37, 1
IFA_ADDRESS, IFA_LOCAL = 1, 2
# sock_diag(7), linux/inet_diag.h, linux/tcp.h
SOCK_DIAG, BY_FAMILY, ESTABLISHED = 4, 20, 1 << 1
INFO, CONGESTION = 2, 4
ID = struct.Struct(">HH16s16s")
RTO, LAST_SENT, SEGMENTS_SENT, BUSY = 8, 44, 156, 168  # offsets in struct tcp_info
# linux/netfilter/nf_tables.h: NFT_MSG_GETCHAIN of NFNL_SUBSYS_NFTABLES, NFTA_CHAIN_TYPE
NETLINK_NETFILTER, GET_CHAINS, CHAIN_TYPE = 12, 10 << 8 | 4, 7
# linux/audit.h: struct audit_status
NETLINK_AUDIT, AUDIT_GET = 9, 1000
# xfs_fs.h: XFS_IOC_FSGEOMETRY, offset of its flags, XFS_FSOP_GEOM_FLAGS_REFLINK
GEOMETRY, GEOMETRY_SIZE, GEOMETRY_FLAGS, REFLINK = 0x8100587E, 256, 92, 1 << 20
# timerfd_create(2)
TFD_NONBLOCK, TFD_CLOEXEC, ABSTIME, CANCEL_ON_SET, FAR = 0o4000, 0o2000000, 1, 2, 1 << 40
SUSPENDED_MS = 1
MAPPED = bytes(10) + b"\xff\xff"  # an IPv4 address in an IPv6 one


def machine(reader: Reader | None = None) -> Outside:
    """This machine. ``reader`` is asked for what decides whether a question would load a kernel module."""
    files = reader or Reader()
    return Outside(
        own_pid=lambda: _own_pid(files),
        uptime_s=lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        suspended_ms=_suspended_ms,
        clock=_clock,
        watch_steps=_watch_steps,
        links=_links,
        connections=lambda: _connections() if has_module(files, "tcp_diag") else None,
        nat_chains=lambda: _nat_chains() if has_module(files, "nf_tables") else 0,
        reflinks=_reflinks,
        audit=lambda: _audit() if files.exists("/proc/self/loginuid") else None,
        address_space=_address_space,
    )


def _own_pid(reader: Reader) -> int | None:
    """This process's number in the pid namespace that /proc shows, which need not be getpid(2)'s."""
    try:
        return int(os.readlink(reader.path("/proc/self")))
    except (OSError, ValueError):
        return None


def _suspended_ms() -> int | None:
    """How long the machine slept since boot: CLOCK_BOOTTIME counts that, CLOCK_MONOTONIC does not."""
    slept = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    milliseconds = slept // 1_000_000
    return milliseconds if milliseconds >= SUSPENDED_MS else 0


def _clock() -> tuple[int, int] | None:
    timex = Timex()
    state = adjtimex(timex)
    return None if state < 0 else (state, int(timex.status))


def _watch_steps() -> Callable[[], int | None]:
    """A timer that the kernel cancels when CLOCK_REALTIME is set; a read then fails with ECANCELED (fs/timerfd.c)."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.timerfd_create(time.CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC)
    when = (ctypes.c_long * 4)(0, 0, FAR, 0)  # struct itimerspec: interval, value
    if fd < 0 or libc.timerfd_settime(fd, ABSTIME | CANCEL_ON_SET, ctypes.byref(when), None):
        if fd >= 0:
            os.close(fd)
        return lambda: None

    def ask() -> int | None:
        try:
            os.read(fd, 8)
        except OSError as error:
            return {errno.ECANCELED: 1, errno.EAGAIN: 0}.get(error.errno or 0)
        finally:
            os.close(fd)
        return None

    return ask


def _links() -> list[Link] | None:
    answers = netlink.ask(NETLINK_ROUTE, GET_LINK, bytes(16))
    return None if answers is None else [_link(body) for body in answers if len(body) >= 16]


def _link(body: bytes) -> Link:
    _, hardware, index = struct.unpack_from("=BxHi", body)
    found = netlink.attributes(body, 16)
    stats = found.get(STATS64, b"")
    return Link(
        name=netlink.text(found.get(IFNAME)),
        number=index,
        kind=netlink.text(netlink.attributes(found.get(LINKINFO, b"")).get(INFO_KIND)),
        loopback=hardware == ARPHRD_LOOPBACK,
        master=netlink.number(found.get(MASTER)),
        netnsid=netlink.number(found.get(NETNSID)),
        packets=sum(struct.unpack_from("=QQ", stats)) if len(stats) >= 16 else None,
    )


def _addresses() -> set[bytes]:
    """This namespace's own addresses: they are compared, and never leave this module."""
    found = set()
    for body in netlink.ask(NETLINK_ROUTE, GET_ADDRESS, bytes(8)) or []:
        values = netlink.attributes(body, 8)
        found |= {values[kind] for kind in (IFA_ADDRESS, IFA_LOCAL) if kind in values}
    return found


def has_module(reader: Reader, name: str) -> bool:
    """Whether asking it loads no module, as the kernel would for anybody: it is there, or no module can be."""
    if reader.exists(f"/sys/module/{name}") or not reader.exists("/proc/modules"):
        return True
    release = reader.text("/proc/sys/kernel/osrelease") or ""
    return f"/{name}.ko" in (reader.text(f"/lib/modules/{release}/modules.builtin") or "")


def _nat_chains() -> int | None:
    """Needs CAP_NET_ADMIN. A list of chains is a read: nothing is registered by it."""
    answers = netlink.ask(NETLINK_NETFILTER, GET_CHAINS, bytes(4))
    return None if answers is None else sum(netlink.attributes(a, 4).get(CHAIN_TYPE) == b"nat\0" for a in answers)


def _connections() -> list[Connection] | None:
    """Established TCP connections to other hosts, IPv4 and IPv6; None where one of them was refused."""
    own, found = _addresses(), []
    for family in (socket.AF_INET, socket.AF_INET6):
        wanted = struct.pack("=BBBxI48x", family, socket.IPPROTO_TCP, 1 << INFO - 1 | 1 << CONGESTION - 1, ESTABLISHED)
        answers = netlink.ask(SOCK_DIAG, BY_FAMILY, wanted)
        if answers is None and family == socket.AF_INET6:
            continue  # a kernel without IPv6 has no such connections
        if answers is None:
            return None
        found += [_connection(body) for body in answers if len(body) >= 72 and not _stays_here(body, own)]
    return found


def _stays_here(body: bytes, own: set[bytes]) -> bool:
    peer = ID.unpack_from(body, 4)[3]
    short = peer[12:] if peer.startswith(MAPPED) else peer[:4] if body[0] == socket.AF_INET else peer
    return short in own or (len(short) == 4 and short[0] == 127) or short == bytes(15) + b"\1"


def _connection(body: bytes) -> Connection:
    """struct inet_diag_msg: four bytes, the socket's id of 48, five words; then attributes."""
    found = netlink.attributes(body, 72)
    info = found.get(INFO, b"").ljust(256, b"\0")
    known = len(found.get(INFO, b"")) >= BUSY + 24
    sent = struct.unpack_from("=I", info, SEGMENTS_SENT)[0] if known else None
    busy, rwnd, sndbuf = struct.unpack_from("=QQQ", info, BUSY)
    return Connection(
        cookie=struct.unpack_from("=Q", body, 44)[0],
        congestion=netlink.text(found.get(CONGESTION)),
        rto_us=struct.unpack_from("=I", info, RTO)[0],
        silent_ms=None if sent == 0 else struct.unpack_from("=I", info, LAST_SENT)[0],
        busy_us=busy if known else None,
        rwnd_limited_us=rwnd if known else None,
        sndbuf_limited_us=sndbuf if known else None,
    )


def _reflinks(point: str) -> bool | None:
    """Whether files of the XFS mounted there may share blocks; that any do is not said."""
    room = bytearray(GEOMETRY_SIZE)
    try:
        fd = os.open(point, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.ioctl(fd, GEOMETRY, room)
    except OSError:
        return None
    finally:
        os.close(fd)
    return bool(struct.unpack_from("=I", room, GEOMETRY_FLAGS)[0] & REFLINK)


def _audit() -> Audit | None:
    """Needs CAP_AUDIT_CONTROL in the first namespaces."""
    answers = netlink.ask(NETLINK_AUDIT, AUDIT_GET, b"", dump=False)
    if not answers or len(answers[0]) < 32:
        return None
    _, enabled, _, _, _, _, lost, _ = struct.unpack_from("=8I", answers[0])
    return Audit(enabled, lost)


def _address_space() -> int | None:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit
