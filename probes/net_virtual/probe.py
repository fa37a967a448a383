"""net-virtual: what it costs to be joined by a virtual network, in round trips and in processor time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

from liebench.contract import Arm, Case, Claim, Cost, Layer, Need, Options, Rep, Rig, Subject, Turn
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.probes.net_virtual.verdict import advise, delivers
from liebench.stage.needs import TWO
from liebench.stage.net import LAB
from liebench.stage.stage import Stage
from liebench.stage.wiring import NFT, TUN, WG, Wiring, halting, wired

WAYS: Mapping[str, tuple[str, bool, tuple[Need, ...]]] = {  # what it is, headline, needs
    "veth": ("a pair of virtual cards", True, ()),
    "bridge": ("a bridge between two pairs", True, ()),
    "macvlan": ("two virtual cards of one card (macvlan)", False, ()),
    "ipvlan": ("two virtual cards of one card (ipvlan)", False, ()),
    "vlan": ("a VLAN on a pair", False, ()),
    "vxlan": ("VXLAN over a pair", True, ()),
    "wireguard": ("WireGuard over a pair", False, (WG,)),
    "routed": ("a namespace that forwards", False, ()),
    "nat": ("a translated address (nft)", False, (NFT,)),
    "proxy": ("a proxy in user space", False, ()),
    "overlay": ("an overlay in user space (TAP over UDP)", False, (TUN,)),
}
OURS = ("proxy", "overlay")  # written by us: a demonstration of what such a hop costs, not this host's own
# Not WireGuard: workers of the kernel cipher for it, and their processor time is charged to nobody.
BULK = ("veth", "bridge", "vxlan", "proxy", "overlay")


def _trip(way: str) -> Case:
    says, headline, needs = WAYS[way]
    return Case.ratio(
        f"trip-{way}",
        f"What does a round trip through {says} cost?",
        "us",
        Arm(id="loopback", says="through loopback", args={"way": "loopback"}),
        Arm(id=way, says=f"through {says}", args={"way": way}),
        matters=1.1,
        hurts=1.5,
        target=0.05,
        subject=Subject.RIG if way in OURS else Subject.HOST,
        headline=headline,
        work="trip",
        needs=needs,
    )


def _bulk(name: str, asks: str, promised: Arm, delivered: Arm, way: str, needs: tuple[Need, ...] = ()) -> Case:
    return Case.ratio(
        name,
        asks,
        "ns",
        promised,
        delivered,
        matters=1.2,
        hurts=2.5,
        target=0.15,
        subject=Subject.RIG if way in OURS else Subject.HOST,
        headline=False,
        work="bulk",
        needs=needs,
    )


def _byte(way: str) -> Case:
    says, _, needs = WAYS[way]
    loopback = Arm(id="loopback", says="through loopback", args={"way": "loopback", "bulk": 1})
    other = Arm(id=way, says=f"through {says}", args={"way": way, "bulk": 1})
    return _bulk(f"byte-{way}", f"What does a byte through {says} cost of a processor?", loopback, other, way, needs)


def _segments(way: str) -> Case:
    says = "in segments of up to 64 KiB, which never leave the host"
    offload = Arm(id="offload", says=says, args={"way": way, "bulk": 1})
    plain = Arm(id="plain", says="in packets, as a wire carries them", args={"way": way, "bulk": 1, "plain": 1})
    asks = f"What does a byte cost ({way}) where packets are packets?"
    return _bulk(f"segments-{way}", asks, offload, plain, way)


def _apart() -> Case:
    return Case.ratio(
        "apart",
        "What does waking the other end's processor cost a round trip?",
        "us",
        Arm(id="together", says="both ends on one processor", args={"way": "veth"}),
        Arm(id="apart", says="on two, which have nothing else to do", args={"way": "veth", "apart": 1}),
        matters=1.2,
        hurts=2.0,
        target=0.1,
        work="trip",
        needs=(TWO,),
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    trips = tuple(_trip(way) for way in WAYS)
    return (_apart(), *trips, *(_byte(way) for way in BULK), _segments("veth"), _segments("vxlan"))


class _Bench:
    """Wirings, each set up when it is first asked for: one that this kernel lacks takes only its own case away."""

    def __init__(self, stage: Stage, rigs: ExitStack) -> None:
        self.stage, self.rigs = stage, rigs
        self.up: dict[tuple[str, bool], Wiring] = {}

    def of(self, way: str, plain: bool) -> Wiring:
        if (way, plain) not in self.up:
            self.up[way, plain] = self.rigs.enter_context(wired(self.stage, way, plain))
        return self.up[way, plain]

    def turn(self, t: Turn) -> Rep:
        args = t.arm.args
        found = self.of(str(args["way"]), "plain" in args)
        bare = Turn(Arm(id=t.arm.id), t.label, t.plant)
        if "bulk" in args:
            hops = {"hops": found.hops} if found.hops else {}
            return self.stage.core("net-bulk", bare, **found.ends, **hops)
        processors = self.stage.host.processors
        return self.stage.core("net-trip", bare, far_cpu=processors[0 if "apart" in args else -1], **found.ends)

    def once(self, case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        return {t.label: self.turn(t) for t in turns}


def measure(stage: Stage) -> Iterator[Rig]:
    stage.note("idle", dict(halting(stage.host.root)))
    with ExitStack() as rigs:
        yield Rig(_Bench(stage, rigs).once)


PROBE = Probe(
    claim=Claim(
        Layer.NET,
        says="You are on the network.",
        read_from="/sys/class/net, ip -d link",
        title="virtual networks",
    ),
    cases=cases,
    cost=Cost(seconds=30),
    needs=(LAB,),
    measure=measure,
    advise=advise,
    delivers=delivers,
    plants=(
        Plant(
            id="plant_extra=0.5", set={"plant_extra": 0.5}, case="trip-veth", expect=1.5, tolerance=0.05, control=True
        ),
    ),
)
