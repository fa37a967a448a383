"""What equal sides show about a host: what would be found, what it takes, and who makes the noise."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from liebench.gate.noise import CULPRITS, SIBLING, Noise, culprits_of, noise_of
from liebench.gate.policy import Policy
from liebench.gate.table import gate_family

from tests.helpers.gate_documents import gate_doc, pair_blocks
from tests.helpers.many_runs import key, runs
from tests.helpers.run_documents import arm, case

ONE = {"c": case(arms=[arm("a", promised=True)])}
LEVEL = {"a": 100.0}


def doc(spread: float, count: int = 24, after: float = 100.0, loop_s: float | None = 24.0) -> dict[str, Any]:
    made = gate_doc(ONE, pair_blocks(count, LEVEL, {"a": after}, spread=spread, samples=1))
    return made | {"instrument": {"loop_s": loop_s}}


def found(doc: dict[str, Any], budget_s: float = 600.0, past: Any = ()) -> Noise:
    return noise_of(gate_family(doc, Policy()), doc, doc["blocks"], past, budget_s)[0]


def test_the_word_follows_the_width() -> None:
    words = [found(doc(spread)).word for spread in (0.002, 0.02, 0.05)]
    assert words == ["quiet", "usable", f"needs {math.ceil(found(doc(0.05)).seconds / 60)} min"]
    assert found(doc(0.5), budget_s=10).word == "too noisy"
    assert found(doc(0.002, after=120.0)).word.startswith("untrusted")


def test_what_is_needed_is_said_in_pairs_and_seconds() -> None:
    row = found(doc(0.05))
    assert row.pairs == 24
    assert row.seconds == pytest.approx(row.needs)  # 24 pairs took 24 s
    again = found(doc(0.05, count=96, loop_s=96.0))
    assert again.needs == pytest.approx(row.needs, rel=0.6)
    assert again.rerun < row.rerun
    assert math.isnan(found(doc(0.05, loop_s=None)).seconds)


def test_the_past_shows_less_than_pairs_do() -> None:
    rng = random.Random(1)
    past = runs([rng.gauss(0, 0.05) for _ in range(10)], key())
    row = found(doc(0.01), past=past)
    assert row.history is not None
    assert row.history > 3 * row.rerun
    assert found(doc(0.01), past=past[:2]).history is None


def test_who_makes_the_noise() -> None:
    """One repetition in five was preempted, and is twice as slow: without these the intervals are much narrower."""
    made, rng = doc(0.01, count=96), random.Random(2)
    for stored in made["blocks"]:
        if rng.random() < 0.2:
            stored["reps"]["a"]["flags"] = ["PREEMPTED"]
            stored["reps"]["a"]["samples"]["ns"] = [200 * rng.lognormvariate(0, 0.3)]
    who = culprits_of(gate_family(made, Policy()), made["blocks"])
    assert [c.says for c in who] == [CULPRITS["PREEMPTED"]]
    assert who[0].share == pytest.approx(0.2, abs=0.06)
    assert who[0].clean is not None
    assert who[0].clean < 0.5


def test_a_neighbour_on_the_sibling_thread_is_seen_by_the_sentinel() -> None:
    made = doc(0.01)
    for i, stored in enumerate(made["blocks"]):
        stored["reps"]["a"]["sentinel"] = {"chain1_ns": 0.3, "chain8_ns": 0.1 if i % 8 == 0 else 0.05}
    who = culprits_of(gate_family(made, Policy()), made["blocks"])
    assert [(c.says, c.share) for c in who] == [(SIBLING, 1 / 8)]
    for stored in made["blocks"]:
        stored["n"] = 7  # a block is known by its place, whatever number somebody gave it
    assert culprits_of(gate_family(made, Policy()), made["blocks"]) == who


def test_nobody_is_blamed_without_evidence() -> None:
    made = doc(0.3)
    assert culprits_of(gate_family(made, Policy()), made["blocks"]) == []
    assert culprits_of(gate_family(made, Policy()), []) == []
    assert noise_of(gate_family(gate_doc(ONE, []), Policy()), {}, [], ()) == []
