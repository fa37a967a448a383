"""overlay-lookup: what it costs to find, open and list files below the layers of an overlay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from liebench.contract import (
    Args,
    Arm,
    Case,
    Claim,
    Cost,
    Kind,
    Layer,
    Options,
    Proposal,
    Rep,
    Rig,
    Turn,
    Verdict,
    Word,
)
from liebench.facts.mounts import overlays
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.stage.needs import FUSE_OVERLAY, OVERLAY, PATH
from liebench.stage.stage import Stage

LAYERS = (1, 2, 4, 8, 16, 32)
FEW = 8  # layers of an ordinary image
RATIOS = {  # op -> the question, hurts, headline
    "first": ("What does the first look at a file cost?", 3.0, True),
    "absent": ("What does a name cost that is in no layer?", 3.0, False),
    "warm": ("What does a file cost that was looked up before?", 3.0, True),
    "open": ("What does opening a file cost?", 5.0, False),
    "list": ("What does listing a folder cost?", 5.0, False),
}


def _ratio(op: str) -> Case:
    asks, hurts, headline = RATIOS[op]
    return Case.ratio(
        op,
        asks,
        "ns",
        Arm(id="plain", says="in a plain folder", args={"layers": 0, "op": op}),
        Arm(id="overlay", says=f"below {FEW} layers", args={"layers": FEW, "op": op}),
        matters=1.2,
        hurts=hurts,
        target=0.1,
        headline=headline,
        work="lookup",
    )


def _fuse(op: str, asks: str) -> Case:
    """The overlay of rootless containers on kernels that give them no other."""
    args: Args = {"layers": FEW, "op": op}
    return Case.ratio(
        f"fuse-{op}",
        asks,
        "ns",
        Arm(id="kernel", says=f"below {FEW} layers of the kernel's overlay", args=args),
        Arm(id="fuse", says=f"below {FEW} layers of fuse-overlayfs", args={**args, "fuse": 1}),
        matters=1.2,
        hurts=5.0,
        target=0.2,
        headline=False,
        work="lookup",
        needs=(FUSE_OVERLAY,),
    )


def _line(op: str, asks: str) -> Case:
    return Case.line(
        f"{op}-law",
        asks,
        "us",
        *(Arm(id=f"layers-{n}", says=f"{n} layers", args={"layers": n, "op": op}, number=n) for n in LAYERS),
        matters=1.2,
        hurts=2.0,
        target=0.05,
        headline=False,
        work="lookup-law",
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    return (
        *map(_ratio, RATIOS),
        _fuse("first", "What does a first look cost through fuse-overlayfs?"),
        _fuse("open", "And opening a file that is known?"),
        _line("first", "Does every layer cost a first look the same?"),
        _line("absent", "Does every layer cost an absent name the same?"),
    )


def measure(stage: Stage) -> Iterator[Rig]:
    stage.note("ours", overlays(stage.host))
    with stage.scratch(stage.options["path"], 16, local=False) as folder:
        stage.attempt("overlay-lookup", "mounts of its own", "run as root, or allow user namespaces", dir=str(folder))

        def turn(case: Case, t: Turn) -> Rep:
            rep = stage.core("overlay-lookup", t, dir=str(folder))
            if case.kind is not Kind.LAW:
                return rep
            return replace(rep, samples={"us": [ns / 1000 for ns in rep.samples["ns"]]})

        def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
            return {t.label: turn(case, t) for t in turns}

        yield Rig(once)


def delivers(verdict: Verdict, host: Host) -> str:
    first, warm = verdict.cases.get("first"), verdict.cases.get("warm")
    if first is None or not first.delivered or not first.promised:
        return "Not enough was measured to say what layers cost."
    below, plain = first.delivered / 1000, first.promised / 1000
    said = f"Below {FEW} layers the first look at a file takes {below:.1f} us, {plain:.1f} us without"
    if warm is not None and warm.value:
        said += f"; once it is known, {warm.value:.1f} times as long"
    fuse = verdict.cases.get("fuse-open")
    if fuse is not None and fuse.value:
        said += f"; through fuse-overlayfs opening it takes {fuse.value:.2g} times as long as through the kernel's"
    roots = {path: layers for path, layers in overlays(host).items() if layers > 1}
    here = ", ".join(f"{path} has {layers} layers" for path, layers in list(roots.items())[:3])
    return said + (f". Here {here}." if here else "; no file system of this process is an overlay.")


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    first, most = verdict.cases.get("first"), max(overlays(host).values(), default=0)
    if first is None or first.word is not Word.COSTLY or most < 2:
        return []
    why = f"a first look asks every layer, and there are {most} here"
    return [Proposal("fewer-layers", "images squashed to few layers, data on a volume", why)]


PROBE = Probe(
    claim=Claim(
        Layer.FILES,
        says="It is one file system.",
        read_from="/proc/self/mountinfo, lowerdir",
        title="files below layers",
    ),
    cases=cases,
    cost=Cost(seconds=6, disk_mib=16),
    needs=(OVERLAY,),
    measure=measure,
    advise=advise,
    delivers=delivers,
    options=(PATH,),
    plants=(
        Plant(id="plant_extra=0.5", set={"plant_extra": 0.5}, case="warm", expect=1.5, tolerance=0.08, control=True),
    ),
)
