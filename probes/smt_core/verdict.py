"""What smt-core's samples say: the relation of two processors, the worth of a second thread, a tenant unseen. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp
from statistics import median

from liebench.contract import Proposal, Verdict, Word
from liebench.host import Host
from liebench.judge.rule import ORDER
from liebench.judge.verdicts import Evidence, case_verdict

HONEST, HARMLESS, COSTLY = Word.HONEST, Word.HARMLESS, Word.COSTLY
Pair = tuple[int, int]

NEAR_NS = 20.0  # a pair that hands a line over as fast as this gets a closer look
# Siblings hand a line over in 4-14 ns, other cores in 15 and more: 27 x86 machines of the results that come with
# github.com/nviennot/core-to-core-latency.
SIBLING_NS = 14.5
SHARED = 1.3  # D of a block on one core: 1.5-2 (Zen 4: 1.94); of one on two: 1, with bursts 1.2
MOVED = 2  # so many blocks on one core are no accident
MOST_PAIRS = 4
STACKED_NS, STACKED_TOGETHER = 100_000.0, 0.05
FULL, GOOD, NONE = 1.9, 1.4, 1.0  # what a pair is worth against one thread: two cores, a good sibling, nothing
STACKED_WORTH = 1.2  # two processors that do no more than this took turns
TENANT = 1 / 0.9  # an issue ratio this far above that of a processor alone means that something took slots
MIXES = {
    "add": "additions (port-bound)",
    "mul": "a dependent multiplication chain",
    "vector": "fused multiply-adds",
    "load": "loads from the first cache",
    "chase-near": "a pointer chase in 256 KiB",
    "chase-far": "a pointer chase in 64 MiB",
    "branch": "branches that nobody can predict",
}


def worth_a_look(near: Sequence[tuple[Pair, float]], declared: Sequence[Pair]) -> list[Pair]:
    """Pairs to look at closely: a declared one, the closest ones that deny it, the farthest. ``near`` is pair, ns."""
    ordered = sorted(near, key=lambda item: item[1])
    known = [p for p, _ in ordered if p in declared][:1]
    hidden = [p for p, ns in ordered if p not in declared and not STACKED_NS > ns > NEAR_NS][:2]
    return list(dict.fromkeys([*known, *hidden, ordered[0][0], ordered[-1][0]]))[:MOST_PAIRS]


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
    shared = sum(exp(v) > SHARED for v in evidence.reading().effects.location)
    word, term = relation(verdict.low, verdict.high, handoff, together, claimed, shared)
    seen = f"hand-off {handoff:.3g} ns, together {100 * together:.0f} % of the time"
    if 0 < shared < len(facts):
        seen += f", one core in {shared} of {len(facts)} blocks"
    why = f"{term}: D {verdict.value:.3f} ({verdict.low:.3f} … {verdict.high:.3f}), {seen}"
    return replace(verdict, word=word, at_least=None, at_most=None, term=term, why=why)


def relation(
    low: float, high: float, handoff_ns: float, together: float, claimed: bool, shared: int = 0
) -> tuple[Word, str]:
    """What two processors are to each other: from the interval of D, two other witnesses, and ``shared``.

    ``shared`` is the number of blocks in which the two were threads of one core, whatever they are in the others.
    """
    if handoff_ns > STACKED_NS and together < STACKED_TOGETHER:
        return COSTLY, "stacked"
    if low > 1.05:
        hidden = COSTLY if low > 1.2 else HARMLESS
        return (HONEST, "siblings, as claimed") if claimed else (hidden, "hidden siblings")
    if shared >= MOVED and not claimed:
        return HARMLESS, "one core now and then"
    if high < 1.05 and handoff_ns > SIBLING_NS:
        return (HARMLESS, "false siblings") if claimed else (HONEST, "distinct cores")
    return Word.INCONCLUSIVE, "cannot tell"


def _value(evidence: Evidence) -> Verdict:
    """The pair's throughput over one thread's: 2 is two processors, 1 is a second thread that adds nothing."""
    verdict = case_verdict(evidence)
    if verdict.low is None or verdict.high is None:
        return verdict
    reading = evidence.reading("pair")
    typical = reading.decision.location  # the median: who was preempted says nothing about threads
    low, middle, high = (2 * exp(-v) for v in (typical.high, typical.estimate, typical.low))
    possible = worth_words(low, high)
    word = possible[0] if len(possible) == 1 else Word.INCONCLUSIVE
    why = f"the two together do {middle:.2f} ({low:.2f} … {high:.2f}) times what one does"
    stacked = sum(2 * exp(-v) < STACKED_WORTH for v in reading.effects.location)
    if low > GOOD and stacked:
        why += (
            f"; in {stacked} of {reading.units} blocks no more than one: then they shared a core, or a processor below"
        )
    said = replace(verdict, word=word, at_least=possible[0], at_most=possible[-1], why=why)
    return replace(said, value=2 / middle, low=2 / high, high=2 / low)


def worth_words(low: float, high: float) -> list[Word]:
    """Every word that a pair's worth between these two may deserve, the best one first."""
    steps = [(FULL, HONEST), (GOOD, Word.HELPFUL), (NONE, HARMLESS), (0.0, COSTLY)]
    first, last = (next(i for i, (limit, _) in enumerate(steps) if worth >= limit) for worth in (high, low))
    return sorted((word for _, word in steps[first : last + 1]), key=ORDER.index)


def _shared(evidence: Evidence) -> Verdict:
    """Share of samples whose issue ratio is worse by a tenth than what the processor does when it is left alone.

    That is the twentieth part's upper end: an interrupt in the wrong half makes one sample in a hundred look better
    than the processor can be.
    """
    series = evidence.samples("measured", "issue")
    ordered = sorted(v for samples in series for v in samples)
    alone = ordered[len(ordered) // 20]
    blocks = [
        {**block, "reps": {**block["reps"], "measured": {"samples": {"percent": [_over(samples, alone)]}}}}
        for block, samples in zip(evidence.blocks, series, strict=True)
    ]
    verdict = case_verdict(replace(evidence, blocks=blocks))
    if verdict.word is Word.INCONCLUSIVE or verdict.value is None:
        return verdict
    return replace(verdict, why=f"somebody unseen took issue slots in {verdict.value:.0f} % of the samples")


def _over(samples: Sequence[float], alone: float) -> float:
    return 100 * sum(v > alone * TENANT for v in samples) / len(samples)


def delivers(verdict: Verdict, host: Host) -> str:
    said = []
    pairs = {k: v for k, v in verdict.cases.items() if k.startswith("pair") and v.term}
    for name, v in pairs.items():
        a, b = name.split("-")[1:]
        said.append(f"CPU {a} and CPU {b}: {v.why}")
    scaled = {k: v.value for k, v in verdict.cases.items() if k.startswith("worth-")}
    worth = {k.removeprefix("worth-"): 2 / value for k, value in scaled.items() if value}
    if worth:
        worst, best = min(worth, key=lambda m: worth[m]), max(worth, key=lambda m: worth[m])
        text = f"one of them busy is {100 / worth[worst]:.0f} % of what both can do for {MIXES[worst]}"
        said.append(text if worst == best else f"{text}, {100 / worth[best]:.0f} % for {MIXES[best]}")
    tenant = verdict.cases.get("tenant")
    if tenant is not None and tenant.why and tenant.word in (Word.HARMLESS, Word.COSTLY):
        said.append(tenant.why)
    return "; ".join(said) + "." if said else "With one processor only its issue slots can be looked at."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    terms = {v.term for v in verdict.cases.values()}
    worth = verdict.cases.get("worth-add")
    if "stacked" in terms:
        return [Proposal("ask-provider", "one hardware thread per vCPU", "two of the processors take turns on one")]
    if "false siblings" in terms:
        return [Proposal("ask-provider", "a topology with one thread per core", "the siblings it declares are not")]
    if "one core now and then" in terms:
        return [
            Proposal("ask-provider", "vCPUs pinned to cores", "the host moves two processors onto one core at times")
        ]
    if "hidden siblings" in terms:
        return [Proposal("ask-provider", "threads per core = 1, or the true topology", "processors share cores unsaid")]
    if "siblings, as claimed" in terms and worth is not None and worth.value and 2 / worth.value < 1.3:
        return [Proposal("pin-per-core", "one worker per core", "the second thread adds less than 30 % for additions")]
    return []
