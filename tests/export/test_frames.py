"""JSON, CSV and Parquet read back as what went in."""

from __future__ import annotations

import csv
import io
import json
import math
from importlib import resources
from statistics import median
from typing import Any

import jsonschema
import pandas
import pytest
from hypothesis import example, given

from liebench.errors import RunUnreadable, UsageError
from liebench.export import frames
from liebench.export.safe import visible
from liebench.export.tables import NUMBERS, as_json, tables_of
from liebench.judge.rows import Table, known
from liebench.runfile.repetitions import COLUMNS, repetitions

from tests.helpers import hostile

SCHEMA = json.loads(resources.files("liebench").joinpath("schema/table-1.json").read_text())


@hostile.often
@given(hostile.tables())
@example(hostile.WORST)
def test_json_follows_its_published_schema(table: Table) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(as_json([table])))


def told(value: Any) -> Any:
    """What JSON makes of it by itself: lists of tuples, and one character of two halves that stand side by side."""
    return json.loads(json.dumps(value))


@hostile.often
@given(hostile.tables())
@example(hostile.WORST)
def test_json_reads_back_equal_but_for_numbers_that_are_none(table: Table) -> None:
    text = as_json([table])
    assert text.isascii()
    (back,) = tables_of(json.loads(text))
    for key in ("kind", "title", "host", "machine", "started", "exit", "notes", "failed"):
        assert told(getattr(back, key)) == told(getattr(table, key))
    assert told(back.skipped) == told(table.skipped)
    assert back.seconds == known(table.seconds)
    for got, row in zip(back.rows, table.rows, strict=True):
        for key in (*NUMBERS, "probe", "case", "arm", "what", "word", "unit", "statistic", "blocks", "why", "level"):
            expect = getattr(row, key)
            assert getattr(got, key) == (known(expect) if key in NUMBERS else told(expect))


def test_several_tables_are_one_document() -> None:
    two = [hostile.table(hostile.row("same")), hostile.table()]
    assert [len(t.rows) for t in tables_of(json.loads(as_json(two)))] == [1, 0]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"schema": "liebench.table/2"}, "liebench.table/1"),
        ({"rows": [{"blocks": 1.5}]}, "rows[0].blocks"),
        ({"rows": [{"value": "1"}]}, "rows[0].value"),
        ({"rows": 3}, "rows"),
        ({"exit": True}, "exit"),
    ],
)
def test_a_damaged_table_names_the_place(change: dict[str, Any], place: str) -> None:
    doc = json.loads(as_json([hostile.table()])) | change
    with pytest.raises(RunUnreadable) as caught:
        tables_of(doc)
    assert place in str(caught.value)


@hostile.often
@given(hostile.tables())
@example(hostile.WORST)
def test_csv_is_one_line_a_record_and_numbers_read_back_equal(table: Table) -> None:
    text = frames.as_csv(frames.verdicts([table]), frames.VERDICTS)
    count = len(table.rows) + len(table.skipped) + len(table.failed)
    assert len(text.splitlines()) == count + 1  # whatever ends a line for Python ends none here
    assert hostile.shows_nothing(text)
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(found) == count
    for got, row in zip(found, table.rows, strict=False):
        for key in NUMBERS:
            expect = known(getattr(row, key))
            assert (float(got[key]) if got[key] else None) == expect
        assert got["why"] in (visible(row.why), "'" + visible(row.why))
        assert all(None not in (key, value) for key, value in got.items())
        assert not any(got[key].lstrip().startswith(("=", "@")) for key in ("probe", "why", "title"))
    pandas.read_csv(io.StringIO(text), keep_default_na=False)


@hostile.often
@given(hostile.tables())
@example(hostile.WORST)
def test_parquet_is_typed_and_reads_back_equal(table: Table) -> None:
    data = frames.as_parquet(frames.verdicts([table]), frames.VERDICTS)
    frame = pandas.read_parquet(io.BytesIO(data))
    assert list(frame.columns) == list(frames.VERDICTS)
    assert len(frame) == len(table.rows) + len(table.skipped) + len(table.failed)
    for i, row in enumerate(table.rows):
        for key in NUMBERS:
            got, expect = float(frame[key].iloc[i]), known(getattr(row, key))
            assert math.isnan(got) if expect is None else got == expect


def test_a_table_without_rows_has_the_same_columns() -> None:
    frame = pandas.read_parquet(io.BytesIO(frames.as_parquet([], COLUMNS)))
    assert list(frame.columns) == list(COLUMNS)
    assert frame["median"].dtype == float


def test_repetitions_read_back_equal_from_csv_and_parquet() -> None:
    doc = hostile.run()
    doc["blocks"][1]["reps"]["b"]["samples"]["ns"] = []
    found = list(repetitions([doc]))
    values = doc["blocks"][0]["reps"]["b"]["samples"]["ns"]
    lines = pandas.read_csv(io.StringIO(frames.as_csv(found, COLUMNS)))
    typed = pandas.read_parquet(io.BytesIO(frames.as_parquet(found, COLUMNS)))
    for back in (lines, typed):
        assert list(back.columns) == list(COLUMNS)
        assert list(back["arm"][:4]) == ["a", "b", "a", "b"]
        assert back["median"][1] == median(values)
        assert math.isnan(back["median"][3])


def test_parquet_without_pyarrow_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'liebench\[store\]'"):
        frames.as_parquet([], frames.VERDICTS)
