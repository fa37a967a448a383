"""One run: rigs set up, blocks of all cases in random order, looks, controls, budget. Knows no probe.

All cases take turns, one block each, until each is decided or the budget ends; inside a block the arms stand back to
back in random order. Watchers are asked between the blocks. Every order comes from one seed, which is stored.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from liebench.contract import Case, Kind, Once, Rhythm, Rig, Subject, Turn
from liebench.errors import BreakerTripped, Interrupted, LiebenchError, NeedUnmet
from liebench.judge.controls import judge_control
from liebench.judge.rule import LOOKS, VISIT_LOOKS
from liebench.judge.run import look
from liebench.runfile.encode import stored_rep
from liebench.runfile.writer import RunWriter
from liebench.runner.plan import Control, Planned, Settings, controls_of, stored_probe
from liebench.runner.pressure import QuietWatch
from liebench.stage.stage import Stage

VISIT_BLOCKS = 3  # blocks of one visit, taken while its rig stands
IDLE_S = 0.02  # between two questions to a watcher when nothing else is left to do
PAUSE_S = 0.5

StageOf = Callable[[Planned], Stage]
Talk = Callable[[str], None]


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


class Session:
    """The state of one run. ``stopping`` is asked between blocks and answers with a stop reason or None."""

    def __init__(
        self,
        planned: Sequence[Planned],
        settings: Settings,
        writer: RunWriter,
        stage_of: StageOf,
        quiet: QuietWatch,
        *,
        stopping: Callable[[], str | None] = lambda: None,
        progress: Talk = lambda line: None,
    ) -> None:
        self.planned, self.settings, self.writer = planned, settings, writer
        self.stage_of, self.quiet = stage_of, quiet
        self.stopping, self.progress = stopping, progress
        self.rng = random.Random(settings.seed)
        self.opened: list[Planned] = []  # with the cases that their rigs found
        self.tracks: list[Track] = []
        self.setup_s: dict[str, float] = {}
        self.inside_ns = 0
        self.loop_s = 0.0
        self.number = 0

    def run(self) -> str:
        """Measure everything; returns why it stopped: done, budget, interrupted or breaker."""
        with ExitStack() as rigs:
            for part in self.planned:
                self._open(part, rigs)
            self._add_controls()
            started = time.monotonic()
            try:
                stopped = self._loop(started)
            finally:
                self.loop_s = time.monotonic() - started
            self._close_looks(stopped)
        return stopped

    # Setting up

    def _open(self, part: Planned, rigs: ExitStack) -> None:
        self.writer.probe(part.id, stored_probe(part))
        if not part.cases:
            return
        before = time.monotonic()
        try:
            visits = any(c.rhythm is Rhythm.VISIT for c in part.cases)
            rig = None if visits else rigs.enter_context(rig_of(part, self.stage_of(part)))
        except NeedUnmet as error:
            self._skip(part, error)
            return
        except (LiebenchError, OSError) as error:
            self._fail(part, error)
            return
        self.setup_s[part.id] = time.monotonic() - before
        if rig is not None and rig.cases is not None:
            cases, left_out = part.admit(rig.cases)
            part = replace(part, cases=cases, left_out=left_out)
            self.writer.probe(part.id, stored_probe(part))
        self.opened.append(part)
        for case in part.cases:
            turns = tuple(Turn(arm, arm.id) for arm in case.arms)
            self.tracks.append(Track(part, case, turns, rig.once if rig else None))

    def _add_controls(self) -> None:
        for control in controls_of(self.opened):
            track = next((t for t in self.tracks if t.part.id == control.probe and t.case.id == control.case.id), None)
            if track is not None and track.once is not None:
                self.writer.control(control.stored())
                self.tracks.append(Track(track.part, track.case, control.turns, track.once, control))

    def _drop(self, track: Track, needs: str, cure: str) -> None:
        """A case that only its first block finds impossible takes only itself away; the last one its probe."""
        track.done = True
        row = self.writer.document["probes"][track.part.id]
        left = {**row["left_out"], track.case.id: {"needs": needs, "cure": cure}}
        self.writer.probe(track.part.id, row | {"left_out": left})
        if all(t.done and not t.blocks for t in self.tracks if t.part.id == track.part.id):
            self._skip(track.part, NeedUnmet(needs, cure))

    def _skip(self, part: Planned, unmet: NeedUnmet) -> None:
        """Only the set-up could find out that this probe cannot run here."""
        row = stored_probe(part) | {"state": "skipped", "needs": unmet.what, "cure": unmet.cure}
        self.writer.probe(part.id, row)

    def _fail(self, part: Planned, error: Exception) -> None:
        """One probe failed; its row says so, its tracks end, the others go on."""
        self.writer.probe(part.id, stored_probe(part) | {"state": "failed", "error": f"{error}"})
        for track in self.tracks:
            if track.part.id == part.id:
                track.done = True

    # The loop

    def _loop(self, started: float) -> str:
        while self._open_tracks():
            working = [t for t in self._open_tracks() if t.case.rhythm in (Rhythm.BLOCK, Rhythm.VISIT)]
            exclusive = [t for t in self._open_tracks() if t.case.rhythm is Rhythm.ONCE]
            if not working and exclusive:
                working = exclusive[:1]
            self.rng.shuffle(working)
            for track in working:
                stopped = self._interruption(started)
                if stopped:
                    return stopped
                self._turn_of(track)
                self._watch()
            if not working:
                stopped = self._interruption(started)
                if stopped:
                    return stopped
                time.sleep(IDLE_S)
                self._watch()
        return "done"

    def _open_tracks(self) -> list[Track]:
        return [t for t in self.tracks if not t.done]

    def _interruption(self, started: float) -> str | None:
        asked = self.stopping()
        if asked:
            return asked
        while (word := self.quiet.check()) == "pause" and time.monotonic() - started < self.settings.budget_s:
            time.sleep(PAUSE_S)
        if word == "stop":
            return "breaker"
        return "budget" if time.monotonic() - started >= self.settings.budget_s else None

    def _turn_of(self, track: Track) -> None:
        try:
            if track.case.rhythm is Rhythm.VISIT:
                self._visit(track)
            else:
                assert track.once is not None
                self._block(track, track.once)
        except (BreakerTripped, Interrupted):
            raise
        except NeedUnmet as error:
            self._drop(track, error.what, error.cure)
            return
        except (LiebenchError, OSError, ValueError, KeyError) as error:
            if track.case.subject is Subject.RIG:
                self._drop(track, f"{error}", "see the message")
            else:
                self._fail(track.part, error)
            return
        self._maybe_look(track)

    def _visit(self, track: Track) -> None:
        before = time.monotonic()
        with rig_of(track.part, self.stage_of(track.part)) as rig:
            self.setup_s[track.part.id] = self.setup_s.get(track.part.id, 0.0) + time.monotonic() - before
            for _ in range(VISIT_BLOCKS):
                self._block(track, rig.once, visit=track.visits)
        track.visits += 1

    def _block(self, track: Track, once: Once, **more: Any) -> None:
        """One repetition of every turn, in random order; ``more`` is kept with it (its visit, its side)."""
        order = list(track.turns)
        self.rng.shuffle(order)
        at = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        reps = once(track.case, order)
        if not reps:  # a watcher whose window is still open
            return
        self.inside_ns += sum(r.elapsed_ns for r in reps.values()) if track.case.rhythm is not Rhythm.WATCH else 0
        block = {
            "n": self.number,
            "probe": track.part.id,
            "case": track.case.id,
            "control": track.control.id if track.control else None,
            "order": [t.label for t in order],
            "t_ns": at,
            "reps": {label: stored_rep(rep) for label, rep in reps.items()},
            **more,
        }
        self.number += 1
        self.writer.block(block)
        track.blocks.append(block)
        self.progress(f"{track.part.id}/{track.case.id}")

    def _watch(self) -> None:
        for track in self.tracks:
            if track.case.rhythm is Rhythm.WATCH and track.once is not None and len(track.blocks) < LOOKS[-1]:
                self._turn_of(track)

    # Looks

    def _maybe_look(self, track: Track) -> None:
        if track.case.rhythm is Rhythm.ONCE:
            track.done = len(track.blocks) >= self.settings.profile.once
        elif track.due:
            words = [self._look(track, label) for label in track.judged]
            facts = track.case.kind is Kind.FACT
            track.done = track.done or facts or all(w != "continue" for w in words) or self._settled(track)

    def _settled(self, track: Track) -> bool:
        """Whether a control has answered: it need not be as narrow as a case, only shown or failed."""
        if track.control is None:
            return False
        return judge_control(track.control.stored(), track.case, track.blocks, track.control.id).status != "not shown"

    def _look(self, track: Track, label: str, ended: str | None = None) -> str:
        found = look(track.case, track.blocks, label, track.promised)
        record = found.record()
        if ended and record["stop"] == "continue":
            record["stop"] = ended
        self.writer.look(record)
        track.looked = len(track.blocks)
        return str(record["stop"])

    def _close_looks(self, stopped: str) -> None:
        """A last look at everything that was still open, so that the log says where each case stood."""
        for track in self.tracks:
            if not track.done and track.blocks and len(track.blocks) != track.looked:
                for label in track.judged:
                    self._look(track, label, stopped if stopped != "done" else "budget")


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
