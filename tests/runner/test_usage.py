"""What a run says of its host before it loads it, and what it leaves in the counters for who reads them afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from liebench.facts.boot import facts
from liebench.facts.reader import Reader
from liebench.runfile.reader import read_run
from liebench.runfile.usage import usage_of
from liebench.state.traces import own_traces

pytestmark = pytest.mark.machine
LIEBENCH = str(Path(sys.executable).parent / "liebench")
BOOT = facts(Reader(), True)["token"]


def liebench(state: Path, *words: str) -> str:
    done = subprocess.run(
        [LIEBENCH, *words], env={**os.environ, "LIEBENCH_STATE": str(state)}, capture_output=True, text=True, check=True
    )
    return done.stdout


def looked(state: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(liebench(state, "look", "--seconds", "0.2", "--json"))
    return found


def test_a_run_file_holds_usage_and_is_its_owners_alone(tmp_path: Path) -> None:
    liebench(tmp_path / "state", "run", "clock-read", "--quick", "--budget", "3", "--out", str(tmp_path))
    (path,) = tmp_path.glob("*.lb")
    usage = usage_of(read_run(path))
    assert usage is not None
    assert usage.window_s >= 0.1
    assert usage.seen.processes >= 1
    assert usage.settings["clock.source"]
    assert usage.rates["stat.ctxt"].boot
    assert path.stat().st_mode & 0o777 == (0o600 if os.geteuid() == 0 else 0o644)


def test_what_a_run_did_is_known_afterwards(tmp_path: Path) -> None:
    state = tmp_path / "state"
    liebench(state, "run", "clock-read", "--quick", "--budget", "3", "--out", str(tmp_path))
    own = own_traces([state], BOOT)
    assert own.unknown == ""
    assert 0.1 < own.span_s < 300
    assert own.gained["stat.ctxt"] > 0
    assert any(name.startswith("look.") for name in own.gained)
    again = tmp_path / "again"
    liebench(state, "run", "clock-read", "--quick", "--budget", "3", "--out", str(again))
    usage = usage_of(read_run(next(again.glob("*.lb"))))
    assert usage is not None
    assert usage.own_s == pytest.approx(own.span_s)
    assert usage.rates["stat.ctxt"].ours == (own.gained["stat.ctxt"],) * 2


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to limit memory in a control group of its own")
def test_its_own_kills_are_not_what_a_look_finds(tmp_path: Path) -> None:
    """memory-promise lets the kernel kill; the look after it counts the kills of others, as the one before did."""

    def kills() -> int:
        return int(dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())["oom_kill"])

    def counted(found: dict[str, Any]) -> float:
        rows = [s for s in found["suspects"] if s["id"] == "oom-kill"]
        return float(rows[0]["values"]["count_boot"]) if rows else 0.0

    state = tmp_path / "state"
    before, there = counted(looked(state)), kills()
    liebench(state, "run", "memory-promise", "--quick", "--out", str(tmp_path), "--disturb", "neighbours")
    if kills() == there:
        pytest.skip("needs control groups that limit memory")
    assert counted(looked(state)) == before


def test_a_killed_run_leaves_counts_since_boot_unknown_and_says_so(tmp_path: Path) -> None:
    state = tmp_path / "state"
    command = [LIEBENCH, "run", "clock-read", "--out", str(tmp_path)]
    env = {**os.environ, "LIEBENCH_STATE": str(state)}
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        noted = state / "traces.jsonl"
        while run.poll() is None and not (noted.exists() and noted.stat().st_size):
            time.sleep(0.01)
        run.kill()
    assert "goes on, or was killed" in own_traces([state], BOOT).unknown
    assert any("goes on, or was killed" in line for line in looked(state)["unknown"])
