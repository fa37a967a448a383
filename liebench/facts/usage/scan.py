"""One pass over /proc/PID: what every user may read there (proc(5)), about 60 us a process.

Left out: this process and what it started, and every process in a control group of liebench's. Kernel threads count as
threads, and nothing else is asked of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from liebench.facts.reader import Reader

KERNEL_THREAD = 0x00200000  # PF_KTHREAD in the flags of stat (linux/sched.h)
OWN_GROUP = "/liebench-"
T = TypeVar("T")
LINE = 160  # bytes of mountinfo: the first line's beginning is enough, and the rest is dear


class Stat(NamedTuple):
    """/proc/PID/stat: ``ticks`` is user and system time in units of 10 ms."""

    parent: int
    comm: str
    state: str
    kernel: bool
    majors: int
    ticks: int
    threads: int


@dataclass(kw_only=True, slots=True)
class Process:
    """A process as it was at one moment. None: that file, or line, was not to be read."""

    pid: int
    stat: Stat
    seccomp: int | None = None
    filters: int | None = None
    tracer: int | None = None
    no_new_privileges: int | None = None
    capabilities: int | None = None
    swap_kib: int | None = None
    switches: int | None = None
    numbers: tuple[int, ...] = ()  # in its pid namespaces, from the one of /proc inwards
    groups: str = ""  # its control groups, as text
    mounts: str | None = None  # id of its first mount
    network: int | None = None  # inode of net/dev: one per network namespace


@dataclass(slots=True)
class Scan:
    """``all_threads`` also counts what was left out and kernel threads; ``whose`` was left out as our own."""

    processes: list[Process] = field(default_factory=list)
    all_processes: int = 0
    all_threads: int = 0
    vanished: int = 0
    ours: set[int] = field(default_factory=set)


def scan(reader: Reader, own_pid: int | None, own_networks: frozenset[int] = frozenset()) -> Scan:
    """Every process that is visible below ``reader``'s root. ``own_networks``: namespaces that liebench has made."""
    found, users, parents = Scan(), list[Process](), dict[int, int]()
    for pid in pids(reader):
        process = inside(reader, pid, _process)
        if process is None:
            found.vanished += 1
            continue
        found.all_processes += 1
        found.all_threads += process.stat.threads
        parents[pid] = process.stat.parent
        if not process.stat.kernel:
            users.append(process)
    found.ours = _tree(own_pid, parents)
    found.processes = [
        p for p in users if p.pid not in found.ours and OWN_GROUP not in p.groups and p.network not in own_networks
    ]
    return found


def pids(reader: Reader) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(reader.path("/proc")) if name.isdecimal())
    except OSError:
        return []


def _tree(root: int | None, parents: dict[int, int]) -> set[int]:
    """A process and all that descend from it."""
    found = {root} if root is not None else set()
    for pid in parents:
        way: list[int] = []
        at = pid
        while at not in found and at in parents and at not in way:
            way.append(at)
            at = parents[at]
        if at in found:
            found.update(way)
    return {pid for pid in found if pid is not None}


def inside(reader: Reader, pid: int, read: Callable[[int, int], T | None]) -> T | None:
    """What ``read(pid, folder)`` finds in a process's folder, held open so that its number cannot change hands."""
    try:
        at = os.open(f"{os.fspath(reader.root)}/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return read(pid, at)
    finally:
        os.close(at)


def text(at: int, name: str, most: int = 1 << 16) -> bytes | None:
    """A file of the folder ``at``; None where it is gone or not for us."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=at)
    except OSError:
        return None
    try:
        return os.read(fd, most)
    except OSError:
        return None
    finally:
        os.close(fd)


def inode(at: int, name: str) -> int | None:
    try:
        return os.stat(name, dir_fd=at).st_ino
    except OSError:
        return None


def _process(pid: int, at: int) -> Process | None:
    stat = stat_of(text(at, "stat"))
    if stat is None:
        return None
    process = Process(pid=pid, stat=stat)
    if stat.kernel:
        return process
    _status(process, text(at, "status") or b"")
    process.groups = (text(at, "cgroup") or b"").decode("utf-8", "replace")
    first = (text(at, "mountinfo", LINE) or b"").split(b" ", 1)[0]
    process.mounts = first.decode() if first.isdigit() else None
    process.network = inode(at, "net/dev")
    return process


def stat_of(line: bytes | None) -> Stat | None:
    """A name may hold spaces and brackets: the last bracket ends it."""
    head, _, rest = (line or b"").rpartition(b")")
    words = rest.split()
    try:
        return Stat(
            parent=int(words[1]),
            comm=head.partition(b"(")[2].decode("utf-8", "replace"),
            state=words[0].decode(),
            kernel=bool(int(words[6]) & KERNEL_THREAD),
            majors=int(words[9]),
            ticks=int(words[11]) + int(words[12]),
            threads=max(1, int(words[17])),
        )
    except (IndexError, ValueError):
        return None


def _status(process: Process, status: bytes) -> None:
    process.seccomp = _number(status, b"\nSeccomp:\t")
    process.filters = _number(status, b"\nSeccomp_filters:\t")
    process.tracer = _number(status, b"\nTracerPid:\t")
    process.no_new_privileges = _number(status, b"\nNoNewPrivs:\t")
    process.capabilities = _number(status, b"\nCapEff:\t", 16)
    process.swap_kib = _number(status, b"\nVmSwap:\t")
    process.switches = switches_of(status)
    process.numbers = tuple(int(word) for word in _value(status, b"\nNSpid:\t").split() if word.isdigit())


def switches_of(status: bytes) -> int | None:
    return _number(status, b"\nvoluntary_ctxt_switches:\t")


def _value(status: bytes, key: bytes) -> bytes:
    at = status.find(key)
    return b"" if at < 0 else status[at + len(key) : status.find(b"\n", at + len(key))]


def _number(status: bytes, key: bytes, base: int = 10) -> int | None:
    try:
        return int(_value(status, key).removesuffix(b" kB"), base)
    except ValueError:
        return None


class Opened(NamedTuple):
    """Where the open files of a process lead. ``denied``: it is not for this user to know (PTRACE_MODE_READ)."""

    to: frozenset[str]
    denied: bool


def links_of(at: int) -> Opened:
    try:
        fd = os.open("fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)
    except OSError as error:
        return Opened(frozenset(), isinstance(error, PermissionError))
    try:
        return Opened(frozenset(filter(None, (_leads(name, fd) for name in os.listdir(fd)))), False)
    except OSError as error:
        return Opened(frozenset(), isinstance(error, PermissionError))
    finally:
        os.close(fd)


def _leads(name: str, fd: int) -> str:
    try:
        return os.readlink(name, dir_fd=fd)
    except OSError:
        return ""
