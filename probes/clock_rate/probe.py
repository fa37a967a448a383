"""clock-rate: does a second last a second, on every CPU, and against whom can this host tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from liebench.contract import (
    Better,
    Case,
    Claim,
    Cost,
    Disturbs,
    Kind,
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
from liebench.stage.clock import rate
from liebench.stage.stage import Stage
from liebench.stats.clocks import Ticks, slope_ppm

MATTERS_PPM, HURTS_PPM = 1.0, 50.0  # 86 ms and 4.3 s a day; +-50 ppm is the usual tolerance of a counter (vmclock ABI)
SKEW_MATTERS_NS, SKEW_HURTS_NS = 1_000.0, 10_000.0  # about a wake-up, and ten of them
MOST_PEERS = 8  # CPUs compared with the first one; more would not fit the budget on large hosts
CANNOT_TELL = Meaning(
    Word.INCONCLUSIVE, "cannot tell: every clock of this host counts the same oscillator", "cannot tell"
)


def _rate(name: str, asks: str, clock: str, reference: str, claimed: str) -> Case:
    return Case.reading(
        name,
        asks,
        "ppm",
        claimed,
        f"{clock} against {reference}",
        args={"clock": clock, "reference": reference},
        better=Better.TARGET,
        matters=MATTERS_PPM,
        hurts=HURTS_PPM,
        target=0.02,
        rhythm=Rhythm.WATCH,
        work="rate",
    )


def _truth(host: Host) -> Case:
    """True rate needs a second oscillator; with one, saying so is the whole answer."""
    name, asks = "true-rate", "Is a second a second?"
    others = [o for o in host.facts["clock"]["oscillators"] if o.startswith("ptp")]
    if others:
        return _rate(name, asks, "monotonic", others[0], "0 ppm: a second is a second")
    return Case.fact(name, asks, "independent oscillators of this host", {"one oscillator": CANNOT_TELL})


def _skew(first: int, peer: int, headline: bool) -> Case:
    return Case.reading(
        f"skew-{first}-{peer}",
        f"Do CPU {first} and CPU {peer} read the same time?",
        "ns",
        "the same time on every CPU",
        "request and reply stamps",
        args={"cpu": first, "peer": peer},
        quantity="offset",
        better=Better.TARGET,
        matters=SKEW_MATTERS_NS,
        hurts=SKEW_HURTS_NS,
        bounds=True,
        headline=headline,
        work="exchange",
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    first, *peers = host.processors
    stated = "the rate the kernel states in adjtimex"
    asks = "Does CLOCK_MONOTONIC run at the rate that the kernel states?"
    discipline = _rate("discipline", asks, "monotonic", "raw", stated)
    skews = tuple(_skew(first, peer, peer == peers[0]) for peer in peers[:MOST_PEERS])
    return (_truth(host), discipline, *skews)


def _window(stage: Stage, ticks: Ticks, case: Case, t: Turn) -> Rep:
    """One window's rate: of the clock as measured, or as the kernel states it at this moment."""
    if t.arm.id == "claimed":
        stated = stage.stated_ppm() if case.id == "discipline" else 0.0
        return Rep(samples={"ppm": [stated]} if stated is not None else {})
    clock, reference = str(t.arm.args["clock"]), str(t.arm.args["reference"])
    at, offset, widths = ticks.pair(clock, reference)
    samples: dict[str, Sequence[float]] = {
        "ppm": [slope_ppm(at, offset)],
        "raw_ns": at,
        "offset_ns": offset,
        "width_ns": widths,
    }
    return Rep(samples=samples, start_ns=int(at[0]), elapsed_ns=int(at[-1] - at[0]), args=dict(t.arm.args))


def measure(stage: Stage) -> Iterator[Rig]:
    watches = stage.watches("clock-watch")  # one watcher for each planted lie, opened when first asked for
    seen = "one oscillator"

    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        if case.kind is Kind.FACT:
            return {t.label: Rep(samples={}, facts={"value": seen}) for t in turns}
        if case.bounds:
            same = Rep(samples={"low": [0.0], "high": [0.0]})
            return {t.label: same if t.arm.id == "claimed" else stage.core("clock-skew", t) for t in turns}
        return watches.windows(case, turns, partial(_window, stage))

    with watches:
        yield Rig(once)


def delivers(verdict: Verdict, host: Host) -> str:
    parts = []
    rate = verdict.cases.get("discipline")
    if rate is not None and rate.value is not None and rate.limit is not None:
        parts.append(
            f"CLOCK_MONOTONIC runs within {rate.limit:.2g} ppm of the rate the kernel states for it"
            if rate.word is Word.HONEST
            else f"CLOCK_MONOTONIC is {rate.value:+.3g} ppm off the rate the kernel states for it"
        )
    if verdict.cases.get("true-rate", verdict).term == CANNOT_TELL.term:
        parts.append("whether that is a true second this host cannot tell: it has one oscillator")
    return "; ".join(parts) + "." if parts else "Not enough was measured to say how fast the clock runs."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    clock = host.facts["clock"]
    unsynced = bool((clock.get("adjtimex") or {}).get("unsync"))
    if unsynced and clock.get("ptp"):
        return [Proposal("chrony-phc", f"refclock PHC {clock['ptp'][0]}", "nobody disciplines this clock")]
    if unsynced:
        return [Proposal("time-sync", "chrony", "nobody disciplines this clock (adjtimex says STA_UNSYNC)")]
    return []


def _adjtimex(ppm: float) -> Plant:
    """The kernel itself is told to run fast or slow: selftest --disturb host only."""
    name = f"adjtimex={ppm:+g}ppm"
    touches = Touches(clock=True, disturbs=Disturbs.HOST)
    put = partial(rate, ppm=ppm)
    return Plant(id=name, set={}, case="discipline", expect=ppm, tolerance=0.02, put=put, touches=touches)


PROBE = Probe(
    claim=Claim(
        Layer.CLOCK,
        says="A second is a second, on every CPU.",
        read_from="adjtimex(2), clocksource {clocksource}",
        title="the rate of the clock",
    ),
    cases=cases,
    cost=Cost(seconds=20),
    measure=measure,
    advise=advise,
    delivers=delivers,
    plants=(
        Plant(
            id="plant_ppm=100", set={"plant_ppm": 100.0}, case="discipline", expect=100.0, tolerance=0.05, control=True
        ),
        Plant(id="plant_ppm=-500", set={"plant_ppm": -500.0}, case="discipline", expect=-500.0, tolerance=0.05),
        Plant(id="plant_skew_ns=5000", set={"plant_skew_ns": 5000.0}, case="skew-*", expect=5000.0, tolerance=500.0),
        _adjtimex(100.0),
        _adjtimex(-500.0),
    ),
)
