"""The table of a run says what its judge says."""

from __future__ import annotations

import math
from dataclasses import replace

from liebench.judge.run import judge_run
from liebench.judge.table import run_table

from tests.helpers import hostile
from tests.helpers import run_documents as docs


def test_a_row_carries_the_verdict_of_its_case_and_both_levels() -> None:
    doc = hostile.run()
    verdicts = judge_run(doc)
    said = verdicts.probes["p"].cases["c"]
    table = run_table(doc, verdicts)
    (row,) = table.rows
    assert (row.name, row.word, row.level) == ("p/c/b/lie/median", "costly", "")
    assert (row.value, row.low, row.high, row.blocks) == (said.value, said.low, said.high, 12)
    assert row.before is not None
    assert row.after is not None
    assert math.isclose(row.after / row.before, 1.5, rel_tol=0.02)
    assert (row.of_unit, table.host, table.machine, table.seconds) == ("ns", "hh", "CPU, 2 processors, 6.1", 60.0)


def test_what_only_demonstrates_is_off() -> None:
    doc = hostile.run()
    doc["probes"]["p"]["preview"] = True
    rig = hostile.run()
    rig["probes"]["p"]["cases"]["c"]["subject"] = "a rig of ours"
    assert [run_table(d, judge_run(d)).rows[0].level for d in (doc, rig)] == ["off", "off"]


def test_what_was_not_measured_is_said_and_is_no_number() -> None:
    doc = hostile.run(finished=None, stopped="killed")
    doc["probes"] |= {
        "q": {"state": "skipped", "needs": "swap", "cure": "swapon"},
        "r": {"state": "failed", "error": "it broke"},
        "s": {"state": "measured", "cases": {"c": docs.case()}},
    }
    table = run_table(doc, judge_run(doc))
    assert table.skipped == {"q": ("swap", "swapon")}
    assert table.failed == {"r": "it broke"}
    assert table.seconds is None
    assert "stopped early: killed" in table.notes
    (row,) = (r for r in table.rows if r.probe == "s")
    assert (row.word, row.value, row.limit, row.before) == ("inconclusive", None, None, None)


def test_a_number_that_is_none_stays_unknown() -> None:
    doc = hostile.run()
    verdicts = judge_run(doc)
    case = replace(verdicts.probes["p"].cases["c"], value=math.nan, low=-math.inf)
    broken = replace(verdicts, probes={"p": replace(verdicts.probes["p"], cases={"c": case})})
    row = run_table(doc, broken).rows[0]
    assert (row.value, row.low) == (None, None)
    assert row.high is not None
