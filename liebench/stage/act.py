"""An act on the host and how it is taken back: noted first (``liebench.state.journal``), undone on every way out."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liebench.state.journal import OURS, Journal

Undo = Callable[[dict[str, Any]], str]  # takes one entry back; returns what it did, "" where nothing was to do


@dataclass(frozen=True, slots=True)
class Act:
    """A kind of act, by the name that its entries carry.

    ``undo`` must be idempotent, and must cope with an act that was noted and never done. ``outlives_boot``: a reboot
    does not take it back (a file on a disk).
    """

    kind: str
    undo: Undo
    outlives_boot: bool = False


@contextlib.contextmanager
def acting(journal: Journal, act: Act, what: str, old: Any, new: Any) -> Iterator[None]:
    """Note, let the caller act, undo on every way out. Raises HostDirty where nothing can be noted."""
    number = journal.note(act.kind, what, old, new)
    try:
        yield
    finally:
        act.undo(journal.entry(number))
        journal.done(number)


def poke(path: Path, text: str) -> None:
    """Write a value in one call and without truncating first: a kill must find the old value or the new one."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _undo_value(entry: dict[str, Any]) -> str:
    """Write the old value back, unless somebody else has changed it since."""
    path = Path(entry["what"])
    now = path.read_text().strip()
    if now == entry["old"]:
        return ""
    if now != entry["new"]:
        return f"{path} is {now!r}, neither what we found nor what we wrote: somebody changed it, so it was left"
    poke(path, entry["old"])
    return f"{path} is {entry['old']!r} again"


def _undo_folder(entry: dict[str, Any]) -> str:
    path = Path(entry["what"])
    if not path.name.startswith(OURS) or not path.is_dir() or path.is_symlink():
        return ""

    def open_up(_act: object, what: str, _why: object) -> None:
        """A folder that even its owner may not enter, such as the one an overlay works in (mode 0)."""
        with contextlib.suppress(OSError):
            os.chmod(what, 0o700)
            shutil.rmtree(what, ignore_errors=True)

    shutil.rmtree(path, onerror=open_up)
    if path.exists():  # now it can be entered
        shutil.rmtree(path, ignore_errors=True)
    return f"{path} could not be removed; look at what is left in it" if path.exists() else f"{path} was removed"


VALUE = Act("value", _undo_value)
FOLDER = Act("folder", _undo_folder, outlives_boot=True)
