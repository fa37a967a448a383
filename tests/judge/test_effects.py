"""From stored blocks to one number per unit of replication."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liebench.errors import RunUnreadable
from liebench.judge.effects import differences, effects, levels

from tests.helpers.run_documents import arm, block, built, case, pairs, reading, rep, windows

ten = st.lists(st.floats(0.1, 100), min_size=3, max_size=10)


def one(a: list[float], b: list[float], **fields: object) -> tuple[float, float]:
    found = effects(built(case(**fields)), [block(0, {"a": rep({"ns": a}), "b": rep({"ns": b})})], "b", "a")
    return found.location[0], found.cost[0]


def test_a_ratio_is_the_log_of_medians_and_of_means() -> None:
    location, cost = one([1, 2, 9], [2, 4, 6])
    assert location == pytest.approx(math.log(2))
    assert cost == pytest.approx(math.log(4 / 4))


def test_a_throughput_is_inverted_and_its_mean_is_harmonic() -> None:
    location, cost = one([100, 100, 100], [50, 50, 25], better="higher")
    assert location == pytest.approx(math.log(2))
    assert cost == pytest.approx(math.log((1 / 50 + 1 / 50 + 1 / 25) / 3 * 100))


@settings(derandomize=True, deadline=None)
@given(ten, ten, st.randoms(), st.sampled_from(["lower", "higher"]))
def test_order_inside_a_repetition_changes_nothing(
    a: list[float], b: list[float], dice: random.Random, better: str
) -> None:
    before = one(a, b, better=better)
    dice.shuffle(a)
    dice.shuffle(b)
    assert one(a, b, better=better) == pytest.approx(before, abs=1e-12)


@settings(derandomize=True, deadline=None)
@given(ten, ten)
def test_swapped_arms_mirror_the_effect(a: list[float], b: list[float]) -> None:
    assert one(a, b) == pytest.approx([-v for v in one(b, a)], abs=1e-12)


def test_a_reading_is_a_difference_in_its_unit() -> None:
    found = effects(built(reading()), windows([5.0, 7.0], claim=2.0), "measured", "claimed")
    assert found.location == found.cost == (3.0, 5.0)
    flipped = effects(built(reading(better="higher")), windows([5.0], claim=2.0), "measured", "claimed")
    assert flipped.location == (-3.0,)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"a": rep({"ns": [1.0]})}, "no repetition of b"),
        ({"a": rep({"ns": [1.0]}), "b": rep({"ns": []})}, "b has no samples"),
        ({"a": rep({"ns": [1.0]}), "b": rep({"us": [1.0]})}, "b has no samples"),
        ({"a": rep({"ns": [1.0]}), "b": rep({"ns": [1.0]}, flags=["void"])}, "b is void"),
        ({"a": rep({"ns": [1.0]}, flags=["clock-step"]), "b": rep({"ns": [1.0]})}, "a is void"),
        ({"a": rep({"ns": [1.0]}), "b": rep({"ns": [0.0]})}, "above zero"),
    ],
)
def test_missing_is_missing_and_never_zero(broken: dict[str, object], why: str) -> None:
    blocks = [*pairs(3, {"a": 1, "b": 1}), block(3, broken)]  # type: ignore[arg-type]
    found = effects(built(case()), blocks, "b", "a")
    assert found.numbers == (0, 1, 2)
    assert len(found.location) == 3
    assert why in found.missing[0]
    assert "block 3" in found.missing[0]


def test_most_flags_only_mark() -> None:
    blocks = [block(0, {"a": rep({"ns": [1.0]}, flags=["preempted", "outlier"]), "b": rep({"ns": [1.0]})})]
    assert effects(built(case()), blocks, "b", "a").location == (0.0,)


def test_damaged_samples_are_named() -> None:
    blocks = [block(7, {"a": rep({"ns": [1.0]}), "b": rep({"ns": [1.0, "x"]})})]  # type: ignore[list-item]
    with pytest.raises(RunUnreadable, match=r"block 7.reps.b.samples.ns\[1\]"):
        effects(built(case()), blocks, "b", "a")


def test_a_tail_needs_samples_and_pools_neighbours_until_it_has_them() -> None:
    stored = built(case(quantile=0.9))  # 20 / (1 - 0.9) = 200 samples
    rng = random.Random(1)
    blocks = [block(i, {k: rep({"ns": [rng.uniform(1, 2) for _ in range(50)]}) for k in ("a", "b")}) for i in range(10)]
    found = effects(stored, blocks, "b", "a")
    assert found.numbers == (0, 4)
    assert found.cost == ()
    assert all(abs(v) < 0.1 for v in found.location)


def test_a_tail_of_a_reading_is_pooled_on_the_measured_side_alone() -> None:
    blocks = [
        block(i, {"claimed": rep({"ppm": [0.0]}), "measured": rep({"ppm": [float(v) for v in range(1, 101)]})})
        for i in range(4)
    ]
    found = effects(built(reading(quantile=0.9)), blocks, "measured", "claimed")
    assert found.location == pytest.approx((90.1, 90.1), abs=0.5)


def test_the_tail_of_a_throughput_is_its_low_end() -> None:
    values = [float(v) for v in range(1, 401)]
    blocks = [block(0, {"a": rep({"ns": values}), "b": rep({"ns": [v / 2 for v in values]})})]
    slow = effects(built(case(quantile=0.05, better="higher")), blocks, "b", "a")
    assert slow.location[0] == pytest.approx(math.log(2))


def test_a_linear_law_gives_slope_and_residual() -> None:
    arms = [arm("n1", promised=True, number=1), arm("n2", number=2), arm("n4", number=4), arm("n8", number=8)]
    law = built(case(kind="law", linear=True, arms=arms))
    straight = block(0, {f"n{n}": rep({"ns": [10.0 + 3 * n]}) for n in (1, 2, 4, 8)})
    bent = block(1, {f"n{n}": rep({"ns": [10.0 + 3 * n + (17 if n == 8 else 0)]}) for n in (1, 2, 4, 8)})
    found = effects(law, [straight, bent], "n8", "n1")
    assert found.slopes[0] == pytest.approx(3)
    assert found.location == pytest.approx((0.0, math.log(51 / 34)), abs=1e-12)


def test_a_linear_law_of_two_points_is_missing() -> None:
    law = built(case(kind="law", linear=True, arms=[arm("a", promised=True, number=1), arm("b", number=2)]))
    assert "three arms" in effects(law, pairs(1, {"a": 1, "b": 2}), "b", "a").missing[0]


def test_the_visit_is_the_unit() -> None:
    blocks = pairs(12, {"a": 1, "b": 2})
    for i, one_block in enumerate(blocks):
        one_block["visit"] = i // 4
    found = effects(built(case(rhythm="visit")), blocks, "b", "a")
    assert found.numbers == (0, 4, 8)
    assert found.location == pytest.approx([math.log(2)] * 3, abs=0.02)
    for one_block in blocks:
        del one_block["visit"]
    assert len(effects(built(case(rhythm="visit")), blocks, "b", "a").location) == 1


def test_differences_and_levels_keep_the_unit() -> None:
    blocks = [block(0, {"a": rep({"ns": [1.0, 3.0]}), "b": rep({"ns": [10.0, 20.0, 90.0]})})]
    assert differences(built(case()), blocks, "b", "a") == (38.0,)
    assert levels(built(case()), blocks, "b") == 20.0
    assert levels(built(case()), [], "b") is None
