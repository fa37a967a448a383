"""liebench verify: recompute the decision log of a run file."""

from __future__ import annotations

from typing import Annotated

import typer


def verify(run: Annotated[str, typer.Argument(help="Run file, or - for standard input.")]) -> None:
    """Recompute every look of a run from its samples, under the rule it was made with."""
    from liebench.gate.verify import differences
    from liebench.runfile.reader import read_run

    doc = read_run(run)
    found = differences(doc)
    for line in found:
        print(line)
    if found:
        raise typer.Exit(4)
    print(f"{len(doc['looks'])} looks recomputed from {len(doc['blocks'])} blocks: all as logged")
