"""liebench doctor: what this host can measure, what is missing, and the cure of each."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import liebench

if TYPE_CHECKING:
    from liebench.registry import Registered

Line = tuple[str, str, str]


def doctor(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Check the core, the needs of every probe, and what an earlier run left behind."""
    from liebench.cli import common
    from liebench.core import core_path, is_static, source_build_id
    from liebench.host import read_host
    from liebench.registry import find_probes
    from liebench.runner.plan import plan_probe
    from liebench.stage.recovery import recover
    from liebench.state.files import state_dir

    host, core = read_host(), core_path()
    build, sources = common.build_id(core), source_build_id()
    lines: list[Line] = []
    if sources is not None and sources != build:
        lines.append(("warn", f"core {build} was not built from these sources ({sources})", "pip install -e ."))
    else:
        lines.append(("ok", f"core {build}, {'static' if is_static(core) else 'dynamic: not for guests'}", ""))
    if host.facts["cpu"]["governor"] not in (None, "performance"):
        lines.append(("warn", f"governor is {host.facts['cpu']['governor']}", "intervals of CPU probes will be wider"))
    settings = common.make_settings("deep", 0, None, "nobody", ())
    registry = find_probes()
    for r in registry.probes.values():
        part = plan_probe(r, host, settings)
        if part.skipped:
            lines.append(("miss", f"{r.id} needs {part.skipped.needs}", part.skipped.cure))
        else:
            lines.append(_own_core(r) or ("ok", f"{r.id}: {len(part.cases)} cases", ""))
        for case, skip in part.left_out.items():
            lines.append(("part", f"{r.id}/{case} needs {skip.needs}", skip.cure))
    refused = [*registry.broken.items(), *_refused()]
    lines += [("miss", f"{name} cannot be loaded: {why}", "fix or remove it") for name, why in refused]
    lines += _open_to_others((Path(sys.executable), core, Path(liebench.__file__)))
    lines += [("note", said, "") for said in recover(state_dir(), host.facts["boot"]["token"])]
    lines += [("note", said, "") for said in common.settle_applied(host, state_dir())]
    if as_json:
        rows = [{"state": a, "what": b, "cure": c or None} for a, b, c in lines]
        common.emit({"schema": "liebench.doctor/1", "exit": 0, "checks": rows})
        return
    for state, what, cure in lines:
        print(f"{state:<5} {what}" + (f"\n      {cure}" if cure else ""))


def _own_core(registered: Registered) -> Line | None:
    """A probe's own executable that cannot be used, by its whole path, which no run file holds."""
    from liebench.core import identity
    from liebench.errors import CoreMissing

    if registered.probe.core is not None:
        try:
            identity(registered.probe.core)
        except CoreMissing as error:
            return ("miss", f"{registered.id}: {error}", f"it should be {registered.probe.core}")
    return None


def _refused() -> Iterator[tuple[str, str]]:
    """What other packages bring beside probes and may not, or cannot."""
    from liebench.advice import catalogue as changes
    from liebench.settings import catalogue as settings
    from liebench.stage import acts

    for what, found in (("setting", settings.theirs()), ("change", changes.theirs()), ("act", acts.theirs())):
        yield from ((f"the {what} {name}", why) for name, why in found.refused.items())


def _open_to_others(needed: Iterable[Path]) -> list[Line]:
    """Where an ordinary user's start fails with a bare "Permission denied", which names no folder."""
    for path in needed:
        closed = next((p for p in reversed(path.resolve().parents) if not p.stat().st_mode & 0o001), None)
        if closed:
            cure = "for a run as an ordinary user, install it and its interpreter where all may read (/opt, /usr)"
            return [("note", f"other users cannot start this liebench: {path.resolve()} lies below {closed}", cure)]
    return []
