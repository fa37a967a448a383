"""smt-core: is a processor a core, what is a core's second thread worth, and does somebody unseen run beside us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from math import exp
from statistics import median

from liebench.contract import (
    Arm,
    Case,
    Claim,
    Cost,
    Kind,
    Layer,
    Options,
    Plant,
    Probe,
    Proposal,
    Rep,
    Rig,
    Turn,
    Verdict,
    Word,
)
from liebench.host import Host
from liebench.stage import Stage
from liebench.verdicts import Evidence, case_verdict

HONEST, HARMLESS, COSTLY = Word.HONEST, Word.HARMLESS, Word.COSTLY
NEAR_NS = 20.0  # siblings hand a line over in 4-14 ns, other cores in 15 and more (research, 2): these get a lock-in
SIBLING_NS = 14.5
STACKED_NS, STACKED_TOGETHER = 100_000.0, 0.05
MOST_PAIRS = 4
FULL, GOOD, NONE = 1.9, 1.4, 1.0  # what a pair is worth against one thread (design, section 5)
MIXES = {
    "add": "additions (port-bound)",
    "mul": "a dependent multiplication chain",
    "vector": "fused multiply-adds",
    "load": "loads from the first cache",
    "chase-near": "a pointer chase in 256 KiB",
    "chase-far": "a pointer chase in 64 MiB",
    "branch": "branches that nobody can predict",
}
TENANT = 1 / 0.9  # an issue ratio this far above the best seen means that something took slots

Pair = tuple[int, int]


def _pair(a: int, b: int, headline: bool) -> Case:
    return Case(
        id=f"pair-{a}-{b}",
        asks=f"Do CPU {a} and CPU {b} share a core?",
        quantity="ns",
        unit="ns",
        arms=(
            Arm("light", f"beside multiplications on CPU {b}", True, {"cpu": a, "peer": b}),
            Arm("hungry", f"beside additions on CPU {b}", args={"cpu": a, "peer": b}),
        ),
        headline=headline,
        work="lock-in",
        target=0.04,
    )


def _worth(mix: str, pair: Pair) -> Case:
    a, b = pair
    return Case(
        id=f"worth-{mix}",
        asks=f"What does CPU {b} add to CPU {a} for {MIXES[mix]}?",
        quantity="ns",
        unit="ns",
        arms=(
            Arm("solo", "one of the two alone", True, {"cpu": a, "peer": b, "mix": mix}),
            Arm("pair", "both", args={"cpu": a, "peer": b, "mix": mix}),
        ),
        headline=mix == "add",
        work="scaling",
        target=0.7,  # one look: what a pair is worth is told apart in steps of a third
    )


def _tenant(cpu: int) -> Case:
    return Case(
        id="tenant",
        asks="Does somebody unseen run on the sibling thread?",
        kind=Kind.READING,
        quantity="percent",
        unit="%",
        arms=(
            Arm("claimed", "nobody", promised=True),
            Arm("measured", "repetitions with issue slots taken", args={"cpu": cpu}),
        ),
        matters=5.0,
        hurts=20.0,
        headline=False,
        work="tenant",
    )


def _claimed(host: Host) -> set[Pair]:
    found: set[Pair] = set()
    for group in host.facts["cpu"]["siblings"]:
        found |= set(combinations(group, 2))
    return found


def _cases(pairs: Sequence[Pair], cpu: int) -> tuple[Case, ...]:
    worth = tuple(_worth(mix, pairs[0]) for mix in MIXES) if pairs else ()
    return (*(_pair(a, b, (a, b) == pairs[0]) for a, b in pairs), *worth, _tenant(cpu))


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    """What can be said before the scan: declared siblings first, else the first two processors."""
    usable = set(host.processors)
    declared = [p for p in sorted(_claimed(host)) if set(p) <= usable]
    pairs = declared[:1] or list(combinations(host.processors[:2], 2))
    return _cases(pairs, host.processors[-1])


def worth_a_look(near: Sequence[tuple[Pair, float]], declared: set[Pair]) -> list[Pair]:
    """Pairs to look at closely: a declared one, the closest ones that deny it, the farthest. ``near`` is pair, ns."""
    ordered = sorted(near, key=lambda item: item[1])
    known = [p for p, _ in ordered if p in declared][:1]
    hidden = [p for p, ns in ordered if p not in declared and not STACKED_NS > ns > NEAR_NS][:2]
    return list(dict.fromkeys([*known, *hidden, ordered[0][0], ordered[-1][0]]))[:MOST_PAIRS]


def measure(stage: Stage) -> Iterator[Rig]:
    declared, cpus = _claimed(stage.host), stage.host.processors
    pairs: list[Pair] = []
    if len(cpus) > 1:
        scan = stage.core("smt-scan", Turn(Arm("scan"), "scan")).samples
        near = [
            ((int(a), int(b)), ns)
            for a, b, ns in zip(scan["cpu"], scan["peer"], scan["handoff_ns"], strict=True)
            if int(a) in cpus and int(b) in cpus
        ]
        pairs = worth_a_look(near, declared)
        stage.note("scan", {f"{a}-{b}": ns for (a, b), ns in near[:1000]})
    stage.note("claimed", sorted(map(list, declared)))
    seeds = iter(range(1, 1 << 30))

    def lock_in(turns: Sequence[Turn]) -> Mapping[str, Rep]:
        """One call holds both arms: the lie and the null differ in what the neighbour does in half of the slots."""
        base, other = sorted(turns, key=lambda t: t.label not in ("light", "promised"))
        same = int(base.arm is other.arm)
        both = stage.core("smt-pair", Turn(other.arm, other.label, other.plant), same=same, seed=next(seeds))
        return _split(both, {base.label: "light_ns", other.label: "hungry_ns"})

    def scaling(turns: Sequence[Turn]) -> Mapping[str, Rep]:
        base, other = sorted(turns, key=lambda t: t.label not in ("solo", "promised"))
        if base.arm is other.arm:  # a null test: two calls, each read for what one thread does alone
            return {t.label: _split(stage.core("smt-worth", t), {"x": "solo_ns"})["x"] for t in turns}
        both = stage.core("smt-worth", Turn(other.arm, other.label, other.plant))
        return _split(both, {base.label: "solo_ns", other.label: "pair_ns"})

    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        if case.id.startswith("pair"):
            return lock_in(turns)
        if case.id.startswith("worth"):
            return scaling(turns)
        idle = Rep({"percent": [0.0]})
        return {t.label: idle if t.arm.id == "claimed" else stage.core("smt-tenant", t) for t in turns}

    yield Rig(once, _cases(pairs, cpus[-1]))


def _split(both: Rep, labels: Mapping[str, str]) -> dict[str, Rep]:
    return {label: replace(both, samples={"ns": both.samples[name]}) for label, name in labels.items()}


def judge(evidence: Evidence) -> Verdict:
    """Three questions, three readings of the samples; each starts from the common statistics."""
    if evidence.case.id.startswith("pair"):
        return _relation(evidence)
    if evidence.case.id.startswith("worth"):
        return _value(evidence)
    return _shared(evidence)


def _relation(evidence: Evidence) -> Verdict:
    verdict = case_verdict(evidence)
    if verdict.low is None or verdict.high is None:
        return verdict
    facts = [block["reps"]["hungry"]["facts"] for block in evidence.blocks]
    handoff, together = (median(f[key] for f in facts) for key in ("handoff_ns", "together"))
    a, b = (int(part) for part in evidence.case.id.split("-")[1:])
    claimed = [a, b] in evidence.facts.get("claimed", [])
    word, term = relation(verdict.low, verdict.high, handoff, together, claimed)
    seen = f"hand-off {handoff:.3g} ns, together {100 * together:.0f} % of the time"
    why = f"{term}: D {verdict.value:.3f} ({verdict.low:.3f} … {verdict.high:.3f}), {seen}"
    return replace(verdict, word=word, at_least=None, at_most=None, term=term, why=why)


def relation(low: float, high: float, handoff_ns: float, together: float, claimed: bool) -> tuple[Word, str]:
    """What two processors are to each other, from the interval of D and the two other witnesses."""
    if handoff_ns > STACKED_NS and together < STACKED_TOGETHER:
        return COSTLY, "stacked"
    if low > 1.05:
        hidden = COSTLY if low > 1.2 else HARMLESS
        return (HONEST, "siblings, as claimed") if claimed else (hidden, "hidden siblings")
    if high < 1.05 and handoff_ns > SIBLING_NS:
        return (HARMLESS, "false siblings") if claimed else (HONEST, "distinct cores")
    return Word.INCONCLUSIVE, "cannot tell"


def _value(evidence: Evidence) -> Verdict:
    """The pair's throughput over one thread's: 2 is two processors, 1 is a second thread that adds nothing."""
    # The median: who was preempted says nothing about threads. Its plain interval: such a case gets one look only.
    reading = evidence.reading("pair")
    typical = reading.plain_location or reading.decision.location
    verdict = case_verdict(evidence)
    low, high = exp(-typical.high), exp(-typical.low)
    words = [(FULL, HONEST), (GOOD, Word.HELPFUL), (NONE, HARMLESS), (0.0, COSTLY)]
    least, most = (next((w for limit, w in words if worth >= limit), Word.INCONCLUSIVE) for worth in (low, high))
    word = least if least is most else Word.INCONCLUSIVE
    worth = exp(-typical.estimate)
    why = f"the two together do {worth:.2f} ({low:.2f} … {high:.2f}) times what one does"
    return replace(
        verdict, word=word, at_least=None, at_most=None, value=1 / worth, low=1 / high, high=1 / low, why=why
    )


def _shared(evidence: Evidence) -> Verdict:
    """Share of samples whose issue ratio is worse than the best of the run by a tenth."""
    series = evidence.samples("measured", "issue")
    ordered = sorted(v for samples in series for v in samples)
    best = ordered[len(ordered) // 100]
    blocks = [
        {**block, "reps": {**block["reps"], "measured": {"samples": {"percent": [_over(samples, best)]}}}}
        for block, samples in zip(evidence.blocks, series, strict=True)
    ]
    return case_verdict(replace(evidence, blocks=blocks))


def _over(samples: Sequence[float], best: float) -> float:
    return 100 * sum(v > best * TENANT for v in samples) / len(samples)


def delivers(verdict: Verdict, host: Host) -> str:
    said = []
    pairs = {k: v for k, v in verdict.cases.items() if k.startswith("pair") and v.term}
    for name, v in pairs.items():
        a, b = name.split("-")[1:]
        said.append(f"CPU {a} and CPU {b}: {v.why}")
    scaled = {k: v.value for k, v in verdict.cases.items() if k.startswith("worth-")}
    worth = {k.removeprefix("worth-"): 1 / value for k, value in scaled.items() if value}
    if worth:
        worst, best = min(worth, key=lambda m: worth[m]), max(worth, key=lambda m: worth[m])
        said.append(
            f"one of them busy is {100 / worth[worst]:.0f} % of what both can do for {MIXES[worst]}, "
            f"{100 / worth[best]:.0f} % for {MIXES[best]}"
        )
    return "; ".join(said) + "." if said else "With one processor only its issue slots can be looked at."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    terms = {v.term for v in verdict.cases.values()}
    worth = verdict.cases.get("worth-add")
    if "stacked" in terms:
        return [Proposal("ask-provider", "one hardware thread per vCPU", "two of the processors take turns on one")]
    if "false siblings" in terms:
        return [Proposal("ask-provider", "a topology with one thread per core", "the siblings it declares are not")]
    if "hidden siblings" in terms:
        return [Proposal("ask-provider", "threads per core = 1, or the true topology", "processors share cores unsaid")]
    if "siblings, as claimed" in terms and worth is not None and worth.value and 1 / worth.value < 1.3:
        return [Proposal("pin-per-core", "one worker per core", "the second thread adds less than 30 % for additions")]
    return []


PROBE = Probe(
    Claim(
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
        Plant("plant_slow=0.5", {"plant_slow": 0.5}, "pair-*", expect=1.5, tolerance=0.03, control=True),
        Plant("plant_slow=0.06", {"plant_slow": 0.0625}, "pair-*", expect=1.0625, tolerance=0.02),
    ),
)
