"""Files of records, one JSON object a line, which only grow: each line is on disk before its writer goes on.

A power cut may tear the last line; the next writer begins a line of its own, and readers pass over what is damaged and
say so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MOST_BYTES = 64 << 20


def append(path: Path, record: Mapping[str, Any]) -> None:
    """Add a record and fsync. Raises OSError; what stood there before stays readable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(fd).st_size
        torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        line = (b"\n" if torn else b"") + json.dumps(record, allow_nan=False).encode() + b"\n"
        written = os.write(fd, line)
        if written != len(line):
            os.write(fd, line[written:])  # raises what the first call had no room to say
        os.fsync(fd)
    finally:
        os.close(fd)
    if fresh:
        sync_folder(path.parent)
        sync_folder(path.parent.parent)


def sync_folder(folder: Path) -> None:
    """Names that were made or removed in a folder survive a power cut from here on."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def records(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """(records, a sentence per damaged line). A missing file holds none; raises OSError where it cannot be read."""
    try:
        with path.open("rb") as file:
            lines = file.read(MOST_BYTES).split(b"\n")
    except FileNotFoundError:
        return [], []
    found, said = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            found.append(record)
        else:
            said.append(f"{path} line {number} is damaged (a power cut tears the last one); it was passed over")
    return found, said
