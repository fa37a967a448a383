"""The numbers of liebench.stats against scipy as oracle, and their properties for any values."""

import ast
import math
import random
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as oracle

from liebench.contract import Rhythm, Word
from liebench.judge.rule import decide, region
from liebench.stats import intervals as stats
from liebench.stats import trend as series
from liebench.stats.intervals import Interval, signed_rank_interval

settings.register_profile("fixed", derandomize=True, max_examples=80, deadline=None)
settings.load_profile("fixed")

B, H = math.log(1.05), math.log(1.20)
values = st.lists(st.floats(-1e3, 1e3, allow_nan=False), min_size=1, max_size=30)


def normal(n: int, shift: float = 0.3, seed: int = 1) -> list[float]:
    return [float(v) for v in np.random.default_rng([n, seed]).standard_normal(n) + shift]


@pytest.mark.parametrize("n", [1, 2, 5, 9, 12, 24, 48])
def test_p_equals_the_exact_wilcoxon_of_scipy(n: int) -> None:
    for seed in range(5):
        x = normal(n, seed=seed)
        expected = oracle.wilcoxon(x, alternative="greater", method="exact").pvalue
        assert stats.p_greater(x) == pytest.approx(expected, rel=1e-9)


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
    counts = stats._lower_half(n)
    pmf = np.diff([0, *counts]) / 2.0**n
    brute = np.array([1.0])
    for rank in range(1, n + 1):
        brute = (np.append(brute, np.zeros(rank)) + np.append(np.zeros(rank), brute)) / 2
    assert np.allclose(pmf, brute[: len(pmf)], rtol=1e-12)


def test_normal_approximation_joins_the_exact_values() -> None:
    for alpha in (0.05, 0.00625):
        exact, above = stats.critical(200, alpha), stats.critical(201, alpha)
        assert 0.005 < (above - exact) / exact < 0.02
    x = normal(220, shift=0.05)
    expected = oracle.wilcoxon(x, alternative="greater", method="approx", correction=True).pvalue
    assert stats.p_greater(x) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("n", [200, 220])
def test_interval_of_many_values_holds_the_center(n: int) -> None:
    found = signed_rank_interval(normal(n, shift=0.0))
    assert found.low < 0 < found.high
    assert found.half == pytest.approx(1.96 * math.sqrt(math.pi / 3 / n), rel=0.15)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (3, 480), (0, 2000), (17, 40), (999, 1000)])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_binomial_interval_is_that_of_scipy(k: int, n: int, alpha: float) -> None:
    expected = oracle.binomtest(k, n).proportion_ci(1 - alpha, "exact")
    found = stats.binomial_interval(k, n, alpha)
    assert found.low == pytest.approx(expected.low, rel=1e-9, abs=1e-14)
    assert found.high == pytest.approx(expected.high, rel=1e-9)


def test_binomial_interval_of_a_rare_event_is_exact() -> None:
    """k = 1 has a closed form: the low end solves (1 - p)^n = 1 - alpha / 2."""
    n = 100_000
    assert stats.binomial_interval(1, n).low == pytest.approx(-math.expm1(math.log(0.975) / n), rel=1e-8)


def test_binomial_interval_refuses_what_is_no_share() -> None:
    with pytest.raises(ValueError, match="not a share"):
        stats.binomial_interval(3, 2)
    assert stats.binomial_interval(0, 0).high == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_that_of_scipy_like_adjustment(ps: list[float]) -> None:
    order = sorted(range(len(ps)), key=ps.__getitem__)
    adjusted = np.maximum.accumulate([(len(ps) - i) * ps[j] for i, j in enumerate(order)])
    expected = {j for j, p in zip(order, adjusted, strict=True) if p <= 0.05}
    got = {i for i, fallen in enumerate(stats.holm(ps, 0.05)) if fallen}
    # A p that is equal to its limit up to rounding may go either way.
    assert all(math.isclose(adjusted[order.index(j)], 0.05, rel_tol=1e-9) for j in expected ^ got)


@pytest.mark.parametrize("n", [5, 12, 40])
def test_trend_and_slopes_are_those_of_scipy(n: int) -> None:
    x = normal(n)
    assert series.theil_sen(x) == pytest.approx(oracle.theilslopes(x).slope)
    line = oracle.linregress(range(n), x)
    assert series.slope(range(n), x) == pytest.approx((line.slope, line.intercept))
    assert series.kendall_p(x) == pytest.approx(oracle.kendalltau(range(n), x, method="exact").pvalue, abs=0.08)
    assert series.kendall_p([float(i) for i in range(n)]) < (0.06 if n == 5 else 1e-4)


def test_lag1_of_known_series() -> None:
    assert series.lag1([1.0, -1.0] * 50) == pytest.approx(-0.99)
    assert series.lag1([float(i) for i in range(100)]) > 0.9
    assert series.lag1([2.0] * 10) == 0.0


def test_a_line_needs_two_places() -> None:
    with pytest.raises(ValueError, match="two different places"):
        series.slope([1, 1], [1, 2])
    with pytest.raises(ValueError, match="two points"):
        series.slope([1], [1])


@given(values, st.floats(0, 1))
def test_quantile_is_that_of_numpy(x: list[float], q: float) -> None:
    assert stats.quantile(x, q) == pytest.approx(float(np.quantile(x, q)), abs=1e-9)


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


@given(st.lists(st.floats(-0.5, 0.5), min_size=12, max_size=24))
def test_swapped_arms_mirror_the_word(x: list[float]) -> None:
    one = decide(x, (), B, H, stats.look_alpha)
    other = decide([-v for v in x], (), B, H, stats.look_alpha)
    assert (one.word is Word.HONEST) == (other.word is Word.HONEST)
    assert (one.at_least in (Word.HARMLESS, Word.COSTLY)) == (other.word is Word.HELPFUL)


@given(st.floats(-1, 1), st.floats(0, 1), st.booleans())
def test_a_wider_interval_never_proves_more(low: float, width: float, target: bool) -> None:
    word, at_least, at_most = region(low, low + width, B, H, target)
    wide = region(low - 0.1, low + width + 0.1, B, H, target)
    assert wide[0] in (None, word)
    order = stats.ORDER.index
    if not target:
        assert order(wide[1]) <= order(at_least) <= order(at_most) <= order(wide[2])
    if target:
        assert at_least is not Word.HELPFUL


@pytest.mark.parametrize(
    ("low", "high", "target", "expected"),
    [
        (-0.2, -0.1, False, (Word.HELPFUL, Word.HELPFUL, Word.HELPFUL)),
        (-B, B, False, (Word.HONEST, Word.HONEST, Word.HONEST)),
        (0.06, 0.18, False, (Word.HARMLESS, Word.HARMLESS, Word.HARMLESS)),
        (0.2, 9.0, False, (Word.COSTLY, Word.COSTLY, Word.COSTLY)),
        (0.06, 0.2, False, (None, Word.HARMLESS, Word.COSTLY)),
        (-math.inf, math.inf, False, (None, Word.HELPFUL, Word.COSTLY)),
        (-0.03, 0.02, True, (Word.HONEST, Word.HONEST, Word.HONEST)),
        (-0.2, 0.02, True, (None, Word.HONEST, Word.COSTLY)),
    ],
)
def test_regions(low: float, high: float, target: bool, expected: tuple[Word | None, Word, Word]) -> None:
    assert region(low, high, B, H, target) == expected


def test_worse_of_two_takes_the_higher_of_both_bounds() -> None:
    location, cost = normal(24, shift=0.0), [v + 5 for v in normal(24, shift=0.0, seed=2)]
    made = decide(location, cost, B, H, 0.0125)
    a, b = signed_rank_interval(location, 0.00625), signed_rank_interval(cost, 0.00625)
    assert (made.low, made.high) == (max(a.low, b.low), max(a.high, b.high))
    assert made.statistic == "mean"
    assert made.word is Word.COSTLY


def test_the_median_is_shown_where_the_mean_changes_nothing() -> None:
    x = [0.001 * v for v in normal(12, shift=0.0)]
    made = decide(x, [v + 0.0001 for v in x], B, H, 0.0125)
    assert (made.word, made.statistic) == (Word.HONEST, "median")


def test_the_shown_estimate_lies_in_the_interval() -> None:
    rng = np.random.default_rng(4)
    for _ in range(300):
        location, cost = rng.normal(rng.normal(0, 0.1), 0.1, (2, 12)) + rng.normal(0, 0.1, (2, 1))
        made = decide(location.tolist(), cost.tolist(), B, H, 0.05, target=bool(rng.random() < 0.5))
        assert made.low <= made.estimate <= made.high


def test_one_statistic_keeps_all_of_alpha() -> None:
    x = normal(12)
    assert decide(x, x, B, H, 0.0125).low == signed_rank_interval(x, 0.0125).low
    assert decide(x, (), B, H, 0.0125).cost is None


def test_a_deviation_to_either_side_is_worse_for_a_target() -> None:
    x = [v - 8 for v in normal(12)]
    made = decide(x, (), 1.0, 2.0, 0.0125, target=True)
    assert made.word is Word.COSTLY
    assert made.location.high < 0 < made.low
    assert Interval(-1.0, -3.0, 2.0, 5).magnitude() == Interval(1.0, 0.0, 3.0, 5)


def test_stop_reasons() -> None:
    honest = decide([0.0] * 12, (), B, H, 0.0125)
    assert stats.stop_reason(honest, 12, stats.LOOKS, 0.02) == "decided"
    near = decide([B + 0.001 * (i - 6) for i in range(12)], (), B, H, 0.0125)
    assert stats.stop_reason(near, 12, stats.LOOKS, 0.02) == "narrow"
    wide = decide([B + 0.1 * (i - 6) for i in range(12)], (), B, H, 0.0125)
    assert stats.stop_reason(wide, 12, stats.LOOKS, 0.02) == "continue"
    assert stats.stop_reason(wide, 96, stats.LOOKS, 0.02) == "last"


@pytest.mark.parametrize("rhythm", list(Rhythm))
def test_the_first_look_of_every_rhythm_can_decide(rhythm: Rhythm) -> None:
    looks, alpha = stats.schedule(rhythm)
    share = alpha if rhythm is Rhythm.ONCE else alpha / 2  # `once` has a single statistic
    assert stats.critical(looks[0], share) > 0
    assert alpha * len(looks) == pytest.approx(0.05)


def test_without_values_nothing_is_known() -> None:
    empty = signed_rank_interval([])
    assert math.isnan(empty.estimate)
    assert (empty.low, empty.high, empty.n) == (-math.inf, math.inf, 0)
    made = decide([], [], B, H, 0.05)
    assert (made.word, made.at_least, made.at_most) == (Word.INCONCLUSIVE, Word.HELPFUL, Word.COSTLY)
    assert stats.p_greater([]) == 1.0


def test_a_look_at_96_blocks_costs_no_repetition() -> None:
    """Work, not time: the count of additions behind one interval stays that of all pairs."""
    assert len(stats.walsh_sums(normal(96))) == 96 * 97 // 2
    start = time.process_time()
    signed_rank_interval(normal(96), 0.00625)
    assert time.process_time() - start < 5  # a runaway, not a benchmark


PURE = (
    *("stats", "series", "document", "effects", "readings", "controls", "verdicts", "judge", "verify", "bill"),
    *("family", "gate", "gate_table", "policy", "rows", "words"),
)
ALLOWED = {
    "__future__", "bisect", "collections", "dataclasses", "enum", "fractions", "functools", "itertools", "math",
    "random", "re", "statistics", "tomllib", "typing",
}  # fmt: skip


@pytest.mark.parametrize("name", PURE)
def test_the_judging_half_imports_nothing_that_touches(name: str) -> None:
    path = Path(stats.__file__).parent / f"{name}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    ours = {"contract", "errors", *PURE}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        else:
            continue
        for module in modules:
            first, _, rest = module.partition(".")
            assert first in ALLOWED or (first == "liebench" and rest in ours), f"{name} imports {module}"
