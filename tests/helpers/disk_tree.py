"""Trees of /proc and /sys with disks and mounts."""

from __future__ import annotations

import os
from pathlib import Path

from liebench.host import Host

DISK = dict[str, str]


class Tree:
    """A sysroot with disks and mounts."""

    def __init__(self, root: Path) -> None:
        self.root, self.mounts = root, list[str]()
        self.numbers = iter(range(16, 999))

    def write(self, path: str, text: str) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def link(self, path: str, to: str) -> None:
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.relpath(self.root / to.lstrip("/"), place.parent))

    def disk(self, name: str, at: str = "/sys/devices/x/block", files: DISK | None = None, below: str = "") -> str:
        """A disk, or with ``below`` a partition of that disk; returns its device number."""
        number, home = f"259:{next(self.numbers)}", f"{at}/{below}/{name}".replace("//", "/")
        self.write(f"{home}/dev", number)
        for path, text in (files or {}).items():
            self.write(f"{home}/{path}", text)
        if below:
            self.write(f"{home}/partition", "1")
        else:
            self.link(f"/sys/block/{name}", home)
        self.link(f"/sys/class/block/{name}", home)
        self.link(f"/sys/dev/block/{number}", home)
        return number

    def mount(self, number: str, point: str, kind: str = "ext4", source: str = "/dev/x") -> None:
        self.mounts.append(f"{30 + len(self.mounts)} 1 {number} / {point} rw - {kind} {source} rw")
        self.write("/proc/self/mountinfo", "\n".join(self.mounts) + "\n")

    @property
    def host(self) -> Host:
        return Host({}, self.root)
