"""Facts of fixture hosts, read below a sysroot; and of this one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liebench.errors import UsageError
from liebench.host import Host, read_host
from liebench.registry import find_probes
from liebench.runner import pressure, receipt
from liebench.runner.plan import PROFILES, Settings, plan_probe, refuse_unknown_options

from tests.helpers import fakes

HOSTS = Path(__file__).parent / "fixtures" / "hosts"
NAMES = sorted(p.name for p in HOSTS.iterdir() if p.is_dir() and (p / "proc").is_dir())


Fixture = Callable[[str], Host]


@pytest.fixture
def fixture(tmp_path: Path) -> Fixture:
    """A copy of a fixture host with the stamps of its device nodes set."""

    def copy(name: str) -> Host:
        root = tmp_path / name
        shutil.copytree(HOSTS / name, root, dirs_exist_ok=True)
        stamp = json.loads((HOSTS / "stamps.json").read_text()).get(name, 1_700_000_000)
        for node in (root / "dev").iterdir():
            os.utime(node, (stamp, stamp))
        return read_host(root)

    return copy


def test_bare_metal_with_smt(fixture: Fixture) -> None:
    facts = fixture("metal-smt").facts
    assert (facts["cpu"]["online"], facts["cpu"]["cores"], facts["cpu"]["threads_per_core"]) == (8, 4, 2)
    assert facts["cpu"]["siblings"][0] == [0, 4]
    assert facts["cpu"]["governor"] == "powersave"
    assert facts["cpu"]["usable"] == [0, 1, 2, 4, 5, 6]  # 3 and 7 are isolated
    assert facts["virt"]["hypervisor_flag"] is False
    assert facts["clock"]["available"] == ["tsc", "hpet", "acpi_pm"]
    assert facts["boot"]["past_jump_s"] == 0


def test_kvm_guest_with_a_second_oscillator(fixture: Fixture) -> None:
    facts = fixture("kvm").facts
    assert facts["virt"] | {"vendor": "QEMU", "hypervisor_flag": True} == facts["virt"]
    assert facts["clock"]["current"] == "kvm-clock"
    assert facts["clock"]["oscillators"] == ["kvm-clock", "ptp0"]
    assert facts["cpu"]["threads_per_core"] == 1


def test_xen_and_arm64(fixture: Fixture) -> None:
    xen, arm = fixture("xen").facts, fixture("arm64").facts
    assert (xen["virt"]["hypervisor"], xen["clock"]["current"]) == ("xen", "xen")
    assert (arm["clock"]["current"], arm["clock"]["tsc_constant"]) == ("arch_sys_counter", False)
    assert arm["cpu"]["model"] == "0xd0c"


def test_quotas_of_both_kinds_of_control_groups(fixture: Fixture) -> None:
    old, new = fixture("quota-v1"), fixture("quota-v2")
    assert old.facts["limits"] == {"cgroup": "v1", "cpus": 1.5, "memory_mib": 512}
    assert new.facts["limits"] == {"cgroup": "v2", "cpus": 0.5, "memory_mib": 256}  # the parent's quota is the tighter
    assert old.facts["virt"]["container"] == "docker"
    assert new.words["cpus"] == "0.5"


def test_one_cpu_and_no_control_groups(fixture: Fixture) -> None:
    host = fixture("one-cpu")
    assert host.processors == (0,)
    assert host.facts["limits"] == {"cgroup": None, "cpus": None, "memory_mib": None}
    chosen = Settings(profile=PROFILES["default"], seed=1, budget_s=60)
    parts = [plan_probe(r, host, chosen) for r in find_probes().probes.values()]
    skipped = {p.id: p.skipped.needs for p in parts if p.skipped}
    assert skipped["tlb-flush"] == "two CPUs"
    assert skipped["quota-spike"].startswith("a CPU control group")
    assert not [name for name, needs in skipped.items() if name not in ("tlb-flush", "quota-spike") and "CPU" in needs]
    assert all(p.cases for p in parts if not p.skipped)
    assert not [c for p in parts for c in p.cases if c.id.startswith("skew")]


def test_a_clock_that_was_set_since_the_boot_is_found_by_two_witnesses(fixture: Fixture) -> None:
    boot = fixture("jumped").facts["boot"]
    assert boot["past_jump_s"] == pytest.approx(7200, abs=2)
    assert len(boot["witnesses"]) == 2


def test_a_containers_own_dev_is_no_witness(fixture: Fixture) -> None:
    boot = fixture("quota-v1").facts["boot"]
    assert boot["witnesses"] == []
    assert boot["past_jump_s"] is None


def test_hashes_tell_a_change_of_configuration_from_another_host(fixture: Fixture) -> None:
    before = fixture("metal-smt").hashes()
    root = fixture("metal-smt").root
    (root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").write_text("performance")
    after = read_host(root).hashes()
    assert (after["host"], after["kind"]) == (before["host"], before["kind"])
    assert after["config"] != before["config"]
    assert fixture("kvm").hashes()["kind"] != before["kind"]


def test_secrets_are_redacted(fixture: Fixture) -> None:
    text = json.dumps(fixture("metal-smt").redacted())
    assert "hunter2" not in text
    assert "00000000-1111" not in text
    assert "0123456789abcdef" not in text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=60), which=st.integers(0, 100))
def test_garbage_in_any_file_is_an_unknown_fact_not_an_error(fixture: Fixture, junk: bytes, which: int) -> None:
    root = fixture("quota-v2").root
    files = sorted(p for p in root.rglob("*") if p.is_file())
    files[which % len(files)].write_bytes(junk)
    host = read_host(root)
    assert host.processors
    json.dumps(host.redacted())
    host.hashes()


@pytest.mark.parametrize("name", NAMES)
def test_every_fixture_host_can_be_planned(fixture: Fixture, name: str) -> None:
    host = fixture(name)
    for registered in find_probes().probes.values():
        part = plan_probe(registered, host, Settings(profile=PROFILES["deep"], seed=1, budget_s=60))
        assert part.cases or part.skipped
        assert part.skipped is None or part.skipped.cure
        assert len({c.id for c in part.cases}) == len(part.cases)
        assert all(sum(a.promised for a in c.arms) == 1 for c in part.cases)


def test_this_host_reads_the_same_twice() -> None:
    one, two = read_host(), read_host()
    assert one.hashes() == two.hashes()
    assert one.facts["boot"]["token"] == two.facts["boot"]["token"]
    assert set(one.processors) <= os.sched_getaffinity(0)


def psi(root: Path, avg10: float) -> None:
    (root / "proc/pressure").mkdir(parents=True, exist_ok=True)
    text = f"some avg10={avg10:.2f} avg60=0.00 avg300=0.00 total=1\n"
    (root / "proc/pressure/cpu").write_text(text)


def test_the_breaker_pauses_at_its_level_and_stops_at_twice_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressure, "LOOK_S", 0.0)
    psi(tmp_path, 0)
    watch = pressure.QuietWatch.begin(fakes.host(tmp_path), 0.0)
    seen = []
    for value in (0, 29, 31, 59, 61):
        psi(tmp_path, value)
        seen.append(watch.check())
    assert seen == ["ok", "ok", "pause", "pause", "stop"]
    assert watch.summary()["pauses"] == 2


def test_without_psi_the_breaker_is_silent_and_short_windows_know_no_steal(tmp_path: Path) -> None:
    watch = pressure.QuietWatch.begin(fakes.host(tmp_path), 0.0)
    assert watch.check() == "ok"
    assert watch.summary()["steal_share"] is None


def test_a_watch_that_has_not_begun_presses_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liebench.runner.pressure.time.sleep", lambda seconds: pytest.fail("it slept"))
    psi(tmp_path, 99)
    watch = pressure.QuietWatch(host=fakes.host(tmp_path))
    assert watch.check() == "ok"
    assert watch.summary()["neighbours_wait_before"] is None


def test_the_receipt_names_what_differs(fixture: Fixture) -> None:
    host = fixture("kvm")
    (host.root / "proc/sys/vm").mkdir()
    (host.root / "proc/sys/vm/swappiness").write_text("60")
    (host.root / "proc/self/mounts").write_text("none / ext4 rw\n")
    before = receipt.snapshot(host)
    assert receipt.difference(before, receipt.snapshot(host)) == []
    (host.root / "proc/sys/vm/swappiness").write_text("10")
    (host.root / "proc/self/mounts").write_text("none / ext4 rw\nnone /mnt tmpfs rw\n")
    said = receipt.difference(before, receipt.snapshot(host))
    assert len(said) == 2
    assert any("swappiness" in s and "'60' before, '10' after" in s for s in said)
    assert "mount /mnt is new" in said


def test_an_option_of_a_probe_adds_its_case_and_an_unknown_one_is_refused(fixture: Fixture) -> None:
    probe, host = find_probes().probes["cpu-frequency"], fixture("metal-smt")

    def chosen(**given: str) -> Settings:
        return Settings(
            profile=PROFILES["default"],
            seed=1,
            budget_s=60,
            options={f"cpu-frequency.{k}": v for k, v in given.items()},
        )

    assert "sustained" not in [c.id for c in plan_probe(probe, host, chosen()).cases]
    assert "sustained" in [c.id for c in plan_probe(probe, host, chosen(sustain_s="30")).cases]
    with pytest.raises(UsageError, match="0 to 600 seconds"):
        plan_probe(probe, host, chosen(sustain_s="long"))
    refuse_unknown_options([probe], chosen(sustain_s="30"))
    with pytest.raises(UsageError, match=r"cpu-frequency.sustain_s: seconds of work"):
        refuse_unknown_options([probe], chosen(sustain="30"))


def test_the_receipt_leaves_out_what_another_liebench_does_meanwhile(fixture: Fixture) -> None:
    host = fixture("kvm")
    groups = host.root / "sys/fs/cgroup/cpu"
    parent, gone = f"liebench-{os.getppid()}-aa", "liebench-99999999-bb"
    before = receipt.snapshot(host)
    for name in (parent, gone, f"liebench-{os.getpid()}-cc"):
        (groups / name).mkdir(parents=True)
    found = receipt.difference(before, receipt.snapshot(host))
    assert not [line for line in found if parent in line]
    assert len([line for line in found if "liebench-" in line]) == 2
