"""Kernel files that are never empty: an empty one is masked (a bind mount of /dev/null opens, and holds nothing).

Container engines mask /proc/timer_list, /proc/interrupts and others so. lxcfs, a FUSE daemon, answers some files in the
kernel's place with a container's share: those are no facts about the host.
"""

from __future__ import annotations

from liebench.facts.mounts import Mount
from liebench.facts.reader import Reader, as_int

LXCFS = "fuse.lxcfs"
ARCSTATS = "/proc/spl/kstat/zfs/arcstats"


class Sources:
    """Reads kernel files, and remembers which of them were masked."""

    def __init__(self, reader: Reader, mounts: list[Mount]) -> None:
        self.reader = reader
        points = {mount.point for mount in mounts if mount.kind == LXCFS}
        self.lxcfs = tuple(sorted(point for point in points if point.startswith(("/proc", "/sys"))))
        self.masked: set[str] = set()

    def text(self, path: str) -> str | None:
        """None where the file is missing, unreadable, masked, or not the kernel's."""
        if any(path == point or path.startswith(f"{point}/") for point in self.lxcfs):
            return None
        text = self.reader.text(path)
        if text == "":
            self.masked.add(path)
            return None
        return text

    def number(self, path: str) -> int | None:
        return as_int(self.text(path))

    def lines(self, path: str) -> list[str] | None:
        text = self.text(path)
        return None if text is None else text.splitlines()

    def table(self, path: str) -> dict[str, int]:
        """Lines of ``name value`` or ``name: value kB``; what is no number is left out."""
        found = {}
        for line in self.lines(path) or []:
            words = line.split()
            value = as_int(words[1]) if len(words) > 1 else None
            if value is not None and value >= 0:
                found[words[0].rstrip(":")] = value
        return found


def paths(reader: Reader, folder: str, pattern: str) -> list[str]:
    """Files below a folder that fit a pattern of several parts, as paths from the reader's root."""
    try:
        return sorted(f"/{found.relative_to(reader.root)}" for found in reader.path(folder).glob(pattern))
    except (OSError, ValueError):
        return []


def numbers(reader: Reader, folder: str, pattern: str) -> list[int]:
    """What such files hold, where it is a number."""
    return [value for path in paths(reader, folder, pattern) if (value := reader.number(path)) is not None]


def l2arc(reader: Reader) -> dict[str, int]:
    """ZFS's counters of its cache, name, type and value a line; empty without ZFS."""
    rows = (line.split() for line in (reader.text(ARCSTATS) or "").splitlines())
    return {row[0]: value for row in rows if len(row) == 3 and (value := as_int(row[2])) is not None}
