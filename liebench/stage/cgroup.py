"""A control group of ours, version 1 or 2, in which the core runs: a CPU quota of known size. Removed always."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liebench.errors import StageRefused
from liebench.journal import poke, undoes

if TYPE_CHECKING:
    from liebench.stage import Stage

PERIOD_US = 20_000  # a short period: a window of a second holds fifty
CONTROLLERS = "cgroup cpu"  # what an arm or a plant declares in Touches.other


def _home(root: Path) -> tuple[Path, bool]:
    """(parent folder, is it version 2) for a group with the cpu controller. Raises StageRefused where there is none."""
    one = root / "sys/fs/cgroup/cpu"
    if (one / "cgroup.procs").exists():
        return one, False
    two = root / "sys/fs/cgroup"
    try:
        enabled = (two / "cgroup.subtree_control").read_text().split()
    except OSError:
        enabled = []
    if "cpu" not in enabled:
        raise StageRefused(
            "needs the cpu controller of control groups (cgroup.subtree_control); run outside a container"
        )
    return two, True


@contextlib.contextmanager
def quota(stage: Stage, share: float) -> Iterator[None]:
    """The core gets ``share`` of one CPU inside this block, by the quota of a control group of its own."""
    if not any(CONTROLLERS in t.other for t in stage.touches):
        raise StageRefused("a control group is not declared in this probe's touches (other: 'cgroup cpu')")
    home, two = _home(stage.host.root)
    group = home / f"liebench-{os.urandom(6).hex()}"
    allowed = round(share * PERIOD_US)
    with stage.journal.acting("cgroup", str(group), None, None):
        try:
            group.mkdir()
            if two:
                poke(group / "cpu.max", f"{allowed} {PERIOD_US}")
            else:
                poke(group / "cpu.cfs_period_us", str(PERIOD_US))
                poke(group / "cpu.cfs_quota_us", str(allowed))
        except OSError as error:
            raise StageRefused(f"{group} cannot be made ({error.strerror}); run as root outside a container") from error
        before, stage.group = stage.group, group
        try:
            yield
        finally:
            stage.group = before


@undoes("cgroup")
def _undo_cgroup(entry: dict[str, Any]) -> str:
    """Move whoever is left to the parent and remove the group."""
    group = Path(entry["what"])
    if not group.name.startswith("liebench-") or not group.is_dir():
        return ""
    for _ in range(50):
        with contextlib.suppress(OSError):
            for pid in (group / "cgroup.procs").read_text().split():
                poke(group.parent / "cgroup.procs", pid)
            group.rmdir()
            return f"{group} was removed"
        time.sleep(0.02)  # a process that is ending still counts
    return f"{group} could not be removed; try rmdir {group}"
