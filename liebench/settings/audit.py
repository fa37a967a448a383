"""Which settings differ from what this kernel does by itself, who set them, and what is known of that. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from liebench.facts.volumes import STACKED
from liebench.host import Host
from liebench.settings.defaults import UNTOLD, below, default_of, is_limit, same, source_of
from liebench.settings.defaults_computed import DEFAULT_RULES
from liebench.settings.defaults_table import GONE, TABLE
from liebench.settings.known_harm import gone, note_of
from liebench.settings.owners import Owner, all_lines, owners_among

QUEUE = ("scheduler", "read_ahead_kb", "nr_requests", "wbt_lat_usec")
MORE = ("kernel.sched_child_runs_first", "kernel.sched_autogroup_enabled", "vm.nr_hugepages")


class Departure(StrEnum):
    """How a setting stands to the kernel's own value."""

    DEFAULT = "default"
    DIFFERS = "differs"
    LOWERS = "lowers a default"
    NO_EFFECT = "no effect here"
    UNKNOWN = "unknown default"


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One setting. ``now`` is None where the kernel has no such key; ``by`` says who set it, in words."""

    key: str
    now: str | None
    default: str | None
    standing: Departure
    by: str
    owners: tuple[Owner, ...]
    note: str
    source: str | None

    @property
    def notable(self) -> bool:
        """Whether it is worth a line: it differs, lowers, does nothing, or a line somewhere says something else."""
        if self.standing in (Departure.DEFAULT, Departure.UNKNOWN):
            return any(o.wins and (self.standing is Departure.UNKNOWN or o.value != self.now) for o in self.owners)
        return True


def audit(host: Host) -> list[Setting]:
    """Every setting that we know, and every key that a file sets and this kernel does not have."""
    lines = all_lines(host.root)
    keys = [*TABLE, *DEFAULT_RULES, *MORE, *UNTOLD, *_disks(host)]
    found = [setting for key in dict.fromkeys(keys) if (setting := _setting(key, host, lines))]
    seen = {setting.key for setting in found}
    return [*found, *(_missing(key, lines) for key in _unheard(host, lines) if key not in seen)]


def value_of(key: str, host: Host) -> str | None:
    """What is in force now, blanks made one; of a choice in brackets the chosen one."""
    path = key if key.startswith("/") else "/proc/sys/" + key.translate(str.maketrans("./", "/."))
    text = host.read(path)
    if text is None:
        return None
    chosen = text.partition("[")[2].partition("]")[0]
    return chosen if chosen and key.startswith("/sys/") else " ".join(text.split())


def _disks(host: Host) -> Iterator[str]:
    """Attributes of queues of disks with a driver of their own; stacked and looped ones take what lies below."""
    for name in host.names("/sys/block"):
        if not STACKED.fullmatch(name) and not name.startswith(("ram", "zram")):
            yield from (f"/sys/block/{name}/queue/{attribute}" for attribute in QUEUE)


def _setting(key: str, host: Host, lines: list[Owner]) -> Setting | None:
    now, owners = value_of(key, host), tuple(owners_among(key, lines))
    if now is None:
        return _missing(key, lines) if any(o.wins for o in owners) and not _hidden(host, key) else None
    default = default_of(key, host)
    default = None if default == GONE else default
    note = note_of(key, now, host)
    standing = _standing(key, now, default, note is not None and note.idle)
    says = note.says if note and standing is not Departure.DEFAULT else ""
    return Setting(
        key=key,
        now=now,
        default=default,
        standing=standing,
        by=_by(now, standing, owners, key),
        owners=owners,
        note=says,
        source=source_of(key),
    )


def _standing(key: str, now: str, default: str | None, idle: bool) -> Departure:
    if default is not None and same(key, now, default):
        return Departure.DEFAULT
    if idle:
        return Departure.NO_EFFECT
    if default is None:
        return Departure.UNKNOWN
    if key == "net.ipv4.ip_local_port_range":
        return Departure.LOWERS if _ports(now) < _ports(default) else Departure.DIFFERS
    return Departure.LOWERS if is_limit(key) and below(key, now, default) else Departure.DIFFERS


def _ports(span: str) -> int:
    words = [int(word) for word in span.split() if word.isdigit()]
    return words[1] - words[0] + 1 if len(words) == 2 else 0


def _by(now: str, standing: Departure, owners: tuple[Owner, ...], key: str) -> str:
    """Who set what is in force; a file that says something else was overruled at run time."""
    winner = next((o for o in owners if o.wins), None)
    if winner is not None and " ".join((winner.value or "").split()) == now:
        return winner.place if winner.by != "command line" else "the kernel's command line"
    runtime = "somebody at run time" if not key.startswith("/sys/block/") else "a udev rule, or somebody at run time"
    itself = "the kernel" if standing in (Departure.DEFAULT, Departure.UNKNOWN) else runtime
    if winner is not None:
        return f"{itself}; {winner.place} says {winner.value}, which is not in force"
    return itself


def _hidden(host: Host, key: str) -> bool:
    """Keys of the whole host's network are not shown inside a network namespace: their absence says nothing."""
    return key.startswith("net.core.") and not host.exists("/proc/sys/net/core/netdev_max_backlog")


def _unheard(host: Host, lines: list[Owner]) -> Iterator[str]:
    """Keys that a line names and that this kernel does not show."""
    for line in lines:
        if line.is_pattern or line.value is None or line.key.startswith("/") or _hidden(host, line.key):
            continue
        if not host.exists("/proc/sys/" + line.key.translate(str.maketrans("./", "/."))):
            yield line.key


def _missing(key: str, lines: list[Owner]) -> Setting:
    owners = tuple(owners_among(key, lines))
    winner = next((o for o in owners if o.wins), None)
    by = winner.place if winner else "nobody"
    return Setting(
        key=key,
        now=None,
        default=None,
        standing=Departure.NO_EFFECT,
        by=by,
        owners=owners,
        note=gone(key),
        source=source_of(key),
    )
