"""syscall-translated: what a system call costs with a filter, a supervisor or a tracer between it and the kernel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from liebench.contract import Args, Arm, Case, Claim, Cost, Layer, Need, Options, Rep, Rig, Turn
from liebench.errors import NeedUnmet
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.probes.syscall_translated.verdict import STACKED, advise, delivers, judge
from liebench.stage.stage import Stage

KERNEL = "syscall-translated"
NATIVE = Arm(id="native", says="nobody in between", args={"way": "native"})
MATTERS, HURTS = 1.1, 2.0  # of the cheapest call there is: others lose the same time, not the same share
FILTERS, COMPARES = (1, 2, 4, 8, 16), (100, 400, 1600)
FILTERED = "CONFIG_SECCOMP_FILTER, and a sandbox around liebench that lets it install filters"
CURES = {
    "notify": "Linux 5.0, and no other supervisor of notifications around liebench",
    "selector": "Linux 5.11 on x86",
    "dispatch": "Linux 5.11 on x86",
    "ptrace": "run liebench without a tracer, where kernel.yama.ptrace_scope is below 3",
}
HEADLINES = ("container", "notify")
SUPERVISED = ("notify", "ptrace")
WAYS = {  # case -> way, its words, the question
    "container": ("container", "below an allow-list as long as a container's", "What does a container's filter cost?"),
    "notify": ("notify", "answered on the same processor", "What does a call cost that a supervisor answers?"),
    "cached": ("cached", "below a filter that allows everything", "What does a filter cost that is never run?"),
    "uncached": ("uncached", "below a filter that reads an argument", "What does a filter cost that is run?"),
    "stacked": ("uncached", f"below {STACKED} of them", f"What do {STACKED} filters cost that are run?"),
    "denied": ("denied", "refused by a filter", "What does a call cost that a filter refuses?"),
    "trap": ("trap", "answered by a signal handler", "What does a call cost that a filter turns into a signal?"),
    "selector": ("selector", "let pass", "What does syscall user dispatch cost a call that it lets pass?"),
    "dispatch": ("dispatch", "answered by a signal handler", "And a call that it turns into a signal?"),
    "ptrace": ("ptrace", "answered by a tracer", "What does a call cost under a tracer on the same processor?"),
}
TWO_CPUS = Need("two CPUs", lambda host: len(host.processors) > 1, "with one CPU every supervisor is on the same")


def _ratio(name: str, way: str, says: str, asks: str) -> Case:
    args: Args = {"way": way, "filters": STACKED} if name == "stacked" else {"way": way}
    arm = Arm(id=name, says=says, args=args)
    return Case.ratio(
        name, asks, "ns", NATIVE, arm, matters=MATTERS, hurts=HURTS, headline=name in HEADLINES, work="syscall"
    )


def _elsewhere(host: Host) -> Case:
    """Work is fixed: a calibration would meet a processor awake or asleep, and take one of them for the cost."""
    args: Args = {"way": "notify", "supervisor": host.processors[0], "ops": 20}
    return Case.ratio(
        "notify-other",
        "And one that is answered elsewhere?",
        "ns",
        NATIVE,
        Arm(id="notify-other", says="answered on another processor", args=args),
        matters=MATTERS,
        hurts=HURTS,
        target=0.2,
        headline=False,
        work="syscall",
        needs=(TWO_CPUS,),
    )


def _line(name: str, asks: str, key: str, counts: Sequence[int]) -> Case:
    return Case.line(
        name,
        asks,
        "ns",
        *(Arm(id=f"{key}-{n}", says=f"{n} {key}", args={"way": "uncached", key: n}, number=n) for n in counts),
        matters=MATTERS,
        hurts=1.5,
        target=0.2,
        headline=False,
        work="syscall",
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    return (
        *(_ratio(name, *row) for name, row in WAYS.items()),
        _elsewhere(host),
        _line("stacked-law", "Does every filter over the first cost the same?", "filters", FILTERS),
        _line("compares-law", "Does every compare of a filter cost the same?", "compares", COMPARES),
    )


def _tried(stage: Stage, case: Case) -> Case:
    """The case, or the same case with a need that says why it cannot be set up here. A wrong answer is no such need."""
    if any(not need.met(stage.host) for need in case.needs):
        return case
    arm = case.arms[-1]
    way = str(arm.args["way"])
    try:
        stage.attempt(KERNEL, f"the way {way!r}", CURES.get(way, FILTERED), **{**arm.args, "setup": 1})
    except NeedUnmet as unmet:
        return replace(case, needs=(Need(unmet.what, lambda host: False, unmet.cure),))
    return case


def _rep(stage: Stage, turn: Turn) -> Rep:
    """Who waits for its supervisor or tracer to leave the processor is not preempted: that is the work itself."""
    rep = stage.core(KERNEL, turn)
    if turn.arm.args["way"] not in SUPERVISED:
        return rep
    return replace(rep, flags=tuple(flag for flag in rep.flags if flag != "PREEMPTED"))


REP_MS = 20.0  # a call is short, and there are a dozen ways


def measure(stage: Stage) -> Iterator[Rig]:
    stage.rep_ms = min(stage.rep_ms, REP_MS)

    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        return {t.label: _rep(stage, t) for t in turns}

    yield Rig(once, tuple(_tried(stage, case) for case in cases(stage.host, stage.options)))


PROBE = Probe(
    claim=Claim(
        Layer.CONTAINER,
        says="Native binaries run natively.",
        read_from="/proc/self/status, Seccomp and TracerPid",
        title="a call into the kernel",
    ),
    cases=cases,
    cost=Cost(seconds=22),
    measure=measure,
    judge=judge,
    advise=advise,
    delivers=delivers,
    plants=(
        Plant(
            id="plant_extra=0.5", set={"plant_extra": 0.5}, case="container", expect=1.5, tolerance=0.05, control=True
        ),
        Plant(id="plant_extra=0.1", set={"plant_extra": 0.1}, case="container", expect=1.1, tolerance=0.04),
    ),
)
