"""cpu-share: how much of its processor a busy thread really gets, and who has the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import ceil

from liebench.contract import (
    Arm,
    Case,
    Claim,
    Cost,
    Disturbs,
    Kind,
    Layer,
    Options,
    Proposal,
    Rep,
    Rig,
    Touches,
    Turn,
    Verdict,
)
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.stage.cgroup import CONTROLLERS, quota
from liebench.stage.stage import Stage

MATTERS, HURTS = 2.0, 10.0  # percent lost: VMware's practice calls ready time below 5 % fine, above 10 % significant
WINDOW_MS, WINDOWS = 30, 2
ONE, ALL, QUANTA = range(3)  # how windows are measured: a spinner, one on every processor, work quanta
QUOTA_MS = 1000  # under a quota: fifty of its periods
LOST = {
    "lost": ("How much of its processor does a busy thread lose?", "everything between two looks at the clock", True),
    "below": ("How much is lost below the kernel, where nobody else looks?", "what no counter here explains", True),
    "delay": ("How much do other threads and quotas take?", "run delay of schedstat", False),
    "interrupts": ("How much do interrupts take?", "short gaps, as many as there were interrupts", False),
    "quanta": ("How much is lost by the work that gets done?", "fixed work quanta against the undisturbed one", False),
}


def _share(name: str, asks: str, says: str, headline: bool) -> Case:
    return Case.reading(
        name,
        asks,
        "%",
        "nothing: the CPU is yours",
        says,
        args={"part": name, "how": QUANTA if name == "quanta" else ONE},
        quantity="percent",
        matters=MATTERS,
        hurts=HURTS,
        target=1.0,
        headline=headline,
        work="gap",
    )


def _everywhere(name: str, headline: bool) -> Case:
    """The same with a thread on every processor."""
    asks, says, _ = LOST[name]
    case = _share(name, asks.replace("a busy thread", "a thread on every processor"), says, headline)
    claimed, measured = case.arms
    return replace(case, id=f"{name}-all", arms=(claimed, replace(measured, args={"part": name, "how": ALL})))


def _identity() -> Case:
    return Case.law(
        "identity",
        "Does the kernel account for all of a busy thread's time?",
        "ms",
        Arm(id="accounted", says="CPU time and run delay of the thread", args={"how": ONE}),
        Arm(id="wall", says="the clock on the wall", args={"how": ONE}),
        matters=1.01,
        hurts=1.05,
        headline=False,
        work="gap",
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    one = (_share(name, *row) for name, row in LOST.items())
    every = (_everywhere("lost", headline=True), _everywhere("below", headline=False))
    return (*one, *(every if len(host.processors) > 1 else ()), _identity())


class _Windows:
    """The newest windows of one placement; each case may look at them once, then new ones are measured."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.latest: dict[int, tuple[Rep, set[str]]] = {}

    def fresh(self, turn: Turn, how: int) -> Rep:
        place = {"all": 1} if how == ALL else {}
        bare = Turn(Arm(id="gap"), turn.label, turn.plant)
        ms = QUOTA_MS if self.stage.group else WINDOW_MS
        if how == QUANTA:
            return self.stage.core("cpu-quanta", bare, window_ms=ms, samples=WINDOWS)
        return self.stage.core("cpu-gap", bare, window_ms=ms, samples=WINDOWS, **place)

    def of(self, case: Case, how: int) -> Rep:
        rep, seen = self.latest.get(how, (None, {case.id}))
        if rep is None or case.id in seen:
            rep, seen = self.fresh(Turn(Arm(id="gap"), "gap"), how), set()
            self.latest[how] = rep, seen
        seen.add(case.id)
        return rep


def _part(rep: Rep, part: str) -> Rep:
    """What a repetition lost to one taker: its windows follow each other at once, so their mean is one sample."""
    values = rep.samples[part]
    return replace(rep, samples={"percent": [sum(values) / len(values)], "windows": values}, offsets_ns=())


def measure(stage: Stage) -> Iterator[Rig]:
    windows = _Windows(stage)

    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        arm = case.delivered[0]
        how = int(arm.args["how"])
        if case.kind is Kind.LAW:
            rep = windows.of(case, how)
            return {t.label: replace(rep, samples={"ms": [rep.facts[f"{t.arm.id}_ms"]]}, offsets_ns=()) for t in turns}
        part = str(arm.args["part"])
        if any(t.arm is arm for t in turns if t.label != arm.id):  # a control: every turn has windows of its own
            return {t.label: _part(windows.fresh(t, how), part) for t in turns}
        return {
            t.label: Rep(samples={"percent": [0.0]}) if t.arm.promised else _part(windows.of(case, how), part)
            for t in turns
        }

    yield Rig(once)


def delivers(verdict: Verdict, host: Host) -> str:
    def said(name: str) -> str:
        v = verdict.cases.get(name)
        return "unknown" if v is None or v.value is None else f"{max(v.value, 0):.2g} %"

    alone = f"A busy thread lost {said('lost')} of its processor, {said('below')} of it below the kernel"
    return f"{alone}; with a thread on every processor each lost {said('lost-all')}."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    lost = {k: v.value or 0.0 for k, v in verdict.cases.items()}
    limit = host.facts["limits"]["cpus"]
    found = []
    if limit is not None and lost.get("delay", 0) > MATTERS:
        why = f"a busy thread waits {lost['delay']:.2g} % of its time, and this group may use {limit:g} CPUs"
        found.append(Proposal("cpu-quota", "no limit, or one above what it needs", why))
        found.append(Proposal("workers", f"{ceil(limit)} busy threads", why))
    if max(lost.get("below", 0), lost.get("below-all", 0)) > 5:
        most = max(lost.get("below", 0), lost.get("below-all", 0))
        why = f"{most:.2g} % of a processor's time is lost below the kernel"
        found.append(Proposal("ask-provider", "dedicated processors, or another host", why))
    return found


def _quota(share: int) -> Plant:
    touches = Touches(other=(CONTROLLERS,), disturbs=Disturbs.NOBODY)
    put = partial(quota, share=share / 100)
    return Plant(
        id=f"quota={share}%", set={}, case="delay", expect=100.0 - share, tolerance=1.0, put=put, touches=touches
    )


PROBE = Probe(
    claim=Claim(
        Layer.CPU, says="The CPU is yours.", read_from="steal of /proc/stat, cpu.max", title="having the processor"
    ),
    cases=cases,
    cost=Cost(seconds=14),
    measure=measure,
    advise=advise,
    delivers=delivers,
    plants=(
        Plant(
            id="plant_percent=20", set={"plant_percent": 20.0}, case="below", expect=20.0, tolerance=1.5, control=True
        ),
        Plant(id="quanta=20", set={"plant_percent": 20.0}, case="quanta", expect=20.0, tolerance=1.5),
        _quota(80),
        _quota(50),
        _quota(20),
    ),
)
