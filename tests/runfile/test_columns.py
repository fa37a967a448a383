"""Runs in pages of schema 1: they are read as they were, damage is one clear error, and a page keeps its words."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liebench.errors import RunUnreadable
from liebench.judge.run import judge_run
from liebench.registry import find_probes
from liebench.runfile.columns import from_columns
from liebench.runfile.embed import TYPE, pack, reduced, unpack
from liebench.runfile.rounding import nice

from tests.helpers.golden_pages import HERE, golden
from tests.helpers.run_documents import block, document, rep

OLD = json.loads((HERE / "golden" / "run.json").read_text())["columns"]


def small() -> dict[str, Any]:
    """Three blocks as a page of schema 1 held them."""
    label = {"samples": {"ns": [{"step": 0.5, "least": 1, "text": "#$%"}]}, "flags": {"all": []}, "took": 9}
    group = {"base": "a", "t": {"least": 0, "text": "#$$"}, "reps": {"a": label}}
    return {"start": 100, "moment": 10, "groups": {"p": {"c": {"": group}}}}


def test_columns_are_read_as_they_were_written() -> None:
    assert [(b["t_ns"], b["reps"]["a"]["samples"]) for b in from_columns(small())] == [
        (100, {"ns": [0.5]}),
        (110, {"ns": [1.0]}),
        (120, {"ns": [1.5]}),
    ]


def test_a_real_page_is_read_whole() -> None:
    found = from_columns(OLD)
    assert len(found) == len({b["n"] for b in found}) > 300
    assert [b["t_ns"] for b in found] == sorted(b["t_ns"] for b in found)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_is_one_clear_error_or_still_blocks(data: st.DataObject) -> None:
    held: Any = small()
    place: Any = held
    while isinstance(place, (dict, list)) and place:
        key = data.draw(st.sampled_from(sorted(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
        if data.draw(st.booleans()) or not isinstance(place[key], (dict, list)):
            place[key] = data.draw(st.sampled_from([None, -1, 10**30, "x", [], {}, [[1]], True]))
            break
        place = place[key]
    with contextlib.suppress(RunUnreadable):  # any other exception fails
        assert isinstance(from_columns(held), list)


def test_columns_cannot_grow_without_bounds() -> None:
    held = small()
    held["groups"]["p"]["c"][""]["t"] = {"least": 0, "text": "#" * 1_500_000}
    with pytest.raises(RunUnreadable, match="values"):
        from_columns(held)


def test_a_run_in_a_page_keeps_the_words_of_every_case_and_control() -> None:
    """Of a real run: ratios, readings, laws, and facts whose planted control is an event of known size."""
    doc = golden()
    judges = find_probes().judges
    before, after = (judge_run(d, judges) for d in (doc, in_page(doc)))
    assert {c.id: c.status for c in after.controls} == {c.id: c.status for c in before.controls}
    assert "plant:container-facts/ours" in {c.id for c in before.controls if c.status == "shown"}
    words = [{(p, k): v.word for p, x in r.probes.items() for k, v in x.cases.items()} for r in (before, after)]
    assert words[0] == words[1]
    said = [{k: v.why for k, v in r.probes["container-facts"].cases.items()} for r in (before, after)]
    assert said[0] == said[1]
    assert len(words[0]) > 20


def test_a_page_keeps_numbers_to_five_digits_and_which_visit_a_block_was_of() -> None:
    blocks = [{**block(i, {"a": rep({"ns": [123.456789 + i]})}), "visit": i // 3} for i in range(6)]
    case = {"kind": "ratio", "quantity": "ns", "unit": "ns", "arms": [{"id": "a", "promised": True}]}
    found = in_page(document({"c": case}, copy.deepcopy(blocks)))["blocks"]
    assert [b["visit"] for b in found] == [0, 0, 0, 1, 1, 1]
    for was, now in zip(blocks, found, strict=True):
        sizes = [b["reps"]["a"]["samples"]["ns"][0] for b in (was, now)]
        assert abs(sizes[0] - sizes[1]) <= 1.1 * nice(sizes[0] * 1e-5) + 5e-3 * 1.1


def in_page(doc: dict[str, Any]) -> dict[str, Any]:
    """What comes back of a run that a page holds."""
    return unpack(TYPE, pack(reduced(doc)), 1 << 24)
