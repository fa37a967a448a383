"""The clock probes on this host: planted lies of known size, found through the real path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from liebench.contract import Arm, Disturbs, Touches, Turn, Word
from liebench.core import core_path
from liebench.errors import StageRefused
from liebench.host import read_host
from liebench.judge.run import judge_run, look
from liebench.registry import find_probes
from liebench.runfile.encode import stored_rep
from liebench.runfile.reader import read_run
from liebench.stage import clock
from liebench.stage.clock import rate, step
from liebench.stage.recovery import recover
from liebench.stage.stage import Stage
from liebench.state.journal import Journal
from liebench.stats.clocks import Ticks, slope_ppm, steps

from tests.helpers.other_user import as_nobody

pytestmark = pytest.mark.machine

LIEBENCH = str(Path(sys.executable).parent / "liebench")
PROBES = find_probes().probes
NEEDS_CLOCK = pytest.mark.skipif(
    not read_host().can("CAP_SYS_TIME") or not (read_host().facts["clock"]["adjtimex"] or {}).get("unsync"),
    reason="needs permission to set a clock that nobody disciplines",
)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    touches = (Touches(clock=True, disturbs=Disturbs.HOST),)
    return Stage(read_host(), core_path(), Journal(tmp_path, "test"), touches, Disturbs.HOST, window_s=0.3)


def ticks(stage: Stage, n: int, every_s: float = 0.02, meanwhile: Any = None) -> Ticks:
    found, took = [], []
    with stage.watches("clock-watch") as watches:
        turn = Turn(Arm(id="measured"), "measured")
        for i in range(n):
            if meanwhile is not None:
                meanwhile(i)
            tick, answer = watches._tape(turn).tick()
            found.append(tick)
            took.append(answer)
            time.sleep(every_s)
    return Ticks(found, took)


@NEEDS_CLOCK
@pytest.mark.parametrize("ppm", [100.0, -500.0])
def test_a_rate_set_by_adjtimex_is_read_within_a_hundredth_ppm(stage: Stage, ppm: float) -> None:
    with rate(stage, ppm):
        series = ticks(stage, 150)
    at, off, _ = series.pair("monotonic", "raw")
    windows = [slope_ppm(at[i : i + 13], off[i : i + 13]) for i in range(0, 144, 12)]
    assert len(windows) == 12
    assert median(windows) == pytest.approx(ppm, abs=0.02)  # 3 s here; 0.01 in the 20 s of a run
    assert not list(stage.journal.folder.glob("*"))


@NEEDS_CLOCK
@pytest.mark.parametrize("ns", [50_000_000, -50_000_000])
def test_a_step_of_the_wall_clock_is_read_within_a_microsecond(stage: Stage, ns: int) -> None:
    with ExitStack() as lies:
        series = ticks(stage, 20, meanwhile=lambda i: lies.enter_context(step(stage, ns)) if i == 10 else None)
    at, off, _ = series.pair("realtime", "raw")
    found = steps(at, off)
    assert len(found) == 1
    assert found[0][1] == pytest.approx(ns, abs=1000)
    assert series.total("cancelled") >= 1  # the kernel says so too


@NEEDS_CLOCK
@pytest.mark.parametrize("lie", ["rate(stage, 100.0)", "step(stage, 50_000_000)"])
def test_a_clock_lie_of_a_killed_process_is_taken_back(stage: Stage, tmp_path: Path, lie: str) -> None:
    before, wall = clock._frequency(), clock._offset_ns()
    code = f"""
import sys, time
from pathlib import Path
from liebench.contract import Disturbs, Touches
from liebench.core import core_path
from liebench.host import read_host
from liebench.state.journal import Journal
from liebench.stage.stage import Stage
from liebench.stage.clock import rate, step
touches = (Touches(clock=True, disturbs=Disturbs.HOST),)
stage = Stage(read_host(), core_path(), Journal(Path(sys.argv[1]), "boot"), touches, Disturbs.HOST)
with {lie}:
    print("lying", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "lying\n"
    assert clock._frequency() != before or abs(clock._offset_ns() - wall) > 10_000_000
    process.kill()
    process.communicate()
    assert len(recover(tmp_path, "boot")) == 1
    assert clock._frequency() == before
    assert abs(clock._offset_ns() - wall) < 1_000_000
    assert recover(tmp_path, "boot") == []


def test_the_clock_is_not_touched_without_consent(tmp_path: Path) -> None:
    touches = (Touches(clock=True, disturbs=Disturbs.HOST),)
    for refused in (
        Stage(read_host(), core_path(), Journal(tmp_path, "test"), touches),
        Stage(read_host(), core_path(), Journal(tmp_path, "test"), consent=Disturbs.HOST),
    ):
        with pytest.raises(StageRefused, match="--disturb host"), rate(refused, 100.0):
            raise AssertionError("it was touched")


def test_no_step_is_seen_where_there_is_none(stage: Stage) -> None:
    at, off, _ = ticks(stage, 30).pair("boottime", "monotonic")
    assert steps(at, off) == []


@contextmanager
def never_idle(cpus: Sequence[int]) -> Iterator[None]:
    """Whoever wakes goes before these loops (SCHED_IDLE), but no processor halts: a halt takes longer to leave the
    longer it lasted, which is the hypervisor's and not the timer's."""
    words = ["chrt", "--idle", "0", "setpriv", "--pdeathsig", "KILL", "sh", "-c", "while :; do :; done"]
    loops = [subprocess.Popen(["taskset", "-c", str(cpu), *words]) for cpu in cpus]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def test_a_longer_timer_slack_is_found_as_later_wakes(stage: Stage) -> None:
    def late(slack: int) -> float:
        rep = stage.core("timer-wake", Turn(Arm(id="a", args={"sleep_us": 1000, "slack_ns": slack}), "a"))
        return median(rep.samples["late_ns"]) / 1000

    pairs: list[float] = []
    with never_idle(stage.host.processors):
        while len(pairs) < 96:
            first, second = late(500_000), late(50_000)
            pairs.append(first - second)
            if len(pairs) >= 12 and abs(median(pairs) - 450) <= 10:
                break
    assert median(pairs) == pytest.approx(450, abs=10)


def test_a_read_costs_what_a_plain_c_loop_says(stage: Stage, tmp_path: Path) -> None:
    """ci/bench/clock_read.py asks pg_test_timing too."""
    loop = tmp_path / "loop"
    source = Path(__file__).parents[2] / "ci/bench/oracle/read_loop.c"
    subprocess.run(["gcc", "-O2", "-o", loop, source], check=True)
    arm = Arm(id="monotonic", args={"clock": "monotonic", "via": "libc"})
    cpu, ratios = str(stage.host.processors[-1]), list[float]()
    while len(ratios) < 60:
        ours = median(stage.core("clock-read", Turn(arm, "ours")).samples["ns"])
        theirs = float(subprocess.run([loop, cpu], capture_output=True, text=True, check=True).stdout)
        ratios.append(ours / theirs)
        if len(ratios) >= 12 and abs(median(ratios) - 1) <= 0.02:
            break
    assert median(ratios) == pytest.approx(1, abs=0.03)


def test_an_application_that_must_call_the_kernel_for_the_time_is_found_costly(stage: Stage) -> None:
    case = next(c for c in PROBES["clock-read"].probe.cases(stage.host, {}) if c.id == "syscall")
    blocks = []
    for n in range(12):
        reps = {a.id: stored_rep(stage.core("clock-read", Turn(a, a.id)), case) for a in case.arms}
        blocks.append({"n": n, "probe": "clock-read", "case": case.id, "reps": reps})
    found = look(case, blocks, "syscall", "counter").reading
    assert found is not None
    assert found.decision.word is Word.COSTLY


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
        doc = run(tmp_path / seed, "clock", "--quick", "--seed", seed)
        found = judge_run(doc)
        if not [c for c in found.controls if c.status == "failed"]:
            break
    assert not [c for c in found.controls if c.status == "failed"], found.controls
    assert {c.kind for c in found.controls} == {"null", "plant"}
    assert doc["receipt"]["difference"] == []
    assert doc["stopped"] == "done"
    assert set(found.probes) == {"clock-read", "clock-rate", "clock-jump", "timer-wake"}
    assert found.probes["timer-wake"].word in ("harmless", "costly", "inconclusive")
    subprocess.run([LIEBENCH, "verify", str(next(tmp_path.glob("*/*.lb")))], check=True, capture_output=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_an_ordinary_user_can_run_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == 0 and parent != Path("/") and not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o011)
    somebody = as_nobody(LIEBENCH, "--version")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    command = [*somebody, "run", "clock-read", "timer-wake", "--quick"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], capture_output=True, text=True, env=env, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "clock-read" in done.stdout
