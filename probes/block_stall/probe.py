"""block-stall: is the disk always there? Its longest silence in this run, and what applications see of a real hang."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from liebench.contract import Arm, Case, Claim, Cost, Kind, Layer, Option, Options, Rep, Rig, Subject, Touches, Turn
from liebench.errors import UsageError
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.probes.block_stall.verdict import advise, delivers, judge
from liebench.stage.block import LOOP, NETWORK_DISK, SERVER, Disk, network_disk
from liebench.stage.counted import counted, volume_below
from liebench.stage.needs import PATH
from liebench.stage.stage import Stage

MIB, EVERY_US = 16, 2000
ARRIVALS = {"read": 75, "sync": 40}  # in a window
BEFORE_S, AFTER_S = 0.06, 0.06  # of a hang: the prober must be under way, and see the disk come back
LONGEST_STOP_S = 30.0
FILE = Touches(bytes_written=MIB << 20)
RIG = Touches(other=(SERVER,))


def _longest(kind: str, asks: str, headline: bool) -> Case:
    return Case.reading(
        f"longest-{kind}",
        asks,
        "ms",
        "it answers at once",
        f"the longest of {ARRIVALS[kind]} requests, beyond what cached reads wait",
        args={"kinds": f"{kind}+cached", "samples": ARRIVALS[kind], "every_us": EVERY_US},
        touches=FILE,
        matters=20.0,
        hurts=1000.0,
        target=20.0,
        headline=headline,
        work=f"prober-{kind}",
    )


def _seconds(options: Options) -> float:
    """How long the server stops. Raises UsageError for anything but seconds in reason."""
    try:
        found = float(options["seconds"])
    except ValueError:
        found = 0.0
    if not 0.1 <= found <= LONGEST_STOP_S:
        raise UsageError(f"block-stall.seconds={options['seconds']} is not between 0.1 and {LONGEST_STOP_S:g}")
    return found


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    seconds = _seconds(options)
    args = {"seconds": seconds}
    hang = Case.law(
        "hang",
        f"A network disk of ours hangs for {seconds:g} s. How long does a read wait?",
        "ms",
        Arm(id="stopped", says="how long its server was stopped", args=args, touches=RIG),
        Arm(id="waited", says="the longest read", args=args, touches=RIG),
        matters=1.02,
        hurts=1.1,
        target=0.01,
        subject=Subject.RIG,
        headline=False,
        work="hang",
        needs=(NETWORK_DISK,),
    )
    return (
        _longest("read", "How long does a small read wait at most?", True),
        _longest("sync", "And a small write that is flushed?", False),
        hang,
    )


class _Hang:
    """The network disk, set up when it is first asked for. As root a device over it, which has a page cache."""

    def __init__(self, stage: Stage, rigs: ExitStack) -> None:
        self.stage, self.rigs = stage, rigs
        self.disk: Disk | None = None

    def ready(self) -> Disk:
        if self.disk is None:
            folder = self.rigs.enter_context(self.stage.scratch())
            device = LOOP.met(self.stage.host)
            self.disk = self.rigs.enter_context(network_disk(self.stage, folder, ("memory", f"{MIB}M"), device))
        return self.disk

    def seen(self, t: Turn) -> Rep:
        """One hang: the longest read beside how long the server was really stopped."""
        disk, seconds = self.ready(), float(t.arm.args["seconds"])
        arrivals = int((BEFORE_S + seconds + AFTER_S) * 1e6 / EVERY_US)
        with disk.stopping(BEFORE_S, seconds):
            bare = Turn(Arm(id="hang"), t.label, t.plant)
            rep = self.stage.core("block-prober", bare, file=disk.target, samples=arrivals, every_us=EVERY_US)
        return replace(rep, facts={**rep.facts, "stopped_ms": disk.stopped_ms})


def measure(stage: Stage) -> Iterator[Rig]:
    with ExitStack() as rigs:
        file = str(rigs.enter_context(stage.scratch(stage.options["path"], MIB)) / "file")
        stage.core("block-io", Turn(Arm(id="build"), "build"), file=file, build=MIB, samples=1)
        volume, hang = volume_below(stage, file), _Hang(stage, rigs)

        def longest(case: Case, t: Turn) -> Rep:
            rep = counted(stage, volume, lambda: stage.core("block-prober", t, file=file))
            kind = case.id.partition("-")[2]
            more = rep.facts[f"{kind}_longest_ms"] - rep.facts["cached_longest_ms"]  # what was not the disk's doing
            return replace(rep, samples={"ms": [more], **rep.samples})

        def hung(turns: Sequence[Turn]) -> Mapping[str, Rep]:
            rep = hang.seen(turns[0])
            ms = {"stopped": rep.facts["stopped_ms"], "waited": rep.facts["read_longest_ms"]}
            return {t.label: replace(rep, samples={"ms": [ms[t.arm.id]]}, offsets_ns=()) for t in turns}

        def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
            if case.kind is Kind.LAW:
                return hung(turns)
            return {t.label: Rep(samples={"ms": [0.0]}) if t.arm.promised else longest(case, t) for t in turns}

        yield Rig(once)


PROBE = Probe(
    claim=Claim(
        Layer.BLOCK,
        says="The disk is always there.",
        read_from="a timeout that nobody set",
        title="a disk that hangs",
    ),
    cases=cases,
    cost=Cost(seconds=25, setup_seconds=0.2, memory_mib=32, disk_mib=MIB),
    measure=measure,
    judge=judge,
    advise=advise,
    delivers=delivers,
    options=(PATH, Option("seconds", "0.4", "how long the network disk of ours hangs")),
    plants=(
        Plant(
            id="plant_stall_ms=100",
            set={"plant_stall_ms": 100.0},
            case="longest-sync",
            expect=100.0,
            tolerance=15.0,
            control=True,
        ),
        Plant(id="read-stall=300", set={"plant_stall_ms": 300.0}, case="longest-read", expect=300.0, tolerance=15.0),
    ),
)
