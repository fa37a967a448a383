"""Real `liebench try` processes on a setting of this host, killed; and two of them at a time."""

from __future__ import annotations

import importlib.util
import os
import random
import subprocess
from pathlib import Path

import pytest

from tests.helpers.own_state import with_state

pytestmark = pytest.mark.machine

SOAK = Path(__file__).parents[2] / "ci" / "soak_try.py"
KEY = Path("/proc/sys/net/core/netdev_max_backlog")
WRITABLE = pytest.mark.skipif(
    os.geteuid() != 0 or not os.access(KEY, os.W_OK), reason="needs root and a /proc/sys that may be written"
)


@WRITABLE
def test_killed_trials_leave_the_value_that_was_found(tmp_path: Path) -> None:
    """ci/soak_try.py takes 500. Until some were caught in the act."""
    spec = importlib.util.spec_from_file_location("soak_try", SOAK)
    assert spec is not None
    assert spec.loader is not None
    soak = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(soak)
    rng, found, seen = random.Random(7), KEY.read_text().strip(), list[str]()
    try:
        for n in range(40):
            seen.append(soak.killed(tmp_path, found, 0.4 + rng.random() * 1.6, n % 2 == 0))
            if n >= 11 and seen.count("act") >= 3:
                break
    finally:
        KEY.write_text(found)
    assert seen.count("act") >= 3, seen


@WRITABLE
def test_two_that_change_the_host_exclude_each_other(tmp_path: Path) -> None:
    found = KEY.read_text().strip()
    state = tmp_path / "state"
    change = f"backlog={int(found) + 1}"
    long = ["try", change, "--with", "sleep 0.05", "--disturb", "host", "--budget", "30", "--out", str(tmp_path)]
    first = subprocess.Popen(
        with_state(state, *long), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert first.stderr is not None
    first.stderr.readline()  # it has said what it tries
    for words in (["try", change, "--with", "true", "--disturb", "host"], ["run", "clock-read", "--disturb", "host"],
                  ["apply", change, "--untested", "--yes"]):  # fmt: skip
        done = subprocess.run(with_state(state, *words), capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 4, (words, done.stderr)
        assert f"process {first.pid}, try --disturb host" in done.stderr
        assert "repeat the command" in done.stderr
    first.terminate()
    first.communicate(timeout=60)
    assert KEY.read_text().strip() == found
