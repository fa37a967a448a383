"""The design of an experiment: what a rig serves, what one block is, who looks when. Here that of a plain run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Protocol

from liebench.contract import Kind, Once, Rhythm, Rig
from liebench.judge.controls import judge_control
from liebench.judge.run import look
from liebench.runner.job import Job
from liebench.runner.plan import Planned
from liebench.runner.track import Recorder, Track, rig_of


class Design(Protocol):
    """What a session asks. It keeps the order, the budget and the failures to itself."""

    def ready(self) -> AbstractContextManager[object]:
        """What holds while a part is set up. An error of it is no part's failure: it ends the run."""

    def set_up(self, part: Planned, rigs: ExitStack) -> Rig:
        """The rig that serves a part's tracks until ``rigs`` close. Raises NeedUnmet, LiebenchError or OSError."""

    def begin(self, parts: Sequence[Planned]) -> None:
        """These parts stand, with the cases that their rigs found; the first block follows."""

    def take(self, track: Track, once: Once, recorder: Recorder) -> None:
        """One block of a track, or what stands in its place."""

    def look(self, track: Track, tracks: Sequence[Track]) -> None:
        """Look at what is due after a block of ``track``; what needs no more blocks is marked as done."""

    def close(self, tracks: Sequence[Track], stopped: str) -> None:
        """A last look at everything that was still open, so that the log says where each case stood."""


class Plain:
    """One side: a block is one repetition of every arm, and each case has looks of its own."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def ready(self) -> AbstractContextManager[object]:
        return nullcontext()

    def set_up(self, part: Planned, rigs: ExitStack) -> Rig:
        return rigs.enter_context(rig_of(part, self.job.stage_of(part)))

    def begin(self, parts: Sequence[Planned]) -> None:
        """Nothing to prepare: no look is about more than one case."""

    def take(self, track: Track, once: Once, recorder: Recorder) -> None:
        recorder.block(track, once, track.turns)

    def look(self, track: Track, tracks: Sequence[Track]) -> None:
        if track.case.rhythm is Rhythm.ONCE:
            track.done = len(track.blocks) >= self.job.settings.profile.once
        elif track.due:
            words = [self._logged(track, label) for label in track.judged]
            facts = track.case.kind is Kind.FACT
            track.done = track.done or facts or all(w != "continue" for w in words) or _answered(track)

    def close(self, tracks: Sequence[Track], stopped: str) -> None:
        for track in tracks:
            if not track.done and track.blocks and len(track.blocks) != track.looked:
                for label in track.judged:
                    self._logged(track, label, stopped if stopped != "done" else "budget")

    def _logged(self, track: Track, label: str, ended: str | None = None) -> str:
        """Look and log; returns the stop reason. ``ended``: what stands for ``continue`` when nothing continues."""
        record = look(track.case, track.blocks, label, track.promised).record()
        if ended and record["stop"] == "continue":
            record["stop"] = ended
        self.job.writer.look(record)
        track.looked = len(track.blocks)
        return str(record["stop"])


def _answered(track: Track) -> bool:
    """Whether a control has answered: it need not be as narrow as a case, only shown or failed."""
    if track.control is None:
        return False
    return judge_control(track.control.stored(), track.case, track.blocks, track.control.id).status != "not shown"
