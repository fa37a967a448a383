"""The store of proofs: what counts, for what, and why something no longer does."""

from __future__ import annotations

from pathlib import Path

import pytest

from liebench.errors import StorageFull
from liebench.settings.catalogue import find
from liebench.settings.knob import Scope
from liebench.trial.proofs import FILE, add_proof, config_of, lapsed, needed_scope, proof_for, read_proofs

from tests.helpers.applying import SWAPPINESS, machine, proof

KNOB = find("swappiness")


def holds(*proofs: object, **changes: object) -> bool:
    asked = {"from_": "60", "to": "10", "host": "h", "config": "c", "scope": Scope.HOST} | changes
    found = proof_for(proofs, KNOB, **asked)  # type: ignore[arg-type]
    assert (found is None) or lapsed(proofs, KNOB, **asked) == []  # type: ignore[arg-type]
    return found is not None


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
def test_a_proof_holds_only_for_what_it_was_made_with(wrong: dict[str, object], says: str) -> None:
    assert holds(proof())
    assert not holds(proof(**wrong))
    assert says in lapsed([proof(**wrong)], KNOB, "60", "10", "h", "c", Scope.HOST)[0]


def test_another_change_is_not_even_named() -> None:
    for other in (proof(to="20"), proof(change="zswap"), proof(key="vm.other")):
        assert not holds(other)
        assert lapsed([other], KNOB, "60", "10", "h", "c", Scope.HOST) == []


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
