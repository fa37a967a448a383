"""Programs as a user without any right: what they need is that this checkout and its interpreter may be read."""

from __future__ import annotations

import subprocess

import pytest


def as_nobody(program: str, *check: str) -> list[str]:
    """The words that start ``program`` as another user; skips where even ``program check`` cannot start so."""
    words = ["env", "-u", "LIEBENCH_STATE", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program]
    if subprocess.run([*words, *check], capture_output=True, cwd="/", check=False).returncode:
        pytest.skip("needs a checkout and an interpreter that other users may read")
    return words
