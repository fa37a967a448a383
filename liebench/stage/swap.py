"""A swap file of ours: anybody on the host may be paged out to it, so it disturbs neighbours. Undone after a kill."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liebench.contract import Disturbs
from liebench.errors import NeedUnmet, StageRefused
from liebench.stage.act import Act, acting
from liebench.state.journal import OURS, a_name

if TYPE_CHECKING:
    from liebench.stage.stage import Stage

SWAP = "swap"  # what an arm declares in Touches.other
CHUNK = bytes(1 << 20)


@contextlib.contextmanager
def swapfile(stage: Stage, folder: Path, mib: int) -> Iterator[Path]:
    """``mib`` MiB of swap below ``folder`` inside this block.

    Raises StageRefused where it is not declared or not consented to, NeedUnmet where the kernel does not take it.
    """
    import ctypes
    import shutil
    import subprocess

    if not any(SWAP in t.other for t in stage.touches):
        raise StageRefused("swap is not declared in this probe's touches (other: 'swap')")
    if stage.consent.rank < Disturbs.NEIGHBOURS.rank:
        raise StageRefused("a swap file disturbs neighbours; allow it with --disturb neighbours")
    tool = shutil.which("mkswap", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if tool is None:
        raise NeedUnmet("mkswap", "apt install util-linux")
    path = folder / f"{a_name()}.swap"
    with acting(stage.journal, SWAP_FILE, str(path), None, None):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            for _ in range(mib):  # written, for a swap file has no holes (swapon(8))
                file.write(CHUNK)
            file.flush()
            os.fsync(file.fileno())
        made = subprocess.run([tool, "-q", str(path)], check=False, capture_output=True, text=True)
        if made.returncode:
            raise NeedUnmet(f"a swap file on {folder} ({made.stderr.strip()})", "name another folder with --path")
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.swapon(os.fsencode(path), 0) != 0:
            why = os.strerror(ctypes.get_errno())
            raise NeedUnmet(
                f"a swap file on {folder} ({why})", "run as root, or name an ext4 or XFS folder with --path"
            )
        yield path


def _undo_swap(entry: dict[str, Any]) -> str:
    """Take the file out of use, which reads back what lies there, and remove it."""
    import ctypes

    path = Path(entry["what"])
    if not path.name.startswith(OURS) or not path.is_file():
        return ""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.swapoff(os.fsencode(path)) != 0 and str(path) in Path("/proc/swaps").read_text():
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    path.unlink()
    return f"{path} is no swap any more and was removed"


SWAP_FILE = Act("swap", _undo_swap)
