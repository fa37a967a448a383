"""Values in time order: slopes, trend, and how much a value resembles the one before it. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist, median


def slope(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Least-squares line through one window or block: (slope, value at x = 0). ValueError below two distinct x."""
    if len(x) != len(y) or len(x) < 2:
        raise ValueError("a line needs at least two points")
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    spread = math.fsum((v - mean_x) ** 2 for v in x)
    if spread == 0:
        raise ValueError("a line needs two different places")
    rise = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread
    return rise, mean_y - rise * mean_x


def theil_sen(y: Sequence[float]) -> float:
    """Median slope per step of equally spaced values; 0 below two values."""
    n = len(y)
    return median((y[j] - y[i]) / (j - i) for i in range(n) for j in range(i + 1, n)) if n > 1 else 0.0


def kendall_p(values: Sequence[float]) -> float:
    """Two-sided p of Kendall's test for a trend, normal approximation with ties and continuity (Mann 1945)."""
    n = len(values)
    score = sum((b > a) - (b < a) for i, a in enumerate(values) for b in values[i + 1 :])
    ties: dict[float, int] = {}
    for value in values:
        ties[value] = ties.get(value, 0) + 1
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties.values())) / 18
    if variance <= 0:
        return 1.0
    return min(1.0, 2 * NormalDist().cdf(-max(0, abs(score) - 1) / math.sqrt(variance)))


def lag1(values: Sequence[float]) -> float:
    """Lag-1 autocorrelation; 0 where nothing varies."""
    if len(values) < 3:
        return 0.0
    mean = math.fsum(values) / len(values)
    off = [v - mean for v in values]
    total = math.fsum(v * v for v in off)
    return math.fsum(a * b for a, b in pairwise(off)) / total if total else 0.0
