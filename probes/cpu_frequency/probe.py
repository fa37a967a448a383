"""cpu-frequency: the cycles a second that the processor says, against those it delivers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

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
    Turn,
    Verdict,
    Word,
)
from liebench.host import Host
from liebench.stage import Stage

SAYS = Need("a frequency that the host states", lambda host: claimed_mhz(host) is not None, "none: nothing is claimed")


def claimed_mhz(host: Host) -> float | None:
    """What the host states: the highest of cpufreq, else /proc/cpuinfo, else the brand's own figure."""
    khz = host.read("/sys/devices/system/cpu/cpu0/cpufreq/base_frequency")
    stated = (host.facts["cpu"].get("processor") or {}).get("hz_advertised") or [0]
    known = host.facts["cpu"]["mhz"] or (float(stated[0]) / 1e6 if stated[0] else None)
    return float(khz) / 1000 if khz and khz.isdigit() else known


def _case(name: str, asks: str, headline: bool, **args: str) -> Case:
    return Case(
        id=name,
        asks=asks,
        quantity="ns",
        unit="ns",
        arms=(Arm("claimed", "one cycle as stated", promised=True), Arm("measured", "one cycle as timed", args=args)),
        headline=headline,
        work="chain",
        needs=(SAYS,),
    )


def _chains() -> Case:
    return Case(
        id="chains",
        asks="Do chains of different instructions agree about the cycle?",
        kind=Kind.LAW,
        quantity="ns",
        unit="ns",
        arms=(
            Arm("add", "additions", True, {"chain": "add"}),
            Arm("mul", "multiplications", args={"chain": "mul"}),
        ),
        matters=1.02,
        hurts=1.05,
        headline=False,
        work="chain",
        target=0.01,
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    solo = _case("solo", "How long is a cycle when nobody else works?", True, chain="mul")
    every = _case("all", "How long is it when every processor works?", False, chain="mul", load="all")
    wide = _case("vector", "How long is it under wide vectors?", False, chain="vector")
    return (solo, *((every,) if len(host.processors) > 1 else ()), wide, _chains())


def measure(stage: Stage) -> Iterator[Rig]:
    mhz = claimed_mhz(stage.host)

    def turn(t: Turn) -> Rep:
        if t.arm.id == "claimed":
            return Rep({"ns": [1000 / mhz]} if mhz else {})
        rep = stage.core("cpu-frequency", t)
        return replace(rep, samples={"ns": [ns / float(rep.facts["cycles"]) for ns in rep.samples["ns"]]})

    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        return {t.label: turn(t) for t in turns}

    yield Rig(once)


def delivers(verdict: Verdict, host: Host) -> str:
    def ghz(name: str) -> str | None:
        v = verdict.cases.get(name)
        return None if v is None or not v.delivered else f"{1 / v.delivered:.2f} GHz"

    said = [ghz("solo") or "an unknown frequency"]
    said += [
        f"{ghz(k)} {where}"
        for k, where in (("all", "with every processor busy"), ("vector", "under vectors"))
        if ghz(k)
    ]
    chains = verdict.cases.get("chains")
    doubt = chains is not None and chains.word in (Word.HARMLESS, Word.COSTLY)
    return f"It runs at {', '.join(said)}" + ("; but its chains disagree, so believe none of it." if doubt else ".")


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    if verdict.word is not Word.COSTLY:
        return []
    if host.facts["cpu"]["governor"] not in (None, "performance"):
        return [Proposal("governor", "performance", "a busy thread does not get the frequency that the host states")]
    return [Proposal("ask-provider", "the frequency that was sold", "a busy thread does not get what the host states")]


PROBE = Probe(
    Claim(
        Layer.CPU,
        says="{mhz} MHz.",
        read_from="/proc/cpuinfo, cpufreq/base_frequency",
        title="the processor's frequency",
    ),
    cases=cases,
    cost=Cost(seconds=6),
    measure=measure,
    advise=advise,
    delivers=delivers,
    plants=(
        Plant("plant_share=0.5", {"plant_share": 0.5}, "solo", expect=1.5, tolerance=0.03, control=True),
        Plant("plant_share=0.1", {"plant_share": 0.1}, "solo", expect=1.1, tolerance=0.03),
    ),
)
