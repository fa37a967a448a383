"""Blocks as columns: what comes back, how exactly, and what damage says."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liebench.errors import RunUnreadable
from liebench.judge.run import judge_run
from liebench.registry import find_probes
from liebench.runfile.columns import COUNTED, column, from_columns, to_columns
from liebench.runfile.columns import _values as values_of
from liebench.runfile.embed import TYPE, expanded, pack, reduced, unpack

from tests.helpers.golden_pages import golden
from tests.helpers.run_documents import block, rep

SIZES = st.floats(min_value=1e-6, max_value=1e9, allow_nan=False)


def again(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return from_columns(json.loads(json.dumps(to_columns(blocks))))


@given(st.lists(st.integers(-COUNTED // 2, COUNTED // 2), min_size=1, max_size=60))
def test_counts_come_back_as_they_were(values: list[int]) -> None:
    assert values_of(column(values), len(values), "x") == values


@given(st.lists(st.sampled_from([None, True, "", "a", [1, 2], {"k": 0.5}]), min_size=1, max_size=40))
def test_words_come_back_as_they_were(values: list[Any]) -> None:
    found = values_of(column(values), len(values), "x")
    assert found == values
    assert [type(v) for v in found] == [type(v) for v in values]


@given(st.lists(SIZES, min_size=2, max_size=60))
def test_sizes_come_back_to_a_part_of_their_scatter(values: list[float]) -> None:
    ordered = sorted(values)
    spread = ordered[(3 * len(values)) // 4] - ordered[len(values) // 4]
    allowed = spread / 10 if spread else 1e-4 * max(values)
    for was, now in zip(values, values_of(column(values), len(values), "x"), strict=True):
        assert math.isclose(was, now, rel_tol=1e-8, abs_tol=allowed)


def test_what_arms_have_in_common_does_not_blur_their_ratio() -> None:
    """A neighbour doubles both arms in half of the blocks; the arms differ by 1 %, to a part in a thousand."""
    rng, blocks = random.Random(1), []
    for i in range(40):
        level = 100.0 * rng.choice([1.0, 2.0])
        ratio = 1.01 * rng.lognormvariate(0, 0.001)
        blocks.append(block(i, {"a": rep({"ns": [level]}), "b": rep({"ns": [level * ratio]})}))
    for was, now in zip(blocks, again(blocks), strict=True):
        before, after = (b["reps"]["b"]["samples"]["ns"][0] / b["reps"]["a"]["samples"]["ns"][0] for b in (was, now))
        assert after == pytest.approx(before, rel=2e-4)


def test_blocks_keep_their_order_their_labels_and_what_only_some_have() -> None:
    blocks = [block(i, {"a": rep({"ns": [1.5, 1.5, 2.0]}, flags=["PREEMPTED"] * (i % 2))}) for i in range(4)]
    blocks += [block(4, {"b": rep({"ns": [3.0]}, facts={"seen": [i]}), "a": rep({})}, name="d") for i in range(2)]
    blocks += [block(9, {"promised": rep({"ns": [1.0, 2.0]}), "null": rep({"ns": [7.0]})}, control="null:p/c")]
    for i, b in enumerate(blocks):
        b["t_ns"] = 1000 * i
    found = again(blocks)
    assert [(b["probe"], b["case"], b["control"], sorted(b["reps"])) for b in found] == [
        (b["probe"], b["case"], b["control"], sorted(b["reps"])) for b in blocks
    ]
    assert [[r["flags"] for r in b["reps"].values()] for b in found] == [
        [r["flags"] for r in b["reps"].values()] for b in blocks
    ]
    assert [b["reps"]["b"]["facts"] for b in found[4:6]] == [{"seen": [0]}, {"seen": [1]}]
    assert [sorted(b["reps"]["a"]["samples"]) for b in found[:5]] == [["ns"]] * 4 + [[]]


def test_no_blocks_are_no_columns() -> None:
    assert again([]) == []


@settings(max_examples=300)
@given(st.data())
def test_damage_is_one_clear_error_or_still_blocks(data: st.DataObject) -> None:
    held: Any = to_columns([block(i, {"a": rep({"ns": [i + 0.5]}), "b": rep({"ns": [2.0 * i + 1]})}) for i in range(5)])
    held = copy.deepcopy(held)
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
    held = to_columns([block(0, {"a": rep({"ns": [1.0]})})])
    group = held["groups"]["p"]["c"][""]
    group["t"] = {"least": 0, "text": "#" * 1_500_000}
    with pytest.raises(RunUnreadable, match="values"):
        from_columns(held)


def test_a_run_in_a_page_keeps_the_words_of_every_case_and_control() -> None:
    """Of a real run: ratios, readings, laws, and facts whose planted control is an event of known size."""
    doc = golden()
    judges = find_probes().judges
    before, after = (judge_run(d, judges) for d in (doc, json.loads(json.dumps(expanded(packed(doc))))))
    assert {c.id: c.status for c in after.controls} == {c.id: c.status for c in before.controls}
    assert "plant:container-facts/ours" in {c.id for c in before.controls if c.status == "shown"}
    words = [{(p, k): v.word for p, x in r.probes.items() for k, v in x.cases.items()} for r in (before, after)]
    assert words[0] == words[1]
    said = [{k: v.why for k, v in r.probes["container-facts"].cases.items()} for r in (before, after)]
    assert said[0] == said[1]
    assert len(words[0]) > 20


def packed(doc: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(unpack(TYPE, pack(reduced(doc)), 1 << 24))
    return found
