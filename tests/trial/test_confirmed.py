"""When a win is proved: two trials in a row, the second's size; whatever lies between starts the count again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from liebench.trial.proofs import Proof, confirmed, proof_from
from liebench.trial.result import Found, Subject, TrialResult

SUBJECT = Subject(
    knob="idle-restart", key="net.ipv4.x", now="1", to="0", scope="namespace", workload="tcp-idle-restart"
)


def result(found: Found = Found.WIN, ratio: float | None = 0.5, **more: Any) -> TrialResult:
    fields = {"case": "c", "ratio": ratio, "low": 0.45, "high": 0.6} | more
    return TrialResult(subject=SUBJECT, found=found, why="", **fields)


def proof(trial: str, found: Found = Found.WIN, **more: Any) -> Proof:
    seed = int(trial.removeprefix("t"))
    made = proof_from(result(found, **more), trial, seed, "host", "config", "2026-01-01T00:00:00Z")
    assert made is not None
    return made


def test_one_win_is_no_proof_and_two_are() -> None:
    first, second = proof("t1", ratio=0.4), proof("t2", ratio=0.5)
    assert not confirmed(first, []).confirmed
    found = confirmed(second, [first])
    assert (found.confirmed, found.ratio, found.trials) == (True, 0.5, ("t1", "t2"))


@pytest.mark.parametrize("between", [Found.NO_EFFECT, Found.LOSS, Found.GUARD])
def test_what_did_not_win_in_between_starts_the_count_again(between: Found) -> None:
    past = [proof("t1"), proof("t2", between)]
    assert not confirmed(proof("t3"), past).confirmed
    assert confirmed(proof("t4"), [*past, proof("t3")]).confirmed


def test_the_same_trial_confirms_nothing() -> None:
    assert not confirmed(proof("t1"), [proof("t1")]).confirmed


def test_the_same_seed_confirms_nothing() -> None:
    first, again = proof("t1"), replace(proof("t2"), seed=1)
    assert not confirmed(again, [first]).confirmed
    assert confirmed(proof("t3"), [first, again]).confirmed
    assert confirmed(proof("t2"), [replace(first, seed=None)]).confirmed  # kept by an older liebench


@pytest.mark.parametrize("name", ["change", "key", "from_", "to", "scope", "workload", "host", "config"])
def test_only_the_same_change_in_the_same_place_counts(name: str) -> None:
    other: dict[str, Any] = {name: "host" if name == "scope" else "other"}
    assert not confirmed(proof("t2"), [replace(proof("t1"), **other)]).confirmed


def test_a_win_after_another_change_was_tried_still_counts() -> None:
    assert confirmed(proof("t3"), [proof("t1"), replace(proof("t2"), change="other")]).confirmed


@pytest.mark.parametrize("found", [Found.CANNOT_TELL])
def test_what_could_not_tell_is_not_kept(found: Found) -> None:
    assert proof_from(result(found), "t", 1, "h", "c", "") is None
    assert proof_from(result(ratio=None), "t", 1, "h", "c", "") is None
    assert proof_from(result(high=None), "t", 1, "h", "c", "") is None
