"""their-getpid: a probe of another package, with its own executable, change, setting and act.

While its rig stands a marker file lies on the host (option ``marker``): an act that the next start takes back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from liebench.advice.change import Change, unknown
from liebench.contract import Arm, Case, Claim, Cost, Layer, Option, Proposal, Rig, Touches, Verdict, Word
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.settings.knob import Knob, Scope, whole
from liebench.stage.act import Act
from liebench.stage.acts import act_on
from liebench.stage.stage import Stage


def _unmark(entry: dict[str, Any]) -> str:
    """Idempotent, and at ease with an act that was noted and never done."""
    path = Path(entry["what"])
    if not path.is_file() or path.read_text() != entry["new"]:
        return ""
    path.unlink()
    return f"the marker {path} was removed"


MARKER = Act("their-getpid:marker", _unmark, outlives_boot=True)
SETTINGS = (
    Knob(
        id="their-pids",
        key="kernel.ns_last_pid",
        path="/proc/sys/kernel/ns_last_pid",
        scope=Scope.NAMESPACE,
        valid=whole(0, 1 << 22),
        risk="the next process gets the number after it",
        default="the last one given",
        source="Documentation/admin-guide/sysctl/kernel.rst",
    ),
)
CHANGES = (
    Change(
        id="their-cached-pid",
        setting="where a program keeps its process id",
        scope="process",
        default="asked of the kernel each time",
        risk="a child after fork(2) must ask again",
        how="keep it in {to}",
        undo="ask the kernel again",
        probe="their-getpid",
        now=unknown,
    ),
)


def cases(host: Host, options: Mapping[str, str]) -> tuple[Case, ...]:
    arms = (
        Arm(id="function", says="a function", promised=True, args={"via": "function"}),
        Arm(id="syscall", says="a system call", args={"via": "syscall"}, touches=Touches(other=(options["marker"],))),
    )
    return (Case(id="call", quantity="ns", unit="ns", arms=arms, work="their-calls"),)


def measure(stage: Stage) -> Iterator[Rig]:
    marker = Path(stage.options["marker"])
    with act_on(stage, MARKER, str(marker), new="theirs"):
        marker.write_text("theirs")
        yield Rig(lambda case, turns: {turn.label: stage.core("their-getpid", turn) for turn in turns})


def advise(verdict: Verdict, host: Host) -> list[Proposal]:
    costs = verdict.word is Word.COSTLY
    return [Proposal("their-cached-pid", "a variable", "a system call costs more than a load")] if costs else []


PROBE = Probe(
    claim=Claim(Layer.CPU, "Asking for the process id is free.", "getpid(2)", "asking who one is"),
    cases=cases,
    cost=Cost(seconds=3),
    measure=measure,
    advise=advise,
    plants=(Plant(id="half", set={"plant_share": 0.5}, case="call", expect=1.5, tolerance=0.05, control=True),),
    options=(Option("marker", "/tmp/their-getpid.marker", "file that lies there while it measures"),),
    core=Path(__file__).with_name("their-core"),
    contract=1,
)
