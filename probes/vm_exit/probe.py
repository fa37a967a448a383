"""vm-exit: what it costs when the processor has to ask the hypervisor, seen from unprivileged user space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median

from liebench.contract import (
    Arm,
    Case,
    Claim,
    Cost,
    Kind,
    Layer,
    Need,
    Options,
    Plant,
    Probe,
    Proposal,
    Rep,
    Rig,
    Subject,
    Turn,
    Verdict,
    Word,
)
from liebench.host import Host
from liebench.stage import Stage
from liebench.verdicts import Evidence, case_verdict

HARDWARE = 200.0  # core cycles of a cpuid that nobody intercepts: 70-300 (research, 3)
# class, from, to (core cycles of one cpuid), word. The gaps between them read "cannot tell".
CLASSES = (
    ("none", 0.0, 400.0, Word.HONEST),
    ("one level", 900.0, 3000.0, Word.HARMLESS),
    ("nested", 8000.0, float("inf"), Word.COSTLY),
)
IMITATED = 12.0  # core cycles of a floating-point multiplication: 3-5 on hardware, tens in software
SPINS = (0, 5, 20, 100)
X86 = Need("an x86 processor", lambda host: host.x86, "elsewhere user space has no instruction that exits")
KVM = Need("/dev/kvm", lambda host: host.writable("/dev/kvm"), "run as root or in the group kvm, where it is offered")


def _class() -> Case:
    return Case(
        id="class",
        asks="How far is it from an instruction to whoever intercepts it?",
        kind=Kind.READING,
        quantity="cycles",
        unit="cycles",
        arms=(Arm("claimed", "as on hardware", promised=True), Arm("measured", "one cpuid", args={"op": "cpuid"})),
        matters=200.0,
        hurts=7800.0,
        work="exit",
        target=500.0,
    )


def _ratio(host: Host) -> Case:
    return Case(
        id="cpuid",
        asks="What does an intercepted instruction cost against one that never is?",
        quantity="ns",
        unit="ns",
        arms=(
            Arm("xgetbv", "xgetbv, which never exits", True, {"op": "xgetbv"}),
            Arm("cpuid", "cpuid", args={"op": "cpuid"}),
        ),
        matters=10.0,  # hardware itself takes five to ten times as long for it
        hurts=40.0,
        headline=False,
        work="exit",
    )


def _witness(host: Host) -> Case:
    a, b = host.processors[0], host.processors[-1]
    return Case(
        id="witness",
        asks="Does the clock hide the hypervisor's time?",
        quantity="ns",
        unit="ns",
        arms=(
            Arm("clock", "one cpuid by the clock", True, {"cpu": b, "peer": a}),
            Arm("counted", f"by a thread that counts on CPU {a}", args={"cpu": b, "peer": a}),
        ),
        matters=1.25,
        hurts=2.0,
        headline=False,
        work="witness",
    )


def _rig() -> Case:
    arms = tuple(Arm(f"spin-{us}us", f"our host spins {us} us", us == 0, {"spin_us": us}, number=us) for us in SPINS)
    return Case(
        id="our-host",
        asks="Is a hypervisor that takes X us longer found to take X us longer?",
        kind=Kind.LAW,
        linear=True,
        quantity="us",
        unit="us",
        arms=arms,
        matters=1.05,
        hurts=1.2,
        subject=Subject.RIG,
        headline=False,
        work="rig",
        target=0.1,
        needs=(KVM,),
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    pair = (_witness(host),) if len(host.processors) > 1 else ()
    return (_class(), _ratio(host), *pair, _rig())


def measure(stage: Stage) -> Iterator[Rig]:
    def turn(case: Case, t: Turn) -> Rep:
        if case.id == "our-host":
            rep = stage.core("kvm-exit", t, ops=20, samples=8)
            return replace(rep, samples={"us": [ns / 1000 for ns in rep.samples["ns"]]})
        if t.arm.id == "claimed":
            return Rep({"cycles": [HARDWARE]})
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


def judge(evidence: Evidence) -> Verdict:
    verdict = case_verdict(evidence)
    if evidence.case.id != "class" or verdict.low is None or verdict.high is None:
        return verdict
    facts = [block["reps"]["measured"]["facts"] for block in evidence.blocks]
    ghz = 1 / median(f["cycle_ns"] for f in facts)
    floats = median(f["float_cycles"] for f in facts)
    low, middle, high = (v + HARDWARE for v in (verdict.low, verdict.value or 0.0, verdict.high))
    word, term = exit_class(low, high, floats)
    why = f"{term}: one cpuid takes {middle:.0f} core cycles ({low:.0f} … {high:.0f})"
    return replace(verdict, word=word, at_least=None, at_most=None, term=term, why=f"{why} at {ghz:.2f} GHz")


def exit_class(low: float, high: float, float_cycles: float) -> tuple[Word, str]:
    """The class of whoever intercepts, from the interval of one cpuid and a float multiplication, in core cycles."""
    if float_cycles > IMITATED:
        return Word.COSTLY, "software"
    found = next(((word, name) for name, start, end, word in CLASSES if start <= low and high <= end), None)
    return found or (Word.INCONCLUSIVE, "cannot tell")


def delivers(verdict: Verdict, host: Host) -> str:
    exit_ = verdict.cases.get("class", verdict)
    witness = verdict.cases.get("witness")
    said = [exit_.why or "Not enough was measured to say what an exit costs"]
    if witness is not None and witness.value is not None:
        agrees = witness.word in (Word.HONEST, Word.HELPFUL)
        said.append(
            "a thread that counts on another processor agrees with the clock"
            if agrees
            else f"a thread that counts on another processor saw {witness.value:.2g} times as much as the clock"
        )
    return "; ".join(said) + "."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    term = verdict.cases.get("class", verdict).term
    if term in ("nested", "software"):
        why = f"leaving the guest is a {term} affair here: every wake-up, timer and interrupt pays for it"
        return [
            Proposal("ask-provider", "a host that is not itself a guest", why),
            Proposal("fewer-wakes", "gather wake-ups, timers and packets into batches", why),
        ]
    return []


PROBE = Probe(
    Claim(
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
        Plant("plant_share=0.5", {"plant_share": 0.5}, "cpuid", expect=1.5, tolerance=0.05, control=True),
        Plant("plant_hide=0.9", {"plant_hide": 0.9}, "witness", expect=0.1, tolerance=0.25),
    ),
)
