"""block-remote: is a disk a disk? A volume against another one, its own claims, and who tells how long one waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace

from liebench.contract import Args, Arm, Better, Case, Claim, Cost, Layer, Option, Options, Rig, Subject, Touches
from liebench.facts.volumes import volumes
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.probes.block_remote.bench import DEPTH, MIB, RATE_MIB, SLOW_MS, Bench, Disks
from liebench.probes.block_remote.verdict import TURNS, advise, delivers, judge
from liebench.stage.block import LOOP, NETWORK_DISK, SERVER
from liebench.stage.fio import FIO
from liebench.stage.needs import PATH
from liebench.stage.stage import Stage

WAITS = {  # how one waits: (engine, is the processor busy, who tells, the question)
    "iowait-free": ("read", 0, "iowait", "How much of a process's waiting for the disk does iowait leave untold?"),
    "iowait-busy": ("read", 1, "iowait", "And when something else keeps the processor busy?"),
    "iowait-aio": ("aio", 0, "iowait", "And by asynchronous I/O?"),
    "iowait-uring": ("uring", 0, "iowait", "And by io_uring?"),
    "pressure-busy": ("read", 1, "pressure", "How much does io pressure (PSI) leave untold?"),
    "pressure-aio": ("aio", 0, "pressure", "And by asynchronous I/O?"),
}
SLOW = ("iowait-free", "iowait-busy", "iowait-aio")
FILE = Touches(bytes_written=MIB << 20)
RIG = Touches(other=(SERVER,))
MOST_BLOCKS = 96
AHEAD_MIB, TOUCHES = 16, 16
EACH: Args = {"kib": 4}


def _ratio(name: str, asks: str, promised: Arm, delivered: Arm, hurts: float, headline: bool = False) -> Case:
    return Case.ratio(
        name, asks, "us", promised, delivered, matters=1.25, hurts=hurts, target=0.1, headline=headline, work="disk"
    )


def _arm(name: str, says: str, args: Args = EACH, on: str = "path") -> Arm:
    return Arm(id=name, says=says, args={"on": on, **args}, touches=FILE)


def pair(host: Host, options: Options) -> tuple[str, str] | None:
    """(folder near by, folder far off): as named, else one volume of the host's own and one over a network."""
    if options["against"]:
        return options["against"], options["path"]
    found: dict[str, str] = {}
    for volume in volumes(host):
        place = "" if "/" in volume.mounts else next((m for m in volume.mounts if host.writable(m)), None)
        if place is not None:
            found.setdefault(volume.kind, place)
    near = found.get("instance", found.get("local"))
    far = found.get("network")
    return (near, far) if near is not None and far is not None and not options["path"] else None


def _against(host: Host, options: Options) -> tuple[Case, ...]:
    """Two volumes, where two were named or found."""
    if pair(host, options) is None:
        return ()
    ways: Mapping[str, tuple[str, Args]] = {
        "against": ("What does a small read cost there against the other volume?", EACH),
        "against-bulk": ("And a large one?", {"kib": 1024, "seq": 1, "samples": 16}),
        "against-flush": ("And a small write that is on disk?", {"op": "sync", "samples": 12}),
    }
    return tuple(
        _ratio(
            name,
            asks,
            _arm("near", "the volume to compare with", args, "against"),
            _arm("far", "the volume that is asked about", args),
            2.0,
            headline=name == "against",
        )
        for name, (asks, args) in ways.items()
    )


def _own(host: Host) -> tuple[Case, ...]:
    turns = Case.fact(
        "turns",
        "Does the disk turn, as its queue says?",
        "a small read at random",
        TURNS,
        args={"on": "path"},
        touches=FILE,
        work="compute",
    )
    bulk = _ratio(
        "small",
        "What do 4 KiB cost in small reads at random against large ones in order?",
        _arm("bulk", "in reads of 1 MiB", {"kib": 1024, "seq": 1, "samples": 8}),
        _arm("small", "in reads of 4 KiB, at random"),
        100.0,
    )
    write: Args = {"op": "write", "kib": 1024, "samples": 4}
    written = Touches(bytes_written=MOST_BLOCKS * 4 << 20)
    zeros = _ratio(
        "zeros",
        "Are zeros written faster than noise, as by a layer that compresses or shares?",
        replace(_arm("noise", "1 MiB of noise", write), touches=written),
        replace(_arm("zeros", "1 MiB of zeros", {**write, "zeros": 1}), touches=written),
        4.0,
    )
    depth = Case.reading(
        "depth",
        f"How many of {DEPTH} requests does it work on at once?",
        "requests",
        f"{DEPTH}",
        "requests a second times the time of one alone",
        args={"on": "path"},
        touches=FILE,
        better=Better.HIGHER,
        matters=DEPTH / 4,
        hurts=DEPTH * 0.75,
        target=2.0,
        headline=False,
        work="depth",
        needs=(FIO,),
    )
    return turns, bulk, *_cached(), zeros, depth


def _cached() -> tuple[Case, ...]:
    """What the kernel makes of reads through the page cache, as the queue's read_ahead_kb tells it to."""
    through: Args = {"direct": 0, "drop": 1, "samples": 1}
    ahead = _ratio(
        "ahead",
        "Do small reads in order through the page cache go as fast as large ones past it?",
        _arm("large", "1 MiB at a time, past it", {"kib": 1024, "seq": 1, "each": AHEAD_MIB, "samples": 1}),
        _arm("cached", "64 KiB at a time, read ahead", {**through, "kib": 64, "seq": 1, "each": 16 * AHEAD_MIB}),
        2.0,
    )
    around = _ratio(
        "around",
        "What does a byte of a mapping cost, at random, against a small read past the page cache?",
        _arm("small", "4 KiB at random, past it", {**EACH, "each": TOUCHES, "samples": 1}),
        _arm("cached", "a byte, with what the kernel reads around it", {**through, **EACH, "map": 1, "each": TOUCHES}),
        4.0,
    )
    return ahead, around


def _wait(name: str, rig: bool = False) -> Case:
    engine, busy, told, asks = WAITS[name]
    return Case.reading(
        f"slow-{name}" if rig else name,
        f"{asks[:-1]} (a network disk of ours, {SLOW_MS} ms)?" if rig else asks,
        "%",
        "nothing is untold",
        f"waiting that {told} does not tell",
        args={"engine": engine, "busy": busy, "told": told, "on": "slow" if rig else "path"},
        touches=RIG if rig else FILE,
        quantity="percent",
        matters=15.0,
        hurts=50.0,
        target=10.0,
        subject=Subject.RIG if rig else Subject.HOST,
        headline=name == "iowait-busy" and not rig,
        work="wait",
        needs=(NETWORK_DISK, LOOP) if rig else (),
    )


def _calibration() -> tuple[Case, ...]:
    """What a network disk of known slowness is read as."""

    def reading(name: str, asks: str, unit: str, args: Args, limit: float) -> Case:
        return Case.reading(
            name,
            asks,
            unit,
            "what was put there",
            "what is seen through it",
            args=args,
            touches=RIG,
            matters=limit,
            hurts=4 * limit,
            target=limit / 2,
            subject=Subject.RIG,
            headline=False,
            work=f"rig-{name}",
            needs=(NETWORK_DISK,),
        )

    return (
        reading("delay", "Is 1 ms more on the way read as 1 ms?", "us", {"ms": 1}, 150.0),
        reading("rate", f"Is a limit of {RATE_MIB} MiB/s read as such?", "MiB/s", {"rate": RATE_MIB}, 0.05 * RATE_MIB),
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    waits = (*(_wait(name) for name in WAITS), *(_wait(name, rig=True) for name in SLOW))
    return (*_against(host, options), *_own(host), *waits, *_calibration())


def measure(stage: Stage) -> Iterator[Rig]:
    with ExitStack() as rigs:
        named = pair(stage.host, stage.options)
        wanted = {"path": stage.options["path"]} if named is None else {"against": named[0], "path": named[1]}
        places = {name: rigs.enter_context(stage.scratch(folder, MIB)) for name, folder in wanted.items()}
        disks = Disks(stage, rigs, rigs.enter_context(stage.scratch()))
        yield Rig(Bench(stage, places, disks).once)


PROBE = Probe(
    claim=Claim(
        Layer.BLOCK,
        says="A disk is a disk.",
        read_from="/sys/block/*/queue, /proc/stat, /proc/pressure/io",
        title="disks near and far",
    ),
    cases=cases,
    cost=Cost(seconds=50, setup_seconds=1, memory_mib=96, disk_mib=MIB),
    measure=measure,
    judge=judge,
    advise=advise,
    delivers=delivers,
    options=(PATH, Option("against", "", "a folder on another volume to compare with")),
    plants=(
        Plant(id="plant_extra=1", set={"plant_extra": 1.0}, case="small", expect=2.0, tolerance=0.1, control=True),
        Plant(
            id="plant_hide=0.5", set={"plant_hide": 0.5}, case="iowait-free", expect=50.0, tolerance=10.0, control=True
        ),
        Plant(id="delay=7ms", set={"ms": 7.0}, case="delay", expect=6000.0, tolerance=350.0, touches=RIG),
        Plant(id="delay=20ms", set={"ms": 20.0}, case="delay", expect=19000.0, tolerance=1000.0, touches=RIG),
        Plant(id="rate=32", set={"rate": 32.0}, case="rate", expect=-32.0, tolerance=1.6, touches=RIG),
    ),
)
