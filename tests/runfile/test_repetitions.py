"""The rows of repetitions: one per repetition and quantity, in the order in which they ran; missing is None."""

from __future__ import annotations

from statistics import fmean, median

from liebench.runfile.repetitions import COLUMNS, repetitions

from tests.helpers import hostile
from tests.helpers.run_documents import block, case, document, rep


def test_repetitions_are_the_samples_of_the_run_in_the_order_they_ran() -> None:
    doc = hostile.run()
    doc["blocks"][0]["order"].reverse()
    doc["blocks"][1]["reps"]["b"]["samples"]["ns"] = []
    doc["blocks"][2]["reps"]["b"]["flags"] = ["stolen", "migrated"]
    found = list(repetitions([doc]))
    assert len(found) == 24
    assert [(r["arm"], r["slot"]) for r in found[:2]] == [("b", 0), ("a", 1)]
    values = doc["blocks"][0]["reps"]["b"]["samples"]["ns"]
    assert (found[0]["median"], found[0]["mean"], found[0]["samples"]) == (median(values), fmean(values), 20)
    assert (found[3]["samples"], found[3]["median"], found[3]["mean"]) == (0, None, None)
    assert found[5]["flags"] == "stolen migrated"
    assert all(set(r) == set(COLUMNS) for r in found)


def test_only_what_the_case_judges_has_its_unit() -> None:
    rows = [block(0, {"a": rep({"ns": [1.0], "together": [0.5]})})]
    found = list(repetitions([document({"c": case(unit="ns")}, rows)]))
    assert [(r["quantity"], r["unit"]) for r in found] == [("ns", "ns"), ("together", None)]


def test_a_repetition_without_any_samples_is_a_row_of_the_quantity_that_is_missing() -> None:
    (found,) = repetitions([document({"c": case()}, [block(0, {"a": rep({}, elapsed_ns=0)})])])
    assert (found["quantity"], found["samples"], found["mean"], found["elapsed_ns"]) == ("ns", 0, None, None)


def test_a_case_that_the_run_file_does_not_declare_leaves_its_unit_open() -> None:
    (found,) = repetitions([document({}, [block(0, {"a": rep({"ns": [1.0]})})])])
    assert (found["quantity"], found["unit"], found["median"]) == ("ns", None, 1.0)
