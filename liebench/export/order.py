"""Which row a reader must see first, and one word for a whole table. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from liebench.contract import Outcome, Word
from liebench.judge.rows import Row, Table
from liebench.words import tally

BAD = (Outcome.WORSE.value, Word.COSTLY.value)
OPEN = (Outcome.INCONCLUSIVE.value,)
RANKS = {
    Outcome.WORSE.value: 0,
    Word.COSTLY.value: 0,
    Outcome.INCONCLUSIVE.value: 1,
    Word.HARMLESS.value: 2,
    Outcome.BETTER.value: 3,
    Word.HELPFUL.value: 3,
    Outcome.SAME.value: 4,
    Word.HONEST.value: 4,
}
LEVELS = {"error": 0, "": 1, "warn": 2, "off": 3}
SHAPES = {0: "◆", 1: "○", 2: "◇", 3: "■", 4: "●"}  # a word and a shape, never colour alone


def rank(row: Row) -> int:
    """0 worse or costly, 1 inconclusive, 2 harmless, 3 better or helpful, 4 same or honest. An unknown word is open."""
    return RANKS.get(row.word, 1)


def is_bad(row: Row) -> bool:
    return rank(row) == 0


def is_open(row: Row) -> bool:
    return rank(row) == 1


def counts(row: Row) -> bool:
    """Whether the row enters a tally: what the policy switched off, and demonstrations, do not."""
    return row.level != "off"


def fails(table: Table, row: Row) -> bool:
    """A proved regression at level error. A run has no policy: its verdicts never fail anything."""
    return table.kind != "run" and is_bad(row) and row.level in ("error", "")


def ordered(rows: Sequence[Row]) -> list[Row]:
    """Worse, inconclusive, better, same (costly, inconclusive, harmless, helpful, honest); the largest first.

    What is switched off comes last whatever its word.
    """
    return sorted(rows, key=lambda r: (not counts(r), rank(r), LEVELS.get(r.level, 1), -abs(r.value or 0.0), r.name))


def overall(table: Table) -> tuple[str, Row | None]:
    """One word for the table, and the row that carries it; None where no row counts."""
    lead = next((row for row in ordered(table.rows) if counts(row)), None)
    if table.exit == 4:
        return "not comparable", lead
    if table.exit not in (0, 1, 3):
        return "error", lead
    return (lead.word if lead else "nothing was judged"), lead


def counted(table: Table) -> str:
    """``1 worse, 2 same, 1 skipped``."""
    words: dict[str, int] = {}
    for row in ordered(table.rows):
        if counts(row):
            words[row.word] = words.get(row.word, 0) + 1
    words["shown only"] = sum(not counts(row) for row in table.rows)
    words |= {"skipped": len(table.skipped), "failed": len(table.failed)}
    return tally(words, "nothing was judged")
