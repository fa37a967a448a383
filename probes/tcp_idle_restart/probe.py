"""tcp-idle-restart: what an open connection has forgotten after silence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from liebench.contract import Args, Arm, Case, Claim, Cost, Layer, Options, Rig, Running, Subject
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.probes.tcp_idle_restart.bench import Bench
from liebench.probes.tcp_idle_restart.verdict import INITIAL, SOCKETS, advise, delivers, judge
from liebench.stage.net import LAB
from liebench.stage.sockets import SS
from liebench.stage.stage import Stage

SILENCE = 5.5  # timeouts: enough halvings for the window to reach the initial one
NEAR: Args = {"trip_ms": 6}
FAR: Args = {"trip_ms": 20}
CUBIC: Args = {"congestion": "cubic"}
BURST: Args = {**NEAR, "bytes": 200_000, "warm": 3}
FRESH: Args = {**NEAR, **CUBIC, "warm": 0, "bytes": 170_000}
RIG: Running = {"subject": Subject.RIG, "headline": False, "work": "burst"}


def _ratio(name: str, asks: str, promised: tuple[str, Args], delivered: tuple[str, Args]) -> Case:
    return Case.ratio(
        name,
        asks,
        "us",
        Arm(id="promised", says=promised[0], args=promised[1]),
        Arm(id="delivered", says=delivered[0], args=delivered[1]),
        hurts=2.0,
        target=0.1,
        **RIG,
    )


def _law(name: str, asks: str, unit: str, formula: tuple[str, str], measured: tuple[str, str]) -> Case:
    """``formula`` and ``measured``: the words of the arm, and the quantity of the kernel that it reads."""
    args: Args = {**FAR, **CUBIC, "bytes": 200_000, "silence": 2.5}
    return Case.law(
        name,
        asks,
        unit,
        Arm(id="formula", says=formula[0], args={**args, "part": formula[1]}),
        Arm(id="measured", says=measured[0], args={**args, "part": measured[1]}),
        matters=1.1,
        hurts=1.3,
        **RIG,
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    busy, silent = "right after others", "after silence"
    seen = Case.fact(
        "sockets",
        "Does silence cost this host's open connections their window?",
        "open connections to other hosts",
        SOCKETS,
        needs=(SS,),
    )
    rigs = (
        _ratio(
            "own",
            "What does a burst cost after silence, with the congestion control in force here?",
            (busy, {**BURST}),
            (silent, {**BURST, "silence": SILENCE, "restarts": 0}),
        ),
        _ratio(
            "cubic",
            "And with cubic?",
            (busy, {**BURST, **CUBIC}),
            (silent, {**BURST, **CUBIC, "silence": SILENCE}),
        ),
        _ratio(
            "setting-0",
            "What does tcp_slow_start_after_idle=0 change of that?",
            ("with the setting at 1", {**BURST, **CUBIC, "silence": SILENCE, "restart": 1}),
            ("at 0", {**BURST, **CUBIC, "silence": SILENCE, "restart": 0, "restarts": 0}),
        ),
        _ratio(
            "small",
            "Does it cost a burst that fits into the initial window?",
            (busy, {**BURST, **CUBIC, "bytes": 12_000, "warm": 2}),
            (silent, {**BURST, **CUBIC, "bytes": 12_000, "warm": 2, "silence": SILENCE}),
        ),
        _ratio(
            "initcwnd",
            "What does a larger initial window change of a connection's first burst?",
            (f"initcwnd {INITIAL}", {**FRESH, "bytes": 40_000}),
            ("initcwnd 32", {**FRESH, "bytes": 40_000, "initial": 32}),
        ),
        _ratio(
            "initrwnd",
            "And a larger initial window of the receiver?",
            ("initcwnd 128, the kernel's own initrwnd", {**FRESH, "initial": 128}),
            ("initcwnd 128, initrwnd 128", {**FRESH, "initial": 128, "window": 128}),
        ),
    )
    laws = (
        _law(
            "window",
            "Is the window after silence what the kernel's formula says?",
            "segments",
            ("max(min(initial, window), window >> timeouts of silence)", "said"),
            ("TCP_INFO after the first bytes", "window"),
        ),
        _law(
            "time",
            "Does the time of the burst follow from that window?",
            "us",
            ("a round trip per doubling, and the wire's own time", "said_us"),
            ("until the answer", "us"),
        ),
    )
    return (seen, *rigs, *laws)


def measure(stage: Stage) -> Iterator[Rig]:
    with ExitStack() as rigs:
        yield Rig(Bench(stage, rigs).once)


PROBE = Probe(
    claim=Claim(
        Layer.NET,
        says="The connection is still open.",
        read_from="tcp_slow_start_after_idle, ss -ti",
        title="connections after silence",
    ),
    cases=cases,
    cost=Cost(seconds=34, memory_mib=48),
    needs=(LAB,),
    measure=measure,
    judge=judge,
    advise=advise,
    delivers=delivers,
    plants=(
        Plant(id="plant_trips=1", set={"plant_trips": 1}, case="small", expect=1.97, tolerance=0.06, control=True),
        # silent for one timeout more than the formula is told: the window is halved once more
        Plant(id="silence=3.5", set={"silence": 3.5}, case="window", expect=0.5, tolerance=0.04),
    ),
)
