"""Samples are rounded once, when they are recorded and before any look (law 17). Pure.

The step is 1/256 of the middle half of the repetition's samples, or the step of the timer, whichever is larger, and
never above 1/64 of the smallest positive sample; of these the next smaller one of 1, 2 or 5 times a power of ten. It is
kept beside the samples and never derived again: rounding what is rounded could move it.

Clock readings, bounds and counts stay as they are: whole numbers, and whatever a case intersects instead of averaging.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

PART = 256  # of the middle half: the rounding is a five hundredth of the scatter
SMALLEST = 64  # part of the smallest positive sample that a step may be: a cost never becomes zero
FEW = 4  # samples, below which there is no middle half
FEW_PART, FLAT_PART = 1e-6, 1e-5  # of the largest: the step of few samples, and of samples that do not scatter
FINEST, COARSEST = -30, 30  # powers of ten
US = 1000  # ns to which offsets and alibis are kept


def nice(size: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not above ``size``, as the nearest double."""
    power = math.floor(math.log10(size))
    for exponent in (power, power - 1):  # the logarithm may err by one at a power of ten
        for digit in (5, 2, 1):
            step = float(f"{digit}e{exponent}")
            if step <= size * (1 + 1e-12):
                return step
    return float(f"1e{power - 1}")


def parts_of(step: float) -> tuple[int, int]:
    """(digit, power of ten) of a step. Raises ValueError where it is no step."""
    digits, _, power = f"{step:.0e}".partition("e")
    digit, exponent = int(digits), int(power)
    if digit not in (1, 2, 5) or not FINEST <= exponent <= COARSEST or float(f"{digit}e{exponent}") != step:
        raise ValueError(f"{step!r} is not 1, 2 or 5 times a power of ten")
    return digit, exponent


def times(counts: Sequence[int], step: float) -> list[float]:
    """These multiples of a step, each the double nearest to it."""
    digit, exponent = parts_of(step)
    if exponent >= 0:
        whole = digit * 10**exponent
        return [float(n * whole) for n in counts]
    below = 10**-exponent
    return [n * digit / below for n in counts]


def counts(values: Sequence[float], step: float) -> list[int]:
    """The multiples of a step nearest to these values; exact for values that ``times`` made."""
    return [round(v / step) for v in values]


def step_for(values: Sequence[float], least: float) -> float | None:
    """The step of one repetition's samples; None where they stay as they are. ``least``: the timer's step, or 0."""
    if not values or all(float(v).is_integer() for v in values) or not all(map(math.isfinite, values)):
        return None
    ordered = sorted(values)
    largest = max(abs(ordered[0]), abs(ordered[-1]))
    spread = ordered[(3 * len(ordered)) // 4] - ordered[len(ordered) // 4]
    size = spread / PART if len(ordered) >= FEW and spread > 0 else 0.0
    if not size:
        size = largest * (FLAT_PART if len(ordered) >= FEW else FEW_PART)
    size = max(size, least)
    positive = next((v for v in ordered if v > 0), 0.0)
    if positive:
        size = min(size, positive / SMALLEST)
    if not 10.0**FINEST < size < 10.0**COARSEST or largest / size > 2.0**53:
        return None
    return nice(size)


def rounded(
    samples: Mapping[str, Sequence[float]], exact: frozenset[str], least: float
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """(samples as they are recorded, the step of each quantity that was rounded). ``exact``: quantities left alone."""
    kept: dict[str, list[float]] = {}
    steps: dict[str, float] = {}
    for name, values in samples.items():
        step = None if name in exact else step_for(values, least)
        if step is None:
            kept[name] = list(values)
        else:
            kept[name], steps[name] = times(counts(values, step), step), step
    return kept, steps


def to_us(value: Any) -> Any:
    """Nanoseconds to the nearest microsecond, as nanoseconds; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return value
    return round(value / US) * US
