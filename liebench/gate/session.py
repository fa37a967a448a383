"""Baseline and candidate measured now, in coin-ordered pairs: the runner's session with two sides. Knows no probe.

A pair is one block of a case on either side, back to back, in an order that a coin decides. What differs between the
sides is a build of the core, an option of a probe, or something that is switched around each half (``Side.enter``).
All cases take turns; at each look the whole family is judged, and cases whose metrics are settled stop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from liebench.contract import Case, Once, Turn
from liebench.errors import LiebenchError
from liebench.gate.pairs import (
    BASELINE,
    CANDIDATE,
    Family,
    Pair,
    Question,
    all_effects,
    gated_case,
    look_record,
    pairs_of,
    questions,
)
from liebench.gate.policy import Policy
from liebench.runfile.writer import RunWriter
from liebench.runner.plan import Admit, Planned, Settings, Skip
from liebench.runner.pressure import QuietWatch
from liebench.runner.session import Session, StageOf, Talk, Track, rig_of

Enter = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a gate. ``core`` None: the installed one. ``enter`` makes it so around each of its halves."""

    name: str
    core: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    args: Mapping[str, str] = field(default_factory=dict)  # of every arm, in place of the arm's own
    enter: Enter = nullcontext

    def like(self, other: Side) -> bool:
        """Whether one rig can serve both: only what is switched around a half differs."""
        return self.core == other.core and dict(self.options) == dict(other.options)


def gate_part(part: Planned, policy: Policy, rigs: bool = False) -> Planned:
    """A probe's part of a plan with the cases that a gate can hold in pairs, and that the policy wants measured."""

    def admit(cases: Sequence[Case]) -> tuple[tuple[Case, ...], Mapping[str, Skip]]:
        kept, left = part.admit(cases)
        return tuple(c for c in kept if _wanted(part, c, policy, rigs)), left

    chosen: Admit = admit
    return replace(part, cases=tuple(c for c in part.cases if _wanted(part, c, policy, rigs)), admit=chosen)


def _wanted(part: Planned, case: Case, policy: Policy, rigs: bool) -> bool:
    return gated_case(case, rigs) is not None and bool(ask([replace(part, cases=(case,))], policy, rigs))


def ask(parts: Sequence[Planned], policy: Policy, rigs: bool = False) -> list[Question]:
    """The gate's questions about these parts."""
    cases = {(p.id, c.id): (p.probe.claim.layer.value, p.probe.preview, c) for p in parts for c in p.cases}
    return questions(cases, policy, rigs)


class PairSession(Session):
    """A session whose blocks come in pairs. ``sides``: baseline and candidate; ``stage_of`` serves the baseline."""

    def __init__(
        self,
        planned: Sequence[Planned],
        settings: Settings,
        writer: RunWriter,
        stages: Mapping[str, StageOf],
        quiet: QuietWatch,
        sides: tuple[Side, Side],
        policy: Policy,
        rigs: bool = False,
        *,
        stopping: Callable[[], str | None] = lambda: None,
        progress: Talk = lambda line: None,
    ) -> None:
        super().__init__(planned, settings, writer, stages[BASELINE], quiet, stopping=stopping, progress=progress)
        self.stages, self.sides, self.policy, self.rigs = stages, sides, policy, rigs
        self.others: dict[str, Once] = {}  # the candidate's rigs, by probe
        self.family = Family(())

    def _open(self, part: Planned, rigs: ExitStack) -> None:
        with self.sides[0].enter():
            super()._open(part, rigs)
        mine = [t for t in self.tracks if t.part.id == part.id]
        if not mine or mine[0].once is None:
            return
        if self.sides[0].like(self.sides[1]):
            self.others[part.id] = mine[0].once
            return
        try:
            with self.sides[1].enter():
                self.others[part.id] = rigs.enter_context(rig_of(part, self.stages[CANDIDATE](part))).once
        except (LiebenchError, OSError) as error:
            for track in mine:
                self.tracks.remove(track)
            self.opened = [p for p in self.opened if p.id != part.id]
            # The baseline could: what is missing on the candidate's side alone is no skip but a loss.
            self._fail(part, LiebenchError(f"only the baseline could be set up; the candidate: {error}"))

    def _add_controls(self) -> None:
        self.family = Family(ask(self.opened, self.policy, self.rigs))
        super()._add_controls()

    def _block(self, track: Track, once: Once, **more: Any) -> None:
        if track.control is not None:
            with self.sides[0].enter():
                super()._block(track, once, **more)
            return
        halves = [(self.sides[0], once), (self.sides[1], self.others[track.part.id])]
        self.rng.shuffle(halves)
        pair = len(track.blocks) // 2
        plain = track.turns
        for side, work in halves:
            track.turns = tuple(_with(turn, side.args) for turn in plain)
            try:
                with side.enter():
                    super()._block(track, work, side=side.name, pair=pair)
            finally:
                track.turns = plain

    def _maybe_look(self, track: Track) -> None:
        if track.control is not None:
            super()._maybe_look(track)
            return
        working = [t for t in self._open_tracks() if t.control is None]
        fewest = min((len(t.blocks) // 2 for t in working), default=0)
        due = [n for n in self.family.looks() if self._looked() < n <= fewest]
        if due and all(len(t.blocks) // 2 == fewest for t in working):
            self._look_at_all(fewest, last=fewest >= self.family.looks()[-1])

    def _looked(self) -> int:
        return max((t.looked for t in self.tracks if t.control is None), default=0)

    def _pairs(self) -> dict[tuple[str, str], list[Pair]]:
        return pairs_of([b for t in self.tracks if t.control is None for b in t.blocks])

    def _look_at_all(self, n: int, last: bool) -> None:
        before = set(self.family.closed)
        self.family.look(all_effects(self.family.questions, self._pairs()))
        for track in self.tracks:
            key = (track.part.id, track.case.id)
            if track.control is None and key not in before:
                track.looked = n
                track.done = track.done or last or key in self.family.closed
        for metric, judged in self.family.words.items():
            if metric[:2] not in before:
                self.writer.look(look_record(metric, judged, "last" if last else "look"))
        if all(t.done for t in self.tracks if t.control is None):
            for track in self.tracks:  # controls speak of pairs that are over
                track.done = True

    def _close_looks(self, stopped: str) -> None:
        """What was open when the budget ended is judged once more, by what it has."""
        most = max((len(t.blocks) // 2 for t in self.tracks if t.control is None), default=0)
        if most > self._looked():
            self._look_at_all(most, last=True)


def _with(turn: Turn, args: Mapping[str, str]) -> Turn:
    """A turn whose arm works with this side's arguments."""
    return replace(turn, arm=replace(turn.arm, args={**turn.arm.args, **args})) if args else turn
