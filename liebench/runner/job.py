"""What one session is given: a plan with everything that it works with, as one value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from liebench.runfile.writer import RunWriter
from liebench.runner.plan import Planned, Settings
from liebench.runner.pressure import QuietWatch
from liebench.stage.stage import Stage
from liebench.state.journal import Journal

StageOf = Callable[[Planned], Stage]
Talk = Callable[[str], None]
Stopping = Callable[[], str | None]  # asked between blocks: a stop reason, or None to go on


def never() -> None:
    """Nobody stops this run."""


def silent(line: str) -> None:
    """Nobody watches this run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One run to be measured. ``journal``: where a side that changes the host notes how to undo it."""

    planned: Sequence[Planned]
    settings: Settings
    writer: RunWriter
    journal: Journal
    stage_of: StageOf
    quiet: QuietWatch
    stopping: Stopping = never
    progress: Talk = silent
