"""liebench history: one probe through the runs of this host."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liebench.cli import common

if TYPE_CHECKING:
    from liebench.compare.history import Line


def history(
    probe: Annotated[str, typer.Argument(help="A probe, as clock-read.")],
    runs: Annotated[list[str] | None, typer.Argument(help="Run files or folders; by default the results.")] = None,
    limit: Annotated[str, typer.Option("--limit", help="A step of at least this is a change.")] = "5 %",
    host: Annotated[str | None, typer.Option("--host", help="Salted hash of a host; by default the newest's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Every metric of a probe over time: where the next run is expected, and where something changed."""
    from liebench.compare.history import lines_of
    from liebench.compare.sides import open_side
    from liebench.errors import NotComparable
    from liebench.gate.policy import share
    from liebench.state.files import results_dir
    from liebench.text.history import history_text

    every = open_side(common.read_runs(runs or [str(results_dir())]))
    chosen = host or every[-1].host
    ours = [m for m in every if m.host == chosen]
    lines = lines_of(probe, ours, math.log1p(share(limit, "--limit")))
    if not lines:
        raise NotComparable(f"no run of this host holds a number of {probe!r}; `liebench list` names the probes")
    if as_json:
        common.emit(
            {"schema": "liebench.history/1", "exit": 0, "host": chosen, "metrics": [_object(ln) for ln in lines]}
        )
        return
    print(history_text(lines, ours))


def _object(line: Line) -> dict[str, Any]:
    points = [{"run": p.run, "started": p.started, "value": p.value,
               "half": p.half if math.isfinite(p.half) else None} for p in line.points]  # fmt: skip
    return {
        **line.key._asdict(), "scale": "log of a cost or a ratio; a reading in its unit", "points": points,
        "band": list(line.band) if line.band else None, "changes": list(line.changes),
        "marks": [{"at": at, "what": what} for at, what in line.marks],
    }  # fmt: skip
