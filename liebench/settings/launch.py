"""How a command is started: processors, priority, timer slack, environment, mounts as it alone sees them.

They are tried on the user's own command (``--with``), which is started both ways by the same steps, so that only the
value differs: nothing of it is a shell's business, and no wrapper program is counted on one side only. They belong to
one process, not to a host: to keep one, it goes into the unit that starts the process (systemd.exec(5)).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from liebench.errors import UsageError
from liebench.facts.reader import cpu_list
from liebench.settings import mounts
from liebench.settings.knob import Knob, Scope, as_it_is

UNSET = "(unset)"
ENV = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]{0,127})")
MOST_CPU = 8191
SLACK = "timer-slack"


def processors(text: str) -> str:
    """A list as ``taskset -c`` takes it, in its shortest form: ``0,1,2,5`` is ``0-2,5``."""
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= MOST_CPU:
            raise UsageError(f"it takes a list of processors, as 0-3,8; not {text[:40]!r}")
        found |= set(range(first, last + 1))
    runs: list[list[int]] = []
    for cpu in sorted(found):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _priority(text: str) -> str:
    if not re.fullmatch(r"-?[0-9]{1,2}", text) or not -20 <= int(text) <= 19:
        raise UsageError(f"it takes a nice value from -20 to 19, not {text[:40]!r}")
    return str(int(text))


def _value(text: str) -> str:
    return as_it_is(text) if text else UNSET


def _status(text: str) -> str | None:
    match = re.search(r"^Cpus_allowed_list:\s*(\S+)", text, re.MULTILINE)
    return processors(match[1]) if match else None


def _nice(text: str) -> str | None:
    fields = text.rpartition(")")[2].split()  # the name before it may hold blanks; proc_pid_stat(5), field 19
    return fields[16] if len(fields) > 16 else None


KNOBS = (
    Knob(
        id="taskset",
        key="processors of the process",
        path="/proc/self/status",
        scope=Scope.PROCESS,
        valid=processors,
        risk="fewer processors: work waits where they are busy, also when others are idle",
        default="every processor",
        source="sched_setaffinity(2)",
        pick=_status,
        steps=("taskset -c {to} COMMAND, or CPUAffinity={to} in its systemd unit", "start it without that ({now})"),
    ),
    Knob(
        id="nice",
        key="priority of the process",
        path="/proc/self/stat",
        scope=Scope.PROCESS,
        valid=_priority,
        risk="what is nicer waits for everybody else; below 0 it wants CAP_SYS_NICE, and others wait",
        default="0",
        source="setpriority(2), sched(7)",
        pick=_nice,
        steps=("nice -n {to} COMMAND, or Nice={to} in its systemd unit", "start it without that ({now})"),
    ),
)


def named_thing(name: str) -> Knob | None:
    """The knob of ``env:NAME`` or ``mount:PATH``; None for any other name."""
    return _variable(name) or mounts.mount(name)


def _variable(name: str) -> Knob | None:
    match = ENV.fullmatch(name)
    if match is None:
        return None

    def held(text: str) -> str:
        rows = dict(row.partition("=")[::2] for row in text.split("\0") if row)
        return rows.get(match[1], UNSET)

    return Knob(
        id=name,
        key=f"environment variable {match[1]}",
        path="/proc/self/environ",
        scope=Scope.PROCESS,
        valid=_value,
        risk="every program that it starts inherits it, and may read it in its own way",
        default=UNSET,
        source="environ(7)",
        pick=held,
        steps=(f"start the program with {match[1]}={{to}}", f"start it with {match[1]}={{now}} again"),
    )


def is_launch(knob: str) -> bool:
    """Whether a command can be started with the knob of this id."""
    return knob in (SLACK, *(k.id for k in KNOBS)) or any(n.fullmatch(knob) for n in (ENV, mounts.NAME))


def own_scope(knob: Knob) -> Scope:
    """How far a trial of it on somebody's own command reaches: the command alone, or the host."""
    return knob.scope if is_launch(knob.id) else Scope.HOST


def tried_in(knob: Knob) -> Scope:
    """The narrowest scope that a trial of it needs: that of its own trial, or of a command's."""
    return knob.trial.scope if knob.trial is not None else own_scope(knob)


def trial_line(knob: Knob, name: str, to: str) -> str:
    """The command that tries it: with a command of the user's where there is no trial of ours, and with consent."""
    own = "" if knob.trial else " --with 'YOUR COMMAND'"
    consent = " --disturb host" if tried_in(knob) is Scope.HOST else ""
    return f"liebench try {name}={to}{own}{consent}"


@dataclass(frozen=True, slots=True)
class Start:
    """How to start a process: what it does before it becomes the program, and its environment."""

    before: Callable[[], None]
    environment: Mapping[str, str]


def start_of(text: str) -> Start | None:
    """From ``name=value`` as a side of a trial holds it; None for nothing. Raises UsageError for what is none."""
    if not text:
        return None
    name, _, value = text.partition("=")
    environment = dict(os.environ)
    match = ENV.fullmatch(name)
    if match:
        environment.pop(match[1], None)
        if value != UNSET:
            environment[match[1]] = value
        return Start(lambda: None, environment)
    if name == "taskset":
        cpus = set(cpu_list(processors(value)))
        return Start(lambda: os.sched_setaffinity(0, cpus), environment)
    if name == "nice":
        priority = int(_priority(value))
        return Start(lambda: os.setpriority(os.PRIO_PROCESS, 0, priority), environment)
    if name == SLACK and re.fullmatch(r"[0-9]{1,10}", value):
        return Start(lambda: _slack(value), environment)
    if mounts.NAME.fullmatch(name):
        return Start(mounts.start(name, value), environment)
    raise UsageError(f"{text[:80]!r} is no way to start a command")


def _slack(value: str) -> None:
    with open("/proc/self/timerslack_ns", "w", encoding="ascii") as file:
        file.write(value)


def kept_by(knob: str, to: str) -> str:
    """What keeps it, as the end of a sentence: no file of ours can."""
    if mounts.NAME.fullmatch(knob):
        return mounts.kept_by(knob, to)
    return f"{unit_line(knob, to)} in the [Service] part of its unit (systemctl edit NAME), and a restart"


def unit_line(knob: str, to: str) -> str:
    """The line of a systemd unit that keeps it, with ``%`` doubled as units want it (systemd.exec(5))."""
    match = ENV.fullmatch(knob)
    if match:
        value = to.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
        return f"UnsetEnvironment={match[1]}" if to == UNSET else f'Environment="{match[1]}={value}"'
    return {"taskset": f"CPUAffinity={to}", "nice": f"Nice={to}", SLACK: f"TimerSlackNSec={to}"}[knob]


def wider(knob: str, to: str) -> str:
    """What proves a change for the whole host, where the catalogue's trial is narrower or none."""
    return f"prove it there on your own work, `liebench try {knob}={to} --with 'COMMAND' --disturb host`"
