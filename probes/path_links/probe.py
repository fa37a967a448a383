"""path-links: what it costs to find a file by its name, by links, mounts and folders on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from liebench.contract import (
    Arm,
    Case,
    Claim,
    Cost,
    Disturbs,
    Layer,
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
from liebench.stage.needs import PATH
from liebench.stage.stage import Stage

DROP = "/proc/sys/vm/drop_caches"
LINKS, DEEP, COLD_DEEP = (1, 2, 4, 8, 16), 16, (1, 4, 8, 16)
KINDS = {  # arm -> hops, its words, the question
    "symlink": (1, "by one symbolic link", "What does a symbolic link cost?"),
    "hardlink": (0, "by its second name", "What does a hard link cost?"),
    "bind": (0, "through a bind mount", "What does a bind mount cost?"),
    "deep": (DEEP, f"{DEEP} folders further down", f"What do {DEEP} folders on the way cost?"),
}


def _warm(kind: str, hops: int, says: str, asks: str) -> Case:
    return Case.ratio(
        kind,
        asks,
        "ns",
        Arm(id="direct", says="by its name", args={"kind": "direct", "hops": 0}),
        Arm(id=kind, says=says, args={"kind": kind, "hops": hops}),
        hurts=3.0,
        target=0.05,
        headline=kind in ("symlink", "deep"),
        work="path",
    )


def _chain() -> Case:
    return Case.line(
        "chain",
        "Does every further symbolic link cost the same?",
        "ns",
        *(Arm(id=f"links-{n}", says=f"a chain of {n}", args={"kind": "symlink", "hops": n}, number=n) for n in LINKS),
        matters=1.1,
        hurts=1.5,
        target=0.08,
        headline=False,
        work="path",
    )


def _cold() -> Case:
    """Nothing is known of these names: the host's caches of names are emptied before, so the host must consent."""
    touches = Touches(keys=(DROP,), disturbs=Disturbs.HOST)
    arms = (
        Arm(id=f"folders-{n}", says=f"{n} folders, never looked up", args={"hops": n}, number=n, touches=touches)
        for n in COLD_DEEP
    )
    return Case.line(
        "cold",
        "Does every folder cost the same where no name is known yet?",
        "ns",
        *arms,
        matters=1.2,
        hurts=2.0,
        target=0.1,
        headline=False,
        work="path-cold",
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    return (*(_warm(k, *row) for k, row in KINDS.items()), _chain(), _cold())


def measure(stage: Stage) -> Iterator[Rig]:
    with stage.scratch(stage.options["path"], 16, local=False) as folder:

        def cold(t: Turn) -> Rep:
            named = Turn(t.arm, t.label, t.plant)
            where = str(folder / t.arm.id)
            (folder / t.arm.id).mkdir(exist_ok=True)
            stage.core("path-first", named, dir=where, build=1)
            stage.trigger(DROP, "2")
            return stage.core("path-first", named, dir=where)

        def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
            if case.id == "cold":
                return {t.label: cold(t) for t in turns}
            return {t.label: stage.core("path-links", t, dir=str(folder)) for t in turns}

        yield Rig(once)


def _more(v: Verdict) -> float:
    """Nanoseconds beyond the direct name, from the paired ratio: medians over two speeds may even change places."""
    return (v.promised or 0.0) * ((v.value or 1.0) - 1)


def delivers(verdict: Verdict, host: Host) -> str:
    link, deep = verdict.cases.get("symlink"), verdict.cases.get("deep")
    if link is None or not link.value or not link.promised:
        return "Not enough was measured to say what a name costs."
    said = f"Finding a file takes {link.promised:.0f} ns, {_more(link):.0f} ns more by a symbolic link"
    if deep is not None and deep.value and deep.promised:
        said += f", {_more(deep) / DEEP:.0f} ns more for each folder on the way"
    return said + "."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    deep = verdict.cases.get("deep")
    if deep is None or deep.word is not Word.COSTLY or not deep.value:
        return []
    why = f"a name {DEEP} folders deep takes {deep.value:.2g} times as long to find"
    return [Proposal("openat", "openat(2) from a folder that stays open", why)]


PROBE = Probe(
    claim=Claim(
        Layer.FILES, says="The file is here.", read_from="path_resolution(7)", title="finding a file by its name"
    ),
    cases=cases,
    cost=Cost(seconds=4, disk_mib=16),
    measure=measure,
    advise=advise,
    delivers=delivers,
    options=(PATH,),
    plants=(
        Plant(id="plant_share=0.5", set={"plant_share": 0.5}, case="symlink", expect=1.5, tolerance=0.05, control=True),
        Plant(id="plant_share=0.1", set={"plant_share": 0.1}, case="symlink", expect=1.1, tolerance=0.04),
    ),
)
