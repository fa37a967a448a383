"""The receipt of a run: what of the host's settings differs after it. Empty, or listed in the report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from liebench.host import Host
from liebench.state.journal import OURS, process_start

MOST = 4096  # bytes of one setting
# Counters and state that move by themselves, not settings
MOVING = (
    "/random/",
    "/fs/dentry-state",
    "/fs/inode-",
    "/fs/file-nr",
    "/fs/aio-nr",
    "/pty/nr",
    "ns_last_pid",
    "/fs/quota/",
    "nf_conntrack_count",
    "/kernel/perf_event_max_sample_rate",
    "/binfmt_misc/",
    "/net/ipv4/tcp_mem",
    "hostname",
    "domainname",
    "/kernel/sched_domain",
    "/fs/epoll/",
)
CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"


def _sysctls(root: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for folder, _, names in os.walk(root / "proc/sys"):
        for name in names:
            path = os.path.join(folder, name)
            if any(mark in path for mark in MOVING):
                continue
            try:
                fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            except OSError:
                continue
            try:
                found[path] = os.read(fd, MOST).decode("utf-8", "replace").strip()
            except OSError:
                pass
            finally:
                os.close(fd)
    return found


def snapshot(host: Host) -> dict[str, Any]:
    """Sysctls, mounts, swaps, links, modules, control groups of ours and the clocksource, as they are now."""

    def column(path: str, number: int, skip: int = 0) -> list[str]:
        lines = (host.read(path) or "").splitlines()[skip:]
        return sorted(line.split()[number] for line in lines if len(line.split()) > number)

    return {
        "sysctl": _sysctls(host.root),
        "mount": column("/proc/self/mounts", 1),
        "swap": column("/proc/swaps", 0, skip=1),
        "link": _names(host.root / "sys/class/net"),
        "module": column("/proc/modules", 0),
        "cgroup": sorted(str(p) for p in (host.root / "sys/fs/cgroup").glob(f"*/{OURS}*") if not _anothers(p.name)),
        "setting": {"clocksource": host.read(CLOCKSOURCE) or ""},
    }


def _anothers(name: str) -> bool:
    """Whether a group of such a name is that of another liebench at work beside us, which tells of it itself."""
    pid = name.removeprefix(OURS).partition("-")[0]
    return pid.isdigit() and int(pid) != os.getpid() and process_start(int(pid)) is not None


def _names(folder: Path) -> list[str]:
    try:
        return sorted(p.name for p in folder.iterdir())
    except OSError:
        return []


def difference(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What changed between two snapshots, a sentence each; empty where nothing did."""
    said: list[str] = []
    for kind, old in before.items():
        new = after.get(kind)
        if isinstance(old, dict) and isinstance(new, dict):
            for name in sorted(old.keys() & new.keys()):
                if old[name] != new[name]:
                    said.append(f"{kind} {name}: {old[name]!r} before, {new[name]!r} after")
        elif isinstance(old, list) and isinstance(new, list):
            said += [f"{kind} {name} is new" for name in sorted(set(new) - set(old))]
            said += [f"{kind} {name} is gone" for name in sorted(set(old) - set(new))]
    return said
