"""The commands with a state folder of the test's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def with_state(state: Path, *words: str) -> list[str]:
    """The command line of ``liebench WORDS``."""
    return ["env", f"LIEBENCH_STATE={state}", sys.executable, "-P", "-m", "liebench", *words]


def liebench(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What it says, in bounded time, with nobody to ask."""
    return subprocess.run(
        with_state(state, *words), capture_output=True, text=True, timeout=180, check=False, stdin=subprocess.DEVNULL
    )
