"""Reads run files: finished and growing ones, those of before, and runs that a page holds; brings them up to date.

A file is told by its first bytes: frames (``chunks``), else text: JSON (``plain``), or a page that embeds a run.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from liebench.errors import RunUnreadable
from liebench.runfile.binary import document
from liebench.runfile.binary import records as grown_records
from liebench.runfile.chunks import SIGNATURE, Kind, first_kind
from liebench.runfile.embed import TYPES, unpack
from liebench.runfile.fields import records, section
from liebench.runfile.plain import grown, parsed

SCHEMA = "liebench.run/2"
VERSION = 2
MOST_BYTES = 512 << 20
UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {  # from version n to n + 1
    1: lambda doc: {**doc, "schema": "liebench.run/2"},  # its samples were not rounded, and nobody asked for usage
}
EMBEDDED = re.compile(f'<script type="({"|".join(map(re.escape, TYPES))})" id="liebench-run">(.*?)</script>', re.DOTALL)


def read_run(path: Path | str) -> dict[str, Any]:
    """A finished or growing run file, a report that embeds one, or ``-`` for standard input.

    Raises RunUnreadable naming the file and the place; the file is never touched.
    """
    return read_document(path, lambda doc: validate(upgrade(doc)))


def read_document(path: Path | str, check: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """The same for any document of ours: ``check`` says whether it is one that the caller can use."""
    name = str(path)
    try:
        raw = sys.stdin.buffer.read(MOST_BYTES + 1) if name == "-" else _bytes(Path(path))
    except OSError as error:
        raise RunUnreadable(f"{name} cannot be read: {error.strerror or error}") from error
    if len(raw) > MOST_BYTES:
        raise RunUnreadable(f"{name} is larger than {MOST_BYTES >> 20} MiB; that is no run file of liebench")
    try:
        return check(_parsed(raw, name))
    except UnicodeDecodeError as error:
        raise RunUnreadable(f"{name} is not text (byte {error.start}); is it a run file?") from error
    except RecursionError as error:
        raise RunUnreadable(f"{name} is nested too deeply to be a run file") from error
    except RunUnreadable as error:
        raise error if name in str(error) else RunUnreadable(f"{name}: {error}") from error


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _parsed(raw: bytes, name: str) -> dict[str, Any]:
    if raw[:1] == SIGNATURE[:1]:
        growing = first_kind(raw) == Kind.RECORD
        return grown((f"frame {n}", record) for n, record in grown_records(raw)) if growing else document(raw)
    text = raw.decode("utf-8")
    embedded = EMBEDDED.search(text) if text.lstrip()[:1] == "<" else None
    return unpack(embedded[1], embedded[2], MOST_BYTES) if embedded else parsed(text, name)


def upgrade(doc: dict[str, Any]) -> dict[str, Any]:
    """Bring an older document to today's schema. A newer one is refused with what to do."""
    name, _, number = str(doc.get("schema", "")).rpartition("/")
    if name != "liebench.run" or not number.isdecimal() or len(number) > 6:
        raise RunUnreadable(f"this is no run file of liebench: its schema is {str(doc.get('schema'))[:60]!r}")
    version = int(number)
    if version > VERSION:
        raise RunUnreadable(f"this run file has schema {number}, this liebench reads up to {VERSION}; upgrade liebench")
    for step in range(version, VERSION):
        if step not in UPGRADES:
            raise RunUnreadable(f"run files of schema {step} can no longer be read; use an older liebench")
        doc = UPGRADES[step](doc)
    return doc


def validate(doc: Mapping[str, Any]) -> dict[str, Any]:
    """Check the parts every reader relies on; judges check the rest where they use it. Raises RunUnreadable."""
    for key in ("id", "started"):
        if not isinstance(doc.get(key), str):
            raise RunUnreadable(f"{key} must be text; the run file is damaged")
    for key in ("probes", "hashes", "host", "settings", "tool"):
        section(doc, key)
    for key in ("blocks", "looks", "controls"):
        records(doc, key)
    return dict(doc)
