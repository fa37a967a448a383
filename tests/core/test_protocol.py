"""What the core answers, and how it ends: exit codes, one object on one line, limits that hold."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.machine

KERNELS = {"null", "compute", "clock-read", "clock-step", "clock-skew", "clock-watch", "timer-wake"}
ALIBI = set(
    "run_delay_ns cpu_ns slices nvcsw nivcsw minflt majflt cpu_first cpu_last migrated"
    " steal_ticks irq_ticks softirq_ticks".split()
)


def test_version_and_list(core: Path) -> None:
    assert subprocess.check_output([core, "--version"], text=True) == "liebench-core 9.8.7 test\n"
    rows = [line.split("\t") for line in subprocess.check_output([core, "--list"], text=True).splitlines()]
    assert {name for name, _, _ in rows} >= KERNELS
    assert {kind for _, kind, _ in rows} == {"batched", "plain"}
    assert all(summary for _, _, summary in rows)


def test_a_repetition_has_every_field(answer: Callable[..., dict[str, Any]]) -> None:
    rep = answer("compute", "ops=50", "samples=7", "mix=mul")
    assert (rep["core"], rep["kernel"], rep["ops"]) == ("test", "compute", 50)
    assert rep["args"] == {"ops": "50", "samples": "7", "mix": "mul"}
    assert len(rep["samples"]["ns"]) == len(rep["offsets_ns"]) == 7
    assert rep["offsets_ns"] == sorted(rep["offsets_ns"])
    assert rep["offsets_ns"][-1] < rep["elapsed_ns"]
    assert set(rep["alibi"]) == ALIBI
    assert all(rep["sentinel"][name] > 0 for name in ("chain1_ns", "chain8_ns"))
    assert rep["timer"]["step_ns"] >= rep["timer"]["gcd_ns"] > 0
    assert rep["timer"]["read_ns"] > 0


def test_no_sentinel_leaves_it_empty(answer: Callable[..., dict[str, Any]]) -> None:
    assert answer("null", "sentinel=0")["sentinel"] == {}


def test_start_is_on_the_clock_that_nobody_steers(answer: Callable[..., dict[str, Any]]) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    start = answer("null")["start_ns"]
    assert before < start < time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


def test_pinning(answer: Callable[..., dict[str, Any]]) -> None:
    cpu = max(os.sched_getaffinity(0))
    alibi = answer("null", f"cpu={cpu}")["alibi"]
    assert (alibi["cpu_first"], alibi["cpu_last"], alibi["migrated"]) == (cpu, cpu, 0)


def test_a_cpu_that_is_not_there_is_a_failure(core: Path) -> None:
    done = subprocess.run([core, "null", "cpu=8191"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "cannot run on CPU 8191" in done.stderr
    assert "Cpus_allowed_list" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["compute", "calibrate=1"], ["clock-read", "calibrate=1", "clock=counter"], ["null", "calibrate=1"]],
    ids=lambda a: a[0],
)
def test_calibration(answer: Callable[..., dict[str, Any]], arguments: list[str]) -> None:
    found = answer(*arguments, "target_ns=100000")
    assert found["ops"] >= 1
    assert found["op_ns"] >= 0
    if arguments[0] == "compute":
        assert found["op_ns"] * found["ops"] >= 99_000  # as many as last the target, by its own arithmetic


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["null"], ["--version"], ["--list"], ["compute", "calibrate=1"]])
def test_an_answer_that_cannot_be_written_is_a_failure(core: Path, arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([core, *arguments], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "could not be written" in done.stderr


def test_it_stops_at_its_limit(core: Path) -> None:
    done = subprocess.run([core, "compute", "ops=1e9", "limit_s=1"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "limit_s" in done.stderr


def test_it_dies_with_its_parent(core: Path) -> None:
    reader, writer = os.pipe()  # our end stays open, so only the parent's death can end the child
    starts = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([{str(core)!r}, 'clock-watch'], stdin={reader})\n"
        "print(p.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", starts], stdout=subprocess.PIPE, text=True, pass_fds=[reader])
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(0.2)  # past its prctl
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    try:
        assert _ends(child)
    finally:
        os.close(reader)
        os.close(writer)


def _ends(pid: int) -> bool:
    for _ in range(100):
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except OSError:
            return True
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    return False


def test_missing_proc_is_null_and_not_zero(build: Callable[..., Path]) -> None:
    """Alone in an empty root: what only /proc tells is unknown, what system calls tell is known."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for chroot")
    static = build("cc", "-O2", "-static")
    done = subprocess.run(["chroot", static.parent, "/liebench-core", "null"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    alibi = json.loads(done.stdout)["alibi"]
    unknown = {"run_delay_ns", "slices", "steal_ticks", "irq_ticks", "softirq_ticks"}
    assert {name for name, value in alibi.items() if value is None} == unknown
