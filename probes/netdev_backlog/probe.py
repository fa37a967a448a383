"""netdev-backlog: whether packets that arrived are delivered, or dropped in a queue of the kernel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from liebench.contract import (
    Args,
    Arm,
    Better,
    Case,
    Claim,
    Cost,
    Kind,
    Layer,
    Need,
    Options,
    Rep,
    Rig,
    Running,
    Subject,
    Turn,
)
from liebench.facts.reader import Reader
from liebench.facts.softnet import softnet, steering
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.probes.netdev_backlog.verdict import DROPS, NEEDED, advise, bracket, counted, delivers, judge
from liebench.stage.backlog import SIZE, TC, TOUCHES, caused, flood, receiver
from liebench.stage.laws import Law
from liebench.stage.needs import TWO
from liebench.stage.net import LAB
from liebench.stage.stage import Stage
from liebench.stage.wiring import Wiring

PACKETS, FILTERS, REPEATS = 4000, 1000, 3
STEP = 1.3  # from one size tried to the next
SET = Need("the backlog's size to set", lambda host: host.writable(SIZE), "run as root, outside a container")
NEEDS = (LAB, TC, TWO, SET)


FLOOD: Running = {"subject": Subject.RIG, "headline": False, "work": "flood", "needs": NEEDS}


def _arm(name: str, says: str, args: Args) -> Arm:
    return Arm(id=name, says=says, args=args, touches=TOUCHES)


def _lost(name: str, size: int, says: str) -> Case:
    return Case.reading(
        name,
        f"How much of a burst of {PACKETS} is lost behind a queue of {size}?",
        "%",
        "nothing: what arrived is delivered",
        says,
        args={"size": size},
        touches=TOUCHES,
        matters=0.5,
        hurts=5.0,
        target=5.0,
        **FLOOD,
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    size = host.facts["net"]["backlog"] or 1000
    own, roomy = "with the queue as it is", "with a queue as long as the burst"
    return (
        Case.fact("drops", "Were packets dropped that had arrived?", "softnet_stat since this host started", DROPS),
        Case.law(
            "accounts",
            "Is every packet of a flood processed or counted as dropped?",
            "packets",
            _arm("sent", "packets sent", {"part": "sent", "size": size}),
            _arm("counted", "processed and dropped", {"part": "counted", "size": size}),
            matters=1.005,
            hurts=1.05,
            target=0.002,
            **FLOOD,
        ),
        _lost("lost", size, own),
        _lost("roomy", PACKETS, roomy),
        Case.ratio(
            "burst",
            "How much more arrives where the queue is as long as the burst?",
            "%",
            _arm("roomy", roomy, {"size": PACKETS}),
            _arm("own", own, {"size": size}),
            quantity="delivered",
            better=Better.HIGHER,
            target=0.05,
            **FLOOD,
        ),
        Case.fact(
            "needed",
            "Which size does such a burst need?",
            "sizes of the queue, from small to large",
            NEEDED,
            touches=TOUCHES,
            subject=Subject.RIG,
            headline=False,
            needs=NEEDS,
        ),
    )


class _Bench:
    """A receiver that is slower than its sender, set up when it is first asked for."""

    def __init__(self, stage: Stage, rigs: ExitStack) -> None:
        self.stage, self.rigs = stage, rigs
        self.wiring: Wiring | None = None
        self.laws = Law(self.flood)

    def flood(self, t: Turn, size: int = 0, **more: int) -> Rep:
        if self.wiring is None:
            self.wiring = self.rigs.enter_context(receiver(self.stage, FILTERS))
        return flood(self.stage, self.wiring, t, size or int(t.arm.args["size"]), packets=PACKETS, **more)

    def lost(self, t: Turn) -> Rep:
        if t.arm.promised:
            return Rep(samples={"%": [0.0]})
        rep = self.flood(t)
        return Rep(
            samples={"%": rep.samples["lost"]},
            offsets_ns=(),
            start_ns=rep.start_ns,
            elapsed_ns=rep.elapsed_ns,
            alibi=rep.alibi,
            facts=rep.facts,
        )

    def delivered(self, t: Turn) -> Rep:
        rep = self.flood(t)
        return replace(rep, samples={"delivered": [100 - share for share in rep.samples["lost"]]})

    def needed(self, t: Turn) -> Rep:
        """The first size that loses nothing, REPEATS times over, on the way up from well below the bracket."""
        floods = [self.flood(t, PACKETS, samples=REPEATS)]
        size = 0.5 * bracket(PACKETS, *_rates(floods))[0]
        while size < PACKETS:
            floods.append(self.flood(t, int(size), samples=REPEATS))
            if not any(floods[-1].samples["lost"]):
                break
            size = min(STEP * size, PACKETS)
        low, high = bracket(PACKETS, *_rates(floods))
        within = low / STEP <= size <= high * STEP
        facts = {"needed": size, "low": low, "high": high}
        return Rep(samples={}, facts={"value": "within" if within else "outside", **facts})

    def once(self, case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        if case.kind is Kind.LAW:
            return self.laws.once(case, turns)
        if case.kind is Kind.READING:
            return {t.label: self.lost(t) for t in turns}
        if case.kind is Kind.RATIO:
            return {t.label: self.delivered(t) for t in turns}
        if case.id == "needed":
            return {t.label: self.needed(t) for t in turns}
        reader = Reader(self.stage.host.root)
        return {
            t.label: Rep(samples={}, facts=counted(softnet(reader), steering(reader), caused(self.stage)))
            for t in turns
        }


def _rates(floods: Sequence[Rep]) -> tuple[float, float]:
    """The quickest arrivals and the slowest service among them: the size must do for each of these bursts."""
    return max(float(f.facts["arrivals"]) for f in floods), min(float(f.facts["served"]) for f in floods)


def measure(stage: Stage) -> Iterator[Rig]:
    with ExitStack() as rigs:
        yield Rig(_Bench(stage, rigs).once)


PROBE = Probe(
    claim=Claim(
        Layer.NET,
        says="Packets that arrived are delivered.",
        read_from="netdev_max_backlog, /proc/net/softnet_stat",
        title="packets that arrived",
    ),
    cases=cases,
    cost=Cost(seconds=25),
    measure=measure,
    judge=judge,
    advise=advise,
    delivers=delivers,
    plants=(
        Plant(id="plant_claim=0.5", set={"plant_claim": 0.5}, case="accounts", expect=1.5, tolerance=0.02, control=True,
              touches=TOUCHES),
    ),
)  # fmt: skip
