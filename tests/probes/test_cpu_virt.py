"""CPU and hypervisor probes: known answers from quotas, our own hypervisor, QEMU's TCG, and recorded cpuid dumps."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from live import Bench, core, host_with, left_behind

from liebench.contract import Arm, Disturbs, Turn, Word
from liebench.core import core_path
from liebench.errors import StageRefused
from liebench.facts.cpuid import decode, parse
from liebench.host import Host, read_host
from liebench.probes.nested_page.probe import _chase
from liebench.probes.paravirt.probe import POLL, devices, offers, unused
from liebench.probes.virt_type.probe import agreement
from liebench.probes.vm_exit.verdict import exit_class
from liebench.stage.cgroup import quota

DUMPS = Path(__file__).parents[1] / "fixtures" / "cpuid"
HOST = read_host()
KVM = pytest.mark.skipif(not HOST.writable("/dev/kvm"), reason="needs /dev/kvm")
TWO = pytest.mark.skipif(len(HOST.processors) < 2, reason="needs two CPUs")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
TRIES = 4  # a known answer may fall into somebody else's burst


def told(name: str) -> Any:
    return decode(parse((DUMPS / f"{name}.txt").read_text()))


# ---- cpuid ----


@pytest.mark.parametrize(
    ("name", "family", "some"),
    [
        (
            "kvm",
            "KVM",
            {"clocksource2", "steal-time", "pv-unhalt", "pv-tlb-flush", "poll-control", "clocksource-stable"},
        ),
        ("tcg", "TCG", set()),
        ("hyper-v", "Hyper-V", {"reference-counter", "reference-tsc", "pv-tlb-flush", "relaxed-timing"}),
        ("vmware", "VMware", set()),
        ("xen", "Xen", {"iommu-mappings", "vcpu-id", "domain-id"}),
        ("bare", "bare metal", set()),
    ],
)
def test_recorded_dumps_decode_to_what_they_are(name: str, family: str, some: set[str]) -> None:
    found = told(name)
    assert found.family == family
    assert set(found.offered) >= some
    assert bool(found.offered) == bool(some)
    assert found.hypervisor_bit == (name != "bare")


def test_details_of_dumps() -> None:
    assert told("vmware").tsc_khz == 0x27AC40
    assert told("kvm").vendor == "AuthenticAMD"
    assert told("xen").signature == "XenVMMXenVMM"


@pytest.mark.parametrize("damage", ["", "x", "40000000.0:zz,1,2,3", "1.0:0,0,fffa3203", "1.0:0,0,ffffffff,0"])
def test_hidden_or_damaged_leaves_are_unknown_and_never_an_error(damage: str) -> None:
    found = decode(parse(damage))
    assert found.family == ("unknown" if damage.startswith("1.0:0,0,ffffffff") else "bare metal")
    assert found.offered == ()


@pytest.mark.skipif(not HOST.x86, reason="needs an x86 processor")
def test_this_machine_answers() -> None:
    found = decode(parse(core("cpuid-dump")["facts"]["leaves"]))
    assert found.hypervisor_bit == HOST.facts["virt"]["hypervisor_flag"]


# ---- classes and labels ----


@pytest.mark.parametrize(
    ("low", "high", "floats", "expected"),
    [
        (90, 250, 4, (Word.HONEST, "none")),
        (950, 1200, 4, (Word.HARMLESS, "one level")),
        (13000, 17000, 3, (Word.COSTLY, "nested")),
        (3500, 4200, 4, (Word.INCONCLUSIVE, "cannot tell")),
        (2500, 3600, 4, (Word.INCONCLUSIVE, "cannot tell")),
        (30, 45, 18, (Word.COSTLY, "software")),
    ],
)
def test_exit_classes(low: float, high: float, floats: float, expected: object) -> None:
    assert exit_class(low, high, floats) == expected


@pytest.mark.parametrize(
    ("dump", "dmi", "cycles", "floats", "expected"),
    [
        ("kvm", "KVM", 1100, 4, "agree"),
        ("kvm", None, 1100, 4, "agree"),
        ("kvm", "VMware", 1100, 4, "contradiction"),
        ("kvm", "KVM", 14000, 4, "nested"),
        ("bare", None, 150, 4, "agree"),
        ("bare", None, 1100, 4, "hidden"),
        ("bare", "KVM", 150, 4, "contradiction"),
        ("tcg", "KVM", 30, 18, "software"),
    ],
)
def test_labels_against_measurements(dump: str, dmi: str | None, cycles: float, floats: float, expected: str) -> None:
    assert agreement(told(dump), dmi, cycles, floats) == expected


@pytest.mark.skipif(not shutil.which("qemu-x86_64-static"), reason="needs qemu-x86_64-static")
@pytest.mark.skipif(not HOST.x86, reason="needs an x86 processor")
def test_a_processor_imitated_by_qemu_is_software_and_this_one_is_not() -> None:
    def floats(*before: str) -> float:
        command = [*before, core_path(), "vm-exit", "samples=3", "sentinel=0"]
        out = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
        return float(json.loads(out)["facts"]["float_cycles"])

    assert exit_class(30, 60, min(floats("qemu-x86_64-static") for _ in range(3)))[1] == "software"
    if not HOST.facts["virt"]["hypervisor_flag"] or told("kvm").family:
        assert exit_class(30, 60, min(floats() for _ in range(3)))[1] == "none"


# ---- our own hypervisor ----


@KVM
def test_a_host_that_takes_x_microseconds_longer_is_found_to_take_x_longer() -> None:
    """Slope 1.00 +-0.03 over 5, 20 and 100 us."""
    slopes = []
    for _ in range(TRIES):
        times = {x: median(core("kvm-exit", spin_us=x, ops=50)["samples"]["ns"]) / 1000 for x in (5, 20, 100)}
        slopes.append((times[100] - times[5]) / 95)
        if abs(median(slopes) - 1) <= 0.03:
            break
    assert median(slopes) == pytest.approx(1, abs=0.03)


@KVM
def test_a_virtual_cpu_held_back_for_half_of_the_time_sees_half_missing() -> None:
    pairs = []
    for _ in range(4 * TRIES):  # whoever runs here meanwhile takes from the guest too
        half = core("kvm-gap", on_us=20000, off_us=20000, window_ms=400, samples=3)["samples"]
        pairs.append((median(half["seen"]), median(half["held"])))
        if abs(pairs[-1][0] - 50) <= 3 and abs(pairs[-1][0] - pairs[-1][1]) <= 2:
            break
    assert pairs[-1][0] == pytest.approx(50, abs=3), pairs
    assert pairs[-1][0] == pytest.approx(pairs[-1][1], abs=2), pairs
    free = (median(core("kvm-gap", samples=3)["samples"]["seen"]) for _ in range(3 * TRIES))
    assert any(seen < 10 for seen in free)  # nobody holds it back


@KVM
def test_each_page_that_the_host_dropped_is_one_fault_of_the_host() -> None:
    assert core("kvm-touch", drop=1)["facts"]["faults_per_page"] == pytest.approx(1, abs=0.01)
    assert core("kvm-touch", drop=0)["facts"]["faults_per_page"] == pytest.approx(0, abs=0.01)


@KVM
def test_a_guest_believes_the_name_its_host_makes_up() -> None:
    assert core("kvm-cpuid", signature="LieBenchLies")["facts"]["inside"] == "LieBenchLies"


# ---- the share of a processor ----


def test_a_stopped_thread_lost_just_as_long_and_the_books_lack_it() -> None:
    """SIGSTOP for a known time, by our own clock: neither run delay nor CPU time of the thread, but gone."""
    lost, missing = [], []
    for _ in range(TRIES):
        command = [core_path(), "cpu-gap", f"cpu={HOST.processors[-1]}", "window_ms=2000", "samples=1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            stopped, until = 0.0, time.monotonic() + 1.6
            time.sleep(0.2)
            while time.monotonic() < until:
                started = time.monotonic()
                running.send_signal(signal.SIGSTOP)
                time.sleep(0.1)
                stopped += time.monotonic() - started
                running.send_signal(signal.SIGCONT)
                time.sleep(0.1)
            answer = json.loads(running.communicate()[0])
        wall_ms = answer["facts"]["wall_ms"]
        lost.append(answer["samples"]["lost"][0] - 100 * 1000 * stopped / wall_ms)
        missing.append(100 * (wall_ms - answer["facts"]["accounted_ms"]) / wall_ms - 100 * 1000 * stopped / wall_ms)
        if abs(median(lost)) < 5 and abs(median(missing)) < 5:
            break
    assert stopped > 0.4
    assert abs(median(lost)) < 5, lost  # what else is lost here comes on top: some percent
    assert abs(median(missing)) < 5, missing


@ROOT
def test_our_own_real_time_throttling_is_not_taken_for_steal() -> None:
    """A real-time thread and an ordinary one on one processor: the kernel keeps a share for the second (sched(7))."""
    cpu, found = HOST.processors[-1], []
    with subprocess.Popen(["taskset", "-c", str(cpu), "sh", "-c", "while :; do :; done"]) as rival:
        try:
            for _ in range(TRIES):
                command = ["chrt", "-f", "1", core_path(), "cpu-gap", f"cpu={cpu}", "window_ms=2000", "samples=2"]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode and "failed to set" in done.stderr:
                    pytest.skip("needs real-time scheduling")
                got = json.loads(done.stdout)["samples"]
                found.append((sum(got["delay"]) / 2, sum(got["below"]) / 2))
                if found[-1][0] > 3 and found[-1][1] < 4:
                    break
        finally:
            rival.kill()
    delay, below = found[-1]
    assert 3 < delay < 12, found  # 5 % in every kernel since 2.6.25, by throttling or by a server for the others
    assert below < 4, found


def test_where_cpuid_is_forbidden_the_core_says_so() -> None:
    """CPUID faulting (arch_prctl, ARCH_CPUID) ends in a general protection fault: the same signal, from outside."""
    code = "import ctypes,os,sys; r = ctypes.CDLL(None).syscall(158, 0x1012, 0); os.execv(sys.argv[1], sys.argv[1:])"
    forbids = "import ctypes,sys; sys.exit(ctypes.CDLL(None, use_errno=True).syscall(158, 0x1012, 0) != 0)"
    if subprocess.run([sys.executable, "-c", forbids]).returncode == 0:
        for kernel in ("vm-exit", "cpuid-dump"):
            done = subprocess.run([sys.executable, "-c", code, core_path(), kernel], capture_output=True, text=True)
            assert (done.returncode, "CPUID faulting" in done.stderr) == (1, True)
        return
    with subprocess.Popen([core_path(), "vm-exit", "samples=100000"], stderr=subprocess.PIPE, text=True) as running:
        time.sleep(0.2)
        running.send_signal(signal.SIGSEGV)
        said = running.communicate(timeout=10)[1]
    assert (running.returncode, "CPUID faulting" in said) == (1, True)


@ROOT
@pytest.mark.parametrize("percent", [80, 50, 20])
def test_a_quota_is_found_within_a_point(tmp_path: Path, percent: int) -> None:
    """A quota is charged in CPU time. What the host steals meanwhile the thread loses elsewhere, and is not charged."""
    bench = Bench("cpu-share", HOST, tmp_path)
    lost, delayed = [], []
    for _ in range(TRIES):
        with quota(bench.stage, percent / 100):
            rep = bench.stage.core("cpu-gap", Turn(Arm("gap"), "gap"), window_ms=1000, samples=3)
        delay = sum(rep.samples["delay"]) / 3
        lost.append(100 - 100 * float(rep.facts["accounted_ms"]) / float(rep.facts["wall_ms"]) + delay)
        delayed.append(delay)
        if abs(median(lost) - (100 - percent)) <= 1:
            break
    assert median(lost) == pytest.approx(100 - percent, abs=1)
    assert median(delayed) == pytest.approx(100 - percent, abs=6)  # nearly all of it is the quota's doing
    assert left_behind(tmp_path) == []


def test_a_group_is_not_made_undeclared(tmp_path: Path) -> None:
    with pytest.raises(StageRefused, match="not declared"), quota(Bench("vm-exit", HOST, tmp_path).stage, 0.5):
        raise AssertionError("it was made")


@pytest.mark.parametrize("rivals", [0, 1])
def test_wall_time_is_cpu_time_and_run_delay(rivals: int) -> None:
    """Alone, and beside a competitor of equal rights on the same processor. What is stolen meanwhile is in neither."""
    cpu, missing, delays = HOST.processors[-1], [], []
    with contextlib.ExitStack() as stack:
        for _ in range(rivals):
            rival = subprocess.Popen(["taskset", "-c", str(cpu), "sh", "-c", "while :; do :; done"])
            stack.callback(rival.wait)
            stack.callback(rival.kill)
        for _ in range(5):
            answer = core("cpu-gap", cpu=cpu, window_ms=300, samples=2)
            facts, samples = answer["facts"], answer["samples"]
            missing.append(1 - facts["accounted_ms"] / facts["wall_ms"])
            delays += samples["delay"]
            assert min(samples["below"]) >= 0
            for lost, *parts in zip(*(samples[k] for k in ("lost", "delay", "interrupts", "below")), strict=True):
                assert sum(parts) == pytest.approx(lost, abs=1.5)
    assert median(missing) == pytest.approx(0, abs=0.01)
    assert (median(delays) > 30) == bool(rivals)


def test_a_planted_gap_is_found_below(tmp_path: Path) -> None:
    for blocks in (12, 24, 48):
        found = Bench("cpu-share", HOST, tmp_path).control("plant_percent=20", blocks)
        if found.status == "shown":
            break
    assert found.status == "shown", found


# ---- cycles ----


def cycle_ns(chain: str, bench: Bench) -> float:
    rep = bench.stage.core("cpu-frequency", Turn(Arm("x", args={"chain": chain}), "x"))
    return median(rep.samples["ns"]) / float(rep.facts["cycles"])


def test_chains_of_different_instructions_agree_about_the_cycle(tmp_path: Path) -> None:
    bench, ratios = Bench("cpu-frequency", HOST, tmp_path), []
    for _ in range(24):
        ratios.append(cycle_ns("add", bench) / cycle_ns("mul", bench))
        if len(ratios) >= 6 and abs(median(ratios) - 1) <= 0.02:
            break
    assert median(ratios) == pytest.approx(1, abs=0.02)


@ROOT
def test_a_quota_takes_time_and_no_cycles(tmp_path: Path) -> None:
    bench, ratios = Bench("cpu-share", HOST, tmp_path), []
    for _ in range(24):
        free = cycle_ns("mul", bench)
        with quota(bench.stage, 0.5):
            ratios.append(cycle_ns("mul", bench) / free)
        if len(ratios) >= 5 and abs(median(ratios) - 1) <= 0.03:
            break
    assert median(ratios) == pytest.approx(1, abs=0.05)


# ---- mappings and pages ----


@TWO
def test_a_thread_that_sleeps_on_our_own_processor_costs_no_shootdown(tmp_path: Path) -> None:
    bench, same, beside = Bench("tlb-flush", HOST, tmp_path), [], []

    def op_ns(**args: int) -> float:
        arm = Arm("x", args={"op": "madvise", **args})
        return median(bench.stage.core("tlb-flush", Turn(arm, "x"), ops=30, samples=20).samples["ns"])

    for _ in range(24):
        alone = op_ns(helpers=0)
        same.append(op_ns(helpers=0, same=1) / alone)
        beside.append(op_ns(helpers=1) / alone)
        if len(same) >= 6 and abs(median(same) - 1) < 0.1 and sorted(beside)[-2] > 1.2:
            break
    assert median(same) == pytest.approx(1, abs=0.15)
    assert sorted(beside)[-2] > 1.2  # where the other really ran: who waits for a processor needs no interrupt


def test_a_chase_without_its_pages_is_void() -> None:
    class Kernel:
        def __init__(self, kib: float) -> None:
            self.kib = kib

        def core(self, kernel: str, turn: Turn) -> Any:
            from liebench.contract import Rep

            return Rep({"ns": [1.0]}, facts={"huge_kib": self.kib})

    huge, small = (Turn(Arm(p, args={"pages": p, "mib": 32}), p) for p in ("huge", "small"))
    whole = 32 << 10
    assert _chase(Kernel(whole), huge).flags == _chase(Kernel(0), small).flags == ()  # type: ignore[arg-type]
    assert _chase(Kernel(0), huge).flags == _chase(Kernel(whole), small).flags == ("VOID_OTHER_PAGES",)  # type: ignore[arg-type]
    assert _chase(Kernel(-1), huge).flags  # smaps cannot be read: not confirmed  # type: ignore[arg-type]


# ---- help from the hypervisor ----


def fixture_host(root: Path, **files: str) -> Host:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Host(host_with(cpu={"idle_driver": "haltpoll"}).facts, root)


SOURCES = "sys__devices__system__clocksource__clocksource0__available_clocksource"


def test_offers_against_what_is_seen_in_use(tmp_path: Path) -> None:
    using = fixture_host(tmp_path / "a", **{SOURCES: "tsc kvm-clock"})
    ignoring = fixture_host(tmp_path / "b", **{SOURCES: "tsc hpet"})
    assert offers(told("kvm"), using) == "used"
    assert (offers(told("kvm"), ignoring), unused(told("kvm"), ignoring)) == ("unused", ["clocksource2"])
    assert offers(told("bare"), ignoring) == "not applicable"
    assert offers(told("vmware"), ignoring) == "unknown"
    assert unused(told("hyper-v"), ignoring) == ["reference-tsc"]


def test_an_emulated_device_is_named(tmp_path: Path) -> None:
    slot = "sys/bus/pci/devices/0000:00:03.0".replace("/", "__")
    old = fixture_host(tmp_path / "a", **{f"{slot}__vendor": "0x8086", f"{slot}__device": "0x100e"})
    new = fixture_host(tmp_path / "b", **{"sys__bus__virtio__devices__virtio0": "", f"{slot}__vendor": "0x1af4"})
    assert devices(old) == ("emulated", ["e1000"])
    assert devices(new) == ("paravirtual", [])
    assert devices(fixture_host(tmp_path / "c")) == ("none", [])


@TWO
@ROOT
@pytest.mark.skipif(not HOST.exists(POLL), reason="needs the haltpoll governor")
def test_polling_before_the_halt_shortens_a_wake_up_and_is_put_back(tmp_path: Path) -> None:
    before = Path(POLL).read_text()
    for blocks in (12, 24, 48):
        bench = Bench("paravirt", HOST, tmp_path, consent=Disturbs.HOST)
        found = bench.verdict("halt-poll", blocks)
        if found.word is not Word.INCONCLUSIVE:
            break
    assert Path(POLL).read_text() == before
    assert found.value is not None
    assert found.value > 1
