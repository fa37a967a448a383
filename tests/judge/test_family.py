"""Words about families: symmetric, blind to names, careful in company, and right about p and intervals."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from liebench.contract import Outcome
from liebench.judge.family import (
    ALPHA_LOOK,
    LOOKS,
    Judged,
    Limits,
    detectable,
    first_look,
    judge_family,
    mirrored,
    pairs_needed,
    settled,
)
from liebench.stats.intervals import holm, signed_rank_interval

RULE = Limits()
WORDS = list(Outcome)


def spread(n: int, center: float, width: float, seed: int) -> list[float]:
    return [float(v) for v in np.random.default_rng(seed).normal(center, width, n)]


@st.composite
def families(draw: st.DrawFn) -> dict[str, list[float]]:
    """Between one and six metrics of 12 to 30 pairs, some of them moved by up to 15 %."""
    count = draw(st.integers(1, 6))
    n = draw(st.integers(12, 30))
    centers = st.sampled_from([0.0, 0.0, 0.02, 0.06, 0.12, -0.06, -0.12])
    widths = st.sampled_from([0.002, 0.01, 0.05])
    return {f"m{i}": spread(n, draw(centers), draw(widths), draw(st.integers(0, 10**6))) for i in range(count)}


def judged(effects: dict[str, list[float]]) -> dict[str, Judged]:
    return judge_family(effects, dict.fromkeys(effects, RULE), {})


@settings(derandomize=True, deadline=None, max_examples=150)
@given(families())
def test_swapped_sides_mirror_every_verdict(effects: dict[str, list[float]]) -> None:
    swapped = judged({k: [-v for v in values] for k, values in effects.items()})
    assert {k: mirrored(j) for k, j in judged(effects).items()} == {
        k: replace(j, detectable=judged(effects)[k].detectable) for k, j in swapped.items()
    }


@settings(derandomize=True, deadline=None, max_examples=150)
@given(families(), st.randoms(use_true_random=False))
def test_neither_the_order_of_metrics_nor_of_pairs_matters(effects: dict[str, list[float]], rng: object) -> None:
    names = list(effects)
    rng.shuffle(names)  # type: ignore[attr-defined]
    mixed = {k: effects[k][:] for k in names}
    for values in mixed.values():
        rng.shuffle(values)  # type: ignore[attr-defined]
    assert judged(mixed) == judged(effects)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(families(), st.integers(0, 1000))
def test_company_only_makes_more_careful(effects: dict[str, list[float]], seed: int) -> None:
    """A metric without any effect can turn worse and better into less, and nothing else."""
    alone, joined = judged(effects), judged(effects | {"other": spread(24, 0.0, 0.01, seed)})
    for name, before in alone.items():
        after = joined[name]
        assert replace(after, outcome=before.outcome) == before
        if after.outcome is not before.outcome:
            assert before.outcome in (Outcome.WORSE, Outcome.BETTER)
            assert after.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("n", [12, 17, 24, 48])
@pytest.mark.parametrize("center", [0.0, 0.004, 0.02])
def test_p_and_interval_are_those_of_the_exact_test(n: int, center: float) -> None:
    values = spread(n, center, 0.02, n)
    found = judged({"m": values})["m"]
    for p, sign in ((found.p, 1), (found.p_better, -1)):
        by_scipy = wilcoxon([sign * v - RULE.least for v in values], alternative="greater", method="exact")
        assert p == pytest.approx(by_scipy.pvalue, rel=1e-9)
    assert (found.low > RULE.least) == (found.p <= ALPHA_LOOK / 2)
    span = signed_rank_interval(values, ALPHA_LOOK)
    assert (found.estimate, found.low, found.high, found.n) == (span.estimate, span.low, span.high, n)
    for end, inside in ((found.low, 1e-9), (found.high, -1e-9)):  # the ends are where the test changes its mind
        ps = [wilcoxon([v - end - d for v in values], method="exact").pvalue for d in (inside, -inside)]
        assert ps[0] > ALPHA_LOOK * (1 - 1e-9)
        assert ps[1] <= ALPHA_LOOK * (1 + 1e-9)


def by_definition(ps: list[float], alpha: float) -> list[bool]:
    """Holm 1979: the k-th smallest falls where it and all smaller ones are at most alpha / (m - k + 1)."""
    ranked = sorted(ps)
    return [
        all(ranked[j] <= alpha / (len(ps) - j) for j in range(ranked.index(p) + 1)) for p in ps
    ]  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(st.floats(0, 1) | st.sampled_from([0.001, 0.005, 0.0125, 0.025]), min_size=1, max_size=8, unique=True))
def test_holm_is_holm(ps: list[float]) -> None:
    fallen = holm(ps, 0.025)
    assert fallen == by_definition(ps, 0.025)
    assert all(f for f, p in zip(fallen, ps, strict=True) if p <= 0.025 / len(ps)), "never weaker than Bonferroni"
    assert not any(f for f, p in zip(fallen, ps, strict=True) if p > 0.025)


def test_the_first_look_can_decide_the_family() -> None:
    for family in (1, 3, 10, 60, 300, 5000, 10**9):
        first = first_look(family)
        assert first in LOOKS
        assert 2.0**-first <= ALPHA_LOOK / 2 / family
        earlier = [look for look in LOOKS if look < first]
        assert all(2.0**-look > ALPHA_LOOK / 2 / family for look in earlier)
        best = judge_family(
            {i: spread(first, 1.0, 0.001, i) if i == 0 else [0.0] * first for i in range(min(family, 60))},
            dict.fromkeys(range(min(family, 60)), RULE),
            {},
        )
        assert best[0].outcome is Outcome.WORSE


def test_frozen_words_stay_and_worse_ones_leave_the_family() -> None:
    first = judged({"a": spread(24, 0.2, 0.001, 1), "b": spread(24, 0.0, 0.001, 2), "c": spread(24, 0.0, 0.3, 3)})
    assert [j.outcome for j in first.values()] == [Outcome.WORSE, Outcome.SAME, Outcome.INCONCLUSIVE]
    frozen = {k: first[k] for k in "ab"}
    later = judge_family(
        {"a": [-1.0] * 48, "b": [1.0] * 48, "c": spread(48, 0.0, 0.3, 3)}, dict.fromkeys("abc", RULE), frozen
    )
    assert {k: later[k] for k in "ab"} == frozen
    # p between alpha / 2 and alpha / 1: falls only where the frozen worse one has left a family of two
    n = 12
    edge = next(
        v for v in ([0.2] * (n - k) + [-0.01 * (i + 1) for i in range(k)] for k in range(n))
        if ALPHA_LOOK / 4 < judged({"x": v})["x"].p <= ALPHA_LOOK / 2
    )  # fmt: skip
    two = dict.fromkeys("ax", RULE)
    assert judge_family({"a": [0.0] * n, "x": edge}, two, {})["x"].outcome is Outcome.INCONCLUSIVE
    assert judge_family({"a": [], "x": edge}, two, {"a": first["a"]})["x"].outcome is Outcome.WORSE
    assert judge_family({"a": [], "x": edge}, two, {"a": first["b"]})["x"].outcome is Outcome.INCONCLUSIVE


def test_below_the_limit_is_not_worse_however_certain() -> None:
    found = judged({"m": spread(96, math.log(1.04), 0.0001, 1)})["m"]
    assert found.p < 1e-9
    assert found.outcome is Outcome.SAME
    assert judged({"m": spread(96, math.log(1.06), 0.0001, 1)})["m"].outcome is Outcome.WORSE
    assert judged({"m": spread(96, math.log(1 / 1.06), 0.0001, 1)})["m"].outcome is Outcome.BETTER


def test_settled_means_that_no_pair_can_be_needed() -> None:
    tail = Limits(0.1, 0.01, proves_same=False)
    at = {w: Judged(outcome=w, estimate=0.0, low=-1.0, high=0.2, p=1.0, n=12, detectable=1.0) for w in WORDS}
    assert [settled(at[w], RULE) for w in WORDS] == [w is not Outcome.INCONCLUSIVE for w in WORDS]
    assert not settled(at[Outcome.INCONCLUSIVE], tail)
    assert settled(replace(at[Outcome.INCONCLUSIVE], high=0.09), tail), "a tail need only be not worse"
    assert not settled(replace(at[Outcome.INCONCLUSIVE], high=0.09), RULE)


def test_without_pairs_nothing_is_known_or_detectable() -> None:
    found = judge_family({"none": [], "few": [0.5] * 5}, dict.fromkeys(("none", "few"), RULE), {})
    assert {j.outcome for j in found.values()} == {Outcome.INCONCLUSIVE}
    assert found["none"].detectable == math.inf
    assert pairs_needed(signed_rank_interval([]), RULE) == math.inf


def test_what_is_detectable_shrinks_with_the_root_of_the_pairs() -> None:
    span = signed_rank_interval(spread(48, 0.0, 0.05, 4), ALPHA_LOOK)
    needed = pairs_needed(span, RULE)
    half = span.half * math.sqrt(span.n / needed)
    assert math.log1p(RULE.floor) + 2 * half == pytest.approx(RULE.beyond)
    assert detectable(span, 0.01) == pytest.approx(1.01 * math.exp(2 * span.half) - 1)
