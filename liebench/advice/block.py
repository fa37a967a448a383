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
        "near-volume",
        "which volume holds what",
        "process",
        "everything on one",
        "an instance's own disk is gone with the instance: nothing that must survive it",
        "put there what is read or flushed often: {to}",
        "move it back ({now})",
        "block-remote",
        unknown,
    ),
    Change(
        "not-rotational",
        "/sys/block/DISK/queue/rotational",
        "host",
        "1 where the disk does not say",
        "another disk of that name later keeps the setting where a udev rule sets it",
        "echo {to} > /sys/block/DISK/queue/rotational, then measure again",
        "echo 1 > /sys/block/DISK/queue/rotational ({now})",
        "block-remote",
        _each(_turns),
    ),
    Change(
        "readahead",
        "/sys/block/DISK/queue/read_ahead_kb",
        "host",
        "128, or twice the device's best size",
        "random reads of mapped files fetch what nobody asked for",
        "echo {to} > /sys/block/DISK/queue/read_ahead_kb, then measure again",
        "write back the value of that disk ({now})",
        "block-remote",
        _each(lambda v: v.read_ahead_kb, " KiB"),
    ),
    Change(
        "watch-latency",
        "what the monitoring watches",
        "host",
        "iowait",
        "none",
        "watch {to}",
        "watch iowait again ({now})",
        "block-remote",
        unknown,
    ),
    Change(
        "batch-commits",
        "how many changes one fsync makes durable",
        "process",
        "one",
        "what was not flushed yet is lost when the power fails, so nothing of it may have been confirmed",
        "let several commits share a flush: {to}",
        "flush each one again ({now})",
        "flush-honesty",
        unknown,
    ),
    Change(
        "flush-through",
        "whether flushes reach the disk",
        "host",
        "they do",
        "every fsync then takes as long as the disk needs",
        "let flushes through: {to}",
        "as it was ({now})",
        "flush-honesty",
        unknown,
    ),
    Change(
        "io-timeout",
        "how long the kernel waits for a disk before it says so",
        "host",
        "30 s for most drivers",
        "a timeout shorter than a path needs to fail over turns a pause into an I/O error",
        "{to}",
        "as it was ({now})",
        "block-stall",
        _each(lambda v: v.io_timeout_ms or None, " ms"),
    ),
)
