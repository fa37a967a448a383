"""Narrow homes: one CPU, a container, no control groups, a quota, an empty root. It runs and says what it skips."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from liebench.core import core_path
from liebench.runfile.binary import records
from liebench.runfile.reader import read_run

from tests.helpers.held_back import quota_group

pytestmark = pytest.mark.machine

LIEBENCH = str(Path(sys.executable).parent / "liebench")
NO_CGROUPS = 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"'
HOMES = {
    "one CPU": ["taskset", "-c", str(min(os.sched_getaffinity(0)))],
    "user, pid and mount namespace": ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"],
    "no control groups": ["unshare", "--mount", "sh", "-c", NO_CGROUPS, "sh"],
}
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make the home")


def run_in(home: list[str], folder: Path, *args: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what --json says, the run file) of a short run in there."""
    command = [*home, LIEBENCH, "run", "--budget", "6", "--quick", "--json", "--out", str(folder), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    return said, read_run(Path(said["run"]))


@ROOT
@pytest.mark.parametrize("name", HOMES)
def test_it_runs_in(name: str, tmp_path: Path) -> None:
    said, doc = run_in(HOMES[name], tmp_path, "--budget", "12")
    assert doc["stopped"] in ("done", "budget")
    assert said["failed"] == {}
    assert {"clock-read", "clock-rate", "clock-jump", "timer-wake", "cpu-share", "smt-core"} <= set(said["verdicts"])
    assert said["verdicts"]["clock-read"]["ratio"] > 1
    assert doc["receipt"]["difference"] == []
    if name == "one CPU":
        assert len(doc["host"]["cpu"]["usable"]) == 1
        assert not [c for c in doc["probes"]["clock-rate"]["cases"] if c.startswith("skew")]  # nobody to compare with
        assert not [c for c in doc["probes"]["smt-core"]["cases"] if c.startswith("pair")]
        assert said["skipped"]["tlb-flush"]["needs"] == "two CPUs"
    if name == "no control groups":
        assert doc["host"]["limits"] == {"cgroup": None, "cpus": None, "memory_mib": None}


@pytest.fixture
def quota(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A control group of ours that may use half a CPU."""
    with quota_group("test", 10000) as group:
        yield group


@ROOT
def test_under_a_quota_it_says_so_and_marks_what_was_throttled(quota: Path, tmp_path: Path) -> None:
    enter = ["sh", "-c", f'echo 0 > {quota}/cgroup.procs && exec "$@"', "sh"]
    _, doc = run_in(enter, tmp_path, "clock-read")
    assert doc["host"]["limits"]["cpus"] == 0.5
    marks = [f for b in doc["blocks"] for r in b["reps"].values() for f in r["flags"]]
    assert "THROTTLED" in marks
    assert all(r["alibi"]["throttled_us"] is not None for b in doc["blocks"] for r in b["reps"].values())


SWITCH = Path(f"/sys/devices/system/cpu/cpu{max(os.sched_getaffinity(0))}/online")


@ROOT
@pytest.mark.skipif(not os.access(SWITCH, os.W_OK), reason="needs a CPU that can be taken offline")
def test_a_processor_that_goes_offline_meanwhile_is_named_and_nothing_hangs(tmp_path: Path) -> None:
    command = [LIEBENCH, "run", "cpu-frequency", "tlb-flush", "--json", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        for _ in range(600):  # until it has begun to measure
            grown = [path.read_bytes() for path in tmp_path.glob("*.lb.part")]
            if any(record["record"] == "block" for data in grown for _, record in records(data)):
                break
            time.sleep(0.1)
        try:
            SWITCH.write_text("0")
            said = json.loads(running.communicate(timeout=60)[0])
        finally:
            SWITCH.write_text("1")
    assert set(said["failed"]) == {"cpu-frequency", "tlb-flush"}
    assert all("cannot run on CPU" in row["error"] and "offline" in row["error"] for row in said["failed"].values())
    assert read_run(said["run"])["receipt"] is not None


@ROOT
def test_the_core_needs_nothing_beside_it(tmp_path: Path) -> None:
    shutil.copy(core_path(), tmp_path / "core")
    done = subprocess.run(["chroot", tmp_path, "/core", "clock-read", "samples=3"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert len(answer["samples"]["ns"]) == 3
    assert answer["alibi"]["run_delay_ns"] is None  # there is no /proc: not told, and not zero
