"""Every change that a probe may advise, by id: what is made by hand, and which settings a probe advises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from liebench import plugins
from liebench.advice import machine, program, sizes
from liebench.advice.change import Change, of_setting
from liebench.errors import UnknownChange, meant
from liebench.settings.catalogue import catalogue as settings

ADVISED: Mapping[str, str] = {  # setting -> the probe that measures what it decides
    "backlog": "netdev-backlog",
    "clocksource": "clock-read",
    "cpu-burst": "quota-spike",
    "halt-poll": "paravirt",
    "idle-restart": "tcp-idle-restart",
    "not-rotational": "block-remote",
    "overlay-metacopy": "overlay-first-write",
    "readahead": "block-remote",
    "receive-window": "tcp-window",
    "send-window": "tcp-window",
    "swappiness": "swap-cache",
    "timer-slack": "timer-wake",
}


def theirs() -> plugins.Brought[Change]:
    """The changes of other packages, and why some were refused."""
    return plugins.brought(plugins.CHANGES, Change, lambda change: (change.id,), [*_own(), *_of_settings().values()])


def by_hand() -> Mapping[str, Change]:
    """The changes that no setting holds, by id, with those of other packages."""
    return {change.id: change for change in (*_own(), *(change for _, change in theirs().values))}


def catalogue() -> Mapping[str, Change]:
    """Every change that a probe may advise, by id."""
    return {**by_hand(), **_of_settings()}


def _own() -> Sequence[Change]:
    return [change for area in (program, sizes, machine) for change in area.CHANGES]


def _of_settings() -> Mapping[str, Change]:
    known = settings()
    return {id: of_setting(known[id], probe) for id, probe in ADVISED.items()}


def change_of(id: str, probe: str) -> Change:
    """The change that a probe proposes: one of these, or any other setting. Raises UnknownChange naming both."""
    known = catalogue()
    if id in known:
        return known[id]
    if id in settings():
        return of_setting(settings()[id], probe)
    hint = meant(id, [*known, *settings()], "liebench.advice and liebench.settings list the changes that there are")
    raise UnknownChange(f"the probe {probe} proposes a change {id[:80]!r}, which nobody knows; {hint}")
