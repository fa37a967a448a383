"""container-vm: the same work on the bare host, in a container, in a guest, and in namespaces inside the guest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from liebench.contract import (
    NOTHING,
    Arm,
    Case,
    Claim,
    Cost,
    Layer,
    Need,
    Option,
    Options,
    Rhythm,
    Rig,
    Running,
    Subject,
    Touches,
)
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.probes.container_vm.bench import Bench
from liebench.probes.container_vm.verdict import EVERY, WORKS, advise, delivers, judge
from liebench.stage.container import CONTAINERS
from liebench.stage.guest import QEMU
from liebench.stage.stage import Stage

X86 = Need("an x86-64 host", lambda host: host.x86, "none: guests of ours are x86-64 only")
GUEST: Running = {"headline": False, "subject": Subject.RIG, "needs": (X86, QEMU), "work": "guest"}
Limits = tuple[float, float, float]  # matters, hurts, target
FINE: Limits = (1.1, 1.5, 0.1)
COARSE: Limits = (1.2, 2.0, 0.2)  # an emulator is not steady
RUNS = Touches(other=(CONTAINERS,))
HOST = "on the bare host"


def _case(
    place: str, what: str, asks: str, words: tuple[str, str], running: Running, limits: Limits = FINE, unit: str = "ns"
) -> Case:
    """The promised arm has no arguments, so that null tests and planted lies are put into the delivered place."""
    touches = RUNS if place == "container" else NOTHING
    beside = Arm(id="beside", says=words[0])
    there = Arm(id=place, says=words[1], args={"place": place}, touches=touches)
    matters, hurts, target = limits
    return Case.ratio(
        f"{place}-{what}", asks, unit, beside, there, matters=matters, hurts=hurts, target=target, **running
    )


def _works(place: str, words: str, real: bool) -> Iterator[Case]:
    for work, (what, headline) in WORKS.items():
        ours: Running = {"headline": headline, "work": "place-trip" if work == "trip" else "place"}
        yield _case(place, work, f"What does {what} cost {words}?", (HOST, words), ours if real else GUEST)


def _start(place: str, words: str, running: Running) -> Case:
    asks = f"How long does a program {words} take to start and end?"
    return _case(place, "start", asks, (HOST, words), running, (1.5, 5.0, 0.2), "ms")


def _footprint(place: str, words: str, running: Running) -> Case:
    asks = f"How much memory does it take to do nothing {words}?"
    return _case(place, "footprint", asks, (HOST, words), {**running, "work": "footprint"}, (2.0, 10.0, 0.1), "KiB")


def _inside(work: str) -> Case:
    asks = f"What does {WORKS[work][0]} cost in namespaces inside a guest?"
    return _case("inside", work, asks, ("in the guest", "in namespaces inside it"), GUEST, COARSE)


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    name, words, booted = "container", "in a container", "in a guest of ours"
    return (
        *_works(name, words, real=True),
        _start(name, words, {"work": "start"}),
        _footprint(name, words, {"headline": False}),
        *_works("guest", booted, real=False),
        _start("guest", booted, {**GUEST, "work": "boot", "rhythm": Rhythm.ONCE}),
        _footprint("guest", booted, GUEST),
        *map(_inside, EVERY["inside"]),
    )


def measure(stage: Stage) -> Iterator[Rig]:
    with ExitStack() as rigs:
        yield Rig(Bench(stage, rigs).once)


PROBE = Probe(
    claim=Claim(
        Layer.CONTAINER,
        says="Containers are as fast as the host, virtual machines nearly.",
        read_from="the runtime's and the provider's own words",
        title="containers and guests",
    ),
    cases=cases,
    cost=Cost(seconds=45, memory_mib=384, disk_mib=48),
    measure=measure,
    judge=judge,
    advise=advise,
    delivers=delivers,
    options=(
        Option("kernel", "", "the kernel that a guest boots; by default the newest of /boot"),
        Option("runtime", "", "runc, crun, bwrap, own (the first that works), podman, docker, runsc"),
    ),
    plants=(
        Plant(id="plant_share=0.5", set={"plant_share": 0.5}, case="*-call", expect=1.5, tolerance=0.05, control=True),
        Plant(id="plant_extra=0.5", set={"plant_extra": 0.5}, case="*-trip", expect=1.5, tolerance=0.08, control=True),
        Plant(id="hold=0.5", set={"hold": 0.5}, case="container-footprint", expect=1.5, tolerance=0.05, control=True),
        Plant(id="times=2", set={"times": 2}, case="*-start", expect=2.0, tolerance=0.2, control=True),
        Plant(
            id="plant_share=0.5, guest",
            set={"plant_share": 0.5},
            case="guest-call",
            expect=1.5,
            tolerance=0.08,
            control=True,
        ),
    ),
)
