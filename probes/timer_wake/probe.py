"""timer-wake: how late a sleep of known length really ends."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

from liebench.contract import (
    Args,
    Arm,
    Case,
    Claim,
    Cost,
    Disturbs,
    Events,
    Layer,
    Need,
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

LATENCY = "/dev/cpu_dma_latency"
NO_LATENCY = struct.pack("=i", 0)  # microseconds that any CPU may take to come back from idle
SLEEPS = {"1ms": 1000, "100us": 100, "10ms": 10000}
MATTERS, HURTS = 0.05, 0.20  # of the sleep that was asked for: the same 5 % and 20 % as everywhere


def _late(name: str, sleep_us: int) -> Case:
    return Case.reading(
        f"late-{name}",
        f"How late does a sleep of {name} end?",
        "us",
        "the moment that was asked for",
        "the moment the thread ran again",
        args={"sleep_us": sleep_us, "slack_ns": 0},
        quantity="late_us",
        matters=MATTERS * sleep_us,
        hurts=HURTS * sleep_us,
        headline=name == "1ms",
        work="wake",
    )


def _slack() -> Case:
    return Case.ratio(
        "slack",
        "How much of it is the timer slack every process starts with?",
        "us",
        Arm(id="slack-1ns", says="timer slack 1 ns", args={"sleep_us": 1000, "slack_ns": 1}),
        Arm(id="slack-default", says="the slack the process was given", args={"sleep_us": 1000, "slack_ns": 0}),
        quantity="late_us",
        headline=False,
        work="wake",
    )


def _idle() -> Case:
    idle = "the idle depth of every CPU while it is held"
    touches = Touches(devices=(LATENCY,), other=(idle,), disturbs=Disturbs.HOST)
    args: Args = {"sleep_us": 1000, "slack_ns": 1}
    shallow = {**args, "held": "polling"}
    return Case.ratio(
        "idle",
        "How much of it is the way back from deep idle?",
        "us",
        Arm(id="shallow", says="no CPU may idle deeper than polling", args=shallow, touches=touches),
        Arm(id="deep", says="idle as the kernel chooses", args=args),
        quantity="late_us",
        headline=False,
        work="wake",
        needs=(Need(LATENCY, lambda host: host.exists(LATENCY), "run outside a container, on a kernel with PM QoS"),),
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    return (*(_late(name, us) for name, us in SLEEPS.items()), _slack(), _idle())


def measure(stage: Stage) -> Iterator[Rig]:
    def turn(t: Turn) -> Rep:
        if t.arm.id == "claimed":
            return Rep(samples={"late_us": [0.0]})
        polling = t.arm.args.get("held") == "polling"
        with stage.held(LATENCY, NO_LATENCY) if polling else nullcontext():
            rep = stage.core("timer-wake", t, samples=stage.events(float(t.arm.args["sleep_us"]) + 100))
        return replace(rep, samples={"late_us": [ns / 1000 for ns in rep.samples["late_ns"]]})

    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        return {t.label: turn(t) for t in turns}

    yield Rig(once)


def delivers(verdict: Verdict, host: Host) -> str:
    late = verdict.cases.get("late-1ms", verdict)
    if late.value is None:
        return "Not enough was measured to say how late a sleep ends."
    return f"A sleep of 1 ms ends {late.value:.3g} us late ({late.value / 10:.2g} % of what was asked for)."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    slack = verdict.cases.get("slack")
    if slack is None or slack.word not in (Word.HARMLESS, Word.COSTLY) or slack.value is None:
        return []
    why = f"with the slack it was given a sleep of 1 ms ends {slack.value:.2g} times as late as with 1 ns"
    return [Proposal("timer-slack", "1", why)]


def _timer_softirqs(host: Host) -> int | None:
    """Timer and hrtimer softirqs since boot, all CPUs: an upper bound on expired sleeps (Documentation: proc.rst)."""
    rows = (host.read("/proc/softirqs") or "").splitlines()
    found = [line.split()[1:] for line in rows if line.split()[:1] in (["TIMER:"], ["HRTIMER:"])]
    numbers = [n for row in found for n in row if n.isdigit()]
    return sum(map(int, numbers)) if numbers else None


PROBE = Probe(
    claim=Claim(
        Layer.CLOCK,
        says="sleep(1 ms) sleeps one millisecond.",
        read_from="clock_nanosleep(2), timer slack of the process {timer_slack}",
        title="sleeping one millisecond",
    ),
    cases=cases,
    cost=Cost(seconds=12),
    measure=measure,
    advise=advise,
    delivers=delivers,
    events=Events(
        what="timer softirqs (an upper bound on sleeps that ended)",
        read_from="/proc/softirqs TIMER and HRTIMER",
        count=_timer_softirqs,
        case="late-1ms",
        to_seconds=1e-6,
        is_cpu=False,
    ),
    plants=(
        Plant(
            id="plant_ns=200000",
            set={"plant_ns": 200_000.0},
            case="late-1ms",
            expect=200.0,
            tolerance=10.0,
            control=True,
        ),
        # a longer halt takes longer to leave: up to 32 us here, nothing where no processor halts
        Plant(id="slack_ns=500000", set={"slack_ns": 500_000.0}, case="late-1ms", expect=450.0, tolerance=45.0),
    ),
)
