"""clock-jump: does time only go forward, at one speed, now and since the boot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from liebench.contract import (
    Case,
    Claim,
    Cost,
    Disturbs,
    Layer,
    Meaning,
    Options,
    Proposal,
    Rep,
    Rhythm,
    Rig,
    Touches,
    Turn,
    Verdict,
    Word,
)
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.stage.clock import step
from liebench.stage.stage import Stage
from liebench.stats.clocks import Ticks, residual_limit, steps

HONEST, COSTLY = Word.HONEST, Word.COSTLY
STEPPED = {
    "none": Meaning(HONEST, "no step was seen"),
    "stepped": Meaning(COSTLY, "the wall clock was set while it was watched", "stepped"),
}
SUSPENDED = {
    "none": Meaning(HONEST, "the host was not suspended and no other clock stepped"),
    "paused": Meaning(COSTLY, "CLOCK_MONOTONIC stood still while CLOCK_BOOTTIME went on", "paused"),
    "late": Meaning(Word.HARMLESS, "the watcher itself was stopped for a while; the clocks were not", "watcher late"),
}
PAST = {
    "none": Meaning(HONEST, "the wall clock agrees with the stamps of the boot"),
    "jumped": Meaning(COSTLY, "the wall clock was set, or the machine paused and resumed, after the boot", "jumped"),
    "no witness": Meaning(Word.INCONCLUSIVE, "no stamp of the boot is readable here", "no witness"),
}
STEP_NS = 50_000_000  # what we plant: larger than any slew, smaller than what applications notice
LATE_NS = 100_000_000  # a watcher that answers after 0.1 s was stopped, not merely preempted


def _fact(name: str, asks: str, says: str, words: Mapping[str, Meaning], rhythm: Rhythm, headline: bool = True) -> Case:
    work = "watch" if rhythm is Rhythm.WATCH else "facts"
    return Case.fact(
        name, asks, says, words, quantity="step_ns", unit="ns", rhythm=rhythm, headline=headline, work=work
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    return (
        _fact("steps", "Was the wall clock set during the run?", "CLOCK_REALTIME against RAW", STEPPED, Rhythm.WATCH),
        _fact("past", "Was it set since the boot?", "stamps of the boot against btime", PAST, Rhythm.BLOCK),
        _fact("pauses", "Did time stand still?", "BOOTTIME against MONOTONIC", SUSPENDED, Rhythm.WATCH, headline=False),
    )


def _steps(ticks: Ticks, case: Case, t: Turn) -> Rep:
    """Steps of the wall clock in one window, each with its time; the kernel's own word (ECANCELED) beside them."""
    at, offset, _ = ticks.pair("realtime", "raw")
    found = [size for _, size in steps(at, offset)]
    told = ticks.total("cancelled")
    value = "stepped" if found or told else "none"
    facts = {"value": value, "steps_ns": found, "kernel_says_set": told, "limit_ns": residual_limit(at, offset)}
    return Rep(samples={"step_ns": found, "raw_ns": at, "offset_ns": offset}, start_ns=int(at[0]), facts=facts)


def _pauses(ticks: Ticks, case: Case, t: Turn) -> Rep:
    at, offset, _ = ticks.pair("boottime", "monotonic")
    found = [size for _, size in steps(at, offset)]
    late = max(ticks.answers_ns)
    value = "paused" if found else "late" if late > LATE_NS else "none"
    facts = {"value": value, "steps_ns": found, "slowest_answer_ns": late, "limit_ns": residual_limit(at, offset)}
    return Rep(samples={"step_ns": found, "raw_ns": at, "offset_ns": offset}, start_ns=int(at[0]), facts=facts)


def _past(host: Host) -> Rep:
    boot = host.facts["boot"]
    jump = boot.get("past_jump_s")
    value = "no witness" if jump is None else "jumped" if jump else "none"
    return Rep(samples={}, facts={"value": value, "jump_s": jump, "witnesses": boot.get("witnesses", [])})


def measure(stage: Stage) -> Iterator[Rig]:
    watches = stage.watches("clock-watch")
    windows = {"steps": _steps, "pauses": _pauses}

    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        if case.id == "past":
            return {t.label: _past(stage.host) for t in turns}
        return watches.windows(case, turns, partial(windows[case.id]))

    with watches:
        yield Rig(once)


def delivers(verdict: Verdict, host: Host) -> str:
    past, now = verdict.cases.get("past"), verdict.cases.get("steps")
    parts = []
    if now is not None:
        parts.append("It was set while we watched" if now.word is COSTLY else "It did not step while we watched")
    jump = host.facts["boot"].get("past_jump_s")
    if past is not None and past.term == "jumped" and jump:
        parts.append(
            f"but it stands {abs(jump) / 3600:.1f} h {'after' if jump > 0 else 'before'} the stamps of the boot"
        )
    return ", ".join(parts) + "." if parts else "Nothing was seen."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    if verdict.word is not COSTLY:
        return []
    return [Proposal("boottime-clock", "CLOCK_BOOTTIME", "the wall clock of this host has been set since it booted")]


def _setoffset(ns: int) -> Plant:
    """The wall clock itself is stepped and stepped back: selftest --disturb host only."""
    touches = Touches(clock=True, disturbs=Disturbs.HOST)
    put = partial(step, ns=ns)
    return Plant(
        id=f"setoffset={ns / 1e6:+g}ms", set={}, case="steps", expect=ns, tolerance=1000.0, put=put, touches=touches
    )


PROBE = Probe(
    claim=Claim(
        Layer.CLOCK,
        says="Time only goes forward, at one speed.",
        read_from="btime of /proc/stat, clock_gettime(2)",
        title="steps of the clock",
    ),
    cases=cases,
    cost=Cost(seconds=20),
    measure=measure,
    advise=advise,
    delivers=delivers,
    plants=(
        Plant(
            id="plant_step_ns=50000000",
            set={"plant_step_ns": float(STEP_NS), "plant_step_at": 3.0},
            case="steps",
            expect=STEP_NS,
            tolerance=1000.0,
            control=True,
        ),
        _setoffset(STEP_NS),
        _setoffset(-STEP_NS),
    ),
)
