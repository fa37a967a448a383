"""A table for people who read a pull request: what got worse first, everything else folded. Pure.

Hostile text stands inside ``<code>`` with every character that Markdown or HTML knows as a numeric reference, so it
can neither end a cell, start an element, link, nor mention anybody (GitHub looks for mentions outside of code only).
The result is below ``most`` bytes whatever the table holds: GitHub takes 65,536 characters in a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from liebench.export.order import SHAPES, counted, counts, ordered, overall, rank
from liebench.export.safe import cut
from liebench.judge.rows import Row, Table, known
from liebench.words import short

MOST_BYTES = 65_000
CELL, NOTE, NOTES = 100, 200, 10
MARKER = "<!-- liebench:{kind} -->"
MEANS = re.compile(r"[^A-Za-z0-9 .,/×…–◆◇○●■+-]|[wW](?=\.)")  # GitHub links whatever starts with "www."
HEADS = {
    "run": ("metric", "promised", "delivered", "size [interval]", "word", "limit", "blocks", "note"),
    "": ("metric", "before", "after", "ratio [interval]", "word", "limit (MDE)", "blocks", "note"),
}


def marker(table: Table) -> str:
    """The hidden line by which a job finds its own earlier comment, to replace it."""
    kind = table.kind if table.kind in ("run", "compare", "gate") else "table"
    return MARKER.format(kind=kind)


def escaped(text: object, most: int = CELL) -> str:
    """The text as characters that mean nothing to Markdown or HTML."""
    return MEANS.sub(_reference, cut(text, most))


def _reference(found: re.Match[str]) -> str:
    char = found[0]
    if char == "@":  # a reference is no help: what follows is still taken for an address
        return "&#64;<wbr>"
    return char if char.isalpha() and not char.isascii() else f"&#{ord(char)};"


def code(text: object, most: int = CELL) -> str:
    shown = escaped(text, most).strip()
    return f"<code>{shown}</code>" if shown else ""


def _plain(text: object) -> str:
    """A unit or a word as it is where it is an ordinary one, else as code."""
    shown = escaped(text, 20)
    return shown if shown == cut(text, 20) else code(text, 20)


def as_markdown(table: Table, most: int = MOST_BYTES) -> str:
    """The whole comment, its marker first. ``most``: bytes that it stays below (at least 20,000)."""
    head = [marker(table), f"### liebench {_headline(table)}", ""]
    head += [f"- {code(note, NOTE)}" for note in table.notes[:NOTES]]
    head += [f"- and {len(table.notes) - NOTES} more notes"] * (len(table.notes) > NOTES)
    rows = ordered(table.rows)
    loud = [r for r in rows if counts(r) and rank(r) in (0, 1)]
    quiet = [r for r in rows if not (counts(r) and rank(r) in (0, 1))]
    tail = ["", f"<sub>{_where(table)}</sub>", ""]
    room = most - _size(head) - _size(tail) - 600  # the headings and the lines that say what was left out
    body: list[str] = []
    for title, part in (("", _table(table, loud)), (f"{len(quiet)} more", _table(table, quiet)), *_unmeasured(table)):
        lines = _fit(part, room)
        room -= _size(lines)
        body += _folded(title, lines) if title else lines
    return "\n".join([*head, *body, *tail])


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def _headline(table: Table) -> str:
    word, row = overall(table)
    kind = code(table.kind, 20)
    about = f": {code(row.name)}" if row is not None and rank(row) in (0, 1) else ""
    return f"{kind}: {_plain(word)}{about} ({code(counted(table), 400)})"


def _where(table: Table) -> str:
    took = f"{short(table.seconds)} s" if known(table.seconds) is not None else ""
    host = f"host {code(table.host, 20)}" if table.host else ""
    parts = (code(table.title), code(table.machine), host, code(table.started, 40), took, f"exit {table.exit}")
    return " · ".join(p for p in parts if p)


def _table(table: Table, rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    heads = HEADS["run" if table.kind == "run" else ""]
    top = ["", "| " + " | ".join(heads) + " |", "|---|--:|--:|--:|---|--:|--:|---|"]
    return top, [_line(row) for row in rows]


def _line(row: Row) -> str:
    sides = ["–" if known(v) is None else f"{short(v)} {_plain(row.of_unit)}".rstrip() for v in (row.before, row.after)]
    word = f"{SHAPES[rank(row)]} {_plain(row.word)}" + (f", {_plain(row.level)}" if row.level else "")
    cells = (code(row.name), *sides, _size_of(row), word, _limit(row), str(row.blocks), code(row.why, NOTE))
    return "| " + " | ".join(cells) + " |"


def _size_of(row: Row) -> str:
    if known(row.value) is None:
        return "–"
    unit = " ×" if row.unit == "ratio" else f" {_plain(row.unit)}"
    digits = 4 if row.unit == "ratio" else 3
    return f"{short(row.value, digits)}{unit} &#91;{short(row.low, digits)} … {short(row.high, digits)}&#93;"


def _limit(row: Row) -> str:
    """A rise in per cent for a ratio; the unit else."""
    if (limit := known(row.limit)) is None:
        return "–"
    return f"+{short(100 * (limit - 1))} %" if row.unit == "ratio" else f"{short(limit)} {_plain(row.unit)}"


def _unmeasured(table: Table) -> list[tuple[str, tuple[list[str], list[str]]]]:
    skipped = [
        f"- {code(name)}: needs {code(needs, NOTE)}: {code(cure, NOTE)}"
        for name, (needs, cure) in table.skipped.items()
    ]
    failed = [f"- {code(name)}: {code(error, NOTE)}" for name, error in table.failed.items()]
    return [(f"{len(failed)} failed", ([""], failed)), (f"{len(skipped)} skipped", ([""], skipped))]


def _fit(part: tuple[list[str], list[str]], room: int) -> list[str]:
    """The head of a part and as many of its lines as there is room for; nothing for no lines."""
    top, lines = part
    if not lines:
        return []
    kept, used = list(top), _size(top)
    for i, line in enumerate(lines):
        used += len(line.encode()) + 1
        if used > room:
            said = f"and {len(lines) - i} more, left out here for their length"
            return [*kept, "", said] if i else ["", said]
        kept.append(line)
    return kept


def _folded(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"<details><summary>{title}</summary>", *lines, "", "</details>"] if lines else []
