"""From a plan to a run file on disk: header, session, receipt, and the ends that only a whole run knows."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import liebench
from liebench.contract import Disturbs, Events, Touches
from liebench.core import identity
from liebench.facts.secrets import hidden_words
from liebench.host import Host
from liebench.judge.rule import RULE
from liebench.runfile.reader import SCHEMA
from liebench.runfile.writer import RunWriter, new_id
from liebench.runner import receipt
from liebench.runner.design import Design, Plain
from liebench.runner.job import Job, Stopping, Talk, never, silent
from liebench.runner.plan import Planned, Settings, options_of, stored_probe
from liebench.runner.pressure import QuietWatch
from liebench.runner.session import Session
from liebench.runner.usage import traced, usage_before
from liebench.stage.guardian import guarded
from liebench.stage.recovery import recover
from liebench.stage.stage import Stage
from liebench.state.journal import Journal
from liebench.state.lock import exclusive

DesignOf = Callable[[Job], Design]
NOTHING_MORE: Mapping[str, Any] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """What a run needs besides its plan. ``state``: folder of the undo journal; ``core``: the executable."""

    host: Host
    core: Path
    build: str
    state: Path
    out: Path
    command: Sequence[str] = ()


def stage_for(
    bench: Bench, part: Planned, journal: Journal, settings: Settings, touches: Sequence[Touches] = ()
) -> Stage:
    """One probe's stage, which may touch what its planned cases declare, and ``touches``.

    The probe's own executable is kept by version, build and hash. Raises CoreMissing where it cannot be used.
    """
    declared = (*(t for c in part.cases for t in c.touches), *touches)
    stage = Stage(bench.host, bench.core, journal, declared, settings.disturb, own=part.probe.core)
    stage.options = options_of(part.id, part.probe, settings)
    if part.probe.core is not None:
        stage.note("core", identity(part.probe.core).stored())
    return stage


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def header(bench: Bench, planned: Sequence[Planned], settings: Settings) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "id": new_id(),
        "kind": "run",
        "started": _now(),
        "finished": None,
        "stopped": "killed",
        "tool": {
            "version": liebench.__version__,
            "rule": RULE,
            "core": bench.build,
            "python": platform.python_version(),
        },
        "command": hidden_words(bench.command),
        "settings": settings.stored(),
        "hashes": bench.host.hashes(),
        "host": bench.host.redacted(),
        "controls": [],
        "log": recover(bench.state, bench.host.facts["boot"]["token"]),
    }


def _counts(host: Host, planned: Sequence[Planned]) -> dict[str, tuple[Events, int | None, float]]:
    return {
        p.id: (p.probe.events, p.probe.events.count(host), time.monotonic())
        for p in planned
        if p.cases and p.probe.events
    }


def _events(first: dict[str, tuple[Events, int | None, float]], host: Host) -> dict[str, dict[str, Any]]:
    rows = {}
    for name, (events, count, at) in first.items():
        rows[name] = {
            "what": events.what,
            "read_from": events.read_from,
            "case": events.case,
            "to_seconds": events.to_seconds,
            "is_cpu": events.is_cpu,
            "first": count,
            "last": events.count(host),
            "span_s": time.monotonic() - at,
        }
    return rows


def measure(
    bench: Bench,
    planned: Sequence[Planned],
    settings: Settings,
    *,
    stopping: Stopping = never,
    progress: Talk = silent,
    design: DesignOf = Plain,
    more: Mapping[str, Any] = NOTHING_MORE,
) -> Path:
    """Run the plan and write its run file; returns the file's path. The host is as it was found afterwards.

    ``design``: another one than a plain run's (a gate's); ``more`` stands in the header of its file.
    Raises HostBusy where this one may change the host and another liebench does.
    """
    with ExitStack() as held:
        if settings.disturb is Disturbs.HOST:
            held.enter_context(exclusive(bench.state, "measuring with --disturb host"))
        return _measured(bench, planned, settings, stopping, progress, design, more)


def _measured(
    bench: Bench,
    planned: Sequence[Planned],
    settings: Settings,
    stopping: Stopping,
    progress: Talk,
    design: DesignOf,
    more: Mapping[str, Any],
) -> Path:
    usage = {} if more else {"usage": usage_before(bench.host, bench.state)}  # only a plain run speaks of the host
    head = header(bench, planned, settings) | usage | dict(more)
    writer = RunWriter(bench.out, head)
    journal = Journal(bench.state, bench.host.facts["boot"]["token"])
    stages: dict[str, Stage] = {}

    def stage_of(part: Planned) -> Stage:
        stage = stage_for(bench, part, journal, settings)
        stage.window_s = settings.profile.window_s
        stages[part.id] = stage
        return stage

    before, counts, quiet = receipt.snapshot(bench.host), _counts(bench.host, planned), QuietWatch.begin(bench.host)
    job = Job(
        planned=planned,
        settings=settings,
        writer=writer,
        journal=journal,
        stage_of=stage_of,
        quiet=quiet,
        stopping=stopping,
        progress=progress,
    )
    session = Session(job, design(job))
    watched = settings.disturb is Disturbs.HOST
    guard = guarded(bench.state, bench.host.facts["boot"]["token"]) if watched else nullcontext()
    with guard, traced(bench.host, bench.state):
        stopped = session.run()
    rows, recorder = _events(counts, bench.host), session.recorder
    for part in planned:
        row = writer.document["probes"].get(part.id, stored_probe(part))
        row |= {"events": rows.get(part.id), "setup_s": session.setup_s.get(part.id, 0.0)}
        if part.id in stages:
            row["setup_s"] += stages[part.id].setup_s
            row["facts"] = {"calibrations": stages[part.id].calibrations, **stages[part.id].notes}
        writer.probe(part.id, row)
    return writer.finish(
        {
            "finished": _now(),
            "stopped": stopped,
            "quiet": quiet.summary(),
            "instrument": {"loop_s": session.loop_s, "inside_s": recorder.inside_ns / 1e9, "blocks": recorder.number},
            "receipt": {"difference": receipt.difference(before, receipt.snapshot(bench.host))},
        }
    )
