"""The clock probes on this host: planted lies of known size, found through the real path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from liebench.contract import Arm, Turn
from liebench.core import core_path
from liebench.facts.clock import Timex, adjtimex
from liebench.host import read_host
from liebench.journal import Journal
from liebench.judge import judge_run
from liebench.result import read_run
from liebench.stage import Stage
from liebench.timeline import Ticks, slope_ppm, steps

LIEBENCH = str(Path(sys.executable).parent / "liebench")
ADJ_FREQUENCY, ADJ_SETOFFSET, ADJ_NANO = 0x0002, 0x0100, 0x2000
NEEDS_CLOCK = pytest.mark.skipif(
    not read_host().can("CAP_SYS_TIME") or not (read_host().facts["clock"]["adjtimex"] or {}).get("unsync"),
    reason="needs permission to set a clock that nobody disciplines",
)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(read_host(), core_path(), Journal(tmp_path, "test"), window_s=0.3)


def ticks(stage: Stage, n: int, every_s: float = 0.02, meanwhile: Any = None) -> Ticks:
    found, took = [], []
    with stage.watches("clock-watch") as watches:
        turn = Turn(Arm("measured"), "measured")
        for i in range(n):
            if meanwhile is not None:
                meanwhile(i)
            tick, answer = watches._tape(turn).tick()
            found.append(tick)
            took.append(answer)
            time.sleep(every_s)
    return Ticks(found, took)


@contextmanager
def frequency(ppm: float) -> Iterator[None]:
    before = Timex()
    assert adjtimex(before) >= 0
    try:
        assert adjtimex(Timex(modes=ADJ_FREQUENCY, freq=before.freq + int(ppm * 65536))) >= 0
        time.sleep(0.05)  # the kernel takes a new rate over at its next tick
        yield
    finally:
        adjtimex(Timex(modes=ADJ_FREQUENCY, freq=before.freq))


def offset(seconds: float) -> None:
    whole, part = divmod(round(seconds * 1e9), 10**9)
    assert adjtimex(Timex(modes=ADJ_SETOFFSET | ADJ_NANO, tv_sec=whole, tv_usec=part)) >= 0


@NEEDS_CLOCK
@pytest.mark.parametrize("ppm", [100.0, -500.0])
def test_a_rate_set_by_adjtimex_is_read_within_a_hundredth_ppm(stage: Stage, ppm: float) -> None:
    with frequency(ppm):
        series = ticks(stage, 150)
    at, off, _ = series.pair("monotonic", "raw")
    windows = [slope_ppm(at[i : i + 13], off[i : i + 13]) for i in range(0, 144, 12)]
    assert len(windows) == 12
    assert median(windows) == pytest.approx(ppm, abs=0.02)  # 3 s here; 0.01 in the 20 s of a run
    assert adjtimex(now := Timex()) >= 0
    assert now.freq == 0 or abs(now.freq / 65536 - ppm) > 1


@NEEDS_CLOCK
@pytest.mark.parametrize("seconds", [0.05, -0.05])
def test_a_step_of_the_wall_clock_is_read_within_a_microsecond(stage: Stage, seconds: float) -> None:
    try:
        series = ticks(stage, 20, meanwhile=lambda i: offset(seconds) if i == 10 else None)
    finally:
        offset(-seconds)
    at, off, _ = series.pair("realtime", "raw")
    found = steps(at, off)
    assert len(found) == 1
    assert found[0][1] == pytest.approx(seconds * 1e9, abs=1000)
    assert series.total("cancelled") >= 1  # the kernel says so too


def test_no_step_is_seen_where_there_is_none(stage: Stage) -> None:
    at, off, _ = ticks(stage, 30).pair("boottime", "monotonic")
    assert steps(at, off) == []


def test_a_longer_timer_slack_is_found_as_later_wakes(stage: Stage) -> None:
    def late(slack: int) -> float:
        rep = stage.core("timer-wake", Turn(Arm("a", args={"sleep_us": 1000, "slack_ns": slack}), "a"))
        return median(rep.samples["late_ns"]) / 1000

    pairs = []
    while len(pairs) < 48:
        pairs.append(late(500_000) - late(50_000))
        if len(pairs) >= 12 and abs(median(pairs) - 450) <= 10:
            break
    assert median(pairs) == pytest.approx(450, abs=15)


def run(tmp_path: Path, *args: str) -> dict[str, Any]:
    done = subprocess.run(
        [LIEBENCH, "run", *args, "--json", "--out", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["schema"] == "liebench.run/1"
    return read_run(said["run"])


def test_a_quick_run_shows_its_controls_and_leaves_no_trace(tmp_path: Path) -> None:
    for seed in ("5", "6", "7"):  # a burst of the neighbours' work may fail a control: that is what controls are for
        doc = run(tmp_path / seed, "--quick", "--seed", seed)
        found = judge_run(doc)
        if not [c for c in found.controls if c.status == "failed"]:
            break
    assert not [c for c in found.controls if c.status == "failed"], found.controls
    assert {c.kind for c in found.controls} == {"null", "plant"}
    assert doc["receipt"]["difference"] == []
    assert doc["stopped"] == "done"
    assert set(found.probes) == {"clock-read", "clock-rate", "clock-jump", "timer-wake"}
    assert found.probes["timer-wake"].word in ("harmless", "costly", "inconclusive")
    subprocess.run([LIEBENCH, "verify", str(next(tmp_path.glob("*/*.json")))], check=True, capture_output=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_an_ordinary_user_can_run_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == 0 and parent != Path("/") and not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o011)
    reachable = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", LIEBENCH, "--version"], capture_output=True, check=False
    )
    if reachable.returncode:
        pytest.skip("needs a checkout and an interpreter that other users may read")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    command = ["setpriv", "--reuid=65534", "--clear-groups", LIEBENCH, "run", "clock-read", "timer-wake", "--quick"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], capture_output=True, text=True, env=env, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "clock-read" in done.stdout
