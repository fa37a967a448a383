"""A control group of ours with a quota on processor time, for tests, by either version of control groups."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def quota_group(name: str, quota_us: int, period_us: int = 20_000) -> Iterator[Path]:
    """A group that may use this much of each period; skips the test where the controller is not to be had."""
    one, two = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
    own = f"liebench-{name}-{os.getpid()}"
    if (one / "cgroup.procs").exists():
        group, writes = one / own, {"cpu.cfs_period_us": str(period_us), "cpu.cfs_quota_us": str(quota_us)}
    elif "cpu" in (two / "cgroup.subtree_control").read_text().split():
        group, writes = two / own, {"cpu.max": f"{quota_us} {period_us}"}
    else:
        pytest.skip("needs the cpu controller of control groups")
    group.mkdir()
    try:
        for file, value in writes.items():
            (group / file).write_text(value)
        yield group
    finally:
        group.rmdir()
