"""Every reason to refuse an apply, and who else sets the same thing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from liebench.apply.conflicts import rivals
from liebench.apply.ledger import SYSCTLS
from liebench.apply.plan import Plan, confirm_seconds, difference, plan, seconds
from liebench.apply.target import Hands
from liebench.apply.transaction import intended
from liebench.errors import UsageError
from liebench.settings.catalogue import find
from liebench.settings.knob import Scope
from liebench.stage.act import VALUE, acting
from liebench.state.journal import Journal
from liebench.trial.proofs import Proof, add_proof, config_of

from tests.helpers.applying import IDLE, SWAPPINESS, applied, hands, proof, value

IDLE_KEY = "net.ipv4.tcp_slow_start_after_idle"


def planned(h: Hands, *texts: str, untested: bool = False, confirm: str | None = None) -> Plan:
    return plan(h, h.ledger(), texts, untested, confirm)


def proved(h: Hands, knob: str = "swappiness", **changes: object) -> Proof:
    found = find(knob)
    about = {"change": found.id, "key": found.key, "host": h.host.hashes()["host"]}
    made = proof(**{**about, "config": config_of(h.host, found, {}), **changes})
    add_proof(h.state, made)
    return made


def test_without_a_proof_it_is_refused_with_both_ways_on(tmp_path: Path) -> None:
    h = hands(tmp_path)
    with pytest.raises(UsageError, match=r"no trial of it.*liebench try swappiness=10.*--untested"):
        planned(h, "vm.swappiness=10")
    assert planned(h, "vm.swappiness=10", untested=True).wanted[0].evidence.startswith("untested")


def test_a_proof_is_enough_and_stands_beside_the_change(tmp_path: Path) -> None:
    h = hands(tmp_path)
    made = proved(h)
    evidence = planned(h, "vm.swappiness=10", untested=True).wanted[0].evidence
    assert evidence.startswith("proved: your command @ host, cost x 0.8 (0.75 to 0.85)")
    assert made.trials[1] in evidence
    with pytest.raises(UsageError, match="no trial"):
        planned(h, "vm.swappiness=11")


def test_a_proof_of_too_small_a_scope_is_named(tmp_path: Path) -> None:
    h = hands(tmp_path)
    proved(h, scope=Scope.CGROUP)
    with pytest.raises(UsageError, match=r"a proof at host scope.*cgroup only.*Prove it there.*--disturb host"):
        planned(h, "vm.swappiness=10")
    proved(h, "idle-restart", from_="1", to="0", scope=Scope.NAMESPACE)
    assert planned(h, f"{IDLE_KEY}=0").confirm_s == 600.0


def test_a_proof_in_a_group_of_ours_is_enough_for_a_group(tmp_path: Path) -> None:
    """The rig that carried the value is of no file of the host; the same knob of a disk wants a proof of that disk."""
    h = hands(tmp_path)
    file = "/sys/fs/cgroup/a.slice/b.service/cpu.max.burst"
    put(h, file, "0")
    proved(h, "cpu-burst", from_="0", to="40000", scope=Scope.CGROUP)
    assert [w.to for w in planned(h, f"{file}=40000").wanted] == ["40000"]
    with pytest.raises(UsageError, match="no trial of it has been made here"):
        planned(h, f"{file}=20000")
    put(h, "/sys/block/sda/queue/read_ahead_kb", "128")
    proved(h, "readahead", key="/sys/block/sdb/queue/read_ahead_kb", from_="128", to="256")
    with pytest.raises(UsageError, match="liebench try /sys/block/sda/queue/read_ahead_kb=256 --disturb host"):
        planned(h, "/sys/block/sda/queue/read_ahead_kb=256")


def test_a_proof_of_a_rig_that_was_set_otherwise_says_nothing_here(tmp_path: Path) -> None:
    """The rig had cubic; a host that has bbr does not forget its window, so the change would bring it nothing."""
    h = hands(tmp_path)
    put(h, "/proc/sys/net/ipv4/tcp_congestion_control", "bbr")
    proved(h, "idle-restart", from_="1", to="0", scope=Scope.NAMESPACE, workload="tcp-idle-restart (congestion=cubic)")
    with pytest.raises(UsageError, match="was made with congestion=cubic, and here it is bbr"):
        planned(h, f"{IDLE_KEY}=0")
    proved(h, "idle-restart", from_="1", to="0", scope=Scope.NAMESPACE, workload="tcp-idle-restart (congestion=bbr)")
    assert planned(h, f"{IDLE_KEY}=0").wanted
    put(h, "/proc/sys/net/ipv4/tcp_congestion_control", "cubic")
    assert "congestion=cubic" in planned(h, f"{IDLE_KEY}=0").wanted[0].evidence


@pytest.mark.parametrize(
    "workload", ["x ()", "x (congestion)", "x (=)", "x (a=1, , b)", "x (congestion=a=b, c)", "x (\0)"]
)
def test_a_proof_whose_conditions_cannot_be_read_breaks_nothing(tmp_path: Path, workload: str) -> None:
    h = hands(tmp_path)
    proved(h, "idle-restart", from_="1", to="0", scope=Scope.NAMESPACE, workload=workload)
    assert planned(h, f"{IDLE_KEY}=0", untested=True).wanted


def test_our_own_changes_do_not_end_a_proof_and_others_do(tmp_path: Path) -> None:
    h = hands(tmp_path)
    proved(h, "idle-restart", from_="1", to="0")
    applied(h, "vm.swappiness=10")
    assert planned(hands(tmp_path), f"{IDLE_KEY}=0").wanted
    h.at("proc/sys/kernel/numa_balancing").write_text("1")
    with pytest.raises(UsageError, match="configuration has changed"):
        planned(hands(tmp_path), f"{IDLE_KEY}=0")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("vm.swappiness", "name=value"),
        ("vm.swappiness=201", "0 to 200"),
        ("vm.swappiness=-1", "0 to 200"),
        ("vm.swappiness=1e1", "0 to 200"),
        ("vm.swappiness=10\nkernel.core_pattern=|/bin/sh", "0 to 200"),
        ("vm.swappiness=$(id)", "0 to 200"),
        ("vm.swappiness=" + "9" * 100_000, "0 to 200"),
        ("vm.swappiness=１０", "0 to 200"),
        ("vm.swapiness=10", "did you mean"),
        ("vm.swappiness;id=10", "not in the catalogue"),
        ("../../etc/passwd=x", "not in the catalogue"),
        ("=1", "not in the catalogue"),
        ("receive-window=4096", "never lowered"),
        ("timer-slack=1000", "not the whole host.s. Keep it with TimerSlackNSec=1000"),
        ("readahead=128", "one of several"),
        ("huge-pages=never", "not there on this kernel"),
    ],
)
def test_hostile_and_impossible_changes_are_one_clear_error(tmp_path: Path, text: str, says: str) -> None:
    h = hands(tmp_path)
    h.at("proc/self").mkdir(parents=True)
    h.at("proc/self/timerslack_ns").write_text("50000")
    with pytest.raises(UsageError, match=says) as error:
        planned(h, text, untested="catalogue" not in says and "mean" not in says)
    assert len(str(error.value)) < 700
    assert "\n" not in str(error.value)
    assert h.ledger().changes == ()


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/proc/sys/../../etc/passwd", "/sys/../etc/passwd", "/proc/self/mem", "kernel.core_pattern",
     "kernel/modprobe", "vm.drop_caches", "/proc/sys/./vm/swappiness\0", "/dev/mem", "/sys/power/state"],
)  # fmt: skip
def test_untested_takes_sysctls_and_not_everything(tmp_path: Path, path: str) -> None:
    h = hands(tmp_path)
    for name in ("kernel/core_pattern", "kernel/modprobe", "vm/drop_caches"):
        h.at(f"proc/sys/{name}").write_text("core")
    with pytest.raises(UsageError):
        planned(h, f"{path}=1", untested=True)


def test_untested_values_with_another_meaning_reach_no_file(tmp_path: Path) -> None:
    h = hands(tmp_path)
    h.at("proc/sys/kernel/hostname").write_text("here")
    found = planned(h, "kernel.hostname=$(id)", untested=True)
    changes = intended(h, found.wanted, None, 1)
    with pytest.raises(UsageError, match="read as its own"):
        difference(h, h.ledger(), changes, found.wanted)


def test_twice_the_same_and_what_is_so_already(tmp_path: Path) -> None:
    h = hands(tmp_path)
    with pytest.raises(UsageError, match="named twice"):
        planned(h, "vm.swappiness=10", "swappiness=20", untested=True)
    assert planned(h, "vm.swappiness=60").already == ("vm.swappiness is 60 already",)


def test_a_word_that_the_kernel_does_not_offer(tmp_path: Path) -> None:
    h = hands(tmp_path)
    h.at("sys/kernel/mm/transparent_hugepage").mkdir(parents=True)
    h.at("sys/kernel/mm/transparent_hugepage/enabled").write_text("always [madvise]")
    with pytest.raises(UsageError, match=r"always \[madvise\]"):
        planned(h, "huge-pages=never", untested=True)


def test_what_a_measurement_holds_is_not_taken_for_the_administrators(tmp_path: Path) -> None:
    h = hands(tmp_path)
    holding = acting(Journal(h.state, "boot-1"), VALUE, str(h.at(SWAPPINESS)), "60", "60")
    with holding, pytest.raises(UsageError, match=f"process {os.getpid()}"):
        planned(h, "vm.swappiness=10", untested=True)
    assert planned(h, "vm.swappiness=10", untested=True).wanted


def test_a_network_namespace_of_its_own_is_not_the_hosts(tmp_path: Path) -> None:
    h = hands(tmp_path)
    for pid, name in (("self", "net:[2]"), ("1", "net:[1]")):
        h.at(f"/proc/{pid}/ns").mkdir(parents=True)
        h.at(f"/proc/{pid}/ns/net").symlink_to(name)
    with pytest.raises(UsageError, match="from the host's namespace"):
        planned(h, f"{IDLE_KEY}=0", untested=True)
    assert planned(h, "vm.swappiness=10", untested=True).wanted


def test_networks_are_always_confirmed(tmp_path: Path) -> None:
    h = hands(tmp_path)
    with pytest.raises(UsageError, match="always confirmed"):
        planned(h, f"{IDLE_KEY}=0", untested=True, confirm="never")
    assert planned(h, f"{IDLE_KEY}=0", "vm.swappiness=10", untested=True).confirm_s == 600.0
    assert planned(h, "vm.swappiness=10", untested=True).confirm_s is None
    assert planned(h, "vm.swappiness=10", untested=True, confirm="2m").confirm_s == 120.0
    assert confirm_seconds("never", [find("swappiness")]) is None
    h.at("proc/sys/net/ipv4/ip_forward").write_text("0")
    assert planned(h, "net.ipv4.ip_forward=1", untested=True).confirm_s == 600.0  # one we do not know, too


@pytest.mark.parametrize("text", ["", "0", "25h", "-1s", "1d", "10 m", "1.5m", "9" * 50, "m", "１m"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="as 10m"):
        seconds(text)


def test_times() -> None:
    assert [seconds(t) for t in ("90", "90s", "10m", "1h")] == [90.0, 90.0, 600.0, 3600.0]


PATH = "/proc/sys/vm/swappiness"


def put(h: Hands, path: str, text: str) -> None:
    h.at(path).parent.mkdir(parents=True, exist_ok=True)
    h.at(path).write_text(text)


@pytest.mark.parametrize(
    ("path", "text", "wins"),
    [
        ("/etc/sysctl.d/99-x.conf", "# c\nvm.swappiness = 30\n", True),
        ("/etc/sysctl.d/10-x.conf", "vm/swappiness=30", False),
        ("/usr/lib/sysctl.d/99-x.conf", "-vm.swappiness = 30", True),
        ("/run/sysctl.d/90-liebench.conf", "vm.swappiness = 30", None),  # ours of that name in /etc hides it
        ("/etc/sysctl.d/99-x.conf", "vm.swap* = 30", False),  # a key that is named beats every pattern
        ("/etc/sysctl.conf", "vm.swappiness=30", True),
        ("/etc/sysctl.d/99-x", "vm.swappiness=30", None),
        ("/etc/sysctl.d/99-x.conf", "; vm.swappiness = 30\nvm.swappiness_not = 1\nvm.swappiness\n", None),
        ("/etc/tuned/mine/tuned.conf", "[main]\ninclude=base\n[sysctl]\nvm.swappiness=30", False),
        ("/usr/lib/tuned/base/tuned.conf", "[sysctl]\nvm.swappiness = 30", False),
        ("/etc/tuned/other/tuned.conf", "[sysctl]\nvm.swappiness = 30", None),
    ],
)
def test_who_else_sets_it_and_who_wins(tmp_path: Path, path: str, text: str, wins: bool | None) -> None:
    h = hands(tmp_path)
    put(h, "/etc/tuned/active_profile", "mine\n")
    put(h, "/etc/tuned/mine/tuned.conf", "[main]\ninclude=base,missing\n")
    put(h, path, text)
    found = rivals(h.host, PATH)
    assert [r.wins for r in found] == ([] if wins is None else [wins])
    if wins:
        with pytest.raises(UsageError, match=rf"{path} line \d sets vm.swappiness to 30 and wins.*change that line"):
            planned(h, "vm.swappiness=10", untested=True)
        assert planned(h, "vm.swappiness=30", untested=True).wanted[0].overrides[0].endswith("sets the same value")
    elif wins is False:
        assert "from now on ours wins" in planned(h, "vm.swappiness=10", untested=True).wanted[0].overrides[0]


def test_a_name_in_etc_hides_the_same_name_elsewhere(tmp_path: Path) -> None:
    h = hands(tmp_path)
    put(h, "/usr/lib/sysctl.d/99-x.conf", "vm.swappiness = 30")
    put(h, "/etc/sysctl.d/99-x.conf", "# nothing")
    assert rivals(h.host, PATH) == []


def test_tuned_and_ufw_win_where_they_say_so(tmp_path: Path) -> None:
    h = hands(tmp_path)
    put(h, "/etc/tuned/active_profile", "mine")
    put(h, "/etc/tuned/profiles/mine/tuned.conf", "[sysctl]\nvm.swappiness=30")
    put(h, "/etc/tuned/tuned-main.conf", "daemon = 1\nreapply_sysctl = 0\n")
    assert [r.wins for r in rivals(h.host, PATH)] == [True]
    put(h, "/etc/ufw/sysctl.conf", "net/ipv4/tcp_slow_start_after_idle=1")
    assert rivals(h.host, f"/{IDLE}") == []
    put(h, "/etc/ufw/ufw.conf", "ENABLED=yes")
    assert [r.wins for r in rivals(h.host, f"/{IDLE}")] == [True]


def test_of_tmpfiles_the_first_name_wins(tmp_path: Path) -> None:
    h, page = hands(tmp_path), "/sys/kernel/mm/transparent_hugepage/enabled"
    put(h, "/etc/tmpfiles.d/10-a.conf", f"w {page} - - - - always\nd /x 0755 - - -\n")
    put(h, "/usr/lib/tmpfiles.d/thp.conf", f"w! {page} - - - - never")
    assert [(r.value, r.wins) for r in rivals(h.host, page)] == [("always", True), ("never", False)]


def test_the_difference_shows_values_evidence_risk_and_file(tmp_path: Path) -> None:
    h = hands(tmp_path)
    proved(h)
    put(h, "/etc/sysctl.d/10-x.conf", "vm.swappiness = 30")
    ledger, found = h.ledger(), planned(h, "vm.swappiness=10")
    lines = difference(h, ledger, intended(h, found.wanted, None, 1), found.wanted)
    text = "\n".join(lines)
    for part in ("vm.swappiness: 60 -> 10", "proved: your command @ host", "what can get worse", "10-x.conf line 1",
                 "--- /dev/null", f"+++ {SYSCTLS}", "+vm.swappiness = 10"):  # fmt: skip
        assert part in text
    assert max(len(line) for line in lines) <= 80
    assert value(h) == "60"
    applied(h, "vm.swappiness=10")
    found = planned(h, "vm.swappiness=20", untested=True)
    again = difference(h, h.ledger(), intended(h, found.wanted, None, 2), found.wanted)
    put(h, "/sys/block/sda/queue/read_ahead_kb", "128")
    found = planned(h, "/sys/block/sda/queue/read_ahead_kb=256", untested=True)
    changes = intended(h, found.wanted, None, 2)
    lines = difference(h, h.ledger(), changes, found.wanted)
    assert "systemd-tmpfiles, which is not here" in " ".join(line.strip() for line in lines)
    put(h, "/usr/bin/systemd-tmpfiles", "")
    text = " ".join(line.strip() for line in difference(h, h.ledger(), changes, found.wanted))
    assert "comes later keeps its default" in text
    assert "-vm.swappiness = 10" in again
    assert "+vm.swappiness = 20" in again
