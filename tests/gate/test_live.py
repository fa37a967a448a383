"""The gate as a user runs it: planted regressions fail, equal sides never do, and what is switched is put back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from liebench.core import core_path
from liebench.gate.verify import differences
from liebench.runfile.reader import read_run

pytestmark = pytest.mark.machine

GATE = [sys.executable, "-c", "from liebench.cli import main; main()", "gate"]
SWAPPINESS = Path("/proc/sys/vm/swappiness")


def gate(folder: Path, *words: object, code: int | None = None) -> tuple[int, dict[str, Any], str]:
    """(exit code, what --json said, what was said beside it)."""
    command = [*GATE, *map(str, words), "--json", "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=folder)
    assert code is None or done.returncode == code, done.stderr + done.stdout
    return done.returncode, json.loads(done.stdout) if done.stdout.startswith("{") else {}, done.stderr


def work(ops: int) -> str:
    return f"{core_path()} compute ops={ops} samples=1 sentinel=0"


def found(said: dict[str, Any]) -> set[str]:
    return {row["word"] for row in said["rows"]}


def settled(folder: Path, *words: object, code: int) -> dict[str, Any]:
    """Longer, and again longer, where this machine is too busy to tell; a wrong answer is wrong at once."""
    for budget in (20, 60, 150):
        ended, said, talk = gate(folder, *words, "--budget", budget)
        if ended != 3:
            break
    assert ended == code, talk + json.dumps(said)
    return said


def test_a_slower_command_fails_the_build(tmp_path: Path) -> None:
    said = settled(tmp_path, "--baseline", work(8_000_000), "--candidate", work(12_000_000), "--limit", "20 %", code=1)
    worse = [row for row in said["rows"] if row["word"] == "worse"]
    assert worse
    assert all(1.2 < row["value"] < 1.6 for row in worse)  # the command has a start of its own
    assert differences(read_run(said["run"])) == []


def test_a_faster_command_does_not(tmp_path: Path) -> None:
    said = settled(tmp_path, "--baseline", work(12_000_000), "--candidate", work(8_000_000), "--limit", "20 %", code=0)
    assert "better" in found(said)


def test_equal_sides_are_never_a_regression(tmp_path: Path) -> None:
    for seed in range(3):
        code, said, _ = gate(
            tmp_path, "--baseline", work(2_000_000), "--candidate", work(2_000_000), "--budget", 6, "--seed", seed
        )
        assert code in (0, 3)
        assert "worse" not in found(said)


def slower_core(folder: Path, plant: str) -> Path:
    """A build whose reads of the clock take longer: the installed one with a lie planted in that kernel."""
    made = folder / "slower-core"
    made.write_text(
        f'#!/bin/sh\ncase "$1 $*" in\n*calibrate*) ;;\nclock-read*) exec {core_path()} "$@" {plant} ;;\nesac\n'
        f'exec {core_path()} "$@"\n'
    )
    made.chmod(0o755)
    return made


def test_a_slower_build_of_the_core_is_found_by_its_probe(tmp_path: Path) -> None:
    other = slower_core(tmp_path, "plant_work=60")
    said = settled(tmp_path, "clock-read", "--quick", "--candidate-core", other, "--limit", "20 %", code=1)
    assert {row["probe"] for row in said["rows"] if row["word"] == "worse"} == {"clock-read"}


@pytest.mark.skipif(os.geteuid() != 0 or not os.access(SWAPPINESS, os.W_OK), reason="needs root")
def test_a_setting_is_switched_and_put_back(tmp_path: Path) -> None:
    before = SWAPPINESS.read_text()
    words = ("clock-read", "--quick", "--change", "vm.swappiness=61", "--disturb", "host", "--budget", 5)
    code, said, _ = gate(tmp_path, *words)
    assert code in (0, 3)
    assert SWAPPINESS.read_text() == before
    doc = read_run(said["run"])
    assert {b.get("side") for b in doc["blocks"]} >= {"baseline", "candidate"}
    assert doc["receipt"]["difference"] == []


def test_a_setting_needs_consent_and_a_name_that_is_one(tmp_path: Path) -> None:
    for change in ("vm.swappiness=61", "vm.nothing_like_it=1", "../../etc/passwd=1", "/etc/passwd=1", "vm.swappiness"):
        _, _, talk = gate(tmp_path, "clock-read", "--quick", "--change", change, code=2)
        assert "Traceback" not in talk
    assert list(tmp_path.iterdir()) == []


def test_switches_run_before_each_half_and_the_baseline_comes_last(tmp_path: Path) -> None:
    log = tmp_path / "log"
    to = [f"sh -c 'echo {side} >> {log}'" for side in ("a", "b")]
    words = ("clock-read", "--quick", "--to-baseline", to[0], "--to-candidate", to[1], "--budget", 4)
    assert gate(tmp_path, *words)[0] in (0, 3)
    lines = log.read_text().split()
    assert lines[-1] == "a"
    assert min(lines.count("a"), lines.count("b")) >= 12


@pytest.mark.parametrize(
    ("baseline", "candidate", "says"),
    [("true", "false", "ended with 1"), ("true", "/no/such/program", "cannot be run"), ("true", "sh -c 'exit 3'", "3")],
)
def test_a_side_that_fails_is_never_green(tmp_path: Path, baseline: str, candidate: str, says: str) -> None:
    _, said, _ = gate(tmp_path, "--baseline", baseline, "--candidate", candidate, "--budget", 5, code=4)
    assert says in str(said["failed"]["command"]) + str(said["skipped"])


def test_starved_of_time_it_cannot_tell(tmp_path: Path) -> None:
    _, said, talk = gate(
        tmp_path, "--baseline", work(8_000_000), "--candidate", work(12_000_000), "--budget", 0.2, code=3
    )
    assert found(said) == {"inconclusive"}
    assert "not known before the first look" in talk


def test_one_thing_must_differ(tmp_path: Path) -> None:
    for words in ((), ("--baseline", "true"), ("--baseline", "true", "--candidate", "true", "--change", "a=b")):
        gate(tmp_path, *words, code=2)


@pytest.mark.skipif(os.geteuid() != 0 or not os.access(SWAPPINESS, os.W_OK), reason="needs root")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_ends_a_gate_leaves_the_setting_as_it_was(tmp_path: Path, how: signal.Signals) -> None:
    before = SWAPPINESS.read_text()
    words = ["clock-read", "--change", "vm.swappiness=61", "--disturb", "host", "--out", str(tmp_path)]
    with subprocess.Popen([*GATE, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        until = time.monotonic() + 60
        while SWAPPINESS.read_text() == before and time.monotonic() < until:
            time.sleep(0.001)
        running.send_signal(how)
        ended = running.wait(60)
    if how is signal.SIGINT:
        assert ended == 130
    until = time.monotonic() + 5  # who watches over the host takes it back, without another start of ours
    while SWAPPINESS.read_text() != before and time.monotonic() < until:
        time.sleep(0.05)
    assert SWAPPINESS.read_text() == before
