"""liebench explain: what a probe measures, how, what fools it, and what to do."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def explain(name: Annotated[str, typer.Argument(help="A probe or a change.")]) -> None:
    """Explain a probe (its README) or a change of the catalogue."""
    from liebench.changes import catalogue
    from liebench.errors import UsageError
    from liebench.registry import find_probes

    registry, changes = find_probes(), catalogue()
    if name in registry.probes:
        text = (
            registry.probes[name].readme()
            or f"{name} has no README; its claim: {registry.probes[name].probe.claim.says}"
        )
    elif name in changes:
        change = changes[name]
        text = "\n".join(
            (
                f"{change.id}: {change.setting} (scope: {change.scope})",
                f"kernel default: {change.default}",
                f"what can get worse: {change.risk}",
                f"tested by: liebench run {change.probe}",
            )
        )
    else:
        raise UsageError(f"no probe and no change is called {name!r}; `liebench list` shows the probes")
    if sys.stdout.isatty():
        import pydoc

        pydoc.pager(text)
    else:
        print(text)
