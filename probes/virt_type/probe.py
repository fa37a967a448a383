"""virt-type: what the labels say we run on, and whether what we measure agrees with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from liebench.contract import (
    Arm,
    Case,
    Claim,
    Cost,
    Layer,
    Meaning,
    Need,
    Options,
    Rep,
    Rig,
    Running,
    Subject,
    Turn,
    Verdict,
    Word,
)
from liebench.facts.cpuid import SIGNATURES, Told, decode, parse
from liebench.host import Host
from liebench.probe import Probe
from liebench.stage.needs import KVM
from liebench.stage.stage import Stage

X86 = Need("an x86 processor", lambda host: host.x86, "elsewhere user space cannot ask the hypervisor who it is")
EXIT, NESTED = 900.0, 8000.0  # core cycles of one cpuid: from here on somebody intercepts, and is a guest itself
IMITATED = 12.0  # core cycles of a floating-point multiplication: 3-5 on hardware, tens in software
MAKERS = {
    "QEMU": "KVM", "Amazon EC2": "KVM", "Google": "KVM", "DigitalOcean": "KVM", "Alibaba": "KVM",
    "Microsoft Corporation": "Hyper-V", "VMware": "VMware", "Xen": "Xen", "innotek": "VirtualBox",
}  # fmt: skip
PLANTED = "LieBenchLies"  # twelve letters, the length of a signature

LABELS = {
    name: Meaning(Word.HONEST, f"cpuid says {name}", name)
    for name in ("bare metal", *dict.fromkeys(SIGNATURES.values()))
} | {"unknown": Meaning(Word.INCONCLUSIVE, "a hypervisor that does not say who it is", "unknown")}
AGREE = {
    "agree": Meaning(Word.HONEST, "what cpuid, DMI and sysfs say fits what an exit costs"),
    "nested": Meaning(
        Word.HARMLESS, "the hypervisor that is named is itself a guest: an exit costs too much for one level", "nested"
    ),
    "software": Meaning(
        Word.COSTLY, "the processor is imitated in software: a multiplication takes tens of cycles", "software"
    ),
    "contradiction": Meaning(Word.HARMLESS, "the labels contradict each other", "contradiction"),
    "hidden": Meaning(Word.COSTLY, "no label admits a hypervisor, but instructions are intercepted", "hidden"),
}
OURS = {
    "believed": Meaning(Word.HONEST, "a guest of ours reads the name that its host made up: labels are not evidence"),
    "corrected": Meaning(Word.INCONCLUSIVE, "the hypervisor below does not let a host choose what its guest is told"),
}


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    says, labels = "cpuid from user space", "Do the labels agree with each other and with what is measured?"
    ours: Running = {"subject": Subject.RIG, "headline": False, "work": "compute", "needs": (KVM,)}
    return (
        Case.fact("labels", "Who do the labels say we run on?", says, LABELS),
        Case.fact("agreement", labels, says, AGREE),
        Case.fact("our-guest", "Can a host make a name up?", says, OURS, **ours),
    )


def family_of(host: Host) -> str | None:
    """What DMI and sysfs say; None where they say nothing that is known."""
    virt = host.facts["virt"]
    if virt["hypervisor"] == "xen":
        return "Xen"
    maker = str(virt["vendor"] or "")
    return next((family for name, family in MAKERS.items() if maker.startswith(name)), None)


def agreement(told: Told, dmi: str | None, cycles: float, float_cycles: float) -> str:
    """Labels against each other and against one cpuid in core cycles."""
    if float_cycles > IMITATED:
        return "software"
    if not told.hypervisor_bit:
        return "hidden" if cycles > EXIT else "contradiction" if dmi not in (None, "Hyper-V") else "agree"
    if dmi is not None and told.family not in ("unknown", dmi):
        return "contradiction"
    if cycles > NESTED:
        return "nested"
    return "agree"


def measure(stage: Stage) -> Iterator[Rig]:
    def seen(case: Case, t: Turn) -> Rep:
        if case.id == "our-guest":
            rep = stage.core("kvm-cpuid", t, signature=PLANTED)
            return replace(
                rep, facts={**rep.facts, "value": "believed" if rep.facts["inside"] == PLANTED else "corrected"}
            )
        dump = stage.core("cpuid-dump", t)
        told = decode(parse(str(dump.facts["leaves"])))
        if case.id == "labels":
            return replace(dump, facts={**dump.facts, "value": told.family, "offered": list(told.offered)})
        cost = stage.core("vm-exit", Turn(Arm(id="cpuid", args={"op": "cpuid"}), t.label))
        # The cheapest exit seen: whatever interferes makes one dearer and would read as nested.
        cycles, floats = min(cost.samples["ns"]) / float(cost.facts["cycle_ns"]), float(cost.facts["float_cycles"])
        value = agreement(told, family_of(stage.host), cycles, floats)
        facts = {"value": value, "cycles": cycles, "float_cycles": floats, "family": told.family}
        return replace(cost, samples={}, facts=facts)

    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        return {t.label: seen(case, t) for t in turns}

    yield Rig(once)


def delivers(verdict: Verdict, host: Host) -> str:
    label, agree = verdict.cases.get("labels"), verdict.cases.get("agreement")
    said = [f"cpuid says {label.term}"] if label is not None and label.term else []
    said += [agree.why] if agree is not None and agree.why else []
    return "; ".join(said) + "." if said else "cpuid says nothing here."


PROBE = Probe(
    claim=Claim(
        Layer.VIRT,
        says="You run on what the labels say.",
        read_from="cpuid 0x1 and 0x40000000, DMI, /sys/hypervisor",
        title="the machine's name",
    ),
    cases=cases,
    cost=Cost(seconds=1),
    needs=(X86,),
    measure=measure,
    delivers=delivers,
)
