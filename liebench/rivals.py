"""Who else sets a setting at boot: the files of sysctl.d, tmpfiles.d, ufw and TuneD that name it. Reads only.

Among sysctl.d files the one whose name sorts last wins, and a name in /etc hides the same name elsewhere (sysctl.d(5));
among tmpfiles.d files the first one wins (tmpfiles.d(5)).
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from liebench.applied import SYSCTLS, VALUES
from liebench.host import Host

SYSCTL_FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
TMPFILES_FOLDERS = ("/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d")
TUNED_FOLDERS = ("/etc/tuned/profiles", "/etc/tuned", "/usr/lib/tuned/profiles", "/usr/lib/tuned")
MOST_INCLUDES = 8


@dataclass(frozen=True, slots=True)
class Rival:
    """``where``: file and line. ``wins``: it is in force after a boot in spite of a drop-in of ours."""

    where: str
    value: str
    wins: bool


def rivals(host: Host, path: str) -> list[Rival]:
    """Everybody else who sets the file ``path``, in the order of their names."""
    if path.startswith("/proc/sys/"):
        return [*_sysctl_files(host, path), *_ufw(host, path), *_tuned(host, path)]
    return [*_tmpfiles(host, path), *_tuned(host, path)]


def _files(host: Host, folders: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(name, path) of ``*.conf``, by name; of one name the first folder's."""
    found: dict[str, str] = {}
    for folder in folders:
        for name in host.names(folder):
            if name.endswith(".conf"):
                found.setdefault(name, f"{folder}/{name}")
    yield from sorted(found.items())


def _settings(host: Host, file: str) -> Iterator[tuple[int, str, str]]:
    """(line, key with slashes, value) of a file in the form of sysctl.conf(5)."""
    for number, line in enumerate((host.read(file) or "").splitlines(), 1):
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith(("#", ";")):
            key = key.strip().removeprefix("-")
            slashes = next((c for c in key if c in "./"), ".") == "/"
            yield number, key if slashes else key.translate(str.maketrans("./", "/.")), " ".join(value.split())


def _sysctl_files(host: Host, path: str) -> Iterator[Rival]:
    ours, wanted = PurePosixPath(SYSCTLS).name, path.removeprefix("/proc/sys/")
    rows = [(name > ours, file) for name, file in _files(host, SYSCTL_FOLDERS) if file != SYSCTLS]
    for wins, file in [*rows, (True, "/etc/sysctl.conf")]:
        for number, key, value in _settings(host, file):
            if fnmatch.fnmatchcase(wanted, key):
                yield Rival(f"{file} line {number}", value, wins)


def _ufw(host: Host, path: str) -> Iterator[Rival]:
    if "ENABLED=yes" not in (host.read("/etc/ufw/ufw.conf") or ""):
        return
    for number, key, value in _settings(host, "/etc/ufw/sysctl.conf"):
        if key == path.removeprefix("/proc/sys/"):
            yield Rival(f"/etc/ufw/sysctl.conf line {number}", value, True)


def _tmpfiles(host: Host, path: str) -> Iterator[Rival]:
    ours = PurePosixPath(VALUES).name
    for name, file in _files(host, TMPFILES_FOLDERS):
        for number, line in enumerate((host.read(file) or "").splitlines(), 1):
            words = line.split(None, 6)
            if file != VALUES and len(words) == 7 and words[0][:1] == "w" and fnmatch.fnmatchcase(path, words[1]):
                yield Rival(f"{file} line {number}", words[6].strip(), name < ours)


def _tuned(host: Host, path: str) -> Iterator[Rival]:
    """The active TuneD profile and what it includes. By default TuneD lets sysctl.d files win (reapply_sysctl)."""
    yields = (host.read("/etc/tuned/tuned-main.conf") or "").replace(" ", "")
    sysctl_wins = "\nreapply_sysctl=0" in f"\n{yields}" or "\nreapply_sysctl=False" in f"\n{yields}"
    names = (host.read("/etc/tuned/active_profile") or "").split()
    for _ in range(MOST_INCLUDES):
        following: list[str] = []
        for name in names:
            found = [f"{folder}/{name}/tuned.conf" for folder in TUNED_FOLDERS]
            file = next((f for f in found if "/" not in name and host.exists(f)), None)
            if file is not None:
                yield from _tuned_file(host, file, path, sysctl_wins, following)
        names = following


def _tuned_file(host: Host, file: str, path: str, sysctl_wins: bool, following: list[str]) -> Iterator[Rival]:
    section = ""
    for number, line in enumerate((host.read(file) or "").splitlines(), 1):
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[]").strip()
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or key.startswith(("#", ";")):
            continue
        if (section, key) == ("main", "include"):
            following += value.replace(",", " ").split()
        is_sysctl = section == "sysctl" and f"/proc/sys/{key.replace('.', '/')}" == path
        if is_sysctl or (section == "sysfs" and fnmatch.fnmatchcase(path, key)):
            yield Rival(f"{file} line {number} (the active TuneD profile)", value, sysctl_wins or not is_sysctl)
