"""A gate of two sides made of arithmetic."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from liebench.contract import Case, Rep, Turn
from liebench.gate.pairs import BASELINE, CANDIDATE
from liebench.gate.policy import Policy
from liebench.gate.session import Pairs, Side, gate_part
from liebench.runner.job import StageOf
from liebench.runner.session import Session

from tests.helpers import fakes


class Sides:
    """Two sides of one world: the candidate's half costs ``factor`` times as much."""

    def __init__(self, world: fakes.World, factor: float) -> None:
        self.world, self.factor, self.order = world, factor, list[str]()
        self.plain = world.factor

    @contextlib.contextmanager
    def enter(self, name: str) -> Iterator[None]:
        self.order.append(name)
        world = self.world
        before, rep = world.rep, world.rep

        def dearer(c: Case, turn: Turn) -> Rep:
            made = rep(c, turn)
            scaled = {k: [v * self.factor for v in values] for k, values in made.samples.items()}
            return replace(made, samples=scaled)

        world.rep = dearer if name == CANDIDATE else before  # type: ignore[method-assign]
        try:
            yield
        finally:
            world.rep = before  # type: ignore[method-assign]

    @property
    def both(self) -> tuple[Side, Side]:
        return tuple(Side(n, enter=lambda n=n: self.enter(n)) for n in (BASELINE, CANDIDATE))  # type: ignore[return-value, misc]


def gate(
    folder: Path, factor: float, *cases: Any, policy: Policy | None = None, noise: float = 0.01, seed: int = 3,
    plants: Any = (), baseline: Side | None = None, candidate: Side | None = None,
    candidate_stage: StageOf = fakes.stage_of, **more: Any,
) -> tuple[Session, Sides]:  # fmt: skip
    policy, world = policy or Policy(), fakes.World(1.2, noise)
    sides = Sides(world, factor)
    planned, settings = fakes.plan(fakes.probe(world, *cases, plants=plants), seed=seed)
    parts = [gate_part(p, policy) for p in planned]
    header = fakes.header(settings, parts) | {"kind": "gate", "switch": "fakes", "policy": policy.stored()}
    first, second = sides.both
    stages = {BASELINE: fakes.stage_of, CANDIDATE: candidate_stage}
    job = fakes.job(folder, parts, settings, header, **more)
    return Session(job, Pairs(job, (baseline or first, candidate or second), stages, policy)), sides
