"""Kernels: a planted lie is found. Each plant is so large, or so exact, that no load on the machine can hide it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.machine

Run = Callable[..., dict[str, Any]]
TWO = sorted(os.sched_getaffinity(0))[:2]
two_cpus = pytest.mark.skipif(len(TWO) < 2, reason="needs two processors")


@pytest.mark.parametrize("kernel", [["compute"], ["clock-read"], ["clock-read", "clock=counter"]], ids=" ".join)
def test_planted_work_is_done_and_not_folded(answer: Run, kernel: list[str]) -> None:
    plain = min(answer(*kernel, "ops=100", "samples=30")["samples"]["ns"])
    planted = min(answer(*kernel, "ops=100", "samples=30", "plant_work=10000")["samples"]["ns"])
    assert planted > 10 * plain  # 10,000 dependent multiplications against one operation


def test_planted_time_is_turned_into_work(answer: Run) -> None:
    rep = answer("null", "ops=1000", "samples=20", "plant_ns=1000")
    assert 300 < min(rep["samples"]["ns"]) < 30_000


@pytest.mark.parametrize("clock", "realtime raw boottime tai monotonic-coarse process-cpu thread-cpu".split())
def test_every_clock_can_be_read(answer: Run, clock: str) -> None:
    rep = answer("clock-read", f"clock={clock}", "ops=10", "samples=3")
    assert len(rep["samples"]["ns"]) == 3
    assert rep["facts"]["via"] == ("vdso" if rep["timer"]["vdso"] else "syscall")


def test_ways_to_read(answer: Run) -> None:
    assert answer("clock-read", "via=syscall", "samples=1")["facts"] == {"via": "syscall"}
    assert answer("clock-read", "clock=counter", "samples=1")["facts"] == {"via": "instruction"}


def test_steps_of_a_coarse_clock_are_what_it_claims(answer: Run) -> None:
    rep = answer("clock-step", "clock=monotonic-coarse", "ops=10", "samples=3")
    claimed = rep["facts"]["getres_ns"]
    assert claimed == time.clock_getres(6) * 1e9  # CLOCK_MONOTONIC_COARSE
    for step in rep["samples"]["step_ns"]:  # a thread that was away sees several ticks at once; NTP steers by 0.05 %
        assert step >= 0.99 * claimed
        assert abs(step / claimed - round(step / claimed)) < 0.01 * round(step / claimed)
    assert rep["facts"]["zero_deltas"] > 0


def test_steps_of_the_counter_are_in_ns(answer: Run) -> None:
    facts = answer("clock-step", "clock=counter", "samples=2", "ops=1000")["facts"]
    assert facts["getres_ns"] is None
    assert 0.05 < facts["tick_ns"] < 1000  # counters run between 1 MHz and 20 GHz


@two_cpus
@pytest.mark.parametrize("clock", ["monotonic", "counter"])
@pytest.mark.parametrize("plant", [1e9, -1e9])
def test_planted_skew_is_inside_the_bounds(answer: Run, clock: str, plant: float) -> None:
    where = [f"cpu={TWO[0]}", f"peer={TWO[1]}", f"clock={clock}", "samples=3", "ops=200"]
    found = answer("clock-skew", *where, f"plant_skew_ns={plant}")["samples"]
    unit = 1e6 if clock == "counter" else 1e5  # the counter's rate is measured in 2 ms; real skew is small
    for low, estimate, high in zip(found["low"], found["estimate"], found["high"], strict=True):
        assert low < estimate < high  # strictly: a large skew must not round the bounds together
        assert low - unit <= plant <= high + unit
        assert abs(estimate - plant) < 1e8


def test_timer_slack_is_set_and_read_back(answer: Run) -> None:
    assert answer("timer-wake", "samples=1", "sleep_us=10", "slack_ns=123456")["facts"] == {"slack_ns": 123456}
    default = int(Path("/proc/self/timerslack_ns").read_text())
    assert answer("timer-wake", "samples=1", "sleep_us=10")["facts"] == {"slack_ns": default}


def test_planted_lateness_is_found(answer: Run) -> None:
    rep = answer("timer-wake", "samples=5", "sleep_us=100", "plant_ns=2000000")
    assert min(rep["samples"]["late_ns"]) > 1_999_000  # a sleep never ends early; 1 us for the clock's own cost


@contextmanager
def watch(core: Path, *arguments: str) -> Iterator[Callable[[], dict[str, Any]]]:
    process = subprocess.Popen(
        [core, "clock-watch", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    asks, answers = process.stdin, process.stdout

    def tick() -> dict[str, Any]:
        asks.write("t\n")
        asks.flush()
        found: dict[str, Any] = json.loads(answers.readline())
        return found

    yield tick
    asks.close()
    assert process.wait(timeout=10) == 0  # the end of its input ends it
    assert answers.read() == ""
    answers.close()


def advance(first: dict[str, Any], last: dict[str, Any], clock: str, key: str = "ns") -> tuple[int, int]:
    """How far ``clock`` and RAW went between two answers."""
    a, b = first["clocks"][clock], last["clocks"][clock]
    return b[key] - a[key], b["raw_ns"] - a["raw_ns"]


def test_watch_answers_each_request(core: Path) -> None:
    with watch(core) as tick:
        answers = [tick() for _ in range(3)]
    assert [a["n"] for a in answers] == [0, 1, 2]
    for found in answers:
        assert set(found["clocks"]) == {"realtime", "monotonic", "boottime", "tai", "counter"}
        assert all(c["width_ns"] >= 0 for c in found["clocks"].values())
        assert found["took_ns"] > 0
        assert found["cancelled"] == 0
    for clock in ("realtime", "monotonic", "boottime", "tai"):
        went, raw = advance(answers[0], answers[-1], clock)
        assert abs(went - raw) < 1e6  # nobody plants anything


def test_watch_finds_a_planted_step_from_its_tick_on(core: Path) -> None:
    with watch(core, "plant_step_ns=1e12", "plant_step_at=2") as tick:
        answers = [tick() for _ in range(4)]
    steps = [round((went - raw) / 1e12) for went, raw in (advance(answers[0], a, "realtime") for a in answers)]
    assert steps == [0, 0, 1, 1]
    went, raw = advance(answers[0], answers[-1], "tai")
    assert abs(went - raw) < 1e9  # the step is the wall clock's alone


def test_watch_finds_a_planted_rate(core: Path) -> None:
    with watch(core, "plant_ppm=-1e5") as tick:
        first = tick()
        time.sleep(0.1)
        last = tick()
    for clock in ("realtime", "monotonic", "boottime", "tai"):
        went, raw = advance(first, last, clock)
        assert abs(went / raw - 0.9) < 0.01


@pytest.mark.parametrize("request_", ["x\n", "t t\n", "tt\n", "\n", "status\n"])
def test_watch_refuses_other_requests(core: Path, request_: str) -> None:
    done = subprocess.run([core, "clock-watch"], input=request_, capture_output=True, text=True, timeout=10)
    assert done.returncode == 2
    assert "lines that hold one t" in done.stderr


def test_watch_says_that_a_clock_device_is_missing(core: Path) -> None:
    done = subprocess.run([core, "clock-watch", "ptp=/dev/ptp77"], input="", capture_output=True, text=True, timeout=10)
    assert done.returncode == 1
    assert "cannot open the clock /dev/ptp77" in done.stderr
