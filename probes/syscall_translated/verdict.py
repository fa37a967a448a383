"""What syscall-translated's verdicts mean for this host: what a call costs, what this process is under. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from liebench.contract import Proposal, Verdict, Word
from liebench.host import Host
from liebench.judge.verdicts import Evidence, case_verdict

STACKED = 8  # filters of the case `stacked`
WORTH_MOVING = 1.5  # an answer from another processor against one from the same
SAID = {
    "container": "{} below a container's filter",
    "stacked": f"{{}} below {STACKED} filters that read an argument",
    "trap": "{} where a signal handler answers",
    "notify": "{} where a supervisor on the same processor answers",
    "notify-other": "{} where one on another processor does",
    "ptrace": "{} under a tracer",
}


def length(ns: float) -> str:
    return f"{ns:.0f} ns" if ns < 1000 else f"{ns / 1000:.3g} us"


def judge(evidence: Evidence) -> Verdict:
    """The common judges' word; what was in between is said beside the ratio, which alone names no cause."""
    verdict = case_verdict(evidence)
    said = SAID.get(evidence.case.id)
    if said is None or verdict.why or verdict.promised is None or verdict.delivered is None:
        return verdict
    why = (
        f"a system call takes {said.format(length(verdict.delivered))}, {length(verdict.promised)} with nobody between"
    )
    return replace(verdict, why=why)


def delivers(verdict: Verdict, host: Host) -> str:
    cases = verdict.cases
    native = next((v.promised for v in cases.values() if v.promised), None)
    known = {k: v.delivered for k in SAID if (v := cases.get(k)) is not None and v.delivered}
    if native is None or not known:
        said = "Not enough was measured to say what a system call costs"
    else:
        parts = [SAID[name].format(length(ns)) for name, ns in known.items()]
        said = f"A system call takes {length(native)} here, {', '.join(parts)}"
    return f"{said}. {under(host)}"


def under(host: Host) -> str:
    """What this process itself runs under, which ``native`` then holds too."""
    process: dict[str, Any] = host.facts.get("process", {})
    kernel: dict[str, Any] = host.facts.get("kernel", {})
    filters, tracer = process.get("filters"), process.get("tracer")
    said = []
    if "gvisor" in (kernel.get("release") or "").lower():
        said.append("the kernel calls itself gVisor, which answers every call in user space")
    if filters:
        said.append(f"{filters} seccomp filter{'s' * (filters > 1)} above it, which no arm here is free of")
    elif process.get("seccomp"):
        said.append("seccomp filters above it, which no arm here is free of")
    elif process.get("seccomp") == 0:
        said.append("no seccomp filter above it")
    if tracer:
        said.append(f"process {tracer} tracing it")
    if "audit=1" in (kernel.get("cmdline") or "").split():
        said.append("audit=1 on the kernel's command line")
    if process.get("store_bypass"):
        said.append(f"speculative store bypass: {process['store_bypass']}")
    return f"This process has {'; '.join(said)}." if said else "What this process is under is not told."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    costly = {k: v for k, v in verdict.cases.items() if v.word is Word.COSTLY and v.value}
    return [*_filters(costly.get("stacked"), host), *_place(costly, host), *_tracer(costly.get("ptrace"), host)]


def _filters(stacked: Verdict | None, host: Host) -> list[Proposal]:
    """Only where this process is below several filters; what stands in other containers is not known."""
    count = host.facts.get("process", {}).get("filters") or 0
    if stacked is None or count < 2:
        return []
    why = f"{STACKED} filters that read an argument make a call {stacked.value:.2g} times as long; here are {count}"
    return [Proposal("fewer-filters", "one filter", why)]


def _place(costly: dict[str, Verdict], host: Host) -> list[Proposal]:
    """Only where this process is filtered: there is no supervisor without a filter."""
    other, same = costly.get("notify-other"), costly.get("notify")
    if (
        not host.facts.get("process", {}).get("filters")
        or other is None
        or same is None
        or not other.value
        or not same.value
    ):
        return []
    if other.value < WORTH_MOVING * same.value:
        return []
    why = f"an answer from another processor takes {other.value / same.value:.2g} times as long as one from the same"
    return [Proposal("supervisor-place", "the supervisor on the processor of its callers", why)]


def _tracer(ptrace: Verdict | None, host: Host) -> list[Proposal]:
    """Only where this process is traced."""
    if ptrace is None or not host.facts.get("process", {}).get("tracer"):
        return []
    why = f"a call under a tracer takes {ptrace.value:.3g} times as long"
    return [Proposal("no-tracer", "seccomp filters (strace --seccomp-bpf) or eBPF (perf trace) on hot paths", why)]
