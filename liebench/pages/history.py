"""View model of a host's history: each lie through its runs, with what changed in between. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from liebench.compare.history import Line, cases_of, lies_of
from liebench.compare.metrics import RunMetrics
from liebench.contract import Case, Kind
from liebench.pages.figures import BOTTOM, LEFT, RIGHT, TOP, Tick
from liebench.pages.plot import Axis, dots, widened
from liebench.words import clean, quantity

AIR = 8  # pixels between the frame and the first and last run
MOST_PATH = 390  # points of a line: a pixel each


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One metric's line: pixels of runs, of the expected band (top, height), of marks and change points."""

    id: str
    name: str
    says: str
    runs: int
    dots: str
    path: str
    bars: str
    band: tuple[float, float] | None
    marks: Sequence[float]
    changes: Sequence[float]
    y_ticks: Sequence[Tick]
    first: str
    last: str
    events: Sequence[str]
    describes: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryPage:
    title: str
    head: str
    says: str
    facts: str
    lines: Sequence[Series]
    marks: Sequence[str]


def history(runs: Sequence[RunMetrics], facts: str, magnitude: float) -> HistoryPage:
    """Every lie of these runs of one host, changed ones first. ``magnitude``: the least step, as a log."""
    cases, lines = cases_of(runs), lies_of(runs, magnitude)
    changed = [x for x in lines if x.changes]
    ordered = [*changed, *(x for x in lines if not x.changes)]
    return HistoryPage(
        title=f"{len(runs)} runs",
        head=_head(len(changed), len(lines), len(runs)),
        says=_says(changed, runs),
        facts=facts,
        lines=[_series(x, cases, f"h{i}") for i, x in enumerate(ordered)],
        marks=_marks(lines),
    )


def _marks(lines: Sequence[Line]) -> list[str]:
    """What changed beside the numbers, each once."""
    return sorted(
        {clean(f"{_when(x.points[i].started)}: the {what} changed", 160) for x in lines for i, what in x.marks}
    )


def _when(started: str) -> str:
    return clean(started[:16].replace("T", " "), 16)


def _head(changed: int, seen: int, runs: int) -> str:
    if changed:
        return f"{changed} of {seen} lies changed their level."
    return f"No lie changed its level in {runs} runs." if seen else "Nothing to show."


def _says(changed: Sequence[Line], runs: Sequence[RunMetrics]) -> str:
    said = []
    if changed:
        line = max(changed, key=lambda x: _step(x, x.changes[-1]))
        at = line.changes[-1]
        said.append(f"The largest: {clean(line.key.name, 80)} since {_when(line.points[at].started)}.")
    elif len(runs) < 30:
        said.append(
            "A change of level is only looked for in 30 runs or more; the band says where the next is expected."
        )
    configs = sum(a.config != b.config for a, b in pairwise(runs))
    if configs:
        said.append(f"The configuration of the host changed {configs} time{'s' if configs > 1 else ''}: dashed lines.")
    return " ".join(said)


def _step(line: Line, at: int) -> float:
    return abs(line.points[at].value - line.points[at - 1].value)


def _series(line: Line, cases: Mapping[tuple[str, str], Case], name: str) -> Series:
    case = cases[line.key[:2]]
    ratio = case.kind is not Kind.READING
    values = [p.value for p in line.points]
    halves = [p.half if math.isfinite(p.half) else 0.0 for p in line.points]
    ends = [v + s * h for v, h in zip(values, halves, strict=True) for s in (1, -1)]
    up = Axis(*widened([*ends, *(line.band or ())], log=False), BOTTOM, TOP)
    across = Axis(0, max(1, len(values) - 1), LEFT + AIR, RIGHT - AIR)
    spots = [(across.at(i), up.at(v)) for i, v in enumerate(values)]
    every = max(1, len(spots) // MOST_PATH)
    bars = [f"M{x} {up.at(v + h)}V{up.at(v - h)}" for (x, _), v, h in zip(spots, values, halves, strict=True) if h]

    def outward(value: float) -> str:
        return f"{quantity(math.exp(min(value, 700)), '')} ×" if ratio else quantity(value, case.unit)

    band = line.band
    expected = f"the next is expected at {outward(band[0])} … {outward(band[1])}" if band else "too few runs"
    steps = [(line.points[i].started, outward(values[i - 1]), outward(values[i])) for i in line.changes]
    events = [f"A new level since {_when(at)}: {before} to {after}" for at, before, after in steps]
    parts = dict.fromkeys((line.key.probe, line.key.case, line.key.arm))  # an arm may have the name of its case
    return Series(
        id=name,
        name=clean(" ".join(p for p in parts if p), 80),
        says=f"last {outward(values[-1])}; {expected}",
        runs=len(values),
        dots=dots(spots),
        path="M" + "L".join(f"{x} {y}" for x, y in spots[::every]),
        bars="".join(bars[::every]),
        band=(up.at(line.band[1]), round(up.at(line.band[0]) - up.at(line.band[1]), 1)) if line.band else None,
        marks=[across.at(i) for i, _ in line.marks],
        changes=[across.at(i) for i in line.changes],
        y_ticks=_ticks(up, ratio, case.unit),
        first=clean(line.points[0].started[:10], 12),
        last=clean(line.points[-1].started[:10], 12),
        events=[clean(e, 160) for e in events],
        describes=f"{len(values)} runs from {outward(min(values))} to {outward(max(values))}, last "
        f"{outward(values[-1])}.",
    )


def _ticks(up: Axis, ratio: bool, unit: str) -> list[Tick]:
    """The line lies on the effect scale; ticks are factors of a ratio, round in their own terms."""
    if not ratio:
        return [Tick(up.at(t), clean(quantity(t, unit), 16)) for t in up.ticks(5)]
    own = Axis(math.exp(min(up.low, 700)), math.exp(min(up.high, 700)), up.start, up.end, log=True)
    return [Tick(own.at(t), f"{quantity(t, '')} ×") for t in own.ticks(5)]
