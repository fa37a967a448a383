"""Who sets a kernel parameter: sysctl.d(5), sysctl.conf(5), the kernel's command line, TuneD's active profile.

As systemd-sysctl(8) does it: files of all folders in the order of their names; of two files of one name the one in
/etc stands, then /run, /usr/local/lib, /usr/lib; an empty file or a link to /dev/null masks; a key that is named beats
every pattern; the last of equals wins; ``-key`` alone takes a key out of all patterns. /etc/sysctl.conf is read through
a link in sysctl.d, and by procps' ``sysctl --system`` alone where there is none. The command line comes first of all
(5.8, admin-guide/kernel-parameters.txt: sysctl.*=). TuneD comes after it and sets /run and /etc once more
(reapply_sysctl in tuned-main.conf).
"""

from __future__ import annotations

import configparser
import fnmatch
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from liebench.facts.reader import Reader

FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
CONF = "/etc/sysctl.conf"
TUNED = ("/etc/tuned/profiles", "/etc/tuned", "/usr/lib/tuned/profiles", "/usr/lib/tuned")
DEPTH = 8
SYSCTL = "sysctl"
MOST_BYTES = 1 << 20
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
PARAMETERS = {  # of the kernel's command line -> the setting that it decides
    "transparent_hugepage": THP,
    "clocksource": "/sys/devices/system/clocksource/clocksource0/current_clocksource",
    "nmi_watchdog": "kernel.nmi_watchdog",
    "numa_balancing": "kernel.numa_balancing",
    "hugepages": "vm.nr_hugepages",
}
PROFILE = {
    ("vm", "transparent_hugepages"): THP,
    ("vm", "transparent_hugepage"): THP,
    ("cpu", "governor"): "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
}
SECOND = ("/etc/sysctl.d/", "/run/sysctl.d/", CONF)  # what TuneD sets again after itself


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """One line somewhere that sets a key. ``value`` None: it takes the key out of all patterns.

    ``key`` is the key or pattern as it stands there, in dots. ``wins``: it is applied last.
    """

    by: str
    file: str
    line: int
    key: str
    value: str | None
    wins: bool = False
    why: str = ""

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def is_pattern(self) -> bool:
        return any(mark in self.key for mark in "*?[")


def dotted(key: str) -> str:
    """One spelling for ``net/ipv4/x``, ``net.ipv4.x`` and ``net.ipv4.conf.eth0/1.y``: parts with dots, dots as /.

    sysctl.d(5): where a slash comes first, the rest stands as it is; where a dot does, dots and slashes change places.
    """
    first = re.search(r"[./]", key)
    if first and first[0] == "/":
        return key.translate(str.maketrans("/.", "./"))
    return key


def owners_of(key: str, root: Path = Path("/"), ours: str = "") -> list[Owner]:
    """Every line that would set ``key``, in the order in which they are applied; the one that wins says so.

    ``ours``: a file of sysctl.d that counts as if it named this key, and nothing else; its own line is left out.
    """
    found = owners_among(
        key, all_lines(root, Owner(by=SYSCTL, file=ours, line=0, key=dotted(key), value="") if ours else None)
    )
    return [line for line in found if not ours or line.file != ours]


def owners_among(key: str, lines: list[Owner]) -> list[Owner]:
    """The same, among lines that were read before."""
    wanted = dotted(key) if not key.startswith("/") else key
    found = [line for line in lines if _matches(line, wanted)]
    winner = _winner(found)
    return [replace(line, wins=line is winner) for line in found]


def _winner(found: list[Owner]) -> Owner | None:
    """The last that counts. Among files of sysctl.d a line that names the key silences every pattern."""
    able = [line for line in found if not line.why]
    named = [line for line in able if line.by == SYSCTL and not line.is_pattern]
    if named:
        able = [line for line in able if line.by != SYSCTL or (line is named[-1] and line.value is not None)]
    able = [line for line in able if line.value is not None]
    return able[-1] if able else None


def _matches(line: Owner, key: str) -> bool:
    if line.key == key:
        return True
    pattern, parts = line.key.split("."), key.split(".")
    return (
        line.is_pattern
        and len(pattern) == len(parts)
        and all(fnmatch.fnmatchcase(part, want) for part, want in zip(parts, pattern, strict=True))
    )


def all_lines(root: Path = Path("/"), instead: Owner | None = None) -> list[Owner]:
    """Every line that sets anything, in the order in which they are applied. ``instead`` stands for its whole file."""
    reader = Reader(root)
    files, tuned = list(_sysctl(reader, instead)), list(_tuned(reader))
    if not tuned:
        return [*_command_line(reader), *files]
    early = [line for line in files if not line.file.startswith(SECOND)]
    late = [line for line in files if line.file.startswith(SECOND)]
    main = reader.text("/etc/tuned/tuned-main.conf") or ""
    once = re.search(r"^\s*reapply_sysctl\s*=\s*(0|false|no|off)\s*$", main, re.MULTILINE | re.IGNORECASE)
    rest = [*late, *tuned] if once else [*tuned, *late]
    return [*_command_line(reader), *early, *rest]


def sysctl_files(reader: Reader, more: str = "") -> list[str]:
    """The files of sysctl.d that count, in order; masked ones are left out. ``more``: one that may not be there yet."""
    chosen: dict[str, str] = {os.path.basename(more): more} if more else {}
    for folder in FOLDERS:
        for name in reader.names(folder, "*.conf"):
            chosen.setdefault(name, f"{folder}/{name}")
    return [chosen[name] for name in sorted(chosen)]


def _sysctl(reader: Reader, instead: Owner | None) -> Iterator[Owner]:
    linked = False
    for file in sysctl_files(reader, instead.file if instead else ""):
        if instead and file == instead.file:
            yield instead
            continue
        linked |= _leads(reader, file) == CONF
        yield from _parsed(reader, file)
    if linked or not reader.exists(CONF):
        return
    booted = reader.exists("/run/systemd/system")
    why = "systemd-sysctl does not read this file; no link in sysctl.d leads to it" if booted else ""
    yield from (replace(line, why=why) for line in _parsed(reader, CONF))


def _leads(reader: Reader, file: str) -> str:
    """Where a link leads to below the sysroot, as a path of the host."""
    path = reader.path(file)
    try:
        to = os.readlink(path)
    except OSError:
        return file
    return os.path.normpath(to if to.startswith("/") else os.path.join(os.path.dirname(file), to))


def _parsed(reader: Reader, file: str) -> Iterator[Owner]:
    leads = _leads(reader, file)
    for number, raw in enumerate(_lines(reader, leads), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        key, equals, value = line.partition("=")
        excluded = not equals and key.startswith("-")
        if not equals and not excluded:
            continue
        name = dotted(key.strip().removeprefix("-").strip())
        yield Owner(by=SYSCTL, file=file, line=number, key=name, value=None if excluded else " ".join(value.split()))


def _lines(reader: Reader, file: str) -> list[str]:
    """Every line of a file, empty ones too, so that they can be numbered; none where it is unreadable."""
    try:
        with reader.path(file).open("rb") as found:
            return found.read(MOST_BYTES).decode("utf-8", "replace").split("\n")
    except (OSError, ValueError):
        return []


def _command_line(reader: Reader) -> Iterator[Owner]:
    words = (reader.text("/proc/cmdline") or "").partition(" -- ")[0].split()
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key.startswith("sysctl."):
            yield Owner(
                by="command line", file="/proc/cmdline", line=0, key=dotted(key.removeprefix("sysctl.")), value=value
            )
        elif equals and key in PARAMETERS:
            yield Owner(by="command line", file="/proc/cmdline", line=0, key=PARAMETERS[key], value=value)


def _tuned(reader: Reader) -> Iterator[Owner]:
    """The active profiles, those they include first (tuned.conf(5))."""
    for name in (reader.text("/etc/tuned/active_profile") or "").split():
        yield from _profile(reader, name, 0)


def _profile(reader: Reader, name: str, depth: int) -> Iterator[Owner]:
    file = next((f for f in (f"{folder}/{name}/tuned.conf" for folder in TUNED) if reader.exists(f)), None)
    if file is None or depth > DEPTH or "/" in name:
        return
    text = reader.text(file) or ""
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    for parent in re.split(r"[,\s]+", parser.get("main", "include", fallback="") or ""):
        if parent:
            yield from _profile(reader, parent, depth + 1)
    for section in ("sysctl", "sysfs", "vm", "cpu"):
        for key, value in parser.items(section) if parser.has_section(section) else ():
            target = {"sysctl": dotted(key), "sysfs": key}.get(section, PROFILE.get((section, key)))
            if target:
                yield Owner(by="TuneD", file=file, line=_line(text, key), key=target, value=_plain(value or ""))


def _plain(value: str) -> str:
    """``=>`` and ``=<`` mean at least and at most; quotes are no part of the value."""
    return " ".join(value.lstrip("<>").strip().strip('"').split())


def _line(text: str, key: str) -> int:
    return next((n for n, line in enumerate(text.splitlines(), 1) if line.split("=")[0].strip() == key), 0)
