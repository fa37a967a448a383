"""Figures that only some probes have: how a cost grows with a number, and one number for every pair of CPUs. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from liebench.judge.run import Detail
from liebench.pages.figures import BOTTOM, LEFT, RIGHT, TOP, Tick, series_of, ticked
from liebench.pages.plot import Axis, is_log, widened
from liebench.runfile.fields import Json
from liebench.stats.intervals import Interval, quantile
from liebench.words import clean, quantity, short

FEWEST = 3  # arms with a number that make a curve; CPUs that make a map
PAIR = re.compile(r"(\d{1,5})-(\d{1,5})")
STEPS = 5  # shades of the map
MOST_CPUS = 128
MAP = 260  # pixels of the map's side


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    x: float
    y: float
    low: float  # pixels of the middle half of the repetitions
    high: float
    number: str
    says: str
    size: str
    against: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Growth:
    """A cost against the number of its arm, with the fitted law where there is one."""

    case: str
    asks: str
    points: Sequence[Point]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    law: tuple[float, float, float, float] | None  # x1, y1, x2, y2
    slope: str
    describes: str


@dataclass(frozen=True, slots=True)
class PairMap:
    """One number for every pair of CPUs: a path of cells per shade, darker is larger."""

    side: int
    shades: Sequence[tuple[int, str, str]]  # shade, path, range in words
    ticks: Sequence[Tick]
    describes: str
    says: str


def growth(blocks: Sequence[Json], detail: Detail) -> Growth | None:
    """The curve of a case whose arms carry numbers; None for all others."""
    case, unit = detail.case, clean(detail.case.unit, 16)
    series = series_of(blocks, case)
    arms = sorted((a.number, a.id, a.says or a.id) for a in case.arms if a.number is not None and a.id in series)
    if len(arms) < FEWEST:
        return None
    middles = {arm: [median(v) for _, v, _ in series[arm]] for _, arm, _ in arms}
    spans = {arm: (quantile(m, 0.25), median(m), quantile(m, 0.75)) for arm, m in middles.items()}
    xs, ys = [float(n) for n, _, _ in arms], [v for s in spans.values() for v in s]
    across = Axis(*widened(xs, is_log(xs)), LEFT, RIGHT, is_log(xs))
    up = Axis(*widened(ys, is_log(ys), 0.1), BOTTOM, TOP, is_log(ys))
    base = spans.get(case.promised.id, spans[arms[0][1]])[1]
    points = [_point(x, says, spans[arm], base, unit, across, up) for x, (_, arm, says) in zip(xs, arms, strict=True)]
    fitted = [(x, spans[arm][1]) for x, (_, arm, _) in zip(xs, arms, strict=True)]
    return Growth(
        case=clean(case.id, 40),
        asks=clean(case.asks),
        points=points,
        x_ticks=ticked(across, ""),
        y_ticks=ticked(up, unit),
        law=_law(fitted, detail.slope, across, up),
        slope=_steep(detail.slope, unit),
        describes="; ".join(f"{p.number}: {p.size}" for p in points),
    )


def _point(
    x: float, says: str, span: tuple[float, float, float], base: float, unit: str, across: Axis, up: Axis
) -> Point:
    low, middle, high = span
    return Point(
        x=round(across.at(x)),
        y=round(up.at(middle)),
        low=round(up.at(low)),
        high=round(up.at(high)),
        number=quantity(x, "", 4),
        says=clean(says, 60),
        size=quantity(middle, unit),
        against=f"{short(middle / base)} ×" if base else "",
    )


def _law(
    points: Sequence[tuple[float, float]], slope: Interval | None, across: Axis, up: Axis
) -> tuple[float, float, float, float] | None:
    """The fitted line in pixels, through the middle of the points; none on a log axis, where it would be bent."""
    if slope is None or not math.isfinite(slope.estimate) or across.log or up.log:
        return None
    x0, y0 = (fmean(p[i] for p in points) for i in (0, 1))
    first, last = points[0][0], points[-1][0]
    ends = [(across.at(x), up.at(y0 + slope.estimate * (x - x0))) for x in (first, last)]
    return (*ends[0], *ends[1])


def _steep(slope: Interval | None, unit: str) -> str:
    if slope is None or not math.isfinite(slope.estimate):
        return ""
    return f"{quantity(slope.estimate, unit)} each ({quantity(slope.low, unit)} … {quantity(slope.high, unit)})"


def pair_map(facts: Mapping[str, Any]) -> PairMap | None:
    """The map of the fact ``pairs``: ``{"says": what, "unit": unit, "of": {"0-3": 61.2, ...}}``; None without it."""
    held = facts.get("pairs")
    sizes = held.get("of") if isinstance(held, Mapping) else None
    if not isinstance(held, Mapping) or not isinstance(sizes, Mapping):
        return None
    found = ((PAIR.fullmatch(str(k)), v) for k, v in sizes.items() if _is_size(v))
    pairs = {(int(m[1]), int(m[2])): float(v) for m, v in found if m}
    cpus = sorted({c for pair in pairs for c in pair})[:MOST_CPUS]
    if len(cpus) < FEWEST:
        return None
    return _map(clean(held.get("says", ""), 80), clean(held.get("unit", ""), 16), pairs, cpus)


def _is_size(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")


def _map(says: str, unit: str, pairs: Mapping[tuple[int, int], float], cpus: Sequence[int]) -> PairMap:
    place = {cpu: i for i, cpu in enumerate(cpus)}
    cell = MAP / len(cpus)
    low, high = min(pairs.values()), max(pairs.values())
    shade = Axis(low, high, 0, STEPS - 0.51, log=True)
    side = f"{cell - min(1.0, cell / 8):.3g}"
    cells: dict[int, list[str]] = {}
    held: dict[int, list[float]] = {}
    for (a, b), value in sorted(pairs.items()):
        if a in place and b in place:
            step = int(shade.at(value)) if high > low else 0
            held.setdefault(step, []).append(value)
            for x, y in ((place[a], place[b]), (place[b], place[a])):
                cells.setdefault(step, []).append(f"M{x * cell:.4g} {y * cell:.4g}h{side}v{side}h-{side}z")
    shades = [(s, "".join(cells[s]), _range(held[s], unit)) for s in sorted(cells)]
    every = max(1, len(cpus) // 8)
    ticks = [Tick(round((i + 0.5) * cell, 1), str(cpu)) for i, cpu in enumerate(cpus) if i % every == 0]
    nearest = sorted(pairs.items(), key=lambda item: item[1])[:3]
    near = ", ".join(f"CPU {a} and {b} {quantity(v, unit)}" for (a, b), v in nearest)
    return PairMap(MAP, shades, ticks, f"{len(pairs)} pairs of {len(cpus)} CPUs; nearest: {near}.", says)


def _range(values: Sequence[float], unit: str) -> str:
    pairs = "1 pair" if len(values) == 1 else f"{len(values)} pairs"
    return f"{quantity(min(values), unit)} … {quantity(max(values), unit)} ({pairs})"
