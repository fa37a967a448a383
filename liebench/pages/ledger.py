"""The forest of a run: every lie in one table, ratios on one log axis in per cent of its width. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from liebench.bill import Bill
from liebench.contract import Verdict, Word
from liebench.judge import RunVerdicts
from liebench.pages.figures import Tick
from liebench.pages.plot import Axis
from liebench.words import amount, reason, short, span

LEAST_RANGE = 1.5  # the axis reaches at least this ratio, so that small lies look small
BAND = 1.05  # what nobody would notice


@dataclass(frozen=True, slots=True)
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
class Ledger:
    """``id``: of the drawn grid behind the marks, its own in a page."""

    id: str
    lines: Sequence[Line]
    ticks: Sequence[Tick]
    band: tuple[float, float]
    one: float


def axis_of(verdicts: Iterable[Verdict]) -> Axis:
    """One log axis that holds every interval of these ratios, and 1."""
    edges = [e for v in verdicts for e in (v.value, v.low, v.high) if e and e > 0]
    return Axis(min(0.9, *edges) * 0.93 if edges else 0.9, max(LEAST_RANGE, *edges, 1.0) * 1.08, 1, 99, log=True)


def is_ratio(v: Verdict) -> bool:
    return v.unit == "ratio" and v.value is not None and v.value > 0


def how_often(word: Word, known: Bill) -> str:
    """What a ratio needs beside it before it is a cost: how often this host does the thing."""
    if word not in (Word.COSTLY, Word.HARMLESS, Word.HELPFUL) or not known.known:
        return ""
    return known.says.split(", ", 1)[-1]


def ledger(
    verdicts: RunVerdicts, names: Sequence[str], titles: Mapping[str, str], bills: Mapping[str, Bill], grid: str
) -> Ledger:
    """The table of these probes, in their order."""
    axis = axis_of(v for n in names if is_ratio(v := verdicts.probes[n]))
    lines = [_line(verdicts.probes[n], n, titles.get(n, n), bills.get(n, Bill()), axis) for n in names]
    ticks = [Tick(axis.at(t), f"{short(t, 2).rstrip('.')} ×") for t in axis.ticks(6)]
    return Ledger(grid, lines, ticks, (axis.at(1 / BAND), axis.at(BAND)), axis.at(1.0))


def _line(v: Verdict, name: str, title: str, known: Bill, axis: Axis) -> Line:
    drawn = is_ratio(v)
    notes = filter(None, (how_often(v.word, known), "" if drawn and v.word is not Word.INCONCLUSIVE else reason(v)))
    return Line(
        title,
        name,
        v.word.value,
        axis.at(v.value) if drawn and v.value else None,
        (axis.at(v.low) if v.low else axis.start) if drawn else None,
        (axis.at(v.high) if v.high else axis.end) if drawn else None,
        drawn and (not v.low or not v.high),
        amount(v),
        span(v),
        "; ".join(notes),
    )
