"""Rows of numbers as CSV and Parquet: those of verdicts, or of repetitions (``runfile.repetitions``). Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from liebench.errors import UsageError
from liebench.export.safe import exact, visible
from liebench.export.tables import NUMBERS
from liebench.judge.rows import Table, known
from liebench.runfile.repetitions import Record

VERDICTS = {
    "kind": str,
    "title": str,
    "host": str,
    "machine": str,
    "started": str,
    "exit": int,
    "name": str,
    "probe": str,
    "case": str,
    "arm": str,
    "what": str,
    "word": str,
    "value": float,
    "low": float,
    "high": float,
    "unit": str,
    "limit": float,
    "statistic": str,
    "blocks": int,
    "why": str,
    "level": str,
    "before": float,
    "after": float,
    "of_unit": str,
}
FORMULA = ("=", "+", "-", "@")  # what a spreadsheet would compute


def verdicts(tables: Sequence[Table]) -> list[Record]:
    """One record per row, with its table's head; probes that did not measure are rows with a word and a reason."""
    found = []
    for table in tables:
        head = {key: getattr(table, key) for key in ("kind", "title", "host", "machine", "started", "exit")}
        for row in table.rows:
            numbers = {key: known(getattr(row, key)) for key in NUMBERS}
            found.append(head | {"name": row.name} | asdict(row) | numbers)
        for name, (needs, cure) in table.skipped.items():
            found.append(head | _unmeasured(name, "skipped", f"needs {needs}: {cure}"))
        for name, error in table.failed.items():
            found.append(head | _unmeasured(name, "failed", error))
    return found


def _unmeasured(probe: str, word: str, why: str) -> Record:
    return {"name": probe, "probe": probe, "word": word, "why": why}


def as_csv(records: Sequence[Record], columns: Mapping[str, type]) -> str:
    """Comma separated, RFC 4180, a line per record whatever its texts hold; what is not known is an empty field.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for record in records:
        writer.writerow(_field(record.get(key), kind) for key, kind in columns.items())
    return out.getvalue()


def _field(value: Any, kind: type) -> str:
    if value is None:
        return ""
    if kind is int:
        return str(value)
    if kind is float:
        return exact(value)
    line = visible(value)
    return f"'{line}" if line.lstrip().startswith(FORMULA) else line


def as_parquet(records: Sequence[Record], columns: Mapping[str, type]) -> bytes:
    """The records as one Parquet file with typed columns, whatever their number. Raises UsageError without pyarrow."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow; pip install 'liebench[store]'") from error
    import pandas

    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    schema = pyarrow.schema([(key, types[kind]) for key, kind in columns.items()])
    rows = [[_cell(r.get(key), kind) for key, kind in columns.items()] for r in records]
    frame = pandas.DataFrame(rows, columns=list(columns), dtype=object)
    out = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pandas(frame, schema=schema, preserve_index=False), out)
    return out.getvalue()


def _cell(value: Any, kind: type) -> Any:
    """UTF-8 has no halves of surrogate pairs, and a column of whole numbers ends at 64 bits."""
    if value is None:
        return None
    if kind is str:
        return str(value).encode("utf-8", "replace").decode()
    if kind is int:
        return value if -(2**63) <= value < 2**63 else None
    return float(value)
