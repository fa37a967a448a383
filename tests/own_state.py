"""The commands with a state folder of the test's own: as root theirs is the host's, whatever the environment says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = (
    "import pathlib, sys; import liebench.result as result; state = pathlib.Path(sys.argv.pop(1)); "
    "result.state_dir = lambda: state; from liebench.cli import main; main()"
)


def with_state(state: Path, *words: str) -> list[str]:
    """The command line of ``liebench WORDS``."""
    return [sys.executable, "-P", "-c", CODE, str(state), *words]


def liebench(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What it says, in bounded time, with nobody to ask."""
    return subprocess.run(
        with_state(state, *words), capture_output=True, text=True, timeout=180, check=False, stdin=subprocess.DEVNULL
    )
