"""A control group of ours, version 1 or 2, in which the core runs: CPU quotas and memory limits of known size."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from errno import EINVAL
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liebench.errors import StageRefused
from liebench.stage.act import Act, acting, poke
from liebench.state.journal import OURS, a_name

if TYPE_CHECKING:
    from liebench.stage.stage import Stage

PERIOD_US = 20_000  # a short period: a window of a second holds fifty
CONTROLLERS = "cgroup cpu"  # what an arm or a plant declares in Touches.other
MEMORY, NO_SWAP = "cgroup memory", "memory.swap.max"
BURST = ("cpu.cfs_burst_us", "cpu.max.burst")  # by version; since kernel 5.14 (sched-bwc.rst)


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


def bursts(root: Path) -> bool:
    """Whether a group of ours may keep what it did not use; the root of version 2 has no such file, its children do."""
    found = home(root, "cpu")
    if found is None:
        return False
    place, is_two = found
    return any(place.glob(f"*/{BURST[1]}")) if is_two else (place / BURST[0]).exists()


@contextlib.contextmanager
def group(stage: Stage, controller: str, one: Mapping[str, str], two: Mapping[str, str]) -> Iterator[Path]:
    """The core runs in a group of its own inside this block; ``one`` and ``two`` are its files by version.

    Raises StageRefused where it was not declared, or cannot be made.
    """
    place, is_two = _place(stage, controller)
    with _made(stage, place, two if is_two else one) as made, _running_in(stage, made):
        yield made


def _place(stage: Stage, controller: str) -> tuple[Path, bool]:
    if not any(f"cgroup {controller}" in t.other for t in stage.touches):
        raise StageRefused(f"a control group is not declared in this probe's touches (other: 'cgroup {controller}')")
    found = home(stage.host.root, controller)
    if found is None:
        raise StageRefused(f"needs the {controller} controller of control groups; run as root outside a container")
    return found


@contextlib.contextmanager
def _made(stage: Stage, place: Path, files: Mapping[str, str]) -> Iterator[Path]:
    made = place / a_name()
    with acting(stage.journal, GROUP, str(made), None, None):
        name = value = ""
        try:
            made.mkdir()
            for name, value in files.items():
                if name != NO_SWAP or (made / name).exists():  # without accounting of swap there is no such file
                    poke(made / name, value)
        except OSError as error:
            if error.errno == EINVAL:
                raise StageRefused(f"the kernel refuses {name}={value} for a group with {dict(files)}") from error
            raise StageRefused(f"{made} cannot be made ({error.strerror}); run as root outside a container") from error
        try:
            yield made
        finally:
            stage.traces.share({"vmstat.oom_kill": _kills(made)})


def _kills(group: Path) -> int:
    """Processes of a group that the kernel killed for want of memory; /proc/vmstat counts each of them too."""
    for name in ("memory.events", "memory.oom_control"):  # version 2, 1
        with contextlib.suppress(OSError, ValueError):
            table = dict(line.split() for line in (group / name).read_text().splitlines())
            return int(table.get("oom_kill", 0))
    return 0


@contextlib.contextmanager
def _running_in(stage: Stage, made: Path) -> Iterator[None]:
    before, stage.group = stage.group, made
    try:
        yield
    finally:
        stage.group = before


@dataclass(frozen=True, slots=True)
class Limits:
    """What one group may use: ``share`` of a CPU, ``mib`` of memory. None: no limit of its own.

    ``period_us``: in which the share is counted; ``burst_us``: how much of what was not used is kept for later.
    """

    share: float | None = None
    mib: int | None = None
    period_us: int = PERIOD_US
    burst_us: int = 0

    def files(self, controller: str, is_two: bool) -> Mapping[str, str]:
        """The files of one controller that say so."""
        if controller == "memory":
            return (
                {} if self.mib is None else {"memory.max" if is_two else "memory.limit_in_bytes": str(self.mib << 20)}
            )
        if self.share is None:
            return {}
        allowed, period = round(self.share * self.period_us), self.period_us
        one = {"cpu.cfs_period_us": str(period), "cpu.cfs_quota_us": str(allowed)}
        found = {"cpu.max": f"{allowed} {period}"} if is_two else one
        return found | ({BURST[is_two]: str(self.burst_us)} if self.burst_us else {})


@contextlib.contextmanager
def nested(stage: Stage, parent: Limits, leaf: Limits) -> Iterator[tuple[Path, ...]]:
    """A group in a group, as a container is in its pod. Yields what a process has to enter to be in the inner one.

    That is one group in version 2, and one a controller in version 1. The core runs in the first inside this block.
    Version 1 refuses a leaf with a larger quota than its parent's.
    """
    wanted = [c for c in ("cpu", "memory") if any(limits.files(c, True) for limits in (parent, leaf))]
    places: dict[tuple[Path, bool], list[str]] = {}
    for controller in wanted:
        places.setdefault(_place(stage, controller), []).append(controller)
    with contextlib.ExitStack() as groups:
        inner = []
        for (place, is_two), controllers in places.items():
            below = {"cgroup.subtree_control": " ".join(f"+{c}" for c in controllers)} if is_two else {}
            outer_files, inner_files = (
                {k: v for c in controllers for k, v in limits.files(c, is_two).items()} for limits in (parent, leaf)
            )
            outer = groups.enter_context(_made(stage, place, {**outer_files, **below}))
            inner.append(groups.enter_context(_made(stage, outer, inner_files)))
        if inner:
            groups.enter_context(_running_in(stage, inner[0]))
        yield tuple(inner)


@contextlib.contextmanager
def quota(stage: Stage, share: float, period_us: int = PERIOD_US, burst_us: int = 0) -> Iterator[Path]:
    """The core gets ``share`` of one CPU inside this block, by the quota of a control group of its own.

    Raises StageRefused for a burst above the quota, which the kernel does not take.
    """
    limits = Limits(share, None, period_us, burst_us)
    with group(stage, "cpu", limits.files("cpu", False), limits.files("cpu", True)) as made:
        yield made


@contextlib.contextmanager
def memory(stage: Stage, mib: int, swappiness: int | None = None, swaps: bool = True) -> Iterator[Path]:
    """The core may use ``mib`` MiB inside this block. ``swappiness`` is a group's own in version 1 only.

    Version 2 has no such file: there StageRefused says so, and the host's own value has to be changed. Without
    ``swaps`` nothing of it goes to swap, whoever has put some there (another probe's rig may have).
    """
    one = {"memory.limit_in_bytes": str(mib << 20)} | ({} if swaps else {"memory.swappiness": "0"})
    two = {"memory.max": str(mib << 20)} | ({} if swaps else {NO_SWAP: "0"})
    if swappiness is not None:
        one["memory.swappiness"] = str(swappiness)
        found = home(stage.host.root, "memory")
        if found and found[1]:
            raise StageRefused("a control group of version 2 has no swappiness of its own")
    with group(stage, "memory", one, two) as made:
        yield made


def _undo_cgroup(entry: dict[str, Any]) -> str:
    """Move whoever is left to the nearest group that is not ours, and remove this one."""
    group = Path(entry["what"])
    above = next(folder for folder in group.parents if not folder.name.startswith(OURS))
    if not group.name.startswith(OURS) or not group.is_dir():
        return ""
    for _ in range(50):
        with contextlib.suppress(OSError):
            for pid in (group / "cgroup.procs").read_text().split():
                poke(above / "cgroup.procs", pid)
            group.rmdir()
            return f"{group} was removed"
        time.sleep(0.02)  # a process that is ending still counts
    return f"{group} could not be removed; try rmdir {group}"


GROUP = Act("cgroup", _undo_cgroup)
