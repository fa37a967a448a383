"""flush-honesty: is it on the disk when fsync returns? What can be known from inside, and a power cut of a rig."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from liebench.contract import (
    Args,
    Arm,
    Case,
    Claim,
    Cost,
    Events,
    Kind,
    Layer,
    Options,
    Rep,
    Rig,
    Subject,
    Touches,
    Turn,
)
from liebench.facts.volumes import Volume
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.probes.flush_honesty.verdict import SENT, advise, delivers, flushes, judge, sent
from liebench.stage.block import NETWORK_DISK, SERVER
from liebench.stage.counted import counted, volume_below
from liebench.stage.needs import PATH
from liebench.stage.power import BYTES, power_cut
from liebench.stage.stage import Stage

MIB, FLUSHES = 32, 20
SMALL_KIB, LARGE_KIB = 4, 8192
FILE = Touches(bytes_written=MIB << 20)
RIG = Touches(other=(SERVER,), bytes_written=BYTES)


def _ratio(name: str, asks: str, promised: Arm, delivered: Arm, quantity: str, headline: bool) -> Case:
    return Case.ratio(
        name,
        asks,
        "us",
        promised,
        delivered,
        quantity=quantity,
        matters=1.25,
        hurts=10.0,
        target=0.2,
        headline=headline,
        work="flush",
    )


def _arm(name: str, says: str, args: Args, touches: Touches = FILE) -> Arm:
    return Arm(id=name, says=says, args=args, touches=touches)


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    large = Touches(bytes_written=96 * LARGE_KIB << 10)
    mib = LARGE_KIB >> 10
    return (
        Case.fact(
            "sent",
            "Does a flush reach the disk?",
            f"{FLUSHES} small writes, each with fdatasync",
            SENT,
            args={"op": "sync", "samples": FLUSHES},
            touches=FILE,
        ),
        _ratio(
            "cost",
            "What does it cost to wait until a write is on the disk?",
            _arm("write", "4 KiB written past the page cache", {"op": "write"}),
            _arm("flushed", "4 KiB written and flushed", {"op": "sync"}),
            "us",
            headline=True,
        ),
        _ratio(
            "slope",
            f"Does a flush after {mib} MiB have more to do than one after {SMALL_KIB} KiB?",
            _arm("small", f"a flush after {SMALL_KIB} KiB", {"op": "sync", "kib": SMALL_KIB, "samples": 4}),
            _arm("large", f"a flush after {mib} MiB", {"op": "sync", "kib": LARGE_KIB, "samples": 1}, large),
            "flush_us",
            headline=False,
        ),
        Case.reading(
            "cut",
            "What is left of flushed writes when the power of a disk of ours is cut?",
            "%",
            "nothing that was flushed is lost",
            "lost",
            args={"unsafe": 0},
            touches=RIG,
            quantity="percent",
            matters=0.5,
            hurts=1.0,
            subject=Subject.RIG,
            headline=False,
            work="power",
            needs=(NETWORK_DISK,),
        ),
    )


def measure(stage: Stage) -> Iterator[Rig]:
    with stage.scratch(stage.options["path"], MIB) as folder, stage.scratch() as rigs:
        file = str(folder / "file")
        stage.core("block-io", Turn(Arm(id="build"), "build"), file=file, build=MIB, samples=1)
        volume = volume_below(stage, file)

        def turn(case: Case, t: Turn) -> Rep:
            if case.id == "cut":
                unsafe = bool(t.plant.get("unsafe", t.arm.args.get("unsafe", 0)))
                return Rep(samples={"percent": [0.0 if t.arm.promised else power_cut(stage, rigs, unsafe)]})
            rep = counted(stage, volume, lambda: stage.core("block-io", t, file=file))
            return _told(rep, volume) if case.kind is Kind.FACT else rep

        def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
            return {t.label: turn(case, t) for t in turns}

        yield Rig(once)


def _told(rep: Rep, volume: Volume | None) -> Rep:
    facts = {
        **rep.facts,
        **sent(volume, rep.facts.get("device_flushes"), rep.facts.get("device_flushes_ever"), FLUSHES),
    }
    return Rep(
        samples=rep.samples,
        offsets_ns=rep.offsets_ns,
        start_ns=rep.start_ns,
        elapsed_ns=rep.elapsed_ns,
        alibi=rep.alibi,
        facts=facts,
    )


PROBE = Probe(
    claim=Claim(
        Layer.BLOCK,
        says="fsync returned: it is on the disk.",
        read_from="fsync(2), /sys/block/*/queue/write_cache",
        title="flushed writes",
    ),
    cases=cases,
    cost=Cost(seconds=20, setup_seconds=0.2, memory_mib=16, disk_mib=MIB),
    measure=measure,
    judge=judge,
    advise=advise,
    delivers=delivers,
    events=Events(
        what="flushes", read_from="/proc/diskstats", count=flushes, case="cost", to_seconds=1e-6, is_cpu=False
    ),
    options=(PATH,),
    plants=(
        Plant(id="plant_extra=1", set={"plant_extra": 1.0}, case="cost", expect=2.0, tolerance=0.15, control=True),
        Plant(id="unsafe", set={"unsafe": 1.0}, case="cut", expect=100.0, tolerance=1.0, control=True, touches=RIG),
    ),
)
