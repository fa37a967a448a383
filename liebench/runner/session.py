"""One run: rigs set up, blocks of all cases in random order, looks, controls, budget. Knows no probe.

All cases take turns, one block each, until each is decided or the budget ends; inside a block the arms stand back to
back in random order. Watchers are asked between the blocks. Every order comes from one seed, which is stored.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace

from liebench.contract import Rhythm, Subject, Turn
from liebench.errors import BreakerTripped, Interrupted, LiebenchError, NeedUnmet
from liebench.judge.rule import LOOKS
from liebench.runner.design import Design
from liebench.runner.job import Job
from liebench.runner.plan import Planned, controls_of, stored_probe
from liebench.runner.track import Recorder, Track, rig_of

VISIT_BLOCKS = 3  # blocks of one visit, taken while its rig stands
IDLE_S = 0.02  # between two questions to a watcher when nothing else is left to do
PAUSE_S = 0.5


class Session:
    """The state of one run, in the given design."""

    def __init__(self, job: Job, design: Design) -> None:
        self.job, self.design, self.writer = job, design, job.writer
        self.recorder = Recorder(job)
        self.opened: list[Planned] = []  # with the cases that their rigs found
        self.tracks: list[Track] = []
        self.setup_s: dict[str, float] = {}
        self.loop_s = 0.0

    def run(self) -> str:
        """Measure everything; returns why it stopped: done, budget, interrupted or breaker."""
        with ExitStack() as rigs:
            for part in self.job.planned:
                with self.design.ready():
                    self._open(part, rigs)
            self.design.begin(self.opened)
            self._add_controls()
            started = time.monotonic()
            try:
                stopped = self._loop(started)
            finally:
                self.loop_s = time.monotonic() - started
            self.design.close(self.tracks, stopped)
        return stopped

    # Setting up

    def _open(self, part: Planned, rigs: ExitStack) -> None:
        self.writer.probe(part.id, stored_probe(part))
        if not part.cases:
            return
        before = time.monotonic()
        try:
            visits = any(c.rhythm is Rhythm.VISIT for c in part.cases)
            rig = None if visits else self.design.set_up(part, rigs)
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
            self.recorder.rng.shuffle(working)
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
        asked = self.job.stopping()
        if asked:
            return asked
        while (word := self.job.quiet.check()) == "pause" and time.monotonic() - started < self.job.settings.budget_s:
            time.sleep(PAUSE_S)
        if word == "stop":
            return "breaker"
        return "budget" if time.monotonic() - started >= self.job.settings.budget_s else None

    def _turn_of(self, track: Track) -> None:
        try:
            if track.case.rhythm is Rhythm.VISIT:
                self._visit(track)
            else:
                assert track.once is not None
                self.design.take(track, track.once, self.recorder)
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
        self.design.look(track, self.tracks)

    def _visit(self, track: Track) -> None:
        before = time.monotonic()
        with rig_of(track.part, self.job.stage_of(track.part)) as rig:
            self.setup_s[track.part.id] = self.setup_s.get(track.part.id, 0.0) + time.monotonic() - before
            for _ in range(VISIT_BLOCKS):
                self.design.take(track, rig.once, self.recorder)
        track.visits += 1

    def _watch(self) -> None:
        for track in self.tracks:
            if track.case.rhythm is Rhythm.WATCH and track.once is not None and len(track.blocks) < LOOKS[-1]:
                self._turn_of(track)
