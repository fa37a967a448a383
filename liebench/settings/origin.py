"""Where the present value of a setting comes from: this kernel's own default, and which file sets it. Reads only."""

from __future__ import annotations

from liebench.facts.reader import Reader
from liebench.host import Host
from liebench.settings.defaults import default_of
from liebench.settings.knob import Knob, Scope
from liebench.settings.launch import is_launch
from liebench.settings.mounts import fstab_line
from liebench.settings.owners import Owner, owners_of


def default_words(knob: Knob, host: Host) -> str:
    """This kernel's own value; what the catalogue says of it where this version's is not known; else ``unknown``."""
    found = default_of(knob.name, host)
    return (knob.value_in(found) if found else None) or knob.default or "unknown"


def owner_of(knob: Knob, host: Host) -> Owner | None:
    """The line that is applied last; None where nobody sets it, or nobody can: a process's own, but for its mounts."""
    if is_launch(knob.id):
        return fstab_line(knob.id, Reader(host.root))
    return next((o for o in owners_of(knob.name, host.root) if o.wins and o.value is not None), None)


def whence(knob: Knob, host: Host) -> str:
    """``the kernel's default is 60; /etc/sysctl.d/99-db.conf:3 sets it to 10``."""
    said = f"the default is {default_words(knob, host)}"
    if knob.scope is Scope.PROCESS:
        return said
    owner = owner_of(knob, host)
    return f"{said}; {owner.place} sets it to {owner.value}" if owner else f"{said}; no file sets it"
