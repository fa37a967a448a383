"""A probe and a host made of arithmetic, so that the engine is tested without a machine."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from liebench.contract import Arm, Case, Claim, Cost, Disturbs, Kind, Layer, Meaning, Rep, Rhythm, Rig, Turn, Word
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.registry import Registered
from liebench.runfile.reader import SCHEMA
from liebench.runfile.writer import RunWriter
from liebench.runner.design import Plain
from liebench.runner.job import Job
from liebench.runner.plan import PROFILES, Planned, Settings, plan_probe
from liebench.runner.pressure import QuietWatch
from liebench.runner.session import Session
from liebench.stage.stage import Stage
from liebench.state.journal import Journal

FACTS: dict[str, Any] = {
    "cpu": {"usable": [0], "online": 1, "mhz": None, "governor": None},
    "clock": {"current": "tsc", "timer_slack_ns": 50000},
    "limits": {"cpus": None},
    "boot": {"token": "boot"},
}
ARMS = (Arm(id="promised", promised=True), Arm(id="delivered"))


def host(root: Path = Path("/nowhere")) -> Host:
    return Host(FACTS, root)


def case(name: str = "speed", **changes: Any) -> Case:
    return Case(**({"id": name, "quantity": "ns", "unit": "ns", "arms": ARMS} | changes))


class World:
    """Costs of arms on a machine with one per cent of noise; remembers who was asked in which order."""

    def __init__(self, factor: float = 1.0, noise: float = 0.01, seed: int = 1) -> None:
        self.factor, self.noise, self.rng = factor, noise, random.Random(seed)
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.opened = self.closed = 0

    def rep(self, c: Case, turn: Turn) -> Rep:
        cost = 100.0 * (self.factor if turn.arm.id == "delivered" else 1.0)
        cost *= 1 + turn.plant.get("plant_share", 0.0)
        if c.kind is Kind.FACT:
            return Rep(samples={}, facts={"value": "fine"})
        return Rep(
            samples={c.quantity: [cost * (1 + self.rng.gauss(0, self.noise)) for _ in range(10)]}, elapsed_ns=1_000_000
        )

    def once(self, c: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        self.asked.append((c.id, tuple(t.label for t in turns)))
        return {t.label: self.rep(c, t) for t in turns}

    def measure(self, stage: object) -> Iterator[Rig]:
        self.opened += 1
        try:
            yield Rig(self.once)
        finally:
            self.closed += 1


def probe(world: World, *cases: Case, plants: Sequence[Plant] = (), **more: Any) -> Probe:
    claim = Claim(Layer.CPU, "It is fast.", "nowhere", "speed")
    return Probe(
        claim=claim,
        cases=lambda h, o: cases or (case(),),
        cost=Cost(1),
        measure=world.measure,
        plants=tuple(plants),
        **more,
    )


def plan(
    *probes: Probe, profile: str = "default", budget: float = 60.0, seed: int = 3
) -> tuple[list[Planned], Settings]:
    settings = Settings(profile=PROFILES[profile], seed=seed, budget_s=budget)
    registered = (Registered(f"probe-{i}", p, None) for i, p in enumerate(probes))
    return [plan_probe(r, host(), settings) for r in registered], settings


def header(settings: Settings, planned: Sequence[Planned]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "id": "20260101T000000Z-00000000",
        "kind": "run",
        "started": "2026-01-01T00:00:00Z",
        "finished": None,
        "stopped": "killed",
        "tool": {"version": "0", "rule": 1, "core": "fake", "python": "3"},
        "command": ["liebench", "run"],
        "settings": settings.stored(),
        "hashes": {"host": "a", "kind": "b", "config": "c"},
        "host": FACTS,
        "controls": [],
        "log": [],
    }


def stage_of(part: Planned) -> Stage:
    return Stage(host(), Path("/nowhere"), Journal(Path("/nowhere"), "boot"), (), Disturbs.NOBODY)


def job(folder: Path, planned: Sequence[Planned], settings: Settings, head: Mapping[str, Any], **more: Any) -> Job:
    return Job(
        planned=planned,
        settings=settings,
        writer=RunWriter(folder, dict(head)),
        journal=Journal(folder, "boot"),
        stage_of=stage_of,
        quiet=QuietWatch(host=host()),
        **more,
    )


def session(folder: Path, planned: Sequence[Planned], settings: Settings, **more: Any) -> Session:
    made = job(folder, planned, settings, header(settings, planned), **more)
    return Session(made, Plain(made))


FINE = {"fine": Meaning(Word.HONEST, "fine")}
WATCH, VISIT, ONCE = Rhythm.WATCH, Rhythm.VISIT, Rhythm.ONCE
