"""The run file: write it as it grows, read it back, check its shape. One JSON document, schema ``liebench.run/1``.

While a run lasts the file is ``<id>.ndjson``: a header, then a record per line, readable after a kill up to its last
whole record. The finished ``<id>.json`` is written beside it and renamed; only then is the growing file removed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from liebench.errors import RunUnreadable
from liebench.runfile.embed import OLD_TYPE, TYPE, expanded, unpack
from liebench.runfile.fields import mapping, records, section

SCHEMA = "liebench.run/1"
VERSION = 1
MOST_BYTES = 512 << 20
UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}  # from version n to n + 1
EMBEDDED = re.compile(
    f'<script type="({re.escape(TYPE)}|{re.escape(OLD_TYPE)})" id="liebench-run">(.*?)</script>', re.DOTALL
)
LATE = ("finished", "stopped", "quiet", "instrument", "receipt")


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
        return check(_parse(raw.decode("utf-8"), name))
    except UnicodeDecodeError as error:
        raise RunUnreadable(f"{name} is not text (byte {error.start}); is it a run file?") from error
    except RecursionError as error:
        raise RunUnreadable(f"{name} is nested too deeply to be a run file") from error
    except RunUnreadable as error:
        raise error if name in str(error) else RunUnreadable(f"{name}: {error}") from error


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _refuse_constant(value: str) -> NoReturn:
    raise ValueError(f"{value} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return found


def _loads(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)


def _parse(text: str, name: str) -> dict[str, Any]:
    embedded = EMBEDDED.search(text) if text.lstrip()[:1] == "<" else None
    text = unpack(embedded[1], embedded[2], MOST_BYTES) if embedded else text
    first, _, rest = text.partition("\n")
    try:
        head = _loads(first if rest.strip() else text)
    except json.JSONDecodeError as error:
        try:
            head = _loads(text)  # a document spread over lines
        except ValueError:
            place = f"line {error.lineno}, column {error.colno}"
            raise RunUnreadable(f"{name} is damaged at {place}: {error.msg}; nothing was changed") from error
    except ValueError as error:
        raise RunUnreadable(f"{name} is damaged: {error}; nothing was changed") from error
    doc = mapping(head, "the run file")
    if doc.get("record") == "header":
        return _grown(doc, rest, name)
    return expanded(doc) if "columns" in doc else dict(doc)


def _grown(header: Mapping[str, Any], rest: str, name: str) -> dict[str, Any]:
    """The document of a growing file: the same as the finished one, ``stopped: killed`` without an end."""
    doc: dict[str, Any] = {**header, "probes": {}, "blocks": [], "looks": [], "stopped": "killed", "finished": None}
    doc.pop("record")
    lines = rest.split("\n")
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        try:
            record = mapping(_loads(line), f"line {number}")
        except ValueError as error:
            if number == len(lines) + 1:  # the line that was being written when the run was killed
                break
            raise RunUnreadable(f"{name} is damaged at line {number}: {error}; nothing was changed") from error
        _add(doc, dict(record), f"line {number}")
    return doc


def _add(doc: dict[str, Any], record: dict[str, Any], place: str) -> None:
    kind = record.pop("record", None)
    if kind == "probe" and isinstance(record.get("id"), str):
        doc["probes"][record.pop("id")] = record
    elif kind in ("control", "block", "look"):
        doc[f"{kind}s"].append(record)
    elif kind == "end":
        doc.update({k: v for k, v in record.items() if k in LATE})
    else:
        raise RunUnreadable(f"{place} is a record of an unknown kind {str(kind)[:40]!r}")


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
