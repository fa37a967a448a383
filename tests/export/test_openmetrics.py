"""Prometheus' own parsers, of OpenMetrics and of the older text format, read the numbers back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import example, given
from prometheus_client import parser as textfile
from prometheus_client.openmetrics import parser as openmetrics

from liebench.export.openmetrics import as_openmetrics
from liebench.export.safe import visible
from liebench.judge.rows import Table, known

from tests.helpers import hostile

PARTS = {"liebench_ratio": "value", "liebench_ratio_low": "low", "liebench_ratio_high": "high",
         "liebench_limit_ratio": "limit"}  # fmt: skip


def _samples(families: Iterable[Any]) -> list[tuple[str, dict[str, str], float]]:
    found = []
    for family in families:
        for sample in family.samples:
            assert sample.timestamp is None  # the textfile collector refuses them
            found.append((sample.name, dict(sample.labels), sample.value))
    return found


def _read(table: Table) -> list[tuple[str, dict[str, str], float]]:
    text = as_openmetrics(table)
    assert text.endswith("# EOF\n")
    assert hostile.shows_nothing(text)
    found = _samples(openmetrics.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    assert _samples(textfile.text_string_to_metric_families(text)) == found
    return found


@hostile.often
@given(hostile.tables())
@example(hostile.WORST)
def test_every_number_reads_back_and_what_is_not_known_has_no_sample(table: Table) -> None:
    found = _read(table)
    for name, key in PARTS.items():
        values = [value for n, _, value in found if n == name]
        expect = [known(getattr(row, key)) for row in table.rows if row.unit == "ratio"]
        assert values == [v for v in expect if v is not None]
    ones = [labels for name, labels, value in found if name == "liebench_verdict" and value == 1.0]
    assert [labels["word"] for labels in ones] == [visible(row.word) for row in table.rows]
    assert [labels["probe"] for labels in ones] == [visible(row.probe) for row in table.rows]
    keys = [(name, tuple(sorted(labels.items()))) for name, labels, _ in found]
    assert len(keys) == len(set(keys))


def test_a_difference_has_its_unit_and_every_word_a_sample() -> None:
    found = _read(hostile.table(hostile.row("inconclusive", unit="ppm", value=-3.5, low=None, limit=4.0)))
    named = {name: (labels.get("unit"), value) for name, labels, value in found}
    assert named["liebench_difference"] == ("ppm", -3.5)
    assert named["liebench_limit_difference"] == ("ppm", 4.0)
    assert "liebench_difference_low" not in named
    words = {labels["word"]: value for name, labels, value in found if name == "liebench_verdict"}
    assert words == {"better": 0.0, "same": 0.0, "worse": 0.0, "inconclusive": 1.0}


def test_the_time_of_the_run_is_a_gauge_in_seconds() -> None:
    found = _read(hostile.table(started="2026-01-01T00:00:00Z", kind="run"))
    assert found == [("liebench_last_run_timestamp_seconds", {"host": "abc", "kind": "run"}, 1767225600.0)]
    assert _read(hostile.table(started="yesterday")) == []
