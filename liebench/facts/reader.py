"""The only way facts reach files: below a sysroot, never raising."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

MOST_BYTES = 1 << 20
MOST_GROUPS = 2000


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads below ``root``. Whatever is missing, unreadable or not a number is None."""

    root: Path = Path("/")

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def text(self, path: str) -> str | None:
        try:
            with self.path(path).open("rb") as file:
                return file.read(MOST_BYTES).decode("utf-8", "replace").strip()
        except (OSError, ValueError):
            return None

    def number(self, path: str) -> int | None:
        return as_int(self.text(path))

    def field(self, path: str, name: str, separator: str = ":") -> str | None:
        """The value of the first line ``name: value``."""
        for line in (self.text(path) or "").splitlines():
            key, found, value = line.partition(separator)
            if found and key.strip() == name:
                return value.strip()
        return None

    def names(self, folder: str, pattern: str = "*") -> list[str]:
        try:
            return sorted(p.name for p in self.path(folder).glob(pattern))
        except OSError:
            return []

    def groups(self, root: str) -> list[str]:
        """Control groups below ``root`` with a cpuset, as paths from it, parents first; at most ``MOST_GROUPS``."""
        top = self.path(root)
        found: list[str] = []
        for folder, _, names in os.walk(top):
            if len(found) == MOST_GROUPS:
                break
            if "cpuset.cpus" in names and Path(folder) != top:
                found.append("/" + str(Path(folder).relative_to(top)))
        return found

    def exists(self, path: str) -> bool:
        try:
            return self.path(path).exists()
        except OSError:
            return False

    def mtime(self, path: str) -> float | None:
        try:
            return self.path(path).lstat().st_mtime
        except (OSError, ValueError):
            return None


class Sysroot(Protocol):
    """What facts that are asked for later need of a host (``liebench.host.Host``): reading below its root.

    ``facts``: of a host in a run file they hold the ``volumes`` and ``overlays`` of the run too.
    """

    @property
    def facts(self) -> Mapping[str, Any]: ...
    @property
    def root(self) -> Path: ...
    def read(self, path: str) -> str | None: ...
    def names(self, folder: str) -> list[str]: ...
    def writable(self, path: str) -> bool: ...


def as_int(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def cpu_list(text: str | None) -> list[int]:
    """``0-2,5`` as numbers; garbage gives an empty list."""
    found: list[int] = []
    for part in (text or "").replace("\n", "").split(","):
        first, _, last = part.strip().partition("-")
        if all(n.isascii() and n.isdigit() and len(n) < 6 for n in (first, last or first)):
            found.extend(range(int(first), int(last or first) + 1))
    return found
