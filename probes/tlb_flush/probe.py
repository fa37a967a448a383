"""tlb-flush: what changing a mapping costs once other processors have to be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from liebench.contract import Arm, Case, Claim, Cost, Events, Layer, Need, Options, Proposal, Rep, Rig, Turn, Verdict
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.stage.stage import Stage

TWO_CPUS = Need("two CPUs", lambda host: len(host.processors) > 1, "with one CPU there is nobody to tell")
HURTS = 5.0  # on hardware an interrupt to another core takes about a microsecond, a few times the call itself
MOST = 16  # helpers
OPS = {"membarrier": 200, "mprotect": 30, "madvise": 30, "munmap": 30}
SAMPLES = 20  # fixed work: a calibration would meet a helper that is off its processor and take that for the cost
CHANGES = {
    "membarrier": "the interrupt alone (membarrier)",
    "mprotect": "two changes of protection",
    "madvise": "giving a page back and touching it again",
    "munmap": "mapping, touching and unmapping a page",
}


def _beside(op: str, helpers: int, headline: bool) -> Case:
    return Case.ratio(
        op if helpers == 1 else f"{op}-{helpers}",
        f"What does {CHANGES[op]} cost beside {helpers} busy thread{'s' * (helpers > 1)} of the same process?",
        "ns",
        Arm(id="alone", says="no other thread", args={"op": op, "helpers": 0}),
        Arm(id="beside", says=f"{helpers} on other processors", args={"op": op, "helpers": helpers}),
        hurts=HURTS,
        headline=headline,
        work="mapping",
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    most = min(len(host.processors) - 1, MOST)
    counts = [n for n in (1, 2, 4, 8, 16) if n <= most]
    growth = tuple(_beside("madvise", n, False) for n in counts[1:])
    return (*(_beside(op, 1, op == "madvise") for op in CHANGES), *growth)


def measure(stage: Stage) -> Iterator[Rig]:
    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        return {t.label: stage.core("tlb-flush", t, ops=OPS[str(t.arm.args["op"])], samples=SAMPLES) for t in turns}

    yield Rig(once)


def delivers(verdict: Verdict, host: Host) -> str:
    def extra(name: str) -> str | None:
        v = verdict.cases.get(name)
        known = v is not None and v.delivered is not None and v.promised is not None
        return f"{(v.delivered - v.promised) / 1000:.2g} us" if v and known and v.delivered and v.promised else None

    said = [f"{CHANGES[op]} takes {extra(op)} longer" for op in ("madvise", "membarrier") if extra(op)]
    beside = "While another thread of the process is busy"
    return f"{beside}, {', '.join(said)}." if said else "Not enough was measured."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    case = verdict.cases.get("madvise", verdict)
    if case.delivered is None or case.promised is None or case.delivered - case.promised < 5000:
        return []  # below 5 us an allocator's habits do not show
    why = f"telling one other processor takes {(case.delivered - case.promised) / 1000:.2g} us here"
    return [
        Proposal("fewer-shootdowns", "let the allocator keep freed memory for longer, or free from one thread", why)
    ]


def _flushes(host: Host) -> int | None:
    """Shootdowns received so far on all CPUs: the row TLB of /proc/interrupts."""
    for line in (host.read("/proc/interrupts") or "").splitlines():
        words = line.split()
        if words[:1] == ["TLB:"]:
            return sum(int(w) for w in words[1:] if w.isdigit())
    return None


PROBE = Probe(
    claim=Claim(Layer.VIRT, says="mprotect is cheap.", read_from="mprotect(2), madvise(2)", title="changing a mapping"),
    cases=cases,
    cost=Cost(seconds=10),
    needs=(TWO_CPUS,),
    measure=measure,
    advise=advise,
    delivers=delivers,
    events=Events(
        what="TLB shootdowns received",
        read_from="/proc/interrupts TLB",
        count=_flushes,
        case="madvise",
    ),
    plants=(
        Plant(id="plant_share=0.5", set={"plant_share": 0.5}, case="madvise", expect=1.5, tolerance=0.06, control=True),
    ),
)
