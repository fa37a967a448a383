"""A control group of ours, version 1 or 2, in which the core runs: CPU quotas and memory limits of known size."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liebench.errors import StageRefused
from liebench.journal import OURS, a_name, poke, undoes

if TYPE_CHECKING:
    from liebench.stage import Stage

PERIOD_US = 20_000  # a short period: a window of a second holds fifty
CONTROLLERS = "cgroup cpu"  # what an arm or a plant declares in Touches.other
MEMORY = "cgroup memory"


def home(root: Path, controller: str) -> tuple[Path, bool] | None:
    """(parent folder, is it version 2) for a group with this controller that we may make; None where there is none."""
    one, two = root / "sys/fs/cgroup" / controller, root / "sys/fs/cgroup"
    if (one / "cgroup.procs").exists():
        return (one, False) if os.access(one, os.W_OK) else None
    try:
        enabled = (two / "cgroup.subtree_control").read_text().split()
    except OSError:
        enabled = []
    return (two, True) if controller in enabled and os.access(two, os.W_OK) else None


@contextlib.contextmanager
def group(stage: Stage, controller: str, one: Mapping[str, str], two: Mapping[str, str]) -> Iterator[Path]:
    """The core runs in a group of its own inside this block; ``one`` and ``two`` are its files by version.

    Raises StageRefused where it was not declared, or cannot be made.
    """
    if not any(f"cgroup {controller}" in t.other for t in stage.touches):
        raise StageRefused(f"a control group is not declared in this probe's touches (other: 'cgroup {controller}')")
    found = home(stage.host.root, controller)
    if found is None:
        raise StageRefused(f"needs the {controller} controller of control groups; run as root outside a container")
    place, is_two = found
    made = place / a_name()
    with stage.journal.acting("cgroup", str(made), None, None):
        try:
            made.mkdir()
            for name, value in (two if is_two else one).items():
                poke(made / name, value)
        except OSError as error:
            raise StageRefused(f"{made} cannot be made ({error.strerror}); run as root outside a container") from error
        before, stage.group = stage.group, made
        try:
            yield made
        finally:
            stage.group = before


@contextlib.contextmanager
def quota(stage: Stage, share: float) -> Iterator[Path]:
    """The core gets ``share`` of one CPU inside this block, by the quota of a control group of its own."""
    allowed = round(share * PERIOD_US)
    one = {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(allowed)}
    with group(stage, "cpu", one, {"cpu.max": f"{allowed} {PERIOD_US}"}) as made:
        yield made


@contextlib.contextmanager
def memory(stage: Stage, mib: int, swappiness: int | None = None) -> Iterator[Path]:
    """The core may use ``mib`` MiB inside this block. ``swappiness`` is a group's own in version 1 only.

    Version 2 has no such file: there StageRefused says so, and the host's own value has to be changed.
    """
    one = {"memory.limit_in_bytes": str(mib << 20)}
    two = {"memory.max": str(mib << 20)}
    if swappiness is not None:
        one["memory.swappiness"] = str(swappiness)
        found = home(stage.host.root, "memory")
        if found and found[1]:
            raise StageRefused("a control group of version 2 has no swappiness of its own")
    with group(stage, "memory", one, two) as made:
        yield made


@undoes("cgroup")
def _undo_cgroup(entry: dict[str, Any]) -> str:
    """Move whoever is left to the parent and remove the group."""
    group = Path(entry["what"])
    if not group.name.startswith(OURS) or not group.is_dir():
        return ""
    for _ in range(50):
        with contextlib.suppress(OSError):
            for pid in (group / "cgroup.procs").read_text().split():
                poke(group.parent / "cgroup.procs", pid)
            group.rmdir()
            return f"{group} was removed"
        time.sleep(0.02)  # a process that is ending still counts
    return f"{group} could not be removed; try rmdir {group}"
