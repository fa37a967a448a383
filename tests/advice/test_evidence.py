"""Evidence behind advice: what trials on this host say, and that nobody else's trial counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from liebench.advice.advise import Advice, Grade
from liebench.advice.evidence import graded, tally
from liebench.host import Host, StoredHost
from liebench.settings.catalogue import catalogue, find
from liebench.settings.knob import Scope
from liebench.trial.proofs import Proof, config_of

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
SETTINGS = {
    "/proc/sys/net/ipv4/tcp_slow_start_after_idle": "1",
    "/proc/sys/vm/swappiness": "60",
    "/sys/block/vda/queue/read_ahead_kb": "128",
    "/sys/block/vdb/queue/read_ahead_kb": "4096",
}
FACTS: dict[str, Any] = {
    "kernel": {"release": "6.12.0", "cmdline": "ro"},
    "limits": {},
    "clock": {"current": "tsc"},
    "cpu": {"governor": None, "microcode": None},
    "memory": {"thp": "madvise", "mglru": None},
    "sysctls": {"vm/swappiness": "60", "kernel/numa_balancing": "0"},
    "settings": SETTINGS,
    "volumes": [],
}


def run_of(**changes: Any) -> StoredHost:
    """The host of a run as a file of today holds it."""
    facts = {**FACTS, **changes}
    return StoredHost(facts, taken={"host": "h", "config": Host.config(StoredHost(facts))})


HOST = run_of()
WON = Proof(
    change="idle-restart",
    key="net.ipv4.tcp_slow_start_after_idle",
    from_="1",
    to="0",
    scope=Scope.NAMESPACE,
    workload="tcp-idle-restart",
    case="own",
    host="h",
    config=config_of(HOST, find("idle-restart"), {}),
    ratio=0.5,
    low=0.48,
    high=0.52,
    trials=("a", "b"),
    made="2026-01-02T00:00:00Z",
    confirmed=True,
)


def all_of(items: Sequence[Advice], proofs: Sequence[Proof], host: StoredHost = HOST) -> list[Advice]:
    return graded(items, proofs, host, catalogue(), {})


def one(*proofs: Proof, item: Advice = ITEM, host: StoredHost = HOST) -> Advice:
    (found,) = all_of([item], proofs, host)
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
        ("map-huge", "MADV_HUGEPAGE", "make it, run again, compare"),
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
    found = all_of(items, [WON])
    assert [item.change for item in found] == ["idle-restart", "near-volume"]
    assert tally(found) == "2 changes are worth a try: 1 proved here."
    assert tally(all_of(items, [])) == "2 changes are worth a try; none was tried here yet."
    assert tally([ITEM]) == "1 change is worth a try; none was tried here yet."
    assert tally([]) == ""


@pytest.mark.parametrize(
    ("wrong", "grade", "says"),
    [
        ({"config": "another"}, Grade.LAPSED, "lapsed: the configuration has changed since"),
        ({"from_": "0"}, Grade.LAPSED, "started from 0, and the value is 1 now"),
        ({"scope": Scope.PROCESS}, Grade.NARROW, "holds in a process only; this write reaches the whole namespace"),
        (
            {"workload": "tcp-idle-restart (congestion=cubic)"},
            Grade.LAPSED,
            "was made with congestion=cubic, and what it is here cannot be told",
        ),
    ],
)
def test_a_proof_that_apply_would_refuse_is_not_called_one(wrong: dict[str, Any], grade: Grade, says: str) -> None:
    found = one(replace(WON, **wrong))
    assert found.grade is grade
    assert found.evidence.startswith("the proof of 2026-01-02 (proved: ")
    assert says in found.evidence
    assert found.evidence.endswith("prove it with `liebench try idle-restart=0`")


def test_where_only_a_wider_trial_suffices_its_line_is_named() -> None:
    item = replace(ITEM, change="swappiness", to="10")
    config = config_of(HOST, find("swappiness"), {})
    proof = replace(WON, change="swappiness", key="vm.swappiness", from_="60", to="10", config=config)
    assert one(replace(proof, scope=Scope.HOST), item=item).grade is Grade.PROVED
    found = one(replace(proof, scope=Scope.CGROUP), item=item)
    assert found.grade is Grade.NARROW
    assert (
        "holds in a cgroup only; this write reaches the whole host; prove it there on your own work" in found.evidence
    )
    assert found.evidence.endswith("`liebench try swappiness=10 --with 'COMMAND' --disturb host`")


def test_of_several_disks_a_proof_holds_for_the_disk_that_it_names() -> None:
    item = replace(ITEM, change="readahead", to="512", now="vda: 128, vdb: 4096")
    key = "/sys/block/vda/queue/read_ahead_kb"
    config = config_of(HOST, find(key), {})
    proof = replace(WON, change="readahead", key=key, from_="128", to="512", scope=Scope.HOST, config=config)
    found = one(proof, item=item)
    assert (found.grade, found.evidence[-len(key) - 2 :]) == (Grade.PROVED, f"({key})")
    other = one(replace(proof, key=key.replace("vda", "vdb")), item=item)
    assert (other.grade, "started from 128, and the value is 4096 now" in other.evidence) == (Grade.LAPSED, True)
    gone = one(replace(proof, key=key.replace("vda", "vdz")), item=item)
    assert (gone.grade, "the value is not known now" in gone.evidence) == (Grade.LAPSED, True)


def test_what_the_run_file_does_not_tell_is_said_and_never_proved() -> None:
    """An older file holds neither the value nor, where facts were redacted, what the configuration hash needs."""
    item = replace(ITEM, change="swappiness", to="10")
    config = config_of(HOST, find("swappiness"), {})
    proof = replace(WON, change="swappiness", key="vm.swappiness", from_="60", to="10", config=config, scope=Scope.HOST)
    redacted = StoredHost({**FACTS, "kernel": {"release": "edited", "cmdline": "ro"}}, taken=HOST.taken)
    found = one(proof, item=item, host=redacted)
    assert found.grade is Grade.LAPSED
    assert "cannot be held against this configuration: the run file does not tell all of it" in found.evidence
    assert one(WON, host=redacted).grade is Grade.PROVED  # the run's own hash tells what no value stands in place of
    old = StoredHost({k: v for k, v in FACTS.items() if k != "settings"}, taken=HOST.taken)
    assert "the value is not known now" in one(WON, host=old).evidence
    assert one(WON, host=StoredHost({}, taken={})).grade is Grade.OPEN


def test_what_liebench_applied_itself_does_not_end_a_proof_and_others_do() -> None:
    sysctls = {**FACTS["sysctls"], "vm/swappiness": "10"}
    later = run_of(sysctls=sysctls, settings={**SETTINGS, "/proc/sys/vm/swappiness": "10"})
    assert one(WON, host=later).grade is Grade.LAPSED
    (found,) = graded([ITEM], [WON], later, catalogue(), {"/proc/sys/vm/swappiness": "60"})
    assert found.grade is Grade.PROVED
