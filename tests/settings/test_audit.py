"""An audit: this kernel's own values, who sets what in which order, and what is known to do harm or nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liebench.host import Host, read_host
from liebench.settings.audit import Departure, Setting, audit
from liebench.settings.defaults import below, default_of, same, source_of
from liebench.settings.defaults_computed import version_of
from liebench.settings.defaults_table import GONE, OLDEST, TABLE
from liebench.settings.owners import dotted, owners_of
from liebench.text.audit import as_json, as_text

AUDITS = Path(__file__).parents[1] / "fixtures" / "audits"


def host(name: str) -> Host:
    return read_host(AUDITS / name)


def audited(name: str) -> dict[str, Setting]:
    return {s.key: s for s in audit(host(name))}


@pytest.mark.parametrize(
    ("key", "on"),
    [
        ("net.core.somaxconn", {"el7": "128", "debian12": "4096", "new": "4096"}),
        ("net.core.rmem_max", {"el7": "212992", "debian12": "212992", "new": "4194304"}),
        ("net.core.optmem_max", {"el7": "20480", "debian12": "20480", "new": "131072"}),
        ("net.ipv4.tcp_tw_reuse", {"el7": "0", "debian12": "2", "new": "2"}),
        ("net.ipv4.tcp_tw_recycle", {"el7": "0", "debian12": GONE, "new": GONE}),
        ("kernel.perf_event_paranoid", {"el7": "1", "debian12": "2", "new": "2"}),
        ("vm.zone_reclaim_mode", {"el7": None, "debian12": "0", "new": "0"}),
        ("vm.compaction_proactiveness", {"el7": None, "debian12": "20", "new": "20"}),
        ("net.ipv4.tcp_rmem", {"el7": "4096 87380 6291456", "debian12": "4096 131072 6291456",
                               "new": "4096 131072 33554432"}),
        ("net.core.netdev_budget_usecs", {"el7": None, "debian12": "8000", "new": None}),  # no build is told
        ("net.ipv4.tcp_congestion_control", {"el7": None, "debian12": "cubic", "new": None}),
        ("/sys/kernel/mm/transparent_hugepage/enabled", {"el7": None, "debian12": "madvise", "new": None}),
        ("/sys/kernel/mm/transparent_hugepage/defrag", {"el7": "always", "debian12": "madvise", "new": "madvise"}),
        ("no.such.key", {"el7": None, "debian12": None, "new": None}),
    ],
)  # fmt: skip
def test_a_default_is_the_one_of_the_running_version(key: str, on: dict[str, str | None]) -> None:
    assert {name: default_of(key, host(name)) for name in on} == on


def test_spans_begin_where_the_version_does_and_older_kernels_are_unknown() -> None:
    def at(release: str) -> str | None:
        facts = {"kernel": {"release": release}}
        return default_of("net.core.rmem_max", Host(facts, Path("/nowhere")))

    assert [at(r) for r in ("2.6.32", "3.10.0", "6.17.9", "6.18-rc1", "7.0")] == [
        None, "212992", "212992", "4194304", "4194304",
    ]  # fmt: skip
    assert [at(r) for r in ("", "linux", "x.y")] == [None, None, None]


def test_every_default_has_its_source_and_its_spans_in_order() -> None:
    for known in TABLE.values():
        spans = [version_of(since) for since, _ in known.values]
        assert known.source
        assert None not in spans
        assert spans == sorted(spans, key=lambda v: v or (0, 0))
        assert (version_of(known.values[0][0]) or (0, 0)) >= (version_of(OLDEST) or (0, 0))
    assert source_of("net.ipv4.tcp_mem")


def test_rules_from_memory_hold_within_what_the_kernel_does_not_tell() -> None:
    told = default_of("net.ipv4.tcp_mem", host("debian12"))
    assert told == "93750 125000 187500"
    assert same("net.ipv4.tcp_mem", "91000 121000 182000", told)
    assert not same("net.ipv4.tcp_mem", "45000 60000 90000", told)
    assert below("net.ipv4.tcp_mem", "93750 125000 100000", told)
    assert not same("net.core.somaxconn", "4095", "4096")


@pytest.mark.parametrize(("huge", "kb"), [("[never]", "22627"), ("always [madvise] never", "67584"), (None, "22627")])
def test_the_reserve_is_the_kernels_and_what_huge_pages_raise_it_to(tmp_path: Path, huge: str | None, kb: str) -> None:
    shutil.copytree(AUDITS / "new", tmp_path / "new")
    zones = "".join(f"Node 0, zone {name:>8}\n        present  {n}\n" for name, n in
                    (("DMA", 4095), ("DMA32", 786432), ("Normal", 7000000), ("Movable", 0), ("Device", 0)))  # fmt: skip
    write(tmp_path / "new", {"proc/zoneinfo": zones})
    if huge:
        write(tmp_path / "new", {"sys/kernel/mm/transparent_hugepage/enabled": huge})
    assert default_of("vm.min_free_kbytes", read_host(tmp_path / "new")) == kb


def test_small_machines_have_small_windows(tmp_path: Path) -> None:
    shutil.copytree(AUDITS / "new", tmp_path / "new")
    (tmp_path / "new/proc/meminfo").write_text("MemTotal: 1048576 kB\n")
    assert default_of("net.ipv4.tcp_rmem", read_host(tmp_path / "new")) == "4096 131072 8388608"


def test_old_advice_on_an_old_kernel() -> None:
    found = audited("el7")
    assert found["net.ipv4.tcp_tw_recycle"].standing is Departure.DIFFERS
    assert found["net.ipv4.tcp_tw_recycle"].by == "/etc/sysctl.conf:2"
    assert found["net.ipv4.tcp_mem"].standing is Departure.UNKNOWN  # the rule is younger than that kernel
    assert found["kernel.sched_min_granularity_ns"].by == "/usr/lib/tuned/throughput-performance/tuned.conf:5"
    assert found["vm.swappiness"].standing is Departure.DEFAULT
    assert "says 10, which is not in force" in found["vm.swappiness"].by
    assert found["vm.swappiness"].notable


def test_a_tuned_debian() -> None:
    found = audited("debian12")
    assert (found["vm.swappiness"].standing, found["vm.swappiness"].by) == (
        Departure.DIFFERS, "/etc/sysctl.d/60-tuning.conf:3",
    )  # fmt: skip
    assert "never swap" in found["vm.swappiness"].note
    assert "half of that" in found["vm.dirty_background_ratio"].note
    budget = found["net.core.netdev_budget"]
    assert (budget.standing, "never cut short" in budget.note) == (Departure.NO_EFFECT, True)
    assert found["net.ipv4.tcp_low_latency"].standing is Departure.NO_EFFECT
    assert found["net.ipv4.tcp_low_latency"].by == "the kernel's command line"
    assert found["net.ipv4.tcp_congestion_control"].standing is Departure.DIFFERS
    typo = found["net.core_netdev_max_backlog"]
    assert (typo.now, typo.standing, typo.by) == (None, Departure.NO_EFFECT, "/etc/sysctl.d/60-tuning.conf:6")
    assert "typing error" in typo.note
    huge = found["/sys/kernel/mm/transparent_hugepage/enabled"]
    assert (huge.now, huge.default, huge.by) == ("always", "madvise", "the kernel's command line")
    assert found["/sys/block/sda/queue/read_ahead_kb"].by.startswith("a udev rule")
    assert (found["/sys/block/sda/queue/scheduler"].now, found["/sys/block/sda/queue/scheduler"].default) == (
        "none", "mq-deadline",
    )  # fmt: skip
    assert found["kernel.threads-max"].standing is Departure.DEFAULT


def test_values_below_a_new_kernels_own_are_called_so() -> None:
    found = audited("new")
    lowered = {key for key, s in found.items() if s.standing is Departure.LOWERS}
    assert lowered == {
        "net.core.rmem_max", "net.core.wmem_max", "net.ipv4.tcp_rmem", "net.ipv4.ip_local_port_range",
    }  # fmt: skip
    assert found["net.ipv4.tcp_wmem"].standing is Departure.DIFFERS  # it was raised
    assert found["vm.swappiness"].standing is Departure.NO_EFFECT  # no swap
    assert "bbr" in found["net.ipv4.tcp_slow_start_after_idle"].note
    assert found["net.ipv4.tcp_adv_win_scale"].standing is Departure.NO_EFFECT
    text = as_text(list(found.values()), "6.18.2", everything=False)
    assert text.index("rmem_max") < text.index("vm.swappiness") < text.index("tcp_wmem")
    assert max(len(line) for line in text.splitlines()) <= 80


def write(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def winner(key: str, root: Path) -> tuple[str, str | None] | None:
    won = [o for o in owners_of(key, root) if o.wins]
    assert len(won) <= 1
    return (won[0].place, won[0].value) if won else None


def test_the_later_name_wins_whatever_its_folder(tmp_path: Path) -> None:
    write(tmp_path, {
        "etc/sysctl.d/10-a.conf": "vm.swappiness=1\n",
        "usr/lib/sysctl.d/20-b.conf": "vm/swappiness = 2\n",
        "run/sysctl.d/30-c.conf": "vm.swappiness=3\n",
        "usr/lib/sysctl.d/99-z.txt": "vm.swappiness=4\n",
    })  # fmt: skip
    assert winner("vm.swappiness", tmp_path) == ("/run/sysctl.d/30-c.conf:1", "3")
    assert [o.value for o in owners_of("vm.swappiness", tmp_path)] == ["1", "2", "3"]


def test_of_two_files_of_one_name_the_administrators_stands_and_may_mask(tmp_path: Path) -> None:
    write(tmp_path, {
        "etc/sysctl.d/50-b.conf": "vm.swappiness=1\n",
        "run/sysctl.d/50-b.conf": "vm.swappiness=2\nvm.dirty_ratio=2\n",
        "usr/lib/sysctl.d/50-b.conf": "vm.swappiness=3\n",
        "usr/lib/sysctl.d/60-masked.conf": "vm.swappiness=4\n",
        "run/sysctl.d/70-emptied.conf": "",
        "usr/lib/sysctl.d/70-emptied.conf": "vm.swappiness=5\n",
    })  # fmt: skip
    (tmp_path / "etc/sysctl.d/60-masked.conf").symlink_to("/dev/null")
    assert winner("vm.swappiness", tmp_path) == ("/etc/sysctl.d/50-b.conf:1", "1")
    assert winner("vm.dirty_ratio", tmp_path) is None


def test_a_named_key_beats_every_pattern_and_a_dash_takes_it_out(tmp_path: Path) -> None:
    write(tmp_path, {
        "etc/sysctl.d/10.conf": "# c\n; c\n\n  net.ipv4.conf.eth0.rp_filter = 0 \nnot an assignment\n",
        "etc/sysctl.d/20.conf": "net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.lo.rp_filter\n",
        "etc/sysctl.d/30.conf": "-net.ipv4.conf.e*.rp_filter = 1\n",
    })  # fmt: skip
    key = "net.ipv4.conf.{}.rp_filter"
    assert winner(key.format("eth0"), tmp_path) == ("/etc/sysctl.d/10.conf:4", "0")
    assert winner(key.format("eth1"), tmp_path) == ("/etc/sysctl.d/30.conf:1", "1")
    assert winner(key.format("wlan0"), tmp_path) == ("/etc/sysctl.d/20.conf:1", "2")
    assert winner(key.format("lo"), tmp_path) is None
    assert winner("net.ipv4.conf.a.b.rp_filter", tmp_path) is None  # a star is one part of a name
    assert winner("net.ipv4.conf.a.rp_filter.x", tmp_path) is None


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("net.ipv4.conf.enp3s0/200.forwarding", "net.ipv4.conf.enp3s0/200.forwarding"),
        ("net/ipv4/conf/enp3s0.200/forwarding", "net.ipv4.conf.enp3s0/200.forwarding"),
        ("kernel/domainname", "kernel.domainname"),
        ("kernel.domainname", "kernel.domainname"),
    ],
)
def test_both_spellings_are_one_key(written: str, means: str) -> None:
    assert dotted(written) == means


def test_sysctl_conf_counts_through_its_link_or_where_systemd_does_not_run(tmp_path: Path) -> None:
    write(tmp_path, {"etc/sysctl.conf": "vm.swappiness=9\n", "etc/sysctl.d/50-a.conf": "vm.swappiness=1\n"})
    assert winner("vm.swappiness", tmp_path) == ("/etc/sysctl.conf:1", "9")
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert winner("vm.swappiness", tmp_path) == ("/etc/sysctl.d/50-a.conf:1", "1")
    (tmp_path / "etc/sysctl.d/99-sysctl.conf").symlink_to("../sysctl.conf")
    assert winner("vm.swappiness", tmp_path) == ("/etc/sysctl.d/99-sysctl.conf:1", "9")


def test_the_command_line_comes_first_and_tuned_between(tmp_path: Path) -> None:
    write(tmp_path, {
        "proc/cmdline": "quiet sysctl.vm.swappiness=7 sysctl.vm.dirty_ratio=8 -- sysctl.fs.nr_open=1\n",
        "etc/tuned/active_profile": "mine\n",
        "etc/tuned/mine/tuned.conf": "[main]\ninclude=base\n[sysctl]\nvm.swappiness=20\nnet.core.somaxconn=>2048\n",
        "usr/lib/tuned/base/tuned.conf": "[sysctl]\nvm.swappiness=10\n\n[vm]\ntransparent_hugepages=never\n",
        "usr/lib/sysctl.d/50-a.conf": "vm.swappiness=1\nvm.*=5\n",
    })  # fmt: skip
    assert winner("vm.swappiness", tmp_path) == ("/etc/tuned/mine/tuned.conf:4", "20")
    assert winner("vm.dirty_ratio", tmp_path) == ("/usr/lib/sysctl.d/50-a.conf:2", "5")
    assert winner("vm.dirty_bytes", tmp_path) == ("/usr/lib/sysctl.d/50-a.conf:2", "5")
    assert winner("fs.nr_open", tmp_path) is None  # that word is for init
    assert winner("net.core.somaxconn", tmp_path) == ("/etc/tuned/mine/tuned.conf:5", "2048")
    assert winner("/sys/kernel/mm/transparent_hugepage/enabled", tmp_path) == (
        "/usr/lib/tuned/base/tuned.conf:5", "never",
    )  # fmt: skip
    write(tmp_path, {"etc/sysctl.d/60-b.conf": "vm.swappiness=30\n"})
    assert winner("vm.swappiness", tmp_path) == ("/etc/sysctl.d/60-b.conf:1", "30")
    write(tmp_path, {"etc/tuned/tuned-main.conf": "reapply_sysctl = 0\n"})
    assert winner("vm.swappiness", tmp_path) == ("/etc/tuned/mine/tuned.conf:4", "20")


def test_profiles_that_include_each_other_end(tmp_path: Path) -> None:
    write(tmp_path, {
        "etc/tuned/active_profile": "a\n",
        "etc/tuned/a/tuned.conf": "[main]\ninclude=b\n[sysctl]\nvm.swappiness=1\n",
        "etc/tuned/b/tuned.conf": "[main]\ninclude=a\n",
    })  # fmt: skip
    assert winner("vm.swappiness", tmp_path) == ("/etc/tuned/a/tuned.conf:4", "1")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    junk=st.one_of(st.binary(max_size=100), st.sampled_from([b"\xff=\xfe\n", b"9" * 6000, b"[sysctl\n", "²".encode()])),
    which=st.integers(0, 200),
)
def test_garbage_in_any_file_is_audited(tmp_path: Path, junk: bytes, which: int) -> None:
    shutil.copytree(AUDITS / "debian12", tmp_path / "host", dirs_exist_ok=True)
    files = sorted(p for p in (tmp_path / "host").rglob("*") if p.is_file())
    files[which % len(files)].write_bytes(junk)
    found = audit(read_host(tmp_path / "host"))
    json.dumps(as_json(found, None), allow_nan=False)
    assert max(len(line) for line in as_text(found, None, everything=True).splitlines()) <= 80


def test_this_kernels_own_values_are_computed_as_it_computes_them() -> None:
    """Where nobody set anything, table and rules must agree with the running kernel in nearly everything."""
    found = [s for s in audit(read_host()) if s.key.startswith(("vm.", "net.", "kernel.", "fs.")) and not s.owners]
    judged = [s for s in found if s.default is not None]
    differ = [(s.key, s.now, s.default) for s in judged if s.standing is not Departure.DEFAULT]
    assert len(judged) > 30
    assert len(differ) <= len(judged) // 4, differ
