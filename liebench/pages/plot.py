"""Numbers to pixels: axes, ticks, curves. Pure arithmetic; templates only draw what comes out of here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LOG_STEPS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
LINEAR_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Axis:
    """Values ``low``..``high`` on pixels ``start``..``end``; ``log`` spaces by ratio."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Pixel of a value, one decimal, clamped to the axis."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        if self.log:
            value = math.log(value) if value > 0 else low
        share = (value - low) / (high - low) if high > low else 0.5
        return round(self.start + min(1.0, max(0.0, share)) * (self.end - self.start), 1)

    def ticks(self, most: int = 7) -> list[float]:
        """Round values on the axis: at least three where that is possible, at most ``most``."""
        return log_ticks(self.low, self.high, most) if self.log else linear_ticks(self.low, self.high, most)


def log_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """1, 2, 5 series and its neighbours; below a factor of 1.5 a linear choice is the readable one."""
    if high / low < 1.5:
        return linear_ticks(low, high, most)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    best: list[float] = []
    for steps in LOG_STEPS:
        found = [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]
        if len(found) > most:
            break
        best = found
    return best if len(best) >= 3 else linear_ticks(low, high, most)


def linear_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten."""
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (s * p for p in (power, power * 10) for s in LINEAR_STEPS):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [n * step for n in range(first, last + 1)]
    return [low, high]


def widened(values: Sequence[float], log: bool, margin: float = 0.06) -> tuple[float, float]:
    """The range of the values with a little air; never empty."""
    low, high = min(values), max(values)
    if log:
        low, high = math.log(low), math.log(high)
    air = (high - low) * margin or (0.1 if log else abs(high) * 0.1 or 1.0)
    low, high = low - air, high + air
    return (math.exp(low), math.exp(high)) if log else (low, high)


def is_log(values: Sequence[float]) -> bool:
    """A log axis where everything is positive and spans a factor of four."""
    return min(values) > 0 and max(values) / min(values) > 4


def ecdf(values: Sequence[float], axis: Axis, top: float, bottom: float, cell: int = 4) -> str:
    """SVG path of the share of samples below each value: a stair with one vertex per ``cell`` pixels at most."""
    ordered = sorted(values)
    n = len(ordered)
    heights: dict[int, int] = {}
    for i, value in enumerate(ordered, 1):
        heights[cell * round(axis.at(value) / cell)] = round(bottom - (bottom - top) * i / n)
    x, y = next(iter(heights)), round(bottom)
    path = [f"M{x} {y}"]
    for column, height in heights.items():
        if height <= y - cell or (height != y and height == round(top)):
            path.append(f"h{column - x}v{height - y}" if column != x else f"v{height - y}")
            x, y = column, height
    return "".join(path)


def dots(points: Iterable[tuple[float, float]], cell: int = 4, draw: str = "z") -> str:
    """SVG path with ``draw`` at every point; points that share a cell of that many pixels are drawn once."""
    cells = sorted({(round(x / cell), round(y / cell)) for x, y in points})
    path, at = [], (0, 0)
    for x, y in cells:
        path.append(f"m{(x - at[0]) * cell} {(y - at[1]) * cell}{draw}")
        at = x, y
    return "".join(path)  # the first point counts from the origin
