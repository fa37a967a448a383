"""The history of a host's lies on a terminal: every lie, its band, its changes and marks. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from liebench.compare.history import Line, cases_of
from liebench.compare.metrics import LEVEL, RunMetrics
from liebench.contract import Better, Case, Kind
from liebench.words import short


def history_text(lines: Sequence[Line], runs: Sequence[RunMetrics]) -> str:
    """These lines of one host's runs, for a terminal."""
    cases = cases_of(runs)
    return "\n".join(said for line in lines for said in _said(line, cases[line.key[:2]]))


def _said(line: Line, case: Case) -> Iterator[str]:
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
