"""Changes around disks: where data lies, what the kernel believes of a disk, when a program waits for it."""

from __future__ import annotations

from collections.abc import Callable

from liebench.advice.change import Change, unknown
from liebench.facts.volumes import Volume, volumes
from liebench.host import Host


def _each(of: Callable[[Volume], object], unit: str = "") -> Callable[[Host], str]:
    """What every disk has, by name; ``of`` gives None where it has none."""

    def now(host: Host) -> str:
        found = ((v.name, of(v)) for v in volumes(host))
        return ", ".join(f"{name}: {value}{unit}" for name, value in found if value is not None) or "unknown"

    return now


def _turns(volume: Volume) -> int | None:
    return None if volume.rotational is None else int(volume.rotational)


CHANGES = (
    Change(
        id="near-volume",
        setting="which volume holds what",
        scope="process",
        default="everything on one",
        risk="an instance's own disk is gone with the instance: nothing that must survive it",
        how="put there what is read or flushed often: {to}",
        undo="move it back ({now})",
        probe="block-remote",
        now=unknown,
    ),
    Change(
        id="not-rotational",
        setting="/sys/block/DISK/queue/rotational",
        scope="host",
        default="1 where the disk does not say",
        risk="another disk of that name later keeps the setting where a udev rule sets it",
        how="echo {to} > /sys/block/DISK/queue/rotational, then measure again",
        undo="echo 1 > /sys/block/DISK/queue/rotational ({now})",
        probe="block-remote",
        now=_each(_turns),
    ),
    Change(
        id="readahead",
        setting="/sys/block/DISK/queue/read_ahead_kb",
        scope="host",
        default="128, or twice the device's best size",
        risk="random reads of mapped files fetch what nobody asked for",
        how="echo {to} > /sys/block/DISK/queue/read_ahead_kb, then measure again",
        undo="write back the value of that disk ({now})",
        probe="block-remote",
        now=_each(lambda v: v.read_ahead_kb, " KiB"),
    ),
    Change(
        id="watch-latency",
        setting="what the monitoring watches",
        scope="host",
        default="iowait",
        risk="none",
        how="watch {to}",
        undo="watch iowait again ({now})",
        probe="block-remote",
        now=unknown,
    ),
    Change(
        id="batch-commits",
        setting="how many changes one fsync makes durable",
        scope="process",
        default="one",
        risk="what was not flushed yet is lost when the power fails, so nothing of it may have been confirmed",
        how="let several commits share a flush: {to}",
        undo="flush each one again ({now})",
        probe="flush-honesty",
        now=unknown,
    ),
    Change(
        id="flush-through",
        setting="whether flushes reach the disk",
        scope="host",
        default="they do",
        risk="every fsync then takes as long as the disk needs",
        how="let flushes through: {to}",
        undo="as it was ({now})",
        probe="flush-honesty",
        now=unknown,
    ),
    Change(
        id="io-timeout",
        setting="how long the kernel waits for a disk before it says so",
        scope="host",
        default="30 s for most drivers",
        risk="a timeout shorter than a path needs to fail over turns a pause into an I/O error",
        how="{to}",
        undo="as it was ({now})",
        probe="block-stall",
        now=_each(lambda v: v.io_timeout_ms or None, " ms"),
    ),
)
