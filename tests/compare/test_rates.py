"""One run against one: lies of two runs without a change, on all noise models and traces, are not called different.

Two arms of one block each, in coin order; the two runs are sessions of their own. One-sided 2.5 % and three standard
errors are allowed; a single run on each side is the weakest comparison there is.
"""

import math
from collections import Counter

import numpy as np
import pytest

from liebench.compare.metrics import independent, one_value
from liebench.compare.sides import alike, compare
from liebench.judge.family import Limits

from tests.helpers.experiments import to_effects
from tests.helpers.many_runs import LIE_KEY, run
from tests.helpers.noise_models import SOURCES, Floats, noise

PAIRS = 300
MOST = PAIRS * 0.025 + 3 * math.sqrt(PAIRS * 0.025 * 0.975)


def words(values: Floats, shift: float = 0.0) -> Counter[str]:
    """Of neighbouring rows, the second against the first."""
    found: Counter[str] = Counter()
    for i in range(0, len(values) - 1, 2):
        sides = (values[i].tolist(), (values[i + 1] + shift).tolist())
        made = [one_value(*independent(v)) for v in sides]
        first, second = (run(n, {LIE_KEY: v}) for n, v in enumerate(made) if v)
        found[compare([first], [second], alike(Limits())).rows[0].word] += 1
    return found


@pytest.mark.parametrize("blocks", [12, 24])
@pytest.mark.parametrize("source", SOURCES)
def test_two_runs_without_a_change(source: str, blocks: int) -> None:
    rng = np.random.default_rng([blocks, SOURCES.index(source)])
    effects = to_effects(noise(source, 2 * PAIRS, 2 * blocks, 20, rng), rng).location
    found = words(effects)
    assert found["worse"] <= MOST
    assert found["better"] <= MOST
    assert words(effects[:200], shift=math.log(2))["worse"] > 80, "a rule that never decides would pass"


def test_a_lie_that_wanders_within_a_run() -> None:
    """Neighbouring blocks that resemble each other hold less than their number says (lag-1 of 0.5, 5 %)."""
    rng, n, keep = np.random.default_rng(12), 24, 0.5
    wander = np.empty((2 * PAIRS, n))
    wander[:, 0] = rng.normal(0, 0.05, 2 * PAIRS)
    for i in range(1, n):
        wander[:, i] = keep * wander[:, i - 1] + math.sqrt(1 - keep * keep) * rng.normal(0, 0.05, 2 * PAIRS)
    found = words(wander)
    assert found["worse"] <= MOST
    assert found["better"] <= MOST
