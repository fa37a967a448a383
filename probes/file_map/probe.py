"""file-map: let the kernel cache the file, or cache it oneself? Below a memory limit, and above."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise

from liebench.contract import (
    Args,
    Arm,
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
    Rig,
    Touches,
    Turn,
    Verdict,
    Word,
)
from liebench.errors import CoreKilled
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.stage.cgroup import MEMORY, memory
from liebench.stage.needs import MEMORY_GROUP, PATH
from liebench.stage.stage import Stage
from liebench.stage.swap import SWAP, swapfile

LIMIT, FILE, BELOW, AT, ABOVE = 12, 32, 4, 12, 21  # MiB: what the group may use, the file, working sets
LARGE, SWAP_MIB = 16, 96  # an own cache above the limit; swap for it, and for whom the host swaps out meanwhile
CACHE, HALF = 8, 4  # MiB of an own cache: three quarters of the limit, and less than half of it
LIVES = 8  # how often it is tried: it does not die each time
FATES = {
    "swapped": Meaning(Word.HARMLESS, "an own cache above the limit lives, for it is swapped", "swapped"),
    "killed": Meaning(Word.COSTLY, "who lets an own cache grow above the limit is killed, swap or no swap", "killed"),
}
WAYS = {
    "mmap": "a mapping, as it comes",
    "mmap-random": "a mapping with MADV_RANDOM",
    "own": "an own cache, filled by read",
    "own-direct": "an own cache, filled by O_DIRECT",
}


def _args(way: str, ws: int, cache: int = CACHE, zipf: int = 0) -> Args:
    args: Args = {"mode": way, "ws_mib": ws, "cache_mib": cache, "zipf": zipf}
    return {**args, "each": 1, "samples": 8} if way == "mmap" else args  # each touch may read thousands of blocks


def _arm(way: str, ws: int, cache: int = CACHE, zipf: int = 0) -> Arm:
    touches = Touches(other=(MEMORY,), bytes_written=FILE << 20)
    return Arm(id=way, says=WAYS[way], args=_args(way, ws, cache, zipf), touches=touches)


def _ratio(name: str, asks: str, promised: Arm, delivered: Arm, headline: bool = False) -> Case:
    return Case.ratio(
        name, asks, "ns", promised, delivered, matters=1.25, hurts=2.0, target=0.2, headline=headline, work="file"
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    return (
        _ratio(
            "above",
            f"Who reads {ABOVE} MiB in {LIMIT} MiB of memory faster: a mapping or an own cache?",
            _arm("own-direct", ABOVE),
            _arm("mmap-random", ABOVE),
            headline=True,
        ),
        _ratio(
            "readahead",
            "What does readahead do to random reads of a mapping?",
            _arm("mmap-random", ABOVE),
            _arm("mmap", ABOVE),
            headline=True,
        ),
        _ratio("below", f"And {BELOW} MiB, which fit?", _arm("own", BELOW), _arm("mmap-random", BELOW)),
        _ratio(
            "at",
            f"And {AT} MiB, which fit but for what the process needs itself?",
            _arm("own-direct", AT),
            _arm("mmap-random", AT),
        ),
        _ratio(
            "above-zipf",
            "And where some blocks are far more popular than others?",
            _arm("own-direct", ABOVE, zipf=1),
            _arm("mmap-random", ABOVE, zipf=1),
        ),
        _ratio(
            "both",
            "What does it cost when both cache: an own cache below the kernel's?",
            _arm("own-direct", ABOVE),
            _arm("own", ABOVE, cache=HALF),
        ),
        Case.fact(
            "too-large",
            f"What becomes of an own cache of {LARGE} MiB, which the kernel has to swap?",
            WAYS["own-direct"],
            FATES,
            arm="own-direct",
            args=_args("own-direct", ABOVE, cache=LARGE),
            touches=_swapping(host),
            headline=False,
        ),
    )


def _swapping(host: Host) -> Touches:
    """The host's own swap, else a file of ours, which anybody could be swapped to meanwhile."""
    own = not host.facts["memory"]["swap_mib"]
    words = (MEMORY, SWAP) if own else (MEMORY,)
    return Touches(other=words, bytes_written=SWAP_MIB << 20, disturbs=Disturbs.NEIGHBOURS)


def measure(stage: Stage) -> Iterator[Rig]:
    with stage.scratch(stage.options["path"], 2 * FILE) as folder:
        file = str(folder / "file")
        stage.core(
            "file-map", Turn(Arm(id="build"), "build"), file=file, file_mib=FILE, build=1
        )  # charged to nobody's limit
        own = not stage.host.facts["memory"]["swap_mib"]
        with memory(stage, LIMIT):

            def read(t: Turn) -> Rep:
                return stage.core("file-map", t, file=file, file_mib=FILE)

            def fate(t: Turn) -> Rep:
                """The first of several that is killed, else the last."""
                with swapfile(stage, folder, SWAP_MIB) if own else nullcontext():
                    try:
                        reps = [read(t) for _ in range(LIVES)]
                    except CoreKilled:
                        return Rep(samples={}, facts={"value": "killed"})
                return replace(reps[-1], facts={**reps[-1].facts, "value": "swapped"})

            def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
                return {t.label: fate(t) if case.kind is Kind.FACT else read(t) for t in turns}

            yield Rig(once)


def _times(verdict: Verdict | None) -> str:
    if verdict is None or not verdict.value:
        return "unknown"
    return f"{verdict.value:.3g} times as long"


def delivers(verdict: Verdict, host: Host) -> str:
    found = verdict.cases
    said = [
        "Where the file is larger than the memory, a random read through a mapping takes "
        f"{_times(found.get('above'))} as one through a cache of its own"
    ]
    if "below" in found:
        said.append(f"where it fits {_times(found['below'])}")
    if "too-large" in found and found["too-large"].why:
        said.append(found["too-large"].why)
    crossed = crossover(found)
    if crossed:
        said.append(crossed)
    if "readahead" in found:
        said.append(f"with readahead, which is the default, it takes {_times(found['readahead'])} as without")
    return "; ".join(said) + "."


def crossover(found: Mapping[str, Verdict]) -> str:
    """Between which working sets the winner changes, with what is proven on both sides."""
    sizes = {"below": BELOW, "at": AT, "above": ABOVE}
    wins = [
        (sizes[k], v.high < 1) for k in sizes if (v := found.get(k)) and v.low and v.high and not v.low <= 1 <= v.high
    ]
    for (small, before), (large, after) in pairwise(wins):
        if before != after:
            first, then = ("the mapping", "the own cache") if before else ("the own cache", "the mapping")
            return f"{first} wins up to {small} MiB and {then} from {large} MiB on, within {LIMIT} MiB"
    return ""


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    ahead, above, found = verdict.cases.get("readahead"), verdict.cases.get("above"), []
    if ahead is not None and ahead.word is Word.COSTLY and ahead.value:
        why = f"with readahead a random read of a mapping takes {ahead.value:.0f} times as long here"
        found.append(Proposal("map-random", "madvise(MADV_RANDOM)", why))
    if above is not None and above.word is Word.COSTLY and above.value:
        why = f"above its limit a mapping takes {above.value:.2g} times as long as an own cache"
        found.append(Proposal("own-cache", "an own cache of at most four fifths of the limit, with O_DIRECT", why))
    return found


def _faults(host: Host) -> int | None:
    lines = (host.read("/proc/vmstat") or "").splitlines()
    found = [line.split()[1] for line in lines if line.startswith("pgmajfault ")]
    return int(found[0]) if found and found[0].isdigit() else None


PROBE = Probe(
    claim=Claim(
        Layer.MEMORY,
        says="Map the file and let the kernel manage it.",
        read_from="mmap(2), read_ahead_kb, memory.max",
        title="mapped files against own caches",
    ),
    cases=cases,
    cost=Cost(seconds=35, setup_seconds=1, memory_mib=LIMIT, disk_mib=FILE),
    needs=(MEMORY_GROUP,),
    measure=measure,
    advise=advise,
    delivers=delivers,
    options=(PATH,),
    plants=(
        Plant(id="plant_extra=0.5", set={"plant_extra": 0.5}, case="above", expect=1.5, tolerance=0.15, control=True),
    ),
)
