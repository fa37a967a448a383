"""What is tried where only a name was given: measured here first, else a rule with a source, never what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from liebench.errors import UsageError
from liebench.host import Host, read_host
from liebench.probes.quota_spike.probe import QUOTA_US
from liebench.settings.catalogue import catalogue, find, parse
from liebench.settings.launch import named_thing
from liebench.settings.suggest import SUGGEST_RULES, TRIED_US, proposed

CGROUP = "sys/fs/cgroup/system.slice/db@main.service"
FILES = {
    "proc/sys/net/core/netdev_max_backlog": "1000",
    "proc/sys/net/core/rmem_max": "212992",
    "proc/sys/net/core/wmem_max": "16777216",
    "proc/sys/net/ipv4/tcp_slow_start_after_idle": "1",
    "proc/sys/net/ipv4/tcp_rmem": "4096 131072 6291456",
    "proc/sys/net/ipv4/tcp_congestion_control": "cubic",
    "proc/sys/net/ipv4/tcp_available_congestion_control": "reno cubic",
    "proc/sys/vm/swappiness": "60",
    "proc/sys/vm/dirty_bytes": "0",
    "sys/kernel/mm/transparent_hugepage/enabled": "always madvise [never]",
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet",
    "sys/devices/system/clocksource/clocksource0/available_clocksource": "hpet acpi_pm tsc",
    "sys/block/sda/queue/read_ahead_kb": "128",
    "sys/block/sda/queue/scheduler": "[mq-deadline] kyber none",
    "sys/class/net/eth0/queues/rx-0/rps_cpus": "0",
    f"{CGROUP}/cpu.max.burst": "0",
    f"{CGROUP}/cpu.max": "200000 100000",
    "sys/fs/cgroup/small/cpu.max.burst": "0",
    "sys/fs/cgroup/small/cpu.max": "25000 100000",
    "sys/fs/cgroup/free/cpu.max.burst": "0",
    "sys/fs/cgroup/free/cpu.max": "max 100000",
    "sys/fs/cgroup/cpu/one/two/cpu.cfs_burst_us": "0",
    "sys/fs/cgroup/cpu/one/two/cpu.cfs_quota_us": "30000",
}  # fmt: skip


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return read_host(tmp_path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("idle-restart", "idle-restart=0"),
        ("net.core.netdev_max_backlog", "net.core.netdev_max_backlog=2000"),
        ("rmem-max", "rmem-max=4194304"),
        ("receive-window", "receive-window=33554432"),
        ("huge-pages", "huge-pages=madvise"),
        ("clocksource", "clocksource=tsc"),
        ("timer-slack", "timer-slack=1"),
        ("cpu-burst", f"cpu-burst={TRIED_US}"),
        (f"/{CGROUP}/cpu.max.burst", f"/{CGROUP}/cpu.max.burst={TRIED_US}"),
        ("/sys/fs/cgroup/small/cpu.max.burst", "/sys/fs/cgroup/small/cpu.max.burst=25000"),
        ("/sys/fs/cgroup/cpu/one/two/cpu.cfs_burst_us", "/sys/fs/cgroup/cpu/one/two/cpu.cfs_burst_us=30000"),
        ("/sys/block/sda/queue/read_ahead_kb", "/sys/block/sda/queue/read_ahead_kb=256"),
        ("/sys/block/sda/queue/scheduler", "/sys/block/sda/queue/scheduler=none"),
    ],
)
def test_a_rule_gives_a_value_and_its_source(host: Host, name: str, change: str) -> None:
    if name == "timer-slack" and find(name).read(host) is None:
        (host.root / "proc/self").mkdir()
        (host.root / "proc/self/timerslack_ns").write_text("50000")
    found, why = proposed(name, host, {})
    assert found == change
    assert re.search(r"rst|kernel|prctl|tcp\.c|sock\.h", why), why
    assert parse(found, host, rig=True)[2] == change.rpartition("=")[2]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("wmem-max", "16777216 already"),  # max(current, proposed): a limit is never lowered
        ("swappiness", "depends on what was measured.*swappiness=VALUE"),
        ("dirty-bytes", "four times what the disk writes in a second"),
        ("congestion", "offers reno cubic"),
        ("readahead", "name its file, as /sys/block/NAME/queue/read_ahead_kb"),
        ("budget", "is not there on this kernel"),
        ("/sys/fs/cgroup/free/cpu.max.burst", "has no quota"),
        ("vm.nothing", "not in the catalogue"),
    ],
)
def test_where_no_rule_gives_one_the_reason_is_said(host: Host, name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as error:
        proposed(name, host, {})
    assert "\n" not in str(error.value)


def test_what_was_measured_here_comes_before_the_rule(host: Host) -> None:
    advised = {"swappiness": ("10", "measured"), "rmem-max": ("8388608", "measured"), "huge-pages": ("rubbish", "x")}
    assert proposed("swappiness", host, advised) == ("swappiness=10", "measured")
    assert proposed("rmem-max", host, advised)[0] == "rmem-max=8388608"
    assert proposed("huge-pages", host, advised)[0] == "huge-pages=madvise"  # no value of it: the rule


def test_every_rule_is_of_a_knob_and_every_knob_without_one_says_why_in_its_error(host: Host) -> None:
    assert set(SUGGEST_RULES) - set(catalogue()) == {"mount"}  # mount:PATH
    assert set(catalogue()) - set(SUGGEST_RULES) == {"swappiness"}  # only what was measured says which way
    assert named_thing("env:X") is not None
    assert TRIED_US == QUOTA_US


@pytest.mark.parametrize(
    "name",
    [
        "/sys/fs/cgroup/../../etc/cpu.max.burst", "/sys/fs/cgroup/cpu.max.burst", "/sys/fs/cgroup/a//cpu.max.burst",
        "/sys/fs/cgroup/a b/cpu.max.burst", "/sys/fs/cgroup/a/cpu.max", "/sys/block/a/b/queue/scheduler",
    ],
)  # fmt: skip
def test_a_pattern_means_its_own_files_only(host: Host, name: str) -> None:
    with pytest.raises(UsageError, match="not in the catalogue"):
        parse(f"{name}=1", host)


def test_a_group_is_named_to_apply_and_need_not_be_to_try(host: Host) -> None:
    with pytest.raises(UsageError, match=r"name its file, as /sys/fs/cgroup/GROUP/cpu\.max\.burst"):
        parse("cpu-burst=1000", host)
    knob, now, to = parse("cpu-burst=1000", host, rig=True)
    assert (knob.id, now, to) == ("cpu-burst", "0", "1000")
    knob, now, to = parse(f"/{CGROUP}/cpu.max.burst=1000", host)
    assert (knob.key, knob.family, now) == (f"/{CGROUP}/cpu.max.burst", catalogue()["cpu-burst"].key, "0")
