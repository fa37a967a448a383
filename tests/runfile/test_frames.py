"""Runs as frames: the documented columns and dtypes, whatever the runs hold; missing is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from liebench.errors import RunUnreadable
from liebench.runfile.frames import DTYPES, frames
from liebench.runfile.repetitions import COLUMNS

from tests.helpers.gate_documents import gate_doc, pair_blocks
from tests.helpers.run_documents import block, case, controls, document, pairs, rep


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {str(k): str(v) for k, v in frame.dtypes.items()}


def test_columns_and_dtypes_are_the_documented_ones_whatever_the_runs_hold() -> None:
    full = document({"c": case()}, pairs(3, {"a": 1.0, "b": 2.0}) + controls()["blocks"])
    for runs in ([], [document({"c": case()}, [])], [full], full):
        frame = frames(runs)
        assert list(frame.columns) == list(COLUMNS)
        assert dtypes(frame) == dict(DTYPES)
    assert frames([]).empty


def test_a_row_per_repetition_and_quantity() -> None:
    one = block(5, {"b": rep({"ns": [3.0, 1.0, 2.0], "us": [4.0]}, flags=["PREEMPTED", "STOLEN"], start_ns=7)})
    one["order"] = ["a", "b"]
    frame = frames(document({"c": case()}, [one], id="r", hashes={"host": "h"}))
    row = frame.iloc[0]
    assert list(frame["quantity"]) == ["ns", "us"]
    assert (row["run"], row["host"], row["arm"], row["block"], row["slot"]) == ("r", "h", "b", 5, 1)
    assert (row["samples"], row["median"], row["mean"], row["min"], row["max"]) == (3, 2.0, 2.0, 1.0, 3.0)
    assert (row["p90"], row["flags"], row["start_ns"]) == (pytest.approx(2.8), "PREEMPTED STOLEN", 7)


def test_missing_is_missing_and_never_zero() -> None:
    frame = frames(document({"c": case()}, [block(0, {"a": rep({"ns": []})})]))
    row = frame.iloc[0]
    assert row["samples"] == 0
    for column in ("median", "mean", "p90", "start_ns", "run_delay_ns", "chain8_ns", "pair", "side", "control", "run"):
        assert row[column] is pd.NA, column


def test_sides_and_pairs_of_a_gate() -> None:
    frame = frames(gate_doc({"c": case()}, pair_blocks(3, {"a": 1.0}, {"a": 1.0})))
    assert [set(rows["side"]) for _, rows in frame.groupby("pair")] == [{"baseline", "candidate"}] * 3


def test_files_and_documents_give_the_same(tmp_path: Path) -> None:
    doc = document({"c": case()}, pairs(2, {"a": 1.0}), id="r", started="2026")
    file = tmp_path / "r.json"
    file.write_text(json.dumps(doc))
    for given in (file, str(file), [file], [doc]):
        pd.testing.assert_frame_equal(frames(given), frames(doc))
    pd.testing.assert_frame_equal(frames([doc, doc])[2:].reset_index(drop=True), frames(doc))


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("flags", [5], r"blocks\[0\].reps.a.flags should be a text"),
        ("start_ns", 1.5, r"blocks\[0\].reps.a.start_ns should be a whole number"),
        ("start_ns", 1 << 63, "64 bits"),
        ("samples", {"ns": ["x"]}, r"blocks\[0\].reps.a.samples.ns\[0\] should be a number"),
        ("sentinel", [], None),
        ("sentinel", [1], r"blocks\[0\].reps.a.sentinel should be an object"),
    ],
)
def test_damage_is_named_by_its_place(key: str, value: object, place: str | None) -> None:
    doc = document({"c": case()}, [block(0, {"a": rep({"ns": [1.0]}) | {key: value}})])
    if place is None:
        assert len(frames(doc)) == 1
        return
    with pytest.raises(RunUnreadable, match=place):
        frames(doc)
