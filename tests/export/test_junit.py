"""JUnit XML is valid whatever the texts hold, and other people's reader finds the same results and numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import junitparser
import pytest
import xmlschema
from hypothesis import example, given

from liebench.export.junit import as_junit
from liebench.export.order import fails, is_open, ordered
from liebench.export.safe import exact
from liebench.judge.rows import Row, Table

from tests.helpers import hostile

SCHEMA = xmlschema.XMLSchema(Path(__file__).parents[1] / "fixtures" / "junit.xsd")


def _read(*tables: Table) -> junitparser.JUnitXml:
    return junitparser.JUnitXml.fromstring(as_junit(tables).encode())


def _results(row: Row, **more: Any) -> list[object]:
    (suite,) = _read(hostile.table(row, **more))
    return [result for case in suite for result in case.result]


@hostile.often
@given(hostile.tables())
@example(hostile.WORST)
def test_it_is_valid_and_reads_back(table: Table) -> None:
    text = as_junit([table])
    SCHEMA.validate(text.encode())
    (suite,) = _read(table)
    cases = list(suite)
    assert len(cases) == len(table.rows) + len(table.skipped) + len(table.failed) + (table.exit == 4)
    assert suite.failures == sum(fails(table, row) for row in table.rows)
    assert suite.errors == len(table.failed) + (table.exit == 4)
    for case, row in zip(cases, ordered(table.rows), strict=False):
        numbers = dict(line.split(": ", 1) for line in case.system_out.splitlines())
        for key in ("value", "low", "high", "limit", "before", "after"):
            assert numbers.get(key, "") == exact(getattr(row, key))
        assert int(numbers["blocks"]) == row.blocks
        kinds = [type(result) for result in case.result]
        assert (junitparser.Failure in kinds) == fails(table, row)
        if is_open(row):
            assert kinds == [junitparser.Skipped]


def test_what_could_not_be_decided_names_the_limit() -> None:
    (result,) = _results(hostile.row("inconclusive", limit=1.037, why="too noisy"))
    assert isinstance(result, junitparser.Skipped)
    assert result.message == "inconclusive: too noisy; limit 1.037 (ratio)"
    (result,) = _results(hostile.row("inconclusive", limit=None))
    assert isinstance(result, junitparser.Skipped)
    assert "limit unknown" in str(result.message)


@pytest.mark.parametrize(("level", "kind", "failed"), [
    ("error", "gate", True), ("", "compare", True), ("warn", "gate", False), ("off", "gate", False), ("", "run", False),
])  # fmt: skip
def test_only_a_proved_regression_at_level_error_fails(level: str, kind: str, failed: bool) -> None:
    found = _results(hostile.row("worse", level=level), kind=kind)
    assert [type(r) for r in found] == [junitparser.Failure] * failed


def test_what_cannot_be_compared_is_an_error_and_skips_name_their_cure() -> None:
    table = hostile.table(exit=4, notes=["another processor"], skipped={"q": ("swap", "swapon /x")}, failed={"r": "oh"})
    (suite,) = _read(table)
    said = [(type(r).__name__, r.message) for case in suite for r in case.result]
    assert said == [("Error", "oh"), ("Skipped", "needs swap: swapon /x"), ("Error", "another processor")]


def test_several_tables_are_suites_of_one_document() -> None:
    text = as_junit([hostile.table(hostile.row("worse")), hostile.table(hostile.row("same"), seconds=1.5)])
    SCHEMA.validate(text.encode())
    assert [(s.tests, s.failures, s.time) for s in junitparser.JUnitXml.fromstring(text.encode())] == [
        (1, 1, 0), (1, 0, 1.5)
    ]  # fmt: skip
