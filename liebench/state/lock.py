"""One liebench at a time changes a host: a lock that ends with its process, however that ends (flock(2))."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from liebench.errors import HostBusy, NeedUnmet

FILE = "applied.lock"
_HELD: set[Path] = set()  # by this process: what runs inside may ask again


@contextlib.contextmanager
def exclusive(state: Path, doing: str, wait_s: float = 0.0) -> Iterator[None]:
    """Nobody else changes the host inside this block. Raises HostBusy naming who does, after ``wait_s`` seconds."""
    path = state.absolute() / FILE
    if path in _HELD:
        yield
        return
    try:
        state.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise NeedUnmet(f"to write {path} ({error.strerror})", "run it as root, as sudo liebench") from error
    try:
        _take(fd, path, wait_s)
        os.ftruncate(fd, 0)
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same, only its words are missing
            os.pwrite(fd, f"{os.getpid()} {doing}".encode(), 0)
        _HELD.add(path)
        yield
    finally:
        _HELD.discard(path)
        os.close(fd)


def _take(fd: int, path: Path, wait_s: float) -> None:
    until = time.monotonic() + wait_s
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                pid, _, doing = os.pread(fd, 200, 0).decode(errors="replace").partition(" ")
                who = f"process {pid}, {doing}" if doing else "another process"
                raise HostBusy(
                    f"another liebench is changing this host ({who}); wait until it has ended, then repeat the command "
                    f"(it holds {path})"
                ) from None
        time.sleep(0.05)
