"""The cells of a table in words: shape, size, interval, name, order. Pure."""

from __future__ import annotations

from liebench.contract import Outcome
from liebench.judge.rows import Row
from liebench.words import clean, short

SHAPES = {Outcome.WORSE: "▲", Outcome.INCONCLUSIVE: "○", Outcome.BETTER: "▼", Outcome.SAME: "●"}


ORDER = tuple(SHAPES)


MOST_PERCENT = 2.0  # ratios beyond this are said as factors


MEANINGS = {
    0: "nothing that fails this build was seen",
    1: "a proved regression",
    3: "inconclusive: neither a regression nor its absence is proven",
    4: "not comparable, or a metric is missing",
}


def size(row: Row) -> str:
    """``+8.1 %``, ``3.20 × more``, or a difference in a unit; a dash for what is not known."""
    return "" if row.unit == "fact" else _amount(row.value, row.unit, _as_factor(row))


def _as_factor(row: Row) -> bool:
    """Whether a ratio or an end of its interval is far from one: then all three are said as factors."""
    return any(v is not None and not 1 / MOST_PERCENT < v < MOST_PERCENT for v in (row.value, row.low, row.high))


def _amount(value: float | None, unit: str, factor: bool) -> str:
    if value is None:
        return "–"
    if unit != "ratio":
        return f"{'+' if value > 0 else ''}{short(value)} {unit}"
    if not factor:
        return f"{100 * (value - 1):+.1f} %"
    return f"{short(value)} × more" if value > 1 else f"{short(1 / value) if value else '–'} × less"


def interval(row: Row) -> str:
    """Both ends in the terms of ``size``; of "same" only the bound that was proven."""
    if row.low is None or row.high is None:
        return ""
    factor = _as_factor(row)
    if row.word == Outcome.SAME:
        return f"below {_amount(row.high, row.unit, factor)}"
    low, high = (_amount(v, row.unit, factor) for v in (row.low, row.high))
    for tail in (" %", " × more", " × less"):
        if low.endswith(tail) and high.endswith(tail):
            low, high = low.removesuffix(tail), high if tail == " %" else high.removesuffix(tail)
            return f"{high} … {low}" if tail == " × less" else f"{low} … {high}"
    return f"{low} … {high}"


def name_of(row: Row) -> str:
    """A row in words: probe, case, arm, and whether it is a lie."""
    parts = [row.case if row.case != row.probe else "", row.arm, "(lie)" if row.what == "lie" else ""]
    return clean(" ".join([row.probe, *(p for p in parts if p)]), 60)


def sort_key(row: Row) -> tuple[int, float, str]:
    word = Outcome(row.word) if row.word in list(Outcome) else Outcome.INCONCLUSIVE
    return ORDER.index(word), -abs((row.value or 1) - 1), row.name
