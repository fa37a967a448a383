"""The measuring half of a trial: the narrowest place that shows a change, and both values in it, in pairs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from liebench.contract import Case, Disturbs, Kind, Touches
from liebench.errors import NotMeasurable, UsageError
from liebench.gate.command import COMMAND
from liebench.gate.measure import stages_of
from liebench.gate.pairs import BASELINE, CANDIDATE
from liebench.gate.policy import Level, LevelRule, Policy
from liebench.gate.session import Pairs, Side, gate_part
from liebench.host import Host
from liebench.registry import Registered
from liebench.runner.job import Job, Stopping, Talk, never, silent
from liebench.runner.measure import Bench, measure
from liebench.runner.plan import Planned, Settings, Skip, plan_probe
from liebench.settings.knob import Knob, Scope, Trial
from liebench.settings.launch import is_launch, own_scope, tried_in
from liebench.stage.stage import Stage
from liebench.state.journal import Journal
from liebench.trial.proofs import workload_words

LIMITS = {"block": 0.05, "files": 0.05, "net": 0.05, "memory": 0.05}  # by layer; what is worth a change of a host
LIMIT = 0.03


@dataclass(frozen=True, slots=True)
class Wish:
    """One change to try. ``command``: the user's own workload in place of the knob's trial; ``more``: its arguments."""

    knob: Knob
    now: str
    to: str
    command: str = ""
    more: Mapping[str, str] | None = None

    @property
    def inside(self) -> bool:
        """Whether a rig carries the value, so that nothing of the host is written."""
        return not self.command and self.knob.trial is not None and self.knob.trial.args is not None

    @property
    def launched(self) -> bool:
        """Whether it is a way to start the user's command, which touches nothing else."""
        return bool(self.command) and is_launch(self.knob.id)

    @property
    def scope(self) -> Scope:
        return own_scope(self.knob) if self.command else tried_in(self.knob)

    @property
    def workload(self) -> str:
        """In words, as the evidence names it."""
        if self.command:
            return f"your command: {self.command}"
        assert self.knob.trial is not None
        return workload_words(self.knob.trial.probe, self.more or {})


def refuse(wish: Wish, consent: Disturbs) -> None:
    """Raises UsageError where this cannot be tried as it was asked for, before anything is touched."""
    trial, knob = wish.knob.trial, wish.knob
    if trial is None and not wish.command:
        raise UsageError(f"{knob.key} has no trial of ours; try it on your own work: --with 'COMMAND'")
    if wish.now == wish.to:
        raise UsageError(f"{knob.key} is {wish.to} already; there is nothing to try")
    takes = trial.more if trial and not wish.command else {}
    for name, value in (wish.more or {}).items():
        if name not in takes:
            raise UsageError(f"the trial of {knob.id} takes no {name}; it takes {', '.join(takes) or 'nothing'}")
        try:
            takes[name](value)
        except UsageError as error:
            raise UsageError(f"{name} of the trial of {knob.id}: {error}") from error
    if wish.inside and trial is not None and trial.most is not None and int(wish.to) > trial.most:
        raise UsageError(
            f"the trial of {knob.id} can show up to {trial.most}, not {wish.to}: try that, or your own work (--with)"
        )
    if wish.scope is Scope.HOST and consent is not Disturbs.HOST:
        raise UsageError(f"{knob.key} is the whole host's in this trial; allow it with --disturb host")


def registered_for(wish: Wish, probes: Mapping[str, Registered]) -> Registered:
    if wish.command:
        return COMMAND
    assert wish.knob.trial is not None
    return probes[wish.knob.trial.probe]


def options_for(wish: Wish, probe: str, host: Host) -> Mapping[str, str]:
    """What the probe must be told. Raises UsageError where it cannot measure what was named."""
    if wish.command:
        return {f"{probe}.run": wish.command}
    trial = wish.knob.trial
    asked = trial.options(wish.knob, host) if trial and trial.options else {}
    return {f"{probe}.{name}": value for name, value in asked.items()}


def policy_for(wish: Wish, layer: str, probe: str, limit: float | None, floor: float) -> Policy:
    """Targets decide, every other case of the probe guards, arms that carry no value are left out."""
    practical = limit if limit is not None else LIMITS.get(layer, LIMIT)
    base = LevelRule(Level.OFF, practical, floor, max(0.10, 2 * practical))
    target = {"level": Level.ERROR}
    if wish.command:
        return Policy(base, {"command/wall": target})
    trial = wish.knob.trial
    assert trial is not None
    # a value that a rig carries reaches its own case only; one of the whole host may hurt any other
    others = {} if trial.args is not None or not trial.guarded else {probe: {"level": Level.WARN}}
    return Policy(base, others | {f"{probe}/{name}": target for name in trial.cases})


def _only(trial: Trial | None, part: Planned) -> Planned:
    """The part with, of each target case, the arm that carries the value alone: the others would only take time."""
    if trial is None or trial.arm == "*":
        return part

    def narrowed(case: Case) -> Case:
        if case.id not in trial.cases or case.kind is Kind.READING:  # what is claimed takes no time
            return case
        kept = [a for a in case.arms if fnmatchcase(a.id, trial.arm)]
        if not kept:
            return case
        return replace(case, arms=tuple(replace(a, promised=i == 0) for i, a in enumerate(kept)))

    def admit(cases: Sequence[Case]) -> tuple[tuple[Case, ...], Mapping[str, Skip]]:
        kept, left = part.admit(cases)
        return tuple(narrowed(c) for c in kept), left

    return replace(part, cases=tuple(narrowed(c) for c in part.cases), admit=admit)


def sides_of(wish: Wish, bench: Bench, journal: Journal, consent: Disturbs) -> tuple[Side, Side]:
    """Both sides of the trial; a live value is written through the stage, read back, and restored after each half."""
    trial, options = wish.knob.trial, {"run": wish.command} if wish.command else {}
    more = dict(wish.more or {})
    if wish.inside:
        assert trial is not None
        assert trial.args is not None
        first, second = (
            Side(n, args={k: v.format(to=value) for k, v in (trial.args or {}).items()} | more)
            for n, value in ((BASELINE, wish.now), (CANDIDATE, wish.to))
        )
        return first, second
    if wish.launched:
        ways = [options | {"launch": f"{wish.knob.id}={value}"} for value in (wish.now, wish.to)]
        return Side(BASELINE, options=ways[0]), Side(CANDIDATE, options=ways[1])
    path, settle = wish.knob.path, trial.settle_s if trial else 0.0
    touches = Touches(keys=(path,), disturbs=Disturbs.HOST)
    stage = Stage(bench.host, bench.core, journal, (touches,), consent)
    text = wish.knob.text_for(bench.host.read(path) or "", wish.to)

    @contextlib.contextmanager
    def changed() -> Iterator[None]:
        with stage.value(path, text):
            time.sleep(settle)
            yield

    return Side(BASELINE, options=options), Side(CANDIDATE, options=options, enter=changed)


def measure_trial(
    bench: Bench,
    registered: Registered,
    settings: Settings,
    wish: Wish,
    policy: Policy,
    *,
    stopping: Stopping = never,
    progress: Talk = silent,
) -> Path:
    """Try one change; returns the trial's file. The host is as it was found afterwards.

    Raises UsageError before anything is touched, NotMeasurable where the trial's probe cannot run here.
    """
    refuse(wish, settings.disturb)
    settings = replace(settings, options={**settings.options, **options_for(wish, registered.id, bench.host)})
    trial = None if wish.command else wish.knob.trial
    part = _only(trial, gate_part(plan_probe(registered, bench.host, settings), policy, rigs=True))
    if not any(c.id in (trial.cases if trial else ("wall",)) for c in part.cases):
        skip = part.skipped or next(iter(part.left_out.values()), None)
        needs = f"needs {skip.needs}: {skip.cure}" if skip else "its cases are not here"
        raise NotMeasurable(f"the trial of {wish.knob.key} cannot run on this host; {needs}")

    def pairs(job: Job) -> Pairs:
        sides = sides_of(wish, bench, job.journal, settings.disturb)
        return Pairs(job, sides, stages_of(job.stage_of, sides), policy, rigs=True)

    said = {"knob": wish.knob.id, "key": wish.knob.key, "now": wish.now, "to": wish.to}
    change = {**said, "scope": wish.scope.value, "workload": wish.workload}
    switch = f"{wish.knob.key} {wish.now} against {wish.to}"
    more = {"kind": "trial", "switch": switch, "policy": policy.stored(), "change": change}
    return measure(bench, [part], settings, stopping=stopping, progress=progress, design=pairs, more=more)
