"""Rows of numbers: one per verdict, or one per repetition of a run. Pure; csv and parquet write the same rows.

Columns of repetitions: run, host, started, probe, case, block, control, order, label, quantity, unit, samples (their
count), median, mean, least, most, elapsed_ns, and flags (joined by a blank). A repetition without samples has nulls.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from statistics import fmean, median
from typing import Any

from liebench.errors import UsageError
from liebench.export.safe import exact, known, visible
from liebench.export.tables import NUMBERS
from liebench.judge.rows import Table
from liebench.judge.run import open_run
from liebench.runfile.fields import Json, case_of, mapping, number, sequence, text

Record = dict[str, Any]
VERDICTS = {
    "kind": str, "title": str, "host": str, "machine": str, "started": str, "exit": int, "name": str, "probe": str,
    "case": str, "arm": str, "what": str, "word": str, "value": float, "low": float, "high": float, "unit": str,
    "limit": float, "statistic": str, "blocks": int, "why": str, "level": str, "before": float, "after": float,
    "of_unit": str,
}  # fmt: skip
REPETITIONS = {
    "run": str, "host": str, "started": str, "probe": str, "case": str, "block": int, "control": str, "order": int,
    "label": str, "quantity": str, "unit": str, "samples": int, "median": float, "mean": float, "least": float,
    "most": float, "elapsed_ns": int, "flags": str,
}  # fmt: skip
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


def repetitions(docs: Sequence[Json]) -> Iterator[Record]:
    """One record per repetition and quantity, controls included. Raises RunUnreadable naming the place."""
    for doc in docs:
        open_run(doc)
        hashes = mapping(doc.get("hashes") or {}, "hashes")
        head = {"run": str(doc.get("id")), "host": str(hashes.get("host") or ""), "started": str(doc.get("started"))}
        for i, block in enumerate(doc["blocks"]):
            yield from (head | record for record in _block(doc, block, f"blocks[{i}]"))


def _block(doc: Json, block: Json, place: str) -> Iterator[Record]:
    stored = doc["probes"][block["probe"]]["cases"][block["case"]]
    case = case_of(block["case"], stored, f"probes.{block['probe']}.cases.{block['case']}")
    order = list(sequence(block.get("order") or [], f"{place}.order"))
    reps = mapping(block.get("reps"), f"{place}.reps")
    for label in sorted(reps, key=lambda k: order.index(k) if k in order else len(order)):
        rep, at = mapping(reps[label], f"{place}.reps.{label}"), f"{place}.reps.{label}"
        flags = [text(f, f"{at}.flags") for f in sequence(rep.get("flags") or [], f"{at}.flags")]
        elapsed = rep.get("elapsed_ns")
        head = {
            "probe": block["probe"],
            "case": block["case"],
            "block": int(number(block.get("n", 0), f"{place}.n")),
            "control": block.get("control"),
            "order": order.index(label) if label in order else None,
            "label": label,
            "elapsed_ns": int(number(elapsed, f"{at}.elapsed_ns")) if elapsed else None,
            "flags": " ".join(flags),
        }
        held = mapping(rep.get("samples") or {}, f"{at}.samples") or {case.quantity: []}
        for quantity, values in held.items():
            places = sequence(values, f"{at}.samples.{quantity}")
            numbers = [number(v, f"{at}.samples.{quantity}[{k}]") for k, v in enumerate(places)]
            unit = case.unit if quantity == case.quantity or case.bounds else ""
            yield head | {"quantity": quantity, "unit": unit} | _summary(numbers)


def _summary(values: Sequence[float]) -> Record:
    if not values:
        return {"samples": 0, "median": None, "mean": None, "least": None, "most": None}
    try:
        mean = fmean(values)
    except OverflowError:  # finite numbers whose sum is not
        mean = None
    return {
        "samples": len(values),
        "median": known(median(values)),
        "mean": mean,
        "least": min(values),
        "most": max(values),
    }


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
