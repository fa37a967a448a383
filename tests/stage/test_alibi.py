"""What else happened to a repetition, and to the neighbours: flags, counters, throttling, cpusets, the processor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from liebench.facts.limits import throttled_us
from liebench.facts.reader import Reader
from liebench.host import read_host
from liebench.judge.effects import is_void
from liebench.runner import pressure, processor
from liebench.stage.flags import below_timer, flags

from tests.helpers import fakes

CLEAN = {"nivcsw": 0, "migrated": 0, "majflt": 0, "steal_ticks": 0}


@pytest.mark.parametrize(
    ("alibi", "elapsed_ns", "throttled", "expected"),
    [
        (CLEAN, 40_000_000, None, ()),
        ({}, 40_000_000, None, ()),
        (CLEAN | {"nivcsw": 1}, 40_000_000, 0, ("PREEMPTED",)),  # nobody says for how long
        (CLEAN | {"nivcsw": 4, "run_delay_ns": 50_000}, 40_000_000, 0, ()),
        (CLEAN | {"nivcsw": 1, "run_delay_ns": 500_000}, 40_000_000, 0, ("PREEMPTED",)),
        (CLEAN | {"migrated": 1, "majflt": 2}, 40_000_000, 0, ("MIGRATED", "MAJOR_FAULT")),
        (CLEAN | {"steal_ticks": 3}, 40_000_000, 0, ()),  # three ticks of 10 ms in 40 ms are no evidence
        (CLEAN | {"steal_ticks": 3}, 2_000_000_000, 0, ("STOLEN",)),
        (CLEAN, 40_000_000, 1, ("THROTTLED",)),
    ],
)
def test_flags(alibi: dict[str, float], elapsed_ns: int, throttled: int | None, expected: tuple[str, ...]) -> None:
    assert flags(alibi, elapsed_ns, throttled) == expected


def test_only_too_few_timer_steps_make_a_repetition_void() -> None:
    assert below_timer([20.0], ops=10, step_ns=1.0)
    assert not below_timer([20.0], ops=50, step_ns=1.0)
    assert not below_timer([], ops=1, step_ns=1.0)
    assert is_void({"flags": ["BELOW_TIMER_RES"]}, "x")
    assert not is_void({"flags": ["PREEMPTED", "MIGRATED", "MAJOR_FAULT", "STOLEN", "THROTTLED"]}, "x")


def write(root: Path, files: dict[str, str]) -> Reader:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Reader(root)


def test_throttled_time_of_both_versions_of_control_groups(tmp_path: Path) -> None:
    two = write(
        tmp_path / "v2", {"proc/self/cgroup": "0::/a", "sys/fs/cgroup/a/cpu.stat": "usage_usec 1\nthrottled_usec 70\n"}
    )
    one = write(
        tmp_path / "v1", {"proc/self/cgroup": "1:cpu:/a", "sys/fs/cgroup/cpu/a/cpu.stat": "throttled_time 70000\n"}
    )
    assert throttled_us(two) == throttled_us(one) == 70
    assert throttled_us(Reader(tmp_path)) is None


def test_cpus_that_others_pin_for_themselves_are_not_used(tmp_path: Path) -> None:
    cpuset = "sys/fs/cgroup/cpuset"
    files = {
        "proc/self/cgroup": "3:cpuset:/ours/deep",
        "proc/cpuinfo": "",
        "sys/devices/system/cpu/online": "0-7",
        f"{cpuset}/cpuset.cpus": "0-7",
        f"{cpuset}/ours/cpuset.cpus": "0-5",
        f"{cpuset}/ours/deep/cpuset.cpus": "0-3",
        f"{cpuset}/theirs/cpuset.cpus": "2-3",
        f"{cpuset}/theirs/cgroup.procs": "17\n",
        f"{cpuset}/empty/cpuset.cpus": "0",
        f"{cpuset}/empty/cgroup.procs": "",
        f"{cpuset}/everything/cpuset.cpus": "0-7",
        f"{cpuset}/everything/cgroup.procs": "18\n",
    }
    write(tmp_path, files)
    host = read_host(tmp_path)
    assert host.facts["cpu"]["foreign"] == [2, 3]
    assert host.processors == (0, 1, 4, 5, 6, 7)


def schedstat(root: Path, pid: int, waited_ns: int) -> None:
    write(root, {f"proc/{pid}/schedstat": f"1 {waited_ns} 1\n"})


def test_the_breaker_sees_neighbours_that_wait_for_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "_ours", lambda: frozenset({99_999_999}))
    clock = iter(range(1, 100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    neighbours = pressure.Neighbours(fakes.host(tmp_path))
    schedstat(tmp_path, 7, 0)
    schedstat(tmp_path, 99_999_999, 0)
    assert neighbours.look() is None
    schedstat(tmp_path, 7, 250_000_000)
    schedstat(tmp_path, 99_999_999, 9_000_000_000)  # ours may wait as long as it likes
    assert neighbours.look() == pytest.approx(0.25)
    schedstat(tmp_path, 7, 1_450_000_000)
    assert neighbours.look() == pytest.approx(1.2)
    assert neighbours.start == pytest.approx(0.25)
    assert neighbours.worst == pytest.approx(1.2)
    assert [pressure._level(v, 1.0) for v in (0.9, 1.2, 2.1)] == ["ok", "pause", "stop"]


@pytest.mark.parametrize(("state", "flags", "expected"), [("D", 0, "pause"), ("D", 0x200000, "ok"), ("S", 0, "ok")])
def test_pressure_on_disks_counts_where_somebody_else_waits(
    tmp_path: Path, state: str, flags: int, expected: str
) -> None:
    """Our own probes wait for disks and for memory; kernel threads write back for us."""
    host = fakes.host(tmp_path)
    for folder in ("proc/pressure", "proc/7"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    psi = tmp_path / "proc/pressure/io"
    psi.write_text("some avg10=1.00 avg60=0 avg300=0 total=1\n")
    watch = pressure.QuietWatch.begin(host, baseline_s=0)
    psi.write_text("some avg10=40.00 avg60=0 avg300=0 total=1\n")
    (tmp_path / "proc/7/stat").write_text(f"7 (a ) name) {state} 1 7 7 0 -1 {flags} 0 0\n")
    assert watch.check() == expected


@pytest.mark.machine
def test_real_neighbours_are_seen_waiting() -> None:
    """Two processes on one CPU wait half of the time each; neither is ours by the time it is looked at."""
    cpu = str(min(os.sched_getaffinity(0)))
    loop = "import os, time\nif os.fork() == 0:\n os.setsid(); end = time.time() + 3\n while time.time() < end: pass"
    for _ in range(2):
        subprocess.run(["taskset", "-c", cpu, sys.executable, "-c", loop], check=True)
    neighbours = pressure.Neighbours(read_host())
    neighbours.look()
    time.sleep(1.5)
    share = neighbours.look()
    assert share is not None
    assert share > 0.5
    time.sleep(1.6)  # they end by themselves


def test_counters_come_from_psutil_and_missing_is_not_zero(tmp_path: Path) -> None:
    here = pressure.counters(read_host())
    assert here["context_switches"] > 0
    assert here["time_idle"] > 0
    assert "time_guest" not in here
    assert pressure.counters(fakes.host(tmp_path)).get("interrupts") is None
    assert pressure.counters(read_host())["interrupts"] > 0  # asking about another root has left nothing behind


def test_the_processor_is_asked_once_per_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def ask() -> dict[str, str]:
        asked.append(1)
        return {"brand_raw": "x"}

    monkeypatch.setattr(processor, "_ask", ask)
    for _ in range(3):
        assert processor.processor(tmp_path, "boot one") == {"brand_raw": "x"}
    assert len(asked) == 1
    processor.processor(tmp_path, "boot two")
    assert len(asked) == 2
    (tmp_path / "cpuinfo.json").write_text("{")
    processor.processor(tmp_path, "boot two")
    assert len(asked) == 3


def test_py_cpuinfo_knows_this_processor(tmp_path: Path) -> None:
    found = processor.processor(tmp_path, "boot")
    assert found.get("arch_string_raw") == os.uname().machine
    assert json.loads((tmp_path / "cpuinfo.json").read_text())["processor"] == found
