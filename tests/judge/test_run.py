"""Stored samples in, words out."""

import builtins
import copy
import io
import json
import math
import os
import random
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liebench.contract import Case, Verdict, Word
from liebench.errors import RunUnreadable
from liebench.gate.verify import differences
from liebench.judge.cost import bill
from liebench.judge.rule import ORDER
from liebench.judge.run import Evidence, combine, judge_run

from tests.helpers.run_documents import (
    arm,
    block,
    built,
    case,
    controls,
    document,
    logged,
    pairs,
    reading,
    rep,
    windows,
)


def ratio_run(factor: float, **more: Any) -> dict[str, Any]:
    extra = more.pop("controls_of", None) or {"controls": [], "blocks": []}
    blocks = pairs(12, {"a": 100, "b": 100 * factor})
    return document({"c": case(**more)}, blocks + extra["blocks"], controls=extra["controls"])


@pytest.mark.parametrize(
    ("factor", "word"), [(0.8, Word.HELPFUL), (1.0, Word.HONEST), (1.1, Word.HARMLESS), (1.4, Word.COSTLY)]
)
def test_known_ratios_get_their_word(factor: float, word: Word) -> None:
    verdict = judge_run(ratio_run(factor)).probes["p"]
    assert (verdict.word, verdict.at_least, verdict.at_most) == (word, word, word)
    assert verdict.value == pytest.approx(factor, rel=0.01)
    assert verdict.low is not None
    assert verdict.high is not None
    assert verdict.low < factor < verdict.high
    assert verdict.promised == pytest.approx(100, rel=0.01)
    assert verdict.delivered == pytest.approx(100 * factor, rel=0.01)
    assert verdict.arm == "b"
    assert (verdict.limit is not None) == (word is Word.HONEST)


def test_the_detection_limit_is_the_far_end() -> None:
    verdict = judge_run(ratio_run(1.0)).probes["p"]
    assert verdict.limit == pytest.approx(max(verdict.high or 0, 1 / (verdict.low or 1)))


def test_noise_is_said_with_what_would_settle_it() -> None:
    verdict = judge_run(document({"c": case()}, pairs(12, {"a": 1, "b": 1}, spread=0.8))).probes["p"]
    assert verdict.word is Word.INCONCLUSIVE
    assert verdict.why.startswith("half width ")
    assert "would settle it" in verdict.why


def test_the_mean_tells_what_the_median_hides() -> None:
    """2 % of the operations stall: the median sees nothing, the cost is 30 % and more."""
    blocks = pairs(24, {"a": 100, "b": 100})
    for one in blocks:
        one["reps"]["b"]["samples"]["ns"][0] = 1100.0
    verdict = judge_run(document({"c": case()}, blocks)).probes["p"]
    assert (verdict.word, verdict.statistic) == (Word.COSTLY, "mean")
    assert verdict.value == pytest.approx(1.5, rel=0.02)


def test_a_failed_null_makes_its_class_of_work_inconclusive() -> None:
    found = judge_run(ratio_run(1.4, controls_of=controls(null=1.3)))
    assert [c.status for c in found.controls] == ["failed", "shown"]
    verdict = found.probes["p"]
    assert (verdict.word, verdict.at_least, verdict.at_most) == (Word.INCONCLUSIVE, None, None)
    assert (verdict.control, verdict.why) == ("failed", "control failed: null:p/c")
    assert verdict.value == pytest.approx(1.4, rel=0.01)


@pytest.mark.parametrize(("plant", "status"), [(1.5, "shown"), (1.0, "failed"), (1.3, "failed"), (1.9, "failed")])
def test_a_plant_must_be_found_with_its_size(plant: float, status: str) -> None:
    found = judge_run(ratio_run(1.4, controls_of=controls(plant=plant)))
    assert found.controls[1].status == status
    assert found.probes["p"].control == status
    assert found.controls[1].value == pytest.approx(plant, rel=0.01)


def test_another_class_of_work_is_not_lowered() -> None:
    found = judge_run(ratio_run(1.4, work="wake", controls_of=controls(null=1.3)))
    assert (found.probes["p"].word, found.probes["p"].control) == (Word.COSTLY, "none")


def test_a_control_too_wide_lowers_nothing() -> None:
    extra = controls()
    extra["blocks"] = [
        *pairs(12, {"promised": 1, "null": 1}, spread=1.5, start=100, control="null:p/c"),
        *pairs(5, {"promised": 1, "plant": 1}, start=200, control="plant:p/c"),
    ]
    found = judge_run(ratio_run(1.4, controls_of=extra))
    assert [c.status for c in found.controls] == ["not shown", "not shown"]
    assert (found.probes["p"].word, found.probes["p"].control) == (Word.COSTLY, "not shown")


@pytest.mark.parametrize("labels", [("claimed", "measured"), ("promised", "plant")])
def test_the_plant_of_a_reading_is_a_difference_in_its_unit(labels: tuple[str, str]) -> None:
    rng = random.Random(1)
    blocks = windows([rng.gauss(0, 0.1) for _ in range(12)])
    blocks += [
        block(100 + i, {k: rep({"ppm": [rng.gauss(v, 0.5)]}) for k, v in zip(labels, (0, 100), strict=True)},
              control="x")
        for i in range(12)
    ]  # fmt: skip
    entry = {"id": "x", "work": "read", "kind": "plant", "probe": "p", "case": "c", "arm": "", "set": {}}
    doc = document({"c": reading()}, blocks, controls=[entry | {"expect": 100.0, "tolerance": 1.0}])
    assert judge_run(doc).controls[0].status == "shown"
    doc["controls"][0]["expect"] = 90.0
    assert judge_run(doc).controls[0].status == "failed"


def test_the_worst_headline_case_about_this_host_speaks() -> None:
    blocks = [
        *pairs(12, {"a": 100, "b": 110}, name="mild"),
        *pairs(12, {"a": 100, "b": 100}, name="fine"),
        *pairs(12, {"a": 100, "b": 200}, name="aside"),
        *pairs(12, {"a": 100, "b": 300}, name="rig"),
    ]
    cases = {
        "fine": case(), "mild": case(), "aside": case(headline=False), "rig": case(subject="a rig of ours"),
    }  # fmt: skip
    found = judge_run(document(cases, blocks))
    assert found.probes["p"].word is Word.HARMLESS
    assert found.leads["p"] == "mild"
    assert {k: v.word for k, v in found.probes["p"].cases.items()} == {
        "mild": Word.HARMLESS, "fine": Word.HONEST, "aside": Word.COSTLY, "rig": Word.COSTLY,
    }  # fmt: skip
    assert found.counts[Word.HARMLESS] == 1
    assert not found.rigs


BOUND = st.none() | st.sampled_from(ORDER)
VERDICTS = st.builds(
    Verdict,
    word=st.sampled_from([*ORDER, Word.INCONCLUSIVE]), at_least=BOUND, at_most=BOUND,
    value=st.none() | st.floats(-9, 9), why=st.sampled_from(["", "too few", "wide"]),
)  # fmt: skip
ROLES = st.sampled_from(["speaks", "speaks", "aside", "rig"])


def declared(role: str) -> Case:
    subject = "a rig of ours" if role == "rig" else "this host"
    return built(case(headline=role != "aside", subject=subject))


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.dictionaries(st.sampled_from("abcde"), st.tuples(ROLES, VERDICTS)))
def test_a_probe_is_as_bad_as_its_worst_case_that_speaks(given_: dict[str, tuple[str, Verdict]]) -> None:
    """The rule by itself: bounds are the worst known, a word is proven where they meet, one case leads."""
    made, lead = combine({k: (declared(role), v) for k, (role, v) in given_.items()})
    ours = {k: v for k, (role, v) in given_.items() if role == "speaks"}
    assert made.cases == {k: v for k, (_, v) in given_.items()}
    if not ours:
        assert (made.word, made.at_least, made.at_most) == (Word.INCONCLUSIVE, None, None)
        return
    known = [v.at_least for v in ours.values() if v.at_least is not None]
    least = max(known, key=ORDER.index, default=None)
    assert made.at_least is least
    tops = [v.at_most for v in ours.values() if v.at_most is not None]
    if len(tops) == len(ours):
        assert made.at_most is max(tops, key=ORDER.index)
    else:  # of one case nothing limits how bad it is; nothing is worse than costly
        assert made.at_most is (Word.COSTLY if least is Word.COSTLY else None)
    open_ones = {k for k, v in ours.items() if v.word is Word.INCONCLUSIVE}
    if made.word is not Word.INCONCLUSIVE:
        assert made.word in (made.at_least or Word.HELPFUL, made.at_most)
        assert any(v.word is made.word for v in ours.values())
        among = set(ours)
    else:
        among = open_ones or set(ours)
        assert made.why in [ours[lead].why, *(ours[k].why for k in open_ones)]
    badness = {k: (ORDER.index(ours[k].at_least or ORDER[0]), ORDER.index(ours[k].at_most or ORDER[-1])) for k in among}
    assert badness[lead] == max(badness.values())
    rivals = [abs(ours[k].value or 0) for k in among if badness[k] == badness[lead] and ours[k].value is not None]
    assert abs(ours[lead].value or 0) == max(rivals, default=0)
    assert made.value == ours[lead].value


def test_a_proven_bound_from_both_sides_is_a_word_only_where_a_case_says_it() -> None:
    """Two open cases whose bounds meet prove nothing: neither was found to be so."""
    open_low = Verdict(word=Word.INCONCLUSIVE, at_least=Word.HARMLESS, at_most=Word.HARMLESS, why="too few")
    harmless = Verdict(word=Word.HARMLESS, at_least=Word.HARMLESS, at_most=Word.HARMLESS)
    speaks = declared("speaks")
    assert combine({"a": (speaks, open_low)})[0].word is Word.INCONCLUSIVE
    assert combine({"a": (speaks, open_low), "b": (speaks, harmless)})[0].word is Word.HARMLESS


def test_an_open_case_bounds_the_probe() -> None:
    open_blocks = pairs(5, {"a": 100, "b": 100}, name="open")
    for factor, expected in (
        (1.1, (Word.INCONCLUSIVE, Word.HARMLESS, None)),
        (1.4, (Word.COSTLY, Word.COSTLY, Word.COSTLY)),
    ):
        blocks = pairs(12, {"a": 100, "b": 100 * factor}, name="done") + open_blocks
        verdict = judge_run(document({"done": case(), "open": case()}, blocks)).probes["p"]
        assert (verdict.word, verdict.at_least, verdict.at_most) == expected


def test_a_probe_on_a_rig_is_a_demonstration_and_enters_no_tally() -> None:
    found = judge_run(ratio_run(1.4, subject="a rig of ours"))
    assert found.rigs == {"p"}
    assert sum(found.counts.values()) == 0
    assert found.probes["p"].cases["c"].word is Word.COSTLY


def test_a_demonstration_shows_the_size_of_its_worst_rig_with_no_word_about_the_host() -> None:
    cases = {name: case(subject="a rig of ours", headline=name != "aside") for name in ("mild", "worst", "aside")}
    factors = {"mild": 1.1, "worst": 1.5, "aside": 3}
    blocks = [b for name, factor in factors.items() for b in pairs(12, {"a": 100, "b": 100 * factor}, name=name)]
    found = judge_run(document(cases, blocks))
    shown = found.probes["p"]
    assert found.leads["p"] == "worst"
    assert shown.value == pytest.approx(1.5, rel=0.01)
    assert (shown.word, shown.at_least, shown.at_most) == (Word.INCONCLUSIVE, None, None)
    assert shown.why == "only a rig of ours was measured: costly there"
    few = judge_run(document({"mild": cases["mild"]}, pairs(3, {"a": 100, "b": 150}, name="mild"))).probes["p"]
    assert few.why == "only a rig of ours was measured"


def test_a_side_case_alone_is_no_demonstration() -> None:
    found = judge_run(ratio_run(1.4, subject="a rig of ours", headline=False)).probes["p"]
    assert (found.value, found.why) == (None, "no headline case was measured")


WORDS = {
    "tsc": {"word": "honest", "says": "read without a call", "term": "fast"},
    "hpet": {"word": "costly", "says": "read over a bus", "term": ""},
}


@pytest.mark.parametrize(
    ("values", "word", "says"),
    [
        (["tsc"], Word.HONEST, "read without a call"),
        (["tsc", "hpet"], Word.COSTLY, "read over a bus"),
        (["jiffies"], Word.INCONCLUSIVE, "the probe has no word for 'jiffies'"),
        ([None], Word.INCONCLUSIVE, "nothing was stored"),
    ],
)
def test_a_fact_gets_the_word_of_its_value(values: list[str | None], word: Word, says: str) -> None:
    blocks = [block(i, {"a": rep({}, facts={"value": v})}) for i, v in enumerate(values)]
    fact = case(kind="fact", words=WORDS, arms=[arm("a", promised=True)])
    verdict = judge_run(document({"c": fact}, blocks)).probes["p"]
    assert (verdict.word, verdict.why) == (word, says)


def test_a_law_is_met_or_not_to_either_side() -> None:
    for factor, word in ((1.0, Word.HONEST), (0.7, Word.COSTLY), (1.5, Word.COSTLY)):
        verdict = judge_run(ratio_run(factor, kind="law")).probes["p"]
        assert verdict.word is word
        assert verdict.value == pytest.approx(factor, rel=0.01)


def test_a_linear_law_shows_its_slope() -> None:
    arms = [arm(f"n{n}", promised=n == 1, number=n) for n in (1, 2, 4, 8)]
    blocks = pairs(12, {f"n{n}": 10 + 3 * n for n in (1, 2, 4, 8)})
    found = judge_run(document({"c": case(kind="law", linear=True, arms=arms)}, blocks))
    slope = found.details["p", "c"].slope
    assert slope is not None
    assert slope.low < 3 < slope.high
    assert found.probes["p"].word is Word.HONEST


def test_a_probe_may_bring_its_own_judge() -> None:
    def halves(evidence: Evidence) -> Verdict:
        assert isinstance(evidence.case, Case)
        assert len(evidence.samples("b")) == 12
        return Verdict(word=Word.HELPFUL, value=evidence.reading().decision.estimate)

    found = judge_run(ratio_run(1.4), {"p": halves})
    assert (found.probes["p"].word, found.probes["p"].at_most) == (Word.HELPFUL, Word.HELPFUL)
    lowered = judge_run(ratio_run(1.4, controls_of=controls(null=2)), {"p": halves})
    assert lowered.probes["p"].word is Word.INCONCLUSIVE


def test_a_broken_judge_leaves_the_word_open() -> None:
    def broken(evidence: Evidence) -> Verdict:
        raise ZeroDivisionError(evidence.probe)

    found = judge_run(ratio_run(1.4), {"p": broken})
    assert found.probes["p"].word is Word.INCONCLUSIVE
    assert "ZeroDivisionError" in found.probes["p"].why


def test_skips_and_failures_are_data() -> None:
    doc = ratio_run(1.0)
    doc["probes"]["s"] = {"state": "skipped", "needs": "swap", "cure": "swapon /swapfile", "cases": {}}
    doc["probes"]["f"] = {"state": "failed", "error": "no such device", "cases": {}}
    found = judge_run(doc)
    assert found.skipped == {"s": ("swap", "swapon /swapfile")}
    assert found.failed == {"f": "no such device"}
    assert set(found.probes) == {"p"}


def sentinel_run() -> dict[str, Any]:
    """Every fourth repetition has a neighbour on the sibling: twice as slow, and the ports are gone."""
    rng, blocks = random.Random(2), pairs(48, {"a": 100, "b": 130})
    for one in blocks:
        for stored in one["reps"].values():
            slow = rng.random() < 0.25
            stored["sentinel"] = {"chain1_ns": 0.3, "chain8_ns": 0.1 if slow else 0.05}
            stored["samples"]["ns"] = [v * (2 if slow else 1) for v in stored["samples"]["ns"]]
    return document({"c": case()}, blocks)


def test_the_sentinel_finds_two_modes() -> None:
    found = judge_run(sentinel_run())
    assert found.sentinel.share == pytest.approx(0.25, abs=0.1)
    modes = found.details["p", "c"].modes
    assert modes is not None
    assert modes.factor == pytest.approx(2, rel=0.02)
    assert modes.share == found.sentinel.share
    assert modes.balanced
    assert modes.clean.half < modes.everything.half / 5


def test_the_sentinel_marks_a_block_by_its_place_whatever_number_it_has() -> None:
    doc = sentinel_run()
    alike = copy.deepcopy(doc)
    for one in alike["blocks"]:
        one["n"] = 7
    assert judge_run(alike).sentinel == judge_run(doc).sentinel
    assert judge_run(alike).details["p", "c"].modes == judge_run(doc).details["p", "c"].modes


def test_the_sentinel_of_one_case_says_nothing_about_another() -> None:
    """The blocks of two cases take turns; those of the second are clean."""
    doc, clean = sentinel_run(), pairs(48, {"a": 100, "b": 130}, name="d")
    for one in clean:
        for stored in one["reps"].values():
            stored["sentinel"] = {"chain1_ns": 0.3, "chain8_ns": 0.05}
    both = [b for pair in zip(clean, doc["blocks"], strict=True) for b in pair]
    found = judge_run(document({"c": case(), "d": case()}, both))
    assert found.details["p", "c"].modes == judge_run(doc).details["p", "c"].modes
    assert found.details["p", "d"].modes is None


@pytest.mark.parametrize(("rhythm", "n", "place"), [("block", None, "block ?.n"), ("visit", 7, "blocks.n")])
def test_blocks_without_numbers_of_their_own_are_named(rhythm: str, n: int | None, place: str) -> None:
    """A visit is known by its blocks' numbers, so no two of its case may share one."""
    doc = ratio_run(1.0, rhythm=rhythm)
    for i, one in enumerate(doc["blocks"]):
        one |= {"n": n, "visit": i // 2}
        if n is None:
            del one["n"]
    with pytest.raises(RunUnreadable, match=re.escape(place)):
        judge_run(doc)


def test_without_a_sentinel_nothing_is_claimed() -> None:
    found = judge_run(ratio_run(1.0))
    assert (found.sentinel.share, found.sentinel.repetitions) == (None, 24)


def test_a_best_ratio_per_cpu() -> None:
    doc = sentinel_run()
    for one in doc["blocks"][24:]:
        for stored in one["reps"].values():  # another core with another ratio, nobody beside it
            stored["alibi"]["cpu_first"] = 1
            stored["sentinel"] = {"chain1_ns": 0.3, "chain8_ns": 0.1}
    found = judge_run(doc)
    assert found.sentinel.best == {"0": pytest.approx(1 / 6), "1": pytest.approx(1 / 3)}
    assert found.sentinel.disturbed < 24


def _forbidden(*_args: object, **_kwargs: object) -> NoReturn:
    raise AssertionError("the judging half touched the machine")


def test_judging_touches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 1: /proc, files, the clock, processes and the network are out of reach while words are found."""
    doc = logged(ratio_run(1.4, controls_of=controls()))
    doc["probes"]["p"]["events"] = {"what": "reads", "case": "c", "first": 0, "last": 100, "span_s": 1.0}
    expected = repr(judge_run(doc))
    for owner, names in (
        (builtins, ("open",)), (io, ("open",)), (subprocess, ("Popen", "run")), (socket, ("socket",)),
        (os, ("open", "stat", "listdir", "scandir", "read", "write", "getenv", "getpid", "times", "system", "fork")),
        (time, ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep")),
        (Path, ("open", "read_text", "exists")), (random, ("random",)),
    ):  # fmt: skip
        for name in names:
            monkeypatch.setattr(owner, name, _forbidden)
    monkeypatch.setattr(os, "environ", None)
    found = judge_run(doc)
    bills, lines = bill(doc, found), differences(doc)
    monkeypatch.undo()
    assert repr(found) == expected
    assert bills["p"].known
    assert lines == []


def test_judging_changes_nothing_in_the_document() -> None:
    doc = logged(ratio_run(1.4, controls_of=controls()))
    before = copy.deepcopy(doc)
    judge_run(doc)
    differences(doc)
    assert doc == before


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (("probes",), [], "probes"),
        (("probes", "p", "state"), "asleep", "probes.p.state"),
        (("probes", "p", "cases", "c", "matters"), "1.05", "probes.p.cases.c.matters"),
        (("probes", "p", "cases", "c", "matters"), 0.9, "probes.p.cases.c.matters"),
        (("probes", "p", "cases", "c", "kind"), "guess", "probes.p.cases.c.kind"),
        (("probes", "p", "cases", "c", "arms"), [], "probes.p.cases.c.arms"),
        (("probes", "p", "cases", "c", "arms", 0, "promised"), 1, "probes.p.cases.c.arms[0].promised"),
        (("blocks",), {}, "blocks"),
        (("blocks", 3), None, "blocks[3]"),
        (("blocks", 3, "case"), "unknown", "blocks[3].case"),
        (("blocks", 3, "reps"), 5, "block 3.reps"),
        (("blocks", 3, "reps", "b", "samples", "ns", 4), True, "block 3.reps.b.samples.ns[4]"),
        (("blocks", 3, "reps", "b", "samples", "ns", 4), float("nan"), "block 3.reps.b.samples.ns[4]"),
        (("blocks", 3, "reps", "b", "samples", "ns", 4), 10**400, "block 3.reps.b.samples.ns[4]"),
        (("controls", 0, "kind"), "magic", "controls[0].kind"),
        (("controls", 1, "expect"), -1.0, "controls[1].expect"),
    ],
)
def test_damage_is_named_by_its_place(path: tuple[str | int, ...], value: object, place: str) -> None:
    doc = ratio_run(1.4, controls_of=controls())
    target: Any = doc
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    with pytest.raises(RunUnreadable) as caught:
        judge_run(doc)
    assert place in str(caught.value)
    assert "measure again" in str(caught.value)


def _leaves(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path] * bool(path) + [leaf for k, v in items for leaf in _leaves(v, (*path, k))]


HOSTILE: list[object] = [None, True, "", "x", "1e999", -1, 0, 10**400, 1e308, -1e-320, math.inf, math.nan, [], {}, [[]]]


def _small_run() -> dict[str, Any]:
    doc = logged(ratio_run(1.4, controls_of=controls()))
    doc["probes"]["p"]["events"] = {"what": "reads", "case": "c", "first": 0, "last": 100, "span_s": 1.0}
    for one in doc["blocks"]:
        for stored in one["reps"].values():
            stored["samples"]["ns"] = stored["samples"]["ns"][:1]
            stored["sentinel"] = {"chain1_ns": 0.3, "chain8_ns": 0.05}
    return doc


SMALL = _small_run()
LEAVES = _leaves(SMALL)


@settings(derandomize=True, deadline=None, max_examples=600)
@given(st.sampled_from(LEAVES), st.sampled_from(HOSTILE))
def test_any_damage_ends_in_words_or_in_run_unreadable(path: tuple[Any, ...], value: object) -> None:
    doc = json.loads(json.dumps(SMALL))
    target: Any = doc
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    try:
        bill(doc, judge_run(doc))
        differences(doc)
    except RunUnreadable as error:
        named = "should be" in str(error)
    else:
        named = True
    assert named


def test_a_run_without_blocks_says_so() -> None:
    verdict = judge_run(document({"c": case()}, [])).probes["p"]
    assert (verdict.word, verdict.why) == (Word.INCONCLUSIVE, "no headline case was measured")
