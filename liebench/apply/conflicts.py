"""Who else sets a setting at boot, beside a drop-in of ours: sysctl.d and TuneD (``owners``), ufw, tmpfiles.d.

Among tmpfiles.d files the first name wins (tmpfiles.d(5)); ufw sets its own file when it starts, after sysctl.d.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from liebench.apply.ledger import SYSCTLS, VALUES
from liebench.host import Host
from liebench.settings.owners import Owner, dotted, owners_of

TMPFILES_FOLDERS = ("/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d")


@dataclass(frozen=True, slots=True)
class Rival:
    """``where``: file and line. ``wins``: it is in force after a boot in spite of a drop-in of ours."""

    where: str
    value: str
    wins: bool


def rivals(host: Host, path: str) -> list[Rival]:
    """Everybody else who sets the file ``path``, in the order in which they are applied."""
    if path.startswith("/proc/sys/"):
        found = owners_of(path.removeprefix("/proc/sys/"), host.root, ours=SYSCTLS)
        return [*(_rival(owner) for owner in found if owner.value is not None), *_ufw(host, path)]
    named = [_rival(owner, wins=True) for owner in owners_of(path, host.root) if owner.value is not None]
    return [*_tmpfiles(host, path), *named]


def _rival(owner: Owner, wins: bool = False) -> Rival:
    by = " (the active TuneD profile)" if owner.by == "TuneD" else ""
    where = f"{owner.file} line {owner.line}" if owner.line else owner.file
    return Rival(f"{where}{by}", owner.value or "", wins or owner.wins)


def _ufw(host: Host, path: str) -> Iterator[Rival]:
    if "ENABLED=yes" not in (host.read("/etc/ufw/ufw.conf") or ""):
        return
    wanted = dotted(path.removeprefix("/proc/sys/"))
    for number, line in enumerate((host.read("/etc/ufw/sysctl.conf") or "").splitlines(), 1):
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith(("#", ";")) and dotted(key.strip()) == wanted:
            yield Rival(f"/etc/ufw/sysctl.conf line {number}", " ".join(value.split()), True)


def _tmpfiles(host: Host, path: str) -> Iterator[Rival]:
    ours = PurePosixPath(VALUES).name
    chosen: dict[str, str] = {}
    for folder in TMPFILES_FOLDERS:
        for name in host.names(folder):
            if name.endswith(".conf"):
                chosen.setdefault(name, os.path.join(folder, name))
    for name, file in sorted(chosen.items()):
        for number, line in enumerate((host.read(file) or "").splitlines(), 1):
            words = line.split(None, 6)
            if file != VALUES and len(words) == 7 and words[0][:1] == "w" and fnmatch.fnmatchcase(path, words[1]):
                yield Rival(f"{file} line {number}", words[6].strip(), name < ours)
