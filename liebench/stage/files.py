"""Where the file probes may write: a folder of ours on the file system that is asked about, and never its last room."""

from __future__ import annotations

import os
from pathlib import Path

from liebench.errors import NeedUnmet, UsageError

HOMES = ("/var/tmp", "/tmp")
LEAST_FREE, LEAST_SHARE = 1 << 30, 0.10  # what stays free: 1 GiB and a tenth of the file system
IN_MEMORY = {0x01021994: "tmpfs", 0x858458F6: "ramfs"}  # statfs(2)
REMOTE = {0x6969: "NFS", 0xFF534D42: "CIFS", 0xFE534D42: "SMB2", 0x01021997: "9p"}


def kind_of(folder: Path) -> str | None:
    """``tmpfs``, ``NFS`` and the like where that is what the folder lies on; None for anything else."""
    import ctypes

    room = ctypes.create_string_buffer(256)  # struct statfs: f_type is its first word
    if ctypes.CDLL(None, use_errno=True).statfs(os.fsencode(folder), room) != 0:
        return None
    found = int.from_bytes(room.raw[: ctypes.sizeof(ctypes.c_long)], "little")
    return (IN_MEMORY | REMOTE).get(found & 0xFFFFFFFF)


def home(named: str, mib: int, local: bool = True) -> Path:
    """The folder to write ``mib`` MiB below: the one that was named, else the first fit one of HOMES.

    Raises UsageError for a named folder that is none, NeedUnmet where there is no room or, with ``local``, no disk.
    """
    if named and not os.path.isdir(named):
        raise UsageError(f"{named} is no folder; name one on the file system to measure")
    reasons = []
    for folder in (Path(named),) if named else tuple(Path(h) for h in HOMES):
        why = _unfit(folder, mib, local)
        if not why:
            return folder
        reasons.append(f"{folder} {why}")
    free = any(" MiB free" in reason for reason in reasons)
    cure = f"{'free some, or ' if free else ''}name {'another' if named else 'a'} folder with --path"
    raise NeedUnmet(f"{mib} MiB on a disk: {'; '.join(reasons)}", cure)


def _unfit(folder: Path, mib: int, local: bool) -> str:
    if not os.access(folder, os.W_OK | os.X_OK):
        return "cannot be written"
    kind = kind_of(folder)
    if local and kind:
        return f"is {kind}"
    found = os.statvfs(folder)
    free, whole = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    left = free - (mib << 20)
    if left < LEAST_FREE or left < LEAST_SHARE * whole:
        return f"has {free >> 20} MiB free, and 1 GiB and a tenth of it must stay so"
    return ""
