"""Samples are rounded once: how far, never twice, and what stays as it is."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liebench.runfile.rounding import counts, nice, parts_of, rounded, step_for, times, to_us

settings.register_profile("fixed", derandomize=True, max_examples=150, deadline=None)
settings.load_profile("fixed")
sizes = st.floats(1e-6, 1e12, allow_nan=False)
STEPS = [float(f"{digit}e{power}") for power in range(-30, 31) for digit in (1, 2, 5)]


@given(st.floats(1e-29, 1e29))
def test_a_step_is_the_next_smaller_of_1_2_5_times_a_power_of_ten(size: float) -> None:
    step = nice(size)
    parts_of(step)
    assert step <= size * (1 + 1e-12)
    assert [s for s in STEPS if s <= size * (1 + 1e-12)][-1] == step or step < STEPS[0]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_keeps_its_parts(step: float) -> None:
    digit, power = parts_of(step)
    assert Fraction(str(step)) == Fraction(digit) * Fraction(10) ** power
    assert nice(step) == step


@pytest.mark.parametrize("step", [0.0, 3.0, 0.25, -1.0, math.inf, 1e31])
def test_what_is_no_step_is_refused(step: float) -> None:
    with pytest.raises(ValueError, match=r"."):
        parts_of(step)


@given(st.lists(sizes, min_size=1, max_size=60), st.sampled_from([0.0, 0.5]))
def test_what_is_rounded_is_near_and_reads_back_to_the_bit(values: list[float], timer: float) -> None:
    kept, steps = rounded({"ns": values}, frozenset(), timer)
    if "ns" not in steps:
        assert kept["ns"] == values
        return
    step = steps["ns"]
    assert all(abs(a - b) <= step * 0.5000001 + 1e-15 * a for a, b in zip(values, kept["ns"], strict=True))
    assert min(kept["ns"]) > 0  # a cost never becomes zero
    assert times(counts(kept["ns"], step), step) == kept["ns"]


def test_the_step_is_a_part_of_the_middle_half() -> None:
    values = [1000.0 + i / 10 for i in range(101)]  # the middle half spans 5
    assert step_for(values, 0.0) == nice(5.0 / 256) == 0.01
    assert step_for(values, 0.3) == 0.2  # the timer's step where that is larger
    assert step_for([*values, 1.3], 0.3) == 0.02  # and never above 1/64 of the smallest


@pytest.mark.parametrize("values", [[], [1.0, 2.0, 3.0], [2153523001216, 2153602431075], [0.0], [math.nan, 1.5]])
def test_whole_numbers_and_what_is_no_number_stay(values: list[float]) -> None:
    assert step_for(values, 0.0) is None


def test_bounds_stay() -> None:
    kept, steps = rounded({"low": [1.23456789, 2.2], "ns": [1.23456789, 2.2]}, frozenset({"low"}), 0.0)
    assert kept["low"] == [1.23456789, 2.2]
    assert set(steps) == {"ns"}


@pytest.mark.parametrize(("value", "kept"), [(1499, 1000), (1500.0, 2000), (True, True), (None, None), ("x", "x")])
def test_moments_are_kept_to_the_microsecond(value: object, kept: object) -> None:
    assert to_us(value) == kept
