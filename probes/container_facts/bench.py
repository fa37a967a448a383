"""The questions of container-facts, each asked once: programs, files, busy threads, with limits or without."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from liebench.contract import Arm, Case, Kind, Rep, Turn
from liebench.errors import ToolFailed
from liebench.facts.limits import Allowed, allowed, view
from liebench.facts.reader import Reader
from liebench.probes.container_facts.verdict import CPUS, MEMORY, groups, load, rated, times, whole
from liebench.stage.believers import BELIEVERS, Believer, Question, ask, said
from liebench.stage.cgroup import Limits, nested
from liebench.stage.stage import Stage

PERIODS, MOST_MS = 10, 400  # a window of busy threads: whole periods of the quota, so many or so long
FREE_MS, WARM_MS = 80, 100  # without a quota; and before the first window
SHARE, MIB = 0.5, 256
NESTS = {  # parent, leaf
    "leaf": (Limits(0.75), Limits(SHARE)),
    "parent": (Limits(0.75), Limits()),
    "limited": (Limits(SHARE, MIB), Limits()),
}
SLIGHT = 0.05  # of what is allowed
TAKEN = "VOID: others had the processors"
QUIET: Mapping[str, int] = {"samples": 1, "sentinel": 0}


class Bench:
    def __init__(self, stage: Stage) -> None:
        self.stage, self.host = stage, stage.host
        self.reader = Reader(stage.host.root)

    def once(self, case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        """One block of one case."""
        if case.kind is Kind.LAW:
            return self._law(case.id, turns)
        return {t.label: self._fact(case.id, t) for t in turns}

    def _fact(self, name: str, t: Turn) -> Rep:
        if name == "ours":
            return self._ours(t)
        if name == "load":
            return Rep(samples={}, facts=load(self.host.read("/proc/loadavg"), self._tasks()))
        if name == "groups":
            return Rep(samples={}, facts=groups(view(self.reader)))
        if name == "affinity":
            return self._asked(
                BELIEVERS.values(), replace(allowed(self.reader), cpuset=1), (), self.host.processors[-1:]
            )
        if name == "limited":
            with nested(self.stage, *NESTS[name]) as inside:
                return self._asked(BELIEVERS.values(), self._inside(inside), inside)
        return self._asked((BELIEVERS[name],), allowed(self.reader))

    def _asked(
        self, believers: Iterable[Believer], limits: Allowed, inside: Sequence[Path] = (), cpus: Iterable[int] = ()
    ) -> Rep:
        """What they believe, beside what these limits leave of this machine."""
        told, silent = [], []
        for believer in believers:
            if not believer.here(self.host):
                continue
            try:
                told += [(b.says, b.of, b.number) for b in ask(self.host, believer, inside, cpus)]
            except ToolFailed as error:
                silent.append(str(error))
            if believer.id == "kernel" and not silent:
                told.append(("sysinfo(2)", MEMORY, self._machine))
        facts: dict[str, Any] = dict(rated(told, self._cpus(limits), self._memory(limits)))
        by = [] if inside else [b for b in (limits.cpus_by, limits.memory_by, limits.high_by) if b]
        return Rep(samples={}, facts={**facts, "silent": silent, "by": by})

    def _ours(self, t: Turn) -> Rep:
        """A program that says what is allowed, or a known multiple of it: through the same door as every other."""
        limits = allowed(self.reader)
        claimed = round(whole(self._cpus(limits)) * t.plant.get("times", 1))
        echo = Believer(
            "ours", (("echo", f"cpus {claimed}"),), (Question("a program of ours", CPUS, r"^cpus (\d+)$"),), ""
        )
        rep = self._asked((echo,), limits)
        found = [times(c["of"], c["claimed"], self._cpus(limits), 1) for c in rep.facts["claims"]]
        return Rep(samples={"times": [n for n in found if n > 1]}, facts=rep.facts)

    def _law(self, name: str, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        """CPUs that the limits leave, and CPUs that busy threads got."""
        if name not in NESTS:
            return self._used(turns, allowed(self.reader))
        with nested(self.stage, *NESTS[name]) as inside:
            return self._used(turns, self._inside(inside))

    def _used(self, turns: Sequence[Turn], limits: Allowed) -> Mapping[str, Rep]:
        period_ms = (limits.period_us or FREE_MS * 1000) / 1000
        window = max(1, min(PERIODS, int(MOST_MS / period_ms))) * period_ms if limits.period_us else FREE_MS
        on = ",".join(map(str, self.host.processors))
        busy: dict[str, str | int] = {"on": on, "window_ms": round(window), "warm_ms": round(min(period_ms, WARM_MS))}
        claimed = Rep(samples={"cpus": [self._cpus(limits)]}, facts={"by": limits.cpus_by})
        return {t.label: claimed if t.arm.promised else self._busy(t, self._cpus(limits), busy) for t in turns}

    def _busy(self, t: Turn, most: float, busy: Mapping[str, str | int]) -> Rep:
        """Busy threads. What they lack must have been idle: else others worked there, and no limit held them back."""
        rep = self.stage.core("container-facts", Turn(Arm(id=t.arm.id), t.label, t.plant), **busy, **QUIET)
        lack, idle = most - rep.samples["cpus"][0], rep.samples["idle"][0]
        taken = lack > SLIGHT * most and idle is not None and idle < lack / 2
        samples = {"cpus": rep.samples["cpus"]} if idle is None else rep.samples
        return replace(rep, samples=samples, flags=(*rep.flags, TAKEN) if taken else rep.flags)

    def _inside(self, inside: Sequence[Path]) -> Allowed:
        """What a process in these groups reads of itself."""
        return allowed(self.reader, said(("/bin/cat", "/proc/self/cgroup"), {}, inside))

    @cached_property
    def _machine(self) -> int:
        looked = self.stage.core("container-facts", Turn(Arm(id="look"), "look"), window_ms=1, warm_ms=0, **QUIET)
        return int(looked.facts["memory"])

    def _cpus(self, limits: Allowed) -> float:
        few = min(len(self.host.processors), limits.cpuset or len(self.host.processors))
        return min(float(few), limits.cpus or float(few))

    def _memory(self, limits: Allowed) -> int:
        return min(m for m in (self._machine, limits.memory, limits.high) if m is not None)

    def _tasks(self) -> int:
        fields = (self.reader.field(f"/proc/{p}/status", "Threads") for p in self.host.names("/proc") if p.isdigit())
        return sum(int(n) for n in fields if n and n.isdigit())
