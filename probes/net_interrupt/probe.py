"""net-interrupt: who takes the packets of this host's cards, and what that takes from a processor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

from liebench.contract import Arm, Case, Claim, Cost, Kind, Layer, Option, Options, Rep, Rig, Subject, Turn
from liebench.errors import UsageError
from liebench.facts.cards import allowances, cards
from liebench.facts.reader import Reader
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.probes.net_interrupt.verdict import (
    ALLOWANCE,
    PAUSE,
    RATE,
    SPREAD,
    advise,
    allowance,
    delivers,
    judge,
    pause,
    spread,
)
from liebench.stage.backlog import steer
from liebench.stage.ethtool import rings, statistics_of
from liebench.stage.needs import TWO
from liebench.stage.net import LAB
from liebench.stage.stage import Stage
from liebench.stage.wiring import Wiring, wired

WINDOW_MS, WINDOWS = 100, 10


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    rate = _rate(options)
    return (
        Case.fact("spread", "Do several processors take the packets?", "/proc/interrupts since the start", SPREAD),
        Case.fact("allowance", "Was the card's allowance ever exceeded?", "the card's own counters", ALLOWANCE),
        Case.fact(
            "pause",
            f"Does the ring hold what arrives while a processor is away, at {rate:.0f} packets a second?",
            "the longest gap of a busy thread, and the ring",
            PAUSE,
            headline=False,
        ),
        Case.ratio(
            "taking",
            "What do packets take from the work of the processor that takes them?",
            "us",
            Arm(id="idle", says="no packets", args={"rate": 0}),
            Arm(id="taking", says=f"{RATE} packets a second, taken by its processor", args={"rate": RATE}),
            matters=1.03,
            hurts=1.2,
            target=0.03,
            subject=Subject.RIG,
            headline=False,
            work="victim",
            needs=(LAB, TWO),
        ),
    )


def _rate(options: Options) -> float:
    try:
        found = float(options["rate"])
    except ValueError:
        found = 0.0
    if not 0 < found < 1e9:
        raise UsageError(f"net-interrupt.rate={options['rate']} is no number of packets a second")
    return found


class _Bench:
    """A pair of virtual cards whose packets the last processor takes, set up when it is first asked for."""

    def __init__(self, stage: Stage, rigs: ExitStack) -> None:
        self.stage, self.rigs = stage, rigs
        self.wiring: Wiring | None = None
        self.links = 0

    def victim(self, t: Turn) -> Rep:
        processors = self.stage.host.processors
        if self.wiring is None:
            self.wiring = self.rigs.enter_context(wired(self.stage, "veth"))
            steer(self.wiring, (processors[-1],))
        rep = self.stage.core("net-victim", t, far_cpu=processors[0], links=self.links, **self.wiring.ends)
        self.links = self.links or int(rep.facts["links"])  # once and for all: both arms do the same work
        return rep

    def facts(self, case: Case) -> Mapping[str, object]:
        stage, found = self.stage, cards(Reader(self.stage.host.root))
        said: Mapping[str, object]
        if case.id == "spread":
            said = spread(found, len(stage.host.processors))
        elif case.id == "allowance":
            exceeded = [allowances(statistics_of(card.name)) for card in found]
            said = allowance({key: value for one in exceeded for key, value in one.items()})
        else:
            gap = stage.core("cpu-gap", Turn(Arm(id="gap"), "gap"), window_ms=WINDOW_MS, samples=WINDOWS)
            known = [ring.receive for card in found if (ring := rings(card.name)) is not None]
            said = pause(float(gap.facts["longest_ms"]), min(known, default=None), _rate(stage.options))
        return said

    def once(self, case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        if case.kind is Kind.RATIO:
            return {t.label: self.victim(t) for t in turns}
        return {t.label: Rep(samples={}, facts=self.facts(case)) for t in turns}


def measure(stage: Stage) -> Iterator[Rig]:
    with ExitStack() as rigs:
        yield Rig(_Bench(stage, rigs).once)


PROBE = Probe(
    claim=Claim(
        Layer.NET,
        says="The network card is yours.",
        read_from="/proc/interrupts, /sys/class/net, ethtool -S",
        title="the card's interrupts",
    ),
    cases=cases,
    cost=Cost(seconds=6),
    measure=measure,
    judge=judge,
    advise=advise,
    delivers=delivers,
    options=(Option("rate", "100000", "packets a second that your card has to take"),),
    plants=(
        Plant(id="plant_extra=0.5", set={"plant_extra": 0.5}, case="taking", expect=1.5, tolerance=0.03, control=True),
    ),
)
