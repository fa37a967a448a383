"""A gate's run file in, its words and its exit code out."""

import copy
import random
from typing import Any

import pytest

from liebench.contract import Outcome
from liebench.gate.pairs import Family, Metric, all_effects, pairs_of, questions, replay
from liebench.gate.policy import TAIL, Policy, parse_policy
from liebench.gate.table import exit_code, gate_family, gate_questions, gate_table

from tests.helpers.gate_documents import failed, gate_doc, pair_blocks
from tests.helpers.run_documents import arm, block, case, controls, reading, rep

EQUAL = {"a": 100.0, "b": 150.0}
NO_POLICY = Policy()


def one(factor: float = 1.0, count: int = 24, **more: Any) -> dict[str, Any]:
    extra = more.pop("extra", {"controls": [], "blocks": []})
    after = {"a": 100.0, "b": 150.0 * factor}
    blocks = pair_blocks(count, EQUAL, after, **more)
    return gate_doc({"c": case()}, blocks + extra["blocks"], controls=extra["controls"])


def words(doc: dict[str, Any], policy: Policy = NO_POLICY) -> dict[str, str]:
    return {row.arm + (" lie" if row.what == "lie" else ""): row.word for row in gate_table(doc, policy).rows}


def policy(levels: str, gate: str = "") -> Policy:
    return parse_policy(f"[gate]\n{gate}\n[levels]\n{levels}", "f")


@pytest.mark.parametrize(("factor", "word", "code"), [(1.0, "same", 0), (1.1, "worse", 1), (0.9, "better", 0)])
def test_each_word_and_its_code(factor: float, word: str, code: int) -> None:
    table = gate_table(one(factor), NO_POLICY)
    assert {r.arm: r.word for r in table.rows} == {"a": "same", "b": word}
    assert table.exit == code
    row = next(r for r in table.rows if r.arm == "b")
    assert row.value == pytest.approx(factor, rel=0.01)
    assert row.low is not None
    assert row.high is not None
    assert row.low < factor < row.high
    assert [row.before, row.after] == pytest.approx([150, 150 * factor], rel=0.01)


def test_inconclusive_fails_unless_the_policy_lets_it_pass() -> None:
    doc = one(spread=1.5)
    assert set(words(doc).values()) == {"inconclusive"}
    assert gate_table(doc, NO_POLICY).exit == 3
    assert gate_table(doc, policy("", "inconclusive = 'pass'")).exit == 0
    assert "shows a rise from" in gate_table(doc, NO_POLICY).rows[0].why


def test_a_failed_probe_is_missing() -> None:
    other = {"d": case()}
    assert gate_table(failed(one(), "q"), NO_POLICY).exit == 4
    assert gate_table(failed(one(), "q", cases=other), NO_POLICY).exit == 4
    assert gate_table(failed(one(1.2), "q"), NO_POLICY).exit == 1, "a proved regression says more"
    assert gate_table(failed(one(), "q", cases=other), NO_POLICY).failed == {"q": "no such device"}


def test_a_failed_preview_and_what_only_warns_fail_no_gate() -> None:
    assert gate_table(failed(one(), "q", cases={"d": case()}, preview=True), NO_POLICY).exit == 0
    assert gate_table(failed(one(), "q", cases={"d": case()}), policy("q = 'warn'")).exit == 0
    assert gate_table(failed(one(), "q", cases={"d": case()}), policy("q = 'off'")).exit == 0


def test_nothing_at_all_is_missing() -> None:
    assert gate_table(gate_doc({"c": case()}, []), NO_POLICY).exit == 3, "the budget ended before the first pair"
    assert gate_table(gate_doc({}, []), NO_POLICY).exit == 4
    assert exit_code([], {}, NO_POLICY) == 4


def test_an_arm_without_a_number_is_missing() -> None:
    doc = one()
    for stored in doc["blocks"]:
        if stored["side"] == "candidate":
            stored["reps"]["b"]["flags"] = ["void"]
    table = gate_table(doc, policy("", "inconclusive = 'pass'"))
    assert {r.arm: r.word for r in table.rows} == {"a": "same", "b": "inconclusive"}
    assert table.exit == 4
    assert gate_table(doc, policy("'p/c/b' = 'warn'")).exit == 0


def test_what_is_off_is_not_in_the_table() -> None:
    assert words(one(1.2), policy("'p/c/b' = 'off'")) == {"a": "same"}
    assert gate_table(one(1.2), policy("'p/c/b' = 'off'")).exit == 0
    assert gate_table(one(1.2), policy("cpu = 'off'")).exit == 4


def test_warnings_are_said_and_change_no_code() -> None:
    for doc in (one(1.2), one(spread=1.5)):
        table = gate_table(doc, policy("cpu = 'warn'"))
        assert (table.exit, {r.level for r in table.rows}) == (0, {"warn"})
    assert words(one(1.2), policy("cpu = 'warn'"))["b"] == "worse"


def test_previews_never_fail() -> None:
    doc = one(1.2)
    doc["probes"]["p"]["preview"] = True
    table = gate_table(doc, NO_POLICY)
    assert (table.exit, {r.level for r in table.rows}) == (0, {"warn"})


def test_a_failed_control_leaves_every_word_open() -> None:
    bounded = policy("p = { worse-than = 'honest' }")
    good, bad = (one(1.2, extra=controls(null)) for null in (1.0, 1.3))
    assert words(good, bounded) == {"a": "same", "b": "worse", "b lie": "worse"}
    table = gate_table(bad, bounded)
    assert {r.word for r in table.rows} == {"inconclusive"}
    assert all("control failed: null:p/c" in r.why for r in table.rows)
    assert table.exit == 3


def test_worse_than_bounds_the_lie_itself() -> None:
    doc = one(1.0)  # the lie is 1.5: costly before and after
    for word, found, code in (("honest", "worse", 1), ("harmless", "worse", 1), ("costly", "same", 0)):
        bounded = policy(f"p = {{ worse-than = '{word}' }}")
        assert words(doc, bounded) == {"a": "same", "b": "same", "b lie": found}
        assert gate_table(doc, bounded).exit == code


def test_a_tail_alone_can_be_worse() -> None:
    doc, rng = one(), random.Random(3)
    for stored in doc["blocks"]:
        if stored["side"] == "candidate":  # 3 of 20 three times as slow, the others that much faster: the mean stays
            values = [150 * rng.lognormvariate(0, 0.01) for _ in range(20)]
            slow = [v * 1.5 for v in values[:3]]
            stored["reps"]["b"]["samples"]["ns"] = slow + [v * (1 - 0.075 / 0.85) for v in values[3:]]
    family = gate_family(doc, parse_policy("[gate]\nlimit = '12 %'\ntail = '20 %'", "f"))
    found = {s: family.words[Metric("p", "c", "b", s)].outcome for s in ("median", "mean", TAIL)}
    assert (found["median"], found["mean"], found[TAIL]) == (Outcome.SAME, Outcome.SAME, Outcome.WORSE)
    table = gate_table(doc, parse_policy("[gate]\nlimit = '12 %'\ntail = '20 %'", "f"))
    assert {r.arm: (r.word, r.statistic) for r in table.rows} == {"a": ("same", "median"), "b": ("worse", TAIL)}
    assert table.exit == 1


def test_a_stall_in_two_percent_of_the_operations_is_found_by_the_mean() -> None:
    blocks = pair_blocks(96, {"a": 100.0}, {"a": 100.0}, samples=500, stall=0.08)
    doc = gate_doc({"c": case(arms=[arm("a", promised=True)])}, blocks)
    row = gate_table(doc, NO_POLICY).rows[0]
    assert (row.word, row.statistic) == ("worse", "mean")
    assert row.value == pytest.approx(1.08, abs=0.015)
    median = gate_family(doc, NO_POLICY).words[Metric("p", "c", "a", "median")]
    assert median.outcome is Outcome.SAME


def live(doc: dict[str, Any]) -> Family:
    """As the runner asks: at each of its looks, by the pairs that there are then; settled cases get no more."""
    asked, pairs = gate_questions(doc, NO_POLICY), pairs_of(doc["blocks"])
    family = Family(asked)
    for n in family.looks():
        taken = {k: found[:n] for k, found in pairs.items()}
        if max(map(len, taken.values())) < n:
            break
        family.look(all_effects(asked, taken))
    return family


def test_replay_says_what_the_live_looks_said() -> None:
    cases = {"c": case(), "d": case(), "e": case()}
    blocks = [
        *pair_blocks(12, EQUAL, {"a": 100.0, "b": 190.0}, name="c"),
        *pair_blocks(96, EQUAL, EQUAL, name="d", spread=0.3, seed=5, start=1000),
        *pair_blocks(48, EQUAL, {"a": 105.0, "b": 150.0}, name="e", spread=0.1, seed=6, start=2000),
    ]
    doc = gate_doc(cases, blocks)
    family = live(doc)
    again = replay(family.questions, doc["blocks"])
    assert again.words == family.words
    assert again.closed == family.closed
    mixed = copy.deepcopy(doc)
    random.Random(1).shuffle(mixed["blocks"])
    assert replay(family.questions, mixed["blocks"]).words == family.words


def test_half_pairs_and_controls_are_no_pairs() -> None:
    doc = one()
    rows = gate_table(doc, NO_POLICY).rows
    half = {"a": rep({"ns": [500.0] * 20}), "b": rep({"ns": [1.0] * 20})}
    doc["blocks"] += [
        block(900, half, side="candidate", pair=77),
        block(901, half, side="candidate", pair=78, control="null:p/c"),
        block(902, half, side="baseline", pair=78),
        block(903, half, side="somebody", pair=79),
        block(904, half),
    ]
    assert gate_table(doc, NO_POLICY).rows == rows


def test_a_missing_repetition_takes_only_its_pair() -> None:
    doc = one()
    del doc["blocks"][0]["reps"]["b"]
    assert [r.blocks for r in gate_table(doc, NO_POLICY).rows] == [12, 11], "both settle at the first look"


def test_one_sample_a_repetition_is_one_metric() -> None:
    doc = gate_doc({"c": case()}, pair_blocks(24, EQUAL, EQUAL, samples=1))
    assert {m.statistic for m in gate_family(doc, NO_POLICY).words} == {"median"}


def test_throughputs_are_inverted() -> None:
    doc = gate_doc({"c": case(better="higher")}, pair_blocks(24, EQUAL, {"a": 100.0, "b": 120.0}))
    row = gate_table(doc, NO_POLICY).rows[1]
    assert row.word == "worse"
    assert [row.value, row.before, row.after] == pytest.approx([1.25, 150, 120], rel=0.01)


def test_which_cases_a_gate_can_ask() -> None:
    times = reading(quantity="ns", unit="ns")
    kinds = {
        "ratio": case(), "time": times, "ppm": reading(), "visit": case(rhythm="visit"), "rig": case(subject="rig"),
        "fact": case(kind="fact"), "bounds": reading(quantity="ns", unit="ns", bounds=True),
    }  # fmt: skip
    asked = {q.case.id: tuple(q.rules) for q in gate_questions(gate_doc(kinds, []), NO_POLICY)}
    assert asked == {"ratio": ("a", "b"), "time": ("measured",)}
    assert questions({}, NO_POLICY) == []
