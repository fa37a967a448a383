"""Where liebench keeps its own files, and how one is written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path
from typing import NoReturn

from liebench.errors import StorageFull

TOKEN = 16  # hexadecimal digits that end the name of a file that is being written


def state_dir() -> Path:
    """Where the undo journal and caches live, whatever ``--out`` says: sysctls belong to the host.

    ``$LIEBENCH_STATE`` names another folder, for tests and for who keeps several apart.
    """
    named = os.environ.get("LIEBENCH_STATE")
    if named:
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/lib/liebench")
    base = os.environ.get("XDG_STATE_HOME")
    return Path(base) / "liebench" if base else Path.home() / ".local" / "state" / "liebench"


def results_dir(out: Path | None = None) -> Path:
    """``--out``, else ``$LIEBENCH_RESULTS``, else ``./results`` where that exists, else the state directory."""
    if out is not None:
        return out
    named = os.environ.get("LIEBENCH_RESULTS")
    if named:
        return Path(named)
    here = Path("results")
    return here if here.is_dir() else state_dir() / "results"


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write ``data`` so that ``path`` is either the old file or the whole new one, also after a power cut.

    The name it has until then is one that nobody can have put there, or foreseen.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(TOKEN // 2)}")
    try:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        storage_full(path, error)


def storage_full(path: Path, error: OSError) -> NoReturn:
    reason = {errno.ENOSPC: "the disk is full", errno.EROFS: "the file system is read-only"}
    why = reason.get(error.errno or 0, error.strerror or str(error))
    raise StorageFull(f"{path} cannot be written: {why}; name another folder with --out") from error
