"""Processes by mechanism: how many stand under each. Names and groups are looked at, and counts alone are kept."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product

from liebench.facts.reader import Reader
from liebench.facts.usage.scan import Opened, Process, Scan, inside, links_of, stat_of, switches_of, text
from liebench.facts.usage.values import Rate

STRICT, FILTER = 1, 2  # Seccomp: of proc_pid_status(5)
# The control groups that runtimes make (their own drivers' sources); libvirt puts guests below machine.slice too.
CONTAINER = re.compile(
    r"(?:docker[-/]|cri-containerd-|crio-|libpod-|/kubepods\S*/)[0-9a-f]{64}"
    r"|/docker/[^/\s]+|/lxc(?:\.payload)?[./][^/\s]+|/machine\.slice/(?!machine-qemu)[^/\s]+"
    r"|/garden/[^/\s]+|/ecs/[^/\s]+|/buildkit/[^/\s]+|/kubepods[^\s]*/[^/\s]+"
)
SHIMS = frozenset(("containerd-shim", "conmon", "crun", "runc", "lxc-start", "systemd-nspawn", "runsc"))
GVISOR = re.compile(r"runsc(-sandbox|-gofer)?$")
VMM = re.compile(r"qemu-system-|qemu-kvm|firecracker|cloud-hyperviso|crosvm|lkvm|VBoxHeadless|vmware-vmx")
PROXY = re.compile(r"(docker-proxy|rootlessport|slirp4netns|pasta|passt|gvproxy|envoy|haproxy|kube-proxy)(\.avx2)?$")
VM_FILE, NOTIFY_FILE = "anon_inode:kvm-vm", "anon_inode:seccomp notify"
FILES_BUDGET_S = 0.1
WHOLE_MAP = ["0", "0", "4294967295"]


@dataclass(frozen=True, slots=True)
class Mark:
    """What moves in a process. ``wait_ns``: on a run queue (main thread); ``calls``: reads and writes alone."""

    majors: int
    ticks: int
    switches: int | None
    wait_ns: int | None
    calls: int | None


Marks = dict[int, Mark]


@dataclass(frozen=True, slots=True)
class OpenFiles:
    """Processes that hold a KVM machine, and a listener of seccomp's user notifications. ``whole``: all were asked."""

    guests: int
    notifiers: int
    whole: bool


@lru_cache(maxsize=4096)  # many processes share a group
def container_of(groups: str) -> str | None:
    """What of a control group's path names a container; version 1 has a path per controller, so all lines count."""
    hit = CONTAINER.search(groups)
    return hit[0] if hit else None


def contained(process: Process) -> bool:
    """In a runtime's control group, or in a pid namespace of its own (rootless runtimes, bare ``unshare``)."""
    return container_of(process.groups) is not None or len(process.numbers) > 1


def filtered(process: Process) -> bool:
    return process.seccomp in (STRICT, FILTER)


def traced(process: Process) -> bool:
    """A tracer outside of this pid namespace reads as 0."""
    return bool(process.tracer)


def marks(reader: Reader, processes: Iterable[Process], waits: bool, anew: bool) -> Marks:
    """As they stand now; those that are gone are left out. Not ``anew``: as they were scanned, where that will do."""
    found = {}
    for process in processes:
        if anew or waits or filtered(process) or traced(process):
            mark = inside(reader, process.pid, partial(_mark, process, waits))
        else:
            mark = Mark(process.stat.majors, process.stat.ticks, process.switches, None, None)
        if mark is not None:
            found[process.pid] = mark
    return found


def _mark(process: Process, waits: bool, _: int, at: int) -> Mark | None:
    stat = stat_of(text(at, "stat"))
    if stat is None:
        return None
    status = text(at, "status") if process.switches is not None and process.stat.state == "S" else None
    words = (text(at, "schedstat") or b"").split() if waits else []
    wait = int(words[1]) if len(words) > 1 and words[1].isdigit() else None
    calls = _calls(text(at, "io")) if filtered(process) or traced(process) else None
    return Mark(stat.majors, stat.ticks, None if status is None else switches_of(status), wait, calls)


def _calls(io: bytes | None) -> int | None:
    """syscr and syscw of /proc/PID/io: a lower bound of system calls, which Linux does not count."""
    values = dict(line.split(b": ") for line in (io or b"").splitlines() if line.count(b": ") == 1)
    counts = [values.get(key, b"") for key in (b"syscr", b"syscw")]
    return sum(map(int, counts)) if all(count.isdigit() for count in counts) else None


def moved(processes: Iterable[Process], before: Marks, after: Marks) -> dict[str, Rate]:
    """What processes seen at both ends did in the window. Nothing here is kept since boot: processes end."""
    both = [p for p in processes if p.pid in before and p.pid in after]
    of = {"tasks": both, "filtered": [*filter(filtered, both)], "traced": [*filter(traced, both)]}
    files = {"wait_ns": "schedstat", "switches": "status", "calls": "io"}
    found = {}
    for whose, what in (("tasks", "wait_ns"), *product(("filtered", "traced"), ("switches", "calls"))):
        value = _sum(of[whose], before, after, what) if both else None
        found[f"{whose}.{what}"] = Rate(None, value, None, 64, f"/proc/PID/{files[what]}")
    return found


def _sum(processes: list[Process], before: Marks, after: Marks, name: str) -> int | None:
    """None where none of them could be read; one that could not is left out: at least so many."""
    known = _pairs(processes, before, after, name)
    return sum(max(0, b - a) for a, b in known) if known or not processes else None


def _pairs(processes: list[Process], before: Marks, after: Marks, name: str) -> list[tuple[int, int]]:
    """One value of a mark at both ends, where both are known."""
    both = (p.pid for p in processes if p.pid in before and p.pid in after)
    pairs = ((getattr(before[pid], name), getattr(after[pid], name)) for pid in both)
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def open_files(reader: Reader, processes: list[Process]) -> OpenFiles:
    """Where open files lead, of all processes that let this user look; likely holders first, while the budget lasts."""
    guests = notifiers = 0
    end = time.monotonic() + FILES_BUDGET_S
    whole = True
    for process in sorted(processes, key=lambda p: not VMM.match(p.stat.comm)):
        if time.monotonic() > end:
            return OpenFiles(guests, notifiers, False)
        links = inside(reader, process.pid, lambda _, at: links_of(at)) or Opened(frozenset(), False)
        whole = whole and not links.denied
        guests += VM_FILE in links.to
        notifiers += NOTIFY_FILE in links.to
    return OpenFiles(guests, notifiers, whole)


def counts(reader: Reader, scan: Scan, before: Marks, after: Marks, files: OpenFiles | None) -> dict[str, int | None]:
    """By mechanism; None where no process shows it. ``files``: None as a user, who may not look into others."""
    processes = scan.processes
    by_name = sum(bool(VMM.match(p.stat.comm)) for p in processes)
    found: dict[str, int | None] = {
        "user": len(processes),
        "filter": _shown(processes, "seccomp", lambda p: p.seccomp == FILTER),
        "strict": _shown(processes, "seccomp", lambda p: p.seccomp == STRICT),
        "filters": _shown(processes, "filters", lambda p: p.filters),
        "traced": _shown(processes, "tracer", traced),
        "notify": files.notifiers if files and (files.whole or files.notifiers) else None,
        "swap": _shown(processes, "swap_kib", lambda p: bool(p.swap_kib)),
        "swap_kib": _shown(processes, "swap_kib", lambda p: p.swap_kib),
        "contained": sum(map(contained, processes)),
        "containers": len({container_of(p.groups) for p in processes} - {None}),
        "pid_namespaces": sum(len(p.numbers) > 1 and p.numbers[-1] == 1 for p in processes),
        "shims": sum(p.stat.comm in SHIMS for p in processes),
        "gvisor": sum(bool(GVISOR.match(p.stat.comm)) for p in processes),
        "guests": files.guests if files and files.whole else max(by_name, files.guests if files else 0),
        "proxies": sum(bool(PROXY.match(p.stat.comm)) for p in processes),
        "proxies_busy": _moving([p for p in processes if PROXY.match(p.stat.comm)], before, after, "ticks"),
        "woken": _moving([p for p in processes if p.stat.state == "S"], before, after, "switches"),
        "faulting": _moving(processes, before, after, "majors"),
    }
    found |= _walls(reader, [p for p in processes if contained(p)], _first_network(processes))
    return found if scan.all_processes else dict.fromkeys(found)


def _shown(processes: list[Process], name: str, count: Callable[[Process], int | None]) -> int | None:
    """Sum over the processes whose files say it; None where none does."""
    known = [p for p in processes if getattr(p, name) is not None]
    return sum(count(p) or 0 for p in known) if known else None


def _moving(processes: list[Process], before: Marks, after: Marks, name: str) -> int | None:
    """How many of those that were there at both ends moved in between."""
    known = _pairs(processes, before, after, name)
    return sum(b > a for a, b in known) if known or not processes else None


def _first_network(processes: list[Process]) -> int | None:
    """The network of the first process: the host's, or that of the container we stand in."""
    return next((p.network for p in processes if p.pid == 1), None)


def _walls(reader: Reader, inside_of: list[Process], network: int | None) -> dict[str, int | None]:
    """What contained processes lack of the usual walls (their settings as read)."""
    last = reader.number("/proc/sys/kernel/cap_last_cap")
    full = None if last is None or not 0 <= last < 64 else (1 << last + 1) - 1
    maps = [(reader.text(f"/proc/{p.pid}/uid_map") or "").split() for p in inside_of]
    return {
        "walls.all_capabilities": None if full is None else sum(p.capabilities == full for p in inside_of),
        "walls.no_filter": sum(p.seccomp is not None and not filtered(p) for p in inside_of),
        "walls.new_privileges": sum(p.no_new_privileges == 0 for p in inside_of),
        "walls.host_users": sum(words == WHOLE_MAP for words in maps),
        "walls.host_network": None if network is None else sum(p.network == network for p in inside_of),
        "walls.host_pids": sum(len(p.numbers) == 1 for p in inside_of),
    }
