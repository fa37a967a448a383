"""Advice from verdicts: every id exists; what is wrong costs itself alone, and is said."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import liebench
from liebench.advice.advise import Advised, advise_run
from liebench.advice.catalogue import ADVISED, by_hand, catalogue, change_of
from liebench.contract import Proposal, Verdict, Word
from liebench.errors import UnknownChange
from liebench.host import Host, StoredHost, read_host
from liebench.registry import find_probes
from liebench.settings.catalogue import catalogue as settings

PROBES = find_probes().probes
HOME = Path(liebench.__file__).parents[1] / "probes"
VERDICT = Verdict(word=Word.COSTLY, value=2.0)


def proposed(source: Path) -> Iterator[str | None]:
    """The first argument of every ``Proposal(...)`` of a file; None where it is computed."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Proposal":
            first = node.args[0]
            yield str(first.value) if isinstance(first, ast.Constant) else None


# Modules that compute an id, with all that it can be.
COMPUTED = {
    "container_facts": [
        "processes-of-servers",
        "threads-of-openmp",
        "cpu-count-of-python",
        "processors-of-java",
        "threads-of-go",
        "workers-of-node",
        "heap-of-java",
        "heap-of-node",
    ],
    "tcp_window": ["receive-window", "send-window"],
}
NAMED = {
    path: list(proposed(path)) for path in sorted([*HOME.glob("*/probe.py"), *HOME.glob("*/verdict.py")])
}  # fmt: skip


def test_every_change_that_any_probe_can_propose_exists_and_none_is_left_over() -> None:
    assert {path.parent.name for path, ids in NAMED.items() if None in ids} == set(COMPUTED)
    found = {(id, path.parent.name.replace("_", "-")) for path, ids in NAMED.items() for id in ids if id is not None}
    found |= {(id, probe.replace("_", "-")) for probe, ids in COMPUTED.items() for id in ids}
    assert {id for id, _ in found} == set(catalogue())
    assert {(change.id, change.probe) for change in catalogue().values()} <= found


def test_computed_ids_are_those_of_the_code() -> None:
    from liebench.probes.container_facts.verdict import WORKERS

    assert set(WORKERS.values()) == {id for id in COMPUTED["container_facts"] if not id.startswith("heap-of-")}


def test_no_change_made_by_hand_is_a_setting() -> None:
    assert not set(by_hand()) & set(settings())
    assert set(ADVISED) <= set(settings())


@pytest.mark.parametrize("id", ADVISED)
def test_a_setting_is_said_in_its_catalogue_alone(id: str) -> None:
    knob, change = settings()[id], catalogue()[id]
    assert (change.setting, change.scope, change.default, change.risk) == (
        knob.key,
        knob.scope,
        knob.default,
        knob.risk,
    )
    assert (change.how, change.undo) == (knob.how, knob.undo)


def given(advise: Callable[[Verdict, Host], Sequence[Proposal]], host: Host | None = None) -> Advised:
    """What comes of a probe that advises this, before one that is in order."""
    broken = replace(PROBES["clock-read"].probe, advise=advise)
    fine = replace(PROBES["clock-rate"].probe, advise=lambda v, h: [Proposal("time-sync", "chrony", "why")])
    return advise_run(host or read_host(), {"a": VERDICT, "b": VERDICT}, {"a": broken, "b": fine})


def test_an_unknown_change_is_said_and_costs_no_other() -> None:
    found = given(lambda v, h: [Proposal("swapiness", "10", "why"), Proposal("fewer-layers", "few", "why")])
    assert [a.change for a in found.advice] == ["fewer-layers", "time-sync"]
    (said,) = found.said
    assert said.startswith("the probe a proposes a change 'swapiness', which nobody knows; did you mean swappiness")
    assert said.endswith("its other advice stands")
    with pytest.raises(UnknownChange, match="which nobody knows"):
        change_of("zzzz", "a")


def test_any_setting_may_be_advised() -> None:
    assert change_of("zswap", "mine").probe == "mine"
    assert change_of("zswap", "mine").setting == settings()["zswap"].key


def test_facts_that_a_run_file_lacks_are_said_and_cost_no_other() -> None:
    def lacking(verdict: Verdict, host: Host) -> Sequence[Proposal]:
        raise KeyError("clock")

    found = given(lacking)
    assert [a.change for a in found.advice] == ["time-sync"]
    assert "no advice of a: the run file holds too few facts" in found.said[0]
    found = given(lambda v, h: [Proposal("cpu-quota", "no limit", "why")], StoredHost({}))
    assert [a.change for a in found.advice] == []
    assert [line.partition(":")[0] for line in found.said] == [
        "no advice of a (cpu-quota)",
        "no advice of b (time-sync)",
    ]


def test_what_is_in_force_already_is_no_advice() -> None:
    host = StoredHost({"settings": {"/proc/sys/vm/swappiness": "10"}})
    verdicts = {"a": VERDICT}
    probe = {"a": replace(PROBES["clock-read"].probe, advise=lambda v, h: [Proposal("swappiness", "10", "why")])}
    assert advise_run(host, verdicts, probe) == Advised(())
    probe = {"a": replace(PROBES["clock-read"].probe, advise=lambda v, h: [Proposal("swappiness", "20", "why")])}
    (found,) = advise_run(host, verdicts, probe).advice
    assert (found.now, found.how, found.undo) == ("10", "sysctl vm.swappiness=20", "sysctl vm.swappiness=10")


def test_steps_keep_the_other_numbers_of_a_file() -> None:
    change = catalogue()["receive-window"]
    host = StoredHost({"settings": {"/proc/sys/net/ipv4/tcp_rmem": "8192\t262144\t6291456"}})
    assert change.now(host) == "6291456"
    assert change.steps(host, "33554432", "6291456") == (
        'sysctl net.ipv4.tcp_rmem="8192 262144 33554432"',
        'sysctl net.ipv4.tcp_rmem="8192 262144 6291456"',
    )
    older = StoredHost({"net": {"rmem_most": 6291456}})
    assert change.now(older) == "6291456"
    assert change.steps(older, "33554432", "6291456")[0] == 'sysctl net.ipv4.tcp_rmem="? ? 33554432"'
    nothing = StoredHost({})
    assert change.now(nothing) == "as it is now"
    assert change.steps(nothing, "1", "as it is now")[0] == 'sysctl net.ipv4.tcp_rmem="? ? 1"'
