"""Known answers on this host: every planted lie of a probe, put there and looked for, one after the other.

A plant of the kernel's arguments stands in the same block as its absence. One that is put into the layer itself (a
wrong rate of the clock, a quota) cannot: each turn gets a rig of its own, with the lie or without, in random order.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from liebench.contract import Case, Kind, Rep, Rhythm, Rig, Turn
from liebench.errors import CoreFailed, LiebenchError, NeedUnmet, StageRefused
from liebench.judge.controls import Control as Shown
from liebench.judge.controls import judge_control
from liebench.judge.rule import LOOKS, VISIT_LOOKS
from liebench.probe import Plant
from liebench.runfile.encode import stored_rep
from liebench.runner.plan import Control, Planned, carrier
from liebench.runner.track import rig_of
from liebench.stage.stage import Stage

FACT_WINDOWS = 3
BEFORE_TICKS = 3  # of a window, before an event is put into it
TICK_S = 0.02
PATIENCE_S = 30.0  # for one window

Stopping = Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one plant: shown, not shown, failed, or skipped. ``why`` says what kept it from being judged."""

    probe: str
    plant: Plant
    status: str
    shown: Shown | None = None
    why: str = ""


def answers(part: Planned, stage: Stage, seed: int, stopping: Stopping) -> Iterator[Answer]:
    """Every plant of a probe that its planned cases can carry. What may not be put here is skipped with the reason."""
    assert part.probe.measure is not None
    for plant in part.probe.plants:
        if stopping():
            return
        case = carrier(plant, part.cases)
        if case is None:
            yield Answer(part.id, plant, "skipped", why=f"there is no case {plant.case} here")
            continue
        control = Control(f"plant:{part.id}/{case.id}", "plant", part.id, case, plant)
        rng = random.Random(f"{seed}/{part.id}/{plant.id}")
        try:
            blocks = list(_blocks(part, stage, control, rng, stopping))
        except LiebenchError as error:
            refused = isinstance(error, StageRefused | NeedUnmet)
            yield Answer(part.id, plant, "skipped" if refused else "failed", why=str(error))
            continue
        shown = judge_control(control.stored(), case, blocks, plant.id)
        yield Answer(part.id, plant, shown.status, shown)


def _blocks(
    part: Planned, stage: Stage, control: Control, rng: random.Random, stopping: Stopping
) -> Iterator[dict[str, Any]]:
    case, plant = control.case, control.plant
    assert plant is not None
    wanted = FACT_WINDOWS if case.kind is Kind.FACT else VISIT_LOOKS[0] if plant.put else LOOKS[0]
    with nullcontext() if plant.put else rig_of(part, stage) as rig:
        for n in range(wanted):
            if stopping():
                return
            turns = list(control.turns)
            rng.shuffle(turns)
            if rig is None:
                reps = {t.label: _alone(part, stage, case, t, plant) for t in turns}
            else:
                reps = dict(_patiently(rig, case, turns))
            yield {
                "n": n,
                "probe": part.id,
                "case": case.id,
                "control": control.id,
                "reps": {k: stored_rep(r, case) for k, r in reps.items()},
            }


def _alone(part: Planned, stage: Stage, case: Case, turn: Turn, plant: Plant) -> Rep:
    """One turn on a rig of its own. A reading is of a state, so the lie stands before it; a fact happens inside."""
    lie = plant.put(stage) if plant.put and turn.label == "plant" else nullcontext()
    bare = Turn(turn.arm, turn.label)
    if case.kind is not Kind.FACT:
        with lie, rig_of(part, stage) as rig:
            return _patiently(rig, case, [bare])[turn.label]
    with rig_of(part, stage) as rig:
        for _ in range(BEFORE_TICKS):
            rig.once(case, [bare])
            time.sleep(TICK_S)
        with lie:
            return _patiently(rig, case, [bare])[turn.label]


def _patiently(rig: Rig, case: Case, turns: list[Turn]) -> Mapping[str, Rep]:
    """One block; a watcher is asked until its window closes."""
    until = time.monotonic() + PATIENCE_S
    while not (reps := rig.once(case, turns)):
        if case.rhythm is not Rhythm.WATCH or time.monotonic() > until:
            raise CoreFailed(f"{case.id} gave no answer within {PATIENCE_S:g} s; `liebench doctor` checks the core")
        time.sleep(TICK_S)
    return reps
