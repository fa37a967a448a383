"""Network and mount namespaces of the processes, without the links that users may not follow; overlays in them.

The inode of /proc/PID/net/dev is one per network namespace. The id of a process's first mount is one per mount
namespace (ids are the kernel's), but a chroot has another first mount: root compares links, users count "at most".
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from liebench.facts.mounts import Mount, layers, mounts_in
from liebench.facts.reader import Reader
from liebench.facts.usage import connections
from liebench.facts.usage.scan import Process

MOST, MOST_ASKED = 500, 8  # mount namespaces whose mounts are read; processes of one that are asked for its link
COPIED_UP = "trusted.overlay.origin"  # on files of an upper layer that came from below (fs/overlayfs/overlayfs.h)
MOST_FILES, COPY_UP_BUDGET_S = 20_000, 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Namespaces:
    """``overlays``: device number -> mount, of every namespace seen; ``on_overlay``: processes whose root is one.

    ``elsewhere``: established connections to other hosts in other networks; ``beyond``: processes in them.
    """

    networks: int | None
    mounts: int | None
    exact: bool
    overlays: dict[str, Mount]
    on_overlay: int | None
    elsewhere: int | None
    beyond: int | None


def survey(reader: Reader, processes: list[Process], own: Iterable[Mount]) -> Namespaces:
    by_mount: dict[str, list[int]] = {}
    for process in processes:
        if process.mounts:
            by_mount.setdefault(process.mounts, []).append(process.pid)
    by_network = {p.network: p.pid for p in reversed(processes) if p.network is not None}
    here = _inode(reader, "/proc/self/net/dev")
    overlays = {m.number: m for m in own if m.kind == "overlay"}
    roots: set[str] = set()
    for first, pids in list(by_mount.items())[:MOST]:
        mounts = mounts_in(reader.text(f"/proc/{pids[0]}/mountinfo"))
        overlays |= {m.number: m for m in mounts if m.kind == "overlay"}
        if [m.kind for m in mounts if m.point == "/"][-1:] == ["overlay"]:
            roots.add(first)
    links = {_link(reader, pids) for pids in by_mount.values()}
    exact = bool(links) and None not in links
    return Namespaces(
        networks=len(by_network) or None,
        mounts=len(links if exact else by_mount) or None,
        exact=exact,
        overlays=overlays,
        on_overlay=sum(p.mounts in roots for p in processes) if by_mount else None,
        elsewhere=None if here is None else _connections(reader, [p for n, p in by_network.items() if n != here]),
        beyond=None if here is None else sum(p.network not in (None, here) for p in processes),
    )


def _link(reader: Reader, pids: list[int]) -> int | None:
    """The mount namespace of processes that share a first mount; not each lets itself be asked."""
    found = (_inode(reader, f"/proc/{pid}/ns/mnt") for pid in pids[:MOST_ASKED])
    return next((inode for inode in found if inode is not None), None)


def _inode(reader: Reader, path: str) -> int | None:
    try:
        return os.stat(reader.path(path)).st_ino
    except OSError:
        return None


def here(reader: Reader) -> int | None:
    """Established connections to other hosts in this namespace, where lines can be counted and nothing more."""
    return _connections(reader, ["self"]) if reader.exists("/proc/self/net/tcp") else None


def _connections(reader: Reader, pids: list[int] | list[str]) -> int | None:
    """None where one of the namespaces could not be read; a kernel without IPv6 has one file."""
    total = 0
    for pid in pids:
        found = [connections.in_table(reader.text(f"/proc/{pid}/net/{name}")) for name in ("tcp", "tcp6")]
        if found[0] is None:
            return None
        total += sum(count or 0 for count in found)
    return total


def overlay_layers(found: Namespaces) -> tuple[int, ...]:
    """Lower layers of each overlay, smallest first."""
    return tuple(sorted(layers(mount) for mount in found.overlays.values()))


def copy_ups(reader: Reader, found: Namespaces) -> int | None:
    """Files copied into upper layers so far: stock, no counter. None where a layer is out of reach, or time runs out.

    The layers' paths are those of whoever mounted them; only root may read the mark.
    """
    total, left, end = 0, MOST_FILES, time.monotonic() + COPY_UP_BUDGET_S
    for mount in found.overlays.values():
        upper = next((o.partition("=")[2] for o in mount.whole.split(",") if o.startswith("upperdir=")), None)
        if upper is None:
            continue  # read-only: nothing can be copied
        top = reader.path(upper)
        if not upper.startswith("/") or not top.is_dir():
            return None
        for folder, _, names in os.walk(top):
            for name in names:
                left -= 1
                if left < 0 or time.monotonic() > end:
                    return None
                total += _copied(os.path.join(folder, name))
    return total


def _copied(path: str) -> bool:
    try:
        os.getxattr(path, COPIED_UP, follow_symlinks=False)
    except OSError:
        return False
    return True
