"""View model of whatever ends in a table of outcomes: a comparison, a gate, a trial. Pure; templates only draw."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from liebench.contract import Outcome
from liebench.judge.row_words import interval, name_of, size, sort_key
from liebench.judge.rows import Row, Table
from liebench.pages.forest import Forest, Line, axis_of, drawn
from liebench.pages.missing import Missing, missing
from liebench.pages.plot import Axis, is_log, widened
from liebench.words import clean, quantity

TOLD = (Outcome.WORSE, Outcome.BETTER, Outcome.INCONCLUSIVE)
WIDTH, TOP, BOTTOM, ROOM = 240, 16, 120, 13  # a slope chart, and how near two of its labels may come
LEFT, RIGHT = 70, 170
LEVELS = {"warn": "warns only", "off": "counts for nothing"}
ROLES = {"error": "what it should better", "warn": "a guard: must not get worse"}
MOST_SLOPES = 8  # lines in one chart


@dataclass(frozen=True, kw_only=True, slots=True)
class Slope:
    """From one side to the other: pixels, and the two sizes in words (empty where another label stands there)."""

    y0: float
    y1: float
    word: str
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Slopes:
    """The slopes of one probe in one unit."""

    id: str
    title: str
    lines: Sequence[Slope]
    describes: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcomes:
    """``forest`` what is worse, better or open; ``same`` the rest; ``first`` what a reader must know before."""

    title: str
    head: str
    says: str
    tally: Sequence[tuple[int, str]]
    first: Sequence[str]
    forest: Forest | None
    same: Sequence[tuple[str, str, str]]  # name, size, what was proven
    slopes: Sequence[Slopes]
    missing: Missing
    facts: str


def outcomes(table: Table, grid: str = "grid") -> Outcomes:
    """The page of one table. ``grid``: id of the drawn grid, its own in a page of several."""
    rows = sorted(table.rows, key=sort_key)
    told = [r for r in rows if r.word in list(TOLD) and r.level != "off"]
    same = [r for r in rows if r not in told]
    counts = {w: sum(r.word == w for r in rows) for w in Outcome}
    return Outcomes(
        title=clean(table.title, 200),
        head=headline(counts),
        says=_worst(told),
        tally=[(counts[w], w.value) for w in (*TOLD, Outcome.SAME) if counts[w]],
        first=[clean(n) for n in table.notes],
        forest=forest_of(told, grid) if told else None,
        same=[(name_of(r), size(r) or clean(r.why), interval(r)) for r in same],
        slopes=[*slopes(rows, grid)],
        missing=missing(table.skipped, table.failed),
        facts=clean(table.machine, 200),
    )


def headline(counts: Mapping[Outcome, int]) -> str:
    """The answer in one clause, true for every combination of outcomes."""
    worse, better, unsure, same = (counts.get(w, 0) for w in (*TOLD, Outcome.SAME))
    if worse:
        tail = f", {better} better" if better else ""
        return f"{_numbers(worse)} worse{tail}."
    if better:
        return f"Nothing is worse, {_numbers(better)} better."
    if unsure and not same:
        return "Nothing could be decided."
    if unsure:
        return "Nothing that could be decided differs."
    return "Nothing differs." if same else "Nothing was compared."


def _numbers(n: int) -> str:
    return "1 number is" if n == 1 else f"{n} numbers are"


def _worst(told: Sequence[Row]) -> str:
    """The strongest change in a sentence, and how many are open."""
    said = []
    strongest = next((r for r in told if r.word in (Outcome.WORSE, Outcome.BETTER)), None)
    if strongest is not None:
        span = f" ({interval(strongest)})" if interval(strongest) else ""
        sized = f": {size(strongest)}{span}" if size(strongest) else f": {clean(strongest.why)}"
        what = "The largest loss" if strongest.word == Outcome.WORSE else "The largest gain"
        said.append(f"{what} is {name_of(strongest)}{sized}.")
    unsure = sum(r.word == Outcome.INCONCLUSIVE for r in told)
    if unsure:
        said.append(f"{unsure} could not be decided: more runs or blocks would tell.")
    return " ".join(said)


def forest_of(rows: Sequence[Row], grid: str, roles: bool = False) -> Forest:
    """A forest of outcomes. ``roles``: the policy's levels are a trial's targets and guards."""
    axis = axis_of((e for r in rows if r.unit == "ratio" for e in (r.value, r.low, r.high)), 0.8, 1.25)
    return drawn(axis, grid, [_line(r, axis, ROLES if roles else LEVELS) for r in rows])


def _line(row: Row, axis: Axis, levels: Mapping[str, str]) -> Line:
    ratio = row.unit == "ratio" and row.value is not None and row.value > 0
    level = levels.get(row.level, "")
    tail = "" if row.statistic in ("median", "fact", "") else f"by its {row.statistic}"
    return Line(
        name=name_of(row),
        anchor="",
        word=row.word,
        x=axis.at(row.value) if ratio and row.value else None,
        x0=(axis.at(row.low) if row.low else axis.start) if ratio else None,
        x1=(axis.at(row.high) if row.high and math.isfinite(row.high) else axis.end) if ratio else None,
        unknown=ratio and not (row.low and row.high and math.isfinite(row.high)),
        size=size(row),
        interval=interval(row),
        note="; ".join(filter(None, (level, tail, clean(row.why)))),
    )


def slopes(rows: Sequence[Row], grid: str) -> Iterator[Slopes]:
    """A chart per probe and unit, of what is worse or better, with what stayed the same beside it."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.before is not None and row.after is not None and row.what != "fact":
            groups.setdefault((row.probe, row.of_unit), []).append(row)
    for i, ((probe, unit), held) in enumerate(groups.items()):
        if any(r.word in (Outcome.WORSE, Outcome.BETTER) for r in held):
            yield _chart(f"{grid}-slope-{i}", probe, unit, held[:MOST_SLOPES])


def _chart(name: str, probe: str, unit: str, rows: Sequence[Row]) -> Slopes:
    sizes = [v for r in rows for v in (r.before, r.after) if v is not None]
    axis = Axis(*widened(sizes, is_log(sizes)), BOTTOM, TOP, is_log(sizes))
    taken: tuple[list[float], list[float]] = ([], [])

    def label(value: float, side: int) -> str:
        y = axis.at(value)
        if any(abs(y - other) < ROOM for other in taken[side]):
            return ""
        taken[side].append(y)
        return clean(f"{quantity(value, '')} ×" if unit == "ratio" else quantity(value, unit), 20)

    lines = [
        Slope(
            y0=axis.at(r.before),
            y1=axis.at(r.after),
            word=r.word,
            name=name_of(r),
            before=label(r.before, 0),
            after=label(r.after, 1),
        )
        for r in rows
        if r.before is not None and r.after is not None
    ]
    kind = "times as costly as promised" if unit == "ratio" else clean(unit, 20)
    said = "; ".join(f"{name_of(r)}: {r.before:.4g} to {r.after:.4g}, {r.word}" for r in rows)
    return Slopes(name, f"{clean(probe, 40)}, {kind}", lines, said)
