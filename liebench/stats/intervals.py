"""Intervals: exact, small, standard library only. Pure numbers in, numbers out.

Effects are on one scale per case: a log cost ratio or a difference in the unit of a reading; higher is worse.
The interval is Hodges-Lehmann with the exact null distribution of Wilcoxon's signed rank (Hollander, Wolfe and
Chicken, Nonparametric Statistical Methods, 3.1-3.3). Under a coin per block it holds for any noise, because
swapping the two arms of a block only flips the sign of its effect.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from statistics import NormalDist

ALPHA = 0.05  # two-sided, per case and arm
EXACT_UP_TO = 200  # above, the normal approximation of the rank distribution errs by less than 0.1 % of alpha
INFINITY = math.inf


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its two-sided interval on the effect scale, from ``n`` values; NaN for no value at all."""

    estimate: float
    low: float
    high: float
    n: int

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2

    def magnitude(self) -> Interval:
        """The same statement about the absolute value; an interval that holds 0 starts at 0."""
        far = max(abs(self.low), abs(self.high))
        near = 0.0 if self.low <= 0.0 <= self.high else min(abs(self.low), abs(self.high))
        return Interval(abs(self.estimate), near, far, self.n)


@lru_cache(maxsize=256)
def _lower_half(n: int) -> tuple[int, ...]:
    """Number of sign patterns with rank sum <= t, for t = 0 .. half of the maximum.

    The generating function prod(1 + x^k) is held in one integer, a field of whole bytes per power: each factor is
    a shift and an addition, so n = 200 takes milliseconds.
    """
    width = n // 8 + 1
    product = 1
    for rank in range(1, n + 1):
        product += product << (rank * width * 8)
    fields = n * (n + 1) // 4 + 1
    raw = product.to_bytes((n * (n + 1) // 2 + 1) * width, "little")
    total, out = 0, []
    for start in range(0, fields * width, width):
        total += int.from_bytes(raw[start : start + width], "little")
        out.append(total)
    return tuple(out)


@lru_cache(maxsize=4096)
def critical(n: int, alpha: float) -> int:
    """How many Walsh averages may be cut from each end: the largest c with P(T <= c - 1) <= alpha / 2; 0 for none."""
    if n > EXACT_UP_TO:
        spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        return max(0, math.floor(n * (n + 1) / 4 + NormalDist().inv_cdf(alpha / 2) * spread - 0.5) + 1)
    limit = math.floor(Fraction(alpha) / 2 * 2**n)
    counts = _lower_half(n)
    low, high = 0, len(counts)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if counts[middle] <= limit else (low, middle)
    return low


def walsh_sums(values: Sequence[float]) -> list[float]:
    """Sorted sums of all pairs, a value with itself included: twice the Walsh averages."""
    ordered = sorted(values)
    sums = [a + b for i, a in enumerate(ordered) for b in ordered[i:]]
    sums.sort()  # rows are ascending runs already, which this sort merges
    return sums


def _middle(sums: Sequence[float]) -> float:
    half = len(sums) // 2
    return sums[half] / 2 if len(sums) % 2 else (sums[half - 1] + sums[half]) / 4


def hodges_lehmann(values: Sequence[float]) -> float:
    """Median of the Walsh averages; NaN without values."""
    return _middle(walsh_sums(values)) if values else math.nan


def signed_rank_interval(values: Sequence[float], alpha: float = ALPHA) -> Interval:
    """Hodges-Lehmann estimate and the exact two-sided signed-rank interval; infinite where n is too small."""
    return _interval(walsh_sums(values), len(values), alpha)


def _interval(sums: Sequence[float], n: int, alpha: float) -> Interval:
    if not n:
        return Interval(math.nan, -INFINITY, INFINITY, 0)
    cut = critical(n, alpha)
    if not cut:
        return Interval(_middle(sums), -INFINITY, INFINITY, n)
    return Interval(_middle(sums), sums[cut - 1] / 2, sums[-cut] / 2, n)


def p_greater(values: Sequence[float], margin: float = 0.0) -> float:
    """Exact one-sided p of "the effect is at most ``margin``"; agrees with the interval: low > margin iff p <= alpha/2.

    The statistic counts the Walsh averages above the margin, so ties and zeros can only make it more careful.
    """
    sums = walsh_sums(values)
    return _p(len(sums) - bisect_right(sums, 2 * margin), len(values))


def both_sides(values: Sequence[float], alpha: float, margin: float) -> tuple[Interval, float, float]:
    """(interval, p of "at most ``margin``", p of "at least -``margin``"): the Walsh averages are made once for all."""
    sums, n = walsh_sums(values), len(values)
    above, below = len(sums) - bisect_right(sums, 2 * margin), bisect_left(sums, -2 * margin)
    return _interval(sums, n, alpha), _p(above, n), _p(below, n)


def _p(beyond: int, n: int) -> float:
    """p of so many Walsh averages beyond the margin, of ``n`` values."""
    if not n:
        return 1.0
    rest = n * (n + 1) // 2 - beyond  # P(T >= beyond) = P(T <= rest) by symmetry
    if n > EXACT_UP_TO:
        spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        return float(NormalDist().cdf((rest + 0.5 - n * (n + 1) / 4) / spread))
    counts = _lower_half(n)
    if rest < len(counts):
        return counts[rest] / (1 << n)
    return 1 - (counts[beyond - 1] / (1 << n) if beyond else 0.0)


def holm(ps: Sequence[float], alpha: float) -> list[bool]:
    """Which hypotheses of a family fall at family-wise level ``alpha`` (Holm 1979, step-down)."""
    fallen = [False] * len(ps)
    for step, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        if ps[index] > alpha / (len(ps) - step):
            break
        fallen[index] = True
    return fallen


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Continued fraction of the incomplete beta function by Lentz's method (Abramowitz and Stegun 26.5.8)."""
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    result = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / (1 + term * d or tiny)
            c = 1 + term / c or tiny
            result *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return result


def beta_cdf(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function I_x(a, b)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1) / (a + b + 2):
        return math.exp(front) * _beta_fraction(a, b, x) / a
    return 1 - math.exp(front) * _beta_fraction(b, a, 1 - x) / b


def _solve_beta(a: float, b: float, target: float) -> float:
    low, high = 0.0, 1.0
    while high - low > 1e-15 and low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if beta_cdf(a, b, middle) < target else (low, middle)
    return (low + high) / 2


def binomial_interval(k: int, n: int, alpha: float = ALPHA) -> Interval:
    """Exact (Clopper-Pearson 1934) interval of a share of which ``k`` in ``n`` were seen."""
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a share")
    if n == 0:
        return Interval(math.nan, 0.0, 1.0, 0)
    low = 0.0 if k == 0 else _solve_beta(k, n - k + 1, alpha / 2)
    high = 1.0 if k == n else _solve_beta(k + 1, n - k, 1 - alpha / 2)
    return Interval(k / n, low, high, n)


def quantile(values: Sequence[float], q: float) -> float:
    """Quantile with linear interpolation between order statistics (Hyndman and Fan's type 7)."""
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])
