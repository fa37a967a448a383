"""Runs over time: where the next is expected, what a change point is, and gates by stored runs."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.stats import binom

from liebench.compare.baseline import Baseline
from liebench.compare.history import band_of, change_points, line_of, lines_of
from liebench.compare.metrics import RunMetrics, Value
from liebench.errors import NotComparable
from liebench.gate.policy import Policy, parse_policy
from liebench.gate.stored import FEWEST_FLEET, fleet_table, history_table, trend_table
from liebench.judge.rows import Table

from tests.helpers.many_runs import LIE_KEY, key, run, runs
from tests.helpers.run_documents import built, case

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STEP = math.log(1.05)
POINTS, SERIES = 60, 60


def ar1(rng: np.random.Generator, n: int, sd: float, keep: float) -> list[float]:
    x = [float(rng.normal(0, sd))]
    for _ in range(n - 1):
        x.append(keep * x[-1] + math.sqrt(1 - keep * keep) * float(rng.normal(0, sd)))
    return x


def outliers(rng: np.random.Generator, n: int) -> list[float]:
    spikes = np.where(rng.random(n) < 0.05, math.log(1.3), 0.0)
    return [float(v) for v in rng.normal(0, 0.02, n) + spikes]


def test_a_series_without_a_change_has_no_change_point() -> None:
    rng = np.random.default_rng(1)
    kinds: dict[str, Callable[[], list[float]]] = {
        "iid": lambda: ar1(rng, POINTS, 0.02, 0.0),
        "resembling": lambda: ar1(rng, POINTS, 0.02, 0.5),
        "outliers": lambda: outliers(rng, POINTS),
    }
    for name, make in kinds.items():
        false = sum(bool(change_points(make(), STEP)) for _ in range(SERIES))
        assert false <= binom.ppf(0.999, SERIES, 0.05), name
    of_any_size = sum(bool(change_points(ar1(rng, POINTS, 0.02, 0.0), 0.0)) for _ in range(SERIES))
    assert of_any_size <= binom.ppf(0.999, SERIES, 0.01), "the permutations alone hold their 1 %"


@pytest.mark.parametrize("at", [15, 30, 45])
def test_a_step_is_found_where_it_is(at: int) -> None:
    rng, hits = np.random.default_rng(at), 0
    for _ in range(SERIES):
        x = rng.normal(0, 0.02, POINTS)
        x[at:] += math.log(1.1)
        hits += any(abs(i - at) <= 2 for i in change_points(x.tolist(), STEP))
    assert hits >= binom.ppf(0.001, SERIES, 0.95)


def test_two_steps_are_two_and_a_small_one_is_none() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(0, 0.005, 90)
    x[30:] += 0.1
    x[60:] += 0.1
    found = change_points(x.tolist(), STEP)
    assert [abs(a - b) <= 1 for a, b in zip(found, (30, 60), strict=True)] == [True, True]
    assert change_points((x / 4).tolist(), STEP) == []
    assert change_points(x[:29].tolist(), STEP) == [], "too few for a trend"
    assert change_points([1.0] * 40, STEP) == []


@pytest.mark.parametrize("n", [3, 5, 10, 30])
def test_the_band_holds_the_next_run(n: int) -> None:
    rng, count, held = np.random.default_rng(n), 1500, 0
    for row in rng.normal(0, 0.03, (count, n + 1)):
        low, high = band_of(row[:n].tolist(), [0.001] * n) or (0.0, 0.0)
        held += low <= row[n] <= high
    assert 0.93 <= held / count <= 0.985


def test_the_band_is_never_narrower_than_the_runs_own_doubt() -> None:
    narrow, wide = (band_of([0.0, 0.001, -0.001, 0.0], [half] * 4) for half in (0.0, 0.1))
    assert narrow is not None
    assert wide is not None
    assert wide[1] > 0.1 > narrow[1]
    assert band_of([1.0, 2.0], [0.0, 0.0]) is None
    assert band_of([1.0, 1.0, 1.0], [math.inf] * 3) == (1.0, 1.0), "an unknown doubt is no doubt of a size"


def test_a_line_says_what_changed_beside_it() -> None:
    past = runs([0.0] * 4)
    past[2] = replace(past[2], config="other")
    past[3] = replace(past[3], config="other", core="2", works={("p", "c"): "other"})
    line = line_of(LIE_KEY, [*past, run(9, {key(name="d"): 0.0})], STEP)
    assert len(line.points) == 4
    assert line.marks == [(2, "configuration"), (3, "core and work")]
    assert [ln.key for ln in lines_of("p", past, STEP)] == [LIE_KEY]
    assert lines_of("q", past, STEP) == []


def baseline(values: list[float], anchor: list[float] | None = None) -> Baseline:
    now = runs(values)
    return Baseline("b", now, now if anchor is None else runs(anchor, start=500), NOW, NOW + timedelta(days=30))


def noise(n: int, seed: int = 1, center: float = 0.0) -> list[float]:
    return [float(v) for v in np.random.default_rng(seed).normal(center, 0.01, n)]


def words(table: Table) -> list[str]:
    return [r.word for r in table.rows]


@pytest.mark.parametrize(("at", "word", "code"), [(0.0, "same", 0), (0.2, "worse", 1), (-0.2, "better", 0)])
def test_a_new_run_against_its_past(at: float, word: str, code: int) -> None:
    table = history_table(baseline(noise(20)), run(99, {LIE_KEY: at}), Policy())
    assert (words(table), table.exit) == ([word], code)


def test_fewer_than_ten_are_inconclusive_by_construction() -> None:
    table = history_table(baseline(noise(9)), run(99, {LIE_KEY: 0.5}), Policy())
    assert (words(table), table.exit) == (["inconclusive"], 3)
    assert "10 are needed" in table.rows[0].why


def test_small_losses_add_up_against_the_anchor() -> None:
    crept = baseline(noise(10, center=0.2), anchor=noise(10))
    table = history_table(crept, run(99, {LIE_KEY: 0.2}), Policy())
    assert (words(table), table.exit) == (["worse"], 1)
    assert "worse than the anchor" in table.rows[0].why


def test_an_anchor_of_few_runs_proves_nothing_and_says_so() -> None:
    table = history_table(baseline(noise(10), anchor=[-1.0]), run(99, {LIE_KEY: 0.0}), Policy())
    assert (words(table), table.exit) == (["same"], 0)
    assert "the anchor holds 1 runs" in table.notes[0]


def test_an_anchor_that_cannot_be_compared_is_said() -> None:
    old = baseline(noise(10))
    gone = replace(old, anchor=runs(noise(10), key(name="other"), start=500))
    table = history_table(gone, run(99, {LIE_KEY: 0.0}), Policy())
    assert table.exit == 0
    assert table.notes[0].startswith("the anchor says nothing any more")


def test_what_is_gone_or_became_other_work_is_not_green() -> None:
    both = [run(i, {LIE_KEY: v, key(name="d"): v}) for i, v in enumerate(noise(10))]
    old = Baseline("b", both, both, NOW, NOW)
    after = run(99, {LIE_KEY: 0.0})
    assert history_table(old, after, Policy()).exit == 4
    assert history_table(old, after, parse_policy("[levels]\n'p/d' = 'warn'", "f")).exit == 0
    other = {("p", "d"): built(case(quantity="us"), "d")}
    changed = run(99, {LIE_KEY: 0.0, key(name="d"): 0.0}, cases=other)
    table = history_table(old, changed, Policy())
    assert table.exit == 4
    assert "the work differs" in str(table.failed)
    new = run(99, {LIE_KEY: 0.0, key(name="d"): 0.0, key(name="new"): 0.0})
    assert history_table(old, new, Policy()).exit == 0, "a number that is new is no loss"


def test_a_preview_fails_no_stored_gate() -> None:
    after = run(99, {LIE_KEY: 0.5}, previews=frozenset({"p"}))
    table = history_table(baseline(noise(10)), after, Policy())
    assert (words(table), table.exit, table.rows[0].level) == (["worse"], 0, "warn")


def test_another_hosts_baseline_is_refused() -> None:
    with pytest.raises(NotComparable, match="another host"):
        history_table(baseline(noise(10)), run(99, {LIE_KEY: 0.0}, host="x"), Policy())


def hosts(n: int, seed: int = 1) -> list[RunMetrics]:
    return [run(i, {LIE_KEY: v}, host=f"h{i}") for i, v in enumerate(noise(n, seed))]


def test_a_host_among_others_is_typical_or_an_outlier_and_never_a_regression() -> None:
    ours = run(99, {LIE_KEY: 0.0}, host="ours")
    assert words(fleet_table(hosts(FEWEST_FLEET), ours, Policy())) == ["same"]
    odd = fleet_table(hosts(FEWEST_FLEET), replace(ours, values={LIE_KEY: Value(0.5, 0.01, 12)}), Policy())
    assert (words(odd), odd.exit) == (["inconclusive"], 3)
    assert odd.rows[0].why.startswith("outlier")
    few = fleet_table(hosts(FEWEST_FLEET - 1), ours, Policy())
    assert "19 are needed" in few.rows[0].why
    old = [run(0, {LIE_KEY: 9.0}, host="h0"), *hosts(FEWEST_FLEET)]
    assert len({m.host for m in old}) == FEWEST_FLEET
    with pytest.raises(NotComparable, match="holds no lie"):
        fleet_table(hosts(20), run(99, {key(): 0.0}), Policy())


def test_a_trend_warns_and_never_fails() -> None:
    past = runs(noise(30) + noise(30, 2, 0.2))
    table = trend_table(past, Policy())
    assert (words(table), table.exit, table.rows[0].level) == (["worse"], 0, "warn")
    assert table.rows[0].value == pytest.approx(math.exp(0.2), rel=0.02)
    assert words(trend_table(runs(noise(60)), Policy())) == []
    with pytest.raises(NotComparable, match="needs 30 runs"):
        trend_table(past[:29], Policy())
    with pytest.raises(NotComparable, match="needs runs"):
        trend_table([], Policy())
