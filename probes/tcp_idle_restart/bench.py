"""What tcp-idle-restart sets up and does: paths of known round trip, and a burst on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from liebench.contract import Arm, Case, Kind, Rep, Turn
from liebench.probes.tcp_idle_restart.verdict import seen
from liebench.stage import Stage
from liebench.stage.net import Wire, path, route
from liebench.stage.sockets import connections

TIMEOUT = (
    "20ms"  # the least retransmission timeout of our routes: silence is counted in timeouts, so it need not be long
)


class Bench:
    """Paths by round trip, each set up when it is first asked for."""

    def __init__(self, stage: Stage, rigs: ExitStack) -> None:
        self.stage, self.rigs = stage, rigs
        self.paths: dict[float, Wire] = {}
        self.routes: dict[float, tuple[object, object]] = {}
        self.latest: tuple[Rep | None, set[str]] = (None, set())

    def over(self, trip_ms: float, initial: object = 10, window: object = 0) -> Wire:
        if trip_ms not in self.paths:
            self.paths[trip_ms] = self.rigs.enter_context(path(self.stage, trip_ms))
            self.stage.note("path", self.paths[trip_ms].made_by)
        wire = self.paths[trip_ms]
        if self.routes.get(trip_ms) != (initial, window):
            route(wire.lab, "near", rto_min=TIMEOUT, initcwnd=str(initial))
            route(wire.lab, "far", **({"initrwnd": str(window)} if window else {}))
            self.routes[trip_ms] = initial, window
        return wire

    def burst(self, t: Turn) -> Rep:
        args = dict(t.arm.args)
        trip_ms, initial, window = float(args.pop("trip_ms")), args.get("initial", 10), args.pop("window", 0)
        args.pop("part", None)
        wire = self.over(trip_ms, initial, window)
        bare = Turn(Arm(t.arm.id, args=args), t.label, t.plant)
        return wire.verified(lambda: self.stage.core("tcp-burst", bare, **wire.ends))

    def shared(self, case: Case, turn: Turn) -> Rep:
        """The newest burst after silence: each law may look at it once, then there is a new one."""
        rep, seen = self.latest
        if rep is None or case.id in seen:
            rep, seen = self.burst(turn), set()
            self.latest = rep, seen
        seen.add(case.id)
        return rep

    def law(self, case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        """Formula and measurement are two quantities of one burst; in a control every turn has a burst of its own."""
        one = {t.label for t in turns} == {a.id for a in case.arms}
        bursts = {t.label: self.shared(case, turns[0]) if one else self.burst(t) for t in turns}
        return {t.label: _part(bursts[t.label], case.quantity, str(t.arm.args["part"])) for t in turns}

    def once(self, case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        if case.kind is Kind.FACT:
            return {t.label: Rep({}, facts=seen(self.stage.host, connections())) for t in turns}
        if case.kind is Kind.LAW:
            return self.law(case, turns)
        return {t.label: self.burst(t) for t in turns}


def _part(burst: Rep, quantity: str, part: str) -> Rep:
    return replace(burst, samples={quantity: burst.samples[part]})
