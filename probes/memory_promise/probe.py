"""memory-promise: malloc succeeded. Is the memory there, and who pays when it is not?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from liebench.contract import (
    Args,
    Arm,
    Case,
    Claim,
    Cost,
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
from liebench.stage.cgroup import MEMORY, memory
from liebench.stage.needs import MEMORY_GROUP
from liebench.stage.stage import Stage

LIMIT_MIB, OTHER_MIB = 64, 48
TIMES = 4  # as much as this host could ever deliver is granted at once: enough to call it a promise
FATES = {
    "refused": Meaning(Word.HONEST, "beyond the limit mmap says no", "refused"),
    "kept": Meaning(Word.HARMLESS, "beyond the limit the kernel finds the memory elsewhere, in swap", "swapped"),
    "killed": Meaning(
        Word.COSTLY, "beyond the limit everything is granted, and the process is killed when it touches it", "killed"
    ),
}
RIG = Touches(other=(MEMORY,))


def deliverable_mib(host: Host) -> float:
    """What could be touched at this moment: available memory and free swap, or what the limit leaves."""
    lines = (host.read("/proc/meminfo") or "").splitlines()
    known = {k: v.split() for k, _, v in (line.partition(":") for line in lines)}
    there = sum(int(known[k][0]) for k in ("MemAvailable", "SwapFree") if known.get(k)) / 1024
    limit = host.facts["limits"]["memory_mib"]
    return min(there, limit) if limit else there


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    args: Args = {"limit": LIMIT_MIB}
    granted = Case.ratio(
        "granted",
        "How much more is granted than could ever be touched?",
        "MiB",
        Arm(id="there", says="what could be touched now"),
        Arm(id="granted", says="what mmap grants"),
        quantity="mib",
        matters=1.1,
        hurts=100.0,  # by itself it costs nobody anything
        target=0.2,
        work="promise",
    )
    beyond = Case.fact(
        "beyond",
        "What happens to a process that believes it?",
        "page after page, beyond the limit",
        FATES,
        arm="touched",
        args=args,
        touches=RIG,
        work="promise",
        needs=(MEMORY_GROUP,),
    )
    limit = Case.law(
        "limit",
        "Does it end where the limit is?",
        "MiB",
        Arm(id="limit", says=f"a limit of {LIMIT_MIB} MiB", args=args, touches=RIG),
        Arm(id="touched", says="touched before the end", args=args, touches=RIG),
        quantity="mib",
        matters=1.03,
        hurts=1.2,
        target=0.02,
        headline=False,
        work="promise-limit",
        needs=(MEMORY_GROUP,),
    )
    return granted, beyond, limit


def measure(stage: Stage) -> Iterator[Rig]:
    def touched(limit: int, turn: Turn, swaps: bool) -> Rep:
        """Twice the limit is asked for. What the group holds before, the process can no longer touch."""
        with memory(stage, limit, swaps=swaps):
            return stage.core("memory-touch", Turn(Arm(id="touch"), turn.label), mib=2 * limit)

    def turn(case: Case, t: Turn) -> Rep:
        there = deliverable_mib(stage.host)
        if case.id == "granted":
            if t.arm.promised:
                return Rep(samples={"mib": [there]})
            most = max(1, int(TIMES * there / 1024) + 1)
            return stage.core("memory-granted", Turn(Arm(id="granted"), t.label), most_gib=most)
        limit = int(t.arm.args["limit"]) if "limit_mib" not in t.plant else int(t.plant["limit_mib"])
        if case.id == "limit" and t.arm.promised and t.label in (t.arm.id, "promised") and not t.plant:
            return Rep(samples={"mib": [float(limit)]})
        # a limit ends where it is only without swap; what the host would do, its own swap decides, and not a rig's
        return touched(limit, t, case.id == "beyond" and bool(stage.host.facts["memory"]["swap_mib"]))

    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        return {t.label: turn(case, t) for t in turns}

    yield Rig(once)


def delivers(verdict: Verdict, host: Host) -> str:
    granted, beyond = verdict.cases.get("granted"), verdict.cases.get("beyond")
    said = []
    if granted is not None and granted.promised and granted.delivered:
        most = " or more" if granted.delivered >= TIMES * granted.promised else ""
        there = f"{granted.promised / 1024:.1f} GiB"
        said.append(f"{granted.delivered / 1024:.0f} GiB{most} are granted where {there} could be touched")
    if beyond is not None and beyond.why:
        said.append(beyond.why)
    return "; ".join(said) + "." if said else "Not enough was measured."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    beyond = verdict.cases.get("beyond")
    if beyond is None or beyond.term != "killed":
        return []
    why = "what is granted is not reserved, and who touches it beyond the limit is killed"
    return [Proposal("size-below-limit", "heaps and caches of at most four fifths of the limit", why)]


PROBE = Probe(
    claim=Claim(
        Layer.MEMORY,
        says="malloc succeeded.",
        read_from="malloc(3), vm.overcommit_memory, memory.max",
        title="promised memory",
    ),
    cases=cases,
    cost=Cost(seconds=4, memory_mib=80),
    measure=measure,
    advise=advise,
    delivers=delivers,
    plants=(
        Plant(
            id="limit=48m",
            set={"limit_mib": float(OTHER_MIB)},
            case="limit",
            expect=OTHER_MIB / LIMIT_MIB,
            tolerance=0.03,
            control=True,
            touches=RIG,
        ),
    ),
)
