"""One case or control on its way through a run, and the recorder that takes its blocks in random order."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from liebench.contract import Case, Kind, Once, Rhythm, Rig, Turn
from liebench.judge.rule import LOOKS, VISIT_LOOKS
from liebench.runfile.encode import stored_rep
from liebench.runner.job import Job
from liebench.runner.plan import Control, Planned
from liebench.stage.stage import Stage


@dataclass(slots=True)
class Track:
    """One case, or one control, on its way through the run."""

    part: Planned
    case: Case
    turns: tuple[Turn, ...]
    once: Once | None = None  # None for a visit: its rig stands only while it is visited
    control: Control | None = None
    blocks: list[dict[str, Any]] = field(default_factory=list)
    visits: int = 0
    looked: int = 0  # blocks at the last look
    done: bool = False

    @property
    def promised(self) -> str:
        return "promised" if self.control else self.case.promised.id

    @property
    def judged(self) -> list[str]:
        """Labels that get a look of their own."""
        return [t.label for t in self.turns if t.label != self.promised] or [self.promised]

    @property
    def due(self) -> bool:
        """Whether a look is due now."""
        if self.case.rhythm is Rhythm.VISIT:
            return self.visits in VISIT_LOOKS and len(self.blocks) != self.looked
        if self.case.kind is Kind.FACT and self.case.rhythm is Rhythm.BLOCK:
            return len(self.blocks) == 1
        return len(self.blocks) in LOOKS and len(self.blocks) != self.looked


class Recorder:
    """Takes blocks and writes them down. ``rng``: every order of the run comes from it, and so from one seed."""

    def __init__(self, job: Job) -> None:
        self.rng = random.Random(job.settings.seed)
        self.writer, self.progress = job.writer, job.progress
        self.number = 0  # of the next block
        self.inside_ns = 0  # spent inside repetitions

    def block(self, track: Track, once: Once, turns: Sequence[Turn], **more: str | int) -> None:
        """One repetition of every turn, in random order; ``more`` is kept with it (its side and its pair)."""
        order = list(turns)
        self.rng.shuffle(order)
        at = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        reps = once(track.case, order)
        if not reps:  # a watcher whose window is still open
            return
        self.inside_ns += sum(r.elapsed_ns for r in reps.values()) if track.case.rhythm is not Rhythm.WATCH else 0
        visit = {"visit": track.visits} if track.case.rhythm is Rhythm.VISIT else {}
        block = {
            "n": self.number,
            "probe": track.part.id,
            "case": track.case.id,
            "control": track.control.id if track.control else None,
            "order": [t.label for t in order],
            "t_ns": at,
            "reps": {label: stored_rep(rep, track.case) for label, rep in reps.items()},
            **visit,
            **more,
        }
        self.number += 1
        self.writer.block(block)
        track.blocks.append(block)
        self.progress(f"{track.part.id}/{track.case.id}")


@contextmanager
def rig_of(part: Planned, stage: Stage) -> Iterator[Rig]:
    """A probe's rig; what stands under its ``yield`` is done on every way out."""
    assert part.probe.measure is not None
    generator = part.probe.measure(stage)
    rig = next(generator)
    try:
        yield rig
    finally:
        for _ in generator:  # the clean-up under the yield
            break
