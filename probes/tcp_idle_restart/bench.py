"""What tcp-idle-restart sets up and does: paths of known round trip, and a burst on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from liebench.contract import Arm, Case, Kind, Rep, Turn
from liebench.probes.tcp_idle_restart.verdict import seen
from liebench.stage.laws import Law
from liebench.stage.net import Paths, Wire, route
from liebench.stage.sockets import connections
from liebench.stage.stage import Stage

# The least retransmission timeout of the routes here: silence is counted in timeouts, so it need not be long.
TIMEOUT = "12ms"


class Bench:
    """Paths by round trip, with the routes that were asked for last."""

    def __init__(self, stage: Stage, rigs: ExitStack) -> None:
        self.stage, self.paths = stage, Paths(stage, rigs)
        self.routes: dict[float, tuple[int, int]] = {}
        self.laws = Law(self.burst)

    def over(self, trip_ms: float, initial: int = 10, window: int = 0) -> Wire:
        wire = self.paths.over(trip_ms)
        if self.routes.get(trip_ms) != (initial, window):
            route(wire.lab, "near", rto_min=TIMEOUT, initcwnd=str(initial))
            route(wire.lab, "far", **({"initrwnd": str(window)} if window else {}))
            self.routes[trip_ms] = initial, window
        return wire

    def burst(self, t: Turn) -> Rep:
        args = dict(t.arm.args)
        trip_ms, initial, window = float(args.pop("trip_ms")), int(args.get("initial", 10)), int(args.pop("window", 0))
        args.pop("part", None)
        wire = self.over(trip_ms, initial, window)
        bare = Turn(Arm(id=t.arm.id, args=args), t.label, t.plant)
        return wire.verified(lambda: self.stage.core("tcp-burst", bare, **wire.ends))

    def once(self, case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        if case.kind is Kind.FACT:
            return {t.label: Rep(samples={}, facts=seen(self.stage.host, connections())) for t in turns}
        if case.kind is Kind.LAW:
            return self.laws.once(case, turns, "silence")
        return {t.label: self.burst(t) for t in turns}
