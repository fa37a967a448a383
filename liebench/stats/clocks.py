"""Readings of two clocks over time, reduced to rates and steps. Pure arithmetic, standard library only.

A tick is a pair (reference time, offset), both in ns: ``offset`` is clock minus reference at that moment.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from liebench.stats.trend import slope

STEP_FLOOR_NS = 1000.0  # a step below 1 us cannot be told from an interrupted bracket
STEP_MADS = 8.0


def slope_ppm(reference: Sequence[float], offset: Sequence[float]) -> float:
    """Rate of a clock against its reference in parts per million, by least squares over one window.

    The window is one unit of replication; its own standard error is never used (simulated, an OLS
    interval covers the truth in 1-13 % of cases under wander). Raises ValueError below two distinct ticks.
    """
    # Differences first: absolute times of 1e18 ns lose 128 ns in a double.
    x, y = ([float(v - values[0]) for v in values] for values in (reference, offset))
    return 1e6 * slope(x, y)[0]


def steps(reference: Sequence[float], offset: Sequence[float]) -> list[tuple[float, float]]:
    """Steps of a clock against its reference: (reference time, size) in ns, in time order.

    Between two ticks a clock may run at another rate (the median rate of all pairs is taken off); what remains is
    a step where it exceeds 1 us and eight median absolute deviations.
    """
    left = _residuals(reference, offset)
    limit = _limit(left)
    return [(reference[i + 1], value) for i, value in enumerate(left) if abs(value) > limit]


def residual_limit(reference: Sequence[float], offset: Sequence[float]) -> float:
    """The smallest step that would have been seen in this series, in ns: its detection limit."""
    return _limit(_residuals(reference, offset))


def _residuals(reference: Sequence[float], offset: Sequence[float]) -> list[float]:
    gaps = [b - a for a, b in itertools.pairwise(reference)]
    moves = [b - a for a, b in itertools.pairwise(offset)]
    rates = [m / g for g, m in zip(gaps, moves, strict=True) if g > 0]
    rate = median(rates) if rates else 0.0
    return [m - rate * g for g, m in zip(gaps, moves, strict=True)]


def _limit(residuals: Sequence[float]) -> float:
    if not residuals:
        return STEP_FLOOR_NS
    middle = median(residuals)
    return max(STEP_FLOOR_NS, STEP_MADS * median(abs(r - middle) for r in residuals))


@dataclass(frozen=True, slots=True)
class Ticks:
    """One window of a watcher's answers (``liebench-core clock-watch``), oldest first.

    ``answers_ns``: how long each answer took as the caller saw it. Neighbouring windows share their edge tick, so
    that nothing between them is lost.
    """

    ticks: Sequence[Mapping[str, Any]]
    answers_ns: Sequence[int]

    def pair(self, clock: str, reference: str) -> tuple[list[int], list[int], list[int]]:
        """Reference times, offsets (clock minus reference) and bracket widths, in ns, one per tick.

        Every clock was read inside its own bracket of RAW reads; two clocks are compared through their offsets
        from RAW, so the time between their reads does not count.
        """
        at, offset, width = [], [], []
        for tick in self.ticks:
            one = self._offset(tick, clock)
            other = self._offset(tick, reference)
            at.append(one[0] if clock != "raw" else other[0])
            offset.append(one[1] - other[1])
            width.append(one[2] + other[2])
        return at, offset, width

    @staticmethod
    def _offset(tick: Mapping[str, Any], clock: str) -> tuple[int, int, int]:
        if clock == "raw":
            return int(tick["raw_ns"]), 0, 0
        read = tick["clocks"][clock]
        return int(read["raw_ns"]), int(read["ns"]) - int(read["raw_ns"]), int(read["width_ns"])

    def total(self, field: str) -> int:
        """Sum of a counting field over the ticks of the window, its first (shared) tick excepted."""
        return sum(int(t.get(field) or 0) for t in self.ticks[1:])
