"""The numbers of liebench.stats against scipy as oracle, and their properties for any values."""

import math
import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as oracle

from liebench.contract import Word
from liebench.judge.rule import decide
from liebench.stats import intervals, trend
from liebench.stats.intervals import signed_rank_interval

settings.register_profile("fixed", derandomize=True, max_examples=80, deadline=None)
settings.load_profile("fixed")

values = st.lists(st.floats(-1e3, 1e3, allow_nan=False), min_size=1, max_size=30)


def normal(n: int, shift: float = 0.3, seed: int = 1) -> list[float]:
    return [float(v) for v in np.random.default_rng([n, seed]).standard_normal(n) + shift]


@pytest.mark.parametrize("n", [1, 2, 5, 9, 12, 24, 48])
def test_p_equals_the_exact_wilcoxon_of_scipy(n: int) -> None:
    for seed in range(5):
        x = normal(n, seed=seed)
        expected = oracle.wilcoxon(x, alternative="greater", method="exact").pvalue
        assert intervals.p_greater(x) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n", [6, 9, 12, 13, 24, 48])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 4, 0.05 / 8])
def test_interval_is_the_inverted_test_of_scipy(n: int, alpha: float) -> None:
    """Just inside the interval a shift cannot be refused, just outside it is."""
    x = normal(n)
    found = signed_rank_interval(x, alpha)
    if math.isinf(found.low):
        assert 2 * 0.5**n > alpha
        return
    for edge, inward in ((found.low, 1e-9), (found.high, -1e-9)):
        inside = oracle.wilcoxon(np.array(x) - edge - inward, method="exact").pvalue
        outside = oracle.wilcoxon(np.array(x) - edge + inward, method="exact").pvalue
        assert outside <= alpha < inside


@pytest.mark.parametrize("n", [3, 10, 50])
def test_null_distribution_is_that_of_scipy(n: int) -> None:
    counts = intervals._lower_half(n)
    pmf = np.diff([0, *counts]) / 2.0**n
    brute = np.array([1.0])
    for rank in range(1, n + 1):
        brute = (np.append(brute, np.zeros(rank)) + np.append(np.zeros(rank), brute)) / 2
    assert np.allclose(pmf, brute[: len(pmf)], rtol=1e-12)


def test_normal_approximation_joins_the_exact_values() -> None:
    for alpha in (0.05, 0.00625):
        exact, above = intervals.critical(200, alpha), intervals.critical(201, alpha)
        assert 0.005 < (above - exact) / exact < 0.02
    x = normal(220, shift=0.05)
    expected = oracle.wilcoxon(x, alternative="greater", method="approx", correction=True).pvalue
    assert intervals.p_greater(x) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("n", [200, 220])
def test_interval_of_many_values_holds_the_center(n: int) -> None:
    found = signed_rank_interval(normal(n, shift=0.0))
    assert found.low < 0 < found.high
    assert found.half == pytest.approx(1.96 * math.sqrt(math.pi / 3 / n), rel=0.15)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (3, 480), (0, 2000), (17, 40), (999, 1000)])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_binomial_interval_is_that_of_scipy(k: int, n: int, alpha: float) -> None:
    expected = oracle.binomtest(k, n).proportion_ci(1 - alpha, "exact")
    found = intervals.binomial_interval(k, n, alpha)
    assert found.low == pytest.approx(expected.low, rel=1e-9, abs=1e-14)
    assert found.high == pytest.approx(expected.high, rel=1e-9)


def test_binomial_interval_of_a_rare_event_is_exact() -> None:
    """k = 1 has a closed form: the low end solves (1 - p)^n = 1 - alpha / 2."""
    n = 100_000
    assert intervals.binomial_interval(1, n).low == pytest.approx(-math.expm1(math.log(0.975) / n), rel=1e-8)


def test_binomial_interval_refuses_what_is_no_share() -> None:
    with pytest.raises(ValueError, match="not a share"):
        intervals.binomial_interval(3, 2)
    assert intervals.binomial_interval(0, 0).high == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_that_of_scipy_like_adjustment(ps: list[float]) -> None:
    order = sorted(range(len(ps)), key=ps.__getitem__)
    adjusted = np.maximum.accumulate([(len(ps) - i) * ps[j] for i, j in enumerate(order)])
    expected = {j for j, p in zip(order, adjusted, strict=True) if p <= 0.05}
    got = {i for i, fallen in enumerate(intervals.holm(ps, 0.05)) if fallen}
    # A p that is equal to its limit up to rounding may go either way.
    assert all(math.isclose(adjusted[order.index(j)], 0.05, rel_tol=1e-9) for j in expected ^ got)


@pytest.mark.parametrize("n", [5, 12, 40])
def test_trend_and_slopes_are_those_of_scipy(n: int) -> None:
    x = normal(n)
    assert trend.theil_sen(x) == pytest.approx(oracle.theilslopes(x).slope)
    line = oracle.linregress(range(n), x)
    assert trend.slope(range(n), x) == pytest.approx((line.slope, line.intercept))
    assert trend.kendall_p(x) == pytest.approx(oracle.kendalltau(range(n), x, method="exact").pvalue, abs=0.08)
    assert trend.kendall_p([float(i) for i in range(n)]) < (0.06 if n == 5 else 1e-4)


def test_lag1_of_known_series() -> None:
    assert trend.lag1([1.0, -1.0] * 50) == pytest.approx(-0.99)
    assert trend.lag1([float(i) for i in range(100)]) > 0.9
    assert trend.lag1([2.0] * 10) == 0.0


def test_a_line_needs_two_places() -> None:
    with pytest.raises(ValueError, match="two different places"):
        trend.slope([1, 1], [1, 2])
    with pytest.raises(ValueError, match="two points"):
        trend.slope([1], [1])


@given(values, st.floats(0, 1))
def test_quantile_is_that_of_numpy(x: list[float], q: float) -> None:
    assert intervals.quantile(x, q) == pytest.approx(float(np.quantile(x, q)), abs=1e-9)


@given(values, st.floats(0.01, 100), st.floats(-100, 100))
def test_interval_moves_with_its_values(x: list[float], scale: float, shift: float) -> None:
    before, after = signed_rank_interval(x), signed_rank_interval([scale * v + shift for v in x])
    for a, b in ((before.estimate, after.estimate), (before.low, after.low), (before.high, after.high)):
        assert b == pytest.approx(scale * a + shift, rel=1e-6, abs=1e-6)


@given(values)
def test_swapped_arms_mirror_the_interval(x: list[float]) -> None:
    one, other = signed_rank_interval(x), signed_rank_interval([-v for v in x])
    assert (other.estimate, other.low, other.high) == (-one.estimate, -one.high, -one.low)


@given(values, st.randoms())
def test_order_of_values_changes_nothing(x: list[float], dice: random.Random) -> None:
    shuffled = list(x)
    dice.shuffle(shuffled)
    assert signed_rank_interval(shuffled) == signed_rank_interval(x)


def test_without_values_nothing_is_known() -> None:
    empty = signed_rank_interval([])
    assert math.isnan(empty.estimate)
    assert (empty.low, empty.high, empty.n) == (-math.inf, math.inf, 0)
    made = decide([], [], math.log(1.05), math.log(1.20), 0.05)
    assert (made.word, made.at_least, made.at_most) == (Word.INCONCLUSIVE, Word.HELPFUL, Word.COSTLY)
    assert intervals.p_greater([]) == 1.0


def test_a_look_at_96_blocks_costs_no_repetition() -> None:
    """Work, not time: the count of additions behind one interval stays that of all pairs."""
    assert len(intervals.walsh_sums(normal(96))) == 96 * 97 // 2
    start = time.process_time()
    signed_rank_interval(normal(96), 0.00625)
    assert time.process_time() - start < 5  # a runaway, not a benchmark
