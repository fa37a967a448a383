"""container-facts: what programs believe to have inside limits, beside what the limits leave them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Unpack

from liebench.contract import (
    NOTHING,
    Arm,
    Case,
    Claim,
    Cost,
    Disturbs,
    Layer,
    Meaning,
    Need,
    Options,
    Rig,
    Running,
    Subject,
    Touches,
)
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.probes.container_facts.bench import MIB, SHARE, Bench
from liebench.probes.container_facts.verdict import BELIEFS, GROUPS, LOAD, advise, delivers, judge
from liebench.stage.believers import BELIEVERS
from liebench.stage.cgroup import CONTROLLERS, MEMORY, quota
from liebench.stage.needs import CPU_GROUP, MEMORY_GROUP
from liebench.stage.stage import Stage

ASKS = {
    "kernel": "Do the kernel's own files and sysinfo say what may be used?",
    "sysconf": "Does sysconf, which servers ask?",
    "nproc": "Does nproc, which builds ask?",
    "python": "Does Python?",
    "java": "Does the JVM?",
    "node": "Does Node?",
    "go": "Does Go?",
}
CHEAP = ("kernel", "sysconf", "nproc", "python")
MATTERS = 1.1  # of the CPUs that are allowed
GROUP = Touches(other=(CONTROLLERS,), disturbs=Disturbs.NOBODY)
BOTH = Touches(other=(CONTROLLERS, MEMORY), disturbs=Disturbs.NOBODY)

TWO = Need("two CPUs", lambda host: len(host.processors) > 1, "run it where there are two")


def _fact(
    name: str,
    asks: str,
    says: str,
    words: Mapping[str, Meaning],
    touches: Touches = NOTHING,
    **running: Unpack[Running],
) -> Case:
    more: Running = {"work": "beliefs", **running}
    return Case.fact(name, asks, says, words, touches=touches, quantity="times", **more)


def _law(name: str, asks: str, touches: Touches = NOTHING, **running: Unpack[Running]) -> Case:
    says = "CPU time over wall time of a busy thread on each CPU"
    allowed = Arm(id="allowed", says="the smallest limit on the way up")
    used = Arm(id="used", says=says, args={"busy": 1}, touches=touches)
    more: Running = {"headline": False, "work": "busy", **running}
    return Case.law(
        name, asks, "CPUs", allowed, used, quantity="cpus", matters=MATTERS, hurts=1.5, target=MATTERS - 1, **more
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    quotas: Running = {"subject": Subject.RIG, "needs": (CPU_GROUP,)}
    inside = f"What do they say inside {SHARE:g} of a CPU and {MIB} MiB, both limits of the parent?"
    limits = (CPU_GROUP, MEMORY_GROUP)
    believers = (
        _fact(name, asks, "what it says", BELIEFS, needs=(BELIEVERS[name].need,), headline=name in CHEAP)
        for name, asks in ASKS.items()
    )
    return (
        *believers,
        _fact("load", "Of whom does the load average speak?", "/proc/loadavg", LOAD),
        _fact("groups", "Can every limit be seen from here?", "/proc/self/mountinfo", GROUPS),
        _law("used", "Do busy threads get the CPUs that the limits leave?"),
        _fact(
            "ours",
            "Is a program that says what is allowed believed?",
            "a program of ours",
            BELIEFS,
            subject=Subject.RIG,
        ),
        _fact(
            "affinity",
            "What do they say on one CPU of several?",
            "one CPU",
            BELIEFS,
            subject=Subject.RIG,
            headline=False,
            needs=(TWO,),
        ),
        _fact("limited", inside, "a group of ours", BELIEFS, BOTH, subject=Subject.RIG, headline=False, needs=limits),
        _law("leaf", "Is a quota of half a CPU below a larger one half a CPU?", GROUP, **quotas),
        _law("parent", "Does the parent's quota of three quarters of a CPU hold below it?", GROUP, **quotas),
    )


def measure(stage: Stage) -> Iterator[Rig]:
    yield Rig(Bench(stage).once)


def _unseen(stage: Stage) -> AbstractContextManager[object]:
    """The core is held to half of the CPUs by a group that whoever reads our own limits does not see."""
    return quota(stage, len(stage.host.processors) / 2)


PROBE = Probe(
    claim=Claim(
        Layer.CONTAINER,
        says="You have {processors} CPUs and {memory} of memory.",
        read_from="/proc/stat, /proc/meminfo, sysconf(3), nproc(1), runtimes",
        title="what you have",
    ),
    cases=cases,
    cost=Cost(seconds=10),
    measure=measure,
    judge=judge,
    advise=advise,
    delivers=delivers,
    plants=(
        Plant(id="times=2", set={"times": 2.0}, case="ours", expect=2.0, tolerance=0.0, control=True),
        Plant(id="unseen-quota=half", set={}, case="used", expect=0.5, tolerance=0.1, put=_unseen, touches=GROUP),
    ),
)
