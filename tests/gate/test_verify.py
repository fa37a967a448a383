"""The decision log recomputed from the samples."""

from typing import Any

import pytest

from liebench.errors import RunUnreadable
from liebench.gate.verify import differences, look_record
from liebench.judge.run import look

from tests.helpers.run_documents import built, case, controls, document, logged, pairs, reading, windows


def run() -> dict[str, Any]:
    return logged(document({"c": case()}, pairs(24, {"a": 100, "b": 130})))


def test_an_untouched_log_agrees() -> None:
    assert differences(run()) == []


def test_a_record_holds_what_the_schema_names() -> None:
    entry = run()["looks"][0]
    assert set(entry) == {"probe", "case", "control", "arm", "rule", "blocks", "location", "cost", "stop"}
    assert (entry["probe"], entry["case"], entry["arm"], entry["rule"], entry["blocks"]) == ("p", "c", "b", 1, 12)
    assert all(len(f"{abs(v):.9e}") and v == float(f"{v:.9g}") for v in entry["location"])


def test_looks_of_controls_are_recomputed_from_their_own_blocks() -> None:
    extra = controls()
    doc = document({"c": case()}, pairs(12, {"a": 100, "b": 130}) + extra["blocks"], controls=extra["controls"])
    blocks = [b for b in doc["blocks"] if b["control"] == "null:p/c"]
    doc["looks"] = [look_record(built(case()), blocks, "null", "promised", 12)]
    assert doc["looks"][0]["control"] == "null:p/c"
    assert differences(doc) == []
    doc["looks"][0]["location"][0] += 1e-6
    assert len(differences(doc)) == 1


def test_a_changed_sample_is_seen() -> None:
    doc = run()
    doc["blocks"][2]["reps"]["b"]["samples"]["ns"] = [170.0] * 20
    lines = differences(doc)
    assert lines
    assert all(line.startswith("looks[0]: ") for line in lines)
    assert any("location" in line or "cost" in line for line in lines)


@pytest.mark.parametrize("key", ["location", "cost"])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_changed_number_is_seen(key: str, index: int) -> None:
    doc = run()
    doc["looks"][0][key][index] *= 1 + 1e-6
    assert [f"{key} is" in line for line in differences(doc)] == [True]


@pytest.mark.parametrize("value", [None, [], [0.1, 0.2], [0.1, 0.2, "x"], [None, None, None]])
def test_a_log_of_another_shape_is_seen(value: object) -> None:
    doc = run()
    doc["looks"][0]["location"] = value
    assert len(differences(doc)) == 1


def test_a_wrong_stop_is_seen_and_the_budget_is_the_runners_word() -> None:
    doc = run()
    doc["looks"][0]["stop"] = "narrow"
    assert "stopped as 'narrow'" in differences(doc)[0]
    doc["looks"][0]["stop"] = "budget"
    assert len(differences(doc)) == 1  # it was decided: no budget ended it
    noise = logged(document({"c": case()}, pairs(12, {"a": 100, "b": 100}, spread=0.9)))
    assert noise["looks"][0]["stop"] == "continue"
    noise["looks"][0]["stop"] = "budget"
    assert differences(noise) == []


@pytest.mark.parametrize("rule", [2, "1", None, True, 1.5])
def test_an_unknown_rule_is_said(rule: object) -> None:
    doc = run()
    doc["looks"][0]["rule"] = rule
    assert differences(doc) == [
        f"looks[0]: written under rule {rule!r}, this version knows 1; verify it with the liebench that wrote it"
    ]


def test_looks_at_what_the_file_does_not_hold_are_said() -> None:
    doc = run()
    doc["looks"] = [doc["looks"][0] | {"case": "gone"}, doc["looks"][0] | {"blocks": 48}]
    first, second = differences(doc)
    assert "p/gone, which the run file does not declare" in first
    assert "after 48 blocks of p/c, the file holds 24" in second


def test_damage_is_refused_with_its_place() -> None:
    doc = run()
    doc["looks"][0]["blocks"] = "12"
    with pytest.raises(RunUnreadable, match=r"looks\[0\].blocks"):
        differences(doc)


def test_infinite_ends_are_null_in_the_log() -> None:
    entry = look_record(built(case()), pairs(4, {"a": 100, "b": 130}), "b", "a", 4)
    assert entry["location"][1:] == [None, None]
    assert entry["stop"] == "continue"


def test_the_first_n_blocks_are_looked_at() -> None:
    blocks = pairs(24, {"a": 100, "b": 130})
    assert look_record(built(case()), blocks, "b", "a", 12) == look(built(case()), blocks[:12], "b", "a").record()


def test_a_fact_has_a_log_without_numbers() -> None:
    fact = case(kind="fact", words={"x": {"word": "honest"}})
    entry = look(built(fact), [], "b", "a").record()
    assert (entry["location"], entry["cost"], entry["stop"]) == (None, None, "continue")


def test_readings_of_one_value_log_one_statistic() -> None:
    doc = logged(document({"c": reading()}, windows([5 + 0.01 * (i % 3) for i in range(12)])))
    assert doc["looks"][0]["cost"] is None
    assert differences(doc) == []
