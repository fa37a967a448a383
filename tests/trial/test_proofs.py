"""The store of proofs: what counts, for what, and why something no longer does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from liebench.errors import StorageFull
from liebench.settings.catalogue import find
from liebench.settings.knob import Scope
from liebench.trial.proofs import FILE, Proof, Standing, add_proof, config_of, needed_scope, read_proofs, standing

from tests.helpers.applying import SWAPPINESS, machine, proof

KNOB = find("swappiness")


def made_on(root: Path, **changes: Any) -> Proof:
    """A proof of this host and its configuration, but for what the test changes."""
    host = machine(root)
    return proof(**{"host": host.hashes()["host"], "config": config_of(host, KNOB, {}), **changes})


def stands(root: Path, *proofs: Proof) -> Standing:
    return standing(proofs, KNOB, "60", "10", machine(root), {})


def test_a_proof_reads_back_as_it_was_written(tmp_path: Path) -> None:
    rows = [proof(), proof(confirmed=False, scope=Scope.NAMESPACE)]
    for row in rows:
        add_proof(tmp_path / "state", row)
    assert read_proofs(tmp_path / "state") == (rows, [])
    assert read_proofs(tmp_path / "elsewhere") == ([], [])


def test_a_torn_line_costs_no_other_proof(tmp_path: Path) -> None:
    add_proof(tmp_path, proof())
    with (tmp_path / FILE).open("a") as file:
        file.write('{"change": "swapp')
    add_proof(tmp_path, proof(to="20"))
    with (tmp_path / FILE).open("a") as file:
        file.write('[1]\n{"change": "swappiness"}\n{"ratio": NaN}\n\xff\n')
    found, said = read_proofs(tmp_path)
    assert [p.to for p in found] == ["10", "20"]
    assert len(said) == 5
    assert all(FILE in s for s in said)


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder is needed")
    with pytest.raises(StorageFull, match="was not kept"):
        add_proof(tmp_path / "state", proof())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"confirmed": False}, "one trial only"),
        ({"host": "another"}, "another host"),
        ({"config": "another"}, "configuration has changed"),
        ({"from_": "100"}, "started from 100"),
        ({"scope": Scope.CGROUP}, "cgroup only"),
        ({"scope": Scope.NAMESPACE}, "namespace only"),
        ({"high": 1.01}, "no win"),
    ],
)
def test_a_proof_holds_only_for_what_it_was_made_with(tmp_path: Path, wrong: dict[str, object], says: str) -> None:
    good, bad = made_on(tmp_path), made_on(tmp_path, **wrong)
    assert stands(tmp_path, good) == Standing(good, ())
    found = stands(tmp_path, bad)
    assert found.proof is None
    assert says in found.said[0]


def test_another_change_is_not_even_named(tmp_path: Path) -> None:
    for other in ({"to": "20"}, {"change": "zswap"}, {"key": "vm.other"}):
        assert stands(tmp_path, made_on(tmp_path, **other)) == Standing(None, ())


def test_the_newest_that_holds_is_the_proof(tmp_path: Path) -> None:
    old, new = made_on(tmp_path), made_on(tmp_path, made="2026-03-01T00:00:00Z", trials=("c", "d"))
    assert stands(tmp_path, new, old).proof == stands(tmp_path, old, new).proof == new


def test_a_later_trial_that_did_not_win_overrules_a_proof_of_the_same_in_the_same_place(tmp_path: Path) -> None:
    won = made_on(tmp_path)
    lost = {"ratio": 1.0, "low": 0.99, "high": 1.01, "confirmed": False, "made": "2026-02-01T00:00:00Z"}
    found = stands(tmp_path, won, made_on(tmp_path, **lost))
    assert found.proof is None
    assert "is overruled: the same trial of 2026-02-01T00:00:00Z was no win" in found.said[1]
    for elsewhere in ({"workload": "swap-cache"}, {"config": "another"}, {"made": "2026-01-01T00:00:00Z"}):
        assert stands(tmp_path, won, made_on(tmp_path, **{**lost, **elsewhere})).proof == won


def test_a_namespace_suffices_for_what_reaches_no_further() -> None:
    assert needed_scope(find("idle-restart")) is Scope.NAMESPACE
    assert needed_scope(KNOB) is Scope.HOST
    assert needed_scope(find("backlog")) is Scope.HOST


def test_our_own_changes_do_not_make_proofs_lapse_and_others_do(tmp_path: Path) -> None:
    before = config_of(machine(tmp_path), find("clocksource"), {})
    ours = config_of(machine(tmp_path), KNOB, {})
    (tmp_path / SWAPPINESS).write_text("10")
    host = machine(tmp_path)
    assert config_of(host, find("clocksource"), {}) != before
    assert config_of(host, find("clocksource"), {"/proc/sys/vm/swappiness": "60"}) == before
    assert config_of(host, KNOB, {}) == ours  # whatever the knob itself is set to
