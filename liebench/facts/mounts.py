"""File systems of this process, as the kernel lists them (proc(5), /proc/pid/mountinfo)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liebench.host import Host

OCTAL = re.compile(r"\\([0-7]{3})")


def plain(field: str) -> str:
    """Spaces and the like are written in octal there."""
    return OCTAL.sub(lambda m: chr(int(m[1], 8)), field)


def mounts(host: Host) -> list[tuple[str, str, str]]:
    """(mount point, type of the file system, its options) in the order of the list; empty where it cannot be read."""
    found = []
    for line in (host.read("/proc/self/mountinfo") or "").splitlines():
        left, _, right = line.partition(" - ")
        fields, rest = left.split(), right.split()
        if len(fields) > 4 and len(rest) > 2:
            found.append((plain(fields[4]), rest[0], rest[2]))
    return found


def overlays(host: Host) -> dict[str, int]:
    """Lower layers of every overlay that is mounted here."""
    found = {}
    for point, kind, options in mounts(host):
        if kind != "overlay":
            continue
        lower = [o.partition("=")[2] for o in options.split(",") if o.startswith("lowerdir=")]
        more = sum(o.startswith("lowerdir+=") for o in options.split(","))
        found[point] = sum(len(re.split(r"(?<!\\):", dirs)) for dirs in lower) + more
    return found
