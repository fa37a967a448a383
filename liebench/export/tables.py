"""``liebench.table/1``: a Table as JSON, and back. Pure.

Several tables are one object ``liebench.tables/1`` with a list. Numbers are numbers, what is not known is null; a
number that is not finite was never known. Everything is ASCII, so no reader can be misled about the encoding.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from liebench.errors import RunUnreadable
from liebench.judge.rows import Row, Table, known
from liebench.runfile.fields import mapping, optional_number, sequence, text, whole

SCHEMA, MANY = "liebench.table/1", "liebench.tables/1"
GATE, COMPARE = "liebench.gate/1", "liebench.compare/1"  # what these commands write: a table, and a list of them
NUMBERS = ("value", "low", "high", "limit", "before", "after")
DEFAULTS = {"unit": "ratio", "statistic": "median"}
TEXTS = tuple(f.name for f in fields(Row) if f.name not in (*NUMBERS, "blocks"))


def table_object(table: Table) -> dict[str, Any]:
    """The table as plain data. ``name`` of each row is beside its parts for readers that want one key."""
    rows = [{"name": row.name} | asdict(row) | {key: known(getattr(row, key)) for key in NUMBERS} for row in table.rows]
    skipped = {name: {"needs": needs, "cure": cure} for name, (needs, cure) in table.skipped.items()}
    failed = {name: {"error": error} for name, error in table.failed.items()}
    head = {key: getattr(table, key) for key in ("kind", "title", "host", "machine", "started", "exit")}
    rest = {"seconds": known(table.seconds), "notes": list(table.notes)}
    return {"schema": SCHEMA, **head, **rest, "rows": rows, "skipped": skipped, "failed": failed}


def as_json(tables: Sequence[Table]) -> str:
    """One table as an object, several as an object with a list; ends with a newline."""
    made = [table_object(t) for t in tables]
    value = made[0] if len(made) == 1 else {"schema": MANY, "tables": made}
    return json.dumps(value, allow_nan=False) + "\n"


def is_table(doc: object) -> bool:
    names = {schema.rpartition("/")[0] for schema in (SCHEMA, MANY, GATE, COMPARE)}
    return isinstance(doc, Mapping) and str(doc.get("schema", "")).rpartition("/")[0] in names


def tables_of(doc: Mapping[str, Any]) -> list[Table]:
    """The tables in a document. Raises RunUnreadable naming the place."""
    if doc.get("schema") in (MANY, COMPARE):
        entries = sequence(doc.get("tables"), "tables")
        return [_table(mapping(t, f"tables[{i}]"), f"tables[{i}].") for i, t in enumerate(entries)]
    return [_table(doc, "")]


def _table(doc: Mapping[str, Any], at: str) -> Table:
    if doc.get("schema") not in (SCHEMA, GATE):
        raise RunUnreadable(f"{at}schema is {str(doc.get('schema'))[:40]!r}; this liebench reads {SCHEMA}")
    rows = [_row(mapping(r, f"{at}rows[{i}]"), f"{at}rows[{i}]") for i, r in enumerate(_list(doc, "rows", at))]
    skipped = {k: mapping(v, f"{at}skipped.{k}") for k, v in mapping(doc.get("skipped") or {}, f"{at}skipped").items()}
    failed = {k: mapping(v, f"{at}failed.{k}") for k, v in mapping(doc.get("failed") or {}, f"{at}failed").items()}
    head = {k: text(doc.get(k, ""), f"{at}{k}") for k in ("kind", "title", "host", "machine", "started")}
    return Table(
        **head,
        rows=tuple(rows),
        seconds=optional_number(doc.get("seconds"), f"{at}seconds"),
        exit=whole(doc.get("exit", 0), f"{at}exit"),
        notes=tuple(text(n, f"{at}notes[{i}]") for i, n in enumerate(_list(doc, "notes", at))),
        skipped={k: (str(v.get("needs") or ""), str(v.get("cure") or "")) for k, v in skipped.items()},
        failed={k: str(v.get("error") or "") for k, v in failed.items()},
    )


def _list(doc: Mapping[str, Any], key: str, at: str) -> Sequence[Any]:
    return sequence(doc.get(key) or [], f"{at}{key}")


def _row(row: Mapping[str, Any], at: str) -> Row:
    found: dict[str, Any] = {key: text(row.get(key, DEFAULTS.get(key, "")), f"{at}.{key}") for key in TEXTS}
    found |= {key: optional_number(row.get(key), f"{at}.{key}") for key in NUMBERS}
    return Row(**found, blocks=whole(row.get("blocks", 0), f"{at}.blocks"))
