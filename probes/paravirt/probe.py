"""paravirt: which help the hypervisor offers, which of it is used, and what the switchable part is worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext

from liebench.contract import (
    Arm,
    Case,
    Claim,
    Cost,
    Disturbs,
    Kind,
    Layer,
    Meaning,
    Need,
    Options,
    Rep,
    Rig,
    Touches,
    Turn,
    Word,
)
from liebench.facts.cpuid import Told, decode, parse
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.probes.paravirt.verdict import POLL, POLL_NS, advise, delivers, judge
from liebench.stage.stage import Stage

TRIPS, SAMPLES = 10, 20  # fixed: a calibration under one setting would make the other ten times as long
EMULATED = {
    "0x8086:0x100e": "e1000", "0x8086:0x100f": "e1000", "0x10ec:0x8139": "rtl8139", "0x1022:0x2000": "pcnet",
    "0x8086:0x7010": "IDE", "0x8086:0x7111": "IDE",
}  # fmt: skip
X86 = Need("an x86 processor", lambda host: host.x86, "elsewhere user space cannot ask what is offered")
HALTPOLL = Need(
    "the haltpoll governor in force",
    lambda host: bool(host.facts["virt"]["halt_poll"]),
    "a guest of KVM with CONFIG_HALTPOLL_CPUIDLE and its driver loaded: without it the setting is inert",
)
TWO_CPUS = Need("two CPUs", lambda host: len(host.processors) > 1, "with one CPU nobody wakes anybody across")

OFFERS = {
    "used": Meaning(Word.HONEST, "everything that is offered and can be looked up is used", "used"),
    "unused": Meaning(Word.HARMLESS, "something is offered and not used", "unused"),
    "no steal clock": Meaning(
        Word.HARMLESS, "no steal clock is offered: the steal column is zero by construction", "no steal clock"
    ),
    "not applicable": Meaning(Word.HONEST, "no hypervisor is announced", "not applicable"),
    "unknown": Meaning(Word.INCONCLUSIVE, "a hypervisor whose offers cannot be decoded", "unknown"),
}
DEVICES = {
    "paravirtual": Meaning(Word.HONEST, "its devices know that they are in a guest"),
    "emulated": Meaning(Word.COSTLY, "an old device is emulated in software", "emulated"),
    "none": Meaning(Word.HONEST, "no device of a hypervisor was seen"),
}


def _polling() -> Case:
    touches = Touches(keys=(POLL,), other=("the idle loop of every CPU",), disturbs=Disturbs.HOST)
    return Case.ratio(
        "halt-poll",
        "What is polling before the halt worth to a wake-up across processors?",
        "ns",
        Arm(id="polling", says=f"polls for {int(POLL_NS) // 1000} us", args={"poll": POLL_NS}, touches=touches),
        Arm(id="halting", says="halts at once", args={"poll": "0"}, touches=touches),
        headline=False,
        work="wake-pair",
        needs=(HALTPOLL, TWO_CPUS),
    )


def _wake() -> Case:
    return Case.ratio(
        "wake",
        "What does a wake-up across processors cost against one on the same?",
        "ns",
        Arm(id="same", says="both threads on one processor", args={"poll": "", "same": 1}),
        Arm(id="across", says="on two", args={"poll": "", "same": 0}),
        hurts=5.0,
        headline=False,
        work="wake-pair",
        needs=(TWO_CPUS,),
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    sources = "cpuid, sysfs and the kernel's own state"
    return (
        Case.fact("offers", "Is what the hypervisor offers used?", sources, OFFERS),
        Case.fact("devices", "Do the devices know that they are in a guest?", sources, DEVICES),
        _wake(),
        _polling(),
    )


def unused(told: Told, host: Host) -> list[str]:
    """Offered features that this kernel visibly does not use. What cannot be looked up is not claimed."""
    sources = (host.read("/sys/devices/system/clocksource/clocksource0/available_clocksource") or "").split()
    driver = host.facts["cpu"]["idle_driver"]
    visible = {
        "clocksource2": "kvm-clock" in sources,
        "poll-control": driver == "haltpoll" or driver is None,
        "reference-tsc": "hyperv_clocksource_tsc_page" in sources,
    }
    return [name for name in told.offered if visible.get(name) is False]


def offers(told: Told, host: Host) -> str:
    if told.family == "bare metal":
        return "not applicable"
    if not told.offered:
        return "unknown"
    if unused(told, host):
        return "unused"
    return "no steal clock" if told.family == "KVM" and "steal-time" not in told.offered else "used"


def devices(host: Host) -> tuple[str, list[str]]:
    """(value of the fact, emulated devices): PCI ids of sysfs, and the virtio bus."""
    found = []
    for name in host.names("/sys/bus/pci/devices"):
        ids = [host.read(f"/sys/bus/pci/devices/{name}/{part}") for part in ("vendor", "device")]
        found += [EMULATED[key] for key in (":".join(i or "" for i in ids),) if key in EMULATED]
    if found:
        return "emulated", found
    return (
        "paravirtual" if host.names("/sys/bus/virtio/devices") or host.names("/sys/bus/xen/devices") else "none"
    ), []


def measure(stage: Stage) -> Iterator[Rig]:
    host = stage.host

    def seen(case: Case, t: Turn) -> Rep:
        if case.id == "devices":
            value, emulated = devices(host)
            return Rep(samples={}, facts={"value": value, "emulated": emulated})
        told = decode(parse(str(stage.core("cpuid-dump", t).facts["leaves"])))
        facts = {"value": offers(told, host), "offered": list(told.offered), "unused": unused(told, host)}
        return Rep(samples={}, facts=facts)

    def wake(t: Turn) -> Rep:
        poll = str(t.arm.args["poll"])
        first, last = host.processors[0], host.processors[-1]
        pair = {"cpu": last, "peer": last if t.arm.args.get("same") else first}
        bare = Turn(Arm(id=t.arm.id, args=pair), t.label, t.plant)
        with stage.value(POLL, poll) if poll else nullcontext():
            return stage.core("wake-pair", bare, ops=TRIPS, samples=SAMPLES)

    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        return {t.label: seen(case, t) if case.kind is Kind.FACT else wake(t) for t in turns}

    yield Rig(once)


PROBE = Probe(
    claim=Claim(
        Layer.VIRT,
        says="The features that the hypervisor offers are used.",
        read_from="cpuid 0x40000001, clocksource, cpuidle, PCI ids",
        title="help from the hypervisor",
    ),
    cases=cases,
    cost=Cost(seconds=4),
    needs=(X86,),
    measure=measure,
    advise=advise,
    judge=judge,
    delivers=delivers,
    plants=(
        Plant(id="plant_share=0.5", set={"plant_share": 0.5}, case="wake", expect=1.5, tolerance=0.1, control=True),
    ),
)
