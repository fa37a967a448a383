"""A change that a probe may advise, and how one is made of a setting.

Probes name changes by id; values come from what was measured, never from here. What a file of the host holds stands in
the catalogue of settings alone (``liebench.settings``): this room adds which probe advises it, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from liebench.host import Host
from liebench.settings.knob import Knob
from liebench.settings.present import present

UNKNOWN = "as it is now"


def unknown(host: Host) -> str:
    """Present value of what no file of the host tells."""
    return UNKNOWN


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One thing that can be changed. ``now`` says its present value; ``default`` is the kernel's own.

    ``scope``: process, namespace, cgroup, host or reboot. ``how`` and ``undo`` are commands or steps with ``{to}``
    and ``{now}``, each as ``written`` says that it is written. ``probe``: the one that measures what it decides.
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
    written: Callable[[Host, str], str] = lambda host, value: value

    def steps(self, host: Host, to: str, now: str) -> tuple[str, str]:
        """(what makes it, what takes it back)."""
        held = {"to": self.written(host, to), "now": self.written(host, now)}
        return self.how.format(**held), self.undo.format(**held)


def of_setting(knob: Knob, probe: str) -> Change:
    """The change of a setting: all that is said of it comes from the catalogue of settings."""
    return Change(
        id=knob.id,
        setting=knob.key,
        scope=knob.scope,
        default=knob.default,
        risk=knob.risk,
        how=knob.how,
        undo=knob.undo,
        probe=probe,
        now=lambda host: present(knob, host) or UNKNOWN,
        written=lambda host, value: _written(knob, host, value),
    )


def _written(knob: Knob, host: Host, value: str) -> str:
    """What the whole file holds with this value; ``?`` for its other numbers where nobody knows them."""
    return knob.text_for(host.read(knob.path) or " ".join("?" * ((knob.field or 0) + 1)), value)
