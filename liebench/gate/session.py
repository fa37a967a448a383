"""Baseline and candidate measured now, in coin-ordered pairs: the design of a session with two sides. Knows no probe.

A pair is one block of a case on either side, back to back, in an order that a coin decides. What differs between the
sides is a build of the core, an option of a probe, or something that is switched around each half (``Side.enter``).
All cases take turns; at each look the whole family is judged, and cases whose metrics are settled stop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from liebench.contract import Case, Once, Rig, Turn
from liebench.errors import LiebenchError
from liebench.gate.pairs import Family, Question, all_effects, gated_case, look_record, pairs_of, questions
from liebench.gate.policy import Policy
from liebench.runner.design import Plain
from liebench.runner.job import Job, StageOf
from liebench.runner.plan import Admit, Planned, Skip
from liebench.runner.track import Recorder, Track, rig_of

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


class Pairs:
    """The design of two sides: a block comes once per side, and each look is at all of them.

    ``sides``: baseline and candidate; ``stages``: what each is set up with, by name. Controls speak of the baseline.
    """

    def __init__(
        self,
        job: Job,
        sides: tuple[Side, Side],
        stages: Mapping[str, StageOf],
        policy: Policy,
        rigs: bool = False,
    ) -> None:
        self.writer, self.sides, self.stages, self.policy, self.rigs = job.writer, sides, stages, policy, rigs
        self.controls = Plain(job)
        self.others: dict[str, Once] = {}  # what works for the candidate, by probe
        self.family = Family(())

    def ready(self) -> AbstractContextManager[object]:
        return self.sides[0].enter()

    def set_up(self, part: Planned, rigs: ExitStack) -> Rig:
        first, second = self.sides
        rig = rigs.enter_context(rig_of(part, self.stages[first.name](part)))
        if first.like(second):
            self.others[part.id] = rig.once
            return rig
        try:
            with second.enter():
                self.others[part.id] = rigs.enter_context(rig_of(part, self.stages[second.name](part))).once
        except (LiebenchError, OSError) as error:
            # The baseline could: what is missing on the candidate's side alone is no skip but a loss.
            raise LiebenchError(f"only the baseline could be set up; the candidate: {error}") from error
        return rig

    def begin(self, parts: Sequence[Planned]) -> None:
        self.family = Family(ask(parts, self.policy, self.rigs))

    def take(self, track: Track, once: Once, recorder: Recorder) -> None:
        """A pair: the same block on either side, in the order that a coin decides."""
        if track.control is not None:
            with self.sides[0].enter():
                self.controls.take(track, once, recorder)
            return
        halves = [(self.sides[0], once), (self.sides[1], self.others[track.part.id])]
        recorder.rng.shuffle(halves)
        pair = _pairs_of(track)
        for side, work in halves:
            turns = [_with(turn, side.args) for turn in track.turns]
            with side.enter():
                recorder.block(track, work, turns, side=side.name, pair=pair)

    def look(self, track: Track, tracks: Sequence[Track]) -> None:
        """Look at the whole family as soon as every case that goes on has as many pairs."""
        if track.control is not None:
            self.controls.look(track, tracks)
            return
        counts = {_pairs_of(t) for t in _sided(tracks) if not t.done}
        fewest = min(counts, default=0)
        due = [n for n in self.family.looks() if _looked(tracks) < n <= fewest]
        if due and len(counts) == 1:
            self._look_at_all(tracks, fewest, last=fewest >= self.family.looks()[-1])

    def close(self, tracks: Sequence[Track], stopped: str) -> None:
        """What was open when the budget ended is judged once more, by what it has."""
        most = max(map(_pairs_of, _sided(tracks)), default=0)
        if most > _looked(tracks):
            self._look_at_all(tracks, most, last=True)

    def _look_at_all(self, tracks: Sequence[Track], n: int, last: bool) -> None:
        before, ours = set(self.family.closed), _sided(tracks)
        pairs = pairs_of([block for track in ours for block in track.blocks])
        self.family.look(all_effects(self.family.questions, pairs))
        for track in ours:
            key = (track.part.id, track.case.id)
            if key not in before:
                track.looked = n
                track.done = track.done or last or key in self.family.closed
        for metric, judged in self.family.words.items():
            if metric[:2] not in before:
                self.writer.look(look_record(metric, judged, "last" if last else "look"))
        if all(t.done for t in ours):
            for track in tracks:  # controls speak of pairs that are over
                track.done = True


def _sided(tracks: Sequence[Track]) -> list[Track]:
    """The tracks that are measured on both sides: all but controls."""
    return [t for t in tracks if t.control is None]


def _pairs_of(track: Track) -> int:
    return len(track.blocks) // 2


def _looked(tracks: Sequence[Track]) -> int:
    """Pairs at the last look."""
    return max((t.looked for t in _sided(tracks)), default=0)


def _with(turn: Turn, args: Mapping[str, str]) -> Turn:
    """A turn whose arm works with this side's arguments."""
    return replace(turn, arm=replace(turn.arm, args={**turn.arm.args, **args})) if args else turn
