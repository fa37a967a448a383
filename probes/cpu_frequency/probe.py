"""cpu-frequency: the cycles a second that the processor says, against those it delivers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from liebench.contract import (
    Args,
    Arm,
    Case,
    Claim,
    Cost,
    Layer,
    Need,
    Option,
    Options,
    Proposal,
    Rep,
    Rhythm,
    Rig,
    Turn,
    Verdict,
    Word,
)
from liebench.errors import UsageError
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.stage.needs import FMA
from liebench.stage.stage import Stage

SAYS = Need("a frequency that the host states", lambda host: claimed_mhz(host) is not None, "none: nothing is claimed")

SUSTAIN = Option("sustain_s", "0", "seconds of work on every processor before `sustained` is timed; 0 leaves it out")


def claimed_mhz(host: Host) -> float | None:
    """What the host states: the highest of cpufreq, else /proc/cpuinfo, else the brand's own figure."""
    khz = host.read("/sys/devices/system/cpu/cpu0/cpufreq/base_frequency")
    stated = (host.facts["cpu"].get("processor") or {}).get("hz_advertised") or [0]
    known = host.facts["cpu"]["mhz"] or (float(stated[0]) / 1e6 if stated[0] else None)
    return float(khz) / 1000 if khz and khz.isdigit() else known


def _cycle(name: str, asks: str, headline: bool, args: Args) -> Case:
    stated, timed = (
        Arm(id="claimed", says="one cycle as stated"),
        Arm(id="measured", says="one cycle as timed", args=args),
    )
    needs = (SAYS, FMA) if args["chain"] == "vector" else (SAYS,)
    return Case.ratio(name, asks, "ns", stated, timed, headline=headline, work="chain", needs=needs)


def _chains() -> Case:
    return Case.law(
        "chains",
        "Do chains of different instructions agree about the cycle?",
        "ns",
        Arm(id="add", says="additions", args={"chain": "add"}),
        Arm(id="mul", says="multiplications", args={"chain": "mul"}),
        matters=1.02,
        hurts=1.05,
        target=0.01,
        headline=False,
        work="chain",
    )


def _sustained(host: Host, seconds: int) -> Case:
    """Six times a rest and a start, and a start after so long: CPU seconds of all processors must be allowed."""
    limit_s = 60 + (seconds + 5) * len(host.processors)
    busy: Args = {"chain": "mul", "load": "all", "limit_s": limit_s}
    return Case.ratio(
        "sustained",
        f"How long is it after {seconds} s of every processor working?",
        "ns",
        Arm(id="start", says="after a rest", args={**busy, "rest_s": min(seconds, 10)}),
        Arm(id="later", says=f"after {seconds} s of work", args={**busy, "heat_s": seconds}),
        rhythm=Rhythm.ONCE,
        headline=False,
        work="heat",
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    seconds = options.get(SUSTAIN.name, "0")
    if not seconds.isdigit() or int(seconds) > 600:
        raise UsageError(f"cpu-frequency.sustain_s takes 0 to 600 seconds, not {seconds!r}")
    solo = _cycle("solo", "How long is a cycle when nobody else works?", True, {"chain": "mul"})
    every = _cycle("all", "How long is it when every processor works?", False, {"chain": "mul", "load": "all"})
    wide = _cycle("vector", "How long is it under wide vectors?", False, {"chain": "vector"})
    late = (_sustained(host, int(seconds)),) if int(seconds) else ()
    return (solo, *((every,) if len(host.processors) > 1 else ()), wide, _chains(), *late)


def measure(stage: Stage) -> Iterator[Rig]:
    mhz = claimed_mhz(stage.host)

    def turn(t: Turn) -> Rep:
        if t.arm.id == "claimed":
            return Rep(samples={"ns": [1000 / mhz]} if mhz else {})
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
        for k, where in (
            ("all", "with every processor busy"),
            ("vector", "under vectors"),
            ("sustained", "after long work on every processor"),
        )
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
    claim=Claim(
        Layer.CPU,
        says="This processor runs at {mhz} MHz.",
        read_from="/proc/cpuinfo, cpufreq/base_frequency",
        title="the processor's frequency",
    ),
    cases=cases,
    cost=Cost(seconds=6),
    measure=measure,
    advise=advise,
    delivers=delivers,
    options=(SUSTAIN,),
    plants=(
        Plant(id="plant_share=0.5", set={"plant_share": 0.5}, case="solo", expect=1.5, tolerance=0.03, control=True),
        Plant(id="plant_share=0.1", set={"plant_share": 0.1}, case="solo", expect=1.1, tolerance=0.03),
    ),
)
