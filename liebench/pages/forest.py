"""The forest of a run: every lie in one table, ratios on one log axis in per cent of its width. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from liebench.contract import Verdict, Word
from liebench.judge.cost import Bill
from liebench.judge.run import RunVerdicts
from liebench.pages.figures import Tick
from liebench.pages.plot import Axis
from liebench.words import amount, clean, quantity, reason, span

LEAST_RANGE = 1.5  # the axis reaches at least this ratio, so that small lies look small
MOST_NOTE = 130  # characters: the card holds all of it
BAND = 1.05  # what nobody would notice


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One lie. ``x, x0, x1`` are per cent of the axis, None where the verdict is no ratio."""

    name: str
    anchor: str
    word: str
    x: float | None
    x0: float | None
    x1: float | None
    unknown: bool  # an end of the interval is not known: it is drawn to the end of the axis
    size: str
    interval: str
    note: str


@dataclass(frozen=True, slots=True)
class Forest:
    """``id``: of the drawn grid behind the marks, its own in a page."""

    id: str
    lines: Sequence[Line]
    ticks: Sequence[Tick]
    band: tuple[float, float]
    one: float


def axis_of(edges: Iterable[float | None], low: float = 0.9, high: float = LEAST_RANGE) -> Axis:
    """One log axis in per cent that holds these ratios, and at least ``low`` to ``high``."""
    held = [low, high, *(e for e in edges if e and 0 < e < math.inf)]
    return Axis(min(held) * 0.93, max(held) * 1.08, 1, 99, log=True)


def drawn(axis: Axis, grid: str, lines: Sequence[Line], band: float = BAND) -> Forest:
    """The table with the ticks of its axis and the band that nobody would notice."""
    ticks = [Tick(axis.at(t), f"{quantity(t, '')} ×") for t in axis.ticks(6)]
    return Forest(grid, lines, ticks, (axis.at(1 / band), axis.at(band)), axis.at(1.0))


def is_ratio(v: Verdict) -> bool:
    return v.unit == "ratio" and v.value is not None and v.value > 0


def how_often(word: Word, known: Bill) -> str:
    """What a ratio needs beside it before it is a cost: how often this host does the thing."""
    if word not in (Word.COSTLY, Word.HARMLESS, Word.HELPFUL) or not known.known:
        return ""
    return known.often


def forest(
    verdicts: RunVerdicts, names: Sequence[str], titles: Mapping[str, str], bills: Mapping[str, Bill], grid: str
) -> Forest:
    """The table of these probes, in their order."""
    axis = axis_of(e for n in names if is_ratio(v := verdicts.probes[n]) for e in (v.value, v.low, v.high))
    lines = [_line(verdicts.probes[n], n, titles.get(n, n), bills.get(n, Bill()), axis) for n in names]
    return drawn(axis, grid, lines)


def _line(v: Verdict, name: str, title: str, known: Bill, axis: Axis) -> Line:
    drawn = is_ratio(v)
    notes = filter(None, (how_often(v.word, known), "" if drawn and v.word is not Word.INCONCLUSIVE else reason(v)))
    return Line(
        name=title,
        anchor=name,
        word=v.word.value,
        x=axis.at(v.value) if drawn and v.value else None,
        x0=(axis.at(v.low) if v.low else axis.start) if drawn else None,
        x1=(axis.at(v.high) if v.high else axis.end) if drawn else None,
        unknown=drawn and (not v.low or not v.high),
        size=amount(v),
        interval=span(v),
        note=clean("; ".join(notes), MOST_NOTE),
    )
