"""liebench doctor: what this host can measure, what is missing, and the cure of each."""

from __future__ import annotations

from typing import Annotated

import typer


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
    lines: list[tuple[str, str, str]] = []
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
            lines.append(("ok", f"{r.id}: {len(part.cases)} cases", ""))
        for case, skip in part.left_out.items():
            lines.append(("part", f"{r.id}/{case} needs {skip.needs}", skip.cure))
    lines += [("miss", f"{name} cannot be loaded: {why}", "fix or remove it") for name, why in registry.broken.items()]
    lines += [("note", said, "") for said in recover(state_dir(), host.facts["boot"]["token"])]
    lines += [("note", said, "") for said in common.settle_applied(host, state_dir())]
    if as_json:
        rows = [{"state": a, "what": b, "cure": c or None} for a, b, c in lines]
        common.emit({"schema": "liebench.doctor/1", "exit": 0, "checks": rows})
        return
    for state, what, cure in lines:
        print(f"{state:<5} {what}" + (f"\n      {cure}" if cure else ""))
