"""Error rates of the gate on six noise models and three recorded traces: builds of 20 metrics (60 numbers).

Fixed seeds, small numbers: the bounds leave what a binomial of the promised rate exceeds once in a thousand. The large
sweep, beside what other tools say of the same samples, is ci/bench/gate_rates.py.
"""

from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from liebench.contract import Outcome
from liebench.gate.pairs import Family

from tests.helpers.gate_experiments import FOUND, FOUND_TIGHT, METRICS, STILL, Build, Setting, asked, builds, gated
from tests.helpers.noise_models import SOURCES

pytestmark = pytest.mark.slow

COUNT = {STILL: 12, FOUND: 6, FOUND_TIGHT: 6}
OPEN_SOURCES = {"M5 sibling", "M6 cloud"}  # noise so large that some metrics stay open


@cache
def of(source: str, setting: Setting) -> tuple[Build, ...]:
    return tuple(builds(source, setting, COUNT[setting], seed=3, chunk=COUNT[STILL]))


def everything(setting: Setting) -> list[Build]:
    return [b for s in SOURCES for b in of(s, setting)]


def untouched(found: Build, setting: Setting) -> tuple[Outcome, ...]:
    return found.words[1 if setting.change else 0 :]


def test_a_build_without_a_change_is_not_called_worse() -> None:
    found = [untouched(b, s) for s in COUNT for b in everything(s)]
    false = sum(Outcome.WORSE in words for words in found)
    assert false <= binom.ppf(0.999, len(found), 0.005)
    assert sum(Outcome.BETTER in words for words in found) <= binom.ppf(0.999, len(found), 0.005)


def test_family_and_looks_are_paid_for_where_no_limit_helps() -> None:
    """Limit and floor next to nothing: what is left is alpha over 60 numbers and five looks, 2.5 % to each side."""
    bare = Setting(0.0, 2e-6, 1e-6)
    found = [b.words for source, n in (("M2 process", 20), ("M6 cloud", 10)) for b in builds(source, bare, n, seed=5)]
    for word in (Outcome.WORSE, Outcome.BETTER):
        assert sum(word in words for words in found) <= binom.ppf(0.999, len(found), 0.025), word


@pytest.mark.parametrize("setting", [FOUND, FOUND_TIGHT], ids=lambda s: s.says)
def test_half_more_than_the_limit_is_found(setting: Setting) -> None:
    found = [b.words[0] is Outcome.WORSE for b in everything(setting)]
    assert sum(found) >= binom.ppf(0.001, len(found), 0.95)


@pytest.mark.parametrize("source", SOURCES)
def test_sameness_is_proved_not_assumed_within_minutes(source: str) -> None:
    found = of(source, STILL)
    words = [w for b in found for w in b.words]
    assert words.count(Outcome.SAME) >= (0.75 if source in OPEN_SOURCES else 0.98) * len(words)
    assert max(b.minutes for b in found) < 10
    assert min(min(b.pairs) for b in found) >= Family(asked(0.05)).looks()[0]


def test_without_the_coin_a_second_place_that_costs_is_called_worse() -> None:
    """A negative control of this suite: the candidate always second, and whoever comes second is 8 % slower."""
    rng = np.random.default_rng(4)
    x = rng.normal(0, 0.01, 2 * METRICS * 192) + np.tile([0.0, 0.08], METRICS * 192)
    repetitions = dict.fromkeys(("median", "mean", "quantile 0.9"), x)
    assert set(gated(repetitions, STILL, rng, coin=False).words) == {Outcome.WORSE}
    words = gated(repetitions, STILL, rng).words
    assert Outcome.WORSE not in words
    assert Outcome.BETTER not in words
