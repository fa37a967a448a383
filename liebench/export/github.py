"""What a GitHub workflow takes: annotations, the job's summary, and outputs of a step. Pure.

Annotations are lines on standard output, with the escapes of workflow commands; GitHub shows ten of a kind for each
step, so the tenth says how many are missing. The summary is Markdown below 1 MiB for each step. Outputs are written
between delimiters that nobody can guess, so a value with line ends stays one value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from liebench.export.markdown import as_markdown
from liebench.export.order import counts, fails, is_bad, is_open, ordered, overall, rank
from liebench.export.safe import cut, exact
from liebench.judge.rows import Row, Table

SUMMARY_BYTES = (1 << 20) - 4096
AT_MOST = 9
TITLE, MESSAGE = 120, 500


def summary(table: Table) -> str:
    """What is appended to ``$GITHUB_STEP_SUMMARY``."""
    return as_markdown(table, SUMMARY_BYTES)


def commands(table: Table) -> list[str]:
    """Annotations, a line each, for standard output: an error for what fails, a warning for what was not decided."""
    found: dict[str, list[tuple[str, str]]] = {"error": [], "warning": [], "notice": []}
    for row in ordered(table.rows):
        kind = _kind(table, row)
        if kind:
            found[kind].append((row.name, _message(row)))
    for name, error in table.failed.items():
        found["warning" if table.kind == "run" else "error"].append((name, f"failed: {error}"))
    if table.exit == 4:
        found["error"].insert(0, ("not comparable", "; ".join(table.notes) or "the two sides cannot be compared"))
    return [line for kind, entries in found.items() for line in _limited(kind, entries)]


def _kind(table: Table, row: Row) -> str:
    if not counts(row):
        return ""
    if fails(table, row):
        return "error"
    if is_bad(row) or (is_open(row) and table.kind != "run"):
        return "warning"
    return "notice" if is_open(row) or (rank(row) == 3 and table.kind != "run") else ""


def _message(row: Row) -> str:
    unit = "×" if row.unit == "ratio" else f" {row.unit}"
    ends = f" [{exact(row.low) or '?'} … {exact(row.high) or '?'}]" if row.value is not None else ""
    size = f" {exact(row.value)}{unit}{ends}" if row.value is not None else ""
    limit = f", limit {exact(row.limit)}{unit}" if row.limit is not None else ""
    why = f": {row.why}" if row.why else ""
    return f"{row.word}{size}{limit}{why}"


def _limited(kind: str, entries: list[tuple[str, str]]) -> Iterable[str]:
    for title, message in entries[:AT_MOST]:
        yield f"::{kind} title={_property(cut(title, TITLE))}::{_data(cut(message, MESSAGE))}"
    if len(entries) > AT_MOST:
        yield f"::{kind} title=liebench::and {len(entries) - AT_MOST} more"


def _data(text: str) -> str:
    """The escapes of a workflow command's message; the per cent sign first."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def outputs(table: Table, delimiter: Callable[[], str]) -> str:
    """What is appended to ``$GITHUB_OUTPUT``: verdict, worst-metric, limit, exit. What is not known is empty.

    ``delimiter`` gives a new unguessable word for each call (``secrets.token_hex``).
    """
    word, row = overall(table)
    worst = row if row is not None and rank(row) <= 1 else None
    values = {
        "verdict": word,
        "worst-metric": worst.name if worst else "",
        "limit": exact(worst.limit) if worst else "",
        "exit": str(table.exit),
    }
    return "".join(_output(name, cut(value, MESSAGE), delimiter) for name, value in values.items())


def _output(name: str, value: str, delimiter: Callable[[], str]) -> str:
    end = f"liebench_{delimiter()}"
    while end in value:
        end = f"liebench_{delimiter()}"
    return f"{name}<<{end}\n{value}\n{end}\n"
