"""A power cut where one can be had: the server of a network disk of ours dies with all that its memory held."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from liebench.stage.block import network_disk

if TYPE_CHECKING:
    from liebench.stage.stage import Stage

BLOCK, MARKED = 4096, 64  # writes before the power is cut, each of them flushed
BYTES = BLOCK * MARKED


def power_cut(stage: Stage, folder: Path, unsafe: bool) -> float:
    """Percent of flushed writes that are gone after the cut.

    nbdkit's cache filter keeps writes to itself until it is flushed; with cache=unsafe it says yes to a flush and does
    nothing (nbdkit-cache-filter(1)). Raises what ``network_disk`` raises.
    """
    image = folder / "image"
    image.write_bytes(bytes(BYTES))
    words = ("--filter=cache", "file", str(image), f"cache={'unsafe' if unsafe else 'writeback'}")
    marks = [os.urandom(16) * (BLOCK // 16) for _ in range(MARKED)]
    with network_disk(stage, folder, words) as disk:
        fd = os.open(disk.target, os.O_WRONLY | os.O_CLOEXEC)
        try:
            for number, mark in enumerate(marks):
                os.pwrite(fd, mark, number * BLOCK)
                os.fdatasync(fd)
            disk.cut_power()
        finally:
            os.close(fd)
    left = image.read_bytes()
    kept = sum(left[n * BLOCK : (n + 1) * BLOCK] == mark for n, mark in enumerate(marks))
    return 100.0 * (MARKED - kept) / MARKED
