"""Unit cost x rate (law 10)."""

from dataclasses import replace
from typing import Any

import pytest

from liebench.contract import Word
from liebench.judge.cost import Bill, bill, order, words
from liebench.judge.run import judge_run

from tests.helpers.run_documents import case, document, pairs, reading, windows

EVENTS = {
    "what": "reads of the clock", "read_from": "a counter", "case": "c", "to_seconds": 1e-9, "is_cpu": True,
    "first": 1000, "last": 11_000, "span_s": 10.0,
}  # fmt: skip


def billed(events: object, **fields: Any) -> Bill:
    doc = document({"c": case(**fields)}, pairs(12, {"a": 100, "b": 300}))
    doc["probes"]["p"]["events"] = events
    return bill(doc, judge_run(doc))["p"]


def test_a_costly_ratio_of_a_rare_event() -> None:
    found = billed(EVENTS)
    assert found.rate == 1000
    assert found.unit_seconds == pytest.approx(200e-9, rel=0.02)
    assert found.share == pytest.approx(200e-6, rel=0.02)
    assert found.low is not None
    assert found.high is not None
    assert found.share is not None
    assert found.low < found.share < found.high
    assert found.high - found.low < 0.1 * found.share
    assert found.says == "costly, rare here (0.02 % of a CPU)"


@pytest.mark.parametrize(
    ("share", "is_cpu", "says"),
    [
        (0.0002, True, "costly, rare here (0.02 % of a CPU)"),
        (0.004, True, "costly, now and then here (0.4 % of a CPU)"),
        (0.25, True, "costly, often here (25 % of a CPU)"),
        (-0.25, True, "costly, often here (saves 25 % of a CPU)"),
        (0.5, False, "costly, often here (0.5 s waited per second)"),
    ],
)
def test_words_of_a_bill(share: float, is_cpu: bool, says: str) -> None:
    assert words(Word.COSTLY, share, is_cpu) == says


@pytest.mark.parametrize(
    "events", [None, EVENTS | {"first": None}, EVENTS | {"last": None}, EVENTS | {"last": 0}, EVENTS | {"span_s": 0.0}]
)
def test_without_a_counter_nothing_is_claimed(events: object) -> None:
    found = billed(events)
    assert (found.share, found.rate, found.known) == (None, None, False)
    assert found.says == "no counter says how often"


@pytest.mark.parametrize(
    ("events", "fields"),
    [
        (EVENTS | {"case": "gone"}, {}),
        (EVENTS, {"better": "higher"}),
        (EVENTS, {"subject": "a rig of ours"}),
    ],
)
def test_without_a_unit_cost_there_is_a_rate_and_no_bill(events: object, fields: dict[str, Any]) -> None:
    found = billed(events, **fields)
    assert (found.share, found.rate) == (None, 1000)
    assert "not measured" in found.says


def test_nothing_happened_costs_nothing() -> None:
    found = billed(EVENTS | {"last": 1000})
    assert (found.share, found.rate) == (0.0, 0.0)


def test_a_reading_is_its_own_unit_cost() -> None:
    values = windows([200.0, 201, 199, 200, 202, 198, 200, 201, 199, 200, 198, 202], quantity="us")
    doc = document({"c": reading(quantity="us", unit="us", matters=10.0, hurts=50.0)}, values)
    doc["probes"]["p"]["events"] = EVENTS | {"to_seconds": 1e-6, "is_cpu": False}
    found = bill(doc, judge_run(doc))["p"]
    assert found.share == pytest.approx(0.2, rel=0.01)
    assert found.says == "costly, often here (0.2 s waited per second)"


def test_the_dearest_comes_first() -> None:
    found = judge_run(document({"c": case(hurts=1.2)}, pairs(12, {"a": 100, "b": 300})))
    worst = found.probes["p"]
    verdicts = {
        "rare": worst, "often": worst, "larger": worst, "unknown": worst,
        "open": judge_run(document({"c": case()}, [])).probes["p"],
        "fine": judge_run(document({"c": case()}, pairs(12, {"a": 100, "b": 100}))).probes["p"],
    }  # fmt: skip
    detail = found.details[("p", "c")]
    strict = replace(detail, case=replace(detail.case, hurts=1.1))  # the same ratio lies further beyond this limit
    known = replace(found, probes=verdicts, leads=dict.fromkeys(verdicts, "c"),
                    details={("unknown", "c"): detail, ("larger", "c"): strict})  # fmt: skip
    bills = {"rare": Bill(share=0.0001), "often": Bill(share=0.2), "fine": Bill(share=0.5)}
    assert order(known, bills) == ["often", "larger", "unknown", "rare", "open", "fine"]


def test_probes_that_did_not_measure_have_no_bill() -> None:
    doc = document({"c": case()}, [])
    doc["probes"]["p"]["state"] = "skipped"
    assert bill(doc, judge_run(doc)) == {}
