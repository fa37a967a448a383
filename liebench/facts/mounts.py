"""File systems of this process, as the kernel lists them (proc(5), /proc/pid/mountinfo)."""

from __future__ import annotations

import re
from typing import NamedTuple

from liebench.facts.reader import Sysroot

OCTAL = re.compile(r"\\([0-7]{3})")


def plain(field: str) -> str:
    """Spaces and the like are written in octal there."""
    return OCTAL.sub(lambda m: chr(int(m[1], 8)), field)


class Mount(NamedTuple):
    """One line of mountinfo. ``root``: what of the file system stands at ``point``; ``options``: the mount's own."""

    number: str  # major:minor of the device
    root: str
    point: str
    options: tuple[str, ...]
    kind: str
    source: str
    whole: str  # options of the whole file system, as one text


def mounts_in(text: str | None) -> list[Mount]:
    """The mounts of a mountinfo in its order, so that of two at one point the later lies on top."""
    found = []
    for line in (text or "").splitlines():
        left, _, right = line.partition(" - ")
        fields, rest = left.split(" "), right.split(" ")  # a source may be empty
        if len(fields) > 5 and len(rest) > 2:
            root, point = plain(fields[3]), plain(fields[4])
            found.append(Mount(fields[2], root, point, tuple(fields[5].split(",")), rest[0], plain(rest[1]), rest[2]))
    return found


def layers(overlay: Mount) -> int:
    """Lower layers of an overlay: parts of lowerdir= between colons that are not escaped, and lowerdir+= (6.7)."""
    options = overlay.whole.split(",")
    lower = [o.partition("=")[2] for o in options if o.startswith("lowerdir=")]
    more = sum(o.startswith("lowerdir+=") for o in options)
    return sum(len(re.split(r"(?<!\\):", dirs)) for dirs in lower) + more


def overlays(host: Sysroot) -> dict[str, int]:
    """Lower layers of every overlay that is mounted here, or was when the run file was written."""
    if "overlays" in host.facts:
        return dict(host.facts["overlays"])
    return {m.point: layers(m) for m in mounts_in(host.read("/proc/self/mountinfo")) if m.kind == "overlay"}
