"""A table of outcomes on a terminal: a word and a shape for every metric, 80 columns. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from liebench.contract import Outcome
from liebench.rows import Row, Table
from liebench.words import clean, short

SHAPES = {Outcome.WORSE: "▲", Outcome.INCONCLUSIVE: "○", Outcome.BETTER: "▼", Outcome.SAME: "●"}
ORDER = tuple(SHAPES)
WIDTH = 80
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


def _lines(row: Row) -> Iterator[str]:
    shape = SHAPES.get(Outcome(row.word), "?")
    level = f" [{row.level}]" if row.level not in ("", "error") else ""
    name = name_of(row) + level
    head = f"  {shape} {name:<34} {row.word:<12} {size(row):>11}  {interval(row)}".rstrip()
    if len(name) > 34:
        yield f"  {shape} {name}"
        head = f"    {'':<34} {row.word:<12} {size(row):>11}  {interval(row)}".rstrip()
    yield head
    if row.statistic not in ("median", "fact", "") and row.word != Outcome.SAME:
        yield f"      by its {row.statistic}"
    if row.why:
        yield from wrap(clean(row.why), WIDTH, initial_indent="      ", subsequent_indent="      ")


def tally(rows: Sequence[Row]) -> str:
    counts = [(word, sum(r.word == word for r in rows)) for word in ORDER]
    return ", ".join(f"{n} {word.value}" for word, n in counts if n) or "nothing was compared"


def table_text(table: Table, everything: bool = True) -> str:
    """What a command prints on standard output; without ``everything``, only what differs row by row."""
    lines = [table.machine] if table.machine else []
    lines += wrap(clean(f"{table.kind}: {table.title}", 300), WIDTH)
    for note in table.notes:
        lines += wrap(clean(note), WIDTH, initial_indent="  ! ", subsequent_indent="    ")
    lines.append("")
    for row in sorted(table.rows, key=sort_key):
        if everything or row.word in (Outcome.WORSE, Outcome.BETTER):
            lines.extend(_lines(row))
    for name, (needs, cure) in table.skipped.items():
        lines += wrap(clean(f"– {name} skipped, needs {needs}: {cure}"), WIDTH, initial_indent="  ")
    for name, error in table.failed.items():
        lines += wrap(clean(f"! {name} failed: {error}"), WIDTH, initial_indent="  ")
    return "\n".join([*lines, "", tally(table.rows)])
