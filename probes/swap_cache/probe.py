"""swap-cache: does this swappiness suit what runs here? Fixed work in two regimes, in a group and on swap of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from liebench.contract import Args, Arm, Case, Claim, Cost, Disturbs, Layer, Options, Rig, Touches
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.probes.swap_cache.bench import FILE, KNOB, LIMIT, MGLRU, SWAP_MIB, Bench, by_reclaim, per_group
from liebench.probes.swap_cache.verdict import DEFAULT, KNOB_WORDS, REGIMES, advise, delivers
from liebench.stage.cgroup import MEMORY
from liebench.stage.needs import MEMORY_GROUP, PATH
from liebench.stage.stage import Stage
from liebench.stage.swap import SWAP

TRIED = (0, 100, 200)
WORK = {  # regime -> hot MiB, cold MiB, the question
    "cold-to-spare": (10, 24, "Which swappiness suits a host with cold memory to give away?"),
    "contested": (28, 14, "And where hot memory and files want more than there is?"),
}


def _touches(host: Host, value: int | None) -> Touches:
    words = (MEMORY,) if host.facts["memory"]["swap_mib"] else (MEMORY, SWAP)
    whole = value is not None and not per_group(host) and not by_reclaim(host)
    return Touches(
        keys=(KNOB,) if whole else (),
        bytes_written=(SWAP_MIB + FILE) << 20,
        other=words,
        disturbs=Disturbs.HOST if whole else Disturbs.NEIGHBOURS,
    )


def _regime(name: str, host: Host) -> Case:
    hot, cold, asks = WORK[name]

    def arm(value: int) -> Arm:
        args: Args = {"hot_mib": hot, "cold_mib": cold, "swappiness": value}
        return Arm(id=f"swappiness-{value}", says=f"at {value}", args=args, number=value, touches=_touches(host, value))

    return Case.ratio(
        name,
        asks,
        "us",
        arm(DEFAULT),
        *map(arm, TRIED),
        matters=1.25,
        hurts=2.0,
        target=0.3,
        work="swap",
        needs=(MEMORY_GROUP,),
    )


def _page(host: Host) -> Case:
    touches = _touches(host, None)
    return Case.ratio(
        "page",
        "What does a page from swap cost against one from the file?",
        "us",
        Arm(id="file", says="4 KiB by O_DIRECT", args={"from": "file"}, touches=touches),
        Arm(id="swap", says="a page that was swapped out", args={"from": "swap"}, touches=touches),
        matters=1.2,
        hurts=10.0,
        target=0.15,
        headline=False,
        work="swap-page",
        needs=(MEMORY_GROUP,),
    )


def _mglru(host: Host) -> tuple[Case, ...]:
    """The other way to choose pages, where this kernel can be switched (admin-guide/mm/multigen_lru.rst)."""
    now = host.facts["memory"]["mglru"]
    if now is None:
        return ()
    on = int(now, 16) != 0
    hot, cold, _ = WORK["cold-to-spare"]
    work: Args = {"hot_mib": hot, "cold_mib": cold}
    switched: Args = {**work, "mglru": "0x0000" if on else "0x0007"}
    same = _touches(host, None)
    other = Touches(keys=(MGLRU,), other=same.other, disturbs=Disturbs.HOST)
    case = Case.ratio(
        "mglru",
        "Would the other way to choose pages (multi-generational LRU) suit a host with cold memory?",
        "us",
        Arm(id="as-it-is", says="on" if on else "off", args=work, touches=same),
        Arm(id="switched", says="off" if on else "on", args=switched, touches=other),
        matters=1.25,
        hurts=2.0,
        target=0.3,
        headline=False,
        work="swap",
        needs=(MEMORY_GROUP,),
    )
    return (case,)


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    return (
        Case.fact("knob", "Has the knob anything to act on here?", "the host's swap", KNOB_WORDS),
        *(_regime(name, host) for name in REGIMES),
        _page(host),
        *_mglru(host),
    )


def measure(stage: Stage) -> Iterator[Rig]:
    with ExitStack() as rigs:
        yield Rig(Bench(stage, rigs).once)


PROBE = Probe(
    claim=Claim(
        Layer.MEMORY,
        says="A swappiness of {swappiness} suits you.",
        read_from="/proc/sys/vm/swappiness, memory.swappiness",
        title="swap against the cache of files",
    ),
    cases=cases,
    cost=Cost(seconds=150, setup_seconds=1, memory_mib=LIMIT, disk_mib=SWAP_MIB + FILE),
    measure=measure,
    advise=advise,
    delivers=delivers,
    options=(PATH,),
    plants=(
        Plant(id="plant_dearer=9", set={"plant_dearer": 9.0}, case="page", expect=10.0, tolerance=0.15, control=True),
        Plant(id="plant_extra=0.5", set={"plant_extra": 0.5}, case="cold-to-spare", expect=1.5, tolerance=0.2),
    ),
)
