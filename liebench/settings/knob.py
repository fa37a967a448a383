"""The only settings of a kernel that liebench writes: each a file below /proc/sys or /sys, with what it may hold.

A knob says how a value is checked, read and composed; what to set it to comes from what was measured. Whatever is not
listed here can be written only with ``--untested``, and then it must be a sysctl or a sysfs file all the same. Names
and values never reach a shell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from liebench.errors import UsageError
from liebench.host import Host

MOST_CHARACTERS = 512


class Scope(StrEnum):
    """How far a setting reaches; ordered from one process to everything at the next boot."""

    PROCESS = "process"
    NAMESPACE = "namespace"
    CGROUP = "cgroup"
    HOST = "host"
    REBOOT = "reboot"

    @property
    def rank(self) -> int:
        return list(Scope).index(self)


Valid = Callable[[str], str]  # the value in its usual form; raises UsageError saying what it should be


@dataclass(frozen=True, kw_only=True, slots=True)
class Knob:
    """One setting.

    ``key``: what people call it (``vm.swappiness``; a path for sysfs). ``path``: the file, which may hold one ``*``
    (a disk, a card; a control group below others as ``**``) that a named file fills, and ``also`` the other places of
    it (version 1 of control groups); ``family`` is then the key of all of them. ``field``: which of several numbers in
    the file. ``scope``: how far a write reaches. ``raises``: a size limit, which is never lowered. ``bracketed``: the
    file lists what there is and marks the one in force, ``[always] madvise never``. ``pick``: what of the file's text
    is the value. ``network``: applied only with a time to confirm it. ``trial``: what can show its effect, and how
    narrowly (``Trial``); None: only the user's own command (``--with``). ``steps``: what sets it and what takes it
    back, with ``{to}`` and ``{now}``, where that is more than to write its file (``how``, ``undo``).
    """

    id: str
    key: str
    path: str
    scope: Scope
    valid: Valid
    risk: str
    default: str
    source: str
    field: int | None = None
    raises: bool = False
    bracketed: bool = False
    network: bool = False
    trial: Trial | None = None
    pick: Callable[[str], str | None] | None = None
    also: tuple[str, ...] = ()
    family: str = ""
    steps: tuple[str, str] | None = None

    @property
    def is_sysctl(self) -> bool:
        return self.path.startswith("/proc/sys/")

    @property
    def several(self) -> bool:
        """Whether it stands for several files (disks, cards, groups), of which none is named yet."""
        return "*" in self.path

    @property
    def examples(self) -> list[str]:
        """Its paths, as somebody would name them."""
        return [p.replace("**", "GROUP").replace("*", "NAME") for p in (self.path, *self.also)]

    @property
    def name(self) -> str:
        """As those who set it write it: dots for a sysctl, the path for all others."""
        return self.path.removeprefix("/proc/sys/").replace("/", ".") if self.is_sysctl else self.path

    @property
    def how(self) -> str:
        """What sets it, with ``{to}`` for what is written (``text_for``)."""
        return self.steps[0] if self.steps else self._command("{to}")

    @property
    def undo(self) -> str:
        """What takes it back, with ``{now}`` for what is written."""
        if self.steps:
            return self.steps[1]
        return (
            f"write back what that file held ({{now}}): {self.examples[0]}" if self.several else self._command("{now}")
        )

    def _command(self, value: str) -> str:
        if self.is_sysctl:
            return f"sysctl {self.name}={value}" if self.field is None else f'sysctl {self.name}="{value}"'
        return f"echo {value} > {self.examples[0]}"

    @property
    def in_rig(self) -> bool:
        """Whether its trial carries the value in a rig of ours, whatever file holds it on the host."""
        return self.trial is not None and self.trial.args is not None

    def read(self, host: Host) -> str | None:
        """The value in force; None where the file is not there, cannot be read, or holds too few numbers."""
        text = host.read(self.path)
        return None if text is None else self.value_in(text)

    def value_in(self, text: str) -> str | None:
        """The value in the text of its file."""
        if self.pick is not None:
            return self.pick(text)
        if self.bracketed:
            marked = re.search(r"\[(.*?)\]", text)
            return marked[1] if marked else None
        if self.field is None:
            return text.strip()
        parts = text.split()
        return parts[self.field] if len(parts) > self.field else None

    def takes(self, value: str) -> bool:
        """Whether it can hold the value."""
        try:
            return bool(self.valid(value))
        except UsageError:
            return False

    def text_for(self, text: str, value: str) -> str:
        """What is written so that the file, which holds ``text`` now, holds ``value``."""
        if self.field is None:
            return value
        parts = text.split()
        parts[self.field] = value
        return " ".join(parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What shows a knob's effect: cases of a probe, and how the two values get there.

    ``scope``: the narrowest that shows it. ``args``: the argument of an arm that carries the value inside a rig of the
    probe (``{"restart": "{to}"}``); without it the live value is switched, which needs consent. ``cases``: patterns of
    the cases that are the target, and ``arm`` which of their arms; ``more``: arguments a user may add to both sides,
    with what each may be; ``most``: the largest value that a rig can carry. ``options``: what the probe must be told
    so that it measures the file that was named (a folder on that disk); raises UsageError where it cannot.
    ``guarded``: whether the probe's other cases can lose by it at all.
    """

    probe: str
    cases: tuple[str, ...]
    scope: Scope
    arm: str
    args: Mapping[str, str] | None = None
    more: Mapping[str, Valid] = field(default_factory=dict)
    settle_s: float = 0.0
    most: int | None = None
    options: Callable[[Knob, Host], Mapping[str, str]] | None = None
    guarded: bool = True


def offered(text: str) -> list[str]:
    """What a file lists that marks the one in force: ``[always] madvise never``."""
    return re.findall(r"[^\s\[\]]+", text)


def whole(low: int, high: int) -> Valid:
    """A whole number in a range, without sign and leading zeros."""

    def check(value: str) -> str:
        if not re.fullmatch(r"[0-9]{1,19}", value) or not low <= int(value) <= high:
            raise UsageError(f"it takes a whole number from {low} to {high}, not {value[:40]!r}")
        return str(int(value))

    return check


def one_of(*words: str) -> Valid:
    def check(value: str) -> str:
        if value not in words:
            raise UsageError(f"it takes {', '.join(words)}, not {value[:40]!r}")
        return value

    return check


def named(pattern: str, what: str) -> Valid:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise UsageError(f"it takes {what}, not {value[:40]!r}")
        return value

    return check


def as_it_is(value: str) -> str:
    """Any one line of printable text."""
    if not value or len(value) > MOST_CHARACTERS or not value.isprintable():
        raise UsageError(f"a value is one line of printable text, not {value[:40]!r}")
    return value
