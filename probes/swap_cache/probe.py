"""swap-cache: does this swappiness suit what runs here? Fixed work in two regimes, in a group and on swap of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from liebench.contract import (
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
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.stage.cgroup import MEMORY, home, memory
from liebench.stage.needs import MEMORY_GROUP, PATH
from liebench.stage.stage import Stage
from liebench.stage.swap import SWAP, swapfile

KNOB = "/proc/sys/vm/swappiness"
MGLRU = "/sys/kernel/mm/lru_gen/enabled"
DEFAULT, TRIED = 60, (0, 100, 200)
LIMIT, FILE, SWAP_MIB, ROUNDS = 48, 28, 128, 3000
RECLAIM, SLACK = (6, 10), 8  # the first kernel whose memory.reclaim takes a swappiness; MiB it may lag behind
KNOB_WORDS = {
    "none": Meaning(
        Word.HARMLESS, "no effect here: this host has no swap, so there is nothing to weigh files against", "no effect"
    ),
    "swap": Meaning(
        Word.HONEST, "this host has swap; whether its value suits, the regimes tell (--disturb neighbours)", "in force"
    ),
}
REGIMES = {  # hot MiB, cold MiB, the question
    "cold-to-spare": (10, 24, "Which swappiness suits a host with cold memory to give away?"),
    "contested": (28, 14, "And where hot memory and files want more than there is?"),
}


def per_group(host: Host) -> bool:
    """Whether groups have a swappiness of their own, as version 1 has."""
    found = home(host.root, "memory")
    return found is not None and not found[1]


def by_reclaim(host: Host) -> bool:
    """Whether memory.reclaim of a group of version 2 takes a swappiness: kernel 6.10 and later."""
    found = home(host.root, "memory")
    release = re.match(r"(\d+)\.(\d+)", host.facts["kernel"]["release"] or "")
    return found is not None and found[1] and release is not None and (int(release[1]), int(release[2])) >= RECLAIM


def suggested(dearer: float) -> float:
    """The kernel's own formula: relative cost of file I/O over both, of 200 (Documentation/admin-guide/sysctl/vm.rst).

    ``dearer``: what a page from swap costs over one from the file. Ten times dearer is 18, twice as cheap 133.
    """
    r = 1 / dearer
    return 200 * r / (1 + r)


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
    hot, cold, asks = REGIMES[name]

    def arm(value: int, promised: bool = False) -> Arm:
        args: dict[str, str | int | float] = {"hot_mib": hot, "cold_mib": cold, "swappiness": value}
        return Arm(
            id=f"swappiness-{value}",
            says=f"at {value}",
            promised=promised,
            args=args,
            number=value,
            touches=_touches(host, value),
        )

    return Case(
        id=name,
        asks=asks,
        quantity="us",
        unit="us",
        arms=(arm(DEFAULT, True), *(arm(v) for v in TRIED)),
        matters=1.25,
        hurts=2.0,
        work="swap",
        target=0.3,
        needs=(MEMORY_GROUP,),
    )


def _cost(host: Host) -> Case:
    return Case(
        id="page",
        asks="What does a page from swap cost against one from the file?",
        quantity="us",
        unit="us",
        arms=(
            Arm(
                id="file", says="4 KiB by O_DIRECT", promised=True, args={"from": "file"}, touches=_touches(host, None)
            ),
            Arm(id="swap", says="a page that was swapped out", args={"from": "swap"}, touches=_touches(host, None)),
        ),
        matters=1.2,
        hurts=10.0,
        headline=False,
        work="swap-page",
        target=0.15,
        needs=(MEMORY_GROUP,),
    )


def _mglru(host: Host) -> tuple[Case, ...]:
    """The other way to choose pages, where this kernel can be switched (admin-guide/mm/multigen_lru.rst)."""
    now = host.facts["memory"]["mglru"]
    if now is None:
        return ()
    on = int(now, 16) != 0
    hot, cold, _ = REGIMES["cold-to-spare"]
    work: dict[str, str | int | float] = {"hot_mib": hot, "cold_mib": cold}
    other = Touches(keys=(MGLRU,), other=_touches(host, None).other, disturbs=Disturbs.HOST)
    case = Case(
        id="mglru",
        asks="Would the other way to choose pages (multi-generational LRU) suit a host with cold memory?",
        quantity="us",
        unit="us",
        arms=(
            Arm(id="as-it-is", says="on" if on else "off", promised=True, args=work, touches=_touches(host, None)),
            Arm(
                id="switched",
                says="off" if on else "on",
                args={**work, "mglru": "0x0000" if on else "0x0007"},
                touches=other,
            ),
        ),
        matters=1.25,
        hurts=2.0,
        headline=False,
        work="swap",
        target=0.3,
        needs=(MEMORY_GROUP,),
    )
    return (case,)


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    return (
        Case(
            id="knob",
            quantity="value",
            unit="",
            arms=(Arm(id="seen", says="the host's swap", promised=True),),
            asks="Has the knob anything to act on here?",
            kind=Kind.FACT,
            words=KNOB_WORDS,
            work="facts",
        ),
        *(_regime(name, host) for name in REGIMES),
        _cost(host),
        *_mglru(host),
    )


@contextmanager
def _limited(stage: Stage, swappiness: object) -> Iterator[Mapping[str, str | float]]:
    """The limit, with a swappiness in whichever way this kernel takes one; yields what the kernel of ours must know."""
    value = None if swappiness is None else int(str(swappiness))
    if value is None or per_group(stage.host):
        with memory(stage, LIMIT, value):
            yield {}
    elif by_reclaim(stage.host):
        with memory(stage, LIMIT + SLACK) as group:
            yield {"group": str(group), "keep_mib": LIMIT, "swappiness": value}
    else:
        with stage.value(KNOB, str(value)), memory(stage, LIMIT):
            yield {}


def _reclaim(stage: Stage, args: Mapping[str, object]) -> AbstractContextManager[None]:
    """The multi-generational LRU switched over, where the arm asks for it."""
    return stage.value(MGLRU, str(args["mglru"])) if "mglru" in args else nullcontext()


class _Rig:
    """A file, and swap: set up when the first case wants them, for a question about the knob alone needs neither."""

    def __init__(self, stage: Stage, rigs: ExitStack) -> None:
        self.stage, self.rigs = stage, rigs
        self.file: dict[str, str | float] = {}

    def ready(self) -> Mapping[str, str | float]:
        if not self.file:
            stage, own = self.stage, not self.stage.host.facts["memory"]["swap_mib"]
            mib = FILE + SWAP_MIB if own else FILE
            folder = self.rigs.enter_context(stage.scratch(stage.options["path"], mib))
            self.file = {"file": str(folder / "file"), "file_mib": FILE}
            stage.core("swap-cache", Turn(Arm(id="build"), "build"), build=1, **self.file)
            if own:
                self.rigs.enter_context(swapfile(stage, folder, SWAP_MIB))
        return self.file

    def turn(self, case: Case, t: Turn) -> Rep:
        stage = self.stage
        if case.kind is Kind.FACT:
            return Rep(samples={}, facts={"value": "swap" if stage.host.facts["memory"]["swap_mib"] else "none"})
        file = self.ready()
        if case.id == "page":
            with memory(stage, LIMIT):
                return stage.core("swap-cost", t, push_mib=LIMIT - 4, **file)
        args = {k: v for k, v in t.arm.args.items() if k not in ("swappiness", "mglru")}
        bare = Turn(Arm(id=t.arm.id, args=args), t.label, t.plant)
        with _reclaim(stage, t.arm.args), _limited(stage, t.arm.args.get("swappiness")) as more:
            return stage.core("swap-cache", bare, rounds=ROUNDS, **file, **more)


def measure(stage: Stage) -> Iterator[Rig]:
    with ExitStack() as rigs:
        rig = _Rig(stage, rigs)

        def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
            return {t.label: rig.turn(case, t) for t in turns}

        yield Rig(once)


def _won(verdict: Verdict | None) -> int | None:
    """The value that beat the default; None where none did."""
    if verdict is None or verdict.word is not Word.HELPFUL or not verdict.arm.startswith("swappiness-"):
        return None
    return int(verdict.arm.removeprefix("swappiness-"))


def delivers(verdict: Verdict, host: Host) -> str:
    said = []
    for name, words in (("cold-to-spare", "with cold memory to spare"), ("contested", "where everything is wanted")):
        found = verdict.cases.get(name)
        if found is None or not found.value:
            continue
        won = _won(found)
        if won is not None:
            share = f"{100 * found.value:.0f} % of the time that {DEFAULT} takes"
            said.append(f"{words} {won} does the same work in {share}")
        else:
            said.append(f"{words} nothing that was tried beats {DEFAULT}")
    other = verdict.cases.get("mglru")
    if other is not None and other.value:
        said.append(f"with its other way to choose pages it takes {other.value:.2g} times as long")
    page = verdict.cases.get("page")
    if page is not None and page.value:
        formula = f"by the kernel's formula {suggested(page.value):.0f}"
        said.append(f"a page from swap costs {page.value:.2g} times one from the file: {formula}")
    knob = verdict.cases.get("knob")
    if knob is not None and knob.term == "no effect":
        said.insert(0, f"{knob.why}; what follows was tried on swap of ours" if said else knob.why)
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + "." if said else "Not enough was measured."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    """Only a value that won in one regime and lost in none. 0 with its danger, which the catalogue states."""
    judged = [verdict.cases.get(name) for name in REGIMES]
    won = {value for value in map(_won, judged) if value is not None}
    lost = any(v is not None and v.word not in (Word.HELPFUL, Word.HONEST) for v in judged)
    if len(won) != 1 or lost:
        return []
    return [Proposal("swappiness", str(*won), "it won here in one regime and lost in none")]


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
