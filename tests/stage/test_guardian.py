"""Who watches over the host: it acts when the measurement is gone, and only then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from liebench.errors import StageRefused
from liebench.stage.act import VALUE, acting
from liebench.stage.guardian import guarded
from liebench.state.journal import Journal

pytestmark = pytest.mark.machine

CODE = """
import os, sys, signal
from pathlib import Path
from liebench.stage.guardian import guarded
from liebench.stage.act import poke
from liebench.state.journal import Journal
state, value = Path(sys.argv[1]), Path(sys.argv[2])
with guarded(state, "boot"):
    Journal(state, "boot").note("value", str(value), "old", "new")
    poke(value, "new")
    print("changed", flush=True)
    os.kill(os.getpid(), signal.SIGKILL) if sys.argv[3] == "kill" else sys.stdin.read()
"""


def watchers() -> set[str]:
    done = subprocess.run(["pgrep", "-f", "liebench.stage.guardian"], capture_output=True, text=True, check=False)
    return set(done.stdout.split())


@pytest.fixture
def value(tmp_path: Path) -> Path:
    made = tmp_path / "value"
    made.write_text("old")
    return made


def test_what_a_killed_measurement_left_is_taken_back_within_seconds(tmp_path: Path, value: Path) -> None:
    before = watchers()
    done = subprocess.run([sys.executable, "-c", CODE, tmp_path, value, "kill"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"changed\n")
    until = time.monotonic() + 5
    while (value.read_text() != "old" or watchers() - before) and time.monotonic() < until:
        time.sleep(0.05)
    assert value.read_text() == "old"
    assert list((tmp_path / "journal").iterdir()) == []
    assert watchers() - before == set()


def test_while_the_measurement_lives_nothing_is_touched(tmp_path: Path, value: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CODE, tmp_path, value, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"changed\n"
        time.sleep(0.5)
        assert value.read_text() == "new"
        os.kill(running.pid, signal.SIGKILL)
    until = time.monotonic() + 5
    while value.read_text() != "old" and time.monotonic() < until:
        time.sleep(0.05)
    assert value.read_text() == "old"


def test_one_that_ended_well_is_left_alone(tmp_path: Path, value: Path) -> None:
    before = watchers()
    with guarded(tmp_path, "boot"):
        with acting(Journal(tmp_path, "boot"), VALUE, str(value), "old", "new"):
            value.write_text("new")
        value.write_text("somebody's")
    assert value.read_text() == "somebody's"
    assert watchers() - before == set()


def test_without_a_guardian_nothing_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for program in ("/no/such/python", "/bin/true"):
        monkeypatch.setattr(sys, "executable", program)
        with pytest.raises(StageRefused, match="nothing was changed"), guarded(tmp_path, "boot"):
            raise AssertionError
