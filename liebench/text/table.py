"""A table of outcomes on a terminal: a word and a shape for every metric, 80 columns. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from liebench.contract import Outcome
from liebench.judge.row_words import ORDER, SHAPES, interval, name_of, size, sort_key
from liebench.judge.rows import Row, Table
from liebench.words import clean, tally, wrapped

INDENT = " " * 6


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
        yield f"{INDENT}by its {row.statistic}"
    if row.why:
        yield from wrapped(clean(row.why), INDENT)


def table_text(table: Table, everything: bool = True) -> str:
    """What a command prints on standard output; without ``everything``, only what differs row by row."""
    lines = [table.machine] if table.machine else []
    lines += wrapped(clean(f"{table.kind}: {table.title}", 300))
    for note in table.notes:
        lines += wrapped(clean(note), "  ! ", "    ")
    lines.append("")
    for row in sorted(table.rows, key=sort_key):
        if everything or row.word in (Outcome.WORSE, Outcome.BETTER):
            lines.extend(_lines(row))
    for name, (needs, cure) in table.skipped.items():
        lines += wrapped(clean(f"– {name} skipped, needs {needs}: {cure}"), "  ", "")
    for name, error in table.failed.items():
        lines += wrapped(clean(f"! {name} failed: {error}"), "  ", "")
    counts = {word.value: sum(row.word == word for row in table.rows) for word in ORDER}
    return "\n".join([*lines, "", tally(counts, "nothing was compared")])
