"""What container-facts' answers say: who believes in more than is allowed, and by how much. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Any

from liebench.contract import Kind, Meaning, Proposal, Verdict, Word
from liebench.host import Host
from liebench.judge.verdicts import Evidence, case_verdict

TWICE, HALF = 2.0, 0.5
ROUNDED = 1.02  # some say their memory in whole MiB or pages
SPARE = 0.75  # of the memory limit for a heap: stacks, code, buffers and the page cache need the rest
STRANGERS, SOME = 1.5, 20  # tasks that loadavg counts above those that can be seen; they come and go
CPUS, MEMORY, HEAP = "CPUs", "memory", "heap"
BELIEFS = {
    "right": Meaning(Word.HONEST, "it believes in what is allowed"),
    "fewer": Meaning(Word.HARMLESS, "it believes in less than half of the CPUs that are allowed"),
    "more": Meaning(Word.HARMLESS, "it believes in more than is allowed"),
    "far more": Meaning(Word.COSTLY, "it believes in far more than is allowed"),
    "unknown": Meaning(Word.INCONCLUSIVE, "what it believes cannot be told"),
}
RANKS = tuple(BELIEFS)  # from the best to the worst that was said; unknown only where nothing else was
LOAD = {
    "ours": Meaning(Word.HONEST, "/proc/loadavg counts what can be seen from here"),
    "theirs": Meaning(Word.HARMLESS, "/proc/loadavg counts tasks that cannot be seen from here", "the host's"),
    "unknown": Meaning(Word.INCONCLUSIVE, "/proc/loadavg cannot be read here"),
}
GROUPS = {
    "whole": Meaning(Word.HONEST, "every control group above this process can be seen"),
    "hidden": Meaning(
        Word.HARMLESS, "control groups above this process cannot be seen: their limits hold all the same", "hidden"
    ),
    "none": Meaning(Word.INCONCLUSIVE, "control groups cannot be read here: what they allow is unknown", "none"),
}
Facts = Mapping[str, Any]
Told = tuple[str, str, int]  # in whose words, of what, how much


def whole(cpus: float) -> int:
    """The fewest workers that can use what is allowed."""
    return max(1, ceil(cpus - 1e-6))


def times(of: str, claimed: int, cpus: float, memory: int) -> float:
    """How many times what is allowed somebody believes in. CPUs count in whole ones: nobody can start half a thread."""
    return claimed / (whole(cpus) if of == CPUS else memory)


def rank(of: str, found: float) -> str:
    """The word for one number."""
    if of == CPUS:
        return "far more" if found >= TWICE else "more" if found > 1 else "fewer" if found < HALF else "right"
    if of == HEAP and found <= ROUNDED:
        return "more" if found > SPARE else "right"
    return "far more" if found > ROUNDED else "right"


def rated(told: Sequence[Told], cpus: float, memory: int) -> Facts:
    """The facts of one believer: its numbers beside what is allowed; ``value`` is the worst of its words."""
    claims = [
        {
            "says": says,
            "of": of,
            "claimed": claimed,
            "allowed": cpus if of == CPUS else memory,
            "value": rank(of, times(of, claimed, cpus, memory)),
        }
        for says, of, claimed in told
    ]
    value = max((str(c["value"]) for c in claims), key=RANKS.index, default="unknown")
    return {"value": value, "claims": claims}


def load(text: str | None, seen: int) -> Facts:
    """The facts of ``load``: tasks that the kernel counts (fourth field of /proc/loadavg) and those in /proc."""
    _, _, tasks = ((text or "").split() + [""] * 4)[3].partition("/")
    if not tasks.isdigit() or not seen:
        return {"value": "unknown"}
    return {"value": "theirs" if int(tasks) > STRANGERS * seen + SOME else "ours", "tasks": int(tasks), "seen": seen}


def groups(found: Mapping[str, Mapping[str, str]]) -> Facts:
    """The facts of ``groups``, from where CPU time and memory are counted."""
    tops = {place["top"] for place in found.values()}
    value = "none" if not found else "hidden" if "hidden" in tops else "whole"
    return {"value": value, **{name: place["group"] for name, place in found.items()}}


def amount(of: str, number: float) -> str:
    if of == CPUS:
        return f"{number:.3g} CPU{'' if number == 1 else 's'}"
    gib = number / (1 << 30)
    return f"{gib:.3g} GiB" if gib >= 1 else f"{number / (1 << 20):.3g} MiB"


def _told(claim: Facts) -> str:
    """One number, and what is allowed where that is another."""
    of, claimed, most = (claim[key] for key in ("of", "claimed", "allowed"))
    if claim["value"] == "right":
        return amount(of, claimed)
    return f"{claimed} of {amount(of, most)}" if of == CPUS else f"{amount(of, claimed)} of {amount(of, most)}"


def spoken(claims: Sequence[Facts]) -> str:
    """``nproc, sysconf: 2 of 0.5 CPUs; /proc/meminfo: 23.5 GiB of 256 MiB``."""
    who: dict[str, list[str]] = {}
    for claim in claims:
        who.setdefault(_told(claim), []).append(claim["says"])
    return "; ".join(f"{', '.join(names)}: {told}" for told, names in who.items())


def judge(evidence: Evidence) -> Verdict:
    """The common words, with the numbers behind them; ``term`` lists what is wrong, for the advice."""
    verdict = case_verdict(evidence)
    if not evidence.blocks:
        return verdict
    if evidence.case.kind is not Kind.FACT:
        return _got(verdict, evidence)
    facts = evidence.blocks[-1]["reps"]["seen"]["facts"]
    if "claims" in facts:
        return _believed(verdict, facts, evidence.case.id == "kernel")
    if "tasks" in facts:
        return replace(verdict, why=f"{verdict.why}: {facts['tasks']} tasks, {facts['seen']} of them can be seen")
    if facts.get("memory"):
        return replace(verdict, why=f"{verdict.why}; memory and page cache are counted in {facts['memory']}")
    return verdict


def _believed(verdict: Verdict, facts: Facts, with_place: bool) -> Verdict:
    wrong = [c for c in facts["claims"] if c["value"] != "right"]
    more = [c["of"] for c in wrong if c["value"] != "fewer"]
    said = [spoken(wrong or facts["claims"])] if facts["claims"] else []
    said += facts.get("silent", [])
    said += [f"limits: {', '.join(facts['by'])}"] if with_place and wrong and facts["by"] else []
    return replace(verdict, why="; ".join(said) or verdict.why, term=", ".join(dict.fromkeys(more)))


def _got(verdict: Verdict, evidence: Evidence) -> Verdict:
    if verdict.delivered is None or verdict.promised is None:
        return verdict
    why = f"busy threads got {verdict.delivered:.3g} of {amount(CPUS, verdict.promised)}"
    if evidence.case.id == "used" and verdict.word in (Word.HARMLESS, Word.COSTLY):
        why += ", and the rest was idle: a limit that cannot be seen from here"
    return replace(verdict, why="; ".join(part for part in (why, verdict.why) if part))


def allowed(host: Host) -> tuple[float, int | None]:
    """CPUs and bytes that this host's facts allow; None: no limit but the machine's own memory."""
    limits, cpus = host.facts["limits"], float(len(host.facts["cpu"]["usable"]) or 1)
    quota, mib = limits["cpus"], limits["memory_mib"]
    return min(cpus, quota) if quota else cpus, None if mib is None else mib << 20


BELIEVING = ("kernel", "sysconf", "nproc", "python", "java", "node", "go")


def delivers(verdict: Verdict, host: Host) -> str:
    cpus, memory = allowed(host)
    has = (
        f"{amount(CPUS, cpus)} and {'all of the memory' if memory is None else amount(MEMORY, memory)} may be used here"
    )
    found = {name: verdict.cases[name] for name in BELIEVING if name in verdict.cases}
    wrong = [v.why for v in found.values() if v.word in (Word.HARMLESS, Word.COSTLY)]
    right = [name for name, v in found.items() if v.word is Word.HONEST]
    said = [f"{has}, and {', '.join(right)} believe in that"] if right else [has]
    said += [f"others believe: {'; '.join(wrong)}"] if wrong else []
    said += [verdict.cases[n].why for n in ("load", "groups") if n in verdict.cases and verdict.cases[n].term]
    used, limited = verdict.cases.get("used"), verdict.cases.get("limited")
    said += [used.why] if used is not None and used.why else []
    said += [f"inside a control group of ours: {limited.why}"] if limited and limited.term else []
    return "; ".join(said) + "."


WORKERS = {
    "sysconf": "processes-of-servers", "nproc": "threads-of-openmp", "python": "cpu-count-of-python",
    "java": "processors-of-java", "go": "threads-of-go", "node": "workers-of-node",
}  # fmt: skip


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    """The numbers to set, only for those who are wrong here."""
    cpus, memory = allowed(host)
    wrong = {name: found.term for name, found in verdict.cases.items() if name in BELIEVING}
    why = f"it counts on more than the {amount(CPUS, cpus)} that may be used: threads above that only wait"
    said = [Proposal(change, str(whole(cpus)), why) for name, change in WORKERS.items() if CPUS in wrong.get(name, "")]
    if memory is None:
        return said
    most, heap = amount(MEMORY, memory), str(int(SPARE * memory) >> 20)
    why = f"its heap may outgrow three quarters of the {most} that may be used, and what outgrows all of it is killed"
    said += [Proposal(f"heap-of-{name}", heap, why) for name in ("java", "node") if HEAP in wrong.get(name, "")]
    if MEMORY in wrong.get("kernel", ""):
        why = f"it shows more than the {most} that may be used: whoever sizes a cache by that is killed"
        said.append(Proposal("lxcfs", "LXCFS", why))
    return said
