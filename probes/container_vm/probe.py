"""container-vm: the same work on the bare host, in a container, in a guest, and in namespaces inside the guest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace

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
    Plant,
    Probe,
    Rig,
    Subject,
    Touches,
)
from liebench.host import Host
from liebench.probes.container_vm.bench import Bench
from liebench.probes.container_vm.verdict import WORKS, advise, delivers
from liebench.stage import Stage
from liebench.stage.container import CONTAINERS, RUNC
from liebench.stage.guest import QEMU

X86 = Need("an x86-64 host", lambda host: host.x86, "none: guests of ours are x86-64 only")
INSIDE = ("call", "fork", "trip")  # of the works in namespaces inside the guest, against the guest itself
Args = Mapping[str, str | int | float]


RUNS = Touches(other=(CONTAINERS,))


def _case(id: str, asks: str, promised: tuple[str, str], delivered: tuple[str, str], does: str, **more: object) -> Case:
    touches = RUNS if delivered[0] == "container" else NOTHING
    return Case(
        id,
        "ns",
        "ns",
        (
            Arm(promised[0], promised[1], True, {"place": promised[0], "work": does}),
            Arm(delivered[0], delivered[1], args={"place": delivered[0], "work": does}, touches=touches),
        ),
        asks,
        matters=1.1,
        hurts=1.5,
        target=0.1,
        **more,  # type: ignore[arg-type]
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    real = RUNC.met(host)
    name, words = ("container", "in a container (runc)") if real else ("namespaces", "in namespaces of ours")
    bare = ("host", "on the bare host")
    contained = tuple(
        _case(f"{name}-{work}", f"What does {what} cost {words}?", bare, (name, words), work, headline=headline,
              work="place" if work != "trip" else "place-trip")
        for work, (what, headline) in WORKS.items()
    )  # fmt: skip
    booted = tuple(
        _case(f"guest-{work}", f"And {what} in a guest?", bare, ("guest", "in a guest of ours"), work,
              headline=False, subject=Subject.RIG, needs=(X86, QEMU), work="guest")
        for work, (what, _) in WORKS.items()
    )  # fmt: skip
    inside = tuple(
        _case(f"inside-{work}", f"And {WORKS[work][0]} in namespaces inside a guest?", ("guest", "in the guest"),
              ("inside", "in namespaces inside it"), work, headline=False, subject=Subject.RIG, needs=(X86, QEMU),
              work="guest")
        for work in INSIDE
    )  # fmt: skip
    idle = tuple(
        replace(
            _case(f"{where}-footprint", f"How much memory does it take to do nothing {says}?", bare, (where, says),
                  "footprint", headline=False, work="footprint", needs=needs,
                  subject=Subject.RIG if where == "guest" else Subject.HOST),
            quantity="KiB", unit="KiB", matters=2.0, hurts=10.0,
        )
        for where, says, needs in ((name, words, ()), ("guest", "in a guest of ours", (X86, QEMU)))
    )  # fmt: skip
    start = Case(
        "container-start",
        "ms",
        "ms",
        (
            Arm("program", "a program that ends at once", True),
            Arm("container", "the same program in a container (runc)", args={"container": 1}, touches=RUNS),
        ),
        "What does a container take to start and end?",
        matters=1.5,
        hurts=5.0,
        work="start",
        needs=(RUNC,),
        target=0.2,
    )
    return (*contained, start, *idle, *booted, *inside)


def measure(stage: Stage) -> Iterator[Rig]:
    with ExitStack() as rigs:
        yield Rig(Bench(stage, rigs).once)


PROBE = Probe(
    Claim(
        Layer.CONTAINER,
        says="Containers are as fast as the host, virtual machines nearly.",
        read_from="the runtime's and the provider's own words",
        title="containers and guests",
    ),
    cases=cases,
    cost=Cost(seconds=30, setup_seconds=1, memory_mib=256, disk_mib=16),
    measure=measure,
    advise=advise,
    delivers=delivers,
    options=(Option("kernel", "", "the kernel that a guest boots; by default the newest of /boot"),),
    plants=(
        Plant("plant_share=0.5", {"plant_share": 0.5}, "*-compute", expect=1.5, tolerance=0.05, control=True),
        Plant("share=0.5", {"share": 0.5}, "*-footprint", expect=1.5, tolerance=0.05),
        Plant("plant_extra=0.5", {"plant_extra": 0.5}, "*-trip", expect=1.5, tolerance=0.08),
    ),
)
