"""Which run files a folder holds, and the hash of one."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from liebench.errors import RunUnreadable
from liebench.runfile.chunks import SIGNATURE, frames

NAMED = ("*T*Z-????????.lb", "*T*Z-????????.json")  # finished run files as liebench names them: time and seed
ANY = ("*.lb", "*.json", "*.lb.part", "*.ndjson")  # finished ones first
HEAD = 1 << 16  # bytes of a run file in which its head stands
KIND = re.compile(rb'"kind"\s*:\s*"(run|gate|trial)"')


def run_files(folder: Path, kind: str | None = None, *, below: bool = False) -> list[Path]:
    """Run files of a folder in the order of their names (by time, as liebench names them); no hidden ones.

    ``kind`` (run, gate or trial): only finished ones that liebench named and whose head states that kind. Without it:
    every finished file, then every growing one, whatever it holds. ``below``: of the folders inside too.
    """
    find = folder.rglob if below else folder.glob
    found = [path for name in (NAMED if kind else ANY) for path in find(name)]
    seen = [path for path in found if not _hidden(path.relative_to(folder)) and path.is_file()]
    chosen = [path for path in seen if kind is None or _kind(path) == kind]
    return sorted(chosen, key=lambda p: (p.suffix in (".part", ".ndjson"), p.relative_to(folder).as_posix()))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _kind(path: Path) -> str | None:
    """What the head of the file states; the first run files stated nothing. None where it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        if head.startswith(SIGNATURE):
            head = next(frames(head)).data()
    except (OSError, RunUnreadable, StopIteration):
        return None
    stated = KIND.search(head)
    return stated[1].decode() if stated else "run"


def file_hash(path: Path | str) -> str:
    """SHA-256 of a run file; empty for standard input and for a page, which holds a run and is no run file."""
    name = str(path)
    if name == "-" or name.endswith(".html"):
        return ""
    with open(name, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
