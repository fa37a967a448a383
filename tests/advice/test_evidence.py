"""Evidence behind advice: what trials on this host say, and that nobody else's trial counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from liebench.advice.advise import Advice, Grade
from liebench.advice.evidence import graded, tally
from liebench.settings.catalogue import catalogue
from liebench.settings.knob import Scope
from liebench.trial.proofs import Proof

ITEM = Advice(
    change="idle-restart",
    setting="tcp_slow_start_after_idle",
    now="1",
    default="1",
    to="0",
    why="why",
    risk="risk",
    scope="host",
    how="do",
    undo="undo",
    probe="tcp-idle-restart",
    evidence="measured here",
)
WON = Proof(
    change="idle-restart",
    key="net.ipv4.tcp_slow_start_after_idle",
    from_="1",
    to="0",
    scope=Scope.NAMESPACE,
    workload="tcp-idle-restart",
    case="own",
    host="h",
    config="c",
    ratio=0.5,
    low=0.48,
    high=0.52,
    trials=("a", "b"),
    made="2026-01-02T00:00:00Z",
    confirmed=True,
)


def one(*proofs: Proof, item: Advice = ITEM, host: str = "h") -> Advice:
    (found,) = graded([item], proofs, host, catalogue())
    return found


def test_a_confirmed_win_is_a_proof_with_workload_scope_and_size() -> None:
    found = one(WON)
    assert found.grade is Grade.PROVED
    assert found.evidence == "proved: tcp-idle-restart @ namespace, cost x 0.5 (0.48 to 0.52) on 2026-01-02"


def test_a_first_win_says_how_it_is_confirmed() -> None:
    found = one(replace(WON, confirmed=False))
    assert found.grade is Grade.ONCE
    assert found.evidence.startswith("seen once: ")
    assert found.evidence.endswith("confirm it: liebench try idle-restart=0")


def test_no_effect_is_a_result() -> None:
    found = one(replace(WON, ratio=1.0, low=0.99, high=1.01, confirmed=False))
    assert found.grade is Grade.NO_GAIN
    assert found.evidence.startswith("tried on 2026-01-02: no gain here, cost x 1 (0.99 to 1.01)")


def test_the_newest_trial_speaks() -> None:
    lost = replace(WON, ratio=1.2, low=1.1, high=1.3, confirmed=False, made="2026-02-01T00:00:00Z")
    assert one(WON, lost).grade is one(lost, WON).grade is Grade.NO_GAIN


@pytest.mark.parametrize("other", [{"host": "x"}, {"to": "1"}, {"change": "swappiness"}])
def test_other_hosts_values_and_changes_prove_nothing(other: dict[str, str]) -> None:
    found = one(replace(WON, **other))  # type: ignore[arg-type]
    assert found.grade is Grade.OPEN
    assert found.evidence == "measured here; not tried: liebench try idle-restart=0"


@pytest.mark.parametrize(
    ("change", "to", "says"),
    [
        ("near-volume", "10", "make it, run again, compare"),
        ("huge-pages", "10", "make it, run again, compare"),
        ("swappiness", "10", "liebench try swappiness=10"),
        ("timer-slack", "1", "liebench try timer-slack=1"),
        ("cpu-burst", "1000", "liebench try cpu-burst=1000"),
        ("halt-poll", "0", "liebench try halt-poll=0 --disturb host"),
        ("nice", "5", "liebench try nice=5 --with 'YOUR COMMAND'"),
        ("not-rotational", "0", "liebench try /sys/block/NAME/queue/rotational=0 --disturb host"),
        (
            "steer-packets",
            "3",
            "liebench try /sys/class/net/NAME/queues/rx-0/rps_cpus=3 --with 'YOUR COMMAND' --disturb host",
        ),
    ],
)
def test_what_would_try_it(change: str, to: str, says: str) -> None:
    assert one(item=replace(ITEM, change=change, to=to)).evidence == f"measured here; not tried: {says}"


def test_what_is_proved_stands_first_and_the_sentence_counts() -> None:
    items = [replace(ITEM, change="near-volume"), ITEM]
    found = graded(items, [WON], "h", catalogue())
    assert [item.change for item in found] == ["idle-restart", "near-volume"]
    assert tally(found) == "2 changes are worth a try: 1 proved here."
    assert tally(graded(items, [], "h", {})) == "2 changes are worth a try; none was tried here yet."
    assert tally([ITEM]) == "1 change is worth a try; none was tried here yet."
    assert tally([]) == ""
