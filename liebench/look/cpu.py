"""Processors: what the hypervisor took, what a quota held back, what waited (proc_stat(5), cgroup-v2.rst, psi.rst)."""

from __future__ import annotations

from typing import Any

from liebench.facts.limits import throttling
from liebench.facts.reader import Reader
from liebench.look.sign import OURS, Calm, Finding, Sign, Suspect, Unknown, Window, find_all, number

KINDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")  # guest time is inside user time
TICKS = 5  # of 10 ms each (USER_HZ): fewer of them may be rounding
STEAL = Sign(
    id="steal",
    what="steal",
    top=("cpu.steal",),
    bottom=tuple(f"cpu.{kind}" for kind in KINDS),
    least=TICKS,
    percent=True,
    of_time=True,
    limit=0.05,
    source="VMware: ready time is fine below 5 %, to be acted on above 10 %",
    says="{amount} of the processors' time was stolen: the hypervisor ran somebody else",
    settle="liebench run cpu-share",
)
PERIODS = Sign(
    id="throttled",
    what="CPU quota",
    top=("group.{name}.throttled",),
    bottom=("group.{name}.periods",),
    percent=True,
    of_time=True,
    limit=0.05,
    source=f"{OURS}: latency of requests suffers from 1 % on",
    says="the CPU quota of {name} stopped it in {amount} of its periods",
    settle="liebench run cpu-share",
)
HELD = Sign(
    id="held",
    what="time held back by quota",
    top=("group.{name}.throttled_us",),
    scale=1e-6,
    least=1e4,
    percent=True,
    of_time=True,
    limit=0.05,
    source=f"{OURS}: 50 ms of every second",
    says="the CPU quota of {name} held its threads back for {amount} of the time",
    settle="liebench run cpu-share",
)
HIGH = Sign(
    id="memory-high",
    what="memory.high",
    top=("group.{name}.high",),
    limit=1.0,
    source=f"{OURS}: each is a process made to wait",
    says="{name} was throttled at its memory.high {count} times ({amount})",
    settle="liebench run memory-promise",
)
KILLED = Sign(
    id="oom-kill",
    what="kills for want of memory",
    top=("vm.oom_kill",),
    scale=3600,
    least=0.1,
    unit="per hour",
    limit=1.0,
    source=OURS,
    says="the kernel killed {count} processes for want of memory",
    settle="liebench run memory-promise",
)
PRESSURE = tuple(
    Sign(
        id=f"pressure-{name}",
        what=f"{name} pressure",
        top=(f"psi.{name}",),
        scale=1e-6,
        least=1000,
        percent=True,
        of_time=True,
        limit=limit,
        source=source,
        says=f"in {{amount}} of the time somebody waited for {wait}",
        settle=settle,
    )
    for name, limit, source, wait, settle in (
        ("cpu", 0.3, f"{OURS}: its runs pause there", "a processor", "liebench run cpu-share"),
        ("memory", 0.1, f"{OURS}: stalls worth a report", "memory", "liebench run memory-promise"),
        ("io", 0.1, f"{OURS}: stalls worth a report", "a disk", "liebench run block-stall"),
    )
)
PLAIN = (*PRESSURE, KILLED)
SIGNS = (STEAL, PERIODS, HELD, HIGH, *PLAIN)


def read(reader: Reader) -> dict[str, float]:
    """Ticks by kind, pressure in us, and for our control group and each above it: periods and time held back."""
    found: dict[str, float] = {}
    words = (reader.field("/proc/stat", "cpu", " ") or "").split()
    ticks = {f"cpu.{kind}": number(word) for kind, word in zip(KINDS, words, strict=False)}
    found |= {key: value for key, value in ticks.items() if value is not None}
    for name in ("cpu", "memory", "io"):
        some = (reader.text(f"/proc/pressure/{name}") or "").partition("total=")[2].split()
        waited = number(some[0]) if some else None
        found |= {} if waited is None else {f"psi.{name}": waited}
    for folder, counts in throttling(reader).items():
        found |= {f"group.{folder}.{key}": value for key, value in counts.items()}
    return found


def state(reader: Reader) -> dict[str, Any]:
    flags = (reader.field("/proc/cpuinfo", "flags") or "").split()
    return {"guest": "hypervisor" in flags}


def find(window: Window) -> list[Finding]:
    found = [_steal(window), *find_all(PLAIN, window)]
    groups = {g for s in (".periods", ".high") for g in window.names("group.", s)}
    for group in sorted(groups):
        quota = [f for sign in (PERIODS, HELD) if (f := sign.find(window, group))]
        found += [max(quota, key=_score)] if quota else []  # two views of one quota: the stronger one
        found.append(HIGH.find(window, group))
    return [f for f in found if f is not None]


def _score(finding: Finding) -> float:
    return finding.score if isinstance(finding, Suspect) else -isinstance(finding, Unknown)


def _steal(window: Window) -> Finding | None:
    """Below a few ticks the counter says nothing: unknown, not zero. A guest whose steal never moved may be blind."""
    found, moved = STEAL.find(window), window.moved("cpu.steal")
    if found is None or isinstance(found, Unknown):
        return found
    if window.state("guest") and not window.total("cpu.steal"):
        why = "steal: 0 since boot in a guest, as where the hypervisor does not tell; `liebench run cpu-share` measures"
        return Unknown("steal", why)
    if isinstance(found, Calm) and (moved or 0) < TICKS:
        ticks = sum(window.moved(f"cpu.{kind}") or 0 for kind in KINDS)
        least = f"below {100 * TICKS / ticks:.1f} %" if ticks else "in this window"
        known = STEAL.ever(window)
        boot = "" if known is None else f" ({100 * known:.1f} % since boot)"
        return Unknown("steal", f"steal {least}: it is counted in ticks of 10 ms; a longer --seconds shows less{boot}")
    return found
