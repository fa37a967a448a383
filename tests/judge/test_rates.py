"""Rates of wrong and right words on six noise models and three recorded traces, at limits of 5 % and 20 %.

1,000 sessions per cell with fixed seeds. Zero wrong words in 1,000 mean at most 0.37 % (95 %, exact), five at most
1.2 %; 95 % in 1,000 has a standard error of 0.7 %. The larger sweep is ci/soak_statistics.py.
"""

import numpy as np
import pytest

from liebench.contract import Arm, Case, Kind, Rhythm, Word
from liebench.judge.readings import Estimate, read
from liebench.judge.rule import LOOKS, VISIT_LOOKS
from liebench.stats.intervals import binomial_interval, hodges_lehmann

from tests.helpers.experiments import (
    HURTS,
    MATTERS,
    SAMPLES,
    allowing,
    allows,
    coverage,
    no_change,
    rates,
    sequential,
    to_effects,
)
from tests.helpers.noise_models import MODELS, SOURCES, Floats, noise, simulate

pytestmark = pytest.mark.slow

SESSIONS = 1000
ARMS = (Arm(id="claimed", promised=True), Arm(id="measured"))
NOT_FOR_TEN = {"M5 sibling", "add8"}  # sources whose noise does not allow +10 % in 96 blocks in 95 % of the sessions
NOT_FOR_THIRTY = {"M5 sibling"}


@pytest.mark.parametrize("source", SOURCES)
def test_no_change_is_called_nothing_but_honest_or_inconclusive(source: str) -> None:
    found = rates(source, 0.0, SESSIONS)
    wrong = round(SESSIONS * found.share(Word.HELPFUL, Word.HARMLESS, Word.COSTLY))
    assert wrong <= 0.005 * SESSIONS, f"{wrong} of {SESSIONS}: {binomial_interval(wrong, SESSIONS)}"
    assert found.share(Word.HONEST) > 0.5, "a rule that never decides would pass the line above"


@pytest.mark.parametrize("source", SOURCES)
def test_ten_percent_is_never_honest_and_is_found(source: str) -> None:
    found = rates(source, 0.10, SESSIONS)
    assert found.share(Word.HONEST, Word.HELPFUL) == 0
    if source not in NOT_FOR_TEN:
        assert found.proven(Word.HARMLESS) >= 0.95
    assert _found_where_allowed(found.proves(Word.HARMLESS), source, 0.10, MATTERS) >= 0.95


@pytest.mark.parametrize("source", SOURCES)
def test_thirty_percent_is_costly(source: str) -> None:
    found = rates(source, 0.30, SESSIONS)
    assert found.share(Word.HONEST, Word.HELPFUL, Word.HARMLESS) <= 0.005
    if source not in NOT_FOR_THIRTY:
        assert found.share(Word.COSTLY) >= 0.95
    assert _found_where_allowed(found.proves(Word.COSTLY), source, 0.30, HURTS) >= 0.95


def _found_where_allowed(proves: list[bool], source: str, change: float, limit: float) -> float:
    able = allowing(source, change, limit, SESSIONS)
    assert sum(able) > SESSIONS / 2
    return sum(p for p, a in zip(proves, able, strict=True) if a) / sum(able)


@pytest.mark.parametrize(("change", "limit", "not_for"), [(0.10, MATTERS, NOT_FOR_TEN), (0.30, HURTS, NOT_FOR_THIRTY)])
def test_which_noise_allows_a_lie_to_be_found(change: float, limit: float, not_for: set[str]) -> None:
    assert {s for s in SOURCES if not allows(s, change, limit, SESSIONS)} == not_for


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("n", LOOKS)
def test_coverage_of_the_95_percent_interval(source: str, n: int) -> None:
    found = no_change(source, SESSIONS)
    for values in (found.location, found.cost):
        # The coin makes every sign pattern equally likely, so one session serves for several draws of it.
        draws = 3 if n <= 24 else 1
        coins = np.random.default_rng(n).choice([-1.0, 1.0], (draws * SESSIONS, n))
        held, of = coverage(np.tile(values[:, :n], (draws, 1)) * coins + 0.1, truth=0.1)
        assert 0.93 <= held / of <= 0.97


def _visits(rng: np.random.Generator, n: int, sessions: int) -> Floats:
    """Values of visits of four blocks each; every visit has an effect of its own of 3 %."""
    x = simulate("M2 process", sessions, 2 * 4 * n, SAMPLES, rng)
    blocks = to_effects(x, rng).location.reshape(sessions, n, 4) + 0.03 * rng.standard_normal((sessions, n, 1))
    return np.array([[hodges_lehmann(visit.tolist()) for visit in session] for session in blocks])


@pytest.mark.parametrize("n", VISIT_LOOKS)
def test_coverage_where_the_visit_is_the_unit(n: int) -> None:
    held, of = coverage(_visits(np.random.default_rng(n), n, SESSIONS) + 0.05, truth=0.05)
    assert 0.93 <= held / of <= 0.97


def test_blocks_of_visits_are_no_units() -> None:
    """What the rhythm protects from: with the block as unit the interval is far too narrow."""
    rng = np.random.default_rng(5)
    blocks = to_effects(simulate("M2 process", 300, 96, SAMPLES, rng), rng).location.reshape(300, 12, 4)
    held, of = coverage((blocks + 0.1 * rng.standard_normal((300, 12, 1))).reshape(300, 48))
    assert held / of < 0.85


def test_visits_decide_at_eight() -> None:
    values = _visits(np.random.default_rng(1), 24, 50)
    found = [sequential(v, v, Rhythm.VISIT) for v in values]
    assert {n for _, n, _ in found} <= set(VISIT_LOOKS)
    assert sum(d.word is Word.HONEST for d, _, _ in found) > 25


def test_the_order_matters_more_than_the_test() -> None:
    """A negative control of this suite itself: without the coin the same rule cries wolf on a recorded trace."""
    x = np.median(noise("add8", 300, 48, SAMPLES, np.random.default_rng(3)), axis=2)
    held, of = coverage(x[:, 24:] - x[:, :24])  # all of one arm, then all of the other
    assert held / of < 0.8


def test_every_model_is_simulated_as_described() -> None:
    rng = np.random.default_rng(0)
    for name, model in MODELS.items():
        x = simulate(name, 200, 20, SAMPLES, rng)
        assert x.shape == (200, 20, SAMPLES)
        assert (np.quantile(x, 0.999) > 0.5) == (model.outliers > 0 or model.sibling == 2)


def _windows(values: Floats, target: float) -> Estimate:
    stored = Case(
        id="c", quantity="ppm", unit="ppm", arms=ARMS, kind=Kind.READING, matters=1.0, hurts=10.0, target=target
    )
    blocks = [
        {"n": i, "reps": {"claimed": {"samples": {"ppm": [0.0]}}, "measured": {"samples": {"ppm": [float(v)]}}}}
        for i, v in enumerate(values)
    ]
    return read(stored, blocks, "measured", "claimed")


@pytest.mark.parametrize("n", LOOKS)
def test_coverage_of_steady_windows(n: int) -> None:
    """The check for wander takes some sessions out; the intervals of the others keep their coverage."""
    rng = np.random.default_rng(n)
    found = [_windows(rng.standard_normal(n) * 0.3, target=0.2) for _ in range(400)]
    spans = [r.plain_location for r in found if r.how == "interval" and r.plain_location]
    assert len(spans) > 0.9 * len(found)
    assert 0.93 <= sum(s.low <= 0 <= s.high for s in spans) / len(spans) <= 0.97


@pytest.mark.parametrize("n", LOOKS)
def test_a_clock_whose_rate_walks_gets_a_range(n: int) -> None:
    rng = np.random.default_rng(n)
    found = [_windows(np.cumsum(rng.standard_normal(n) * 0.1), target=0.05) for _ in range(200)]
    assert sum(r.how == "range" for r in found) > 0.75 * len(found)
