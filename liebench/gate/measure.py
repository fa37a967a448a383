"""The measuring half of a gate: what is switched between its sides, and the run file that holds its pairs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from liebench.contract import Disturbs, Touches
from liebench.errors import ToolFailed, UsageError
from liebench.facts.secrets import hidden
from liebench.gate.command import words_of
from liebench.gate.pairs import BASELINE, CANDIDATE, NOISE
from liebench.gate.policy import Policy
from liebench.gate.session import Enter, Pairs, Side, gate_part
from liebench.runner.job import Job, StageOf, Stopping, Talk, never, silent
from liebench.runner.measure import Bench, measure
from liebench.runner.plan import Planned, Settings
from liebench.stage.stage import Stage
from liebench.state.journal import Journal

SWITCH_S = 60.0
# Many short repetitions: on recorded noise ten times fewer samples, in 27 ms instead of 270, gave half the width.
REP_MS = 20.0


@dataclass(frozen=True, slots=True)
class Switch:
    """What differs between the sides; exactly one of these is set, or none: then both sides are equal (``noise``)."""

    commands: tuple[str, str] | None = None  # the work itself: two commands
    cores: tuple[Path | None, Path | None] | None = None
    change: tuple[str, str] | None = None  # a sysctl or sysfs file, and what the candidate's holds
    switches: tuple[str, str] | None = None  # commands that make it so before each half

    def says(self) -> str:
        if self.commands:
            return f"{self.commands[0]} against {self.commands[1]}"
        if self.cores:
            first, second = (str(c or "the installed core") for c in self.cores)
            return f"{first} against {second}"
        if self.change:
            return f"{self.change[0]} as found against {self.change[1]}"
        return f"after {self.switches[0]} against after {self.switches[1]}" if self.switches else NOISE


@contextmanager
def _after(command: str) -> Iterator[None]:
    """A half that follows a command of the user's. Raises ToolFailed where it fails: that side was not there."""
    words = words_of(command)
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=SWITCH_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolFailed(f"the switch {command!r} did not end as it should: {error}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-200:]
        raise ToolFailed(f"the switch {command!r} ended with {done.returncode}: {said or 'it said nothing'}")
    yield


def sides_of(switch: Switch, bench: Bench, journal: Journal, consent: Disturbs) -> tuple[Side, Side]:
    """Baseline and candidate. Whatever is written goes through the stage: declared, journalled, put back."""
    if switch.commands:
        first, second = (Side(n, options={"run": c}) for n, c in zip(NAMES, switch.commands, strict=True))
    elif switch.cores:
        first, second = (Side(n, core=c) for n, c in zip(NAMES, switch.cores, strict=True))
    elif switch.switches:
        first, second = (
            Side(n, enter=lambda c=c: _after(c))  # type: ignore[misc]
            for n, c in zip(NAMES, switch.switches, strict=True)
        )
    elif switch.change:
        path, value = switch.change
        touches = Touches(keys=(path,), disturbs=Disturbs.HOST)
        stage = Stage(bench.host, bench.core, journal, (touches,), consent)
        first, second = Side(BASELINE), Side(CANDIDATE, enter=lambda: stage.value(path, value))
    else:
        first, second = Side(BASELINE), Side(CANDIDATE)
    return first, second


NAMES = (BASELINE, CANDIDATE)


def stages_of(stage_of: StageOf, sides: Sequence[Side]) -> Mapping[str, StageOf]:
    """A stage for each side of a probe: one calibration for both, since work that differs would hide a change."""
    made: dict[str, Stage] = {}

    def of(side: Side) -> StageOf:
        def stage(part: Planned) -> Stage:
            if part.id not in made:
                made[part.id] = stage_of(part)
            base = made[part.id]
            options = {**base.options, **side.options}
            return replace(base, core_path=side.core or base.core_path, options=options, rep_ms=REP_MS)

        return stage

    return {side.name: of(side) for side in sides}


def measure_gate(
    bench: Bench,
    planned: Sequence[Planned],
    settings: Settings,
    switch: Switch,
    policy: Policy,
    *,
    stopping: Stopping = never,
    progress: Talk = silent,
) -> Path:
    """Measure both sides in pairs; returns the run file (kind ``gate``). The host is as it was found afterwards."""
    if switch.change and settings.disturb is not Disturbs.HOST:
        raise UsageError(f"{switch.change[0]} is the whole host's; allow it with --disturb host")
    parts = [gate_part(p, policy) for p in planned]
    with ExitStack() as ends:

        def pairs(job: Job) -> Pairs:
            sides = sides_of(switch, bench, job.journal, settings.disturb)
            if switch.switches:  # the host is left as the baseline has it
                ends.callback(_leave, sides[0].enter)
            return Pairs(job, sides, stages_of(job.stage_of, sides), policy)

        more = {"kind": "gate", "switch": hidden(switch.says()), "policy": policy.stored()}
        return measure(bench, parts, settings, stopping=stopping, progress=progress, design=pairs, more=more)


def _leave(enter: Enter) -> None:
    with enter():
        pass
