"""clock-read: what one look at the clock costs, against the hardware counter beneath it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from liebench.contract import (
    Arm,
    Case,
    Claim,
    Cost,
    Disturbs,
    Kind,
    Layer,
    Options,
    Proposal,
    Rep,
    Rig,
    Touches,
    Turn,
    Verdict,
    Word,
)
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.stage.stage import Stage

SOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
HURTS = 4.0  # a vDSO read is a counter read and some arithmetic (2-3 counters here); a system call is 7 and more
CLOCKS = {
    "monotonic": "CLOCK_MONOTONIC",
    "realtime": "CLOCK_REALTIME",
    "raw": "CLOCK_MONOTONIC_RAW",
    "boottime": "CLOCK_BOOTTIME",
    "tai": "CLOCK_TAI",
    "realtime-coarse": "CLOCK_REALTIME_COARSE",
    "process-cpu": "CLOCK_PROCESS_CPUTIME_ID",
    "thread-cpu": "CLOCK_THREAD_CPUTIME_ID",
}
COUNTER = Arm(id="counter", says="the processor's counter, read directly", args={"clock": "counter"})


def _read(name: str, via: str, says: str, headline: bool = False) -> Case:
    clock = "monotonic" if via == "syscall" else name
    asks = f"What does a read of {says} cost?"
    arm = Arm(id=name, says=says, args={"clock": clock, "via": via})
    return Case.ratio(name, asks, "ns", COUNTER, arm, hurts=HURTS, headline=headline, work="read")


def _sources(host: Host) -> Iterator[Case]:
    """One case per clocksource the kernel offers besides the current one. Switching is host-wide."""
    current = host.facts["clock"]["current"]
    touches = Touches(keys=(SOURCE,), disturbs=Disturbs.HOST)

    def source(name: str) -> Arm:
        return Arm(id=name, says=f"clocksource {name}", args={"source": name}, touches=touches)

    for other in host.facts["clock"]["available"]:
        if other != current:
            asks = f"What would a read cost with the clocksource {other}?"
            arms = source(current), source(other)
            yield Case.ratio(f"source-{other}", asks, "ns", *arms, hurts=HURTS, headline=False, work="read")


def _step() -> Case:
    """A reading whose claim is read from the kernel too, so it has arguments."""
    claimed = Arm(id="claimed", says="clock_getres", promised=True, args={"clock": "monotonic"})
    measured = Arm(id="measured", says="smallest step between two reads", args={"clock": "monotonic"})
    return Case(
        id="step",
        asks="How fine is the clock really?",
        kind=Kind.READING,
        quantity="ns",
        unit="ns",
        arms=(claimed, measured),
        matters=100.0,  # what a fast operation lasts; below this the step is lost in any real measurement
        hurts=1000.0,
        headline=False,
        work="step",
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    reads = [_read(name, "libc", says, headline=name == "monotonic") for name, says in CLOCKS.items()]
    return (*reads, _read("syscall", "syscall", "CLOCK_MONOTONIC by system call"), _step(), *_sources(host))


def measure(stage: Stage) -> Iterator[Rig]:
    def turn(case: Case, t: Turn) -> Rep:
        if case.id == "step":
            rep = stage.core("clock-step", t)
            value = [rep.facts["getres_ns"]] if t.arm.id == "claimed" else rep.samples["step_ns"]
            return Rep(
                samples={"ns": value},
                offsets_ns=(),
                start_ns=rep.start_ns,
                elapsed_ns=rep.elapsed_ns,
                alibi=rep.alibi,
                sentinel=rep.sentinel,
                args=rep.args,
                facts=rep.facts,
            )
        if "source" in t.arm.args:
            with stage.value(SOURCE, str(t.arm.args["source"])):
                return stage.core("clock-read", t, clock="monotonic", via="libc")
        return stage.core("clock-read", t)

    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        return {t.label: turn(case, t) for t in turns}

    yield Rig(once)


def delivers(verdict: Verdict, host: Host) -> str:
    read = verdict.cases.get("monotonic", verdict)
    if read.delivered is None or read.promised is None:
        return "Not enough was measured to say what a read costs."
    way = "through a system call" if read.word is Word.COSTLY else "without a system call"
    return f"One read takes {read.delivered:.3g} ns, {way}; the counter beneath it {read.promised:.3g} ns."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    clock = host.facts["clock"]
    slow = verdict.word is Word.COSTLY
    sane = clock.get("tsc_constant") and clock.get("tsc_nonstop")
    if slow and clock["current"] != "tsc" and "tsc" in clock["available"] and sane:
        why = f"reads go through {clock['current']}; the tsc is constant and does not stop here"
        return [Proposal("clocksource", "tsc", why)]
    if slow:
        return [Proposal("coarse-clock", "CLOCK_REALTIME_COARSE", "every precise read is a system call on this host")]
    return []


PROBE = Probe(
    claim=Claim(
        Layer.CLOCK,
        says="Reading the clock is free: clock_gettime needs no system call (clocksource {clocksource}).",
        read_from=SOURCE,
        title="reading the clock",
    ),
    cases=cases,
    cost=Cost(seconds=8),
    measure=measure,
    advise=advise,
    delivers=delivers,
    plants=(
        Plant(
            id="plant_share=0.5", set={"plant_share": 0.5}, case="monotonic", expect=1.5, tolerance=0.03, control=True
        ),
        Plant(id="plant_share=0.1", set={"plant_share": 0.1}, case="monotonic", expect=1.1, tolerance=0.03),
    ),
)
