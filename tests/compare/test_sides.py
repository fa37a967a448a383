"""Runs against runs: planted differences, symmetry, refusals, and the rates of false alarms."""

import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from liebench.compare.metrics import FACT, Key, RunMetrics, independent, run_metrics
from liebench.compare.sides import Comparison, alike, compare, compare_table, open_side
from liebench.contract import Outcome
from liebench.errors import NotComparable
from liebench.judge.family import Limits

from tests.helpers.many_runs import LIE_KEY, key, run, runs
from tests.helpers.run_documents import arm, block, case, document, pairs, reading, rep, windows

LIMITS = alike(Limits())
MIRROR = {"worse": "better", "better": "worse"}


def doc(n: int, a: float = 100.0, b: float = 150.0, *, host: str = "h", core: str = "1", **more: Any) -> dict[str, Any]:
    blocks = more.pop("blocks", None) or pairs(24, {"a": a, "b": b}, seed=n)
    head = {"id": f"r{n}", "started": f"2026-01-01T00:{n:02d}:00Z", "kind": "run", "tool": {"core": core, "rule": 1}}
    cases = {"c": more.pop("stored", case())}
    return document(cases, blocks, hashes={"host": host, "kind": "k", "config": "x"}, **head | more)


def side(*docs: dict[str, Any]) -> list[RunMetrics]:
    return open_side(docs)


def words(found: Comparison) -> dict[str, str]:
    return {f"{r.arm} {r.what}": r.word for r in found.rows}


def five(start: int, **more: Any) -> list[RunMetrics]:
    return side(*(doc(start + i, **more) for i in range(5)))


def test_planted_differences_of_levels_and_lies() -> None:
    same = compare(five(0), five(10), LIMITS)
    assert set(words(same).values()) == {"same"}
    slower = compare(five(0), five(10, a=120.0, b=180.0), LIMITS)
    assert words(slower) == {"a level": "worse", "b level": "worse", "b lie": "same"}
    lies = compare(five(0), five(10, b=180.0), LIMITS)
    assert words(lies) == {"a level": "same", "b level": "worse", "b lie": "worse"}
    row = next(r for r in lies.rows if r.what == "lie")
    assert row.value == pytest.approx(1.2, rel=0.01)
    assert [row.before, row.after] == pytest.approx([1.5, 1.8], rel=0.01)


EFFECTS = st.lists(st.floats(-0.3, 0.3), min_size=1, max_size=8)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(EFFECTS, EFFECTS)
def test_swapped_sides_mirror_every_word(a: list[float], b: list[float]) -> None:
    first, second = runs(a), runs(b, start=50)
    one, other = compare(first, second, LIMITS).rows[0], compare(second, first, LIMITS).rows[0]
    assert one.word == MIRROR.get(other.word, other.word)
    assert one.value == pytest.approx(1 / (other.value or 1))
    if one.low is not None:
        assert one.low == pytest.approx(1 / (other.high or 1))


def test_the_order_of_files_changes_nothing() -> None:
    docs, rng = [doc(i, b=150 + i) for i in range(4)], random.Random(1)
    mixed = docs[:]
    rng.shuffle(mixed)
    assert side(*mixed) == side(*docs)
    assert side(*docs, *docs) == side(*docs), "a run counts once"


def test_the_same_run_on_both_sides_is_refused() -> None:
    with pytest.raises(NotComparable, match="r3 stands on both sides"):
        compare(five(0), side(doc(3)), LIMITS)
    with pytest.raises(NotComparable, match="without a run"):
        open_side([])


def test_a_gates_file_is_no_run() -> None:
    with pytest.raises(NotComparable, match="is a gate"):
        side(doc(1, kind="gate"))


def test_of_two_hosts_only_lies_are_compared() -> None:
    found = compare(five(0), five(10, host="other"), LIMITS)
    assert words(found) == {"b lie": "same"}
    assert set(found.refused.values()) == {"levels of different hosts"}
    assert found.notes[0].startswith("two hosts of one kind")
    table = compare_table(found, five(10)[-1], "t")
    assert "not compared: 2 metrics (levels of different hosts)" in table.notes


def test_of_two_builds_only_lies_are_compared() -> None:
    found = compare(five(0), five(10, core="2"), LIMITS)
    assert words(found) == {"b lie": "same"}
    assert set(found.refused.values()) == {"levels of different builds of liebench-core"}


def test_other_work_is_refused_with_the_reason() -> None:
    other = case(arms=[arm("a", promised=True), arm("b") | {"args": {"size": 2}}])
    with pytest.raises(NotComparable, match="the work differs"):
        compare(five(0), five(10, stored=other), LIMITS)
    limits = case(matters=1.1, hurts=1.5, asks="Otherwise?")
    assert words(compare(five(0), five(10, stored=limits), LIMITS)), "limits and words are the reader's, not the work's"


def test_where_nothing_is_common_nothing_is_compared() -> None:
    same: dict[str, Any] = {"kind": "run", "started": "2026", "hashes": {"host": "h"}, "tool": {"core": "1"}}
    other = document({"d": case()}, pairs(24, {"a": 1, "b": 1}, name="d"), id="x", **same)
    with pytest.raises(NotComparable, match="the second side did not measure it"):
        compare(side(doc(1)), side(other), LIMITS)
    empty = document({"c": case()}, [], id="y", **same)
    with pytest.raises(NotComparable, match="did not measure it"):
        compare(side(doc(1)), side(empty), LIMITS)
    with pytest.raises(NotComparable, match="no common number"):
        compare(side(empty), side(empty | {"id": "z"}), LIMITS)


def test_one_against_one_speaks_of_lies_and_of_these_two_runs() -> None:
    found = compare(side(doc(1)), side(doc(2, a=150, b=270)), LIMITS)
    assert words(found) == {"a level": "inconclusive", "b level": "inconclusive", "b lie": "worse"}
    why = {r.what: r.why for r in found.rows}
    assert why == {"level": "1 and 1 runs: how much this host varies from run to run is not known; five in all are "
                            "needed", "lie": "these two runs only"}  # fmt: skip


def test_too_few_blocks_are_no_interval() -> None:
    few = pairs(5, {"a": 1.0, "b": 1.0})
    row = next(r for r in compare(side(doc(1, blocks=few)), side(doc(2)), LIMITS).rows if r.what == "lie")
    assert (row.word, row.low, row.why) == ("inconclusive", None, "too few blocks for an interval")


def test_facts_are_equal_or_changed() -> None:
    said = {"fast": {"word": "honest", "says": "good"}, "slow": {"word": "costly", "says": "bad"}}
    stored = case(kind="fact", quantity="way", words=said, arms=[arm("a", promised=True)])

    def of(n: int, value: object) -> dict[str, Any]:
        return doc(n, stored=stored, blocks=[block(0, {"a": rep({}, facts={"way": value})})])

    found = {
        pair: compare(side(of(1, pair[0])), side(of(2, pair[1])), LIMITS).rows[0].word
        for pair in (("fast", "fast"), ("fast", "slow"), ("slow", "fast"), ("fast", "new"), ("new", "newer"))
    }
    assert list(found.values()) == ["same", "worse", "better", "inconclusive", "inconclusive"]
    assert compare(side(of(1, True)), side(of(2, False)), LIMITS).rows[0].why == "true before, false now"


def test_a_reading_is_compared_in_its_unit_and_by_its_size() -> None:
    def of(n: int, at: float, **more: Any) -> dict[str, Any]:
        rng = random.Random(n)
        return doc(n, stored=reading(**more), blocks=windows([at + rng.gauss(0, 0.05) for _ in range(24)]))

    row = compare(side(of(1, 0.0)), side(of(2, 5.0)), LIMITS).rows[0]
    assert (row.word, row.unit) == ("worse", "ppm")
    assert row.value == pytest.approx(5, abs=0.1)
    target = compare(side(of(1, -5.0, better="target")), side(of(2, 5.0, better="target")), LIMITS).rows[0]
    assert target.word == "same"
    assert target.value == pytest.approx(0, abs=0.1)


def ar1(rng: np.random.Generator, n: int, sd: float, rho: float = 0.5) -> list[float]:
    x = [float(rng.normal(0, sd))]
    for _ in range(n - 1):
        x.append(rho * x[-1] + math.sqrt(1 - rho * rho) * float(rng.normal(0, sd)))
    return x


def sessions(rng: np.random.Generator, n: int, shift: float = 0.0) -> tuple[list[RunMetrics], list[RunMetrics]]:
    """Ten and one runs of ``n`` metrics, each with noise from session to session; the last is moved in the first."""
    keys = [key(name=f"c{i}") for i in range(n)]
    rows = np.array([ar1(rng, 11, 0.03) for _ in keys])
    rows[0, 10] += shift
    made = [run(i, dict(zip(keys, rows[:, i].tolist(), strict=True))) for i in range(11)]
    return made[:10], made[10:]


def test_one_run_against_ten_of_the_past() -> None:
    """Sessions that differ by 3 % and resemble the one before: few false alarms, and +20 % is found."""
    rng, count = np.random.default_rng(8), 300
    still = [compare(*sessions(rng, 8), LIMITS) for _ in range(count)]
    for word in (Outcome.WORSE, Outcome.BETTER):
        false = sum(any(r.word == word for r in found.rows) for found in still)
        assert false <= binom.ppf(0.999, count, 0.025), word
    found = [compare(*sessions(rng, 8, math.log(1.2)), LIMITS).rows[0].word for _ in range(100)]
    assert found.count("worse") >= 80


def test_the_number_of_metrics_is_paid_for() -> None:
    """Holm: what is called worse alone is not in the company of forty others."""
    rng = np.random.default_rng(1)
    edge = next(
        value for value in np.arange(0.06, 0.3, 0.002)
        if compare(runs(ar1(rng, 10, 0.03)), runs([float(value)], start=20), LIMITS).rows[0].word == "worse"
    )  # fmt: skip
    base = ar1(np.random.default_rng(2), 10, 0.03)
    alone = next(
        v for v in np.arange(0.02, 0.4, 0.001)
        if compare(runs(base), runs([float(v)], start=20), LIMITS).rows[0].word == "worse"
    )  # fmt: skip
    others = [key(name=f"d{i}") for i in range(40)]
    first = [run(i, {LIE_KEY: v} | {k: rng.normal(0, 0.03) for k in others}) for i, v in enumerate(base)]
    second = [run(20, {LIE_KEY: float(alone)} | dict.fromkeys(others, 0.0))]
    row = next(r for r in compare(first, second, LIMITS).rows if r.what == "lie")
    assert edge > 0
    assert row.word == "inconclusive"


def test_equal_to_the_last_digit_is_same_and_any_step_beyond_the_limit_is_not() -> None:
    def exact(values: list[float], start: int) -> list[RunMetrics]:
        return [
            replace(m, values={k: replace(v, half=0.0) for k, v in m.values.items()}) for m in runs(values, start=start)
        ]

    assert compare(exact([1.0] * 5, 0), exact([1.0] * 5, 9), LIMITS).rows[0].word == "same"
    assert compare(exact([1.0] * 5, 0), exact([1.1] * 5, 9), LIMITS).rows[0].word == "worse"


def test_neighbours_that_resemble_each_other_are_merged() -> None:
    rng = np.random.default_rng(1)
    free = rng.normal(0, 1, 96).tolist()
    assert independent(free) == (free, True)
    values, alone = independent(ar1(rng, 96, 1.0, 0.8))
    assert alone
    assert len(values) < 96
    assert independent(np.linspace(0, 1, 24).tolist())[1] is False, "what only drifts has a span, no interval"


def test_runs_are_read_in_the_terms_of_their_case() -> None:
    found = run_metrics(doc(1, a=100, b=150)).values
    assert math.exp(found[Key("p", "c", "b", "lie")].value) == pytest.approx(1.5, rel=0.01)
    rate = run_metrics(doc(1, stored=case(better="higher"), a=100, b=150)).values
    assert math.exp(-rate[Key("p", "c", "b", "level")].value) == pytest.approx(150, rel=0.01)
    assert math.exp(rate[Key("p", "c", "b", "lie")].value) == pytest.approx(1 / 1.5, rel=0.01)
    rig = run_metrics(doc(1, stored=case(subject="rig"))).values
    assert rig == {}, "a rig of ours says nothing about this host"
    assert Key("p", "c", "", FACT) not in found
