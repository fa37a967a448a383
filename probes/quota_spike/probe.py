"""quota-spike: a CPU quota far above what is used on average still stops a spike of work, and makes it late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from liebench.contract import (
    Arm,
    Case,
    Claim,
    Cost,
    Layer,
    Need,
    Options,
    Proposal,
    Rep,
    Rig,
    Subject,
    Touches,
    Turn,
    Verdict,
    Word,
)
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.stage.cgroup import CONTROLLERS, quota
from liebench.stage.needs import CPU_BURST, CPU_GROUP
from liebench.stage.stage import Stage

PERIOD_US = 100_000  # what the kernel and every container engine take where nothing else is said
WORK_MS, EVERY_MS = 80, 250  # a spike; on average 32 % of a processor
QUOTA_US = 40_000  # 40 % of a processor
GROUP = Touches(other=(CONTROLLERS,))


def _spike(name: str, asks: str, burst_us: int, headline: bool, needs: tuple[Need, ...] = ()) -> Case:
    args = {"quota_us": QUOTA_US, "burst_us": burst_us}
    return Case.ratio(
        name,
        asks,
        "ms",
        Arm(id="alone", says="without a quota", args={"quota_us": 0, "burst_us": 0}),
        Arm(id="limited", says="with a quota of 40 ms in 100 ms", args=args, touches=GROUP),
        target=0.05,
        subject=Subject.RIG,
        headline=headline,
        work="spike",
        needs=needs,
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    late = "How late is a spike under a quota that is more than enough on average?"
    saved = "And where what was not used before may be used now?"
    return (
        _spike("spike", late, 0, headline=True),
        _spike("burst", saved, QUOTA_US, headline=False, needs=(CPU_BURST,)),
    )


def measure(stage: Stage) -> Iterator[Rig]:
    def turn(t: Turn) -> Rep:
        allowed, burst = (int(t.arm.args[name]) for name in ("quota_us", "burst_us"))
        bare = Turn(Arm(id=t.arm.id, args={"work_ms": WORK_MS, "every_ms": EVERY_MS}), t.label, t.plant)
        if not allowed:
            return stage.core("cpu-spike", bare)
        with quota(stage, allowed / PERIOD_US, PERIOD_US, burst):
            return stage.core("cpu-spike", bare)

    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        return {t.label: turn(t) for t in turns}

    yield Rig(once)


def delivers(verdict: Verdict, host: Host) -> str:
    spike, burst = verdict.cases.get("spike"), verdict.cases.get("burst")
    if spike is None or not spike.delivered or not spike.promised:
        return "Not enough was measured to say how late a spike comes."
    said = f"{WORK_MS} ms of work on every {EVERY_MS} ms took {spike.delivered:.0f} ms under a quota of "
    said += f"{QUOTA_US / 1000:.0f} ms in {PERIOD_US // 1000} ms, {spike.promised:.0f} ms without"
    if burst is not None and burst.delivered:
        said += f"; {burst.delivered:.0f} ms with a burst as large as the quota"
    return said + "."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    """Only where this host's own group has a quota, and the burst helped in a group of ours."""
    cpus, spike, burst = host.facts["limits"]["cpus"], verdict.cases.get("spike"), verdict.cases.get("burst")
    if cpus is None or spike is None or burst is None or spike.word is not Word.COSTLY or burst.word is Word.COSTLY:
        return []
    why = (
        f"this group may use {cpus:g} CPUs; in one of ours, with a quota, a spike took {spike.value or 1:.3g} times as "
    )
    why += f"long as without, and {burst.value or 1:.3g} times where the burst was as large as the quota"
    return [Proposal("cpu-burst", str(min(round(cpus * PERIOD_US), QUOTA_US)), why)]


PROBE = Probe(
    claim=Claim(
        Layer.CONTAINER,
        says="You may use 40 % of a processor.",
        read_from="cpu.max or cpu.cfs_quota_us",
        title="a quota that is enough on average",
    ),
    cases=cases,
    cost=Cost(seconds=60),
    needs=(CPU_GROUP,),
    measure=measure,
    advise=advise,
    delivers=delivers,
    plants=(
        Plant(id="plant_wait=0.2", set={"plant_wait": 0.2}, case="spike", expect=1.2, tolerance=0.02, control=True),
    ),
)
