"""The only catalogue of settings: every one by id, by key and by path, and a change to one parsed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from liebench import plugins
from liebench.errors import UsageError, meant
from liebench.host import Host
from liebench.settings import block, cpu, files, launch, memory, net
from liebench.settings.knob import Knob, Scope, as_it_is
from liebench.settings.launch import named_thing
from liebench.settings.writable import path_of

ROOT = Path("/")


def theirs() -> plugins.Brought[Knob]:
    """The knobs of other packages, and why some were refused."""
    return plugins.brought(plugins.SETTINGS, Knob, lambda k: (k.id, k.key, k.path), _built_in().values())


def _built_in() -> Mapping[str, Knob]:
    return {knob.id: knob for area in (block, cpu, files, memory, net, launch) for knob in area.KNOBS}


def catalogue() -> Mapping[str, Knob]:
    """Every knob, by id, with those of other packages."""
    return {**_built_in(), **{knob.id: knob for _, knob in theirs().values}}


def names() -> list[str]:
    """Every knob's id, and what people call it."""
    knobs = catalogue()
    return [*knobs, *(knob.key for knob in knobs.values())]


def _fills(name: str, pattern: str) -> bool:
    """Whether a path is one of the files that a pattern means. Never one that climbs."""
    if "*" not in pattern or ".." in name.split("/"):
        return False
    one = "[A-Za-z0-9._@:\\\\-]+"
    many = re.escape(pattern).replace(r"\*\*", f"{one}(?:/{one})*").replace(r"\*", "[A-Za-z0-9._-]+")
    return re.fullmatch(many, name) is not None


def find(name: str, untested: bool = False, root: Path = ROOT) -> Knob:
    """A knob by its id, its key, or the path of its file. Raises UsageError for one that is not in the catalogue.

    ``untested``: any setting of /proc/sys or /sys is a knob then (``writable.path_of``), without a trial, whose value
    is taken as it is. ``root``: where these lie.
    """
    knobs = catalogue()
    known = knobs.get(name) or named_thing(name)
    if known:
        return known
    for knob in knobs.values():
        if name in (knob.key, knob.path) or (knob.is_sysctl and name.replace("/", ".") == knob.key):
            return knob
        if any(_fills(name, path) for path in (knob.path, *knob.also)):
            return replace(knob, path=name, key=name, family=knob.key)
    if untested:
        path = path_of(name, root)
        key = path.removeprefix("/proc/sys/").replace("/", ".") if path.startswith("/proc/sys/") else path
        return Knob(
            id=key,
            key=key,
            path=path,
            scope=Scope.HOST,
            valid=as_it_is,
            risk="nobody has looked at what it does",
            default="unknown",
            source="",
        )
    hint = meant(name, names(), "`liebench audit` shows the settings that it knows")
    raise UsageError(f"{name[:80]!r} is not in the catalogue of changes; {hint} (--untested takes any sysctl)")


def in_force(knob: Knob, host: Host, rig: bool = False) -> str:
    """The value that a change starts from. Raises UsageError where there is none, or one of several must be named."""
    if knob.several and not (rig and knob.in_rig):
        raise UsageError(f"{knob.id} is one of several: name its file, as {knob.examples[0]}=VALUE")
    now = knob.default if knob.several else knob.read(host)
    if now is None:
        raise UsageError(f"{knob.key} is not there on this kernel or cannot be read: {knob.path}")
    return now


def parse(text: str, host: Host, untested: bool = False, rig: bool = False) -> tuple[Knob, str, str]:
    """``name=value`` as (knob, value in force, value to set). Raises UsageError for what cannot be, with the reason.

    ``rig``: the value is tried in a rig of ours, so that no file needs to be named where there are several.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"a change is name=value, as vm.swappiness=10, not {text[:80]!r}")
    knob = find(name.strip(" "), untested, host.root)
    now = in_force(knob, host, rig)
    try:
        to = knob.valid(value.strip(" "))
    except UsageError as error:
        raise UsageError(f"{knob.key}: {error}") from error
    if knob.raises and to.isdecimal() and now.isdecimal() and int(to) < int(now):
        raise UsageError(f"{knob.key} is a limit on sizes and is never lowered: it is {now}, not {to}")
    return knob, now, to
