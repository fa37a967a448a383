"""What the report of a run calls proved, apply takes; what it does not, apply refuses in the same words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liebench.advice.advise import Advice, Grade
from liebench.advice.evidence import graded
from liebench.apply.plan import plan
from liebench.cli.status import _proofs
from liebench.errors import UsageError
from liebench.host import Host, StoredHost, stored_host
from liebench.settings.catalogue import catalogue, find
from liebench.settings.knob import Scope
from liebench.settings.present import readings
from liebench.trial.proofs import add_proof, config_of, read_proofs

from tests.helpers.applying import hands, proof

ITEM = Advice(
    change="swappiness",
    setting="vm.swappiness",
    now="60",
    default="60",
    to="10",
    why="why",
    risk="risk",
    scope="host",
    how="do",
    undo="undo",
    probe="swap-cache",
    evidence="measured here",
)


def run_file(host: Host) -> StoredHost:
    """The host as a run file of it is read."""
    facts = replace(host, facts={**host.facts, "settings": readings(host)}).redacted()
    return stored_host(json.loads(json.dumps({"host": facts, "hashes": host.hashes()})))


@pytest.mark.parametrize(
    ("wrong", "grade", "says"),
    [
        ({}, Grade.PROVED, ""),
        ({"config": "another"}, Grade.LAPSED, "lapsed: the configuration has changed since"),
        ({"from_": "100"}, Grade.LAPSED, "started from 100, and the value is 60 now"),
        ({"scope": Scope.CGROUP}, Grade.NARROW, "holds in a cgroup only; this write reaches the whole host"),
        ({"host": "another"}, Grade.OPEN, "was made on another host"),
        ({"confirmed": False}, Grade.ONCE, "was seen in one trial only"),
        ({"high": 1.01}, Grade.NO_GAIN, "is no win"),
        ({"workload": "x (congestion=cubic)"}, Grade.LAPSED, "was made with congestion=cubic"),
    ],
)
def test_report_apply_and_status_mean_the_same(tmp_path: Path, wrong: dict[str, Any], grade: Grade, says: str) -> None:
    h = hands(tmp_path)
    made = {"host": h.host.hashes()["host"], "config": config_of(h.host, find("swappiness"), {})}
    add_proof(h.state, proof(**{**made, **wrong}))
    (found,) = graded([ITEM], read_proofs(h.state)[0], run_file(h.host), catalogue(), {})
    assert found.grade is grade
    assert bool(_proofs(h)) == (grade is Grade.PROVED)
    if grade is Grade.PROVED:
        assert plan(h, h.ledger(), ["vm.swappiness=10"], False, None).wanted[0].evidence.startswith("proved: ")
        assert found.evidence.startswith("proved: ")
        return
    with pytest.raises(UsageError, match="nothing proves on this host") as refused:
        plan(h, h.ledger(), ["vm.swappiness=10"], False, None)
    assert says in str(refused.value)
    assert "proved: " not in found.evidence.partition(" (")[0]
    if grade in (Grade.LAPSED, Grade.NARROW):
        assert says in found.evidence
        assert "liebench try swappiness=10" in found.evidence


def test_a_host_that_was_changed_after_the_run_lapses_in_the_next_run(tmp_path: Path) -> None:
    """The report of a run speaks of the host as that run found it, whatever became of it since."""
    h = hands(tmp_path)
    made = {"host": h.host.hashes()["host"], "config": config_of(h.host, find("swappiness"), {})}
    add_proof(h.state, proof(**made))
    proofs, before = read_proofs(h.state)[0], run_file(h.host)
    h.at("proc/sys/kernel/numa_balancing").write_text("1")
    after = run_file(hands(tmp_path).host)
    assert [graded([ITEM], proofs, host, catalogue(), {})[0].grade for host in (before, after)] == [
        Grade.PROVED,
        Grade.LAPSED,
    ]
