"""Real runs that are interrupted or killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from liebench.runfile.binary import records
from liebench.runfile.reader import read_run

pytestmark = pytest.mark.machine

SOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
LIEBENCH = str(Path(sys.executable).parent / "liebench")


def start(folder: Path, *args: str) -> subprocess.Popen[str]:
    command = [LIEBENCH, "run", *args, "--out", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_blocks(folder: Path, process: subprocess.Popen[str]) -> None:
    """Until the run has written a block; how long that takes does not matter."""
    while process.poll() is None:
        if any(b["record"] == "block" for p in folder.glob("*.lb.part") for _, b in records(p.read_bytes())):
            return
        time.sleep(0.02)
    raise AssertionError("the run ended before it could be interrupted")


def test_control_c_once_keeps_what_was_measured(tmp_path: Path) -> None:
    process = start(tmp_path)
    wait_for_blocks(tmp_path, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    doc = read_run(next(tmp_path.glob("*.lb")))
    assert doc["stopped"] == "interrupted"
    assert doc["blocks"]
    assert "stopped early: interrupted" in out


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to switch the clocksource")
def test_control_c_twice_leaves_at_once_and_the_next_start_takes_everything_back(tmp_path: Path) -> None:
    before = SOURCE.read_text()
    for attempt in range(20):  # until one is caught with the clocksource switched
        folder = tmp_path / str(attempt)
        process = start(folder, "clock-read", "--disturb", "host")
        wait_for_blocks(folder, process)
        until = time.monotonic() + 10
        while SOURCE.read_text() == before and time.monotonic() < until and process.poll() is None:
            pass
        process.send_signal(signal.SIGINT)
        time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        caught = SOURCE.read_text() != before
        if "left at once" in err:
            assert "liebench doctor" in err
            assert read_run(next(folder.glob("*.lb.part")))["stopped"] == "killed"
        subprocess.run([LIEBENCH, "doctor"], check=True, capture_output=True)
        assert SOURCE.read_text() == before
        if caught:
            return
    pytest.fail("no run was left with the clocksource switched in 20 attempts")


def children_of(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == pid and words[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def killed(folder: Path, seed: int) -> None:
    """A run that is killed at a moment of this seed; raises AssertionError where something is left of it."""
    process = start(folder, "--quick")
    if seed:  # the first is killed before it has measured anything
        wait_for_blocks(folder, process)
        time.sleep(random.Random(seed).random())
    children = children_of(process.pid)
    process.kill()
    process.communicate()
    for path in folder.glob("*.lb.part"):
        assert read_run(path)["stopped"] == "killed"
    until = time.monotonic() + 20
    while any(map(is_running, children)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [c for c in children if is_running(c)]


def test_a_killed_run_leaves_a_readable_file_and_no_process(tmp_path: Path) -> None:
    """Four at a time, each with files and children of its own; ci/soak_kill.py takes more."""
    folders = [tmp_path / str(seed) for seed in range(20)]
    with ThreadPoolExecutor(4) as four:
        list(four.map(killed, folders, range(20)))
