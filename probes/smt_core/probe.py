"""smt-core: is a processor a core, what is a core's second thread worth, and does somebody unseen run beside us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from liebench.contract import Args, Arm, Case, Claim, Cost, Layer, Options, Rep, Rig, Turn
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.probes.smt_core.verdict import FULL, MIXES, NONE, Pair, advise, delivers, judge, worth_a_look
from liebench.stage.needs import FMA
from liebench.stage.stage import Stage


def _pair(a: int, b: int, headline: bool) -> Case:
    args = {"cpu": a, "peer": b}
    return Case.ratio(
        f"pair-{a}-{b}",
        f"Do CPU {a} and CPU {b} share a core?",
        "ns",
        Arm(id="light", says=f"beside divisions on CPU {b}", args=args),
        Arm(id="hungry", says=f"beside multiplications and additions on CPU {b}", args=args),
        target=0.04,
        headline=headline,
        work="lock-in",
    )


def _worth(mix: str, pair: Pair) -> Case:
    a, b = pair
    args: Args = {"cpu": a, "peer": b, "mix": mix}
    return Case.ratio(
        f"worth-{mix}",
        f"What does CPU {b} add to CPU {a} for {MIXES[mix]}?",
        "ns",
        Arm(id="whole", says="twice what one of them does alone", args=args),
        Arm(id="pair", says="what the two do together", args=args),
        matters=2 / FULL,
        hurts=2 / NONE,
        target=0.05,
        headline=mix == "add",
        work="scaling",
        needs=(FMA,) if mix == "vector" else (),
    )


def _tenant(cpu: int, headline: bool) -> Case:
    return Case.reading(
        "tenant",
        "Does somebody unseen run on the sibling thread?",
        "%",
        "nobody",
        "repetitions with issue slots taken",
        args={"cpu": cpu},
        quantity="percent",
        matters=5.0,
        hurts=20.0,
        headline=headline,
        work="tenant",
    )


def _claimed(host: Host) -> list[Pair]:
    return [pair for group in host.facts["cpu"]["siblings"] for pair in combinations(group, 2)]


def _cases(pairs: Sequence[Pair], cpu: int) -> tuple[Case, ...]:
    worth = tuple(_worth(mix, pairs[0]) for mix in MIXES) if pairs else ()
    return (*(_pair(a, b, (a, b) == pairs[0]) for a, b in pairs), *worth, _tenant(cpu, headline=not pairs))


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    """What can be said before the scan: declared siblings first, else the first two processors."""
    usable = set(host.processors)
    declared = [p for p in _claimed(host) if set(p) <= usable]
    pairs = declared[:1] or list(combinations(host.processors[:2], 2))
    return _cases(pairs, host.processors[-1])


def measure(stage: Stage) -> Iterator[Rig]:
    declared, cpus = _claimed(stage.host), stage.host.processors
    pairs: list[Pair] = []
    if len(cpus) > 1:
        scan = stage.core("smt-scan", Turn(Arm(id="scan"), "scan")).samples
        near = [
            ((int(a), int(b)), ns)
            for a, b, ns in zip(scan["cpu"], scan["peer"], scan["handoff_ns"], strict=True)
            if int(a) in cpus and int(b) in cpus
        ]
        pairs = worth_a_look(near, declared)
        each = {f"{a}-{b}": ns for (a, b), ns in near[:1000]}
        stage.note("pairs", {"says": "one way of a cache line between two CPUs", "unit": "ns", "of": each})
    stage.note("claimed", [list(pair) for pair in declared])
    seeds = iter(range(1, 1 << 30))

    def lock_in(turns: Sequence[Turn]) -> Mapping[str, Rep]:
        """One call holds both arms: the lie and the null differ in what the neighbour does in half of the slots."""
        base, other = _in_order(turns, "light")
        same = int(base.arm is other.arm)
        both = stage.core("smt-pair", Turn(other.arm, other.label, other.plant), same=same, seed=next(seeds))
        return _split(both, {base.label: "light_ns", other.label: "hungry_ns"})

    def scaling(turns: Sequence[Turn]) -> Mapping[str, Rep]:
        base, other = _in_order(turns, "whole")
        if base.arm is other.arm:  # a null test: two calls, each read for what one thread does alone
            return {t.label: _split(stage.core("smt-worth", t), {"x": "whole_ns"})["x"] for t in turns}
        both = stage.core("smt-worth", Turn(other.arm, other.label, other.plant))
        return _split(both, {base.label: "whole_ns", other.label: "pair_ns"})

    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        if case.id.startswith("pair"):
            return lock_in(turns)
        if case.id.startswith("worth"):
            return scaling(turns)
        idle = Rep(samples={"percent": [0.0]})
        return {t.label: idle if t.arm.id == "claimed" else stage.core("smt-tenant", t) for t in turns}

    yield Rig(once, _cases(pairs, cpus[-1]))


def _in_order(turns: Sequence[Turn], promised: str) -> tuple[Turn, Turn]:
    """The two turns of a block, the promised one first."""
    first, second = turns
    return (first, second) if first.label in (promised, "promised") else (second, first)


def _split(both: Rep, labels: Mapping[str, str]) -> dict[str, Rep]:
    return {label: replace(both, samples={"ns": both.samples[name]}) for label, name in labels.items()}


PROBE = Probe(
    claim=Claim(
        Layer.CPU,
        says="This machine has {processors} processors.",
        read_from="/sys/devices/system/cpu, topology/thread_siblings_list",
        title="the processors",
    ),
    cases=cases,
    cost=Cost(seconds=20, memory_mib=140),
    measure=measure,
    judge=judge,
    advise=advise,
    delivers=delivers,
    plants=(
        Plant(id="plant_slow=0.5", set={"plant_slow": 0.5}, case="pair-*", expect=1.5, tolerance=0.03, control=True),
        Plant(id="plant_slow=0.06", set={"plant_slow": 0.0625}, case="pair-*", expect=1.0625, tolerance=0.02),
    ),
)
