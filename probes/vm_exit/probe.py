"""vm-exit: what it costs when the processor has to ask the hypervisor, seen from unprivileged user space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from liebench.contract import Arm, Case, Claim, Cost, Layer, Need, Options, Rep, Rig, Subject, Turn
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.probes.vm_exit.verdict import HARDWARE, advise, delivers, judge
from liebench.stage.needs import KVM
from liebench.stage.stage import Stage

SPINS = (0, 5, 20, 100)
X86 = Need("an x86 processor", lambda host: host.x86, "elsewhere user space has no instruction that exits")


def _class() -> Case:
    return Case.reading(
        "class",
        "How far is it from an instruction to whoever intercepts it?",
        "cycles",
        "as on hardware",
        "one cpuid",
        args={"op": "cpuid"},
        matters=200.0,
        hurts=7800.0,
        target=500.0,
        work="exit",
    )


def _ratio() -> Case:
    return Case.ratio(
        "cpuid",
        "What does an intercepted instruction cost against one that never is?",
        "ns",
        Arm(id="xgetbv", says="xgetbv, which never exits", args={"op": "xgetbv"}),
        Arm(id="cpuid", says="cpuid", args={"op": "cpuid"}),
        matters=10.0,  # hardware itself takes five to ten times as long for it
        hurts=40.0,
        headline=False,
        work="exit",
    )


def _witness(host: Host) -> Case:
    a, b = host.processors[0], host.processors[-1]
    args = {"cpu": b, "peer": a}
    return Case.ratio(
        "witness",
        "Does the clock hide the hypervisor's time?",
        "ns",
        Arm(id="clock", says="one cpuid by the clock", args=args),
        Arm(id="counted", says=f"by a thread that counts on CPU {a}", args=args),
        matters=1.25,
        hurts=2.0,
        headline=False,
        work="witness",
    )


def _rig() -> Case:
    return Case.line(
        "our-host",
        "Is a hypervisor that takes X us longer found to take X us longer?",
        "us",
        *(Arm(id=f"spin-{us}us", says=f"our host spins {us} us", args={"spin_us": us}, number=us) for us in SPINS),
        target=0.1,
        subject=Subject.RIG,
        headline=False,
        work="rig",
        needs=(KVM,),
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    pair = (_witness(host),) if len(host.processors) > 1 else ()
    return (_class(), _ratio(), *pair, _rig())


def measure(stage: Stage) -> Iterator[Rig]:
    def turn(case: Case, t: Turn) -> Rep:
        if case.id == "our-host":
            rep = stage.core("kvm-exit", t, ops=20, samples=8)
            return replace(rep, samples={"us": [ns / 1000 for ns in rep.samples["ns"]]})
        if t.arm.id == "claimed":
            return Rep(samples={"cycles": [HARDWARE]})
        rep = stage.core("vm-exit", t)
        cycles = [ns / float(rep.facts["cycle_ns"]) for ns in rep.samples["ns"]]
        return replace(rep, samples={"cycles": cycles} if case.id == "class" else rep.samples)

    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        if case.id != "witness":
            return {t.label: turn(case, t) for t in turns}
        plant = {k: v for t in turns for k, v in t.plant.items()}
        both = stage.core("exit-witness", Turn(case.promised, "both", plant))
        counted = ("counted", "promised")  # in a control the clock may lie, and stands against the counting thread
        return {
            t.label: replace(both, samples={"ns": both.samples["count_ns" if t.label in counted else "clock_ns"]})
            for t in turns
        }

    yield Rig(once)


PROBE = Probe(
    claim=Claim(
        Layer.VIRT,
        says="Privileged calls are as fast as on hardware.",
        read_from="the hypervisor bit and leaves of cpuid",
        title="leaving the guest",
    ),
    cases=cases,
    cost=Cost(seconds=8),
    needs=(X86,),
    measure=measure,
    judge=judge,
    advise=advise,
    delivers=delivers,
    plants=(
        Plant(id="plant_share=0.5", set={"plant_share": 0.5}, case="cpuid", expect=1.5, tolerance=0.05, control=True),
        Plant(id="plant_hide=0.9", set={"plant_hide": 0.9}, case="witness", expect=0.1, tolerance=0.25),
    ),
)
