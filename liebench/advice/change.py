"""The only catalogue of changes. Probes name changes by id; values come from what was measured, never from here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from liebench.host import Host


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One setting that can be changed. ``now`` reads its present value; ``default`` is the kernel's own.

    ``scope``: process, namespace, cgroup, host or reboot. ``how`` and ``undo`` are commands or steps with ``{to}``
    and ``{now}``.
    """

    id: str
    setting: str
    scope: str
    default: str
    risk: str
    how: str
    undo: str
    probe: str
    now: Callable[[Host], str]


def unknown(host: Host) -> str:
    """Present value of what no file of the host tells."""
    return "as it is now"
