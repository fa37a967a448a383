"""liebench list: every probe, a line each."""

from __future__ import annotations

from typing import Annotated

import typer


def listing(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """List the probes: id, layer, what it costs, and the claim."""
    from liebench.registry import find_probes

    registry = find_probes()
    if as_json:
        from liebench.cli.common import emit

        rows = {
            r.id: {
                "layer": r.probe.claim.layer,
                "seconds": r.probe.cost.seconds,
                "claim": r.probe.claim.says,
                "preview": r.probe.preview,
            }
            for r in registry.probes.values()
        }
        emit({"schema": "liebench.list/1", "exit": 0, "probes": rows, "broken": dict(registry.broken)})
        return
    for r in registry.probes.values():
        claim = r.probe.claim
        line = f"{r.id:<20} {claim.layer.value:<10} {r.probe.cost.seconds:>4.0f} s  {claim.title}"
        print(line + ("  (preview)" if r.probe.preview else ""))
    for name, why in registry.broken.items():
        print(f"{name:<20} cannot be loaded: {why}")
