"""Was the device really touched as often as was asked: its own counters around a repetition (iostats.rst)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from liebench.contract import Rep
from liebench.facts import ebs
from liebench.facts.volumes import IoCounts, Volume, flushes, io_counts, volume_of
from liebench.stage.nvme import log_page

if TYPE_CHECKING:
    from liebench.stage.stage import Stage

SECTOR = 512  # of the counters, whatever the device's own is
LEAST, MOST = 0.95, 1.05
NOT_TOUCHED, OTHERS = "DEVICE_NOT_TOUCHED", "OTHERS_ON_DEVICE"


def volume_below(stage: Stage, path: str) -> Volume | None:
    """The volume that a file lies on, or the block device itself; None where the kernel does not tell."""
    found = os.stat(path)
    number = found.st_rdev if found.st_rdev else found.st_dev
    return volume_of(stage.host, (os.major(number), os.minor(number)))


def counted(stage: Stage, volume: Volume | None, work: Callable[[], Rep], most: float = MOST) -> Rep:
    """One repetition with the device's counters beside it, as facts, and a flag where they contradict what was asked.

    ``asked``: the repetition's facts ``reads`` or ``writes`` times ``kib`` (4 where it says nothing). ``most``: share
    of it that the device may see without somebody else, more where the kernel reads around what it is asked for.
    Facts added: ``device_share`` (bytes at the device over bytes asked for), ``device_flushes``, and how many there
    were ever; ``exceeded_us`` (EBS alone).
    """
    if volume is None:
        return work()
    before, confessed, flushed = (
        io_counts(stage.host, volume.name),
        _confessed(volume),
        flushes(stage.host, volume.name),
    )
    rep = work()
    after, more, ever = io_counts(stage.host, volume.name), _confessed(volume), flushes(stage.host, volume.name)
    if flushed is not None and ever is not None:
        rep = replace(rep, facts={**rep.facts, "device_flushes": ever - flushed, "device_flushes_ever": ever})
    if confessed is not None and more is not None:
        rep = replace(rep, facts={**rep.facts, "exceeded_us": more - confessed})
    return rep if before is None or after is None else _told(rep, before, after, most)


def _confessed(volume: Volume) -> int | None:
    """Microseconds that an EBS volume says it, or its instance, was asked for too much; None for any other."""
    if volume.model is None or ebs.MODEL not in volume.model:
        return None
    page = log_page(Path(f"/dev/{volume.name}"), ebs.PAGE, ebs.LENGTH)
    found = ebs.confession(page) if page else None
    return found.exceeded_us if found else None


def _told(rep: Rep, before: IoCounts, after: IoCounts, most: float) -> Rep:
    kib = float(rep.facts.get("kib", 4))
    asked = 1024 * kib * (float(rep.facts.get("reads", 0)) + float(rep.facts.get("writes", 0)))
    sectors = after.read_sectors - before.read_sectors if rep.facts.get("reads") else 0
    sectors += after.written_sectors - before.written_sectors if rep.facts.get("writes") else 0
    share = SECTOR * sectors / asked if asked else None
    flags = rep.flags
    if share is not None and not LEAST <= share <= most:
        flags = (*flags, NOT_TOUCHED if share < LEAST else OTHERS)
    return replace(rep, facts={**rep.facts, "device_share": share}, flags=flags)
