"""What settings are set to here, as text of their files: what a run keeps of them, and how their value reads."""

from __future__ import annotations

from collections.abc import Iterator

from liebench.facts.volumes import volumes
from liebench.host import Host
from liebench.settings.catalogue import catalogue
from liebench.settings.knob import Knob

DISKS = "/sys/block/*"


def files(knob: Knob, host: Host) -> Iterator[tuple[str, str]]:
    """(name, path) of the files that hold it here: its own, or one for each disk that a file system lies on.

    Nothing for what is one of several cards or control groups: their names are their owner's.
    """
    if not knob.several:
        yield "", knob.path
    elif knob.path.startswith(DISKS):
        yield from ((v.name, knob.path.replace("*", v.name)) for v in volumes(host))


def readings(host: Host) -> dict[str, str | None]:
    """The text of every file that holds a setting of this host, by path; None for what cannot be read.

    A process's own settings are no host's, but for its timer slack, which a probe measures.
    """
    kept = [knob for knob in catalogue().values() if knob.pick is None]
    return {path: host.read(path) for knob in kept for _, path in files(knob, host)}


def present(knob: Knob, host: Host) -> str:
    """The value in force, of several disks by name (``vda: 128, vdb: 4096``); empty where nobody tells."""
    found = []
    for name, path in files(knob, host):
        text = host.read(path)
        value = None if text is None else knob.value_in(text)
        if value is not None:
            found.append(f"{name}: {value}" if name else value)
    return ", ".join(found)
