"""nested-page: what a guest's memory costs more than memory: first touches that reach the host, and longer walks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from liebench.contract import (
    Arm,
    Case,
    Claim,
    Cost,
    Events,
    Layer,
    Need,
    Options,
    Proposal,
    Rep,
    Rig,
    Subject,
    Turn,
    Verdict,
    Word,
)
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.stage.needs import KVM
from liebench.stage.stage import Stage

HUGE_ENOUGH = 0.9  # of the range must lie in huge pages, or the comparison is void
CHASE_MIB = 32
SAMPLES = 2
STEP_MIB, MOST_MIB = 8, 256  # two samples of 4 MiB a repetition
THP = Need(
    "transparent huge pages",
    lambda host: host.facts["memory"]["thp"] in ("always", "madvise"),
    "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
)


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    return (
        Case.ratio(
            "first-touch",
            "What does memory cost that was never used before?",
            "ns",
            Arm(id="recycled", says="touched and given back before", args={"memory": "recycled"}),
            Arm(id="fresh", says="a new mapping", args={"memory": "fresh"}),
            hurts=3.0,
            target=0.05,
            work="touch",
        ),
        Case.ratio(
            "walk",
            "What do small pages cost against huge ones?",
            "ns",
            Arm(id="huge", says="huge pages", args={"pages": "huge", "mib": CHASE_MIB}),
            Arm(id="small", says="small pages", args={"pages": "small", "mib": CHASE_MIB}),
            target=0.05,
            headline=False,
            work="chase",
            needs=(THP,),
        ),
        Case.ratio(
            "our-host",
            "What does a touch cost in a guest whose host took the memory away?",
            "ns",
            Arm(id="backed", says="its host left it alone", args={"drop": 0}),
            Arm(id="dropped", says="its host dropped it", args={"drop": 1}),
            hurts=3.0,
            target=0.05,
            subject=Subject.RIG,
            headline=False,
            work="rig",
            needs=(KVM,),
        ),
    )


def _chase(stage: Stage, t: Turn) -> Rep:
    """Void where the kernel did not give the pages that the arm is about."""
    rep = stage.core("page-chase", t)
    share = float(rep.facts["huge_kib"]) / (CHASE_MIB << 10)
    right = share >= HUGE_ENOUGH if t.arm.args["pages"] == "huge" else share <= 1 - HUGE_ENOUGH
    return rep if right else replace(rep, flags=(*rep.flags, "VOID_OTHER_PAGES"))


def measure(stage: Stage) -> Iterator[Rig]:
    used = 0  # MiB that repetitions of this rig have made the host find; the kernel would hand them out again first

    def turn(case: Case, t: Turn) -> Rep:
        nonlocal used
        if case.id == "walk":
            return _chase(stage, t)
        if case.id == "our-host":
            return stage.core("kvm-touch", t)
        if t.arm.args["memory"] != "fresh":
            return stage.core("page-touch", t, samples=SAMPLES)
        rep = stage.core("page-touch", t, samples=SAMPLES, skip_mib=used)
        used = (used + STEP_MIB) % MOST_MIB
        return rep

    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        return {t.label: turn(case, t) for t in turns}

    yield Rig(once)


def delivers(verdict: Verdict, host: Host) -> str:
    touch, walk = verdict.cases.get("first-touch"), verdict.cases.get("walk")
    said = []
    if touch is not None and touch.delivered and touch.promised:
        said.append(
            f"the first touch of 4 KiB takes {touch.delivered:.0f} ns, {touch.promised:.0f} ns where it is recycled"
        )
    if walk is not None and walk.value:
        said.append(f"a load that misses the TLB takes {walk.value:.2f} times as long with small pages")
    return (said[0][0].upper() + "; ".join(said)[1:] + ".") if said else "Not enough was measured."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    touch, walk = verdict.cases.get("first-touch"), verdict.cases.get("walk")
    found = []
    if touch is not None and touch.word is Word.COSTLY and touch.value:
        why = f"memory that the host has not seen yet costs {touch.value:.2g} times as much to touch"
        found.append(Proposal("prefault", "MAP_POPULATE, AlwaysPreTouch or a loop at start-up", why))
    if walk is not None and walk.word is Word.COSTLY and host.facts["memory"]["thp"] == "madvise":
        why = f"random loads in {CHASE_MIB} MiB take {walk.value:.2g} times as long with small pages"
        found.append(Proposal("map-huge", "MADV_HUGEPAGE", why))
    return found


def _faults(host: Host) -> int | None:
    text = host.read("/proc/vmstat") or ""
    found = [line.split()[1] for line in text.splitlines() if line.startswith("pgfault ")]
    return int(found[0]) if found and found[0].isdigit() else None


PROBE = Probe(
    claim=Claim(
        Layer.VIRT, says="Memory is memory.", read_from="/proc/meminfo, transparent_hugepage", title="memory in a guest"
    ),
    cases=cases,
    cost=Cost(seconds=12, memory_mib=300),
    measure=measure,
    advise=advise,
    delivers=delivers,
    events=Events(what="page faults", read_from="/proc/vmstat pgfault", count=_faults, case="first-touch"),
    plants=(
        Plant(id="touch=0.5", set={"plant_extra": 0.5}, case="first-touch", expect=1.5, tolerance=0.15, control=True),
        Plant(id="plant_extra=0.5", set={"plant_extra": 0.5}, case="walk", expect=1.5, tolerance=0.06),
        Plant(id="drop=1", set={"drop": 1.0}, case="our-host", expect=2.0, tolerance=0.5),
    ),
)
