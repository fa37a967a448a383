"""tcp-window: what a connection delivers on a path, and which window stops it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

from liebench.contract import (
    Args,
    Arm,
    Better,
    Case,
    Claim,
    Cost,
    Kind,
    Layer,
    Option,
    Options,
    Rep,
    Rig,
    Running,
    Subject,
    Turn,
)
from liebench.errors import UsageError
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.probes.tcp_window.verdict import REACH, SOCKETS, advise, delivers, judge, reach, seen
from liebench.stage.laws import Law
from liebench.stage.net import LAB, RATE_MBIT, Paths
from liebench.stage.sockets import SS, connections
from liebench.stage.stage import Stage

TRIP_MS = 10
OPENS, WINDOW = 15, 4  # round trips until a window is open (13 doublings), and of a sample
PAYLOAD = 1448 / 1514  # of a full frame on the wire, with time stamps and without a frame's check sum
CUBIC: Args = {"congestion": "cubic"}
RIG: Running = {"subject": Subject.RIG, "headline": False, "work": "bulk"}
LAWS: Mapping[str, tuple[str, str, Mapping[str, int]]] = {
    "rate": ("Does a connection deliver the path's rate?", "the path's rate, less headers", {}),
    "receive": ("Does a receive buffer of 64 KiB deliver its window in a round trip?", "window / round trip",
                {"far_room": 1 << 16}),
    "receive-large": ("And one of 128 KiB?", "window / round trip", {"far_room": 1 << 17}),
    "send": ("Does a send buffer of 64 KiB deliver itself in a round trip?", "buffer / round trip",
             {"near_room": 1 << 16}),
}  # fmt: skip


def _law(name: str) -> Case:
    asks, says, buffers = LAWS[name]
    args: Args = {**CUBIC, **buffers}
    return Case.law(
        name,
        asks,
        "Mbit/s",
        Arm(id="formula", says=says, args={**args, "part": "path" if name == "rate" else "said"}),
        Arm(id="measured", says="what arrived", args={**args, "part": "mbit"}),
        matters=1.1,
        hurts=1.3,
        target=0.05,
        **RIG,
    )


def _fixed() -> Case:
    return Case.ratio(
        "fixed",
        "What does a program lose that sets its receive buffer itself?",
        "Mbit/s",
        Arm(id="autotuning", says="left to the kernel", args=CUBIC),
        Arm(id="fixed", says="SO_RCVBUF of 64 KiB", args={**CUBIC, "far_room": 1 << 16}),
        quantity="mbit",
        better=Better.HIGHER,
        hurts=2.0,
        target=0.1,
        **RIG,
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    mbit, trip = _number(options, "rate"), _number(options, "trip")
    may = f"May one connection reach {mbit:g} Mbit/s over {trip:g} ms?"
    held = "Does a window hold this host's connections back?"
    return (
        Case.fact("reach", may, "tcp_rmem and tcp_wmem", REACH),
        Case.fact("sockets", held, "open connections", SOCKETS, needs=(SS,)),
        *map(_law, LAWS),
        _fixed(),
    )


def _number(options: Options, name: str) -> float:
    try:
        found = float(options[name])
    except ValueError:
        found = 0.0
    if not 0 < found < 1e7:
        raise UsageError(f"tcp-window.{name}={options[name]} is no number above 0")
    return found


class _Bench:
    """What arrives over a path, at the round trip and rate that an arm names."""

    def __init__(self, stage: Stage, rigs: ExitStack) -> None:
        self.stage, self.paths = stage, Paths(stage, rigs)
        self.laws = Law(self.bulk)

    def bulk(self, t: Turn) -> Rep:
        args = {k: v for k, v in t.arm.args.items() if k != "part" and (k, v) != ("congestion", "host")}
        trip_ms, rate = float(args.pop("trip_ms", TRIP_MS)), float(args.pop("rate_mbit", RATE_MBIT))
        wire = self.paths.over(trip_ms, rate)
        times = {} if trip_ms == TRIP_MS else {"warm_ms": round(OPENS * trip_ms), "window_ms": round(WINDOW * trip_ms)}
        bare = Turn(Arm(id=t.arm.id, args={**times, **args}), t.label, t.plant)
        rep = wire.verified(lambda: self.stage.core("tcp-bulk", bare, **wire.ends))
        samples = {**rep.samples, "path": [rate * PAYLOAD]}
        return Rep(
            samples=samples,
            offsets_ns=rep.offsets_ns,
            start_ns=rep.start_ns,
            elapsed_ns=rep.elapsed_ns,
            alibi=rep.alibi,
            sentinel=rep.sentinel,
            args=rep.args,
            facts=rep.facts,
            flags=rep.flags,
        )

    def once(self, case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        if case.kind is Kind.LAW:
            return self.laws.once(case, turns)
        if case.kind is Kind.RATIO:
            return {t.label: self.bulk(t) for t in turns}
        options = self.stage.options
        facts = (
            seen(connections())
            if case.id == "sockets"
            else reach(self.stage.host, _number(options, "rate"), _number(options, "trip"))
        )
        return {t.label: Rep(samples={}, facts=facts) for t in turns}


def measure(stage: Stage) -> Iterator[Rig]:
    with ExitStack() as rigs:
        yield Rig(_Bench(stage, rigs).once)


PROBE = Probe(
    claim=Claim(
        Layer.NET,
        says="The connection is as fast as the network.",
        read_from="tcp_rmem, tcp_wmem, ss -ti",
        title="one connection on a long path",
    ),
    cases=cases,
    cost=Cost(seconds=16, memory_mib=48),
    needs=(LAB,),
    measure=measure,
    judge=judge,
    advise=advise,
    delivers=delivers,
    options=(
        Option("rate", "1000", "Mbit/s that one connection should reach on your path"),
        Option("trip", "100", "round trip of your path in ms"),
    ),
    plants=(
        Plant(id="plant_less=0.5", set={"plant_less": 0.5}, case="fixed", expect=2.0, tolerance=0.06, control=True),
    ),
)
