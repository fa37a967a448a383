"""smt-core on this machine: what it must say about pairs whose relation is known."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path

import pytest

from liebench.contract import Word
from liebench.host import read_host
from liebench.probes.smt_core.verdict import relation, worth_a_look, worth_words

from tests.helpers.live import Bench, host_with, planted

pytestmark = pytest.mark.machine

TWO = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")


@pytest.mark.parametrize(
    ("low", "high", "handoff", "together", "claimed", "expected"),
    [
        (0.99, 1.01, 60, 0.99, False, (Word.HONEST, "distinct cores")),
        (0.99, 1.01, 60, 0.99, True, (Word.HARMLESS, "false siblings")),
        (1.55, 1.62, 7, 0.99, True, (Word.HONEST, "siblings, as claimed")),
        (1.55, 1.62, 7, 0.99, False, (Word.COSTLY, "hidden siblings")),
        (1.08, 1.15, 7, 0.99, False, (Word.HARMLESS, "hidden siblings")),
        (0.99, 1.01, 4e6, 0.002, False, (Word.COSTLY, "stacked")),
        (0.99, 1.30, 60, 0.99, False, (Word.INCONCLUSIVE, "cannot tell")),
        (0.99, 1.01, 8, 0.99, False, (Word.INCONCLUSIVE, "cannot tell")),  # two witnesses contradict each other
    ],
)
def test_relations(low: float, high: float, handoff: float, together: float, claimed: bool, expected: object) -> None:
    assert relation(low, high, handoff, together, claimed) == expected


def test_two_processors_that_share_a_core_now_and_then_are_no_cores() -> None:
    """Seen here: D is 1.94 in some blocks of 90 ms and 1.00 in the others, where a host moves its virtual CPUs."""
    assert relation(0.99, 1.02, 60, 0.99, False, shared=1) == (Word.HONEST, "distinct cores")
    assert relation(0.99, 1.02, 60, 0.99, False, shared=3) == (Word.HARMLESS, "one core now and then")
    assert relation(0.99, 1.90, 60, 0.99, False, shared=11) == (Word.HARMLESS, "one core now and then")
    assert relation(1.90, 1.95, 60, 0.99, False, shared=24) == (Word.COSTLY, "hidden siblings")


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (1.95, 2.02, [Word.HONEST]),
        (1.5, 1.7, [Word.HELPFUL]),
        (1.1, 1.3, [Word.HARMLESS]),
        (0.7, 0.9, [Word.COSTLY]),
        (1.85, 2.05, [Word.HELPFUL, Word.HONEST]),
        (0.9, 1.5, [Word.HELPFUL, Word.HARMLESS, Word.COSTLY]),
    ],
)
def test_what_a_pair_is_worth(low: float, high: float, words: list[Word]) -> None:
    assert worth_words(low, high) == words


def test_of_8128_pairs_the_few_that_matter_are_looked_at_closely() -> None:
    """128 CPUs, siblings (i, i + 64), of which only the first half is declared."""
    near = [((a, b), 7.0 + a / 100 if b == a + 64 else 60.0 + b) for a, b in combinations(range(128), 2)]
    declared = {(i, i + 64) for i in range(32)}
    chosen = worth_a_look(near, declared)
    assert len(chosen) <= 4
    assert (0, 64) in chosen  # a declared one
    assert (32, 96) in chosen  # the closest one that is denied
    assert (126, 127) in chosen  # the farthest: surely two cores


@TWO
def test_two_processors_of_this_machine_and_what_a_fixture_says_of_them(tmp_path: Path) -> None:
    """Whatever they are, declaring the opposite must be called a lie."""
    host = read_host()
    claims = [list(p) for p in host.facts["cpu"]["siblings"]]
    seen = Bench("smt-core", host, tmp_path).verdict("pair-", 12)
    assert seen.term in (
        "distinct cores",
        "siblings, as claimed",
        "hidden siblings",
        "one core now and then",
        "cannot tell",
    ), seen
    if seen.term == "distinct cores":
        a, b = host.processors[0], host.processors[-1]
        lying = Bench("smt-core", host_with(cpu={"siblings": [[a, b]]}), tmp_path).verdict("pair-", 24)
        assert (lying.word, lying.term) in ((Word.HARMLESS, "false siblings"), (Word.INCONCLUSIVE, "cannot tell"))
    elif claims:
        denying = Bench("smt-core", host_with(cpu={"siblings": []}), tmp_path).verdict("pair-", 24)
        assert denying.term in ("hidden siblings", "cannot tell")


@TWO
def test_a_neighbour_of_known_weight_is_found(tmp_path: Path) -> None:
    about = pytest.approx(1.5, rel=0.03)
    found = planted(Bench("smt-core", read_host(), tmp_path), "plant_slow=0.5", about)
    assert found.value == about, found
    assert found.status == "shown", found


def test_two_threads_on_one_processor_are_stacked(tmp_path: Path) -> None:
    """The CPU map lies: both names are the same processor. Every mix is then worth one thread."""
    from liebench.contract import Arm, Turn

    bench = Bench("smt-core", read_host(), tmp_path)
    cpu = bench.host.processors[0]
    facts = bench.stage.core("smt-pair", Turn(Arm(id="x", args={"cpu": cpu, "peer": cpu}), "x"), samples=20).facts
    assert relation(0.9, 1.1, facts["handoff_ns"], facts["together"], False)[1] == "stacked"
    for mix in ("add", "mul"):
        rep = bench.stage.core(
            "smt-worth", Turn(Arm(id="x", args={"cpu": cpu, "peer": cpu, "mix": mix}), "x"), samples=30
        )
        whole, pair = sorted(rep.samples["whole_ns"])[15], sorted(rep.samples["pair_ns"])[15]
        assert 2 * whole / pair == pytest.approx(1.0, abs=0.2)
