"""liebench history: one probe through the runs of this host."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liebench.cli import common

if TYPE_CHECKING:
    from liebench.history import Line
    from liebench.metrics import RunMetrics


def history(
    probe: Annotated[str, typer.Argument(help="A probe, as clock-read.")],
    runs: Annotated[list[str] | None, typer.Argument(help="Run files or folders; by default the results.")] = None,
    limit: Annotated[str, typer.Option("--limit", help="A step of at least this is a change.")] = "5 %",
    host: Annotated[str | None, typer.Option("--host", help="Salted hash of a host; by default the newest's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Every metric of a probe over time: where the next run is expected, and where something changed."""
    from liebench.compare import open_side
    from liebench.errors import NotComparable
    from liebench.history import lines_of
    from liebench.policy import share
    from liebench.result import results_dir

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
    print(_text(lines, ours))


def lines_text(runs: Sequence[RunMetrics], magnitude: float) -> str:
    """Every lie of one host's runs, for a terminal."""
    from liebench.history import lies_of

    return _text(lies_of(runs, magnitude), runs)


def _text(lines: Sequence[Line], runs: Sequence[RunMetrics]) -> str:
    from liebench.history import cases_of

    cases = cases_of(runs)
    return "\n".join(said for line in lines for said in _said(line, cases[line.key[:2]]))


def _object(line: Any) -> dict[str, Any]:
    points = [{"run": p.run, "started": p.started, "value": p.value,
               "half": p.half if math.isfinite(p.half) else None} for p in line.points]  # fmt: skip
    return {
        **line.key._asdict(), "scale": "log of a cost or a ratio; a reading in its unit", "points": points,
        "band": list(line.band) if line.band else None, "changes": list(line.changes),
        "marks": [{"at": at, "what": what} for at, what in line.marks],
    }  # fmt: skip


def _said(line: Any, case: Any) -> Iterator[str]:
    from liebench.contract import Better, Kind
    from liebench.metrics import LEVEL
    from liebench.words import short

    ratio = case.kind is not Kind.READING
    rate = ratio and case.better is Better.HIGHER and line.key.what == LEVEL
    unit = case.unit if not ratio or line.key.what == LEVEL else "times"

    def outward(value: float) -> str:
        shown = math.exp(-value if rate else value) if ratio else value
        return f"{short(shown)} {unit}"

    values = [p.value for p in line.points]
    expected = "too few runs to say where the next is expected"
    if line.band:
        low, high = sorted(line.band, reverse=rate)
        expected = f"the next is expected at {outward(low)} … {outward(high)}"
    yield f"{line.key.name}: {len(values)} runs, last {outward(values[-1])}; {expected}"
    for at in line.changes:
        yield f"    a new level since {line.points[at].started}: {outward(values[at - 1])} -> {outward(values[at])}"
    for at, what in line.marks:
        yield f"    {line.points[at].started}: the {what} changed"
